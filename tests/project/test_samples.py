"""The clips in samples/: readable, small, in the formats that their suffixes name, described, varied."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

import emotone
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


@pytest.fixture(scope="module")
def making() -> ModuleType:
    path = FOLDER.parent / "scripts" / "make_samples.py"
    spec = importlib.util.spec_from_file_location("make_samples", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_readme_has_the_settings_of_the_script(making) -> None:
    text = (FOLDER / "README.md").read_text()
    rows = re.findall(r"^\| `(\S+)` \| (\S+) \| \w+ \| (\d+) \| (\d+) \| (\d+) \| (\d+) % \|$", text, flags=re.M)
    written = {file: (voice, *map(int, numbers)) for file, voice, *numbers in rows}
    assert written == {
        file: (making.VOICES[voice], style.words_per_minute, style.pitch, style.amplitude, style.range_percent)
        for file, (voice, style) in making.CLIPS.items()
    }


def test_the_clips_of_the_readme_show_several_emotions_and_an_unsure_answer() -> None:
    recognizer = emotone.Recognizer()
    labels = {recognizer.predict(path).label for path in CLIPS if path.suffix == ".wav"}
    assert len(labels - {"unsure"}) >= 3 and "unsure" in labels


@pytest.mark.slow
def test_the_conversation_shows_both_speakers_and_four_emotions_with_little_unsure() -> None:
    timeline = emotone.Recognizer().timeline(FOLDER / "conversation.ogg", speakers="auto", adapt=True)
    shares = timeline.shares()
    assert len(timeline.speakers) == 2 and [speaker.n_turns for speaker in timeline.speakers] == [3, 3]
    assert shares.get("unsure", 0.0) <= 0.25 and "no speech" not in shares
    assert len(shares.keys() - {"unsure"}) >= 4
