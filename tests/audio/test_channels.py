"""Which channel is read, and whether two channels are two people."""

import numpy as np
import pytest

from emotone import audio
from emotone.audio.channels import ChannelContrast
from emotone.errors import AudioError


def stereo() -> np.ndarray:
    """1 s at 16 kHz: 300 Hz on the left, 700 Hz on the right."""
    t = np.arange(16_000) / 16_000
    return np.stack([np.sin(2 * np.pi * 300 * t), 0.5 * np.sin(2 * np.pi * 700 * t)], axis=1).astype(np.float32)


@pytest.mark.parametrize(
    ("channel", "hz"), [("left", 300), (1, 300), ("1", 300), ("right", 700), (2, 700), ("2", 700), ("mix", 300)]
)
def test_a_channel_can_be_chosen(channel: str | int, hz: int) -> None:
    samples = audio.read((stereo(), 16_000), channel=channel)
    assert np.abs(np.fft.rfft(samples)).argmax() == hz
    assert np.abs(np.fft.rfft(np.concatenate(list(audio.blocks((stereo(), 16_000), channel=channel))))).argmax() == hz


@pytest.mark.parametrize("channel", ["middle", 0, -1, "", "0", True, 1.5, "²"])
def test_what_is_no_channel(channel: str | int) -> None:
    with pytest.raises(AudioError, match="channel is .*; expected mix, left, right, or a number"):
        audio.read((stereo(), 16_000), channel=channel)


def test_a_channel_that_is_not_there() -> None:
    with pytest.raises(AudioError, match="channel is 3, and the recording has 2; give 1 to 2"):
        audio.read((stereo(), 16_000), channel=3)
    with pytest.raises(AudioError, match="channel is 'right', and the recording has 1"):
        audio.read((stereo()[:, 0], 16_000), channel="right")


def contrast_of(samples: np.ndarray) -> bool:
    contrast = ChannelContrast()
    for begin in range(0, len(samples), 16_000):
        contrast.push(samples[begin : begin + 16_000], 16_000)
    return contrast.is_two_people


def test_two_people_on_two_channels() -> None:
    rng = np.random.default_rng(0)
    turns = np.repeat([0, 1, 0, 1, 1, 0, 0, 1], 16_000)
    voice = 0.1 * rng.standard_normal(len(turns))
    room = 0.0005 * rng.standard_normal((len(turns), 2))
    call = (np.stack([voice * (turns == 0), voice * (turns == 1)], axis=1) + room).astype(np.float32)
    assert contrast_of(call)
    hum = 0.003 * np.sin(2 * np.pi * 50 * np.arange(len(turns)) / 16_000)
    assert contrast_of((call + 0.01 + hum[:, None]).astype(np.float32)), "with an offset and hum"
    music = (np.stack([voice, 0.4 * voice], axis=1) + room).astype(np.float32)
    assert not contrast_of(music)
    assert not contrast_of(np.stack([voice, 0 * voice], axis=1).astype(np.float32)), "one voice on one side"
    assert not contrast_of((0.1 * rng.standard_normal((len(turns), 2))).astype(np.float32))
    assert not contrast_of(call[:16_000]), "too short to say"
    with audio.open_recording((call, 16_000)) as recording:
        recording.whole()
        assert recording.has_two_people
    with audio.open_recording((call, 16_000), channel="left") as recording:
        recording.whole()
        assert not recording.has_two_people


def test_an_offset_does_not_hide_that_channels_cancel() -> None:
    voice = 0.3 * np.random.default_rng(0).standard_normal(16_000)
    samples = audio.read((np.stack([voice + 0.01, 0.01 - voice], axis=1), 16_000))
    assert samples.std() > 0.29
