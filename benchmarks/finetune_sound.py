"""Alter the sound of a padded batch on its device: speed, room, noise, band and gain.

Each alteration has its own chance.  Speed has one factor for the batch; the others have their own values for each clip,
and are computed for the chosen clips alone.  All choices come from a generator of numpy on the CPU, so that no step
waits for the device; noise itself comes from a generator of the device.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch
from finetune_clips import sound
from numpy.typing import NDArray
from torch import Tensor

from emotone.audio import SAMPLE_RATE
from emotone.errors import ConfigError

_SPEED = (0.88, 1.13)
_SNR_DB, _SLOPE = (0.0, 25.0), (0.0, 1.5)  # of noise: 0 white, 1 pink
_DECAY_S, _DIRECT_DB = (0.15, 0.6), (0.0, 12.0)
_TELEPHONE_HZ = (300.0, 3400.0)
_LOW_HZ, _HIGH_HZ = (50.0, 400.0), (2500.0, 7000.0)
_GAIN_DB = (-20.0, 20.0)
_EDGE = 0.1  # of a band: width of its edges, as a share of their frequency
_QUIET = 1e-10  # lower limit of a mean square
_STEP = 160  # samples: sizes of sped-up batches are multiples of it


@dataclass(frozen=True)
class Chances:
    """The chance of each alteration, in [0, 1]; of speed for the batch, of the others for a clip.

    The default has the built-in model's two other speeds for each clip as it is, and the faults of everyday recordings.
    """

    speed: float = 0.67
    room: float = 0.3
    noise: float = 0.4
    band: float = 0.2
    gain: float = 0.2

    def __post_init__(self) -> None:
        for item in fields(self):
            if not 0 <= getattr(self, item.name) <= 1:
                raise ConfigError(f"the chance of {item.name} is {getattr(self, item.name)}; expected 0 to 1")

    @classmethod
    def parse(cls, text: str) -> "Chances":
        """Read "speed=0.67,noise=0.4"; alterations that are not named have no chance.

        Raises
        ------
        ConfigError
            A name is unknown, or a chance is no number in [0, 1].
        """
        known = [item.name for item in fields(cls)]
        chances = dict.fromkeys(known, 0.0)
        for part in filter(None, text.split(",")):
            name, _, value = part.partition("=")
            try:
                chances[known[known.index(name)]] = float(value)
            except ValueError:
                raise ConfigError(
                    f"{part!r} in {text!r}; expected NAME=CHANCE, names: {', '.join(known)}, chances 0 to 1"
                ) from None
        return cls(**chances)


def altered(
    waveforms: Tensor, lengths: Tensor, chances: Chances, *, rng: np.random.Generator, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Alter a batch.

    Parameters
    ----------
    waveforms, lengths
        (b, n), 0 after the end of a clip, and (b,); they are not changed.
    rng, generator
        Sources of choices and of noise; the latter on the device of ``waveforms``.

    Returns
    -------
    Waveforms (b, m), 0 after the end of a clip, and their lengths (b,).  The root mean square of a clip changes only by
    speed, noise and gain.
    """
    n_clips = len(waveforms)
    if rng.random() < chances.speed:
        waveforms, lengths = sped(waveforms, lengths, factor=rng.uniform(*_SPEED))

    def drawn(bounds: tuple[float, float], n: int) -> Tensor:
        return on_device(rng.uniform(*bounds, size=n), waveforms)

    def change(name: str, function: Callable[[Tensor, Tensor, int], Tensor]) -> None:
        nonlocal waveforms
        rows = np.flatnonzero(rng.random(n_clips) < getattr(chances, name))
        if rows.size:
            place = torch.from_numpy(rows).to(waveforms.device)
            changed = function(waveforms[place], lengths[place], rows.size)
            waveforms = waveforms.index_copy(0, place, changed)

    change("room", lambda x, n, b: reverberant(x, n, drawn(_DECAY_S, b), drawn(_DIRECT_DB, b), generator))
    change("noise", lambda x, n, b: noisy(x, n, drawn(_SNR_DB, b), drawn(_SLOPE, b), generator))
    change("band", lambda x, n, b: limited(x, n, *(on_device(edges, x) for edges in _bands(b, rng))))
    change("gain", lambda x, n, b: louder(x, drawn(_GAIN_DB, b)))
    return waveforms, lengths


def _bands(n_clips: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw lower and upper limits in Hz, each (b,): half of them are those of a telephone."""
    limits = (_LOW_HZ, _HIGH_HZ)
    low, high = (np.exp(rng.uniform(*np.log(bounds), size=n_clips)) for bounds in limits)
    telephone = rng.random(n_clips) < 0.5
    return np.where(telephone, _TELEPHONE_HZ[0], low), np.where(telephone, _TELEPHONE_HZ[1], high)


def on_device(values: NDArray[np.float64], like: Tensor) -> Tensor:
    """Return numbers as float32 on the device of another tensor."""
    return torch.from_numpy(values.astype(np.float32)).to(like.device)


def sped(waveforms: Tensor, lengths: Tensor, *, factor: float) -> tuple[Tensor, Tensor]:
    """Play a batch about ``factor`` times as fast, by the Fourier transform of the whole batch."""
    before = waveforms.shape[1]
    after = max(1, round(before / factor / _STEP)) * _STEP
    faster = torch.fft.irfft(torch.fft.rfft(waveforms), n=after) * (after / before)
    lengths = torch.clamp((lengths * (after / before)).round().long(), max=after)
    return faster * sound(lengths, after), lengths


def noisy(waveforms: Tensor, lengths: Tensor, snr_db: Tensor, slope: Tensor, generator: torch.Generator) -> Tensor:
    """Add noise whose power falls as 1 / f^slope, at a signal-to-noise ratio in dB; values are (b,)."""
    size = waveforms.shape[1]
    spectrum = torch.fft.rfft(torch.randn(waveforms.shape, device=waveforms.device, generator=generator))
    bins = torch.arange(spectrum.shape[1], device=waveforms.device).clamp(min=1).float()
    noise = torch.fft.irfft(spectrum * bins ** (-slope[:, None] / 2), n=size) * sound(lengths, size)
    ratio = mean_square(waveforms, lengths) / mean_square(noise, lengths) / 10 ** (snr_db / 10)
    return waveforms + noise * ratio.sqrt()[:, None]


def reverberant(
    waveforms: Tensor, lengths: Tensor, decay_s: Tensor, direct_db: Tensor, generator: torch.Generator
) -> Tensor:
    """Add the tail of a room, as `emotone.augment.transforms.Room` does; values are (b,).

    Length and root mean square do not change.
    """
    size, tail_size = waveforms.shape[1], round(_DECAY_S[1] * SAMPLE_RATE)
    steps = torch.arange(1, tail_size + 1, device=waveforms.device)
    decay = decay_s[:, None] * SAMPLE_RATE
    tail = torch.randn((len(waveforms), tail_size), device=waveforms.device, generator=generator)
    tail = tail * 10 ** (-3 * steps / decay) * (steps <= decay)
    tail = tail * (10 ** (-direct_db[:, None] / 10) / tail.square().sum(1, keepdim=True)).sqrt()
    whole = -(-(size + tail_size) // _STEP) * _STEP  # long enough that the end does not wrap around
    wet = torch.fft.irfft(torch.fft.rfft(waveforms, n=whole) * torch.fft.rfft(tail, n=whole), n=whole)
    delayed = torch.nn.functional.pad(wet[:, : size - 1], (1, 0))  # the tail begins a sample after the direct sound
    return _as_loud(waveforms + delayed, waveforms, lengths)


def limited(waveforms: Tensor, lengths: Tensor, low_hz: Tensor, high_hz: Tensor) -> Tensor:
    """Remove frequencies outside a band; limits are (b,).  The root mean square does not change."""
    size = waveforms.shape[1]
    hz = torch.arange(size // 2 + 1, device=waveforms.device) * (SAMPLE_RATE / size)
    above = (hz / low_hz[:, None] - 1) / _EDGE + 1  # the edge is below the lower limit, and above the upper one
    below = (1 - hz / high_hz[:, None]) / _EDGE + 1
    gain = torch.clamp(torch.minimum(above, below), 0, 1)
    return _as_loud(torch.fft.irfft(torch.fft.rfft(waveforms) * gain, n=size), waveforms, lengths)


def louder(waveforms: Tensor, gain_db: Tensor) -> Tensor:
    """Change the level by (b,) dB, clip at full scale, and round as a 16-bit recording does."""
    samples = waveforms * 10 ** (gain_db[:, None] / 20) * 32768
    return torch.clamp(samples.round(), -32768, 32767) / 32768


def mean_square(waveforms: Tensor, lengths: Tensor) -> Tensor:
    """Return the mean square of each clip (b,), at least 1e-10."""
    inside = waveforms * sound(lengths, waveforms.shape[1])
    return torch.clamp(inside.square().sum(1) / lengths, min=_QUIET)


def _as_loud(waveforms: Tensor, before: Tensor, lengths: Tensor) -> Tensor:
    """Give clips the root mean square that they had before, and silence after their end."""
    ratio = mean_square(before, lengths) / mean_square(waveforms, lengths)
    return waveforms * ratio.sqrt()[:, None] * sound(lengths, waveforms.shape[1])
