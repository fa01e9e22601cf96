"""The clips in samples/: readable, small, in the formats that their suffixes name, and described."""

from pathlib import Path

import pytest

from emotone import audio
from emotone.preprocessing import DEFAULT as PREPROCESSING

FOLDER = Path(__file__).parents[2] / "samples"
CLIPS = sorted(path for path in FOLDER.iterdir() if path.suffix != ".md")
CODECS = {
    ".wav": ("wav", "pcm_16"),
    ".flac": ("flac", "pcm_16"),
    ".ogg": ("ogg", "vorbis"),
    ".mp3": ("mp3", "mp3"),
}


def test_every_format_is_there_and_all_are_small() -> None:
    assert {path.suffix for path in CLIPS} == set(CODECS)
    assert sum(path.stat().st_size for path in CLIPS) < 600_000


@pytest.mark.parametrize("path", CLIPS, ids=lambda path: path.name)
def test_clip_is_16_khz_mono_and_readable(path: Path) -> None:
    info = audio.info(path)
    assert (info.sample_rate, info.channels, info.container, info.codec) == (16_000, 1, *CODECS[path.suffix])
    samples = audio.read(path)
    assert samples.size == pytest.approx(info.duration_s * audio.SAMPLE_RATE, abs=1)
    # make_samples.py has already removed the silence at both ends
    assert PREPROCESSING.apply(audio.read(path)).size > 0.9 * samples.size


def test_readme_describes_every_clip_and_no_other() -> None:
    rows = [line for line in (FOLDER / "README.md").read_text().splitlines() if line.startswith("| `")]
    assert sorted(row.split("`")[1] for row in rows) == [path.name for path in CLIPS]
