"""What a network listens to: the block of sound that decides is found, and nothing is changed beside it."""

import time

import numpy as np
import pandas as pd
import pytest

from emotone import audio
from emotone.corpora import Corpus
from emotone.experiment.analyses import occlusion
from emotone.report.figures.occlusion import mean_maps, relevance_picture

RATE = audio.SAMPLE_RATE
LOW_HZ, HIGH_HZ = 600.0, 3000.0


def tones(*, seconds=1.0, first_hz=LOW_HZ, second_hz=HIGH_HZ, low=0.3, high=0.1):
    t = np.arange(int(RATE * seconds)) / RATE
    return (low * np.sin(2 * np.pi * first_hz * t) + high * np.sin(2 * np.pi * second_hz * t)).astype(np.float32)


class Ear:
    """A model that is sure of "happy" by the power around 3 kHz in the first half, and listens to nothing else."""

    emotions = ("happy", "sad")

    def __init__(self, *, wait_s=0.0):
        self.wait_s, self.asked = wait_s, 0

    def run(self, samples):
        self.asked += 1
        time.sleep(self.wait_s)
        half = samples[: samples.size // 2]
        power = np.abs(np.fft.rfft(half * np.hanning(half.size))) ** 2
        hz = np.fft.rfftfreq(half.size, 1 / RATE)
        heard = power[np.abs(hz - HIGH_HZ) < 200].sum() / half.size**2
        happy = 1 / (1 + np.exp(-np.log10(heard / 1e-6)))
        return np.array([happy, 1 - happy], dtype=np.float32), np.zeros(2, dtype=np.float32)


def test_the_shares_of_an_axis_sum_to_one():
    position = np.linspace(-100, 3000, 1000)
    found = occlusion.shares(position, edges=np.array([0.0, 300, 700, 2500]), width=50.0)
    assert found.shape == (3, 1000)
    np.testing.assert_allclose(found.sum(axis=0), 1)
    assert found.min() >= 0
    np.testing.assert_allclose(found[1, (position > 330) & (position < 670)], 1)
    np.testing.assert_allclose(found[1, (position < 270) | (position > 730)], 0, atol=1e-12)


def test_a_block_is_taken_down_by_40_db_and_the_rest_is_left():
    samples = tones()
    edges = occlusion.band_edges(10)
    blocks = [list(row) for row in occlusion.without_blocks(samples, edges_hz=edges, n_slots=2)]
    band = int(np.searchsorted(edges, HIGH_HZ)) - 1
    assert edges[band] < HIGH_HZ < edges[band + 1]

    def level(x, hz, half):
        part = x[RATE // 20 : RATE // 2 - RATE // 20] if half == 0 else x[RATE // 2 + RATE // 20 : -RATE // 20]
        t = np.arange(part.size) / RATE
        return (
            2 * abs(np.mean(part * np.hanning(part.size) * np.exp(-2j * np.pi * hz * t))) / np.hanning(part.size).mean()
        )

    quieter = blocks[band][0]
    assert level(quieter, HIGH_HZ, 0) == pytest.approx(0.001, rel=0.05)
    assert level(quieter, HIGH_HZ, 1) == pytest.approx(0.1, rel=0.01)
    for half in (0, 1):
        assert level(quieter, LOW_HZ, half) == pytest.approx(0.3, rel=0.01)
    # all that is taken away, together, is the whole clip but for what is left of it
    taken = sum((samples - one for row in blocks for one in row), np.zeros_like(samples))
    np.testing.assert_allclose(taken, 0.99 * samples, atol=1e-4)


def test_occlusion_finds_the_band_and_the_time_that_decide():
    edges = occlusion.band_edges(10)
    found = occlusion.occluded(Ear(), tones(), label=0, edges_hz=edges, n_slots=2)
    band = int(np.searchsorted(edges, HIGH_HZ)) - 1
    assert np.unravel_index(found.argmax(), found.shape) == (band, 0)
    assert found[band, 0] > 1.0
    others = np.delete(found.ravel(), 2 * band)
    assert np.abs(others).max() < 0.1
    # what speaks for happy speaks against sad
    assert occlusion.occluded(Ear(), tones(), label=1, edges_hz=edges, n_slots=2)[band, 0] < -0.1


@pytest.fixture
def corpus(tmp_path):
    """Six clips of each emotion; half of the sad ones sound happy, so that the model gets them wrong."""
    rows = []
    for emotion in ("happy", "sad"):
        for clip in range(6):
            happy = emotion == "happy" or clip % 2
            path = tmp_path / f"{emotion}{clip}.wav"
            audio.write_wav(path, tones(first_hz=LOW_HZ + clip, high=0.2 if happy else 0.0001))
            rows.append({"path": str(path), "start_s": 0.0, "end_s": np.nan, "emotion": emotion, "speaker": f"s{clip}"})
    empty = dict.fromkeys(("gender", "intensity", "statement", "corpus", "language"), "") | {"channel": "speech"}
    return Corpus(pd.DataFrame([row | empty for row in rows]), "tones")


def test_maps_are_of_clips_that_the_model_gets_right(corpus):
    found = occlusion.measured(Ear(), corpus)
    assert found["maps"].shape == (7, 10, 4)  # 4 happy ones, 3 sad ones; a quarter of a second each
    assert found["emotion"].tolist() == ["happy"] * 4 + ["sad"] * 3
    assert {int(row) for row in found["row"][4:]} == {6, 8, 10}
    assert (found["confidence"] > 0.5).all() and found["seconds"] == pytest.approx(1.0)
    again = occlusion.measured(Ear(), corpus)
    assert all(np.array_equal(found[name], again[name]) for name in found)
    band = int(np.searchsorted(found["edges_hz"], HIGH_HZ)) - 1
    assert np.unravel_index(mean_maps(found)["happy"].argmax(), (10, 4))[0] == band


def test_the_effort_follows_what_an_answer_takes(corpus):
    slow = Ear(wait_s=0.002)
    found = occlusion.measured(slow, corpus, budget_s=0.4)
    assert 0 < slow.asked * slow.wait_s < 2.0
    assert found["maps"].shape[0] < 7
    none = Ear(wait_s=0.002)
    assert occlusion.measured(none, corpus, budget_s=0.0)["maps"].shape == (0, 6, 4)
    assert none.asked < 40


def test_maps_survive_the_disk(corpus, tmp_path):
    written = occlusion.write(tmp_path, Ear(), corpus)
    with np.load(tmp_path / occlusion.ARRAYS) as found:
        assert set(found.files) == set(written)
        assert all(np.array_equal(found[name], written[name]) for name in written)


def test_the_picture_has_the_mean_map_of_each_emotion_and_a_line_a_clip():
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(5, 3, 4)).astype(np.float32)
    found = {"maps": maps, "emotion": np.array(["sad", "sad", "sad", "happy", "happy"])}
    found["edges_hz"] = occlusion.band_edges(3)
    figure = relevance_picture(found, title="a title")
    images = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    np.testing.assert_allclose(images[0], maps[:3].mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(images[1], maps[3:].mean(axis=0), rtol=1e-6)
    beside = [axes for axes in figure.axes if len(axes.lines) > 1]
    assert [len(axes.lines) for axes in beside] == [1 + 3 + 1, 1 + 2 + 1]
    np.testing.assert_allclose(beside[0].lines[-1].get_xdata(), maps[:3].mean(axis=(0, 2)), rtol=1e-5)
    limits = {tuple(axes.images[0].get_clim()) for axes in figure.axes if axes.images}
    assert len(limits) == 1  # one scale
