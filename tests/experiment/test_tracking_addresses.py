"""Stores of MLflow that can't be opened: an error within seconds, with the address and no secret of it."""

import os
import socket
import sqlite3
import time
from contextlib import closing

import pytest

from emotone.errors import TrackingError
from emotone.experiment import tracking
from emotone.experiment.tracking import Tracker

pytestmark = pytest.mark.slow  # MLflow is large
#: MLflow itself tries for one to four minutes.
AT_ONCE_S = 30.0


@pytest.fixture(autouse=True, scope="module")
def imported():
    """MLflow, whose import takes seconds that are not those of an address."""
    tracking._library()


def refused(uri: str, match: str) -> str:
    start = time.monotonic()
    with pytest.raises(TrackingError, match=match) as caught:
        Tracker(uri)
    assert time.monotonic() - start < AT_ONCE_S
    return str(caught.value)


@pytest.mark.parametrize("place", ["none/runs.db", "file/runs.db"])
@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+pysqlite"])
def test_a_database_in_no_folder_is_an_error_at_once(tmp_path, place, scheme):
    (tmp_path / "file").write_text("")
    refused(f"{scheme}:///{tmp_path / place}", "no folder that can be written to")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="the system has no /proc")
def test_a_file_that_only_seems_possible_is_an_error_at_once():
    message = refused("sqlite:////proc/x.db", "MLflow can't log to sqlite:////proc/x.db .*nothing was trained yet")
    assert "unable to open database file" in message


def test_a_folder_and_a_file_of_another_kind_are_no_database(tmp_path):
    refused(f"sqlite:///{tmp_path}", "unable to open database file")
    (tmp_path / "notes.txt").write_text("not a database, but a text that somebody needs" * 100)
    refused(f"sqlite:///{tmp_path / 'notes.txt'}", "file is not a database")
    assert (tmp_path / "notes.txt").read_text().startswith("not a database")


def test_a_database_that_another_program_writes_to_is_an_error_after_a_while(tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "_PATIENCE_S", 0.2)
    with closing(sqlite3.connect(tmp_path / "runs.db", isolation_level=None)) as other:
        other.execute("CREATE TABLE mine (value)")
        other.execute("BEGIN EXCLUSIVE")
        refused(f"sqlite:///{tmp_path / 'runs.db'}", "database is locked")


def test_a_server_that_is_not_there_is_an_error_at_once():
    uri = "http://anna:SECRET@127.0.0.1:9/runs?token=SECRET"
    message = refused(uri, r"MLflow can't log to http://\*\*\*@127.0.0.1:9/runs\?token=\*\*\*")
    assert "SECRET" not in message and "Connection refused" in message and "HTTPConnection" not in message


def test_a_server_that_never_answers_is_an_error_after_a_while(monkeypatch):
    monkeypatch.setitem(tracking._RETRIES, "MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        refused(f"http://127.0.0.1:{silent.getsockname()[1]}", r"\d \(Read timed out. \(read timeout=1\)\); nothing")


def test_the_settings_of_the_user_stay(monkeypatch):
    seen = []
    monkeypatch.setattr(tracking, "_check_file", lambda uri: seen.append([*map(os.environ.get, tracking._RETRIES)]))
    for given in (None, "0"):
        for name in tracking._RETRIES:
            monkeypatch.delenv(name, raising=False)
            if given is not None:
                monkeypatch.setenv(name, given)
        refused("nodatabase://runs", "nothing was trained yet")
        assert [*map(os.environ.get, tracking._RETRIES)] == [given, given]
    assert seen == [["1", "10"], ["0", "0"]]
