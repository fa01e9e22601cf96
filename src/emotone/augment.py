"""Waveform transforms that widen the training folds: the same words and emotion, another room, voice or microphone.

Every transform is a frozen dataclass of the ranges it draws from, called with a waveform and a random generator;
nothing random is global.  `seed_for` gives each augmented copy its generator from the recording's content, so that a
copy is the same whatever was processed before it.

Pitch and time are changed here with WSOLA and a resampler rather than by pedalboard or audiomentations: forty lines of
numpy against a compiled audio host or a tree of dependencies, and, overlapping whole pitch periods of the waveform
itself, WSOLA keeps a voice's transients, which a phase vocoder smears.

References
----------
W. Verhelst and M. Roelands, An overlap-add technique based on waveform similarity (WSOLA), ICASSP 1993.
T. Ko et al., Audio augmentation for speech recognition, Interspeech 2015 (speed).
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
import soxr

from emotone.audio import MIN_DURATION_S, SAMPLE_RATE
from emotone.errors import AudioError, ConfigError

_FRAME = 512  # samples, 32 ms: two periods or more of nearly every voice
_HOP = _FRAME // 2  # a Hann window overlapped by half sums to one
_SEARCH = 160  # samples, 10 ms either way: 20 ms hold a whole period of 50 Hz
_POSITIVE = {"min_factor", "min_rate", "min_decay_s"}


@dataclass(frozen=True)
class Transform:
    """A seeded change of a waveform; the subclasses are in `TRANSFORMS`."""

    name: ClassVar[str]

    def __post_init__(self) -> None:
        settings = fields(self)
        for low, high in zip(settings[::2], settings[1::2], strict=True):
            least, most = getattr(self, low.name), getattr(self, high.name)
            if not (np.isfinite([least, most]).all() and least <= most):
                raise ConfigError(f"{self.name}: {low.name}={least}, {high.name}={most}; give finite numbers in order")
            if least <= 0 and low.name in _POSITIVE:
                raise ConfigError(f"{self.name}: {low.name}={least}; expected more than 0")

    @property
    def spec(self) -> str:
        """Name and every parameter, for cache keys: ``gain(min_gain_db=-12.0,max_gain_db=6.0)``."""
        settings = ",".join(f"{field.name}={getattr(self, field.name)!r}" for field in fields(self))
        return f"{self.name}({settings})"

    def __call__(self, waveform: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
        """Change a waveform.

        Parameters
        ----------
        waveform
            (n,) at 16 kHz, 0.2 s or longer.  It is not changed in place.
        rng
            What every draw comes from.

        Returns
        -------
        numpy.ndarray
            (m,) float32, not clipped: a peak may exceed 1.

        Raises
        ------
        AudioError
            The waveform isn't one-dimensional, is too short, or holds NaN or infinity.
        """
        waveform = np.asarray(waveform)
        if waveform.ndim != 1:
            raise AudioError(f"a waveform of shape {waveform.shape} can't be augmented; expected (n,), one channel")
        if waveform.size < MIN_DURATION_S * SAMPLE_RATE:
            raise AudioError(
                f"{waveform.size} samples ({waveform.size / SAMPLE_RATE:.3f} s) are too few to augment; "
                f"expected {MIN_DURATION_S} s or more at {SAMPLE_RATE} Hz"
            )
        if not np.isfinite(waveform).all():
            raise AudioError("the waveform holds NaN or infinity; decode the recording again")
        return self._change(waveform.astype(np.float64), rng=rng).astype(np.float32)

    def _change(self, waveform: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
        raise NotImplementedError


@dataclass(frozen=True)
class Noise(Transform):
    """Stationary noise at a signal-to-noise ratio drawn in dB; its power falls as 1 / f^slope (0 white, 1 pink)."""

    name: ClassVar[str] = "noise"
    min_snr_db: float = 10.0
    max_snr_db: float = 30.0
    min_slope: float = 0.0
    max_slope: float = 1.0

    def _change(self, waveform: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
        signal_power = np.mean(waveform**2)
        if signal_power == 0:
            raise AudioError(
                "the waveform is silent, so no noise has a signal-to-noise ratio to it; leave the clip out"
            )
        snr_db = rng.uniform(self.min_snr_db, self.max_snr_db)
        spectrum = np.fft.rfft(rng.standard_normal(waveform.size))
        spectrum[1:] *= np.arange(1, spectrum.size) ** (-rng.uniform(self.min_slope, self.max_slope) / 2)
        noise = np.fft.irfft(spectrum, waveform.size)
        scale = np.sqrt(signal_power / np.mean(noise**2) / 10 ** (snr_db / 10))
        return np.asarray(waveform + scale * noise)


@dataclass(frozen=True)
class Gain(Transform):
    """Louder or softer by a gain drawn in dB."""

    name: ClassVar[str] = "gain"
    min_gain_db: float = -12.0
    max_gain_db: float = 6.0

    def _change(self, waveform: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
        gain_db = rng.uniform(self.min_gain_db, self.max_gain_db)
        return waveform * float(10 ** (gain_db / 20))


@dataclass(frozen=True)
class Speed(Transform):
    """Played faster or slower, as a tape is: pitch, formants and tempo times a drawn factor, length divided by it."""

    name: ClassVar[str] = "speed"
    min_factor: float = 0.88
    max_factor: float = 1.13

    def _change(self, waveform: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
        return resampled(waveform, factor=rng.uniform(self.min_factor, self.max_factor))


@dataclass(frozen=True)
class Pitch(Transform):
    """Higher or lower by drawn semitones at the same length; formants move along, as between speakers."""

    name: ClassVar[str] = "pitch"
    min_semitones: float = -2.0
    max_semitones: float = 2.0

    def _change(self, waveform: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
        ratio = 2 ** (rng.uniform(self.min_semitones, self.max_semitones) / 12)
        return _fitted(resampled(stretched(waveform, rate=1 / ratio), factor=ratio), length=waveform.size)


@dataclass(frozen=True)
class Stretch(Transform):
    """Spoken faster or slower at the same pitch: length divided by a drawn rate."""

    name: ClassVar[str] = "stretch"
    min_rate: float = 0.88
    max_rate: float = 1.13

    def _change(self, waveform: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
        return stretched(waveform, rate=rng.uniform(self.min_rate, self.max_rate))


@dataclass(frozen=True)
class Room(Transform):
    """Reverberation: the sound, and after it noise that decays by 60 dB in a drawn time, at a drawn level.

    The level is the direct-to-reverberant ratio, energy of the direct path to that of the tail.  Length and RMS stay.
    """

    name: ClassVar[str] = "room"
    min_decay_s: float = 0.15
    max_decay_s: float = 0.6
    min_direct_db: float = 0.0
    max_direct_db: float = 12.0

    def _change(self, waveform: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
        response = impulse_response(
            decay_s=rng.uniform(self.min_decay_s, self.max_decay_s),
            direct_db=rng.uniform(self.min_direct_db, self.max_direct_db),
            rng=rng,
        )
        # a power of two is the fastest, and long enough that no end wraps round
        size = 1 << (waveform.size + response.size - 1).bit_length()
        wet = np.fft.irfft(np.fft.rfft(waveform, size) * np.fft.rfft(response, size), size)[: waveform.size]
        power = np.mean(wet**2)
        return wet * np.sqrt(np.mean(waveform**2) / power) if power > 0 else wet


def impulse_response(*, decay_s: float, direct_db: float, rng: np.random.Generator) -> np.ndarray:
    """Synthesise a room: one, then Gaussian noise under an exponential.

    Parameters
    ----------
    decay_s
        Seconds in which the tail decays by 60 dB (T60), positive.
    direct_db
        Energy of the direct path to that of the tail, dB.
    rng
        What the tail is drawn from.

    Returns
    -------
    numpy.ndarray
        (1 + decay_s in samples,) float64; the first sample is 1.
    """
    steps = np.arange(1, round(decay_s * SAMPLE_RATE) + 1)
    tail = rng.standard_normal(steps.size) * 10 ** (-3 * steps / (decay_s * SAMPLE_RATE))
    tail *= np.sqrt(10 ** (-direct_db / 10) / np.sum(tail**2))
    return np.concatenate([[1.0], tail])


def resampled(waveform: np.ndarray, *, factor: float) -> np.ndarray:
    """Play ``waveform`` (n,) ``factor`` times as fast: (round(n / factor),)."""
    faster = soxr.resample(waveform, SAMPLE_RATE * factor, SAMPLE_RATE, quality="HQ")
    return _fitted(faster, length=round(waveform.size / factor))


def _fitted(waveform: np.ndarray, *, length: int) -> np.ndarray:
    """Cut ``waveform``, or add zeros, to ``length`` samples: resamplers round their own way."""
    return np.pad(waveform[:length], (0, max(0, length - waveform.size)))


def stretched(waveform: np.ndarray, *, rate: float) -> np.ndarray:
    """Speak ``waveform`` (n,) ``rate`` times as fast at the same pitch, by WSOLA: (round(n / rate),).

    Output frames stand half a frame apart.  Each is taken from about where the rate says, slid by up to 10 ms to where
    the waveform is most like the natural continuation of the frame before (the greatest normalised cross-correlation).
    """
    length = round(waveform.size / rate)
    margin = _FRAME + _SEARCH
    padded = np.pad(waveform, (margin, margin + _FRAME))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FRAME) / _FRAME)
    out = np.zeros(length + 2 * _FRAME)
    energy = np.concatenate([[0.0], np.cumsum(padded**2)])
    position = (
        margin - _HOP
    )  # where in `padded` the frame of output time -_HOP begins: the first sample is fully covered
    for start in range(0, length + _HOP, _HOP):
        out[start : start + _FRAME] += window * padded[position : position + _FRAME]
        follows = padded[position + _HOP : position + _HOP + _FRAME]
        wanted = margin + round(start * rate)  # of the next frame, whose output time is `start`
        first = int(np.clip(wanted - _SEARCH, 0, padded.size - 2 * margin))
        likeness = np.correlate(padded[first : first + _FRAME + 2 * _SEARCH], follows, mode="valid")
        starts = first + np.arange(likeness.size)
        strength = np.sqrt(np.maximum(energy[starts + _FRAME] - energy[starts], 1e-12))
        position = int(starts[np.argmax(likeness / strength)])
    return out[_HOP : _HOP + length]


#: Name -> transform with its default ranges.
TRANSFORMS: dict[str, Transform] = {
    transform.name: transform for transform in (Noise(), Gain(), Speed(), Pitch(), Stretch(), Room())
}


def parse(names: str) -> tuple[Transform, ...]:
    """Look up transforms by their names, comma-separated, in the order in which they will be applied.

    Raises
    ------
    ConfigError
        A name is unknown or comes twice.

    Examples
    --------
    >>> [transform.name for transform in parse("speed, noise")]
    ['speed', 'noise']
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in TRANSFORMS:
            raise ConfigError(f"unknown transform {name!r}; known: {', '.join(TRANSFORMS)}")
        if wanted.count(name) > 1:
            raise ConfigError(f"transform {name!r} is named {wanted.count(name)} times; name it once")
    return tuple(TRANSFORMS[name] for name in wanted)


def apply(waveform: np.ndarray, *, transforms: Iterable[Transform], rng: np.random.Generator) -> np.ndarray:
    """Apply ``transforms`` one after another to ``waveform`` (n,): (m,) float32."""
    result = np.asarray(waveform, dtype=np.float32)
    for transform in transforms:
        result = transform(result, rng=rng)
    return result


def seed_for(base_seed: int, *, digest: str, copy_index: int) -> np.random.Generator:
    """Make the generator of one augmented copy: it depends on content and seed, not on the order of processing.

    Parameters
    ----------
    base_seed
        The experiment's seed, 0 or more.
    digest
        Hexadecimal digest of the recording (`emotone.audio.content_digest`).
    copy_index
        Which copy of the recording, 0 or more.

    Raises
    ------
    ConfigError
        A number is negative or the digest isn't hexadecimal.

    Examples
    --------
    >>> a, b = (seed_for(0, digest="ab12", copy_index=1).random() for _ in range(2))
    >>> a == b
    True
    """
    try:
        content = int(digest, 16)
    except ValueError:
        raise ConfigError(f"digest {digest!r} is not hexadecimal; use audio.content_digest") from None
    if min(base_seed, copy_index, content) < 0:
        raise ConfigError(f"seed {base_seed} and copy {copy_index} must be 0 or more")
    return np.random.default_rng([base_seed, copy_index, content])
