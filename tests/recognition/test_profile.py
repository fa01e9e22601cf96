"""What is known of a speaker: a mean that grows clip by clip, and a file that gives it back to the last bit."""

import json
import os

import numpy as np
import pytest

from emotone.errors import BundleError, ConfigError
from emotone.recognition.profile import SourceProfile, SpeakerProfile

MODEL = "0123456789abcdef" * 4
SAVED = {"format_version": 1, "model": MODEL, "n_clips": 2, "mean": [0.5, -1]}


@pytest.fixture
def embeddings():
    return np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)


def grown(embeddings):
    profile = SpeakerProfile(mean=(0.0,) * embeddings.shape[1], n_clips=0, model=MODEL)
    for embedding in embeddings:
        profile = profile.updated(embedding)
    return profile


def test_updated_one_by_one_it_is_the_mean_of_all(embeddings):
    profile = grown(embeddings)
    assert profile.n_clips == 50 and profile.model == MODEL
    np.testing.assert_allclose(profile.mean, embeddings.mean(axis=0, dtype=np.float64), atol=1e-14)
    np.testing.assert_allclose(grown(embeddings[::-1]).mean, profile.mean, atol=1e-14)


def test_updating_changes_no_profile_that_is_there(embeddings):
    before = grown(embeddings[:3])
    kept = tuple(before.mean)
    after = before.updated(embeddings[3])
    assert (before.mean, before.n_clips, after.n_clips) == (kept, 3, 4)
    assert after != before and hash(grown(embeddings[:3])) == hash(before)


def test_inputs_are_those_of_the_graph():
    given = SpeakerProfile(mean=(0.5, -1.25), n_clips=3, model=MODEL).inputs()
    assert {name: (value.dtype, value.tolist()) for name, value in given.items()} == {
        "speaker": (np.float32, [[0.5, -1.25]]),
        "heard": (np.float32, [3.0]),
    }


def test_saved_and_loaded_it_is_the_same_to_the_last_bit(embeddings, tmp_path):
    profile, path = grown(embeddings), tmp_path / "anna.json"
    profile.save(path)
    assert SpeakerProfile.load(path) == profile
    keys = ["format_version", "kind", "model", "n_clips", "composition", "answers", "power", "mean"]
    assert list(json.loads(path.read_text())) == keys
    profile.updated(embeddings[0]).save(str(path))  # takes the place of a profile
    assert SpeakerProfile.load(str(path)).n_clips == 51
    assert [one.name for one in tmp_path.iterdir()] == ["anna.json"]


@pytest.mark.parametrize("content", ["", "years of work", json.dumps({"title": "thesis"})])
def test_saving_replaces_nothing_else(tmp_path, content):
    (tmp_path / "thesis.json").write_text(content)
    with pytest.raises(ConfigError, match="no profile, and would be lost"):
        SpeakerProfile(mean=(0.0,), n_clips=1, model=MODEL).save(tmp_path / "thesis.json")
    with pytest.raises(ConfigError, match="is no profile"):
        SpeakerProfile(mean=(0.0,), n_clips=1, model=MODEL).save(tmp_path)
    assert (tmp_path / "thesis.json").read_text() == content
    assert [one.name for one in tmp_path.iterdir()] == ["thesis.json"]


def test_where_saving_fails_the_old_profile_stays(tmp_path, monkeypatch):
    def full_disk(*_):
        raise OSError("no space left")

    profile, path = SpeakerProfile(mean=(0.5,), n_clips=1, model=MODEL), tmp_path / "anna.json"
    profile.save(path)
    monkeypatch.setattr("emotone.recognition.profile.os.replace", full_disk)
    with pytest.raises(ConfigError, match=r"can't be written.*no space left"):
        profile.updated([1.0]).save(path)
    assert SpeakerProfile.load(path) == profile and [one.name for one in tmp_path.iterdir()] == ["anna.json"]
    with pytest.raises(ConfigError, match="can't be written"):
        profile.save(tmp_path / "nowhere" / "anna.json")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[]", "holds a list"),
        (b"{}", "lacks format_version, model, n_clips, mean"),
        *[
            (json.dumps({**SAVED, **changes}).encode(), said)
            for changes, said in [
                ({"format_version": 3}, "install a newer version of Emotone from "),
                ({"format_version": "1"}, "format_version is '1'"),
                ({"format_version": 0}, "format_version is 0"),
                ({"model": "tiny"}, "model is 'tiny', expected the SHA-256"),
                ({"model": None}, "model is None"),
                ({"n_clips": -1}, "n_clips is -1, expected a whole number from 0"),
                ({"n_clips": 1.0}, r"n_clips is 1\.0"),
                ({"n_clips": True}, "n_clips is True"),
                ({"n_clips": 10**30}, "n_clips is 1000"),
                ({"mean": "0.5"}, "mean is '0.5', expected a list of numbers"),
                ({"mean": [0.5, "1"]}, "expected a list of numbers"),
                ({"mean": [0.5, True]}, "expected a list of numbers"),
                ({"mean": [[0.5]]}, "expected a list of numbers"),
                ({"mean": []}, r"shape \(0,\)"),
                ({"mean": [0.5, float("nan")]}, "not finite"),
                ({"mean": [float("inf")]}, "not finite"),
                ({"mean": [1e39]}, "not finite as float32"),
                ({"mean": [10**400]}, r"expected \(e,\) numbers"),
            ]
        ],
    ],
)
def test_damaged_file_says_what_is_wrong(tmp_path, content, said):
    (tmp_path / "anna.json").write_bytes(content)
    with pytest.raises(BundleError, match=said) as caught:
        SpeakerProfile.load(tmp_path / "anna.json")
    assert "anna.json" in str(caught.value)


def test_file_without_any_damage_is_read_as_it_says(tmp_path):
    (tmp_path / "anna.json").write_text(json.dumps(SAVED))
    assert SpeakerProfile.load(tmp_path / "anna.json") == SpeakerProfile(mean=(0.5, -1.0), n_clips=2, model=MODEL)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(BundleError, match=r"bert\.json.*can't be read"):
        SpeakerProfile.load(tmp_path / "bert.json")


@pytest.mark.parametrize("embedding", [[1.0], [1.0, np.nan], [[1.0, 2.0]], [], ["a", "b"], None, [1.0, 1e39]])
def test_embedding_that_does_not_fit_is_refused(embedding):
    with pytest.raises(ConfigError, match="embedding"):
        SpeakerProfile(mean=(0.5, 1.0), n_clips=2, model=MODEL).updated(embedding)


def test_repr_is_short(embeddings):
    assert repr(grown(embeddings)) == "SpeakerProfile(50 clips, 7 values, model 0123456789ab)"


def test_pipe_in_place_of_a_profile_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "anna.json")
    with pytest.raises(BundleError, match=r"can't be read \(it is a pipe, a device or a folder"):
        SpeakerProfile.load(tmp_path / "anna.json")


def test_source_of_a_voice_is_saved_with_it(tmp_path):
    shares = {"composition": (("happy", 0.25), ("sad", 0.75)), "answers": (("happy", 0.5), ("sad", 0.5)), "power": 2.5}
    source = SourceProfile(mean=(0.5, 1.0), n_clips=20, model=MODEL, **shares)
    voice = SpeakerProfile(mean=(1.0, 2.0), n_clips=3, model=MODEL, source=source, **shares)
    voice.save(tmp_path / "anna.json")
    source.save(tmp_path / "studio.json")
    assert SpeakerProfile.load(tmp_path / "anna.json") == voice and voice.adapted == {"source": 20, "speaker": 3}
    assert SourceProfile.load(tmp_path / "studio.json") == source
    for kind, name, problem in (
        (SourceProfile, "anna", "is the profile of a speaker, expected that of a source"),
        (SpeakerProfile, "studio", "is the profile of a source, expected that of a speaker"),
    ):
        with pytest.raises(BundleError, match=problem):
            kind.load(tmp_path / f"{name}.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "room"}, "kind is 'room', expected speaker or source"),
        ({"composition": [0.5]}, r"composition is \[0.5\], expected an object"),
        ({"composition": {"sad": 1.5}}, "composition has 'sad': 1.5, expected a share from 0 to 1"),
        ({"composition": {"sad": "all"}}, "composition has 'sad': 'all'"),
        ({"composition": {"sad": 1.0}}, "composition and answers name different emotions"),
        ({"answers": {"sad": True}}, "answers has 'sad': True"),
        ({"power": -1}, "power is -1, expected a number from 0"),
        ({"power": None}, "power is None"),
        (
            {"source": {"kind": "source", "n_clips": 2}},
            "source has kind, n_clips and lacks format_version, model, mean",
        ),
        ({"source": {"n_clips": 2}}, "source is {'n_clips': 2}, expected the profile of a source"),
        ({"source": 5}, "source is 5, expected the profile of a source"),
        ({"source": {**SAVED, "format_version": 1}}, "source is .* expected the profile of a source"),
        ({"source": {**SAVED, "kind": "source", "mean": [0.5]}}, "has 2 values, and this model|has 1 values"),
    ],
)
def test_what_a_second_profile_can_have_wrong(tmp_path, changes, message):
    (tmp_path / "anna.json").write_text(json.dumps({**SAVED, "format_version": 2, **changes}))
    with pytest.raises(BundleError, match=message):
        SpeakerProfile.load(tmp_path / "anna.json")


def test_composition_must_name_the_emotions_of_the_model():
    shares = {"composition": (("happy", 1.0),), "answers": (("happy", 1.0),)}
    profile = SpeakerProfile(mean=(0.5,), n_clips=1, model=MODEL, **shares)
    profile.check_model(MODEL, 1, emotions=["happy"])
    within = SpeakerProfile(mean=(0.5,), n_clips=1, model=MODEL, source=SourceProfile((0.5,), 1, MODEL, **shares))
    for wrong in (profile, within):
        with pytest.raises(ConfigError, match="composition names happy, and the model happy, sad"):
            wrong.check_model(MODEL, 1, emotions=["happy", "sad"])
    for value in (5, [1, 2], "sad"):
        with pytest.raises(ConfigError, match="expected pairs of an emotion and its share|expected a share"):
            SpeakerProfile(mean=(0.5,), n_clips=1, model=MODEL, composition=value)
