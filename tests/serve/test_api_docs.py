"""The interactive documents: they load nothing from other hosts."""

import importlib.util
import re
import types

import pytest

from emotone.serve import api_docs
from support.browser_page import missing
from support.serving import client_of, problem


@pytest.fixture
def documents(recognizer, tmp_path, monkeypatch):
    """The service with stand-ins for the two files of Swagger UI."""
    (tmp_path / "resources").mkdir()
    for name in api_docs._FILES:
        (tmp_path / "resources" / name).write_text(f"/* {name} */")
    monkeypatch.setattr(api_docs, "is_installed", lambda: True)
    monkeypatch.setattr(api_docs, "resources", types.SimpleNamespace(files=lambda package: tmp_path))
    with client_of(recognizer, key="k") as client:
        yield client


def test_the_page_loads_its_own_files_alone(documents):
    page = documents.get("/docs")
    assert page.status_code == 200 and page.headers["content-type"] == "text/html; charset=utf-8"
    assert (
        "http:" not in page.text and "https:" not in page.text and "//" not in re.sub("<!doctype html>", "", page.text)
    )
    loaded = re.findall(r'(?:src|href)="(?!data:)([^"]+)"', page.text)
    assert sorted(loaded) == ["docs/start.js", "docs/swagger-ui-bundle.js", "docs/swagger-ui.css"]
    for path in loaded:
        answer = documents.get(f"/{path}")
        assert answer.status_code == 200, path
        assert answer.headers["content-type"].startswith("text/css" if path.endswith("css") else "text/javascript")
    assert 'url: "openapi.json"' in documents.get("/docs/start.js").text
    # no script within the page: the policy allows files of this service only
    policy = page.headers["content-security-policy"]
    assert (
        "script-src 'self';" in policy and "<script>" not in page.text and " on" not in page.text.replace(" only", "")
    )
    for path in ("/docs/nope", "/docs/../app.py"):
        problem(documents.get(path), "not_found")


def test_the_package_has_the_files():
    if importlib.util.find_spec("fastapi_swagger") is None:
        missing("fastapi-swagger")
    from importlib import resources

    for name in api_docs._FILES:
        assert (resources.files("fastapi_swagger") / "resources" / name).stat().st_size > 100_000
