"""The page within the service: its uploads, and the service's own routes."""

import json
import os
import stat
from pathlib import Path

import pytest

from emotone.serve import create_app
from support.browser_page import CLIP, KEY, call, get, upload
from support.serving import until

pytestmark = pytest.mark.browser


def test_the_services_own_paths_stay_as_they_are(served, recognizer):
    from starlette.testclient import TestClient

    plain = TestClient(create_app(recognizer))
    for path in ("/v1/nowhere", "/v1", "/v1/predict", "/v1/model", "/healthz", "/openapi.json"):
        status, headers, body = get(served.port, path)
        expected = plain.get(path)
        assert (status, json.loads(body)) == (expected.status_code, expected.json()), path
        assert headers["content-type"] == expected.headers["content-type"]
    assert get(served.port, "/")[1]["cache-control"] == "no-store"


def test_uploads_are_private_and_do_not_stay(served):
    (folder,) = served.folder.glob("emotone-page-*")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    key = {"Authorization": f"Bearer {KEY}"}
    path = Path(upload(served.keyed_port, CLIP.read_bytes(), **key))
    assert path.is_file() and folder in path.parents
    kept, cut_off = (folder / name for name in ("an upload that comes", "an upload that was cut off"))
    for one in (kept, cut_off):
        one.write_bytes(b"sound")
    for one in (path, cut_off):
        os.utime(one, (1, 1))
    until(lambda: not path.exists() and not cut_off.exists())
    assert kept.exists()
    kept.unlink()
    event, told = call(served.keyed_port, "recognise", str(path), **key)
    assert event == "error"
