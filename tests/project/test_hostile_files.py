"""The script of hostile files: the same each time, a few of them run, and what is wrong is listed."""

import hashlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
import make_hostile_files as script  # noqa: E402

from emotone.errors import BundleError  # noqa: E402
from emotone.recognition.recognizer import Recognizer  # noqa: E402
from support import handmade  # noqa: E402
from support.serving import WAV  # noqa: E402


def test_the_files_are_the_same_each_time(tmp_path):
    def digest(folder):
        files = script.write(folder)
        assert len(files) == script.N_FILES == len(set(files))
        return hashlib.sha256(b"".join(file.name.encode() + file.read_bytes() for file in files)).hexdigest()

    assert digest(tmp_path / "a") == digest(tmp_path / "b")


@pytest.mark.slow
def test_a_few_are_read_uploaded_and_annotated(tmp_path):
    files = script.write(tmp_path / "hostile")[::42]
    (tmp_path / "good.wav").write_bytes(WAV)
    chosen = [*files, tmp_path / "good.wav"]
    assert script.run(chosen) == []
    assert script.annotated(chosen) == []


def test_an_error_of_the_service_is_a_find(tmp_path, monkeypatch):
    recognizer = Recognizer(handmade.write(tmp_path / "bundle"))
    (tmp_path / "a.wav").write_bytes(WAV)
    upload = script._upload_to(recognizer, "/v1/predict")
    upload(str(tmp_path / "a.wav"))

    def fail(*_, **__):
        raise BundleError("damaged")

    monkeypatch.setattr(recognizer, "predict", fail)
    with pytest.raises(AssertionError, match="500"):
        upload(str(tmp_path / "a.wav"))


@pytest.mark.slow
def test_a_crash_of_annotate_is_a_find(tmp_path, monkeypatch):
    (tmp_path / "empty.wav").write_bytes(b"")
    assert script.annotated([tmp_path / "empty.wav"]) == []
    monkeypatch.setattr(script, "_UNDOCUMENTED", ("not_audio",))
    assert "'empty.wav': annotate: not_audio: " in script.annotated([tmp_path / "empty.wav"])[0]
