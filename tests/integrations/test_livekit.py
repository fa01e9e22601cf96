"""Emotions of LiveKit's audio streams, with the real frames of the package ``livekit`` and no server."""

import asyncio
import logging
from types import SimpleNamespace

import pytest
from livekit import rtc

from emotone.errors import ConfigError
from emotone.integrations.livekit import EmotionStream
from emotone.recognition.recognizer import Recognizer
from support import live_frames
from support.live_frames import Sound, direct, example, spoken, utterances

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer()


class Recorded:
    """What an `rtc.AudioStream` gives: events with frames, as fast as they are taken or at a speed."""

    def __init__(
        self, *sounds: Sound, error: Exception | None = None, goes_on: bool = False, speed: float | None = None
    ) -> None:
        self.sounds, self.error, self.goes_on, self.speed = sounds, error, goes_on, speed

    async def __aiter__(self):
        for sound in self.sounds:
            for chunk in sound.frames():
                n_samples = len(chunk) // (2 * sound.channels)
                yield rtc.AudioFrameEvent(rtc.AudioFrame(chunk, sound.rate, sound.channels, n_samples))
                if self.speed is not None:
                    await asyncio.sleep(0.02 / self.speed)
        if self.error is not None:
            raise self.error
        if self.goes_on:
            await asyncio.Event().wait()


def collected(stream: EmotionStream) -> list:
    async def collect() -> list:
        return [event async for event in stream]

    return asyncio.run(asyncio.wait_for(collect(), 60))


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (24_000, 1), (8_000, 1), (48_000, 2)])
def test_answers_are_those_of_a_stream(recognizer, rate, channels) -> None:
    sound = spoken(rate=rate, channels=channels)
    events = collected(EmotionStream(Recorded(sound), recognizer, backlog_s=60))
    assert [event.kind for event in events] == ["speech_end"] * 2
    assert [event.prediction for event in events] == utterances(direct(recognizer, sound))


def test_interim_answers_are_given_in_order(recognizer) -> None:
    sound = spoken(("woman_plain.wav",))
    events = collected(EmotionStream(Recorded(sound), recognizer, interim=True, backlog_s=60))
    assert events == [event for event in direct(recognizer, sound) if event.prediction is not None]
    assert [event.kind for event in events][-2:] == ["emotion", "speech_end"]


def test_the_profile_is_taken_and_given_back(recognizer) -> None:
    known = recognizer.adapt([live_frames.SAMPLES / "man_tense.mp3", live_frames.SAMPLES / "man_subdued.flac"])
    stream = EmotionStream(Recorded(spoken()), recognizer, profile=known, backlog_s=60)
    assert stream.profile == known
    events = collected(stream)
    assert [event.prediction for event in events] == utterances(direct(recognizer, spoken(), profile=known))
    assert stream.profile.n_clips == known.n_clips + 2
    assert EmotionStream(Recorded(), recognizer, adapt=False).profile is None


def test_memory_of_a_frame_beyond_its_samples_is_not_sound(recognizer) -> None:
    sound = spoken(("woman_plain.wav",))

    async def padded():
        async for event in Recorded(sound):
            frame = event.frame
            data = bytes(frame.data.cast("B")) + b"\x00\x7f" * 100
            yield rtc.AudioFrameEvent(rtc.AudioFrame(data, 16_000, 1, frame.samples_per_channel))

    events = collected(EmotionStream(padded(), recognizer, backlog_s=60))
    assert [event.prediction for event in events] == utterances(direct(recognizer, sound))


def test_a_bad_frame_is_logged_once_and_the_others_are_used(recognizer, caplog) -> None:
    bad = Sound(bytes(400), rate=500)
    good = spoken(("woman_plain.wav",))
    with caplog.at_level(logging.WARNING, "emotone"):
        events = collected(EmotionStream(Recorded(bad, good, bad), recognizer, adapt=False, backlog_s=60))
    assert [event.prediction for event in events] == utterances(direct(recognizer, good, adapt=False))
    assert [record.message[:32] for record in caplog.records] == ["no emotion: the rate is 500; exp"] * 2


def test_an_error_of_the_audio_stream_comes_after_the_answers(recognizer) -> None:
    sound = spoken(("woman_plain.wav",)).part(0, 2.5)

    async def collect() -> None:
        stream = EmotionStream(Recorded(sound, error=ConnectionError("the room is closed")), recognizer, backlog_s=60)
        assert (await anext(stream)).prediction == utterances(direct(recognizer, sound))[0]
        for _ in range(2):
            with pytest.raises(ConnectionError, match="the room is closed"):
                await anext(stream)

    asyncio.run(asyncio.wait_for(collect(), 60))


def test_answers_wait_for_a_slow_reader(recognizer) -> None:
    """Sound is taken while the program does something else with an answer."""

    async def collect() -> list:
        stream = EmotionStream(Recorded(spoken(), goes_on=True), recognizer, backlog_s=60, idle_s=0.2)
        first = await anext(stream)
        while stream._events.empty():
            await asyncio.sleep(0.05)
        second = await anext(stream)
        await stream.aclose()
        await stream.aclose()
        return [first, second, await anext(stream, None)]

    first, second, end = asyncio.run(asyncio.wait_for(collect(), 60))
    assert [first.prediction, second.prediction] == utterances(direct(recognizer, spoken())) and end is None


def test_closing_ends_a_waiting_iteration(recognizer) -> None:
    async def collect() -> list:
        before = asyncio.all_tasks()
        stream = EmotionStream(Recorded(goes_on=True), recognizer)
        iteration = asyncio.create_task(anext(stream, "the end"))
        await asyncio.sleep(0.05)
        await stream.aclose()
        return [await iteration, asyncio.all_tasks() - before]

    assert asyncio.run(asyncio.wait_for(collect(), 10)) == ["the end", set()]


def test_the_example_of_the_documents_runs(monkeypatch, capsys, recognizer) -> None:
    """With recorded frames in place of a participant's track."""
    sources = []

    def from_participant(*, participant, track_source) -> Recorded:
        sources.append(track_source)
        return Recorded(spoken(), speed=4)

    monkeypatch.setattr(rtc.AudioStream, "from_participant", from_participant)
    (block,) = example("LiveKit")
    names: dict = {}
    exec(compile(block, "docs/voice-agents.md", "exec"), names)  # noqa: S102 - the project's own document
    asyncio.run(names["listen"](SimpleNamespace(identity="anna")))
    printed = capsys.readouterr().out.splitlines()
    expected = utterances(direct(recognizer, spoken()))
    assert printed == [f"anna {answer.label} {answer.top(2)}" for answer in expected]
    assert sources == [rtc.TrackSource.SOURCE_MICROPHONE]


def test_arguments_are_checked_at_once(recognizer) -> None:
    with pytest.raises(ConfigError, match="backlog_s is -1"):
        EmotionStream(Recorded(), recognizer, backlog_s=-1)
