"""Sounds that `load.py` and `load_faults.py` send: one that is well, and many that are not."""

import functools
import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import soundfile

CLIP_S, RATE_HZ = 3.7, 16_000


def clip() -> bytes:
    """Two of the samples after each other: a WAV file of 3.7 s, 16 kHz."""
    folder = Path(__file__).resolve().parent.parent / "samples"
    sounds = [soundfile.read(folder / f"woman_{name}.wav", dtype="int16")[0] for name in ("plain", "lively")]
    return wav(np.concatenate(sounds)[: round(CLIP_S * RATE_HZ)])


def wav(samples: np.ndarray) -> bytes:
    """(n,) int16 at 16 kHz as a WAV file."""
    held = io.BytesIO()
    soundfile.write(held, samples, RATE_HZ, format="WAV")
    return held.getvalue()


def pcm(wav: bytes) -> bytes:
    """16-bit samples of a WAV file that has nothing but them."""
    samples = soundfile.read(io.BytesIO(wav), dtype="int16")[0]
    return bytes(np.asarray(samples, "<i2").tobytes())


@functools.cache
def silence(*, seconds: float, rate: int, channels: int = 1) -> bytes:
    """FLAC of digital silence: some bytes for each second."""
    held, minute = io.BytesIO(), np.zeros((min(60, round(seconds)) * rate, channels), np.int16)
    with soundfile.SoundFile(held, "w", rate, channels, format="FLAC") as file:
        for _ in range(round(seconds / (len(minute) / rate))):
            file.write(minute)
    return held.getvalue()


@functools.cache
def voice(*, kind: str, seconds: float = 2.0) -> bytes:
    """A tone with a little noise, as a file."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    held = io.BytesIO()
    noise = 0.01 * np.random.default_rng(0).standard_normal(t.size)
    soundfile.write(held, 0.1 * np.sin(2 * np.pi * 200 * t) + noise, RATE_HZ, format=kind)
    return held.getvalue()


def flac_that_claims(hours: float) -> bytes:
    """Two seconds of sound; STREAMINFO (RFC 9639, 8.2) says hours: its last 36 bits before the checksum."""
    data = bytearray(voice(kind="FLAC"))
    (stated,) = struct.unpack(">Q", data[18:26])
    data[18:26] = struct.pack(">Q", stated >> 36 << 36 | round(hours * 3600 * RATE_HZ))
    return bytes(data)


def ogg_that_claims(hours: float) -> bytes:
    """Two seconds of Vorbis; the position of the last page (RFC 3533) says hours, and its checksum is right."""
    data = bytearray(voice(kind="OGG"))
    at = data.rindex(b"OggS")
    data[at + 6 : at + 14] = struct.pack("<q", round(hours * 3600 * RATE_HZ))
    data[at + 22 : at + 26] = bytes(4)
    checksum = 0
    for byte in data[at:]:
        checksum ^= byte << 24
        for _ in range(8):
            checksum = (checksum << 1 ^ (0x04C11DB7 if checksum & 0x80000000 else 0)) & 0xFFFFFFFF
    data[at + 22 : at + 26] = struct.pack("<I", checksum)
    return bytes(data)


def wav_that_claims(n_bytes: int) -> bytes:
    """Two seconds of sound in a WAV file whose header says so many bytes."""
    data = bytearray(voice(kind="WAV"))
    data[4:8] = data[40:44] = struct.pack("<I", n_bytes)
    return bytes(data)


def archive() -> bytes:
    """A ZIP file with a recording in it."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        file.writestr("clip.wav", voice(kind="WAV"))
    return held.getvalue()
