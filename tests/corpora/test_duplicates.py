"""Duplicates are found by the digest of the decoded samples."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emotone.corpora import Corpus, content_digests, find_duplicates, load
from emotone.errors import AudioError, CorpusError
from support.corpus_files import table


@pytest.fixture
def recordings(tmp_path: Path, make_voice: Callable[..., np.ndarray]) -> Path:
    """A manifest of five clips: 0 and 3 sound alike in two containers, 1 and 4 are the same half second of one file."""
    soundfile = pytest.importorskip("soundfile")
    first, second = make_voice(seed=1), make_voice(seed=2, pitch_hz=200)
    soundfile.write(tmp_path / "a.wav", first, 16_000, subtype="PCM_16")
    soundfile.write(tmp_path / "d.flac", soundfile.read(tmp_path / "a.wav")[0], 16_000, subtype="PCM_16")
    soundfile.write(tmp_path / "b.wav", second, 16_000, subtype="PCM_16")
    soundfile.write(tmp_path / "e.wav", second[4000:12000], 16_000, subtype="PCM_16")
    path = tmp_path / "clips.csv"
    path.write_text(
        "file,start,end,emotion\na.wav,,,sad\nb.wav,0.25,0.75,sad\nb.wav,0.5,,happy\nd.flac,,,sad\ne.wav,,,happy\n"
    )
    return path


def test_duplicates_are_found_by_sound(recordings: Path) -> None:
    corpus = load([str(recordings)], recordings.parent)
    told: list[tuple[int, int, str]] = []
    digests = content_digests(corpus, progress=lambda done, total, what: told.append((done, total, what)))
    assert find_duplicates(corpus, digests) == ((0, 3), (1, 4))
    assert [(done, total) for done, total, _ in told] == [(done, 5) for done in range(1, 6)]
    assert content_digests(corpus, workers=1) == digests


def test_silence_around_a_voice_makes_another_recording(recordings: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    voice, rate = soundfile.read(recordings.parent / "a.wav")
    for name, n_silent in (("a.wav", 8000), ("d.flac", 16_000)):
        soundfile.write(recordings.parent / name, np.concatenate([np.zeros(n_silent), voice]), rate, subtype="PCM_16")
    corpus = load([str(recordings)], recordings.parent)
    assert find_duplicates(corpus, content_digests(corpus)) == ((1, 4),)


def test_groups_come_in_order_of_their_first_row() -> None:
    corpus = Corpus(table(), "mini")
    assert find_duplicates(corpus, list("abcba")) == ((0, 4), (1, 3))
    assert find_duplicates(corpus, list("aabaa")) == ((0, 1, 3, 4),)
    assert find_duplicates(corpus, list("abcde")) == ()


def test_digests_must_match_the_corpus() -> None:
    with pytest.raises(CorpusError, match="4 digests for 5 clips of mini"):
        find_duplicates(Corpus(table(), "mini"), list("abcd"))
    with pytest.raises(CorpusError, match="0 workers; expected at least 1"):
        content_digests(Corpus(table(), "mini"), workers=0)
    with pytest.raises(AudioError):
        content_digests(Corpus(table(), "mini"))


@pytest.mark.corpus
@pytest.mark.slow
def test_ravdess_speech_holds_one_recording_twice(data: Path) -> None:
    corpus = load("ravdess", data)
    groups = find_duplicates(corpus, content_digests(corpus))
    stems = [sorted(Path(corpus.table["path"][row]).stem for row in group) for group in groups]
    assert stems == [["03-01-03-01-02-01-07", "03-01-03-01-02-02-07"]]
