"""What should not change an answer does not: gain, silence, rate, container, chunking, and the order of files."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import emotone
from support import same_answer

SAMPLES = Path(__file__).parents[2] / "samples"
CLIPS = ("man_plain.wav", "woman_lively.wav", "woman_subdued.wav")
FEW = settings(max_examples=6, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recognizer():
    return emotone.Recognizer()


@pytest.fixture(scope="module")
def known(recognizer):
    """Name -> samples (n,), and the answer to them."""
    read = {name: emotone.load_audio(SAMPLES / name) for name in CLIPS}
    return {name: (samples, recognizer.predict((samples, 16_000))) for name, samples in read.items()}


def check(recognizer, known, name, changed, kind):
    answer, changed_answer = known[name][1], recognizer.predict(changed)
    assert same_answer.difference(answer, changed_answer) <= same_answer.TOLERANCE[kind]


@FEW
@given(st.sampled_from(CLIPS), st.floats(-20, 12))
@example("woman_lively.wav", -20.0)
def test_gain_changes_little(recognizer, known, name, decibels):
    check(recognizer, known, name, same_answer.gain(known[name][0], decibels), "gain")


@FEW
@given(st.sampled_from(CLIPS), st.floats(0.05, 0.5))
def test_silence_around_changes_little_and_more_of_it_nothing(recognizer, known, name, seconds):
    samples = known[name][0]
    check(recognizer, known, name, same_answer.silence(samples, seconds), "silence")
    whole = round(seconds, 2)  # trimming goes by steps of 10 ms, and the place within one counts; it leaves 0.1 s
    little, more = (recognizer.predict(same_answer.silence(samples, length)) for length in (0.15, max(0.11, whole)))
    assert same_answer.difference(little, more) <= same_answer.TOLERANCE["more silence"]


@FEW
@given(st.sampled_from(CLIPS), st.sampled_from((22_050, 24_000, 32_000, 44_100, 48_000, 96_000)))
def test_the_rate_changes_little(recognizer, known, name, rate):
    check(recognizer, known, name, same_answer.resampled(known[name][0], rate), "resampled")


@FEW
@given(st.sampled_from(CLIPS), st.sampled_from(("WAV", "FLAC", "AIFF", "matroska")))
def test_the_container_changes_little(recognizer, known, name, kind):
    check(recognizer, known, name, same_answer.contained(known[name][0], kind), "contained")


@FEW
@given(st.lists(st.integers(1, 9_000), min_size=1, max_size=6))
@example([1, 7])
def test_chunks_of_any_size_give_the_same_events(recognizer, known, sizes):
    samples = known["man_plain.wav"][0]
    whole = recognizer.stream(rate=16_000)
    expected = [*whole.push(samples), *whole.finish()]
    stream, events, start, turn = recognizer.stream(rate=16_000), [], 0, 0
    while start < len(samples):
        size = sizes[turn % len(sizes)] if turn < 30 else 4_000
        events += stream.push(samples[start : start + size])
        start, turn = start + size, turn + 1
    events += stream.finish()
    assert [event.to_dict() for event in events] == [event.to_dict() for event in expected] and expected


@FEW
@given(st.permutations(CLIPS))
def test_the_order_of_files_changes_nothing(recognizer, known, order):
    for name in order:
        again = recognizer.predict((known[name][0], 16_000))
        assert again.scores == known[name][1].scores


def test_a_change_that_matters_is_noticed(recognizer, known):
    first, second = known["man_plain.wav"], known["woman_lively.wav"]
    assert same_answer.difference(first[1], second[1]) > max(same_answer.TOLERANCE.values())
    assert np.any(same_answer.gain(first[0], -20)[0] != first[0])
