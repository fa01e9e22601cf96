"""Log-mel frames with the prosody that a network of a few thousand clips would hardly find in them by itself."""

import torch
from torch import Tensor

from emotone.features import frames, pitch, spectral, statistics
from emotone.features.descriptors import (
    ACTIVE_DB,
    LEVEL_BANDS_HZ,
    N_FFT,
    PITCH_FRAME,
    PITCH_RANGE_HZ,
    PROSODY_NAMES,
    VOICED_APERIODICITY,
    WIN_LENGTH,
    unit_loudness,
)
from emotone.features.frames import HOP_LENGTH, LogMel


class LogMelProsody(LogMel):
    """The log-mel spectrogram and, beside it, what it shows only to who knows where to look.

    The columns after the 128 bands are `emotone.features.descriptors.PROSODY_NAMES` (pitch, level, shape of the
    spectrum), then 1 where a frame is voiced.
    """

    name = "log-mel-prosody"
    frequencies_hz: Tensor
    level_bands: Tensor

    def __init__(self) -> None:
        super().__init__()
        low, high = PITCH_RANGE_HZ
        self.decimate = pitch.Decimate()
        self.yin = pitch.Yin(
            sample_rate=self.sample_rate // 2,
            frame_length=PITCH_FRAME,
            hop_length=HOP_LENGTH // 2,
            fmin_hz=low,
            fmax_hz=high,
        )
        frequencies = torch.from_numpy(spectral.fft_frequencies(self.sample_rate, N_FFT)).float()
        bands = [(frequencies >= low) & (frequencies < high) for low, high in LEVEL_BANDS_HZ]
        self.register_buffer("frequencies_hz", frequencies, persistent=False)
        self.register_buffer("level_bands", torch.stack(bands, dim=-1).float(), persistent=False)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """128 mel bands, 11 descriptors of prosody, and voicing."""
        return (*super().feature_names, *PROSODY_NAMES, "voiced")

    def forward(self, waveform: Tensor) -> Tensor:
        """(1, n) float32, 16 kHz, n >= 3200 -> (1, 1 + n // 256, 140)."""
        samples = unit_loudness(waveform[0])
        power = self.power(samples)
        level = spectral.decibel(
            spectral.root_mean_square(samples, frame_length=WIN_LENGTH, hop_length=HOP_LENGTH) ** 2, top_db=None
        )
        semitones, aperiodicity, voiced = self._pitch(samples, level)
        centroid, bandwidth = spectral.spectral_moments(torch.sqrt(power), self.frequencies_hz)
        columns = [
            spectral.decibel(power @ self.mel_filters),
            semitones,
            level,
            centroid / 1000,
            bandwidth / 1000,
            spectral.roll_off(torch.sqrt(power), self.frequencies_hz) / 1000,
            spectral.zero_crossing_rate(samples, frame_length=WIN_LENGTH, hop_length=HOP_LENGTH),
            aperiodicity,
            self._tilt(power),
            voiced,
        ]
        return torch.cat(columns, dim=-1)[None]

    def _pitch(self, samples: Tensor, level: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Semitones over 100 Hz (the voiced frames' mean where none is), aperiodicity and voicing, (frames, 1) each."""
        pitch_hz, aperiodicity = self.yin(self.decimate(samples))
        # an odd number of samples may give the decimated signal one frame more
        semitones = 12 * torch.log2(pitch_hz[: level.shape[0]] / 100)
        aperiodicity = torch.clamp(aperiodicity[: level.shape[0]], min=0, max=1)
        voiced = ((level > level.max() - ACTIVE_DB) & (aperiodicity < VOICED_APERIODICITY)).float()
        weights = statistics.weights_or_all(voiced[:, 0])[:, None]
        mean = (semitones * weights).sum() / weights.sum()
        return torch.where(weights > 0, semitones, mean), aperiodicity, voiced

    def _tilt(self, power: Tensor) -> Tensor:
        """Levels of four bands against their mean, (frames, 4) dB."""
        bands = spectral.decibel(power @ self.level_bands, top_db=None)
        return bands - bands.mean(-1, keepdim=True)

    def sources(self) -> tuple[object, ...]:
        """The module itself, and those whose functions it calls."""
        return (*super().sources(), frames, pitch, statistics)
