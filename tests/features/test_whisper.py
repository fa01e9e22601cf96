"""Whisper's encoder against transformers' own, its weights from either source, and its states as features."""

import json
import math
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from emotone import audio
from emotone.errors import FeatureError, MissingExtraError
from emotone.experiment import run
from emotone.features import registry
from emotone.features.encoders import names, weights
from emotone.features.encoders.weights import whisper_weights
from emotone.features.encoders.whisper import WhisperEncoder, WhisperMel
from emotone.features.graph import extractor_graph
from emotone.features.runner import GraphRunner
from emotone.features.store import FeatureStore
from emotone.parallel import LocalPool
from emotone.preprocessing import DEFAULT as PREPROCESSING
from emotone.recognition.recognizer import Recognizer
from support import toy_encoders
from support import toy_experiment as toy

pytestmark = pytest.mark.slow

RATE = audio.SAMPLE_RATE
ROW, SEQUENCE, START = "whisper-nano@0,1", "whisper-nano@1:frames", "whisper-nano@0:frames"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return toy_encoders.whisper_model(tmp_path_factory.mktemp("hub") / "whisper-nano")


@pytest.fixture(autouse=True)
def _nano(monkeypatch, model):
    toy_encoders.install(monkeypatch, model)


@pytest.fixture(scope="module")
def graphs(model) -> dict[str, bytes]:
    """The graphs of a row and of frames; exporting them is what takes long, the longer the more blocks there are."""
    with pytest.MonkeyPatch.context() as patch:
        toy_encoders.install(patch, model)
        return {name: extractor_graph(registry.get(name)).SerializeToString() for name in (ROW, START)}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty folder that EMOTONE_WEIGHTS names."""
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path))
    return tmp_path


def file(folder: Path, n_blocks: int) -> Path:
    return folder / f"whisper-nano-encoder-{n_blocks}blocks-fp16.npz"


def values(name: str, samples: np.ndarray) -> np.ndarray:
    return registry.get(name).extract(torch.from_numpy(samples)).numpy()


def no_hub(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)  # importing it fails


# ---- the encoder ----


@pytest.mark.parametrize("seconds", [2.3, 30.0])
def test_mel_is_that_of_transformers_but_for_the_padding(make_voice, seconds: float) -> None:
    samples = make_voice(seconds=seconds, seed=5)
    padded = transformers.WhisperFeatureExtractor()(samples, sampling_rate=RATE, return_tensors="np")
    theirs = padded["input_features"][0].T
    ours = WhisperMel()(torch.from_numpy(samples)[None])[0].numpy()
    assert ours.shape == (len(samples) // 160, 80)
    assert theirs.shape == (3000, 80)
    inside = len(ours) if len(ours) == 3000 else len(ours) - 2  # the last windows see what comes after the clip
    np.testing.assert_allclose(ours[:inside], theirs[:inside], atol=1e-3)
    assert ours.max() - ours.min() > 1.5  # of two, the 8 decades


@torch.inference_mode()
def test_states_are_those_of_transformers(make_voice, model) -> None:
    samples = make_voice(seconds=30.0, seed=6)
    theirs = transformers.WhisperModel.from_pretrained(model).encoder.eval()
    for parameter in theirs.parameters():
        if parameter is not theirs.embed_positions.weight:
            parameter.copy_(parameter.half().float())
    mel = transformers.WhisperFeatureExtractor()(samples, sampling_rate=RATE, return_tensors="pt")["input_features"]
    expected = theirs(mel, output_hidden_states=True).hidden_states
    loaded = whisper_weights("nano", 3)
    encoder = WhisperEncoder(loaded.width, 3)
    encoder.load_state_dict(loaded.state)
    waveform = torch.from_numpy(samples)[None]
    ours = [encoder.start(waveform), *encoder(waveform)]
    ours[-1] = theirs.layer_norm(ours[-1])  # transformers' last state has passed its last norm
    assert len(expected) == len(ours) == 4
    for number, (mine, their) in enumerate(zip(ours, expected, strict=True)):
        assert mine.shape == (1, 1500, 128)
        assert float(their.std()) > 0.1
        assert float((mine - their).abs().max()) < 1e-4, number


def test_a_clip_has_a_state_every_20_ms_and_no_padding(make_voice) -> None:
    for n in (3200, 3359, 3360, 16_000, 16_001, 16_161):
        assert values(SEQUENCE, make_voice(seconds=n / RATE)).shape == (math.ceil(n // 160 / 2), 128)


def test_positions_go_on_after_30_s(make_voice) -> None:
    long = values(SEQUENCE, make_voice(seconds=32.0))
    assert long.shape == (1600, 128)
    assert np.isfinite(long).all()
    encoder = WhisperEncoder(128, 0)
    for layer in (encoder.first, encoder.second):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    place = encoder.start(torch.ones(1, 32 * RATE))[0].detach().numpy()  # without content positions remain
    angle = np.arange(1600)[:, None] * 10_000 ** (-np.arange(64) / 63)
    np.testing.assert_allclose(place, np.concatenate([np.sin(angle), np.cos(angle)], axis=1), atol=1e-3)


# ---- its weights ----


def test_arrays_and_hub_give_the_same_weights_and_digest(folder, model, monkeypatch) -> None:
    from_hub = {n: whisper_weights("nano", n) for n in range(4)}
    toy_encoders.whisper_arrays(model, file(folder, 3), n_blocks=3)
    no_hub(monkeypatch)
    from_arrays = {n: whisper_weights("nano", n) for n in range(4)}
    assert from_arrays[3].width == 128
    for n in range(4):
        assert from_arrays[n].digest == from_hub[n].digest
        assert from_arrays[n].state.keys() == from_hub[n].state.keys()
        for name, array in from_arrays[n].state.items():
            assert torch.equal(array, from_hub[n].state[name]), name
    assert len({one.digest for one in from_hub.values()}) == 4


def test_the_digest_sees_one_number(folder, model) -> None:
    path = toy_encoders.whisper_arrays(model, file(folder, 1), n_blocks=1)
    before = whisper_weights("nano", 1).digest
    arrays = dict(np.load(path))
    arrays["layer_0/ffn/linear_1/bias"][7] += 0.125
    np.savez(path, **arrays)
    assert whisper_weights("nano", 1).digest != before


def test_a_file_with_enough_blocks_is_taken_and_else_the_hub(folder, model, monkeypatch) -> None:
    path = toy_encoders.whisper_arrays(model, file(folder, 2), n_blocks=2)
    file(folder, 3).write_bytes(b"no arrays")
    shutil.copy(path, folder / "whisper-nano.en-encoder-1blocks-fp16.npz")  # of another size
    monkeypatch.setitem(names.SIZES, "nano.en", names.Size(128, 3))
    digest = whisper_weights("nano", 2).digest
    file(folder, 3).unlink()
    assert whisper_weights("nano", 3).digest != digest  # from the hub
    no_hub(monkeypatch)
    assert whisper_weights("nano", 2).digest == digest
    assert whisper_weights("nano", 1).digest == whisper_weights("nano.en", 1).digest
    with pytest.raises(
        MissingExtraError, match="encoder whisper-nano from the model hub needs the extra 'hub'"
    ) as told:
        whisper_weights("nano", 3)
    assert told.value.extra == "hub"


def test_what_is_wrong_with_weights_is_told(folder, model, monkeypatch, tmp_path) -> None:
    path = file(folder, 1)
    path.write_bytes(b"no arrays")
    with pytest.raises(FeatureError, match=r"1blocks-fp16\.npz holds no weights of 1 blocks .* get the file again"):
        whisper_weights("nano", 1)
    arrays = dict(np.load(toy_encoders.whisper_arrays(model, path, n_blocks=1)))
    bias = "layer_0/ffn/linear_0/bias"
    for changed, words in (
        ({bias: arrays[bias][:5]}, r"blocks.0.widen.bias has the shape \(5,\), expected \(512,\)"),
        ({bias: np.full_like(arrays[bias], np.nan)}, "blocks.0.widen.bias has numbers that are not finite"),
    ):
        np.savez(path, **(arrays | changed))
        with pytest.raises(FeatureError, match=words):
            whisper_weights("nano", 1)
    del arrays[bias]
    np.savez(path, **arrays)
    with pytest.raises(FeatureError, match=f"holds no weights .*{bias}"):
        whisper_weights("nano", 1)
    with pytest.raises(FeatureError, match=r"4 blocks of Whisper 'nano' are asked for.* nano \(up to 3\)"):
        whisper_weights("nano", 4)
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(FeatureError, match="EMOTONE_WEIGHTS is '.*nowhere', expected a folder"):
        whisper_weights("nano", 1)


def test_an_unreachable_hub_names_the_remedy(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(weights, "REPOSITORY", str(tmp_path / "gone-{size}"))
    with pytest.raises(
        FeatureError, match="can't be loaded from the model hub .*EMOTONE_WEIGHTS a folder with .*<k>blo"
    ):
        whisper_weights("nano", 2)


# ---- the features ----


def test_statistics_are_those_of_the_states(make_voice) -> None:
    samples = make_voice(seconds=0.9, seed=7)
    states = [values(f"whisper-nano@{layer}:frames", samples) for layer in (3, 0)]
    expected = np.concatenate([row for one in states for row in (one.mean(0), one.std(0))])
    np.testing.assert_allclose(values("whisper-nano@3,0", samples), expected, atol=1e-5)
    means = np.concatenate([one.mean(0) for one in states])
    np.testing.assert_allclose(values("whisper-nano@3,0:mean", samples), means, atol=1e-5)
    assert np.abs(states[0] - states[1]).max() > 0.1


def test_gain_changes_nothing(make_voice) -> None:
    samples = make_voice(seconds=0.8, seed=8)
    for gain in (0.001, 20.0):
        np.testing.assert_allclose(values(ROW, (gain * samples).astype(np.float32)), values(ROW, samples), atol=1e-4)
    assert np.abs(values(ROW, make_voice(seconds=0.8, seed=8, pitch_hz=250)) - values(ROW, samples)).max() > 0.01


def test_columns_are_named_in_their_order(make_voice) -> None:
    column = dict(zip(registry.get(ROW).feature_names, values(ROW, make_voice()), strict=True))
    assert len(column) == 2 * 2 * 128
    frames = values(SEQUENCE, make_voice())
    assert column["whisper-nano-1-mean-17"] == pytest.approx(frames[:, 16].mean(), abs=1e-5)
    assert column["whisper-nano-1-std-128"] == pytest.approx(frames[:, 127].std(), abs=1e-5)
    assert registry.get(SEQUENCE).feature_names[16] == "whisper-nano-1-17"


def test_digest_is_of_weights_layers_and_pooling(folder, model) -> None:
    chosen = ("@2", "@1,2", "@2,1", "@2:mean", "@2:frames", "@3")
    digests = [registry.get(f"whisper-nano{one}").digest for one in chosen]
    assert len(set(digests)) == len(chosen)
    assert registry.get("whisper-nano@2:mean+std").digest == digests[0]
    path = toy_encoders.whisper_arrays(model, file(folder, 2), n_blocks=2)
    assert registry.get("whisper-nano@2").digest == digests[0]
    arrays = dict(np.load(path))
    arrays["conv1/bias"][0] += 1
    np.savez(path, **arrays)
    assert registry.get("whisper-nano@2").digest != digests[0]


def test_several_encoders_stand_side_by_side(make_voice, model, monkeypatch) -> None:
    monkeypatch.setitem(names.SIZES, "nano.en", names.Size(128, 3))
    shutil.copytree(model, model.parent / "whisper-nano.en", dirs_exist_ok=True)
    joined, samples = registry.get("whisper-nano@3:mean+whisper-nano.en@1"), make_voice(seconds=0.5)
    expected = np.concatenate([values(name, samples) for name in ("whisper-nano@3:mean", "whisper-nano.en@1")])
    np.testing.assert_array_equal(joined.extract(torch.from_numpy(samples)).numpy(), expected)
    assert joined.name == "whisper-nano@3:mean+whisper-nano.en@1"
    assert (len(joined.feature_names), joined.is_graph, joined.is_sequence) == (3 * 128, True, False)
    assert joined.feature_names[127:129] == ("whisper-nano-3-mean-128", "whisper-nano.en-1-mean-1")
    assert joined.digest != registry.get("whisper-nano.en@1+whisper-nano@3:mean").digest


def test_states_of_several_layers_and_sizes_stand_side_by_side(make_voice, model, monkeypatch) -> None:
    monkeypatch.setitem(names.SIZES, "nano.en", names.Size(128, 3))
    shutil.copytree(model, model.parent / "whisper-nano.en", dirs_exist_ok=True)
    joined, samples = registry.get("whisper-nano@3,1:frames+whisper-nano.en@2:frames"), make_voice(seconds=0.71)
    single = [values(f"{name}:frames", samples) for name in ("whisper-nano@3", "whisper-nano@1", "whisper-nano.en@2")]
    found = joined.extract(torch.from_numpy(samples)).numpy()
    np.testing.assert_array_equal(found, np.concatenate(single, axis=1))
    assert np.abs(single[0] - single[1]).max() > 0.1
    assert (joined.is_graph, joined.is_sequence, joined.stored_as) == (True, True, "float16")
    assert (len(joined.feature_names), len(set(joined.feature_names))) == (3 * 128, 3 * 128)
    assert joined.feature_names[127:129] == ("whisper-nano-3-128", "whisper-nano-1-1")
    assert joined.feature_names[256] == "whisper-nano.en-2-1"
    assert registry.get("whisper-nano@3+whisper-nano.en@2").stored_as == registry.get(ROW).stored_as == "float32"


def test_store_keeps_frames_in_half_precision_and_rows_in_single(graphs, make_voice, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(FeatureStore, "graph", lambda self, extractor: graphs[extractor.name])
    paths = [tmp_path / f"{number}.wav" for number in range(3)]
    for number, path in enumerate(paths):
        audio.write_wav(path, make_voice(seconds=0.4 + 0.2 * number, seed=number))
    store = FeatureStore(tmp_path / "store")
    frames, rows = (
        store.compute(toy_encoders.Table(paths), registry.get(name), pool=LocalPool(1)).values for name in (START, ROW)
    )
    assert rows.dtype == np.float32
    for clip, path in zip(frames, paths, strict=True):
        expected = values(START, PREPROCESSING.apply(audio.read(path)))
        assert (clip.dtype, clip.shape) == (np.float16, expected.shape)
        # half a unit in the last of eleven bits, and what graph and module differ by
        np.testing.assert_allclose(clip.astype(np.float32), expected, rtol=2.0**-11, atol=1e-4)
    again = FeatureStore(tmp_path / "store").compute(toy_encoders.Table(paths), registry.get(START)).values
    for clip, kept in zip(frames, again, strict=True):
        assert kept.dtype == np.float16 and kept.flags.writeable
        np.testing.assert_array_equal(kept, clip)


@pytest.mark.parametrize("n", [3200, 3201, 9999, 16_000, 16_160, 48_000, 100_001])
def test_graph_gives_what_the_module_gives(graphs, make_voice, n: int) -> None:
    samples = make_voice(seconds=n / RATE, seed=n)
    assert len(samples) == n
    for name in (ROW, START):
        expected = values(name, samples)
        found = GraphRunner(graphs[name])(samples)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_store_keeps_graph_and_features_of_a_name_that_no_file_may_have(
    graphs, make_voice, monkeypatch, tmp_path
) -> None:
    calls = []

    class Exported:
        def SerializeToString(self) -> bytes:  # noqa: N802
            return graphs[ROW]

    monkeypatch.setattr("emotone.features.graph.extractor_graph", lambda one: calls.append(one.name) or Exported())
    paths = [tmp_path / f"{number}.wav" for number in range(3)]
    for number, path in enumerate(paths):
        audio.write_wav(path, make_voice(seconds=0.4 + 0.5 * number, seed=number))
    store, extractor = FeatureStore(tmp_path / "store"), registry.get(ROW)
    together = store.compute(toy_encoders.Table(paths), extractor, pool=LocalPool(1))
    (kept,) = (tmp_path / "store" / "graphs").iterdir()
    assert kept.name == f"whisper-nano-0-1-{extractor.digest[:32]}.graph"
    alone = FeatureStore(tmp_path / "other").compute(toy_encoders.Table(paths[:1]), extractor, pool=LocalPool(1))
    np.testing.assert_array_equal(alone.values[0], together.values[0])  # no clip is padded to another's length
    monkeypatch.setattr("emotone.features.worker.GraphRunner", None)  # nothing is computed again
    np.testing.assert_array_equal(store.compute(toy_encoders.Table(paths), extractor).values, together.values)
    assert calls == [ROW, ROW]  # once for each store


def test_experiment_learns_from_them_and_its_bundle_needs_no_weights(graphs, make_voice, monkeypatch, tmp_path) -> None:
    toy.install(monkeypatch)
    monkeypatch.setattr(FeatureStore, "graph", lambda self, extractor: graphs[extractor.name])
    manifest = toy.write_corpus(tmp_path, make_voice)
    config = toy.config(manifest, tmp_path / "run", model="logistic-regression", extractor=ROW)
    told = run(config).metrics
    assert told["test"]["uar"] > 0.6  # of three emotions, which differ in pitch
    card = json.loads((tmp_path / "run/model/card.json").read_text())
    assert (card["extractor"]["name"], card["extractor"]["graph"], card["features"]) == (ROW, True, 512)
    assert card["calibration"]["greatest_difference"] < 1e-4
    clip = sorted(tmp_path.glob("*-angry-*.wav"))[0]
    expected = values(ROW, PREPROCESSING.apply(audio.read(clip)))
    no_hub(monkeypatch)
    recognizer = Recognizer(tmp_path / "run/model")
    np.testing.assert_allclose(recognizer.embedding(clip), expected, atol=1e-4)
    assert recognizer.predict(clip).label == "angry"


@pytest.mark.corpus
def test_published_weights_hear_real_clips(data, monkeypatch, tmp_path) -> None:
    folder = data.parent / "weights"
    path = folder / "whisper-tiny.en-encoder-3blocks-fp16.npz"
    if not path.is_file():
        pytest.skip("there are no weights beside the corpora")
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(folder))
    no_hub(monkeypatch)
    extractor = registry.get("whisper-tiny.en@1,2")
    table = np.load(path)["position_encodings/encodings"].astype(np.float32)
    angle = np.arange(1500)[:, None] * extractor.encoder.frequencies.numpy()
    np.testing.assert_allclose(np.concatenate([np.sin(angle), np.cos(angle)], axis=1), table, atol=2e-3)
    files = sorted((data / "ravdess").rglob("*.flac"))
    clips, store = toy_encoders.Table(files[:: len(files) // 6][:6]), FeatureStore(tmp_path)
    rows = store.compute(clips, extractor, pool=LocalPool(1)).values
    assert rows.shape == (6, 2 * 2 * 384)
    assert np.isfinite(rows).all()
    for row, clip in zip(rows, clips.table["path"], strict=True):
        np.testing.assert_allclose(
            row, extractor.extract(torch.from_numpy(PREPROCESSING.apply(audio.read(clip)))).numpy(), atol=1e-3
        )
    assert np.std(rows, axis=0).max() > 0.1
    monkeypatch.setattr("emotone.features.worker.GraphRunner", None)
    np.testing.assert_array_equal(store.compute(clips, extractor).values, rows)
