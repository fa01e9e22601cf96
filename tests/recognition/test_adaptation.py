"""Adaptation from clips without labels, with embeddings that are drawn from known voices and emotions."""

import hashlib
import io
from dataclasses import fields, replace

import numpy as np
import pytest

from emotone.errors import BundleError
from emotone.recognition import adaptation
from emotone.recognition.profile import SourceProfile, SpeakerProfile
from emotone.recognition.temperature import Temperature

EMOTIONS = ("neutral", "happy", "sad", "angry")
K, WIDTH, MODEL = 4, 8, "0" * 64
#: Where the clips of an emotion lie, relative to their voice.
PLACES = 3 * np.eye(K, WIDTH)


def clips(labels, *, voice=0.0, seed=0):
    """Draw embeddings (n, WIDTH) of clips of a voice, which moves all of them by ``voice``."""
    noise = np.random.default_rng(seed).normal(scale=0.7, size=(len(labels), WIDTH))
    return PLACES[np.asarray(labels)] + noise + np.asarray(voice)


@pytest.fixture(scope="module")
def adapter():
    """Both heads know the places; the first knows no voice, and the second takes what is left without it."""
    weight = PLACES[None] / 1.5
    heads = {
        **{"plain_weight": weight, "plain_bias": np.full((1, K), -1.0), "adapted_weight": weight},
        **{"adapted_bias": np.full((1, K), -1.0), "centre": PLACES.mean(axis=0)},
    }
    labels = np.tile(np.arange(K), 50)
    rows = [clips(labels, voice=np.random.default_rng(n).normal(size=WIDTH) / 2, seed=n) for n in range(6)]
    return adaptation.fitted(
        heads,
        np.concatenate(rows),
        labels=np.tile(labels, 6),
        speakers=[f"speaker {number // 200}" for number in range(1200)],
        corpora=["corpus"] * 1200,
    )


def heard(adapter, embedding, kind=SpeakerProfile, **known):
    empty = kind(mean=(0.0,) * WIDTH, n_clips=0, model=MODEL, **known)
    return adapter.extended(empty, embedding, emotions=EMOTIONS, temperature=Temperature())


def right(adapter, embedding, labels, profile=None):
    """Share of clips whose best emotion is right."""
    return np.mean(adapter.scores(embedding, profile, temperature=Temperature()).argmax(axis=1) == labels)


MOVED = np.array([4.0, 0, 0, 0, 0, 0, 0, 0])  # this voice always sounds neutral
LABELS = np.tile(np.arange(K), 25)


def test_voice_that_sounds_neutral_is_right_once_it_is_known(adapter):
    test = clips(LABELS, voice=MOVED, seed=5)
    assert right(adapter, test, LABELS) < 0.6
    for kind in (SpeakerProfile, SourceProfile):
        profile = heard(adapter, clips(LABELS, voice=MOVED, seed=6), kind)
        assert right(adapter, test, LABELS, profile) > 0.9 and adapter.evenness(profile) > 0.4
        assert profile.adapted[kind.kind] == 100


def test_clips_of_one_emotion_are_not_taken_for_the_usual_voice(adapter):
    test = clips(LABELS, seed=5)
    profile = heard(adapter, clips([3] * 12, seed=6))
    assert max(dict(profile.composition), key=dict(profile.composition).get) == "angry"
    assert adapter.evenness(profile) < 0.3
    blind = replace(profile, composition=(), answers=(), power=0.0)  # as of an older version: the mean is all there is
    assert right(adapter, test, LABELS, blind) < right(adapter, test, LABELS, profile)
    assert right(adapter, test, LABELS, profile) >= right(adapter, test, LABELS) - 0.01


def test_few_clips_of_a_voice_are_completed_by_its_source(adapter):
    test = clips(LABELS, voice=MOVED, seed=5)
    source = heard(adapter, clips(LABELS, voice=0.9 * MOVED, seed=7), SourceProfile)
    few = clips([0, 1], voice=MOVED, seed=8)
    alone, within = heard(adapter, few), heard(adapter, few, source=source)
    assert right(adapter, test, LABELS, within) > right(adapter, test, LABELS, alone)
    assert within.adapted == {"source": 100, "speaker": 2}


def test_profile_without_clips_changes_nothing(adapter):
    test = clips(LABELS, seed=5)
    np.testing.assert_array_equal(
        adapter.scores(test, heard(adapter, test[:0]), temperature=Temperature()),
        adapter.scores(test, None, temperature=Temperature()),
    )


def test_clips_can_be_learnt_in_parts(adapter):
    rows = clips(LABELS, voice=MOVED, seed=6)
    whole, part = heard(adapter, rows), heard(adapter, rows[:40])
    both = adapter.extended(part, rows[40:], emotions=EMOTIONS, temperature=Temperature())
    np.testing.assert_allclose(both.mean, whole.mean, atol=1e-12)
    assert (
        both.n_clips == 100
        and both.power == pytest.approx(whole.power)
        and dict(both.answers) == pytest.approx(dict(whole.answers))
    )
    assert sum(dict(both.composition).values()) == pytest.approx(1)
    old = SpeakerProfile(mean=tuple(rows[:40].mean(axis=0)), n_clips=40, model=MODEL)
    grown = adapter.extended(old, rows[40:], emotions=EMOTIONS, temperature=Temperature())
    np.testing.assert_allclose(grown.mean, whole.mean, atol=1e-12)
    assert grown.composition == ()


def test_file_of_a_bundle_is_read_and_checked(adapter, tmp_path):
    path = tmp_path / "adaptation.npz"
    card = {"emotions": list(EMOTIONS), "adaptation": {"sha256": adapter.save(path)}}
    read, rows = adaptation.load(path, card, width=WIDTH), clips(LABELS)
    np.testing.assert_allclose(
        read.scores(rows, None, temperature=Temperature(0.7, adapted=0.7)),
        adapter.scores(rows, None, temperature=Temperature(0.7, adapted=0.7)),
        atol=1e-6,
    )
    assert adaptation.load(path, {"emotions": list(EMOTIONS)}, width=WIDTH) is None
    for changes, message in (
        ({"adaptation": {"sha256": "0" * 64}}, "altered or is damaged"),
        ({"adaptation": "there"}, "altered or is damaged"),
    ):
        with pytest.raises(BundleError, match=message):
            adaptation.load(path, card | changes, width=WIDTH)
    with pytest.raises(BundleError, match=r"of shape \(1, 4, 8\), expected .* of shape \(1, 4, 16\)"):
        adaptation.load(path, card, width=2 * WIDTH)
    path.unlink()
    with pytest.raises(BundleError, match="can't be read"):
        adaptation.load(path, card, width=WIDTH)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"within": np.float32(0)}, "within is 0.0, expected a number above 0"),
        ({"within": np.float32(np.nan)}, "within is float32 .*expected finite"),
        ({"centre": np.zeros(WIDTH, int)}, "centre is int64 .*expected finite floating point"),
        ({"centre": np.array([object()] * WIDTH)}, "can't be read"),
        ({"offsets": np.zeros((K, K + 1))}, r"offsets is .* expected .* of shape \(4, 4\)"),
    ],
)
def test_values_of_the_file_are_checked(adapter, tmp_path, changes, message):
    arrays = {item.name: getattr(adapter, item.name) for item in fields(adapter)} | changes
    content = io.BytesIO()
    np.savez(content, **arrays)
    check_refused(tmp_path, content.getvalue(), message)


@pytest.mark.parametrize(
    "damage", [lambda content: content[:300], lambda content: content[:-9], lambda _: b"\x93NUMPY"]
)
def test_damaged_file_is_one_error(adapter, tmp_path, damage):
    adapter.save(tmp_path / "whole.npz")
    check_refused(tmp_path, damage((tmp_path / "whole.npz").read_bytes()), "can't be read")


def check_refused(folder, content, message):
    path = folder / "adaptation.npz"
    path.write_bytes(content)
    card = {"emotions": list(EMOTIONS), "adaptation": {"sha256": hashlib.sha256(content).hexdigest()}}
    with pytest.raises(BundleError, match=message):
        adaptation.load(path, card, width=WIDTH)


def test_an_archive_that_unpacks_to_more_than_a_file_may_have_is_refused(tmp_path):
    path = tmp_path / "adaptation.npz"
    np.savez_compressed(path, centre=np.zeros(17 << 20, np.float32))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(BundleError, match=r"can't be read \(it holds 71,303,\d+ bytes, expected at most 67,108,864\)"):
        adaptation.load(path, {"emotions": ["sad", "angry"], "adaptation": {"sha256": digest}}, width=2)
