"""Short-time spectra and descriptors of them, as torch functions that can become an ONNX graph.

Every function has frames along the first axis, ``(frames, bins)``.  The definitions are librosa's (McFee et
al., "librosa: Audio and music signal analysis in Python", SciPy 2015), and the tests compare each of them with librosa
on real recordings.  The discrete Fourier transform consists of two matrix products over the folded frame, which is
faster in onnxruntime than its DFT operator (2.2 against 3.8 ms for three seconds and a transform of 512).
"""

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

# Small constants enter by clamp or where, never by addition: the exporter's optimiser drops an addition of 1e-10.

FloatArray = npt.NDArray[np.float64]

#: Power below which librosa's decibel scales stop.
POWER_FLOOR = 1e-10
_WIDE_BAND = 200  # bins


def frame(samples: Tensor, *, length: int, hop: int) -> Tensor:
    """Return overlapping frames, (n,) -> (1 + (n - length) // hop, length).

    They are built from blocks of one hop, which onnxruntime copies several times faster than it gathers single samples
    (as `Tensor.unfold` would).
    """
    n_parts = -(-length // hop)
    n_blocks = (samples.shape[0] - length) // hop + n_parts
    padded = functional.pad(samples[None], (0, n_parts * hop))[0]  # the last frames may need samples past the end
    blocks = padded[: n_blocks * hop].reshape(-1, hop)
    # Indices relative to the end are constants of the graph; those in frames would need ten nodes each.
    parts = [blocks[k : k - n_parts + 1 or None] for k in range(n_parts)]
    return torch.cat(parts, dim=-1)[:, :length]


class PowerSpectrogram(nn.Module):
    """Power of the short-time Fourier transform, frames centred and padded with zeros (librosa's ``center=True``).

    Parameters
    ----------
    n_fft
        Length of the transform in samples, even.
    win_length
        Length of the Hann window in samples, even, at most `n_fft`; zeros fill the rest.
    hop_length
        Samples from one frame to the next.

    Notes
    -----
    Two symmetries leave a quarter of the multiplications.  A real frame is the sum of a part that is even and a part
    that is odd about its middle sample; cosines need only the even part and sines only the odd part.  And as
    cos(2 pi l (N/2 - k) / N) = (-1)^l cos(2 pi l k / N), the sum and the difference of the products over even and odd
    distances l give bins k and N/2 - k.  Counting time from the middle of the frame changes the phase, not the power.
    """

    cosine_even: Tensor
    cosine_odd: Tensor
    sine_even: Tensor
    sine_odd: Tensor

    def __init__(self, *, n_fft: int, win_length: int, hop_length: int) -> None:
        super().__init__()
        self.n_fft, self.win_length, self.hop_length = n_fft, win_length, hop_length
        half = win_length // 2
        lag = np.arange(half)  # distance from the middle sample; the window is zero at `half`
        window = 0.5 + 0.5 * np.cos(2 * np.pi * lag / win_length)
        tables = fold_tables(lag, n_fft=n_fft, window=window)
        for name, table in zip(("cosine_even", "cosine_odd", "sine_even", "sine_odd"), tables, strict=True):
            self.register_buffer(name, torch.from_numpy(table).float(), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """(n,) -> (1 + n // hop_length, 1 + n_fft // 2), power."""
        half = self.win_length // 2
        padded = functional.pad(samples[None], (half, half))[0]
        frames = frame(padded, length=self.win_length, hop=self.hop_length)
        low, high = folded_power(frames, (self.cosine_even, self.cosine_odd, self.sine_even, self.sine_odd))
        return torch.cat([low, high[:, :-1].flip(-1)], dim=-1)


def fold_tables(lag: npt.NDArray[np.int64], *, n_fft: int, window: FloatArray) -> tuple[FloatArray, ...]:
    """Return the tables for `folded_power`: cosines, then sines, of even and odd distances, (distances, n_fft/4+1).

    `lag` counts 0, 1, ... from the middle of the frame, and `window` weighs each distance.  `n_fft` is a multiple of 4.
    """
    angle = 2 * np.pi * np.outer(lag, np.arange(n_fft // 4 + 1)) / n_fft
    cosine, sine = window[:, None] * np.cos(angle), window[:, None] * np.sin(angle)
    return cosine[::2], cosine[1::2], sine[2::2], sine[1::2]


def folded_power(frames: Tensor, tables: tuple[Tensor, Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return the power of bins 0, 1, ... n_fft/4 and of bins n_fft/2, n_fft/2 - 1, ... n_fft/4 of each frame.

    Frames are (frames, length) of even length; the first sample, at the distance length/2, is left out.
    """
    cosine_even, cosine_odd, sine_even, sine_odd = tables
    half = frames.shape[1] // 2
    before = frames[:, 1:half].flip(-1)  # samples 1, 2, ... before the middle one
    after = frames[:, half + 1 :]
    both, apart = after + before, after - before
    # Column c holds distance c + 1.
    even = torch.cat([frames[:, half : half + 1], both[:, 1::2]], dim=-1)
    real_even, real_odd = even @ cosine_even, both[:, ::2] @ cosine_odd
    imaginary_even, imaginary_odd = apart[:, 1::2] @ sine_even, apart[:, ::2] @ sine_odd
    low, high = real_even + real_odd, real_even - real_odd
    # sin(2 pi l (N/2 - k) / N) = (-1)^(l + 1) sin(2 pi l k / N)
    low_imaginary, high_imaginary = imaginary_odd + imaginary_even, imaginary_odd - imaginary_even
    return low * low + low_imaginary * low_imaginary, high * high + high_imaginary * high_imaginary


def fft_frequencies(sample_rate: int, n_fft: int) -> FloatArray:
    """Return the frequency of each bin in Hz, (1 + n_fft // 2,)."""
    return np.arange(n_fft // 2 + 1, dtype=np.float64) * np.float64(sample_rate / n_fft)


def _mel(frequency_hz: FloatArray) -> FloatArray:
    """Slaney's mel scale (Auditory Toolbox, 1998): linear to 1 kHz, logarithmic above."""
    linear = frequency_hz * 3 / 200
    logarithmic = 15 + 27 * np.log(np.maximum(frequency_hz, 1e-9) / 1000) / np.log(6.4)
    return np.where(frequency_hz < 1000, linear, logarithmic)


def _mel_to_hz(mel: FloatArray) -> FloatArray:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


def mel_filters(*, sample_rate: int, n_fft: int, n_mels: int) -> FloatArray:
    """Return triangular filters of equal area on Slaney's mel scale up to half the sample rate, (bins, n_mels)."""
    bins = fft_frequencies(sample_rate, n_fft)
    top = _mel(np.array([sample_rate / 2]))[0]
    edges = _mel_to_hz(np.linspace(0.0, top, n_mels + 2))
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins[:, None] - low) / (middle - low)
    falling = (high - bins[:, None]) / (high - middle)
    return np.maximum(0, np.minimum(rising, falling)) * (2 / (high - low))


def chroma_filters(*, sample_rate: int, n_fft: int, n_chroma: int = 12) -> FloatArray:
    """Return weights that sum bins by pitch class, C first, A at 440 Hz, (bins, n_chroma).

    A Gaussian over the distance on the circle of pitch classes, as wide as the bin is in octaves, each bin of unit
    Euclidean norm, under a Gaussian over octaves about the fifth with a spread of two (Ellis, "Chroma feature analysis
    and synthesis", 2007; librosa's defaults).
    """
    octave_of = np.log2(fft_frequencies(sample_rate, n_fft)[1:] / (440 / 16))
    position = n_chroma * np.concatenate([[octave_of[0] - 1.5], octave_of])  # 0 Hz: an octave and a half below bin 1
    width = np.concatenate([np.maximum(np.diff(position), 1), [1]])
    distance = position[:, None] - np.arange(n_chroma)
    half = round(n_chroma / 2)
    distance = np.remainder(distance + half + 10 * n_chroma, n_chroma) - half
    weights = np.exp(-0.5 * (2 * distance / width[:, None]) ** 2)
    weights /= np.sqrt((weights**2).sum(axis=1, keepdims=True))
    weights *= np.exp(-0.5 * ((position[:, None] / n_chroma - 5) / 2) ** 2)
    return np.roll(weights, -3 * (n_chroma // 12), axis=1)  # from A first to C first


def dct_basis(n_in: int, n_out: int) -> FloatArray:
    """Return the orthonormal type-II discrete cosine transform, (n_in, n_out)."""
    basis = np.cos(np.pi * np.outer(np.arange(n_in) + 0.5, np.arange(n_out)) / n_in) * math.sqrt(2 / n_in)
    basis[:, 0] /= math.sqrt(2)
    return basis


def decibel(power: Tensor, *, top_db: float | None = 80.0) -> Tensor:
    """Return 10 log10 of power, floored at `POWER_FLOOR` and at ``top_db`` below the largest value of the recording."""
    db = 10 * torch.log10(torch.clamp(power, min=POWER_FLOOR))
    return db if top_db is None else torch.maximum(db, db.max() - top_db)


def delta(values: Tensor, *, order: int = 1, width: int = 9) -> Tensor:
    """Return the local derivative over time, (frames, d) -> (frames, d), per frame.

    The polynomial of degree `order` that fits `width` frames best gives the derivative at their middle (Savitzky and
    Golay, 1964); the first and last ``width // 2`` frames take it from the first and last full window.  At least
    `width` frames are needed.
    """
    return _derivatives(values, orders=(order,), width=width)[:, 0]


def deltas(values: Tensor, *, width: int = 9) -> tuple[Tensor, Tensor]:
    """Return first and second `delta` at once, each (frames, d)."""
    both = _derivatives(values, orders=(1, 2), width=width)
    return both[:, 0], both[:, 1]


def _derivatives(values: Tensor, *, orders: tuple[int, ...], width: int) -> Tensor:
    """(frames, d) -> (frames, orders, d)."""
    offset = np.arange(width) - width // 2
    fits = [np.linalg.pinv(np.vander(offset, k + 1, increasing=True))[k] * math.factorial(k) for k in orders]
    kernels = torch.from_numpy(np.stack(fits)).to(values.dtype)[:, None]
    inner = functional.conv1d(values.T[:, None], kernels)  # (d, orders, frames - width + 1)
    return functional.pad(inner, (width // 2, width // 2), mode="replicate").permute(2, 1, 0)


def spectral_moments(magnitude: Tensor, frequencies_hz: Tensor) -> tuple[Tensor, Tensor]:
    """Return centroid and bandwidth of the magnitude spectrum, each (frames, 1), Hz.

    centroid = sum(f m) / sum(m); bandwidth = sqrt(sum((f - centroid)^2 m) / sum(m)).
    """
    total = torch.clamp(magnitude.sum(-1, keepdim=True), min=1e-12)
    centroid = magnitude @ frequencies_hz[:, None] / total
    # sum((f - c)^2 m) expanded to E[f^2] - c^2 would cancel in float32: f reaches 8000.
    away = frequencies_hz - centroid
    return centroid, torch.sqrt((away * away * magnitude).sum(-1, keepdim=True) / total)


def roll_off(magnitude: Tensor, frequencies_hz: Tensor, *, share: float = 0.85) -> Tensor:
    """Return the lowest frequency below which `share` of the magnitude lies, (frames, 1), Hz."""
    # A cumulative sum over all bins is slow in onnxruntime: sum blocks first, then search in a single block.
    n_bins, size = magnitude.shape[1], 16
    n_blocks = -(-n_bins // size)
    ends = np.minimum(size * (np.arange(n_blocks) + 1), n_bins)
    until = torch.from_numpy((np.arange(n_bins)[:, None] < ends).astype(np.float32))
    within = torch.from_numpy(np.triu(np.ones((size, size), np.float32)))
    block_total = magnitude @ until  # (frames, blocks), up to the end of each block
    wanted = share * block_total[:, -1:]
    full = (block_total < wanted).to(torch.int64).sum(-1, keepdim=True)  # blocks that lie below it entirely
    place = torch.clamp(full * size + torch.arange(size), max=n_bins - 1)  # the last block may be shorter
    before = torch.where(full > 0, torch.gather(block_total, 1, torch.clamp(full - 1, min=0)), 0.0)
    total = before + torch.gather(magnitude, 1, place) @ within
    below = full * size + (total < wanted).to(torch.int64).sum(-1, keepdim=True)
    return below.to(magnitude.dtype) * (frequencies_hz[1] - frequencies_hz[0])


def contrast_bands(
    *, sample_rate: int, n_fft: int, lowest_hz: float = 200.0, n_bands: int = 5
) -> list[tuple[int, int]]:
    """Return the first bin and the end of each octave band of `spectral_contrast`; the first ends at `lowest_hz`."""
    bins = fft_frequencies(sample_rate, n_fft)
    edges = [0.0, *(lowest_hz * 2.0**k for k in range(n_bands + 1))]
    bands = []
    for k in range(n_bands + 1):
        inside = np.flatnonzero((bins >= edges[k]) & (bins <= edges[k + 1]))
        first = inside[0] - (1 if k > 0 else 0)  # neighbours overlap by a bin
        last = len(bins) if k == n_bands else inside[-1]  # each but the last gives its top bin to the next
        bands.append((int(first), int(last)))
    return bands


def spectral_contrast(magnitude: Tensor, bands: list[tuple[int, int]], *, quantile: float = 0.02) -> Tensor:
    """Return peaks over valleys in octave bands, (frames, bands), dB.

    The ratio of the mean of the largest to the mean of the smallest `quantile` of a band's bins (Jiang et al., "Music
    type classification by spectral contrast feature", ICME 2002).
    """
    peaks, valleys = [], []
    for first, last in bands:
        band = magnitude[:, first:last]
        count = max(1, round(quantile * (last - first)))
        peaks.append(torch.topk(band, count, dim=-1, largest=True, sorted=False).values.mean(-1))
        # The spectrum of a voice falls: with the weakest first the heap is seldom rebuilt, faster in wide bands.
        rising = band.flip(-1) if last - first > _WIDE_BAND else band
        valleys.append(torch.topk(rising, count, dim=-1, largest=False, sorted=False).values.mean(-1))
    return decibel(torch.stack(peaks, dim=-1)) - decibel(torch.stack(valleys, dim=-1))


def _frame_sums(padded: Tensor, *, n_samples: int, frame_length: int, hop_length: int) -> Tensor:
    """Return sums over frames, (m,) -> (1 + n_samples // hop_length, 1); m >= n_samples + frame_length."""
    cell = math.gcd(frame_length, hop_length)  # each value is summed once, not once per frame
    n_cells = (n_samples + frame_length) // cell
    cells = padded[: n_cells * cell].reshape(-1, cell).sum(-1)
    return frame(cells, length=frame_length // cell, hop=hop_length // cell).sum(-1, keepdim=True)


def zero_crossing_rate(samples: Tensor, *, frame_length: int, hop_length: int) -> Tensor:
    """Return the share of neighbouring samples with different signs, (frames, 1); edges repeat the outermost sample."""
    half, n_samples = frame_length // 2, samples.shape[0]
    negative = samples < 0
    crossed = (negative[1:] ^ negative[:-1]).to(samples.dtype)
    padded = functional.pad(crossed[None], (half + 1, half))[0]
    count = _frame_sums(padded, n_samples=n_samples, frame_length=frame_length, hop_length=hop_length)
    # librosa looks inside each frame only, so the first sample of a frame never counts as a crossing
    first = padded[: n_samples + 1 : hop_length, None]
    return (count - first) / frame_length


def root_mean_square(samples: Tensor, *, frame_length: int, hop_length: int) -> Tensor:
    """Return the root mean square of each frame, (frames, 1)."""
    half, n_samples = frame_length // 2, samples.shape[0]
    padded = functional.pad((samples * samples)[None], (half, half))[0]
    total = _frame_sums(padded, n_samples=n_samples, frame_length=frame_length, hop_length=hop_length)
    return torch.sqrt(total / frame_length)
