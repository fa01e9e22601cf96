"""The command ``fetch``: the licence first, then the folder; a failed download is one line."""

from typer.testing import CliRunner

from emotone.cli.main import app
from emotone.errors import FetchError


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_fetch_shows_the_licence_first_and_prints_the_folder(monkeypatch, tmp_path):
    monkeypatch.setattr("emotone.corpora.fetch.fetch.fetch", lambda name, *, to, progress: to / name)
    result = run("fetch", "ravdess", "--to", tmp_path)
    assert result.stdout == f"{tmp_path}/ravdess\n" and "CC BY-NC-SA 4.0 (no commercial use)" in result.stderr

    def failing(name, *, to, progress):
        raise FetchError("the server is gone")

    monkeypatch.setattr("emotone.corpora.fetch.fetch.fetch", failing)
    result = run("fetch", "ravdess", "--to", tmp_path)
    assert result.exit_code == 1 and result.stderr.endswith("error: the server is gone\n")


def test_corpus_that_can_not_be_downloaded_is_described_in_steps(tmp_path):
    result = run("fetch", "EMO-DB", "--to", tmp_path / "my data")
    folder = f"{tmp_path}/my data"
    assert result.exit_code == 1 and result.stdout == ""
    assert result.stderr.splitlines() == [
        "Berlin Database of Emotional Speech (EMO-DB)",
        "licence: free use (no commercial use), http://emodb.bilderbar.info",
        "Emotone can't download this corpus. To get it yourself:",
        "1. Open http://emodb.bilderbar.info, and download the recordings.",
        f"2. Unpack them into {folder}/emodb. It must contain files named SSTTTEV, such as wav/03a01Wa.wav.",
        f"3. Use it by its name: emotone train emodb --data '{folder}' --out runs/emodb",
        "'emotone fetch' can download: ravdess",
    ]


def test_corpus_that_was_unpacked_by_hand_is_there(tmp_path):
    (tmp_path / "emodb" / "wav").mkdir(parents=True)
    (tmp_path / "emodb" / "wav" / "notes.txt").write_text("no clip")
    assert run("fetch", "emodb", "--to", tmp_path).exit_code == 1
    (tmp_path / "emodb" / "wav" / "03a01Wa.wav").write_bytes(b"RIFF")
    result = run("fetch", "emodb", "--to", tmp_path)
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path}/emodb\n")
