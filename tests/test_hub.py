"""Addresses on the hub, and what is downloaded from it, by the real library against a stand-in of the hub."""

import traceback
from pathlib import Path

import pytest

from emotone import hub
from emotone.errors import BundleError, ConfigError, HubError, MissingExtraError
from emotone.recognition import session
from emotone.recognition.recognizer import Recognizer
from support import handmade, hub_server

FILES = {"card.json": 100, "model.onnx": 1000, "README.md": 100}


@pytest.fixture(scope="module")
def server():
    with hub_server.running() as made:
        yield made


@pytest.fixture
def there(server, tmp_path, monkeypatch):
    """An empty hub that this process uses, as a user with a token of their own and an empty cache."""
    server.repositories.clear()
    server.requests.clear()
    server.tokens.clear()
    server.sizes.clear()
    server.is_down = False
    hub_server.use(monkeypatch, server, tmp_path / "user")
    return server


def fetch(text: str, files=FILES) -> Path:
    return hub.fetched(hub.Address.parse(text), most_bytes=files, needed=("card.json", "model.onnx"))


def bundle_files(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in handmade.write(folder).iterdir()}


@pytest.mark.parametrize(
    ("text", "repository", "revision"),
    [
        ("hub:anna/calls", "anna/calls", None),
        ("hub:anna/calls@v1.0", "anna/calls", "v1.0"),
        ("hub:A-b/c_d.e@refs/pr/1", "A-b/c_d.e", "refs/pr/1"),
    ],
)
def test_an_address_has_a_model_and_perhaps_a_revision(text, repository, revision):
    address = hub.Address.parse(text)
    assert (address.repository, address.revision, str(address)) == (repository, revision, text)


@pytest.mark.parametrize(
    "text", ["hub:calls", "hub:", "hub:anna/calls@", "hub:anna/calls@../x", "hub:a/b/c", "hub:a/b@x y", "hub:../b"]
)
def test_what_is_no_address_says_how_one_is_written(text):
    with pytest.raises(ConfigError, match="expected hub:USER/MODEL, or with @REVISION"):
        Recognizer(text)


def test_a_name_that_the_hub_would_refuse_is_an_error_of_the_name(there):
    with pytest.raises(ConfigError, match="hub:a--b/c is no name of a model on the hub"):
        fetch("hub:a--b/c")


def test_a_bundle_on_the_hub_predicts_as_its_folder(there, tmp_path):
    files = bundle_files(tmp_path / "b")
    there.add("anna/calls", files | {"model.pkl": b"\x80\x04.", "training.py": "raise SystemExit"})
    recognizer = Recognizer("hub:anna/calls")
    sound = (handmade.tone(0.02), 16_000)
    assert recognizer.predict(sound) == Recognizer(tmp_path / "b").predict(sound)
    # other files are not downloaded, and the graph runs in a process of its own, as that of every stranger
    assert {path.name for path in recognizer.folder.iterdir()} == set(files)
    assert not there.asked("model.pkl") and not there.asked("training.py")
    assert isinstance(recognizer._model._graph, session.CheckedGraph)


def test_a_revision_is_what_it_was(there):
    made = there.add("anna/calls", {"card.json": "1", "model.onnx": "one"})
    first = made.refs["main"]
    made.refs["v1"] = first
    second = made.commit({"card.json": b"2", "model.onnx": b"two"})
    assert (fetch("hub:anna/calls") / "card.json").read_text() == "2"
    for revision in ("v1", first):
        folder = fetch(f"hub:anna/calls@{revision}")
        assert (folder.name, (folder / "model.onnx").read_text()) == (first, "one")
    assert hub.pinned("hub:anna/calls", fetch("hub:anna/calls")) == f"hub:anna/calls@{second}"
    assert hub.pinned("runs/svm", Path("runs/svm")) == "runs/svm"


def test_a_commit_in_the_cache_needs_no_request(there):
    name = there.add("anna/calls", {"card.json": "1", "model.onnx": "one"}).refs["main"]
    folder = fetch("hub:anna/calls")
    there.requests.clear()
    assert fetch(f"hub:anna/calls@{name}") == folder and there.requests == []


def test_offline_the_cache_is_used_and_what_it_lacks_is_an_error(there, monkeypatch):
    there.add("anna/calls", {"card.json": "1", "model.onnx": "one"})
    folder = fetch("hub:anna/calls")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    there.requests.clear()
    assert fetch("hub:anna/calls") == folder and there.requests == []
    with pytest.raises(HubError, match="hub:anna/other is not in the cache, and HF_HUB_OFFLINE forbids the network"):
        fetch("hub:anna/other")


def test_a_hub_that_is_down_is_an_error_or_the_cache_with_a_warning(there, monkeypatch):
    there.add("anna/calls", {"card.json": "1", "model.onnx": "one"})
    folder = fetch("hub:anna/calls")
    there.is_down = True
    with pytest.warns(UserWarning, match="the hub can't be reached: hub:anna/calls is the copy of"):
        assert fetch("hub:anna/calls") == folder
    with pytest.raises(HubError, match="the hub can't be reached for hub:anna/other .*check the network"):
        fetch("hub:anna/other")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubError, match="the hub can't be reached for hub:anna/other .*check the network"):
        fetch("hub:anna/other")


def test_what_the_hub_does_not_give_says_why(there, monkeypatch, tmp_path):
    there.add("anna/closed", {"card.json": "1"}, gated=True)
    there.add("anna/secret", {"card.json": "1"}, private=True)
    there.add("anna/calls", {"card.json": "1", "model.onnx": "one"})
    with pytest.raises(HubError, match="hub:anna/closed is gated: ask its owner for access"):
        fetch("hub:anna/closed")
    with pytest.raises(HubError, match="hub:anna/calls has no revision 'v9'"):
        fetch("hub:anna/calls@v9")
    hub_server.use(monkeypatch, there, tmp_path / "guest", token="")
    for name in ("anna/secret", "anna/nothing"):
        with pytest.raises(HubError, match=f"the hub has no model hub:{name}, or it is private: .*'hf auth login'"):
            fetch(f"hub:{name}")


def test_a_repository_without_a_bundle_says_what_it_holds(there):
    there.add("anna/calls", {"pytorch_model.bin": b"\x80\x04.", "config.json": "{}", ".gitattributes": ""})
    with pytest.raises(BundleError, match=r"holds 'config.json', 'pytorch_model.bin' and lacks card.json and model.o"):
        fetch("hub:anna/calls")
    assert not there.asked("/resolve/")


def test_a_file_that_is_too_large_is_not_downloaded(there):
    there.add("anna/calls", {"card.json": "1", "model.onnx": "one"})
    there.sizes["card.json"] = 101
    with pytest.raises(BundleError, match="card.json of hub:anna/calls has 101 bytes, expected at most 100; it is not"):
        fetch("hub:anna/calls")
    assert not there.asked("/resolve/")


def test_the_limits_of_a_bundle_are_those_of_its_files():
    assert session._ON_HUB["card.json"] == session._ON_HUB["README.md"] == 1 << 20
    assert session._ON_HUB["model.onnx"] == 768 << 20


@pytest.mark.parametrize("token", ["hf_wrongwrongwrong", "hf_illegal\nheader", "own-kind-of-token\x01"])
def test_no_error_shows_the_token(there, monkeypatch, tmp_path, token):
    there.add("anna/calls", {"card.json": "1", "model.onnx": "one"})
    hub_server.use(monkeypatch, there, tmp_path / "other", token="hf_placeholder")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: token)
    monkeypatch.setattr("huggingface_hub.utils._headers.get_token", lambda: token)
    with pytest.raises(HubError) as caught:
        fetch("hub:anna/calls")
    shown = "".join(traceback.format_exception(caught.value))
    assert not any(part in shown for part in ("wrongwrong", "illegal", "own-kind"))
    if token == "hf_wrongwrongwrong":
        assert "the hub refuses the token for hub:anna/calls" in str(caught.value)


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match="a model on the Hugging Face hub needs the extra 'hub'"):
        Recognizer("hub:anna/calls")


@pytest.mark.parametrize(
    "text", ["anna/calls", "https://huggingface.co/anna/calls", "https://huggingface.co/anna/calls/"]
)
def test_a_model_that_is_named_as_elsewhere_is_recognised(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        BundleError, match="does not exist; .*; a model on the Hugging Face hub is named hub:anna/calls$"
    ):
        Recognizer(text)


@pytest.mark.parametrize("text", ["runs/svm/model", "calls", "/srv/model", "../model"])
def test_other_missing_folders_are_no_models_of_the_hub(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError) as caught:
        Recognizer(text)
    assert "hub:" not in str(caught.value)


@pytest.mark.slow
def test_no_password_of_another_hub_is_shown(there, monkeypatch):
    endpoint = there.url.replace("//", "//anna:pa-ss@")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
    assert hub.page_of(hub.Address("anna/calls")) == f"{there.url}/anna/calls"
    library = __import__("huggingface_hub")
    shown = hub._without_tokens(library, f"Server error '500' for url '{endpoint}/api/models/anna/calls'")
    assert "pa-ss" not in shown and "//***@127.0.0.1" in shown
