"""Read and write recordings: any format in, 16 kHz mono float32 out.  No other package opens audio."""

from emotone.audio.channels import Channel
from emotone.audio.decoding import AudioSource, Waveform
from emotone.audio.encoding import encode_mp3, write_wav
from emotone.audio.reading import (
    SILENT_PEAK,
    AudioInfo,
    Recording,
    blocks,
    check_sound,
    content_digest,
    info,
    open_recording,
    read,
)
from emotone.audio.resampling import SAMPLE_RATE
from emotone.audio.trimming import MIN_DURATION_S, MIN_SAMPLES, trim_silence

__all__ = [
    "MIN_DURATION_S",
    "MIN_SAMPLES",
    "SAMPLE_RATE",
    "SILENT_PEAK",
    "AudioInfo",
    "AudioSource",
    "Channel",
    "Recording",
    "Waveform",
    "blocks",
    "check_sound",
    "content_digest",
    "encode_mp3",
    "info",
    "open_recording",
    "read",
    "trim_silence",
    "write_wav",
]
