"""A small corpus of generated voices, and its measures."""

import pytest

from emotone import audio, corpora
from emotone.explore.measure import measure_corpus
from support.exploring import PITCH_HZ, STATEMENTS, write_manifest


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1)  # starting processes would cost more than the work
    monkeypatch.setattr("emotone.parallel.local.n_cores", lambda: 1)

    def load(rows):
        corpus = corpora.load([str(write_manifest(tmp_path, rows))], tmp_path)
        return measure_corpus(corpus, cache=tmp_path / "cache")

    return load


@pytest.fixture
def voices(tmp_path, make_voice):
    """Rows of two speakers, two statements, three emotions, two intensities; speaker b has no happy 'dogs'."""
    rows = []
    for speaker, sex in (("a", "female"), ("b", "male")):
        for statement in STATEMENTS:
            for emotion, hertz in PITCH_HZ.items():
                for intensity in ("normal", "strong"):
                    if (speaker, statement, emotion) == (
                        "b",
                        "dogs",
                        "happy",
                    ) or emotion + intensity == "neutralstrong":
                        continue
                    name = f"{speaker}-{statement}-{emotion}-{intensity}.wav"
                    voice = make_voice(seconds=0.5, pitch_hz=hertz, seed=len(rows), gain=0.3)
                    audio.write_wav(tmp_path / name, voice)
                    rows.append(
                        {
                            "file": name,
                            "emotion": emotion,
                            "speaker": speaker,
                            "gender": sex,
                            "intensity": intensity,
                            "statement": statement,
                        }
                    )
    return rows
