"""Adaptation of a recording to itself and to the voices in it, with the built-in model."""

from pathlib import Path

import numpy as np
import pytest

from emotone import audio
from emotone.errors import ConfigError
from emotone.recognition.adaptation import FEWEST_CLIPS
from emotone.recognition.profile import SourceProfile, SpeakerProfile
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.recording_adaptation import RecordingAdapter, check_single, spoken

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="module")
def model():
    return Recognizer()._model


@pytest.fixture(scope="module")
def pieces(model):
    """Eight clips, a window each; the first four are one voice, the others another one."""
    outputs = []
    for name in ("woman_plain.wav", "woman_subdued.wav", "woman_lively.wav", "woman_plain.wav"):
        outputs.append([model.outputs(audio.trim_silence(audio.read(SAMPLES / name)))])
    for name in ("man_plain.wav", "man_subdued.flac", "man_lively.wav", "man_tense.mp3"):
        outputs.append([model.outputs(audio.trim_silence(audio.read(SAMPLES / name)))])
    assert all(len(spoken(piece)) == 1 for piece in outputs)
    return outputs


SPEAKERS = ["Anna"] * 4 + ["Ben"] * 4


def adapted(model, pieces, speakers, *, profile=None, known=None, every=1):
    return RecordingAdapter(model, profile, known=known or {}, every=every)(pieces, speakers)


def scores(pieces):
    return np.array([piece[0].scores for piece in pieces])


def test_each_voice_is_adapted_to_within_the_recording(model, pieces):
    made = adapted(model, pieces, SPEAKERS)
    assert made.counts == [{"source": 8, "speaker": 4}] * 8
    source = model.extended(model.new_profile(SourceProfile), np.array([piece[0].embedding for piece in pieces]))
    anna = SpeakerProfile(mean=(0.0,) * len(source.mean), n_clips=0, model=source.model, source=source)
    anna = model.extended(anna, np.array([piece[0].embedding for piece in pieces[:4]]))
    expected = scores([model.rescored(piece, anna) for piece in pieces[:4]])
    np.testing.assert_allclose(scores(made.outputs[:4]), expected, atol=1e-6)
    assert np.abs(scores(made.outputs) - scores(pieces)).max() > 0.01


def test_without_speakers_the_recording_is_the_source(model, pieces):
    made = adapted(model, pieces, [None] * 8)
    assert made.counts == [{"source": 8, "speaker": 0}] * 8
    with_unknown = adapted(model, pieces, ["Anna"] * 4 + [None] * 4)
    assert with_unknown.counts == [{"source": 8, "speaker": 4}] * 4 + [{"source": 8, "speaker": 0}] * 4


def test_too_little_speech_changes_nothing(model, pieces):
    few = pieces[: FEWEST_CLIPS - 1]
    made = adapted(model, few, SPEAKERS[: len(few)])
    assert made.counts == [{"source": 0, "speaker": 0}] * len(few)
    np.testing.assert_array_equal(scores(made.outputs), scores(few))


def test_a_known_voice_is_adapted_to_even_in_a_short_recording(model, pieces):
    rows = np.array([piece[0].embedding for piece in pieces[:3]])
    anna = model.extended(model.new_profile(SpeakerProfile), rows)
    made = adapted(model, [pieces[3], pieces[4]], ["Anna", "Ben"], known={"Anna": anna})
    assert made.counts == [{"source": 0, "speaker": 3}, {"source": 0, "speaker": 0}]
    long = adapted(model, pieces, SPEAKERS, known={"Anna": anna})
    assert long.counts[0] == {"source": 8, "speaker": 7} and long.counts[7] == {"source": 8, "speaker": 4}


def test_a_known_source_is_kept(model, pieces):
    source = model.extended(model.new_profile(SourceProfile), np.array([pieces[0][0].embedding] * 5))
    made = adapted(model, pieces, SPEAKERS, profile=source)
    assert made.counts == [{"source": 5, "speaker": 4}] * 8


def test_every_other_window_counts(model, pieces):
    doubled = [piece * 2 for piece in pieces]
    made = adapted(model, doubled, SPEAKERS, every=2)
    assert made.counts == [{"source": 8, "speaker": 4}] * 8 and all(len(piece) == 2 for piece in made.outputs)


def test_a_profile_of_one_speaker_is_for_one_speaker(model, pieces):
    profile = model.extended(model.new_profile(SpeakerProfile), np.array([pieces[0][0].embedding]))
    for kind in ("auto", "channels", "turns"):
        with pytest.raises(ConfigError, match='set speakers="one"'):
            check_single(profile, kind=kind)
    for kind in (None, "one"):
        check_single(profile, kind=kind)
    check_single(model.new_profile(SourceProfile), kind="auto")


def test_speech_is_learnt_from_only_within_a_source(model, pieces):
    assert adapted(model, pieces, SPEAKERS).learnt == {"Anna", "Ben"}
    anna = model.extended(model.new_profile(SpeakerProfile), np.array([piece[0].embedding for piece in pieces[:4]]))
    few = adapted(model, pieces[:4], SPEAKERS[:4], known={"Anna": anna})  # too few for a source
    assert few.learnt == frozenset() and few.counts == [{"source": 0, "speaker": 4}] * 4
