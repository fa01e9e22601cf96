"""Streams on a thread: the answers of `Recognizer.stream`, whatever happens to the frames."""

import asyncio
import threading

import pytest

from emotone.errors import AudioError, ConfigError
from emotone.integrations.background import BackgroundStreams, Voice
from emotone.recognition.recognizer import Recognizer
from support import live_frames
from support.live_frames import Sound, direct, spoken, utterances

pytestmark = pytest.mark.slow

FORMATS = [(16_000, 1), (24_000, 1), (8_000, 1), (48_000, 2)]
ANNA, BEN = Voice("anna"), Voice("ben")


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer()


def push(streams: BackgroundStreams, voice: Voice, sound: Sound) -> None:
    for frame in sound.frames():
        streams.push(voice, frame, rate=sound.rate, channels=sound.channels)


def answered(streams: BackgroundStreams) -> list:
    """All answers after the end of the sound."""

    async def all_of_them() -> list:
        streams.close()
        return [answer async for answer in streams.answers()]

    try:
        return asyncio.run(all_of_them())
    finally:
        streams.shutdown()


def events_of(answers: list, voice: Voice) -> list:
    assert not [answer.error for answer in answers if answer.error is not None]
    return [answer.event for answer in answers if answer.voice == voice]


@pytest.mark.parametrize(("rate", "channels"), FORMATS)
def test_events_are_those_of_a_stream(recognizer, rate, channels) -> None:
    sound = spoken(rate=rate, channels=channels)
    streams = BackgroundStreams(recognizer, backlog_s=60)
    push(streams, ANNA, sound)
    answers = answered(streams)
    expected = direct(recognizer, sound)
    assert events_of(answers, ANNA) == expected
    assert len(utterances(expected)) == 2 and all(answer.delay_s >= 0 for answer in answers)
    assert utterances(expected)[1].adapted == {"source": 0, "speaker": 1}


@pytest.mark.slow
def test_every_voice_has_a_stream_and_a_profile(recognizer) -> None:
    woman, man = spoken(("woman_plain.wav", "woman_lively.wav")), spoken(("man_plain.wav", "man_lively.wav"))
    known = recognizer.adapt([live_frames.SAMPLES / "man_tense.mp3", live_frames.SAMPLES / "man_subdued.flac"])
    streams = BackgroundStreams(recognizer, profile={"ben": known}, backlog_s=60)
    for one, other in zip(woman.frames(), man.frames(), strict=False):
        streams.push(ANNA, one, rate=16_000, channels=1)
        streams.push(BEN, other, rate=16_000, channels=1)
    shorter_s = min(woman.seconds, man.seconds) // 0.02 * 0.02
    answers = answered(streams)
    assert events_of(answers, ANNA) == direct(recognizer, woman.part(0, shorter_s))
    assert events_of(answers, BEN) == direct(recognizer, man.part(0, shorter_s), profile=known)
    assert {voice: profile.n_clips for voice, profile in streams.profiles.items()} == {ANNA: 2, BEN: 4}


def test_without_adaptation_there_is_no_profile(recognizer) -> None:
    streams = BackgroundStreams(recognizer, adapt=False, backlog_s=60)
    push(streams, ANNA, spoken())
    assert events_of(answered(streams), ANNA) == direct(recognizer, spoken(), adapt=False)
    assert streams.profiles == {}


def test_the_model_runs_on_another_thread() -> None:
    class Watched(Recognizer):
        threads: set = set()

        def predict(self, *given, **settings):
            self.threads.add(threading.current_thread().name)
            return super().predict(*given, **settings)

    streams = BackgroundStreams(Watched(), backlog_s=60)
    push(streams, ANNA, spoken())
    assert len(answered(streams)) > 4
    assert Watched.threads == {"emotone-background_0"}


def test_a_new_format_ends_the_utterance_and_the_time_goes_on(recognizer) -> None:
    first, second = spoken(("woman_plain.wav",)), spoken(("man_lively.wav",), rate=48_000, channels=2)
    cut = first.part(0, 2.5)  # within the utterance
    streams = BackgroundStreams(recognizer, backlog_s=60)
    push(streams, ANNA, cut)
    push(streams, ANNA, second)
    before, after = utterances(events_of(answered(streams), ANNA))
    assert before == utterances(direct(recognizer, cut))[0]
    assert after.adapted["speaker"] == 1  # what was said before is still known
    (alone,) = utterances(direct(recognizer, second))
    assert (after.start_s, after.end_s) == pytest.approx((2.5 + alone.start_s, 2.5 + alone.end_s))


def test_sound_that_comes_too_fast_is_dropped_and_the_time_goes_on(recognizer) -> None:
    sound = spoken(("woman_plain.wav",))
    streams = BackgroundStreams(recognizer, adapt=False, backlog_s=3.0)
    push(streams, ANNA, Sound(bytes(2 * 16 * 2990)))
    assert streams.dropped_s == 0
    n_waiting = len(streams._work)
    dropped_s = streams.push(ANNA, sound.frames()[0], rate=16_000, channels=1)
    assert dropped_s == streams.dropped_s == pytest.approx(2.99)
    assert n_waiting == 150 and len(streams._work) == 2  # the gap and the new frame
    push(streams, BEN, spoken(("man_lively.wav",)).part(0, 2.9))  # another voice has a backlog for itself
    for frame in sound.part(0, 2.9).frames()[1:]:
        streams.push(ANNA, frame, rate=16_000, channels=1)
    answers = answered(streams)
    (alone,) = utterances(direct(recognizer, sound.part(0, 2.9), adapt=False))
    (late,) = utterances(events_of(answers, ANNA))
    assert late.scores == alone.scores
    assert (late.start_s, late.end_s) == pytest.approx((2.99 + alone.start_s, 2.99 + alone.end_s))
    assert utterances(events_of(answers, BEN)) and streams.dropped_s == pytest.approx(2.99)


def test_no_answer_covers_both_sides_of_a_gap(recognizer) -> None:
    """The utterance that was going on ends before what was dropped."""
    sound = spoken(("woman_plain.wav",))

    async def with_a_gap() -> list:
        answers, streams = [], BackgroundStreams(recognizer, adapt=False, backlog_s=3.0)

        async def collect() -> None:
            async for answer in streams.answers():
                answers.append(answer)

        collecting = asyncio.create_task(collect())
        push(streams, ANNA, sound.part(0, 2.5))
        while streams._waiting_s[ANNA] > 1e-6:
            await asyncio.sleep(0.01)
        push(streams, ANNA, Sound(bytes(2 * 16_000 * 3)))
        push(streams, ANNA, sound.part(2.5, sound.seconds))
        streams.close()
        await collecting
        streams.shutdown()
        return answers

    before, after = utterances(events_of(asyncio.run(with_a_gap()), ANNA))
    assert before == utterances(direct(recognizer, sound.part(0, 2.5), adapt=False))[0]
    assert before.end_s <= 2.5 and after.start_s >= 2.5 + 3.0 - 0.02


def test_an_utterance_ends_when_no_more_frames_come(recognizer) -> None:
    sound = spoken(("woman_plain.wav",)).part(0, 2.5)

    async def muted() -> list:
        streams = BackgroundStreams(recognizer, adapt=False, backlog_s=60, idle_s=0.2)
        push(streams, ANNA, sound)
        answers = []
        async for answer in streams.answers():  # the microphone is muted, the stream is not closed
            answers.append(answer)
            if answer.event.kind == "speech_end":
                push(streams, ANNA, sound)
                streams.close()
        streams.shutdown()
        return answers

    first, second = utterances(events_of(asyncio.run(asyncio.wait_for(muted(), 30)), ANNA))
    assert first == utterances(direct(recognizer, sound, adapt=False))[0]
    assert second.scores == first.scores and second.start_s == pytest.approx(2.5 + first.start_s)


@pytest.mark.parametrize(
    ("chunk", "rate", "channels", "message"),
    [
        (b"odd", 16_000, 1, "has 3 bytes; expected 16-bit samples of 1 channels, a multiple of 2"),
        (b"12", 16_000, 2, "a multiple of 4"),
        (b"12", 0, 1, "the rate 0 and 1 channels; expected whole numbers"),
        (b"12", None, 1, "the rate None"),
        (b"12", 16_000, 0, "and 0 channels"),
        (b"12", 500, 1, "the rate is 500; expected samples a second"),
    ],
)
def test_a_bad_frame_is_an_answer_and_the_others_are_used(recognizer, chunk, rate, channels, message) -> None:
    sound = spoken(("woman_plain.wav",))
    streams = BackgroundStreams(recognizer, adapt=False, backlog_s=60)
    streams.push(ANNA, chunk, rate=rate, channels=channels)
    streams.push(ANNA, b"", rate=16_000, channels=1)  # nothing
    push(streams, ANNA, sound)
    first, *others = answered(streams)
    assert isinstance(first.error, AudioError) and message in str(first.error) and first.event is None
    assert events_of(others, ANNA) == direct(recognizer, sound, adapt=False)


def test_after_shutdown_nothing_is_taken_and_the_thread_ends(recognizer) -> None:
    async def stopped() -> list:
        streams = BackgroundStreams(recognizer, backlog_s=60)
        push(streams, ANNA, spoken())
        answers = []
        async for answer in streams.answers():
            answers.append(answer)
            streams.shutdown()
            push(streams, ANNA, spoken())
        streams._thread.shutdown(wait=True)
        return answers

    assert len(asyncio.run(stopped())) == 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("emotone-background")]


def test_arguments_are_checked_at_once(recognizer, tmp_path) -> None:
    foreign = recognizer.new_profile().to_dict() | {"model": "0" * 64}
    foreign = type(recognizer.new_profile())(mean=foreign["mean"], n_clips=0, model=foreign["model"])
    for arguments, message in (
        ({"backlog_s": 0}, "backlog_s is 0; expected 0.1 to 3600 seconds"),
        ({"idle_s": "1"}, "idle_s is '1'; expected 0.1"),
        ({"adapt": 1}, "adapt is 1"),
        ({"profile": foreign}, "belongs to the model 000000000000"),
        ({"profile": {"anna": foreign}}, "belongs to the model 000000000000"),
    ):
        with pytest.raises(ConfigError, match=message):
            BackgroundStreams(recognizer, **arguments)
