"""The standard feature set with librosa and numpy: a peer of `emotone.benchmark.rows`, and a second implementation.

Three variants, each with one short-time Fourier transform and without a Python loop over frames or columns:

* `LibrosaFunctionals(separately=True)` is the usual code: librosa's public functions, including `librosa.yin`, and
  numpy's mean, std and quantile of each descriptor in turn;
* `LibrosaFunctionals()` is as fast as librosa and numpy allow without compiled code: streams are stacked so that each
  statistic is one numpy call, one sort serves all quantiles, and the body of `librosa.yin` runs once;
* `LibrosaFunctionals(keep_filters=True)` also computes the mel and chroma filter banks only once and multiplies by
  them itself, because librosa computes them in each call.
"""

from typing import Any

import librosa
import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.signal
from librosa.core import pitch as librosa_pitch

from emotone.features.statistics import MIN_FRAMES

RATE, N_FFT, WIN, HOP = 16_000, 1024, 512, 160
N_MELS, N_MFCC = 128, 40
PITCH_LOW_HZ, PITCH_HIGH_HZ, PITCH_FRAME, PITCH_HOP = 65.0, 600.0, 400, 80
LEVEL_BANDS_HZ = ((50, 1000), (1000, 2000), (2000, 5000), (5000, 8000))
SHARES = np.array([0.05, 0.25, 0.5, 0.75, 0.95], dtype=np.float32)
N_COSINES, N_COSINE_MFCC, N_OCTAVES, BAND_GROUP = 5, 20, 6, 4
FLOOR = 1e-10

Array = npt.NDArray[Any]  # float32; numpy's own types widen to floating
Mask = npt.NDArray[np.bool_]


class LibrosaFunctionals:
    """(n,) float32 at 16 kHz -> (2022,) float32, the columns of `emotone.features.functionals.Functionals`.

    Parameters
    ----------
    separately
        Compute the statistics of each descriptor by separate calls, and the pitch by the public function.
    keep_filters
        Make the mel and chroma filter banks once instead of in each call, which librosa's functions don't offer.
    """

    def __init__(self, *, separately: bool = False, keep_filters: bool = False) -> None:
        self.separately = separately
        self.keep_filters = keep_filters
        offset = np.arange(-24, 25)
        taps = 0.5 * np.sinc(0.5 * offset) * np.hanning(51)[1:-1]
        self.halving_filter = (taps / taps.sum()).astype(np.float32)
        frequencies = librosa.fft_frequencies(sr=RATE, n_fft=N_FFT)
        bands = np.stack([(frequencies >= low) & (frequencies < high) for low, high in LEVEL_BANDS_HZ])
        self.level_bands = bands.astype(np.float32)
        self.mel_filters = librosa.filters.mel(sr=RATE, n_fft=N_FFT, n_mels=N_MELS)
        self.chroma_filters = librosa.filters.chroma(sr=RATE, n_fft=N_FFT, tuning=0)

    def __call__(self, waveform: Array) -> Array:
        """(n,) -> (2022,)."""
        samples = waveform * np.float32(1 / np.sqrt(max(np.mean(waveform * waveform), 1e-14)))
        magnitude = np.abs(librosa.stft(samples, n_fft=N_FFT, win_length=WIN, hop_length=HOP))
        power = magnitude * magnitude
        mel, log_mel, mfcc, chroma = self._mel_and_chroma(power)
        contrast = librosa.feature.spectral_contrast(S=magnitude, sr=RATE, n_bands=5)
        level = 10 * np.log10(
            np.maximum(librosa.feature.rms(y=samples, frame_length=WIN, hop_length=HOP)[0] ** 2, FLOOR)
        )
        active = level > level.max() - 35.0
        semitones, aperiodicity = self._pitch(samples, n_frames=power.shape[1])
        voiced = active & (aperiodicity < 0.35)
        kept = _or_all(voiced)
        semitones = np.where(kept, semitones, semitones[kept].mean())
        prosody = np.stack(
            [semitones, level, *_shape(samples, magnitude), aperiodicity, *self._tilt(power)], dtype=np.float32
        )
        statistics = _statistics_separately if self.separately else _statistics
        return np.concatenate(
            statistics(mfcc, log_mel, mel, chroma, contrast, prosody, voiced=voiced, active=active), dtype=np.float32
        )

    def _mel_and_chroma(self, power: Array) -> tuple[Array, Array, Array, Array]:
        if not self.keep_filters:
            mel = librosa.feature.melspectrogram(S=power, sr=RATE, n_mels=N_MELS)
            log_mel = librosa.power_to_db(mel)
            mfcc = librosa.feature.mfcc(S=log_mel, n_mfcc=N_MFCC)
            return mel, log_mel, mfcc, librosa.feature.chroma_stft(S=power, sr=RATE, n_fft=N_FFT, tuning=0)
        mel = self.mel_filters @ power
        log_mel = librosa.power_to_db(mel)
        mfcc = scipy.fft.dct(log_mel, axis=0, type=2, norm="ortho")[:N_MFCC]
        gathered = self.chroma_filters @ power
        return mel, log_mel, mfcc, gathered / np.maximum(gathered.max(axis=0), 1e-20)

    def _pitch(self, samples: Array, *, n_frames: int) -> tuple[Array, Array]:
        """`librosa.yin` on the signal at half the rate, which also keeps the trough's depth: semitones, aperiodicity.

        The body is that of `librosa.yin`, because the public function gives the frequency only: with it the trough's
        depth takes a second pass.
        """
        # np.convolve would compute the samples that are left out, too.
        halved = scipy.signal.upfirdn(self.halving_filter, np.pad(samples, (0, 24)), down=2)[12:]
        halved = halved[: -(-len(samples) // 2)]
        frames = librosa.util.frame(np.pad(halved, PITCH_FRAME // 2), frame_length=PITCH_FRAME, hop_length=PITCH_HOP)
        frames = frames[:, :n_frames]
        low, high = int(RATE / 2 / PITCH_HIGH_HZ), int(np.ceil(RATE / 2 / PITCH_LOW_HZ))
        if self.separately:
            settings: dict[str, Any] = {"frame_length": PITCH_FRAME, "hop_length": PITCH_HOP}
            librosa.yin(halved, fmin=PITCH_LOW_HZ, fmax=PITCH_HIGH_HZ, sr=RATE // 2, **settings)
        d = librosa_pitch._cumulative_mean_normalized_difference(frames, low, high)
        shifts = librosa_pitch._parabolic_interpolation(d)
        trough = librosa.util.localmin(d, axis=-2)
        trough[0] = d[0] < d[1]
        trough &= d < 0.1
        period = np.where(trough.any(axis=0), np.argmax(trough, axis=0), np.argmin(d, axis=0))[None]
        shift = np.take_along_axis(shifts, period, axis=0)[0]
        depth = np.take_along_axis(d, period, axis=0)[0]
        return 12 * np.log2(RATE / 2 / (low + period[0] + shift) / 100), np.clip(depth, 0, 1)

    def _tilt(self, power: Array) -> Array:
        bands = 10 * np.log10(np.maximum(self.level_bands @ power, FLOOR))
        tilt: Array = bands - bands.mean(axis=0)
        return tilt


def _shape(samples: Array, magnitude: Array) -> tuple[Array, Array, Array, Array]:
    """Centroid, bandwidth, roll-off (kHz) and zero-crossing rate, each (frames,)."""
    centroid = librosa.feature.spectral_centroid(S=magnitude, sr=RATE)
    bandwidth = librosa.feature.spectral_bandwidth(S=magnitude, sr=RATE, centroid=centroid)
    roll_off = librosa.feature.spectral_rolloff(S=magnitude, sr=RATE)
    crossings = librosa.feature.zero_crossing_rate(samples, frame_length=WIN, hop_length=HOP)
    return centroid[0] / 1000, bandwidth[0] / 1000, roll_off[0] / 1000, crossings[0]


def _or_all(mask: Mask) -> Mask:
    return mask if np.count_nonzero(mask) >= MIN_FRAMES else np.ones_like(mask)


def _moments(values: Array, mask: Mask | None = None) -> Array:
    """Mean and standard deviation of each row, (2, d)."""
    chosen = values if mask is None else values[:, _or_all(mask)]
    return np.stack([chosen.mean(axis=1), chosen.std(axis=1)])


def _quantiles(ordered: Array) -> Array:
    """Quantiles of sorted rows by linear interpolation, (5, d)."""
    place = SHARES * np.float32(ordered.shape[1] - 1)
    low = place.astype(np.intp)
    high = np.minimum(low + 1, ordered.shape[1] - 1)
    below, above = ordered[:, low], ordered[:, high]
    values: Array = (below + (above - below) * (place - low)).T
    return values


def _cosines(values: Array) -> Array:
    n_frames = values.shape[1]
    time = (np.arange(n_frames, dtype=np.float32) + 0.5) / n_frames
    basis = np.cos(np.pi * np.outer(time, np.arange(1, N_COSINES + 1))) * (np.sqrt(2) / n_frames)
    cosines: Array = (values @ basis.astype(np.float32)).T
    return cosines


def _modulation(values: Array) -> Array:
    smooth, energies = values, []
    for octave in range(N_OCTAVES):
        step = min(2**octave, smooth.shape[1])
        shifted = np.concatenate([smooth[:, step:], np.repeat(smooth[:, -1:], step, axis=1)], axis=1)
        change = (smooth - shifted) / 2
        energies.append(np.mean(change * change, axis=1))
        smooth = (smooth + shifted) / 2
    logarithms: Array = np.log(np.maximum(np.stack(energies), 1e-3))
    return logarithms


def _contour(pitch: Array, voiced: Mask) -> list[float]:
    kept = _or_all(voiced)
    time = (np.arange(len(pitch)) + 1) / len(pitch)
    centred = time[kept] - time[kept].mean()
    both = voiced[1:] & voiced[:-1]
    steps = np.abs(np.diff(pitch))[both]
    return [centred @ pitch[kept] / max(centred @ centred, 1e-6), steps.sum() / max(len(steps), 1)]


def _rhythm(voiced: Mask, active: Mask) -> list[float]:
    seconds = len(voiced) / 100
    runs = [np.count_nonzero(mask[1:] & ~mask[:-1]) + mask[0] for mask in (voiced, active)]
    run_s = np.count_nonzero(voiced) / 100 / max(runs[0], 1)
    return [voiced.mean(), active.mean(), runs[0] / seconds, run_s, runs[1] / seconds, np.log(seconds)]


def _statistics(
    mfcc: Array,
    log_mel: Array,
    mel: Array,
    chroma: Array,
    contrast: Array,
    prosody: Array,
    *,
    voiced: Mask,
    active: Mask,
) -> list[Any]:
    """All columns in the order of `Functionals`; each argument is (d, frames)."""
    first = librosa.feature.delta(np.concatenate([mfcc, prosody]))
    first_mfcc, first_prosody = first[:N_MFCC], first[N_MFCC:]
    second = librosa.feature.delta(mfcc, order=2)
    streams = [mfcc, first_mfcc, second, contrast, prosody, first_prosody]  # the first two also over unvoiced frames
    edges = np.cumsum([len(stream) for stream in streams])[:-1]
    stacked = np.concatenate(streams)
    everywhere = np.split(_moments(stacked), edges, axis=1)
    in_voice = np.split(_moments(stacked, voiced), edges, axis=1)
    unvoiced = np.split(_moments(stacked[: 2 * N_MFCC], active & ~voiced), [N_MFCC], axis=1)
    parts: list[Any] = []
    for number, values in enumerate(everywhere):
        if number == 3:
            parts += [_moments(log_mel), _moments(chroma)]
        parts += [values, in_voice[number]]
        if number < 2:
            parts.append(unvoiced[number])
    parts.append(10 * np.log10(np.maximum(mel.mean(axis=1), FLOOR)))

    ordered = np.sort(np.concatenate([prosody, first_prosody, mfcc]), axis=1)
    n_prosody = len(prosody)
    for rows in np.split(ordered, [n_prosody, 2 * n_prosody]):
        parts += [_quantiles(rows), rows[:, 0], rows[:, -1]]
    of_pitch = _quantiles(np.sort(prosody[:1, _or_all(voiced)], axis=1))[:, 0]
    parts += [of_pitch, [of_pitch[4] - of_pitch[0], of_pitch[3] - of_pitch[1]]]
    parts += [_contour(prosody[0], voiced), _rhythm(voiced, active)]
    cosines = np.split(_cosines(np.concatenate([mfcc[:N_COSINE_MFCC], prosody])), [N_COSINE_MFCC], axis=1)
    bands = log_mel.reshape(N_MELS // BAND_GROUP, BAND_GROUP, -1).mean(axis=1)
    modulation = np.split(_modulation(np.concatenate([bands, prosody])), [len(bands)], axis=1)
    return [np.ravel(part) for part in (*parts, *cosines, *modulation)]


def _statistics_separately(
    mfcc: Array,
    log_mel: Array,
    mel: Array,
    chroma: Array,
    contrast: Array,
    prosody: Array,
    *,
    voiced: Mask,
    active: Mask,
) -> list[Any]:
    """What `_statistics` gives, descriptor by descriptor."""
    first, second = librosa.feature.delta(mfcc), librosa.feature.delta(mfcc, order=2)
    first_prosody = librosa.feature.delta(prosody)
    unvoiced = active & ~voiced
    parts: list[Any] = []
    for values, masks in (
        (mfcc, (None, voiced, unvoiced)),
        (first, (None, voiced, unvoiced)),
        (second, (None, voiced)),
        (log_mel, (None,)),
        (chroma, (None,)),
        (contrast, (None, voiced)),
        (prosody, (None, voiced)),
        (first_prosody, (None, voiced)),
    ):
        parts += [_moments(values, mask) for mask in masks]
    parts.append(10 * np.log10(np.maximum(mel.mean(axis=1), FLOOR)))
    for values in (prosody, first_prosody, mfcc):
        parts += [np.quantile(values, SHARES, axis=1), values.min(axis=1), values.max(axis=1)]
    of_pitch = np.quantile(prosody[0, _or_all(voiced)], SHARES)
    parts += [of_pitch, [of_pitch[4] - of_pitch[0], of_pitch[3] - of_pitch[1]]]
    parts += [_contour(prosody[0], voiced), _rhythm(voiced, active)]
    bands = log_mel.reshape(N_MELS // BAND_GROUP, BAND_GROUP, -1).mean(axis=1)
    parts += [_cosines(mfcc[:N_COSINE_MFCC]), _cosines(prosody), _modulation(bands), _modulation(prosody)]
    return [np.ravel(part) for part in parts]
