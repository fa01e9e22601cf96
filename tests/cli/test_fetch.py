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
