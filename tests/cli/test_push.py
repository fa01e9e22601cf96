"""The command ``push``, and --model with an address on the hub."""

import json

import pytest

from support import handmade, hub_server
from support.command_line import run


@pytest.fixture
def there(tmp_path, monkeypatch):
    with hub_server.running() as server:
        hub_server.use(monkeypatch, server, tmp_path / "user")
        yield server


@pytest.mark.slow
def test_a_bundle_is_pushed_and_predicts_from_there(there, bundle, clips):
    result = run("push", bundle, "hub:anna/calls", "--private", "--licence", "cc-by-4.0")
    assert result.exit_code == 0, result.output
    made = there.repositories["anna/calls"]
    assert made.private and b"license: cc-by-4.0\n" in made.at("main")[1]["README.md"]
    assert result.stdout.splitlines() == [
        f"Pushed: hub:anna/calls@{made.refs['main']}",
        "Next: emotone predict clip.wav --model hub:anna/calls",
    ]
    assert f"page: {there.url}/anna/calls\n" in result.stderr
    assert hub_server.TOKEN not in result.output + result.stderr
    answer = run("predict", clips / "a_sad.wav", "--model", "hub:anna/calls", "--format", "json")
    assert answer.exit_code == 0 and json.loads(answer.stdout)[0]["emotion"] == "sad"


@pytest.mark.slow
def test_errors_of_the_hub_are_one_line(there, bundle, clips):
    result = run("predict", clips / "a_sad.wav", "--model", "hub:anna/nothing")
    assert result.exit_code == 1 and result.stdout == ""
    assert result.stderr.startswith("error: the hub has no model hub:anna/nothing, or it is private")
    assert len(result.stderr.splitlines()) == 1
    result = run("push", bundle, "anna/calls")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "'anna/calls' does not name a model on the hub; expected hub:USER/MODEL" in result.stderr


@pytest.mark.slow
def test_an_archive_is_annotated_by_a_model_on_the_hub(there, bundle, clips, tmp_path):
    there.add("anna/calls", {path.name: path.read_bytes() for path in bundle.iterdir()})
    out = tmp_path / "annotated"
    command = ["annotate", clips / "a_sad.wav", "--model", "hub:anna/calls", "--out", out, "--workers", 1]
    result = run(*command)
    assert result.exit_code == 0, result.output
    settings = json.loads((out / "run.json").read_text())["settings"]
    assert settings["model"] == "hub:anna/calls"


@pytest.mark.slow
def test_the_model_of_handmade_bundles_adapts_from_the_hub_too(there, tmp_path):
    folder = handmade.write(tmp_path / "b", content=handmade.graph(optional=handmade.ADAPTS))
    there.add("anna/adapts", {path.name: path.read_bytes() for path in folder.iterdir()})
    from emotone import Recognizer

    assert Recognizer("hub:anna/adapts").adapts
