"""Adaptation of a recognizer to a speaker, with a model whose scores can be computed by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import emotone
from emotone.errors import AudioError, BundleError, ConfigError
from emotone.recognition.profile import MAX_CLIPS, SpeakerProfile
from emotone.recognition.recognizer import Recognizer
from support import handmade

RATE = 16_000


LOUD = (0.15, 0.2, 0.25)  # levels of clips of a speaker who is always loud


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle for which a speaker's clips are as loud as usual, see `handmade.expected`."""
    content = handmade.graph(optional=handmade.ADAPTS)
    return handmade.write(tmp_path_factory.mktemp("bundle") / "relative", content=content, adapts=True)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return handmade.write(tmp_path_factory.mktemp("plain") / "loudness")


@pytest.fixture(scope="module")
def recognizer(bundle):
    return Recognizer(bundle)


def clip(level, **given):
    return handmade.tone(level, **given), RATE


def shares(prediction):
    return list(prediction.scores.values())


def test_clip_is_judged_against_the_speakers_mean(recognizer):
    loud = recognizer.adapt([clip(level) for level in LOUD])
    assert loud.mean == pytest.approx([0.2], abs=1e-6) and loud.n_clips == 3 and loud.skipped == ()
    samples = handmade.tone(0.15)
    assert recognizer.predict((samples, RATE)).emotion == "angry"
    prediction = recognizer.predict((samples, RATE), profile=loud)
    np.testing.assert_allclose(shares(prediction), handmade.expected(samples, mean=0.2, heard=3), atol=1e-5)
    assert prediction.ranking[0] == "sad"
    (first,) = recognizer.predict_many([(samples, RATE)], profile=loud)
    assert first == prediction


def test_order_of_the_clips_makes_no_difference(recognizer):
    clips = [clip(level) for level in (0.03, 0.3, 0.11, 0.07, 0.19)]
    one, other = recognizer.adapt(clips), recognizer.adapt(reversed(clips))
    assert one.mean == pytest.approx(other.mean, abs=1e-15) and one.n_clips == other.n_clips == 5


def test_adapting_goes_on_from_a_profile(recognizer):
    clips = [clip(level) for level in LOUD]
    begun = recognizer.adapt(clips[:1])
    assert recognizer.adapt(clips[1:], profile=begun).mean == pytest.approx(recognizer.adapt(clips).mean, abs=1e-15)
    assert begun.n_clips == 1


def test_of_a_speaker_not_heard_yet_the_answer_is_the_plain_one(recognizer):
    source = clip(0.07)
    assert recognizer.predict(source, profile=recognizer.new_profile()) == recognizer.predict(source)


def test_live_a_profile_grows_by_the_embeddings_of_what_was_heard(recognizer):
    profile = recognizer.new_profile()
    for level in LOUD:
        samples = handmade.tone(level)
        scores, embedding = recognizer.run(samples, profile=profile)
        np.testing.assert_allclose(embedding, recognizer.run(samples)[1])  # it knows of no speaker
        expected = handmade.expected(samples, mean=profile.mean[0], heard=profile.n_clips)
        np.testing.assert_allclose(scores, expected, atol=1e-5)
        profile = profile.updated(embedding)
    assert profile == recognizer.adapt([clip(level) for level in LOUD])


def test_a_prediction_gives_what_a_source_learns_from_it(tmp_path):
    content = handmade.graph(optional=handmade.ADAPTS, speech=True)  # speech from a level of 0.05 on
    recognizer = Recognizer(handmade.write(tmp_path / "checking", content=content))
    silence = np.zeros(2 * RATE, "f")
    recording = np.concatenate([handmade.tone(0.2, seconds=2), silence, handmade.tone(0.15, seconds=2), silence])
    recording = np.concatenate([recording, handmade.tone(0.04, seconds=2)]), RATE
    source = recognizer.adapt_source([clip(0.1)])
    prediction, embeddings = recognizer.predict_with_embeddings(recording, profile=source)
    assert prediction == recognizer.predict(recording, profile=source)
    assert prediction.adapted == {"source": 1, "speaker": 0}
    assert embeddings == pytest.approx(np.array([[0.2], [0.15]]), abs=0.01)
    assert recognizer.extended(source, embeddings) == recognizer.adapt_source([recording], profile=source)
    for nothing in (clip(0.04), (silence, RATE)):
        prediction, embeddings = recognizer.predict_with_embeddings(nothing)
        assert not prediction.is_speech and recognizer.extended(source, embeddings) == source
        assert embeddings.shape == (0, 1) and embeddings.dtype == np.float32


def test_of_a_long_recording_every_window_is_judged_and_counts_as_a_clip(recognizer):
    # 40 s loud, 20 s of nothing, 10 s louder: windows of 3 s in each sound
    silence = np.zeros(20 * RATE, "f")
    recording = np.concatenate([np.tile(handmade.tone(0.2), 40), silence, np.tile(handmade.tone(0.25), 10)])
    profile = recognizer.adapt([(recording, RATE)])
    assert profile.n_clips == 31 and profile.mean == pytest.approx([(25 * 0.2 + 6 * 0.25) / 31], abs=1e-3)
    prediction = recognizer.predict((recording, RATE), profile=profile)
    soft, loud = (handmade.expected(handmade.tone(level), mean=profile.mean[0], heard=31) for level in (0.2, 0.25))
    np.testing.assert_allclose(shares(prediction), (25 * soft + 6 * loud) / 31, atol=2e-3)
    with pytest.raises(AudioError, match="the recording is silent"):
        recognizer.adapt([(np.zeros(70 * RATE, "f"), RATE)])


def test_clip_that_cannot_be_read_is_told_and_costs_the_others_nothing(recognizer, tmp_path):
    told = []
    clips = [clip(0.2), tmp_path / "missing.wav", clip(0.1)]
    profile = recognizer.adapt(clips, progress=lambda *step: told.append(step))
    assert profile == recognizer.adapt([clips[0], clips[2]])
    assert len(profile.skipped) == 1 and "missing.wav" in profile.skipped[0]
    assert told == [(number, 3, "adapting to the speaker") for number in (1, 2, 3)]


def test_without_a_clip_that_can_be_read_there_is_no_profile(recognizer, tmp_path):
    with pytest.raises(AudioError, match=r"any of 2 clips.*the first: .*missing\.wav"):
        recognizer.adapt([tmp_path / "missing.wav", (np.zeros(RATE, "f"), RATE)])
    with pytest.raises(AudioError, match="any of 0 clips.*give a few recordings"):
        recognizer.adapt([])
    with pytest.raises(ConfigError, match="clips has the type str.*give a list"):
        recognizer.adapt("clip.wav")


def test_profile_of_another_model_is_refused(recognizer, bundle):
    other = SpeakerProfile(mean=(0.1,), n_clips=2, model="f" * 64)
    wide = SpeakerProfile(mean=(0.1, 0.1), n_clips=2, model=recognizer.card["sha256"])
    for profile, said in ((other, "the model ffffffffffff"), (wide, "has 2 values.*needs 1")):
        for call in (
            lambda profile=profile: recognizer.predict(clip(0.1), profile=profile),
            lambda profile=profile: list(recognizer.predict_many([clip(0.1)], profile=profile)),
            lambda profile=profile: recognizer.run(handmade.tone(0.1), profile=profile),
            lambda profile=profile: recognizer.adapt([clip(0.1)], profile=profile),
        ):
            with pytest.raises(ConfigError, match=said):
                call()


@pytest.mark.parametrize("profile", ["anna.json", Path("anna.json"), {"mean": [0.1]}, 5])
def test_profile_of_another_type_is_an_error(recognizer, profile):
    calls = (
        lambda: recognizer.predict(clip(0.1), profile=profile),
        lambda: list(recognizer.predict_many([clip(0.1)], profile=profile)),
        lambda: recognizer.timeline(clip(0.1), profile=profile),
        lambda: recognizer.stream(rate=RATE, profile=profile),
        lambda: recognizer.run(handmade.tone(0.1), profile=profile),
        lambda: recognizer.adapt([clip(0.1)], profile=profile),
    )
    for call in calls:
        with pytest.raises(
            ConfigError, match=r"profile is .*, expected a SpeakerProfile( or a SourceProfile)?; .*SpeakerProfile\.load"
        ):
            call()


def test_model_that_cannot_adapt_says_which_one_can(recognizer, plain):
    stubborn = Recognizer(plain)
    assert (stubborn.adapts, recognizer.adapts) == (False, True)
    for call in (
        stubborn.new_profile,
        lambda: stubborn.adapt([clip(0.1)]),
        lambda: stubborn.predict(clip(0.1), profile=recognizer.new_profile()),
    ):
        with pytest.raises(ConfigError, match=r"\(by hand\) can't adapt.*--model adaptive"):
            call()


def test_embedding_that_is_no_number_is_in_no_profile(tmp_path):
    content = handmade.graph(optional=handmade.ADAPTS, nan_above=0.3)
    model = Recognizer(handmade.write(tmp_path / "nan", content=content))
    profile = model.adapt([clip(0.05), clip(0.9), clip(0.06)])
    assert profile.n_clips == 2 and np.isfinite(profile.mean).all()
    (reason,) = profile.skipped
    assert "a value that is not finite for scores" in reason
    with pytest.raises(AudioError, match=r"any of 1 clips.*not finite"):
        model.adapt([clip(0.9)])


def test_result_that_a_profile_makes_infinite_is_an_error(recognizer):
    far = SpeakerProfile(mean=(3e38,), n_clips=2, model=recognizer.card["sha256"])
    with pytest.raises(BundleError, match="not finite"):
        recognizer.predict(clip(0.1), profile=far)


def test_profile_is_one_of_the_packages_names():
    assert emotone.SpeakerProfile is SpeakerProfile


@pytest.mark.parametrize("adapt", ["none", "speaker", 1, None])
def test_words_are_no_switches(recognizer, adapt):
    for call in (
        lambda: recognizer.stream(rate=RATE, adapt=adapt),
        lambda: recognizer.timeline(clip(0.1), adapt=adapt),
    ):
        with pytest.raises(ConfigError, match=f"adapt is {adapt!r}; expected True or False"):
            call()


def test_speaker_is_no_source(recognizer):
    voice = recognizer.adapt([clip(0.2)])
    with pytest.raises(ConfigError, match="expected a SourceProfile"):
        recognizer.adapt([clip(0.2)], source=voice)
    with pytest.raises(ConfigError, match="expected a SourceProfile"):
        recognizer.adapt_source([clip(0.2)], profile=voice)


def test_without_the_file_beside_the_graph_a_source_counts_alone(recognizer):
    """An older bundle knows of one mean: that of the speaker, if there is one."""
    source = recognizer.adapt_source([clip(0.2)] * 3)
    voice = recognizer.adapt([clip(0.1)] * 2, source=source)
    assert recognizer.predict(clip(0.1), profile=source).adapted == {"source": 3, "speaker": 0}
    assert recognizer.predict(clip(0.1), profile=voice).adapted == {"source": 0, "speaker": 2}
    with pytest.raises(ConfigError, match="source is 'studio', expected a SourceProfile"):
        replace(voice, source="studio")


def test_profile_that_is_full_stays(recognizer):
    full = replace(recognizer.new_source(), n_clips=MAX_CLIPS)
    assert recognizer.adapt_source([clip(0.2)], profile=full).n_clips == MAX_CLIPS
