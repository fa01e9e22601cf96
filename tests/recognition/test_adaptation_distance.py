"""The distance of clips from those of training, and the temperature that rises with it."""

import hashlib
import io

import numpy as np
import pytest

from emotone.errors import BundleError
from emotone.recognition import adaptation
from emotone.recognition.profile import SpeakerProfile
from emotone.recognition.temperature import Temperature

K, MEMBERS, WIDTH = 3, 2, 5
EMOTIONS = ("neutral", "happy", "sad")
CARD = {"emotions": list(EMOTIONS)}


def heads(rng):
    """Two members, so that the distance is that of the first alone."""
    made = {f"{name}_weight": rng.normal(size=(MEMBERS, K, WIDTH)) for name in ("plain", "adapted")}
    made |= {f"{name}_bias": rng.normal(size=(MEMBERS, K)) for name in ("plain", "adapted")}
    return made | {"centre": rng.normal(size=MEMBERS * WIDTH)}


def rows(n, *, seed=0, move=0.0):
    """Embeddings whose directions have unlike variances and depend on each other."""
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(99).normal(size=(MEMBERS * WIDTH,) * 2) * np.geomspace(0.1, 10, MEMBERS * WIDTH)
    return rng.normal(size=(n, MEMBERS * WIDTH)) @ mix + 5 + move


@pytest.fixture(scope="module")
def adapter():
    n = 600
    return adaptation.fitted(
        heads(np.random.default_rng(1)),
        rows(n),
        labels=np.arange(n) % K,
        speakers=[str(number // 100) for number in range(n)],
        corpora=["corpus"] * n,
    )


def test_mean_distance_of_training_clips_is_one(adapter):
    assert adapter.distance(rows(600)).mean() == pytest.approx(1)
    assert adapter.distance(rows(600, seed=1)).mean() == pytest.approx(1, abs=0.05)
    further = [adapter.distance(rows(200, seed=2, move=move)).mean() for move in (0, 20, 60)]
    assert further[0] < further[1] < further[2] and further[2] > 2


def test_distance_reads_the_first_member_alone(adapter):
    clips = rows(4, seed=3)
    other = clips.copy()
    other[:, WIDTH:] += 100
    np.testing.assert_array_equal(adapter.distance(other), adapter.distance(clips))
    other[:, 0] += 100
    assert (adapter.distance(other) > adapter.distance(clips)).all()


def test_directions_without_variance_give_finite_distances():
    flat = rows(100)
    flat[:, 2] = 7.0
    usual, whitener = adaptation._whitening(flat[:, :WIDTH])
    assert np.isfinite(whitener).all()
    distances = np.sqrt(np.mean(((flat[:, :WIDTH] - usual) @ whitener) ** 2, axis=1))
    assert distances.mean() == pytest.approx(1)


def test_scores_of_distant_clips_are_less_sure(adapter):
    clips, rising = rows(50, seed=4, move=40), Temperature(1.0, 0.5, 1.0)
    plain, lowered = (adapter.scores(clips, None, temperature=each) for each in (Temperature(), rising))
    assert (lowered.argmax(axis=1) == plain.argmax(axis=1)).all()
    assert (lowered.max(axis=1) < plain.max(axis=1)).all()
    divisor = 1 + 0.5 * (adapter.distance(clips) - 1)
    powers = plain ** (1 / divisor[:, None])
    np.testing.assert_allclose(lowered, powers / powers.sum(axis=1, keepdims=True), atol=1e-9)


def test_adapted_scores_have_a_temperature_between_both(adapter):
    clips = rows(20, seed=5)
    profile = SpeakerProfile(mean=tuple(rows(6, seed=6).mean(axis=0)), n_clips=6, model="0" * 64)
    _, share = adapter.shift(profile)
    assert 0.5 < share < 1
    temperature = Temperature(2.0, 0.3, 0.5)
    plain = adapter.scores(clips, profile, temperature=Temperature())
    powers = plain ** (1 / temperature.at(adapter.distance(clips), share=share)[:, None])
    found = adapter.scores(clips, profile, temperature=temperature)
    np.testing.assert_allclose(found, powers / powers.sum(axis=1, keepdims=True), atol=1e-9)


def saved(folder, adapter, **changes):
    """Write the arrays with changes, None to leave one out: path and card."""
    adapter.save(folder / "whole.npz")
    with np.load(folder / "whole.npz") as content:
        arrays = dict(content.items()) | changes
    stream, path = io.BytesIO(), folder / "adaptation.npz"
    np.savez(stream, **{name: array for name, array in arrays.items() if array is not None})
    path.write_bytes(stream.getvalue())
    return path, CARD | {"adaptation": {"sha256": hashlib.sha256(stream.getvalue()).hexdigest()}}


def test_file_has_both_arrays(adapter, tmp_path):
    path, card = saved(tmp_path, adapter)
    read = adaptation.load(path, card, width=MEMBERS * WIDTH)
    clips = rows(20, seed=7, move=10)
    np.testing.assert_allclose(read.distance(clips), adapter.distance(clips), rtol=1e-4)


def test_older_bundle_without_the_arrays_gives_the_scores_of_before(adapter, tmp_path):
    path, card = saved(tmp_path, adapter, usual=None, whitener=None)
    old = adaptation.load(path, card, width=MEMBERS * WIDTH)
    assert old.usual is None and old.whitener is None
    clips = rows(20, seed=7, move=50)
    np.testing.assert_array_equal(old.distance(clips), np.ones(20))
    temperature = Temperature.from_card({"temperature": 0.7})
    expected = adapter.scores(clips, None, temperature=Temperature()) ** (1 / 0.7)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(old.scores(clips, None, temperature=temperature), expected, atol=1e-5)
    old.save(tmp_path / "again.npz")
    with np.load(tmp_path / "again.npz") as content:
        assert {"usual", "whitener"}.isdisjoint(content.files)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"usual": None}, "lacks usual, which it should hold with"),
        ({"whitener": None}, "lacks whitener, which it should hold with"),
        ({"usual": np.zeros(WIDTH + 1, np.float32)}, r"usual is float32 of shape \(6,\), expected .* of shape \(5,\)"),
        ({"whitener": np.zeros((WIDTH, WIDTH), int)}, r"whitener is int64 .* expected finite floating point"),
        ({"whitener": np.full((WIDTH, WIDTH), np.nan)}, "whitener is float64 .* expected finite"),
        ({"plain_weight": None}, "can't be read"),
    ],
)
def test_damaged_arrays_are_refused(adapter, tmp_path, changes, message):
    path, card = saved(tmp_path, adapter, **changes)
    with pytest.raises(BundleError, match=message):
        adaptation.load(path, card, width=MEMBERS * WIDTH)
