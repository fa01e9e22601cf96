"""Names of pretrained encoders, and any of transformers' encoders of samples as an extractor."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from emotone import audio
from emotone.errors import ConfigError, FeatureError, MissingExtraError
from emotone.experiment import Config, run
from emotone.export.compose import compose
from emotone.export.pipelines import to_onnx
from emotone.features import registry
from emotone.features.encoders import names
from emotone.features.encoders.names import EncoderName, parse
from emotone.features.store import FeatureStore
from emotone.models import registry as models_by_name
from emotone.parallel import LocalPool
from emotone.preprocessing import DEFAULT as PREPROCESSING
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.runtime import open_session
from emotone.recognition.temperature import Temperature
from support import toy_encoders
from support import toy_experiment as toy

pytestmark = pytest.mark.slow

KINDS = ("wav2vec2", "hubert", "wavlm")
WIDTH = toy_encoders.HUB_WIDTH


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    """A folder with one small model of each kind, and a WavLM with a last norm, which normalises its samples."""
    folder = tmp_path_factory.mktemp("models")
    for kind in KINDS:
        toy_encoders.hub_model(folder / kind, kind)
    toy_encoders.hub_model(
        folder / "large", "wavlm", normalize=True, do_stable_layer_norm=True, feat_extract_norm="layer"
    )
    return folder


def compute(name: str, samples: np.ndarray) -> np.ndarray:
    return registry.get(name).compute(samples)


# ---- names ----


def test_names_are_read() -> None:
    assert parse("whisper-tiny.en@2,3,4:mean") == (EncoderName("tiny.en", "", (2, 3, 4), "mean"),)
    assert parse("hub:facebook/hubert-base-ls960@9") == (
        EncoderName("", "facebook/hubert-base-ls960", (9,), "mean+std"),
    )
    assert parse("hub:~/models/a@b+c@0:frames") == (EncoderName("", "~/models/a@b+c", (0,), "frames"),)
    joined = parse("whisper-base@3:mean+std+hub:./mine@1+whisper-base@4:mean")
    assert [(part.label, part.layers, part.pooling) for part in joined] == [
        ("whisper-base", (3,), "mean+std"),
        ("mine", (1,), "mean+std"),
        ("whisper-base", (4,), "mean"),
    ]
    assert "+".join(map(str, joined)) == "whisper-base@3+hub:./mine@1+whisper-base@4:mean"
    frames = "whisper-base@2,3:frames+whisper-tiny.en@2:frames"
    assert [(part.label, part.layers, part.is_sequence) for part in parse(frames)] == [
        ("whisper-base", (2, 3), True),
        ("whisper-tiny.en", (2,), True),
    ]
    assert "+".join(map(str, parse(frames))) == frames and names.is_sequence(frames)
    assert parse("hub:a/b@1,2:frames")[0].layers == (1, 2)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("whisper-base", "'whisper-base' names no layers; add them, such as whisper-base@3"),
        ("whisper-base@", "layers are ''; expected numbers of blocks"),
        ("whisper-base@3,", "layers are '3,'"),
        ("whisper-base@-1", "layers are '-1'"),
        ("whisper-base@last", "layers are 'last'"),
        ("whisper-base@7", "layer 7 of whisper-base, which has 6 blocks"),
        (
            "whisper-large@3",
            "size of Whisper is 'large'; expected tiny, tiny.en, base, base.en, small, small.en",
        ),
        ("whisper-base@3:max", "pooling is 'max'; expected mean+std, mean, frames, thirds"),
        ("whisper-base@3:", "pooling is ''"),
        ("whisper-base@3,3", "layer 3 of 'whisper-base' is there twice"),
        ("whisper-base@3+whisper-base@2,3:mean", "layer 3 of 'whisper-base' is there twice"),
        ("hub:a/x@3+hub:b/x@3", "layer 3 of 'x' is there twice"),
        ("whisper-base@3+whisper-tiny@2:frames", "statistics and 'frames' are joined; expected the same pooling"),
        ("whisper-base@3:frames+hub:a/b@2:mean", "statistics and 'frames' are joined; expected the same pooling"),
        ("whisper-base@3:frames+hub:a/b@2:frames", "'frames' of other encoders than Whisper's can't be joined"),
        ("hub:a/b@1:frames+hub:c/d@2:frames", "'frames' of other encoders than Whisper's can't be joined"),
        ("whisper-base@3,2:frames+whisper-base@2:frames", "layer 2 of 'whisper-base' is there twice"),
        ("hub:@3", "'hub:' names no model; expected org/model of the hub"),
        ("hub:org/model", "'hub:org/model' names no layers"),
    ],
)
def test_wrong_names_are_told_with_the_grammar(name: str, why: str) -> None:
    for refuses in (parse, registry.get, names.is_sequence):
        with pytest.raises(ConfigError) as told:
            refuses(name)
        assert str(told.value).startswith(f"extractor {name!r}: ")
        assert why in str(told.value)
        assert str(told.value).endswith("hub:<org/model or folder>@<layers>[:<pooling>]")


def test_an_unknown_name_lists_the_grammar_too() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown extractor 'whisper'; known: functionals, .*, \[int8:\]whisper-<size>@<lay"
    ):
        registry.get("whisper")


def test_an_experiment_takes_names_that_suit_its_model() -> None:
    def config(model: str, extractor: str) -> Config:
        return Config(("ravdess",), "data", "out", model=model, extractor=extractor)

    for model, name in (("svm", "whisper-base@2,3"), ("lstm", "whisper-base@3:frames"), ("cnn2d", "hub:a/b@3:frames")):
        assert config(model, name).extractor_name == name
    with pytest.raises(ConfigError, match="'svm' is trained on one row of features a clip"):
        config("svm", "whisper-base@3:frames")
    with pytest.raises(ConfigError, match="'lstm' is trained on frames .* such as whisper-base@3:frames"):
        config("lstm", "whisper-base@3")
    with pytest.raises(ConfigError, match="layer 9 of whisper-base"):
        config("svm", "whisper-base@9")


# ---- encoders of transformers ----


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_states_are_those_of_the_whole_model(models, make_voice, kind: str) -> None:
    samples = make_voice(seconds=0.7, seed=2, gain=0.05)
    model = transformers.AutoModel.from_pretrained(models / kind).eval()
    level = 0.08 * samples / np.sqrt(np.mean(samples.astype(np.float64) ** 2))
    states = model(torch.from_numpy(level).float()[None], output_hidden_states=True).hidden_states
    assert len(states) == 5
    for layer, state in enumerate(states):
        frames = compute(f"hub:{models / kind}@{layer}:frames", samples)
        np.testing.assert_allclose(frames, state[0].numpy(), atol=1e-4)
    both = compute(f"hub:{models / kind}@3,1:frames", samples)
    np.testing.assert_allclose(both, np.concatenate([states[3][0], states[1][0]], axis=1), atol=1e-4)
    row = compute(f"hub:{models / kind}@3,1", samples)
    chosen = (states[3][0].numpy(), states[1][0].numpy())
    expected = np.concatenate([part for one in chosen for part in (one.mean(0), one.std(0))])
    np.testing.assert_allclose(row, expected, atol=1e-4)
    means = compute(f"hub:{models / kind}@3:mean", samples)
    np.testing.assert_array_equal(means, row[:WIDTH])
    assert np.abs(chosen[0] - chosen[1]).max() > 0.1


@torch.inference_mode()
def test_samples_are_normalised_where_the_settings_say_so(models, make_voice) -> None:
    """And a norm after the last block is no part of the states before it."""
    samples = make_voice(seconds=0.7, seed=3) + np.float32(0.05)
    model = transformers.AutoModel.from_pretrained(models / "large").eval()
    prepared = transformers.AutoFeatureExtractor.from_pretrained(models / "large")(samples, sampling_rate=16_000)
    given = torch.tensor(np.asarray(prepared["input_values"]))
    assert float(given.mean()) == pytest.approx(0, abs=1e-4)
    states = model(given, output_hidden_states=True).hidden_states
    for layer, state in enumerate(states):
        frames = compute(f"hub:{models / 'large'}@{layer}:frames", samples)
        np.testing.assert_allclose(frames, state[0].numpy(), atol=1e-3)


@pytest.mark.parametrize("kind", ["hubert", "large"])
def test_gain_changes_nothing(models, make_voice, kind: str) -> None:
    name, samples = f"hub:{models / kind}@2", make_voice(seconds=0.4)
    for gain in (0.003, 30.0):
        np.testing.assert_allclose(
            compute(name, (gain * samples).astype(np.float32)), compute(name, samples), atol=1e-3
        )


def test_short_and_long_clips_have_states(models, make_voice) -> None:
    extractor = registry.get(f"hub:{models / 'wav2vec2'}@1:frames")
    assert [len(extractor.compute(make_voice(seconds=seconds))) for seconds in (0.2, 1.0, 31.0)] == [9, 49, 1549]


def test_columns_have_the_name_of_the_model(models) -> None:
    extractor = registry.get(f"hub:{models / 'hubert'}@0,4")
    assert (len(extractor.feature_names), len(set(extractor.feature_names))) == (4 * WIDTH, 4 * WIDTH)
    assert extractor.feature_names[WIDTH + 4] == "hubert-0-std-5"
    assert registry.get(f"hub:{models / 'hubert'}@0:frames").feature_names[4] == "hubert-0-5"
    assert (extractor.is_graph, extractor.is_sequence) == (False, False)


def test_digest_is_of_weights_settings_layers_and_pooling_and_not_of_the_place(models, tmp_path) -> None:
    def digest(folder: Path, rest: str = "@2") -> str:
        return registry.get(f"hub:{folder}{rest}").digest

    original = models / "wavlm"
    moved = shutil.copytree(original, tmp_path / "elsewhere")
    assert digest(moved) == digest(original)
    assert len({digest(original, rest) for rest in ("@2", "@1,2", "@3", "@2:mean", "@2:frames")}) == 5
    before = digest(moved)
    weights = bytearray((moved / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (moved / "model.safetensors").write_bytes(weights)
    other = digest(moved)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(moved)
    normalised = digest(moved)
    settings = json.loads((moved / "config.json").read_text())
    (moved / "config.json").write_text(json.dumps(settings | {"layer_norm_eps": 1e-3}))
    assert len({before, other, normalised, digest(moved)}) == 4


@pytest.mark.parametrize("pooling", ["", ":frames"])
def test_store_keeps_the_features_and_loads_no_model_for_them(
    models, make_voice, monkeypatch, tmp_path, pooling: str
) -> None:
    paths = [tmp_path / f"{number}.wav" for number in range(3)]
    for number, path in enumerate(paths):
        audio.write_wav(path, make_voice(seconds=0.4 + 0.2 * number, seed=number))
    name, store = f"hub:{models / 'hubert'}@2{pooling}", FeatureStore(tmp_path / "store")
    first = store.compute(toy_encoders.Table(paths), registry.get(name), pool=LocalPool(1)).values
    for row, path in zip(first, paths, strict=True):
        np.testing.assert_array_equal(row, compute(name, PREPROCESSING.apply(audio.read(path))))
        assert row.dtype == np.float32

    def refuse(*given: object, **settings: object) -> None:
        raise AssertionError("the model is loaded")

    monkeypatch.setattr(transformers.AutoModel, "from_pretrained", refuse)
    for row, again in zip(
        first, store.compute(toy_encoders.Table(paths), registry.get(name), pool=LocalPool(1)).values, strict=True
    ):
        np.testing.assert_array_equal(row, again)
    audio.write_wav(paths[0], make_voice(seconds=0.5, seed=9))
    with pytest.raises(FeatureError, match="'.*hubert' can't be loaded .the model is loaded"):
        registry.get(name).compute(PREPROCESSING.apply(audio.read(paths[0])))


def test_a_part_that_is_no_graph_joins_one_that_is(models, make_voice, monkeypatch, tmp_path) -> None:
    toy_encoders.install(monkeypatch, toy_encoders.whisper_model(tmp_path / "whisper-nano"))
    samples, parts = make_voice(seconds=0.5), ("whisper-nano@1", f"hub:{models / 'wavlm'}@2:mean")
    joined = registry.get("+".join(parts))
    assert not joined.is_graph
    whisper = registry.get(parts[0]).extract(torch.from_numpy(samples)).numpy()
    np.testing.assert_array_equal(joined.compute(samples), np.concatenate([whisper, compute(parts[1], samples)]))


def test_bundle_names_the_encoder_and_predicts_with_it(models, make_voice, monkeypatch, tmp_path) -> None:
    toy.install(monkeypatch)
    name = f"hub:{shutil.copytree(models / 'hubert', tmp_path / 'mine')}@0,2"
    manifest = toy.write_corpus(tmp_path, make_voice)
    told = run(toy.config(manifest, tmp_path / "run", model="logistic-regression", extractor=name)).metrics
    assert told["test"]["uar"] > 0.5  # of three emotions, which differ in pitch
    folder = tmp_path / "run/model"
    card = json.loads((folder / "card.json").read_text())
    assert (card["extractor"]["name"], card["extractor"]["graph"], card["features"]) == (name, False, 4 * WIDTH)
    assert "extras `train` and `hub`" in (folder / "README.md").read_text()
    clip = sorted(tmp_path.glob("*-angry-*.wav"))[0]
    assert sum(Recognizer(folder).predict(clip).scores.values()) == pytest.approx(1, abs=1e-5)
    shutil.rmtree(tmp_path / "mine")
    with pytest.raises(FeatureError, match="mine' is no folder and can't be loaded from the model hub"):
        Recognizer(folder)


def test_a_network_of_its_frames_has_a_graph_that_starts_at_them() -> None:
    rng = np.random.default_rng(0)
    clips = np.empty(16, dtype=object)
    for number in range(16):
        clips[number] = rng.standard_normal((10 + number, WIDTH)).astype(np.float32)
    network = models_by_name.get("cnn1d").build(seed=0, n_jobs=1, class_weight=True)
    network.set_params(classifier__max_epochs=1).fit(clips, np.arange(16) % 4)
    graph = compose(None, to_onnx(network, WIDTH), temperature=Temperature(), n_features=WIDTH, properties={})
    session = open_session(graph.SerializeToString())
    assert session.get_inputs()[0].shape == [1, "frames", WIDTH]
    for frames, expected in zip(clips, network.predict_proba(clips), strict=True):
        (found,) = session.run(["scores"], {"features": frames[None]})
        np.testing.assert_allclose(found[0], expected, atol=1e-4)


def test_the_hub_is_asked_for_the_older_weights_where_it_has_no_others(
    models, make_voice, monkeypatch, tmp_path
) -> None:
    stored, asked, samples = shutil.copytree(models / "hubert", tmp_path / "stored"), [], make_voice(seconds=0.4)
    torch.save(load_file(stored / "model.safetensors"), stored / "pytorch_model.bin")
    (stored / "model.safetensors").unlink()
    there = tmp_path / "snapshot"
    there.mkdir()

    def snapshot(repository: str, *, allow_patterns: list[str]) -> str:
        asked.append((repository, *allow_patterns))
        for path in stored.iterdir():
            if any(path.match(pattern) for pattern in allow_patterns):
                shutil.copy(path, there)
        return str(there)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    extractor = registry.get("hub:org/hubert@2")
    patterns = ("model*.safetensors", "pytorch_model*.bin")
    assert asked == [("org/hubert", "*.json", pattern) for pattern in patterns]
    np.testing.assert_array_equal(extractor.compute(samples), compute(f"hub:{models / 'hubert'}@2", samples))
    assert extractor.feature_names[0] == "hubert-2-mean-1"


# ---- what can't be ----


def test_without_the_extra_its_name_is_told(models, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match="the encoder '.*hubert' needs the extra 'hub'") as told:
        registry.get(f"hub:{models / 'hubert'}@2")
    assert told.value.extra == "hub"


def test_models_that_do_not_suit_are_refused(models, tmp_path) -> None:
    def refused(folder: Path, words: str, layer: int = 1) -> None:
        with pytest.raises(FeatureError, match=words):
            registry.get(f"hub:{folder}@{layer}")

    refused(models / "hubert", "layer 5 of '.*hubert' is asked for, which has 4 blocks", layer=5)
    refused(
        toy_encoders.whisper_model(tmp_path / "w"), "is a Whisper, whose features are named whisper-<size>@<layers>"
    )
    text = transformers.BertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, vocab_size=9
    )
    transformers.BertModel(text).save_pretrained(tmp_path / "bert")
    refused(tmp_path / "bert", "is a 'bert', which is no encoder of samples; expected one such as wav2vec2")
    narrow = shutil.copytree(models / "hubert", tmp_path / "narrow")
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=8000).save_pretrained(narrow)
    refused(narrow, "takes samples at 8000 Hz, expected 16000 Hz")
    (narrow / "model.safetensors").unlink()
    refused(narrow, r"holds no weights; expected model\*.safetensors or")
    (narrow / "config.json").write_text("{")
    (narrow / "model.safetensors").write_bytes(b"")
    refused(narrow, "has no config.json that transformers understands")


def test_missing_and_damaged_weights_are_not_made_up(models, make_voice, tmp_path) -> None:
    folder = shutil.copytree(models / "hubert", tmp_path / "broken")
    state = load_file(folder / "model.safetensors")
    lost = next(key for key in state if "layers.0.attention.k_proj.weight" in key)
    save_file({key: one for key, one in state.items() if key != lost}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(FeatureError, match=r"lacks 1 of its weights \(the first: .*layers.0.attention.k_proj.weight\)"):
        compute(f"hub:{folder}@2", make_voice())
    (folder / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(FeatureError, match="'.*broken' can't be loaded .*; get the model again"):
        compute(f"hub:{folder}@2", make_voice())
