"""A speaker on each channel, and what one channel picks up of another."""

import numpy as np
import pytest
import soxr

from emotone.audio.speech_detector import SpeechDetector, VadSettings
from emotone.recognition.channel_pieces import ChannelPieces, Crosstalk
from emotone.recognition.windows import SpeechReader
from support import handmade

RATE = 16_000


def call(*turns, seconds=20.0, leak_db=None, noise_db=-80.0):
    """Two channels with a tone where (channel, begin, end, level) says; each leaks into the other."""
    rng = np.random.default_rng(0)
    own = np.zeros((2, round(seconds * RATE)), np.float32)
    for channel, begin, end, level in turns:
        own[channel, round(begin * RATE) : round(end * RATE)] = handmade.tone(level, seconds=end - begin)
    leaked = 0 if leak_db is None else own[::-1] * np.float32(10 ** (leak_db / 20))
    return own + leaked + (10 ** (noise_db / 20) * rng.standard_normal(own.shape)).astype(np.float32)


def pieces_of(sound, *, block_s=7.0):
    size = round(block_s * RATE)
    channels = [[row[at : at + size] for at in range(0, len(row), size)] for row in sound]
    settings = VadSettings(pad_s=0.0)
    readers = [SpeechReader([], SpeechDetector(settings, probability=handmade.loudness)) for _ in channels]
    made = ChannelPieces(channels, readers, ["left", "right"])
    found = [(piece.start / RATE, (piece.start + len(piece.samples)) / RATE) for piece in made]
    named = [(name, *times) for times, name in zip(found, made.speakers(), strict=True)]
    return sorted(named, key=lambda item: item[1]), made


TURNS = [(0, 1.0, 4.0, 0.2), (1, 5.0, 8.0, 0.2), (0, 9.0, 12.0, 0.2), (1, 13.0, 18.0, 0.2)]


@pytest.mark.parametrize("leak_db", [None, -30, -18])
@pytest.mark.parametrize("block_s", [2.0, 30.0])
def test_every_turn_is_on_the_channel_of_its_speaker(leak_db, block_s):
    found, made = pieces_of(call(*TURNS, leak_db=leak_db), block_s=block_s)
    assert [name for name, _, _ in found] == ["left", "right", "left", "right"]
    for (_, begin, end), (_, first, last, _) in zip(found, TURNS, strict=True):
        assert (begin, end) == pytest.approx((first, last), abs=0.15)
    assert made.overlaps() == [] and made.n_samples == 20 * RATE


def test_a_soft_speaker_is_kept_beside_a_loud_one():
    turns = [(0, 1.0, 4.0, 0.4), (1, 5.0, 8.0, 0.08), (0, 9.0, 12.0, 0.4), (1, 13.0, 18.0, 0.08)]
    found, _ = pieces_of(call(*turns))
    assert [name for name, _, _ in found] == ["left", "right", "left", "right"]


def test_both_at_once_are_both_predicted_and_reported():
    found, made = pieces_of(call((0, 1.0, 6.0, 0.2), (1, 4.0, 9.0, 0.2), (0, 12.0, 14.0, 0.2)))
    assert [name for name, _, _ in found] == ["left", "right", "left"]
    ((first, last),) = made.overlaps()
    assert (first / RATE, last / RATE) == pytest.approx((4.0, 6.0), abs=0.15)


def test_channels_of_different_length_are_as_long_as_the_longest():
    sound = call(*TURNS)
    readers = [SpeechReader([], SpeechDetector(probability=handmade.loudness)) for _ in sound]
    made = ChannelPieces([[sound[0]], [sound[1][: 10 * RATE]]], readers, ["left", "right"])
    list(made)
    assert made.n_samples == 20 * RATE and len(made.envelope.values()) == 400


def test_crosstalk_is_silenced_and_the_speaker_is_not_touched():
    sound = call(*TURNS, leak_db=-20)
    cleaned = Crosstalk(2).removed(sound)
    left, right = cleaned[:, round(1.2 * RATE) : round(3.8 * RATE)]
    np.testing.assert_array_equal(left, sound[0, round(1.2 * RATE) : round(3.8 * RATE)])
    assert not right.any()


@pytest.mark.parametrize("n", [1, 15, 159, 161])
def test_blocks_of_any_length(n):
    sound = call(*TURNS)[:, :n]
    assert Crosstalk(2).removed(sound).shape == (2, n)


def share_silenced(cleaned, rate):
    """Share of the frames of 10 ms that are silenced, of each channel."""
    return (cleaned == 0).reshape(2, -1, rate // 100).all(axis=2).mean(axis=1)


@pytest.mark.parametrize("rate", [8_000, 48_000])
def test_crosstalk_is_found_alike_at_any_rate(rate):
    sound = call(*TURNS, leak_db=-20)
    resampled = np.ascontiguousarray(soxr.resample(sound.T, RATE, rate).T, np.float32)
    shares = share_silenced(Crosstalk(2, rate=rate).removed(resampled), rate)
    assert shares == pytest.approx(share_silenced(Crosstalk(2).removed(sound), RATE), abs=0.02)


def test_an_offset_is_no_speech():
    """Also in the blocks of live sound: after its last sample, a block does not fall to zero."""
    sound = call(*TURNS, leak_db=-20)
    plain, shifted = Crosstalk(2), Crosstalk(2)
    for at in range(0, sound.shape[1], 2400):
        block = sound[:, at : at + 2400]
        expected, found = plain.removed(block), shifted.removed(block + np.float32([[0.0], [0.5]]))
        np.testing.assert_array_equal(found == 0, expected == 0)
