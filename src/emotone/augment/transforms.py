"""Augmentation of training folds: the same words and emotion in another room, voice or microphone.

A transform is a frozen dataclass of the ranges from which it draws its parameters.  It is called with a waveform and a
random generator; no random state is global.  `seed_for` derives the generator of an augmented copy from the content of
the recording, so the order of processing has no effect.  Mixup needs two clips, so it is not a transform: `mixed_rows`
applies it to feature vectors.

To add a transform: write its class here and add it to `TRANSFORMS`.

References
----------
T. Ko et al., Audio augmentation for speech recognition, Interspeech 2015 (speed).
D. S. Park et al., SpecAugment: A simple data augmentation method for automatic speech recognition, Interspeech 2019
(time-mask, frequency-mask; here on waveforms, so that they work with all kinds of features).
H. Zhang et al., mixup: Beyond empirical risk minimization, ICLR 2018.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np

from emotone.audio import MIN_DURATION_S, MIN_SAMPLES, SAMPLE_RATE
from emotone.augment._dsp import band_gain, fitted, impulse_response, mel, resampled, span_gain, stretched
from emotone.errors import AudioError, ConfigError, FeatureError

_POSITIVE = {"min_factor", "min_rate", "min_decay_s", "min_width_mel", "min_spans"}


@dataclass(frozen=True)
class Transform:
    """A random change of a waveform with a given seed; `TRANSFORMS` has the subclasses."""

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
            (n,) at 16 kHz, at least 0.2 s.  It is not changed in place.
        rng
            Random generator of all draws.

        Returns
        -------
        (m,) float32, not clipped: a peak may exceed 1.

        Raises
        ------
        AudioError
            The waveform isn't 1-D, is too short, or holds NaN or infinity.
        """
        waveform = np.asarray(waveform)
        if waveform.ndim != 1:
            raise AudioError(f"a waveform of shape {waveform.shape} can't be augmented; expected (n,), one channel")
        if waveform.size < MIN_SAMPLES:
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
    """Stationary noise at a random signal-to-noise ratio in dB; its power falls as 1 / f^slope (0 white, 1 pink)."""

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
        noise = coloured_noise(waveform.size, slopes=(self.min_slope, self.max_slope), rng=rng)
        scale = np.sqrt(signal_power / np.mean(noise**2) / 10 ** (snr_db / 10))
        return np.asarray(waveform + scale * noise)


def coloured_noise(size: int, *, slopes: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Return (size,) samples of noise whose power falls as 1 / f^slope, with a random slope between two."""
    spectrum = np.fft.rfft(rng.standard_normal(size))
    spectrum[1:] *= np.arange(1, spectrum.size) ** (-rng.uniform(*slopes) / 2)
    return np.fft.irfft(spectrum, size)


@dataclass(frozen=True)
class Gain(Transform):
    """Louder or softer by a random gain in dB."""

    name: ClassVar[str] = "gain"
    min_gain_db: float = -12.0
    max_gain_db: float = 6.0

    def _change(self, waveform: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
        gain_db = rng.uniform(self.min_gain_db, self.max_gain_db)
        return waveform * float(10 ** (gain_db / 20))


@dataclass(frozen=True)
class Speed(Transform):
    """Played faster or slower, like a tape: pitch, formants and tempo change by a random factor."""

    name: ClassVar[str] = "speed"
    min_factor: float = 0.88
    max_factor: float = 1.13

    def _change(self, waveform: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
        return resampled(waveform, factor=rng.uniform(self.min_factor, self.max_factor))


@dataclass(frozen=True)
class Pitch(Transform):
    """Higher or lower by random semitones at the same length; formants shift too, as between speakers."""

    name: ClassVar[str] = "pitch"
    min_semitones: float = -2.0
    max_semitones: float = 2.0

    def _change(self, waveform: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
        ratio = 2 ** (rng.uniform(self.min_semitones, self.max_semitones) / 12)
        return fitted(resampled(stretched(waveform, rate=1 / ratio), factor=ratio), length=waveform.size)


@dataclass(frozen=True)
class Stretch(Transform):
    """Spoken faster or slower at the same pitch: the length is divided by a random rate."""

    name: ClassVar[str] = "stretch"
    min_rate: float = 0.88
    max_rate: float = 1.13

    def _change(self, waveform: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
        return stretched(waveform, rate=rng.uniform(self.min_rate, self.max_rate))


@dataclass(frozen=True)
class Room(Transform):
    """Reverberation: convolution with an impulse and a noise tail that decays by 60 dB in a random time.

    The level of the tail is the direct-to-reverberant ratio, also random.  Length and RMS do not change.
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
        # a power of two is fastest, and long enough that the end does not wrap around
        size = 1 << (waveform.size + response.size - 1).bit_length()
        wet = np.fft.irfft(np.fft.rfft(waveform, size) * np.fft.rfft(response, size), size)[: waveform.size]
        power = np.mean(wet**2)
        return wet * np.sqrt(np.mean(waveform**2) / power) if power > 0 else wet


@dataclass(frozen=True)
class TimeMask(Transform):
    """A few spans attenuated by 40 dB, at random places and each of a random share of the clip."""

    name: ClassVar[str] = "time-mask"
    min_spans: int = 1
    max_spans: int = 2
    min_share: float = 0.05
    max_share: float = 0.15

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (isinstance(self.min_spans, int) and isinstance(self.max_spans, int)):
            raise ConfigError(f"{self.name}: {self.min_spans} to {self.max_spans} spans; expected whole numbers")
        if not 0 <= self.min_share <= self.max_share <= 1:
            raise ConfigError(f"{self.name}: shares {self.min_share} to {self.max_share}; expected 0 to 1")

    def _change(self, waveform: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
        spans = []
        for _ in range(rng.integers(self.min_spans, self.max_spans, endpoint=True)):
            length = round(rng.uniform(self.min_share, self.max_share) * waveform.size)
            spans.append((int(rng.integers(waveform.size - length, endpoint=True)), length))
        return np.asarray(waveform * span_gain(waveform.size, spans=spans))


@dataclass(frozen=True)
class FrequencyMask(Transform):
    """A band attenuated by 40 dB; its centre and width are uniform on the mel scale."""

    name: ClassVar[str] = "frequency-mask"
    min_centre_hz: float = 200.0
    max_centre_hz: float = 6000.0
    min_width_mel: float = 100.0
    max_width_mel: float = 400.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.min_centre_hz <= self.max_centre_hz <= SAMPLE_RATE / 2:
            raise ConfigError(
                f"{self.name}: centres {self.min_centre_hz} to {self.max_centre_hz} Hz; "
                f"expected 0 to {SAMPLE_RATE // 2}"
            )

    def _change(self, waveform: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
        low, high = mel(np.array([self.min_centre_hz, self.max_centre_hz]))
        centre_mel = float(rng.uniform(low, high))
        half_mel = rng.uniform(self.min_width_mel, self.max_width_mel) / 2
        # a power of two is fastest, and 0.1 s more keep the filter's ringing from wrapping around to the start
        size = 1 << (waveform.size + SAMPLE_RATE // 10 - 1).bit_length()
        hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
        gain = band_gain(hz, low_mel=centre_mel - half_mel, high_mel=centre_mel + half_mel)
        return np.fft.irfft(np.fft.rfft(waveform, size) * gain, size)[: waveform.size]


#: Name -> transform with its default ranges.  `emotone.augment.registry` adds those that are made of several.
TRANSFORMS: dict[str, Transform] = {
    transform.name: transform
    for transform in (Noise(), Gain(), Speed(), Pitch(), Stretch(), Room(), TimeMask(), FrequencyMask())
}


def apply(waveform: np.ndarray, *, transforms: Iterable[Transform], rng: np.random.Generator) -> np.ndarray:
    """Apply ``transforms`` one after another to ``waveform`` (n,): (m,) float32."""
    result = np.asarray(waveform, dtype=np.float32)
    for transform in transforms:
        result = transform(result, rng=rng)
    return result


def seed_for(base_seed: int, *, digest: str, copy_index: int) -> np.random.Generator:
    """Make the random generator of an augmented copy; it depends on content, number and seed, not on processing order.

    Parameters
    ----------
    base_seed
        The experiment's seed, 0 or more.
    digest
        Hexadecimal digest of the recording (`emotone.audio.content_digest`).
    copy_index
        Number of the copy, 0 or more.

    Raises
    ------
    ConfigError
        A number is negative, or the digest isn't hexadecimal.

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


def mixed_rows(
    X: np.ndarray, y: np.ndarray, *, alpha: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Mix each row of a training set with another: mixup for models that take one label per clip.

    The row's share is max(s, 1 - s), with s from Beta(alpha, alpha).  The label is the row's, which has the larger
    share.

    Parameters
    ----------
    X
        (m, d) features of m >= 2 clips.
    y
        (m,) labels.
    alpha
        Strength, above 0: near 0 almost nothing is mixed in; with 1 the share is uniform in [0.5, 1].
    rng
        Random generator of partners and shares.

    Returns
    -------
    mixed
        (m, d), of the type of X if that is floating point, else float64.
    labels
        (m,), a copy of y.

    Raises
    ------
    ConfigError
        alpha isn't positive.
    FeatureError
        X isn't a table of two rows or more with a label for each.
    """
    if not (np.isfinite(alpha) and alpha > 0):
        raise ConfigError(f"alpha is {alpha}; expected a number above 0")
    if X.ndim != 2 or len(X) < 2 or y.shape != (len(X),):
        raise FeatureError(
            f"features of shape {X.shape} with labels of shape {y.shape} can't be mixed; "
            "expected (m, d) and (m,), two rows or more"
        )
    partners = (np.arange(len(X)) + rng.integers(1, len(X), size=len(X))) % len(X)  # never the row itself
    drawn = rng.beta(alpha, alpha, size=(len(X), 1))
    own = np.maximum(drawn, 1 - drawn).astype(np.result_type(X.dtype, np.float16))
    return own * X + (1 - own) * X[partners], y.copy()
