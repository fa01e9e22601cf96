"""Low-level descriptors of a recording: 100 frames per second, one column per descriptor.

To add a descriptor: append its record to `PROSODY` (or to another stream of `STREAMS`), and compute it in
`DescriptorFrames.forward`.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from emotone.features import spectral
from emotone.features.columns import Descriptor, numbered
from emotone.features.pitch import Decimate, Yin
from emotone.features.statistics import weights_or_all

#: Windows of 32 ms every 10 ms; the longer transform leaves no mel band empty.
N_FFT, WIN_LENGTH, HOP_LENGTH = 1024, 512, 160
N_MELS, N_MFCC, N_CHROMA, N_CONTRAST = 128, 40, 12, 6
PITCH_RANGE_HZ = (65.0, 600.0)
PITCH_FRAME, PITCH_HOP = 400, 80  # at 8 kHz: 50 ms every 10 ms
#: Edges in Hz of the bands whose levels give the tilt of the spectrum.
LEVEL_BANDS_HZ = ((50, 1000), (1000, 2000), (2000, 5000), (5000, 8000))
#: A frame is voiced if its aperiodicity is below this value and it is active: at most so many dB below the loudest.
VOICED_APERIODICITY, ACTIVE_DB = 0.35, 35.0
_LOUDNESS_FLOOR = 1e-14  # far below the digital silence that `audio.read` refuses
#: Neighbouring mel bands are averaged by four where 128 would be redundant.
BAND_GROUP = 4

PROSODY = (
    # Frames that are not voiced have the mean pitch of the voiced ones.
    Descriptor("pitch", "pitch", "semitones over 100 Hz", difference_unit="semitones"),
    Descriptor("level", "energy", "dB"),
    Descriptor("centroid", "spectral shape", "kHz"),
    Descriptor("bandwidth", "spectral shape", "kHz"),
    Descriptor("rolloff", "spectral shape", "kHz"),
    Descriptor("zcr", "spectral shape", "share of samples"),
    Descriptor("aperiodicity", "voice quality", "0 to 1"),  # 0: perfectly periodic
    *(
        Descriptor(f"level-{band}", "spectral shape", "dB") for band in ("low", "mid", "high", "top")
    ),  # minus their mean
)
#: Stream -> the descriptors of its columns.
STREAMS = {
    "mfcc": numbered("mfcc", N_MFCC, "MFCC", "dB (cepstrum)"),
    "logmel": numbered("logmel", N_MELS, "mel bands", "dB"),
    "mel": numbered("mel", N_MELS, "mel bands", "dB"),
    "chroma": numbered("chroma", N_CHROMA, "chroma", "0 to 1"),
    "contrast": numbered("contrast", N_CONTRAST, "spectral contrast", "dB"),
    "band": numbered("band", N_MELS // BAND_GROUP, "mel bands", "dB"),
    "prosody": PROSODY,
}


class Descriptors(NamedTuple):
    """Low-level descriptors, each (frames, columns)."""

    mfcc: Tensor  #: (frames, 40)
    log_mel: Tensor  #: (frames, 128), dB
    mel: Tensor  #: (frames, 128), power
    chroma: Tensor  #: (frames, 12), the largest of each frame is 1
    contrast: Tensor  #: (frames, 6), dB
    prosody: Tensor  #: (frames, 11), see `PROSODY`
    voiced: Tensor  #: (frames,), 1 where voiced, else 0
    active: Tensor  #: (frames,), 1 where at most 35 dB below the loudest frame, else 0


def unit_loudness(waveform: Tensor) -> Tensor:
    """Scale to a root mean square of 1, so that the gain of the recording has no effect on features."""
    return waveform * torch.rsqrt(torch.clamp((waveform * waveform).mean(), min=_LOUDNESS_FLOOR))


class DescriptorFrames(nn.Module):
    """From a waveform to `Descriptors`; definitions and sources are in `spectral` and `pitch`."""

    frequencies_hz: Tensor
    mel_filters: Tensor
    chroma_filters: Tensor
    dct: Tensor
    level_bands: Tensor

    def __init__(self, *, sample_rate: int) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.power = spectral.PowerSpectrogram(n_fft=N_FFT, win_length=WIN_LENGTH, hop_length=HOP_LENGTH)
        self.decimate = Decimate()
        low, high = PITCH_RANGE_HZ
        self.yin = Yin(
            sample_rate=sample_rate // 2, frame_length=PITCH_FRAME, hop_length=PITCH_HOP, fmin_hz=low, fmax_hz=high
        )
        self.bands = spectral.contrast_bands(sample_rate=sample_rate, n_fft=N_FFT)
        frequencies = spectral.fft_frequencies(sample_rate, N_FFT)
        constants = {
            "frequencies_hz": frequencies,
            "mel_filters": spectral.mel_filters(sample_rate=sample_rate, n_fft=N_FFT, n_mels=N_MELS),
            "chroma_filters": spectral.chroma_filters(sample_rate=sample_rate, n_fft=N_FFT),
            "dct": spectral.dct_basis(N_MELS, N_MFCC),
        }
        for name, value in constants.items():
            self.register_buffer(name, torch.from_numpy(value).float(), persistent=False)
        inside = [(frequencies >= low) & (frequencies < high) for low, high in LEVEL_BANDS_HZ]
        level_bands = torch.stack([torch.from_numpy(band).float() for band in inside], dim=-1)
        self.register_buffer("level_bands", level_bands, persistent=False)

    def forward(self, waveform: Tensor) -> Descriptors:
        """(n,) at any gain -> descriptors of 1 + n // 160 frames."""
        samples = unit_loudness(waveform)
        power = self.power(samples)
        magnitude = torch.sqrt(power)
        mel = power @ self.mel_filters
        log_mel = spectral.decibel(mel)
        gathered = power @ self.chroma_filters
        chroma = gathered / torch.clamp(gathered.amax(-1, keepdim=True), min=1e-20)
        level = spectral.decibel(
            spectral.root_mean_square(samples, frame_length=WIN_LENGTH, hop_length=HOP_LENGTH) ** 2, top_db=None
        )
        active = level[:, 0] > level.max() - ACTIVE_DB
        pitch_hz, aperiodicity = self.yin(self.decimate(samples))
        # An odd number of samples may give the decimated signal one frame more.
        semitones = 12 * torch.log2(pitch_hz[: power.shape[0]] / 100)
        aperiodicity = torch.clamp(aperiodicity[: power.shape[0]], min=0, max=1)
        voiced = (active & (aperiodicity[:, 0] < VOICED_APERIODICITY)).float()
        # YIN gives noise an arbitrary pitch, so only voiced frames count.
        weights = weights_or_all(voiced)[:, None]
        voiced_mean = (semitones * weights).sum() / weights.sum()
        semitones = torch.where(weights > 0, semitones, voiced_mean)
        shape = self._spectral_shape(samples, power, magnitude)
        return Descriptors(
            mfcc=log_mel @ self.dct,
            log_mel=log_mel,
            mel=mel,
            chroma=chroma,
            contrast=spectral.spectral_contrast(magnitude, self.bands),
            prosody=torch.cat([semitones, level, *shape[:-1], aperiodicity, shape[-1]], dim=-1),
            voiced=voiced,
            active=active.float(),
        )

    def _spectral_shape(self, samples: Tensor, power: Tensor, magnitude: Tensor) -> list[Tensor]:
        """Return centroid, bandwidth, roll-off (kHz), zero-crossing rate, four band levels minus their mean (dB)."""
        centroid, bandwidth = spectral.spectral_moments(magnitude, self.frequencies_hz)
        roll_off = spectral.roll_off(magnitude, self.frequencies_hz)
        crossings = spectral.zero_crossing_rate(samples, frame_length=WIN_LENGTH, hop_length=HOP_LENGTH)
        bands = spectral.decibel(power @ self.level_bands, top_db=None)
        tilt = bands - bands.mean(-1, keepdim=True)
        return [centroid / 1000, bandwidth / 1000, roll_off / 1000, crossings, tilt]
