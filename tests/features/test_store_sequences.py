"""Features that are frames, as many as a clip is long: in the store, and as what an experiment learns from."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from emotone import audio, augment, corpora
from emotone.augment.copies import Augmentation
from emotone.errors import FeatureError
from emotone.experiment.training_set import gather
from emotone.features.base import Extractor
from emotone.features.columns import FeatureColumn, plain
from emotone.features.graph import extractor_graph
from emotone.features.store import FeatureStore
from emotone.parallel import LocalPool
from emotone.preprocessing import DEFAULT as PREPROCESSING
from support import toy_experiment as toy

LENGTH, HOP = 400, 160


class Frames(Extractor):
    """Three weighted sums of the 400 samples of a frame."""

    name = "frames"
    is_sequence = True

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernels", torch.from_numpy(kernels()[:, None]))

    @property
    def columns(self) -> tuple[FeatureColumn, ...]:
        return plain("mean", "ramp", "alternating")

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.conv1d(waveform[:, None], self.kernels, stride=HOP).transpose(1, 2)


def kernels() -> np.ndarray:
    """(3, 400): weights of a frame's samples."""
    time = np.arange(LENGTH)
    return np.stack([np.full(LENGTH, 1 / LENGTH), time / LENGTH**2, (-1.0) ** time / LENGTH]).astype(np.float32)


def expected(samples: np.ndarray) -> np.ndarray:
    """The same frames by a loop: (frames, 3)."""
    starts = range(0, samples.size - LENGTH + 1, HOP)
    return np.stack([kernels() @ samples[start : start + LENGTH] for start in starts])


@pytest.fixture(scope="module")
def graph() -> bytes:
    return extractor_graph(Frames()).SerializeToString()


@pytest.fixture(autouse=True)
def _graph(graph, monkeypatch):
    """The graph is exported once for all stores; exporting it is what takes long."""
    monkeypatch.setattr(FeatureStore, "graph", lambda self, extractor: graph)


@pytest.fixture
def table(tmp_path: Path, make_voice) -> "Table":
    paths = []
    for number in range(5):
        paths.append(tmp_path / f"clip{number}.wav")
        audio.write_wav(paths[-1], make_voice(seconds=0.5 + 0.1 * number, seed=number))
    return Table(paths)


class Table:
    """As much of a corpus as the store needs."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths
        files = [str(path) for path in paths]
        self.table = pd.DataFrame({"path": files, "start_s": 0.0, "end_s": np.nan, "audio_channel": ""})


@pytest.mark.slow
def test_each_clip_has_its_own_number_of_frames_with_the_right_values(tmp_path, table):
    result = FeatureStore(tmp_path / "store").compute(table, Frames(), pool=LocalPool(1))
    assert (result.values.shape, result.values.dtype) == ((5,), object)
    assert result.names == ("mean", "ramp", "alternating")
    for frames, path in zip(result.values, table.paths, strict=True):
        assert frames.dtype == np.float32
        np.testing.assert_allclose(frames, expected(PREPROCESSING.apply(audio.read(path))), atol=1e-6)
    assert len({len(frames) for frames in result.values}) == 5


def test_frames_from_disk_are_those_that_were_computed(tmp_path, table):
    store, told = FeatureStore(tmp_path / "store"), []
    first = store.compute(table, Frames(), pool=LocalPool(1))
    second = store.compute(table, Frames(), rows=[3, 0], progress=lambda *step: told.append(step))
    assert told == []
    for row, frames in zip((3, 0), second.values, strict=True):
        assert frames.shape == first.values[row].shape
        np.testing.assert_array_equal(frames, first.values[row])
        assert frames.flags.writeable  # torch complains of arrays that are not
    assert second.digests == (first.digests[3], first.digests[0])


def test_an_unreadable_clip_has_none_for_frames(tmp_path, table):
    table.paths[2].write_bytes(b"not audio at all")
    result = FeatureStore(tmp_path / "store").compute(table, Frames(), pool=LocalPool(1))
    assert list(result.rejected) == [2] and "clip2.wav" in result.rejected[2]
    assert [frames is None for frames in result.values] == [False, False, True, False, False]
    assert result.digests[2] == ""
    with pytest.raises(FeatureError, match="none of 1 clips"):
        FeatureStore(tmp_path / "store").compute(Table(table.paths[2:3]), Frames(), pool=LocalPool(1))


def test_one_clip_alone_is_still_an_array_of_objects(tmp_path, table):
    """NumPy would make one array of clips of the same length, and the rows of the store would be something else."""
    twice = Table([table.paths[1], table.paths[1]])
    for corpus in (twice, Table(table.paths[1:2])):
        result = FeatureStore(tmp_path / "store").compute(corpus, Frames(), pool=LocalPool(1))
        assert (result.values.shape, result.values.dtype) == ((len(corpus.paths),), object)
        assert result.values[0].shape == (len(expected(PREPROCESSING.apply(audio.read(table.paths[1])))), 3)


def test_an_augmented_copy_may_be_longer_than_its_clip(tmp_path, table):
    slow = Augmentation((augment.Speed(min_factor=0.8, max_factor=0.8),), copy=1)
    store = FeatureStore(tmp_path / "store")
    clips, copies = (
        store.compute(table, Frames(), augmentation=copy, pool=LocalPool(1)).values for copy in (None, slow)
    )
    for clip, copy, path in zip(clips, copies, table.paths, strict=True):
        n_samples = PREPROCESSING.apply(audio.read(path)).size
        assert len(clip) == 1 + (n_samples - LENGTH) // HOP
        assert len(copy) == 1 + (round(n_samples / 0.8) - LENGTH) // HOP


@pytest.mark.slow
def test_training_set_of_frames_is_taken_by_rows_as_a_matrix_is(tmp_path, make_voice):
    manifest = toy.write_corpus(tmp_path, make_voice)
    (tmp_path / "3-happy-1.wav").write_bytes(b"RIFF no sound")
    # the extractor is handed over, so the one that the settings name does not matter
    config = toy.config(manifest, tmp_path / "run", extractor="auto", augment=("gain",), balance="augment", copies=2)
    corpus = corpora.load(config.corpora, config.data)
    training_set = gather(corpus, Frames(), config, store=FeatureStore(config.cache))
    assert (training_set.values.shape, training_set.values.dtype) == ((3 * 53,), object)
    assert training_set.n_own == 53 and len(training_set.left_out) == 1
    rows = np.asarray([0, 7, 52])
    taken = training_set.training_rows(rows)
    assert training_set.origin[taken].tolist() == [0, 7, 52] * 3
    lengths = np.asarray([len(frames) for frames in training_set.values[taken]])
    np.testing.assert_array_equal(lengths, np.tile(lengths[:3], 3))  # gain changes no length
    clip, copy = training_set.values[taken[1]], training_set.values[taken[4]]
    ratio = copy[np.abs(clip) > 1e-3] / clip[np.abs(clip) > 1e-3]
    assert not np.array_equal(clip, copy)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)  # a copy is its own clip, louder or softer
