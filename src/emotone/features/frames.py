"""Features frame by frame, of any length: what the networks learn from.

Both extractors scale the waveform to unit loudness first, as the functionals do, so that the gain of a recording has
no effect.  A frame is 32 ms long, one begins every 16 ms, and a clip of n samples has 1 + n // 256 of them.
"""

import torch
from torch import Tensor

from emotone.features import descriptors, spectral
from emotone.features.base import Extractor
from emotone.features.descriptors import N_FFT, N_MELS, N_MFCC, WIN_LENGTH, unit_loudness

#: Samples from one frame to the next, 16 ms: 128 frames are two seconds, about a sentence of acted speech.
HOP_LENGTH = 256


class LogMel(Extractor):
    """The log-mel spectrogram: 128 Slaney mel bands up to 8 kHz, in dB, no more than 80 dB under the loudest cell."""

    name = "log-mel"
    is_sequence = True
    mel_filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.power = spectral.PowerSpectrogram(n_fft=N_FFT, win_length=WIN_LENGTH, hop_length=HOP_LENGTH)
        filters = spectral.mel_filters(sample_rate=self.sample_rate, n_fft=N_FFT, n_mels=N_MELS)
        self.register_buffer("mel_filters", torch.from_numpy(filters).float(), persistent=False)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """One name a mel band, lowest first."""
        return tuple(f"mel-{band}" for band in range(1, N_MELS + 1))

    def forward(self, waveform: Tensor) -> Tensor:
        """(1, n) float32, 16 kHz, n >= 3200 -> (1, 1 + n // 256, 128) dB."""
        return self.spectrogram(waveform)[None]

    def spectrogram(self, waveform: Tensor) -> Tensor:
        """(1, n) -> (frames, 128) dB."""
        return spectral.decibel(self.power(unit_loudness(waveform[0])) @ self.mel_filters)

    def sources(self) -> tuple[object, ...]:
        """The module itself, and those whose functions it calls."""
        return (*super().sources(), spectral, descriptors)


class MfccFrames(LogMel):
    """40 mel-frequency cepstral coefficients with their first and second differences over 9 frames."""

    name = "mfcc-frames"
    dct: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("dct", torch.from_numpy(spectral.dct_basis(N_MELS, N_MFCC)).float(), persistent=False)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """40 coefficients, 40 first differences, 40 second ones."""
        kinds = ("mfcc", "mfcc-delta", "mfcc-delta2")
        return tuple(f"{kind}-{number}" for kind in kinds for number in range(1, N_MFCC + 1))

    def forward(self, waveform: Tensor) -> Tensor:
        """(1, n) float32, 16 kHz, n >= 3200 -> (1, 1 + n // 256, 120)."""
        mfcc = self.spectrogram(waveform) @ self.dct
        first, second = spectral.deltas(mfcc)
        return torch.cat([mfcc, first, second], dim=-1)[None]
