"""Live sound with a speaker on each channel."""

from pathlib import Path

import numpy as np
import pytest

from emotone import audio
from emotone.errors import AudioError, ConfigError
from emotone.recognition.recognizer import Recognizer

RATE = 16_000
SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer()


@pytest.fixture(scope="module")
def call():
    """A woman on the left, a man on the right, twice each, with crosstalk at -26 dB; and who speaks when."""
    sound, spoken, at = np.zeros((20 * RATE, 2), np.float32), [], RATE
    for name, channel in (("woman_plain", 0), ("man_plain", 1), ("woman_plain", 0), ("man_plain", 1)):
        clip = audio.trim_silence(audio.read(SAMPLES / f"{name}.wav"))
        sound[at : at + len(clip), channel] = clip
        spoken.append((("left", "right")[channel], (at + len(clip)) / RATE))
        at += len(clip) + 2 * RATE
    return sound + np.float32(0.05) * sound[:, ::-1], spoken


def events_of(stream, sound, *, size=320):
    chunks = [sound[at : at + size] for at in range(0, len(sound), size)]
    return [event for chunk in chunks for event in stream.push(chunk)] + stream.finish()


@pytest.mark.slow
def test_each_utterance_has_the_speaker_of_its_channel(recognizer, call):
    sound, spoken = call
    stream = recognizer.channel_stream(rate=RATE, channels=2, adapt=True)
    ends = [event for event in events_of(stream, sound) if event.kind == "speech_end"]
    assert [event.speaker for event in ends] == [name for name, _ in spoken]
    assert [event.time_s for event in ends] == pytest.approx([end for _, end in spoken], abs=0.5)
    assert all(event.prediction.speaker == event.speaker for event in ends)
    # each voice is known from its own first utterance
    assert [event.prediction.adapted["speaker"] for event in ends] == [0, 0, 1, 1]
    assert {name: each.profile.n_clips for name, each in stream.streams.items()} == {"left": 2, "right": 2}
    assert stream.time_s == pytest.approx(20, abs=0.1)


@pytest.mark.slow
def test_sizes_of_chunks_and_their_type_make_no_difference(recognizer, call):
    sound = call[0][: 8 * RATE]
    whole = (sound * 32767).astype("<i2")
    made = [
        events_of(recognizer.channel_stream(rate=RATE, channels=2), *chunks)
        for chunks in ((whole,), (whole.astype(np.float32) / 32768,))
    ]
    made.append(events_of(recognizer.channel_stream(rate=RATE, channels=2), whole, size=12_345))
    stream = recognizer.channel_stream(rate=RATE, channels=2)
    content = whole.tobytes()
    made.append([event for at in range(0, len(content), 4001) for event in stream.push(content[at : at + 4001])])
    made[-1] += stream.finish()
    with pytest.raises(AudioError, match="the stream is finished"):
        stream.push(content[:4])
    told = [[event.to_dict() for event in events] for events in made]
    assert told[0] and told[0] == told[1] == told[2] == told[3]
    assert "speaker" in told[0][0] and told[0][0]["kind"] == "speech_start"
    assert stream.finish() == []


@pytest.mark.parametrize(
    ("chunk", "why"),
    [
        (np.zeros(10, np.float32), r"shape \(10,\); expected \(n, 2\)"),
        (np.zeros((10, 3), np.float32), r"shape \(10, 3\)"),
        (np.zeros((10, 2), np.int64), "is of int64"),
        (np.full((8000, 2), np.nan, np.float32), "not finite"),
    ],
)
def test_bad_chunks_are_errors(recognizer, chunk, why):
    with pytest.raises(AudioError, match=why):
        recognizer.channel_stream(rate=RATE, channels=2).push(chunk)


@pytest.mark.parametrize("channels", [1, 21])
def test_numbers_of_channels(recognizer, channels):
    with pytest.raises(ConfigError, match=f"the number of channels is {channels}"):
        recognizer.channel_stream(rate=RATE, channels=channels)
