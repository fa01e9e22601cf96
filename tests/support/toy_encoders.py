"""Small pretrained encoders of random weights, as the hub and as a folder of arrays hold them."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
import transformers

from emotone.features.encoders import names, weights

WIDTH, N_BLOCKS, SIZE = 128, 3, "nano"
N_HUB_LAYERS, HUB_WIDTH = 4, 32


def whisper_model(folder: Path) -> Path:
    """Save a small Whisper as transformers does."""
    config = transformers.WhisperConfig(
        d_model=WIDTH,
        encoder_layers=N_BLOCKS,
        encoder_attention_heads=WIDTH // 64,
        encoder_ffn_dim=4 * WIDTH,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=16,
        vocab_size=16,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=3,
    )
    model = transformers.WhisperModel(config)
    _shake(model)
    model.save_pretrained(folder)
    return folder


def whisper_arrays(model: Path, path: Path, *, n_blocks: int) -> Path:
    """Write the first blocks of a saved Whisper as a file of arrays in half precision."""
    theirs = transformers.WhisperModel.from_pretrained(model).encoder.state_dict()
    arrays = {f"conv{k}/{kind}": theirs[f"conv{k}.{kind}"] for k in (1, 2) for kind in ("weight", "bias")}
    for number in range(n_blocks):
        ours, name = f"layer_{number}", f"layers.{number}"
        for block, norm, products in (
            ("self_attention", "self_attn_layer_norm", (None, "self_attn.out_proj")),
            ("ffn", "final_layer_norm", ("fc1", "fc2")),
        ):
            arrays[f"{ours}/{block}/layer_norm/gamma"] = theirs[f"{name}.{norm}.weight"]
            arrays[f"{ours}/{block}/layer_norm/beta"] = theirs[f"{name}.{norm}.bias"]
            for place, product in enumerate(products):
                for kind in ("weight", "bias"):
                    if product is not None:
                        arrays[f"{ours}/{block}/linear_{place}/{kind}"] = theirs[f"{name}.{product}.{kind}"]
        stacked = [theirs[f"{name}.self_attn.{letter}_proj.weight"] for letter in "qkv"]
        query, value = (theirs[f"{name}.self_attn.{letter}_proj.bias"] for letter in "qv")
        arrays[f"{ours}/self_attention/linear_0/weight"] = torch.cat(stacked)
        arrays[f"{ours}/self_attention/linear_0/bias"] = torch.cat([query, -torch.zeros(WIDTH), value])
    np.savez(path, **{key: one.half().numpy() for key, one in arrays.items()})
    return path


def install(monkeypatch, model: Path) -> None:
    """Make the saved Whisper the one that the hub has, under the size "nano", and let there be no folder of arrays."""
    monkeypatch.setitem(names.SIZES, SIZE, names.Size(WIDTH, N_BLOCKS))
    monkeypatch.setattr(weights, "REPOSITORY", str(model.parent / "whisper-{size}"))
    monkeypatch.delenv(weights.FOLDER_VARIABLE, raising=False)


def hub_model(folder: Path, kind: str, *, normalize: bool | None = None, **settings: object) -> Path:
    """Save a small wav2vec2, hubert or wavlm; normalize: what its settings say of samples, None is nothing."""
    made = {
        "hidden_size": HUB_WIDTH,
        "num_hidden_layers": N_HUB_LAYERS,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "conv_dim": (16,) * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
        "vocab_size": 8,
    } | settings
    config, model = {
        "wav2vec2": (transformers.Wav2Vec2Config, transformers.Wav2Vec2Model),
        "hubert": (transformers.HubertConfig, transformers.HubertModel),
        "wavlm": (transformers.WavLMConfig, transformers.WavLMModel),
    }[kind]
    built = model(config(**made))
    _shake(built)
    built.save_pretrained(folder)
    if normalize is not None:
        transformers.Wav2Vec2FeatureExtractor(do_normalize=normalize).save_pretrained(folder)
    return folder


@torch.no_grad()
def _shake(model: torch.nn.Module) -> None:
    """Move biases from zero and norms from one, so that a mixed-up name is seen."""
    generator = torch.Generator().manual_seed(0)
    for name, values in model.named_parameters():
        if not name.endswith("embed_positions.weight"):
            values += 0.05 * torch.randn(values.shape, generator=generator)


class Table:
    """As much of a corpus as the store needs."""

    def __init__(self, paths: list[Path]) -> None:
        files = [str(path) for path in paths]
        self.table = pd.DataFrame({"path": files, "start_s": 0.0, "end_s": np.nan, "audio_channel": ""})
