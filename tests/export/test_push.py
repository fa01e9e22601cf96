"""Bundles are pushed to the hub, by the real library, and load from there; README.md gets what the hub reads."""

import pytest
import yaml

import emotone
from emotone.errors import BundleError, ConfigError, HubError
from emotone.export.push import push, readme
from emotone.recognition import card as cards
from emotone.recognition import model_card
from emotone.recognition.session import DEFAULT_FOLDER
from support import handmade, hub_server

pytestmark = pytest.mark.slow


@pytest.fixture
def there(tmp_path, monkeypatch):
    with hub_server.running() as server:
        hub_server.use(monkeypatch, server, tmp_path / "user")
        yield server


def test_a_pushed_bundle_loads_from_the_hub_and_predicts_the_same(there, tmp_path):
    bundle = handmade.write(tmp_path / "run" / "model")
    sound = (handmade.tone(0.02), 16_000)
    before = emotone.Recognizer(bundle).predict(sound)
    assert emotone.push is push
    for source in (bundle, tmp_path / "run"):
        address = push(source, "hub:anna/calls")
    made = there.repositories["anna/calls"]
    assert not made.private and address == f"hub:anna/calls@{made.refs['main']}"
    files = made.at("main")[1]
    assert set(files) == {".gitattributes", "card.json", "model.onnx", "README.md"}
    assert {name: files[name] for name in ("card.json", "model.onnx")} == {
        name: (bundle / name).read_bytes() for name in ("card.json", "model.onnx")
    }
    assert there.asked("PUT /lfs/") and there.asked("POST /anna/calls.git/info/lfs/objects/batch")
    for name in (address, "hub:anna/calls"):
        assert emotone.Recognizer(name).predict(sound) == before


def test_the_same_bundle_is_not_committed_twice(there, tmp_path):
    bundle = handmade.write(tmp_path / "b")
    assert push(bundle, "hub:anna/calls") == push(bundle, "hub:anna/calls")
    assert len(there.asked("/commit/main")) == 1


def test_files_of_an_earlier_bundle_are_removed_and_others_stay(there, tmp_path):
    there.add("anna/calls", {"adaptation.npz": b"old", "plot.png": b"mine"})
    push(handmade.write(tmp_path / "b"), "hub:anna/calls")
    files = there.repositories["anna/calls"].at("main")[1]
    assert "adaptation.npz" not in files and files["plot.png"] == b"mine"


def test_the_built_in_bundle_is_pushed_with_its_heads_and_its_notice(there):
    push("default", "hub:anna/default")
    files = there.repositories["anna/default"].at("main")[1]
    for name in ("adaptation.npz", "NOTICE", "model.onnx", "card.json"):
        assert files[name] == (DEFAULT_FOLDER / name).read_bytes()


def test_the_front_matter_is_what_the_hub_reads_and_the_rest_is_the_model_card():
    card = cards.read(DEFAULT_FOLDER)
    empty, front, rest = readme(card).split("---\n", 2)
    assert empty == "" and rest == "\n" + model_card.readme(card)
    assert yaml.safe_load(front) == {
        "license": "other",
        "license_name": "licences-of-the-training-recordings",
        "license_link": "README.md",
        "library_name": "emotone",
        "pipeline_tag": "audio-classification",
        "language": sorted({corpus["language"] for corpus in card["training"]["corpora"]}),
        "tags": ["speech", "speech-emotion-recognition", "emotone", "onnx"],
    }
    named = yaml.safe_load(readme(card, licence="cc-by-4.0").split("---\n")[1])
    assert named["license"] == "cc-by-4.0" and "license_name" not in named


@pytest.mark.parametrize("language", ["no", "en\n- evil", "de: x", "Deutsch", None, 7])
def test_a_language_of_a_card_is_a_code_or_left_out(language):
    card = cards.read(DEFAULT_FOLDER)
    changed = card | {"training": {"corpora": [{"name": "x", "language": language}]}}
    front = yaml.safe_load(readme(changed).split("---\n")[1])
    assert front.get("language") == (["no"] if language == "no" else None)


def test_a_private_model_is_private_and_never_a_public_one(there, tmp_path, monkeypatch):
    bundle = handmade.write(tmp_path / "b")
    push(bundle, "hub:anna/secret", private=True)
    assert there.repositories["anna/secret"].private
    there.add("anna/public", {"notes.txt": "x"})
    with pytest.raises(HubError, match="hub:anna/public exists and is public, so nothing was uploaded"):
        push(bundle, "hub:anna/public", private=True)
    assert set(there.repositories["anna/public"].at("main")[1]) == {"notes.txt"}
    assert emotone.Recognizer("hub:anna/secret").emotions == tuple(handmade.EMOTIONS)
    hub_server.use(monkeypatch, there, tmp_path / "guest", token="")
    with pytest.raises(HubError, match="or it is private"):
        emotone.Recognizer("hub:anna/secret")


@pytest.mark.parametrize(
    ("token", "match"),
    [
        ("", "you are not logged in to the hub; run 'hf auth login', or set HF_TOKEN"),
        (hub_server.READER, "the hub refuses the token for hub:anna/calls"),
    ],
)
def test_who_may_not_write_is_told_what_to_do(there, tmp_path, monkeypatch, token, match):
    hub_server.use(monkeypatch, there, tmp_path / "guest", token=token)
    with pytest.raises(HubError, match=match):
        push(handmade.write(tmp_path / "b"), "hub:anna/calls")
    assert there.repositories == {}


def test_what_can_not_be_opened_is_not_pushed(there, tmp_path):
    bundle = handmade.write(tmp_path / "b")
    (bundle / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(BundleError, match="was altered or is damaged"):
        push(bundle, "hub:anna/calls")
    assert there.requests == []


@pytest.mark.parametrize(
    ("to", "licence", "match"),
    [
        ("hub:anna/calls@v1", "other", "has a revision"),
        ("anna/calls", "other", "expected hub:USER/MODEL"),
        ("hub:anna/calls", "mit\nextra: 1", "expected an identifier of the hub"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_sent(there, tmp_path, to, licence, match):
    with pytest.raises(ConfigError, match=match):
        push(handmade.write(tmp_path / "b"), to, licence=licence)
    assert there.requests == []


@pytest.mark.parametrize("name", ["NOTICE", "model.onnx"])
def test_a_file_outside_a_bundle_is_not_pushed(there, tmp_path, name):
    bundle = handmade.write(tmp_path / "b")
    private = tmp_path / "private"
    private.write_bytes((bundle / name).read_bytes() if (bundle / name).exists() else b"a key of this user")
    (bundle / name).unlink(missing_ok=True)
    (bundle / name).symlink_to(private)
    with pytest.raises(BundleError, match=f"{name} in .* is a link to .*private', expected a file of the bundle"):
        push(bundle, "hub:anna/calls")
    assert there.requests == []


def test_a_bundle_of_the_hub_is_pushed_from_its_cache(there, tmp_path):
    push(handmade.write(tmp_path / "b"), "hub:anna/calls")
    assert push("hub:anna/calls", "hub:anna/again").startswith("hub:anna/again@")
