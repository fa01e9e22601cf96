"""Which channel is for what: low-frequency effects are no voice, and an order of the file's own ends no process."""

import io
import struct
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from emotone import audio
from emotone.audio import isolated
from emotone.errors import AudioError
from support.media import RATE, media, tone

#: Place of the low-frequency channel in 5.1 and 7.1.
LFE = 3


def surround(n_channels: int, *, lfe: int = LFE, rate: int = RATE) -> np.ndarray:
    """1 s: a voice of 440 Hz in the centre, and 40 Hz where low-frequency effects are."""
    samples = np.zeros((rate, n_channels), np.float32)
    samples[:, 2 if lfe != 2 else 0] = tone(1, rate=rate)
    samples[:, lfe] = tone(1, hz=40, gain=0.9, rate=rate)
    return samples


def has_rumble(data: bytes) -> bool:
    spectrum = np.abs(np.fft.rfft(audio.read(data)[2000:12_000]))
    return bool(spectrum[25] > 0.01 * spectrum.max())


def written(samples: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format=kind, subtype="PCM_16")
    return buffer.getvalue()


FILES = {
    **{
        f"{kind} {n}": (lambda kind=kind, codec=codec, n=n: media([surround(n)], kind, codec))
        for kind, codec in (
            *(("w64", "pcm_s16le"), ("caf", "pcm_s16le"), ("aiff", "pcm_s16be"), ("au", "pcm_s16be")),
            *(("matroska", "pcm_s16le"), ("mov", "pcm_s16le"), ("flac", "flac"), ("ogg", "flac")),
        )
        for n in (6, 8)
    },
    **{
        f"{kind} of libsndfile": (lambda kind=kind: written(surround(6), kind)) for kind in ("AIFF", "CAF", "W64", "AU")
    },
}


@pytest.mark.parametrize("name", FILES)
def test_low_frequency_effects_are_left_out_of_every_container(name: str) -> None:
    assert not has_rumble(FILES[name]())


def test_flac_with_a_mask_of_its_own_channels() -> None:
    data = media([surround(3, lfe=2)], "flac", "flac", layout="2.1")
    assert not has_rumble(data) and not isolated.is_plain(data)
    quad = media([np.stack([tone(1)] * 4, axis=1)], "flac", "flac", layout="quad")
    assert audio.info(quad).channels == 4 and audio.read(quad).max() > 0.4


def test_stereo_needs_no_other_decoder() -> None:
    assert isolated.is_plain(written(np.stack([tone(1)] * 2, axis=1), "FLAC"))


def film_order(codec: str) -> bytes:
    """5.1 in the order of films, FC+FL+FR+SL+SR+LFE, as the box of a QuickTime file says it."""
    samples = surround(6, lfe=5) if codec.startswith("pcm") else surround(6)
    data = bytearray(media([samples], "mov", codec))
    at = data.index(b"chan") + 8
    data[at : at + 4] = struct.pack(">I", 124 << 16 | 6)  # kAudioChannelLayoutTag_MPEG_5_1_D
    return bytes(data)


@pytest.mark.parametrize("codec", ["pcm_s16le", "aac", "alac"])
@pytest.mark.slow
def test_an_order_of_the_files_own_is_read_in_a_process_that_lives_on(codec: str) -> None:
    data = film_order(codec)
    code = (
        "import sys; from emotone import audio; data = sys.stdin.buffer.read()\n"
        "for _ in range(20): n = len(audio.read(data)); audio.read(data, channel=3)\n"
        "print(n, audio.info(data).channels)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
    length, channels = map(int, done.stdout.split())
    assert length == pytest.approx(16_000, abs=90) and channels == 6
    assert not has_rumble(data)


def test_an_order_that_a_decoder_may_set_again_is_refused() -> None:
    from emotone.audio import av_reader

    class Stream:
        layout = type("Layout", (), {"name": "6 channels (FC+FL+FR+SL+SR+LFE)", "nb_channels": 6, "channels": ()})()
        codec_context = type("Context", (), {"name": "aac", "layout": None})()

    with pytest.raises(AudioError, match=r"film.mp4: its 6 channels have an unusual order .*; convert it to WAV"):
        av_reader._channels(Stream(), "film.mp4")


def test_flash_video_with_an_empty_packet_before_its_sound() -> None:
    data = media([np.stack([tone(1, rate=44_100)] * 6, axis=1)], "flv", "aac", rate=44_100)
    assert len(audio.read(data)) == pytest.approx(16_000, abs=900)


@pytest.mark.parametrize("rate", [8000, 48_000])
def test_creative_voice_of_many_blocks(rate: int) -> None:
    data = media([tone(1, rate=rate)], "voc", "pcm_s16le", rate=rate)
    samples = audio.read(data)
    assert len(samples) == pytest.approx(16_000, abs=10) and np.abs(samples).max() < 0.6
    assert np.abs(np.fft.rfft(samples)).argmax() == pytest.approx(440, abs=1)


def test_flac_of_several_channels_that_was_cut_between_two_frames_is_refused() -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, (96_000, 4)).astype(np.float32)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, 16_000, format="FLAC", subtype="PCM_16")
    whole = buffer.getvalue()
    assert len(audio.read(whole)) == 96_000
    frames = [at for at in range(len(whole) // 3, len(whole) // 2) if whole[at : at + 2] == b"\xff\xf8"]
    with pytest.raises(AudioError, match="cut short|damaged"):
        audio.read(whole[: frames[0]])
    unknown = bytearray(whole)  # as an encoder writes it into a pipe: the length is 0
    unknown[21] &= 0xF0
    unknown[22:26] = bytes(4)
    assert len(audio.read(bytes(unknown))) == 96_000
