"""Emotions in a real Pipecat pipeline, with recorded frames; `make integrations` installs Pipecat and runs this."""

import asyncio
import re
import threading
from types import SimpleNamespace

import pytest

pytest.importorskip("pipecat", reason="needs Pipecat: make integrations")

from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    ErrorFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    MetricsFrame,
    TextFrame,
    UserAudioRawFrame,
)
from pipecat.metrics.metrics import ProcessingMetricsData
from pipecat.pipeline.worker import PipelineParams
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.tests.utils import SleepFrame, run_test

from emotone.errors import ConfigError
from emotone.integrations.pipecat import EmotionFrame, EmotionProcessor, InterimEmotionFrame
from emotone.recognition.recognizer import Recognizer
from support import live_frames
from support.live_frames import SAMPLES, Sound, direct, example, spoken, utterances

EMOTIONS = (EmotionFrame, InterimEmotionFrame)


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer()


def frames_of(sound: Sound, user_id: str = "", source: str | None = None) -> list:
    """The frames that an input transport pushes: with a user, or without."""
    format_ = {"sample_rate": sound.rate, "num_channels": sound.channels}
    frames = [
        UserAudioRawFrame(audio=chunk, user_id=user_id, **format_)
        if user_id
        else InputAudioRawFrame(audio=chunk, **format_)
        for chunk in sound.frames()
    ]
    for frame in frames:
        frame.transport_source = source
    return frames


def ran(processor: EmotionProcessor, frames: list, **settings) -> tuple[list, list]:
    """The frames that leave a pipeline with the processor, down and up."""
    return asyncio.run(asyncio.wait_for(run_test(processor, frames_to_send=frames, **settings), 60))


def emotions(frames: list) -> list:
    return [frame for frame in frames if isinstance(frame, EMOTIONS)]


def running_threads(*, timeout_s: float) -> list[threading.Thread]:
    """Threads of processors that do not end within a time."""
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("emotone-background")]
    for thread in threads:
        thread.join(timeout_s)
    return [thread for thread in threads if thread.is_alive()]


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (24_000, 1), (8_000, 1), (48_000, 2)])
def test_emotions_are_those_of_a_stream_and_frames_pass_unchanged(recognizer, rate, channels) -> None:
    sound = spoken(rate=rate, channels=channels)
    sent = frames_of(sound)
    before = [(frame.id, bytes(frame.audio)) for frame in sent]
    down, up = ran(EmotionProcessor(recognizer, backlog_s=60), sent)
    assert [frame.prediction for frame in emotions(down)] == utterances(direct(recognizer, sound))
    assert [type(frame) for frame in emotions(down)] == [EmotionFrame] * 2 and up == []
    passed = [frame for frame in down if not isinstance(frame, EMOTIONS)]
    assert [(frame.id, bytes(frame.audio)) for frame in passed] == before
    assert all(frame is original for frame, original in zip(passed, sent, strict=True))


def test_an_emotion_follows_the_end_of_its_utterance_before_the_sound_ends(recognizer) -> None:
    """As in a call: frames come in real time (here: faster), and the emotion does not wait for the end."""
    sound = spoken()
    sent = frames_of(sound)
    first_end = next(event for event in direct(recognizer, sound) if event.kind == "speech_end")
    at = round((first_end.time_s + 0.9) / 0.02)
    down, _ = ran(EmotionProcessor(recognizer, backlog_s=60), [*sent[:at], SleepFrame(sleep=2.0), *sent[at:]])
    places = [number for number, frame in enumerate(down) if isinstance(frame, EMOTIONS)]
    assert places[0] == at and places[1] == len(down) - 1


def test_each_participant_has_a_stream(recognizer) -> None:
    anna, ben = spoken(("woman_plain.wav", "woman_lively.wav")), spoken(("man_plain.wav",), rate=24_000)
    both = [frames_of(anna, "anna", "microphone"), frames_of(ben, "ben", "microphone")]
    sent = [frame for pair in zip(*both, strict=False) for frame in pair]
    sent += both[0][len(both[1]) :]
    processor = EmotionProcessor(recognizer, backlog_s=60)
    down, _ = ran(processor, sent)
    for user, sound in (("anna", anna), ("ben", ben)):
        own = [frame for frame in emotions(down) if frame.user_id == user]
        assert [frame.prediction for frame in own] == utterances(direct(recognizer, sound))
        assert {frame.transport_source for frame in own} == {"microphone"}
    assert {user: profile.n_clips for user, profile in processor.profiles.items()} == {"anna": 2, "ben": 1}


def test_a_saved_profile_is_used_and_goes_on(recognizer) -> None:
    known = recognizer.adapt([SAMPLES / "man_tense.mp3", SAMPLES / "man_subdued.flac"])
    processor = EmotionProcessor(recognizer, profile={"ben": known}, backlog_s=60)
    down, _ = ran(processor, frames_of(spoken(), "ben"))
    assert [frame.prediction for frame in emotions(down)] == utterances(direct(recognizer, spoken(), profile=known))
    assert [frame.prediction.adapted["speaker"] for frame in emotions(down)] == [2, 3]
    assert processor.profiles["ben"].n_clips == 4


def test_without_adaptation_no_profile_is_kept(recognizer) -> None:
    processor = EmotionProcessor(recognizer, adapt=False, backlog_s=60)
    down, _ = ran(processor, frames_of(spoken()))
    assert [frame.prediction for frame in emotions(down)] == utterances(direct(recognizer, spoken(), adapt=False))
    assert processor.profiles == {}


def test_interim_emotions_come_while_the_user_speaks(recognizer) -> None:
    sound = spoken(("woman_plain.wav",))
    down, _ = ran(EmotionProcessor(recognizer, interim=True, backlog_s=60), frames_of(sound))
    expected = [event for event in direct(recognizer, sound) if event.prediction is not None]
    assert [frame.prediction for frame in emotions(down)] == [event.prediction for event in expected]
    kinds = [type(frame) for frame in emotions(down)]
    assert kinds.count(InterimEmotionFrame) >= 3 and kinds[-1] is EmotionFrame and kinds.count(EmotionFrame) == 1
    assert not isinstance(emotions(down)[0], EmotionFrame)
    assert re.fullmatch(
        r"EmotionFrame#\d+\(user: , label: .+, confidence: 0.\d\d, start: .+\)", str(emotions(down)[-1])
    )


def test_the_handler_is_called_for_each_utterance(recognizer) -> None:
    processor, called = EmotionProcessor(recognizer, interim=True, backlog_s=60), []

    @processor.event_handler("on_emotion")
    async def on_emotion(emitter: EmotionProcessor, frame: EmotionFrame) -> None:
        assert emitter is processor
        called.append(frame)

    down, _ = ran(processor, frames_of(spoken()))
    assert called == [frame for frame in emotions(down) if isinstance(frame, EmotionFrame)] and len(called) == 2


def test_the_last_utterance_comes_before_the_end(recognizer) -> None:
    sound = spoken(("woman_plain.wav",)).part(0, 2.5)  # the call ends within the utterance
    down, _ = ran(EmotionProcessor(recognizer, backlog_s=60), [*frames_of(sound), EndFrame()], send_end_frame=False)
    assert [type(frame) for frame in down[-2:]] == [EmotionFrame, EndFrame]
    assert down[-2].prediction == utterances(direct(recognizer, sound))[0]
    assert not running_threads(timeout_s=5)


def test_cancelling_does_not_wait_for_what_is_left(recognizer) -> None:
    sound = spoken(live_frames.SPOKEN * 10)
    down, _ = ran(EmotionProcessor(recognizer, backlog_s=600), [*frames_of(sound), CancelFrame()], send_end_frame=False)
    assert len(emotions(down)) < 20
    assert not running_threads(timeout_s=5)


def test_an_interruption_loses_no_utterance(recognizer) -> None:
    sound = spoken()
    sent = frames_of(sound)
    cut = [*sent[:100], InterruptionFrame(), *sent[100:250], InterruptionFrame(), *sent[250:]]
    down, _ = ran(EmotionProcessor(recognizer, backlog_s=60), cut)
    assert [frame.prediction for frame in emotions(down)] == utterances(direct(recognizer, sound))
    assert [type(frame) for frame in down].count(InterruptionFrame) == 2


def test_bad_sound_is_reported_once_and_the_rest_is_used(recognizer) -> None:
    sound = spoken(("woman_plain.wav",))
    bad = [InputAudioRawFrame(audio=b"odd", sample_rate=16_000, num_channels=1) for _ in range(20)]
    text = TextFrame("hello")
    down, up = ran(EmotionProcessor(recognizer, adapt=False, backlog_s=60), [*bad, text, *frames_of(sound)])
    assert [frame.prediction for frame in emotions(down)] == utterances(direct(recognizer, sound, adapt=False))
    (error,) = [frame for frame in up if isinstance(frame, ErrorFrame)]
    assert "no emotion of the user '': a frame has 3 bytes; expected 16-bit samples" in error.error
    assert len([frame for frame in down if frame in bad]) == 20 and text in down and error.processor.is_usable


def test_silence_has_no_emotion(recognizer) -> None:
    down, up = ran(EmotionProcessor(recognizer), frames_of(Sound(bytes(2 * 16_000 * 3))))
    assert len(down) == 150 and up == []


def test_processing_time_is_a_metric(recognizer) -> None:
    down, _ = ran(
        EmotionProcessor(recognizer, backlog_s=60, name="mood"),
        frames_of(spoken()),
        pipeline_params=PipelineParams(enable_metrics=True),
    )
    metrics = [data for frame in down if isinstance(frame, MetricsFrame) for data in frame.data]
    times = [data for data in metrics if isinstance(data, ProcessingMetricsData) and data.value > 0]
    assert [(data.processor, data.model) for data in times] == [("mood", recognizer.card["name"])] * 2


def test_sound_that_comes_too_fast_is_dropped(recognizer) -> None:
    processor = EmotionProcessor(recognizer, backlog_s=0.1)
    sent = frames_of(Sound(bytes(2 * 16_000 * 120)))
    down, up = ran(processor, sent)
    assert len(down) == len(sent) and up == []
    assert processor._streams.dropped_s > 1


def test_arguments_are_checked_at_once(recognizer) -> None:
    with pytest.raises(ConfigError, match="idle_s is 0; expected 0.1 to 3600 seconds"):
        EmotionProcessor(recognizer, idle_s=0)


def test_the_example_of_the_documents_runs(recognizer, capsys) -> None:
    """With processors that pass on in place of transport, speech recognition and synthesis, and a real context."""
    transport = SimpleNamespace(input=IdentityFilter, output=IdentityFilter)
    context = LLMContext()
    names: dict = {"transport": transport, "user_aggregator": LLMContextAggregatorPair(context).user()}
    names |= {name: IdentityFilter() for name in ("stt", "llm", "tts")}
    pipeline, to_context = example("Pipecat")
    exec(compile(pipeline, "docs/voice-agents.md", "exec"), names)  # noqa: S102 - the project's own document
    exec(compile(to_context, "docs/voice-agents.md", "exec"), names)  # noqa: S102
    sound = spoken()
    sent = frames_of(sound)
    ran(names["pipeline"], [frame for each in sent for frame in (each, SleepFrame(sleep=0.005))])  # four times too fast
    expected = utterances(direct(recognizer, sound))
    assert capsys.readouterr().out.splitlines() == [f" {answer.label} {answer.top(2)}" for answer in expected]
    known = [answer.emotion for answer in expected if answer.emotion is not None]
    notes = [message["content"] for message in context.messages]
    assert known and [note.split()[5] for note in notes] == [f"{emotion}." for emotion in known]


def test_profiles_of_the_documents_go_on_in_the_next_call(recognizer, tmp_path) -> None:
    (block,) = example("The caller's profile")
    names: dict = {"emotion": EmotionProcessor(recognizer, backlog_s=60), "EmotionProcessor": EmotionProcessor}
    ran(names["emotion"], frames_of(spoken()))
    exec(compile(block, "docs/voice-agents.md", "exec"), names)  # noqa: S102
    names["save_profile"](tmp_path / "anna.json")
    assert names["next_call"](tmp_path / "anna.json")._streams._profile == names["emotion"].profiles[""]
