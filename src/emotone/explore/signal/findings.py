"""The signal: one clip of each emotion seen from six sides, and the mean spectrum of all clips of each emotion."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotone import audio
from emotone.audio import SAMPLE_RATE
from emotone.explore import sound
from emotone.explore.finding import Finding
from emotone.explore.measure.corpus import Measured
from emotone.explore.signal.figures import Band, contours, images, mel_ticks, spectra, waveforms
from emotone.explore.sound import Image
from emotone.features.descriptors import N_MELS, N_MFCC
from emotone.features.spectral import dct_basis
from emotone.preprocessing import DEFAULT as PREPROCESSING

__all__ = [
    "Example",
    "choose",
    "energy_contours",
    "findings",
    "mean_log_mel",
    "mean_mfcc",
    "mel_spectrograms",
    "mfccs",
    "pitch_contours",
    "spectrograms",
    "waves",
]

FloatArray = NDArray[np.float64]

MOST_S = 10.0  # of a clip that are drawn
N_DRAWN_MFCC = 20
_CELL = 80  # samples of the drawn waveform: 5 ms
_RANGE_DB = 65.0  # of the colours of a spectrogram
_EVEN_MFCC_DB = 20.0  # coefficient 1 is five times as large as most
_EVERY = 2  # frames: pictures have one each 20 ms, windows are 32 ms long
_SHARES = (0.1, 0.9)  # between which the spread of a mean's clips is drawn


@dataclass(frozen=True)
class Example:
    """One clip of each emotion.

    Attributes
    ----------
    rows
        Emotion -> row of the corpus.
    samples
        Emotion -> (n,) at 16 kHz, without the silence at both ends, at most `MOST_S`.
    text
        Which clips these are, and how they were chosen.
    """

    rows: Mapping[str, int]
    samples: Mapping[str, NDArray[np.float32]]
    text: str


def findings(measured: Measured) -> list[Finding]:
    """Show the signal: all of this module's findings, in the order of the page."""
    example = choose(measured)
    by_clip: tuple[Callable[[Example], Finding], ...] = (
        waves,
        spectrograms,
        mel_spectrograms,
        mfccs,
        pitch_contours,
        energy_contours,
    )
    return [*(show(example) for show in by_clip), mean_log_mel(measured), mean_mfcc(measured)]


def choose(measured: Measured) -> Example:
    """Choose one clip of each emotion that differ in nothing else, as far as the corpus has such, and read them.

    The speaker and statement with the most emotions are taken, of several the one with most of them in the intensity
    that most emotions have, then the first by name; of several takes the first by path.  An emotion that is missing
    there is taken from elsewhere, the same speaker first.
    """
    table = measured.clips
    emotions = measured.corpus.emotions
    usual = _usual_intensity(table)
    ranks = []
    for key, clips in table.groupby(["speaker", "statement"]):
        one, said = map(str, key)
        at_usual = clips.loc[clips["intensity"] == usual, "emotion"].nunique()
        ranks.append((not one, -clips["emotion"].nunique(), -at_usual, one, said))  # an unknown speaker may be several
    *_, speaker, statement = min(ranks)
    order = table.assign(
        _speaker=table["speaker"] != speaker,
        _statement=table["statement"] != statement,
        _intensity=table["intensity"] != usual,
    ).sort_values(["_speaker", "_statement", "_intensity", "path", "start_s"], kind="stable")
    rows = {emotion: int(order.index[order["emotion"] == emotion][0]) for emotion in emotions}
    samples = {}
    for emotion, row in rows.items():
        path, start_s, end_s = (table[column].iloc[row] for column in ("path", "start_s", "end_s"))
        read = PREPROCESSING.apply(audio.read(path, start_s=start_s, end_s=end_s))
        samples[emotion] = read[: round(MOST_S * SAMPLE_RATE)]
    return Example(rows, samples, _chosen(table, rows, speaker=speaker, statement=statement, usual=usual))


def waves(example: Example) -> Finding:
    """Show the waveforms: smallest and largest sample of each 5 ms."""
    cells = {}
    for emotion, samples in example.samples.items():
        grid = samples[: len(samples) // _CELL * _CELL].reshape(-1, _CELL)
        times = (np.arange(len(grid)) + 0.5) * _CELL / SAMPLE_RATE
        cells[emotion] = (times, grid.min(axis=1).astype(float), grid.max(axis=1).astype(float))
    peaks = {emotion: float(np.abs(samples).max()) for emotion, samples in example.samples.items()}
    columns = ("time_s", "lowest", "highest")
    table = _long({emotion: dict(zip(columns, one, strict=True)) for emotion, one in cells.items()}, digits=5)
    text = f"{example.text} The peaks go from {_ends(peaks, '{:.3f}')} of full scale."
    return Finding("waveforms", "Waveform", text, table, waveforms(cells, text="Waveform"), True)


def spectrograms(example: Example) -> Finding:
    """Show the spectrograms, 0 to 8 kHz, in dB relative to full scale."""
    shown = {emotion: _thinned(sound.spectrogram(samples), 2) for emotion, samples in example.samples.items()}
    top = _top(shown)
    rows = next(iter(shown.values())).rows
    text = (
        "The level of each frequency over time, in windows of 32 ms; all panels have the same colours. Lines side by "
        "side are harmonics of the voice: the farther apart, the higher it is."
    )
    places = np.interp(np.arange(0, 8001, 2000), rows, np.arange(rows.size))
    figure = images(
        shown,
        text="Spectrogram",
        y_label="frequency, kHz",
        bar_label="dB relative to full scale",
        colours="magma",
        limits=(top - _RANGE_DB, top),
        ticks=(list(places), ["0", "2", "4", "6", "8"]),
    )
    return Finding("spectrograms", "Spectrogram", text, _wide(shown, "{:.0f} Hz"), figure, True)


def mel_spectrograms(example: Example) -> Finding:
    """Show the mel spectrograms: 128 bands, narrow where the ear tells frequencies well apart."""
    shown = {emotion: _thinned(sound.log_mel(samples)) for emotion, samples in example.samples.items()}
    top = _top(shown)
    text = (
        "The same in 128 bands of the mel scale, on which equal distances sound equal: linear to 1 kHz, logarithmic "
        "above. The networks learn from it, scaled to one loudness."
    )
    figure = images(
        shown,
        text="Mel spectrogram",
        y_label="frequency, Hz (mel scale)",
        bar_label="dB relative to full scale",
        colours="magma",
        limits=(top - _RANGE_DB, top),
        ticks=mel_ticks(sound.mel_frequencies()),
    )
    return Finding("mel-spectrograms", "Mel spectrogram", text, _wide(shown, "{:.0f} Hz"), figure, True)


def mfccs(example: Example) -> Finding:
    """Show the MFCC 1 to 20; coefficient 0 is the level, which the energy shows."""
    shown = {}
    for emotion, samples in example.samples.items():
        image = _thinned(sound.mfcc(samples))
        drawn = slice(1, 1 + N_DRAWN_MFCC)
        shown[emotion] = Image(image.times_s, image.rows[drawn], image.values[drawn], image.unit)
    limit = float(np.ceil(max(np.abs(image.values).max() for image in shown.values()) / 50) * 50)
    text = (
        f"The shape of the spectrum in {N_DRAWN_MFCC} numbers a frame: the cosine transform of the mel spectrogram in "
        "dB. Coefficient 1 says how much the low bands outweigh the high ones, later ones say ever finer shapes. "
        f"Colours are even up to ±{_EVEN_MFCC_DB:.0f} dB and by powers of ten beyond; coefficient 0 is the level."
    )
    figure = images(
        shown,
        text="MFCC",
        y_label="coefficient",
        bar_label="value, dB",
        colours="PuOr",
        limits=(-limit, limit),
        even_to=_EVEN_MFCC_DB,
        ticks=([0, 4, 9, 14, 19], ["1", "5", "10", "15", "20"]),
    )
    return Finding("mfcc", "MFCC", text, _wide(shown, "mfcc{:.0f}"), figure, True)


def pitch_contours(example: Example) -> Finding:
    """Show the pitch over time, each emotion before the others."""
    lines = {emotion: sound.pitch(samples) for emotion, samples in example.samples.items()}
    voiced = {emotion: hertz[np.isfinite(hertz)] for emotion, (_, hertz) in lines.items()}
    medians = {emotion: float(np.median(hertz)) for emotion, hertz in voiced.items() if hertz.size}
    ranges = {e: 12 * float(np.log2(np.quantile(h, 0.9) / np.quantile(h, 0.1))) for e, h in voiced.items() if h.size}
    text = "No frame of these clips is voiced."
    if medians:
        text = (
            f"Pitch where the voice has one, by YIN, on a scale of equal intervals; grey: the others. Medians of these "
            f"clips go from {_ends(medians, '{:.0f} Hz')}; the middle 80 % span {_ends(ranges, '{:.1f}')} semitones. "
            "One clip is an example and no evidence: see the features for all clips."
        )
    everything = np.concatenate([*voiced.values(), np.array([100.0, 200.0])])
    low, high = np.quantile(everything, [0.01, 0.99])
    limits = (0.9 * float(low), 1.1 * float(high))
    n_beyond = int(((everything < limits[0]) | (everything > limits[1])).sum())
    if n_beyond:
        text += f" Outside the axis, and likely mistaken: {n_beyond} of {everything.size - 2:,} frames."
    figure = contours(lines, text="Pitch", y_label="pitch, Hz", limits=limits, hertz=True)
    table = _long({e: {"time_s": times, "pitch_hz": hertz} for e, (times, hertz) in lines.items()}, digits=2)
    return Finding("pitch-contours", "Pitch", text, table, figure, True)


def energy_contours(example: Example) -> Finding:
    """Show the level over time, each emotion before the others."""
    lines = {emotion: sound.energy(samples) for emotion, samples in example.samples.items()}
    loudest = {emotion: float(level.max()) for emotion, (_, level) in lines.items()}
    text = (
        "Root mean square of windows of 32 ms, in dB relative to full scale; grey: the others. The loudest windows "
        f"have {_ends(loudest, '{:.0f} dB')}."
    )
    top, floor = max(loudest.values()), min(float(level.min()) for _, level in lines.values())
    figure = contours(lines, text="Energy", y_label="level, dB", limits=(max(floor, top - _RANGE_DB) - 2, top + 2))
    table = _long({e: {"time_s": times, "level_db": level} for e, (times, level) in lines.items()}, digits=2)
    return Finding("energy-contours", "Energy", text, table, figure, True)


def mean_log_mel(measured: Measured) -> Finding:
    """Show the mean log-mel spectrum of each emotion over all its clips, and how far its clips differ."""
    values, frequencies = measured.log_mel.astype(float), sound.mel_frequencies()
    bands = _by_emotion(measured, values)
    high, low = frequencies >= 2000, frequencies < 1000
    tilts = {e: float(band.middle[high].mean() - band.middle[low].mean()) for e, band in bands.items()}
    text = (
        f"Mean level of each mel band over all {len(values):,} clips, without the silence at both ends; the shade "
        "holds the middle 80 % of the emotion's clips, grey is the mean of all clips. Bands over 2 kHz lie under those "
        f"below 1 kHz by {_ends({e: -tilt for e, tilt in tilts.items()}, '{:.0f} dB')}."
    )
    figure = spectra(
        bands,
        values.mean(axis=0),
        text="Mean log-mel spectrum and the middle 80 % of clips",
        x_label="frequency, Hz (mel scale)",
        y_label="dB relative to full scale",
        ticks=mel_ticks(frequencies, lowest_hz=500),
    )
    table = _bands_table(bands, {"band": np.arange(1, N_MELS + 1), "frequency_hz": frequencies.round(1)})
    return Finding("mean-log-mel", "Mean log-mel spectrum", text, table, figure, True)


def mean_mfcc(measured: Measured) -> Finding:
    """Show the mean MFCC of each emotion against the mean of all clips, and how far its clips differ."""
    values = measured.log_mel.astype(float) @ dct_basis(N_MELS, N_MFCC)  # linear: of the mean is the mean of
    everyone = values.mean(axis=0)
    bands = _by_emotion(measured, values)
    drawn = slice(1, 1 + N_DRAWN_MFCC)
    away = {
        emotion: Band(*(part[drawn] - everyone[drawn] for part in (band.middle, band.low, band.high)))
        for emotion, band in bands.items()
    }
    first = {emotion: float(band.middle[0]) for emotion, band in away.items()}
    text = (
        f"Mean of each MFCC over the clips of the emotion, minus that of all {len(values):,} clips; the shade holds "
        "the middle 80 % of the emotion's clips. Where the shades of two emotions overlap, this number alone does not "
        f"tell them apart. Coefficient 1: {_ends(first, '{:+.0f}')}; coefficient 0, the level, is in the table."
    )
    places = [number for number in range(N_DRAWN_MFCC) if number % 5 == 4 or number == 0]
    figure = spectra(
        away,
        np.zeros(N_DRAWN_MFCC),
        text="Mean MFCC against all clips, and the middle 80 % of clips",
        x_label="coefficient",
        y_label="difference from all clips, dB",
        ticks=(places, [str(place + 1) for place in places]),
    )
    table = _bands_table(bands, {"coefficient": np.arange(N_MFCC), "all_clips": everyone.round(3)})
    return Finding("mean-mfcc", "Mean MFCC", text, table, figure, True)


def _usual_intensity(table: pd.DataFrame) -> str:
    """The intensity that most emotions have; of equals the first by name."""
    n_emotions = table.groupby("intensity")["emotion"].nunique()
    return str(n_emotions.index[n_emotions == n_emotions.max()][0])


def _chosen(table: pd.DataFrame, rows: Mapping[str, int], *, speaker: str, statement: str, usual: str) -> str:
    """Say which clips were chosen, and where they differ in more than emotion."""
    what = [f"speaker {speaker}" if speaker else "", f"statement “{statement}”" if statement else ""]
    what.append(f"intensity {usual}" if usual else "")
    named = ", ".join(part for part in what if part) or "nothing is known of the speakers"
    text = (
        f"One clip of each emotion ({named}): the first speaker, statement and take by name among those with most "
        "emotions. Silence at both ends is cut off; scales are the same for all."
    )
    chosen = table.loc[list(rows.values())]
    other = [
        emotion
        for emotion, one, said, how in zip(
            rows, chosen["speaker"], chosen["statement"], chosen["intensity"], strict=True
        )
        if (one, said, how) != (speaker, statement, usual)
    ]
    if other:
        text += f" Of another speaker, statement or intensity, for want of such a clip: {', '.join(other)}."
    if not statement:
        text += " What is said is not known, so it may differ."
    return text


def _thinned(image: Image, rows: int = 1) -> Image:
    """Take every second frame, and the mean power of ``rows`` neighbouring rows (dB), as fine as a panel is drawn."""
    values = image.values[:, ::_EVERY]
    n_rows = len(image.rows) // rows * rows
    if rows > 1:
        power = 10 ** (values[:n_rows].reshape(-1, rows, values.shape[1]) / 10)
        values = (10 * np.log10(power.mean(axis=1))).astype(np.float32)
    return Image(image.times_s[::_EVERY], image.rows[:n_rows].reshape(-1, rows).mean(axis=1), values, image.unit)


def _top(shown: Mapping[str, Image]) -> float:
    """The level that 99.9 % of all values stay under, rounded up to 5 dB: the upper end of the colours."""
    values = np.concatenate([image.values.ravel() for image in shown.values()])
    return float(np.ceil(np.quantile(values, 0.999) / 5) * 5)


def _by_emotion(measured: Measured, values: FloatArray) -> dict[str, Band]:
    """Mean and spread over the clips of each emotion, (n, d) -> emotion -> three of (d,)."""
    labels = measured.clips["emotion"].to_numpy()
    bands = {}
    for emotion in measured.corpus.emotions:
        chosen = values[labels == emotion]
        low, high = np.quantile(chosen, _SHARES, axis=0)
        bands[emotion] = Band(chosen.mean(axis=0), low, high)
    return bands


def _bands_table(bands: Mapping[str, Band], columns: Mapping[str, NDArray[np.generic]]) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "emotion": emotion,
                **columns,
                "mean_db": band.middle.round(3),
                "p10_db": band.low.round(3),
                "p90_db": band.high.round(3),
            }
        )
        for emotion, band in bands.items()
    ]
    return pd.concat(parts, ignore_index=True)


def _long(parts: Mapping[str, Mapping[str, FloatArray]], *, digits: int) -> pd.DataFrame:
    tables = [pd.DataFrame({"emotion": emotion, **columns}) for emotion, columns in parts.items()]
    return pd.concat(tables, ignore_index=True).round(digits)


def _wide(shown: Mapping[str, Image], name: str) -> pd.DataFrame:
    """One line a frame, one column a row of the images, their names made by a format of the row."""
    parts = []
    for emotion, image in shown.items():
        part = pd.DataFrame(image.values.T.astype(float).round(1), columns=[name.format(row) for row in image.rows])
        part.insert(0, "time_s", image.times_s.round(3))
        part.insert(0, "emotion", emotion)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _ends(values: Mapping[str, float], form: str) -> str:
    """Name the smallest and the largest: ``1 (sad) to 3 (happy)``."""
    least, most = min(values, key=lambda e: values[e]), max(values, key=lambda e: values[e])
    return f"{form.format(values[least])} ({least}) to {form.format(values[most])} ({most})"
