"""A recording that crashes the decoder costs itself: others of a folder are answered, others of a corpus are used."""

import csv
import io
import json
import shutil

import numpy as np
import pytest

from emotone import audio
from emotone.audio import encode_mp3, write_wav
from emotone.audio.isolated_source import IsolatedSource
from emotone.audio.segments import Segment
from emotone.errors import AudioError
from emotone.explore.measure.clip import measure_clip
from emotone.features.worker import Job
from emotone.preprocessing import Preprocessing
from support import handmade
from support.command_line import run
from support.dying_decoder import decoders_die

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def dying(monkeypatch):
    with decoders_die(monkeypatch):
        yield


@pytest.fixture
def folder(tmp_path):
    """Recordings a, b.deadly and c; the suffixes of two say nothing, so their content is looked at."""
    for name in ("a.mp3", "b_deadly.mp3", "c.mp3", "e_deadly.xyz", "f.xyz"):
        (tmp_path / name).write_bytes(encode_mp3(handmade.tone(0.2), kbit_s=64))
    write_wav(tmp_path / "d.wav", handmade.tone(0.2))
    return tmp_path


def test_other_recordings_of_a_folder_are_predicted(bundle, folder):
    result = run("predict", folder, "--model", bundle, "--format", "json")
    answers = {answer["file"].rpartition("/")[2]: answer for answer in json.loads(result.stdout)}
    assert result.exit_code == 1 and "passed over 1 file that can't be read as sound: 1 .xyz" in result.stderr
    assert [name for name, answer in answers.items() if answer.get("emotion") == "angry"] == [
        "a.mp3",
        "c.mp3",
        "d.wav",
        "f.xyz",
    ]
    error = answers["b_deadly.mp3"]["error"]
    assert error.startswith(f"{folder}/b_deadly.mp3: the decoder crashed on this recording (signal 11)")
    assert error.endswith("copy it again, or convert it to WAV or FLAC")


def test_other_recordings_of_a_folder_have_timelines(bundle, folder, loud):
    result = run("timeline", folder, "--model", bundle, "--format", "csv")
    files = {row["file"] for row in csv.DictReader(io.StringIO(result.stdout))}
    assert result.exit_code == 1 and files == {str(folder / name) for name in ("a.mp3", "c.mp3", "d.wav", "f.xyz")}
    assert "b_deadly.mp3: the decoder crashed on this recording" in result.stderr


def test_a_channel_of_each_recording_is_read_in_a_child(bundle, folder):
    shutil.copy(folder / "a.mp3", folder / "g.mp3")
    result = run("predict", folder / "a.mp3", folder / "g.mp3", "--model", bundle, "--format", "csv", "--channel", "2")
    assert result.exit_code == 1 and result.stdout.count("channel is '2', and the recording has 1; give 1 to 1") == 2


def test_a_clip_of_a_corpus_is_left_out(folder):
    job = Job("loudness", None, "digest", 1, False, "float32", Preprocessing(), None)
    vars(job)["_compute"] = lambda samples: np.array([samples.size])
    assert not isinstance(job(Segment(str(folder / "a.mp3"))), str)
    assert "the decoder crashed on this recording" in job(Segment(str(folder / "b_deadly.mp3")))


def test_a_clip_that_is_explored_is_left_out(folder):
    assert measure_clip(str(folder / "a.mp3"))[0].codec == "mp3"
    with pytest.raises(AudioError, match="the decoder crashed on this recording"):
        measure_clip(str(folder / "b_deadly.mp3"))


def test_a_segment_of_a_file_of_a_corpus_is_the_same_in_a_child(folder):
    source, path = {"start_s": 0.25, "end_s": 0.75}, str(folder / "a.mp3")
    np.testing.assert_array_equal(audio.read(IsolatedSource(path), **source), audio.read(path, **source))
    with pytest.raises(AudioError, match=f"{path}: the segment 5 s to 6 s goes beyond the recording"):
        audio.read(IsolatedSource(path), start_s=5, end_s=6)
