"""The feature store: right values, kept by content, and whole after a crash or two writers."""

import multiprocessing
import os
import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from emotone import audio, augment
from emotone.audio import isolated
from emotone.augment.copies import Augmentation
from emotone.errors import FeatureError
from emotone.features.base import Extractor
from emotone.features.columns import FeatureColumn, plain
from emotone.features.store import FeatureStore
from emotone.parallel import LocalPool
from emotone.preprocessing import Preprocessing

pytestmark = pytest.mark.slow


class Loudest(Extractor):
    """A small extractor that is quick to export: five numbers of the waveform."""

    name = "loudest"
    calls = 0

    @property
    def columns(self) -> tuple[FeatureColumn, ...]:
        return plain("peak", "rms", "mean", "abs", "length")

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        x = waveform[0]
        n = torch.ones_like(x).sum()
        return torch.stack([x.abs().max(), torch.sqrt((x * x).mean()), x.mean(), x.abs().mean(), n])[None]


class Table:
    """As much of a corpus as the store needs."""

    def __init__(self, paths: list[Path], *, channel: str = "") -> None:
        self.table = pd.DataFrame({"path": [str(p) for p in paths], "start_s": 0.0, "end_s": np.nan})
        self.table["audio_channel"] = channel


@pytest.fixture
def clips(tmp_path: Path, make_voice) -> list[Path]:
    paths = []
    for number in range(6):
        path = tmp_path / f"clip{number}.wav"
        audio.write_wav(path, make_voice(seconds=0.5 + 0.1 * number, seed=number))
        paths.append(path)
    return paths


def rows_in(folder: Path) -> int:
    with sqlite3.connect(folder / "features.sqlite") as database:
        return int(database.execute("SELECT count(*) FROM features").fetchone()[0])


def test_values_names_and_digests(tmp_path: Path, clips: list[Path]) -> None:
    result = FeatureStore(tmp_path / "store").compute(Table(clips), Loudest(), pool=LocalPool(1))
    assert result.names == ("peak", "rms", "mean", "abs", "length")
    assert not result.rejected
    for row, digest, path in zip(result.values, result.digests, clips, strict=True):
        whole = audio.read(path)
        trimmed = audio.trim_silence(whole)
        assert digest == audio.content_digest(whole)
        assert row[0] == pytest.approx(np.abs(trimmed).max())
        assert row[4] == len(trimmed)


def test_second_time_nothing_is_computed(tmp_path: Path, clips: list[Path]) -> None:
    store, told = FeatureStore(tmp_path / "store"), []
    first = store.compute(Table(clips), Loudest(), pool=LocalPool(1), progress=lambda *step: told.append(step))
    assert told[-1][:2] == (6, 6)
    told.clear()
    second = store.compute(Table(clips), Loudest(), progress=lambda *step: told.append(step))
    assert told == []
    np.testing.assert_array_equal(first.values, second.values)


def test_a_renamed_recording_is_known_and_a_changed_one_is_not(tmp_path: Path, clips: list[Path], make_voice) -> None:
    store = FeatureStore(tmp_path / "store")
    before = store.compute(Table(clips), Loudest(), pool=LocalPool(1))
    moved = clips[0].rename(tmp_path / "moved.wav")
    audio.write_wav(clips[1], make_voice(seconds=0.9, seed=99))
    after = store.compute(Table([moved, *clips[1:]]), Loudest(), pool=LocalPool(1))
    np.testing.assert_array_equal(before.values[0], after.values[0])
    assert before.values[1, 4] != after.values[1, 4]
    assert rows_in(tmp_path / "store") == 7  # the moved one took no new row


def test_an_unreadable_clip_is_said_and_the_others_kept(tmp_path: Path, clips: list[Path]) -> None:
    clips[2].write_bytes(b"not audio at all")
    result = FeatureStore(tmp_path / "store").compute(Table(clips), Loudest(), pool=LocalPool(1))
    assert list(result.rejected) == [2]
    assert "clip2.wav" in result.rejected[2]
    assert np.isnan(result.values[2]).all()
    assert np.isfinite(np.delete(result.values, 2, axis=0)).all()
    with pytest.raises(FeatureError, match="none of 1 clips"):
        FeatureStore(tmp_path / "store").compute(Table([clips[2]]), Loudest(), pool=LocalPool(1))


def test_each_preprocessing_has_its_own_features(tmp_path: Path, clips: list[Path]) -> None:
    """The store that holds clips trimmed at 40 dB gives other features for 20 dB, and the old ones for 40 dB again."""
    for path in clips:
        samples = audio.read(path)
        fade = 10 ** (-60 * np.abs(np.linspace(-1, 1, len(samples))) / 20)
        audio.write_wav(path, samples * fade.astype(np.float32))
    store = FeatureStore(tmp_path / "store")
    first, other, again = (
        store.compute(Table(clips), Loudest(), preprocessing=Preprocessing(trim_db=trim_db), pool=LocalPool(1)).values
        for trim_db in (40, 20, 40)
    )
    assert (other[:, 4] < first[:, 4]).all()
    np.testing.assert_array_equal(first, again)
    assert rows_in(tmp_path / "store") == 12


def test_changed_code_of_trimming_means_new_features(
    tmp_path: Path, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FeatureStore(tmp_path / "store")
    store.compute(Table(clips), Loudest(), pool=LocalPool(1))
    monkeypatch.setattr("emotone.preprocessing.source_digest", lambda *parts: "of another version")
    store.compute(Table(clips), Loudest(), pool=LocalPool(1))
    assert rows_in(tmp_path / "store") == 12


def test_changed_code_of_reading_means_the_clip_is_read_again(
    tmp_path: Path, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is on disk was decoded by other code, so its digest may be another recording's."""
    store = FeatureStore(tmp_path / "store")
    store.compute(Table(clips), Loudest(), pool=LocalPool(1))
    reads: list[str] = []
    real = isolated.read
    monkeypatch.setattr(isolated, "read", lambda path, **segment: reads.append(path) or real(path, **segment))
    store.compute(Table(clips), Loudest(), pool=LocalPool(1))
    assert not reads
    monkeypatch.setattr("emotone.features.store.source_digest", lambda *parts: "of another version")
    store.compute(Table(clips), Loudest(), pool=LocalPool(1))
    assert len(reads) == len(clips)


def test_channels_of_a_recording_are_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store must not serve the features of one channel, or of the mix, for another."""
    tone = np.sin(2 * np.pi * 200 * np.arange(audio.SAMPLE_RATE) / audio.SAMPLE_RATE)
    path = tmp_path / "two.wav"
    audio.write_wav(path, np.stack([0.5 * tone, 0.25 * tone], axis=1).astype(np.float32))
    store = FeatureStore(tmp_path / "store")

    def peaks() -> list[float]:
        tables = (Table([path], channel=channel) for channel in ("", "1", "2"))
        return [float(store.compute(table, Loudest(), pool=LocalPool(1)).values[0, 0]) for table in tables]

    expected = [pytest.approx(value, abs=1e-3) for value in (0.375, 0.5, 0.25)]
    assert peaks() == expected
    monkeypatch.setattr(isolated, "read", lambda *args, **kwargs: pytest.fail("a recording is read again"))
    assert peaks() == expected
    monkeypatch.undo()
    missing = store.compute(Table([path, path], channel="1"), Loudest(), pool=LocalPool(1))
    assert len(set(missing.digests)) == 1
    with pytest.raises(FeatureError, match="channel is '3', and the recording has 2"):
        store.compute(Table([path], channel="3"), Loudest(), pool=LocalPool(1))


def test_files_that_swap_their_names_swap_their_features(tmp_path: Path, make_voice) -> None:
    """Of equal length and time, so that only the files themselves tell them apart."""
    first, second = tmp_path / "a.wav", tmp_path / "b.wav"
    for path, gain in ((first, 0.3), (second, 0.1)):
        audio.write_wav(path, make_voice(gain=gain))
        os.utime(path, (1_000_000, 1_000_000))
    store = FeatureStore(tmp_path / "store")
    before = store.compute(Table([first, second]), Loudest(), pool=LocalPool(1)).values
    first.rename(tmp_path / "c.wav")
    second.rename(first)
    (tmp_path / "c.wav").rename(second)
    after = store.compute(Table([first, second]), Loudest(), pool=LocalPool(1)).values
    np.testing.assert_array_equal(after, before[::-1])
    assert not np.array_equal(after, before)


def test_augmented_copies_depend_on_number_and_seed_alone(tmp_path: Path, clips: list[Path]) -> None:
    def computed(folder: str, copy: int, seed: int, order: list[Path]) -> np.ndarray:
        augmentation = Augmentation(augment.parse(["noise", "speed"])[0], copy=copy, seed=seed)
        store = FeatureStore(tmp_path / folder)
        return store.compute(Table(order), Loudest(), augmentation=augmentation, pool=LocalPool(1)).values

    first = computed("a", 1, 0, clips)
    np.testing.assert_array_equal(first, computed("b", 1, 0, clips[::-1])[::-1])
    assert not np.array_equal(first, computed("a", 2, 0, clips))
    assert not np.array_equal(first, computed("a", 1, 5, clips))


def test_a_crash_loses_no_finished_batch(tmp_path: Path, clips: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotone.features.clip_cache._BATCH", 2)

    def stop(done: int, total: int, what: str) -> None:
        if done == 5:
            raise KeyboardInterrupt

    store = FeatureStore(tmp_path / "store")
    with pytest.raises(KeyboardInterrupt):
        store.compute(Table(clips), Loudest(), pool=LocalPool(1), progress=stop)
    assert rows_in(tmp_path / "store") == 4
    told: list[tuple[int, int, str]] = []
    again = store.compute(Table(clips), Loudest(), pool=LocalPool(1), progress=lambda *step: told.append(step))
    assert told[-1][:2] == (2, 2)  # only the two that were missing
    assert np.isfinite(again.values).all()


def _compute(folder: Path, clips: list[Path]) -> None:
    values = FeatureStore(folder).compute(Table(clips), Loudest(), pool=LocalPool(1)).values
    os._exit(0 if np.isfinite(values).all() else 1)


def test_two_processes_may_write_at_once(tmp_path: Path, clips: list[Path]) -> None:
    store = tmp_path / "store"
    FeatureStore(store).graph(Loudest())
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_compute, args=(store, clips)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert rows_in(store) == 6
