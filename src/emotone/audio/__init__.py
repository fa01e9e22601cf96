"""Read and write recordings: any format in, 16 kHz mono float32 out.  No other package opens audio."""

from emotone.audio.decoding import AudioSource, Waveform
from emotone.audio.encoding import encode_mp3, write_wav
from emotone.audio.reading import SILENT_PEAK, AudioInfo, blocks, content_digest, info, read
from emotone.audio.resampling import SAMPLE_RATE
from emotone.audio.trimming import MIN_DURATION_S, MIN_SAMPLES, trim_silence

__all__ = [
    "MIN_DURATION_S",
    "MIN_SAMPLES",
    "SAMPLE_RATE",
    "SILENT_PEAK",
    "AudioInfo",
    "AudioSource",
    "Waveform",
    "blocks",
    "content_digest",
    "encode_mp3",
    "info",
    "read",
    "trim_silence",
    "write_wav",
]
