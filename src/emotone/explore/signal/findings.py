"""Findings on the signal: six views of one clip of each emotion, and mean spectra of all clips of each emotion."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotone.audio import SAMPLE_RATE
from emotone.explore import sound
from emotone.explore.finding import Finding
from emotone.explore.measure import Measured
from emotone.explore.signal.figures import contours, images, mel_ticks, spectra, waveforms
from emotone.explore.signal.statistics import Band, Example, bands_by_emotion, choose_example, reduced
from emotone.explore.sound import Image
from emotone.features.descriptors import N_MELS, N_MFCC
from emotone.features.spectral import dct_basis

FloatArray = NDArray[np.float64]

_DRAWN_MFCC = slice(1, 21)
_CELL = 80  # samples of the drawn waveform: 5 ms
_RANGE_DB = 65.0  # of the colours of a spectrogram
_LINEAR_MFCC_DB = 20.0  # coefficient 1 is five times as large as most


def all_findings(measured: Measured) -> list[Finding]:
    """Return all findings of this module, in the order of the page."""
    example = choose_example(measured)
    views = (waves, spectrograms, mel_spectrograms, mfccs, pitch_contours, energy_contours)
    return [*(view(example) for view in views), mean_log_mel(measured), mean_mfcc(measured)]


def waves(example: Example) -> Finding:
    """Show the waveforms: smallest and largest sample of each 5 ms."""
    cells = {}
    for emotion, samples in example.samples.items():
        grid = samples[: len(samples) // _CELL * _CELL].reshape(-1, _CELL)
        times = (np.arange(len(grid)) + 0.5) * _CELL / SAMPLE_RATE
        cells[emotion] = (times, grid.min(axis=1).astype(float), grid.max(axis=1).astype(float))
    peaks = {emotion: float(np.abs(samples).max()) for emotion, samples in example.samples.items()}
    text = f"{example.text} The peaks are from {_ends(peaks, '{:.3f}')} of full scale."
    table = _long(cells, ("time_s", "lowest", "highest"), digits=5)
    return Finding("waveforms", "Waveform", text, table, waveforms(cells, text="Waveform"), True)


def spectrograms(example: Example) -> Finding:
    """Show the spectrograms, 0 to 8 kHz, in dB relative to full scale."""
    shown = {emotion: reduced(sound.spectrogram(samples), 2) for emotion, samples in example.samples.items()}
    rows = next(iter(shown.values())).rows
    places = np.interp(np.arange(0, 8001, 2000), rows, np.arange(rows.size))
    ticks = (list(places), ["0", "2", "4", "6", "8"])
    text = (
        "The level of each frequency over time, in windows of 32 ms; all panels have the same colours. Parallel lines "
        "are harmonics of the voice: the greater their distance, the higher the voice."
    )
    title, limits = "Spectrogram", _colour_limits(shown)
    figure = images(shown, text=title, y_label="frequency, kHz", limits=limits, ticks=ticks)
    return Finding("spectrograms", title, text, _wide(shown, "{:.0f} Hz"), figure, True)


def mel_spectrograms(example: Example) -> Finding:
    """Show the mel spectrograms: 128 bands, narrow where the ear distinguishes frequencies well."""
    shown = {emotion: reduced(sound.log_mel(samples)) for emotion, samples in example.samples.items()}
    text = (
        "The same in 128 bands of the mel scale, on which equal distances sound equal: linear to 1 kHz, logarithmic "
        "above. It is the input of the networks, scaled to one loudness."
    )
    title, limits, ticks = "Mel spectrogram", _colour_limits(shown), mel_ticks(sound.mel_frequencies())
    figure = images(shown, text=title, y_label="frequency, Hz (mel scale)", limits=limits, ticks=ticks)
    return Finding("mel-spectrograms", title, text, _wide(shown, "{:.0f} Hz"), figure, True)


def mfccs(example: Example) -> Finding:
    """Show MFCC 1 to 20; coefficient 0 is the level, which `energy_contours` shows."""
    shown = {}
    for emotion, samples in example.samples.items():
        image = reduced(sound.mfcc(samples))
        shown[emotion] = Image(image.times_s, image.rows[_DRAWN_MFCC], image.values[_DRAWN_MFCC])
    limit = float(np.ceil(max(np.abs(image.values).max() for image in shown.values()) / 50) * 50)
    text = (
        "The shape of the spectrum in 20 numbers per frame: the cosine transform of the mel spectrogram in dB. "
        "Coefficient 1 is large if low bands are louder than high bands; later coefficients describe finer shapes. "
        f"Colours are linear up to ±{_LINEAR_MFCC_DB:.0f} dB and by powers of ten above; coefficient 0 is the level."
    )
    figure = images(
        shown,
        text="MFCC",
        y_label="coefficient",
        bar_label="value, dB",
        colours="PuOr",
        limits=(-limit, limit),
        linear_to=_LINEAR_MFCC_DB,
        ticks=([0, 4, 9, 14, 19], ["1", "5", "10", "15", "20"]),
    )
    return Finding("mfcc", "MFCC", text, _wide(shown, "mfcc{:.0f}"), figure, True)


def pitch_contours(example: Example) -> Finding:
    """Show the pitch over time, each emotion in front of the others."""
    lines = {emotion: sound.pitch(samples) for emotion, samples in example.samples.items()}
    voiced = {emotion: hertz[np.isfinite(hertz)] for emotion, (_, hertz) in lines.items()}
    medians = {emotion: float(np.median(hertz)) for emotion, hertz in voiced.items() if hertz.size}
    ranges = {e: 12 * float(np.log2(np.quantile(h, 0.9) / np.quantile(h, 0.1))) for e, h in voiced.items() if h.size}
    text = "No frame of these clips is voiced."
    if medians:
        text = (
            "Pitch of voiced frames, by YIN, on a scale of equal intervals; grey: the others. Medians of these clips "
            f"are from {_ends(medians, '{:.0f} Hz')}; the middle 80 % span {_ends(ranges, '{:.1f}')} semitones. One "
            "clip is an example and no evidence: see the features for all clips."
        )
    everything = np.concatenate([*voiced.values(), np.array([100.0, 200.0])])
    low, high = np.quantile(everything, [0.01, 0.99])
    limits = (0.9 * float(low), 1.1 * float(high))
    n_beyond = int(((everything < limits[0]) | (everything > limits[1])).sum())
    if n_beyond:
        text += f" Outside the axis, and probably wrong: {n_beyond} of {everything.size - 2:,} frames."
    figure = contours(lines, text="Pitch", y_label="pitch, Hz", limits=limits, hertz=True)
    return Finding("pitch-contours", "Pitch", text, _long(lines, ("time_s", "pitch_hz"), digits=2), figure, True)


def energy_contours(example: Example) -> Finding:
    """Show the level over time, each emotion in front of the others."""
    lines = {emotion: sound.energy(samples) for emotion, samples in example.samples.items()}
    loudest = {emotion: float(level.max()) for emotion, (_, level) in lines.items()}
    text = (
        "Root mean square of windows of 32 ms, in dB relative to full scale; grey: the others. The loudest windows "
        f"have {_ends(loudest, '{:.0f} dB')}."
    )
    top, floor = max(loudest.values()), min(float(level.min()) for _, level in lines.values())
    figure = contours(lines, text="Energy", y_label="level, dB", limits=(max(floor, top - _RANGE_DB) - 2, top + 2))
    return Finding("energy-contours", "Energy", text, _long(lines, ("time_s", "level_db"), digits=2), figure, True)


def mean_log_mel(measured: Measured) -> Finding:
    """Show the mean log-mel spectrum of each emotion over all its clips, and how far its clips differ."""
    values, frequencies = measured.log_mel.astype(float), sound.mel_frequencies()
    bands = bands_by_emotion(measured.clips, values, measured.corpus.emotions)
    high, low = frequencies >= 2000, frequencies < 1000
    drops = {e: -float(band.middle[high].mean() - band.middle[low].mean()) for e, band in bands.items()}
    text = (
        f"Mean level of each mel band over all {len(values):,} clips, without the silence at both ends; the shade is "
        "the middle 80 % of the emotion's clips, grey is the mean of all clips. Bands over 2 kHz are below those under "
        f"1 kHz by {_ends(drops, '{:.0f} dB')}."
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
    """Show the mean MFCC of each emotion minus the mean of all clips, and how far its clips differ."""
    values = measured.log_mel.astype(float) @ dct_basis(N_MELS, N_MFCC)  # linear: it may follow the mean
    everyone = values.mean(axis=0)
    bands = bands_by_emotion(measured.clips, values, measured.corpus.emotions)
    away = {
        emotion: Band(*((part - everyone)[_DRAWN_MFCC] for part in (band.middle, band.low, band.high)))
        for emotion, band in bands.items()
    }
    first = {emotion: float(band.middle[0]) for emotion, band in away.items()}
    text = (
        f"Mean of each MFCC over the clips of the emotion, minus that of all {len(values):,} clips; the shade is the "
        "middle 80 % of the emotion's clips. Where the shades of two emotions overlap, this number alone does not "
        f"separate them. Coefficient 1: {_ends(first, '{:+.0f}')}; coefficient 0, the level, is in the table."
    )
    numbers = (1, 5, 10, 15, 20)
    figure = spectra(
        away,
        np.zeros(20),
        text="Mean MFCC against all clips, and the middle 80 % of clips",
        x_label="coefficient",
        y_label="difference from all clips, dB",
        ticks=([number - 1 for number in numbers], [str(number) for number in numbers]),
    )
    table = _bands_table(bands, {"coefficient": np.arange(N_MFCC), "all_clips": everyone.round(3)})
    return Finding("mean-mfcc", "Mean MFCC", text, table, figure, True)


def _colour_limits(shown: Mapping[str, Image]) -> tuple[float, float]:
    """Return the ends of the colours: the upper end is the quantile 0.999 of all values, rounded up to 5 dB."""
    values = np.concatenate([image.values.ravel() for image in shown.values()])
    top = float(np.ceil(np.quantile(values, 0.999) / 5) * 5)
    return top - _RANGE_DB, top


def _bands_table(bands: Mapping[str, Band], columns: Mapping[str, NDArray[np.generic]]) -> pd.DataFrame:
    parts = []
    for emotion, band in bands.items():
        levels = {"mean_db": band.middle.round(3), "p10_db": band.low.round(3), "p90_db": band.high.round(3)}
        parts.append(pd.DataFrame({"emotion": emotion, **columns, **levels}))
    return pd.concat(parts, ignore_index=True)


def _long(parts: Mapping[str, tuple[FloatArray, ...]], columns: tuple[str, ...], *, digits: int) -> pd.DataFrame:
    """Return a table with one row per frame from the columns of each emotion."""
    tables = {emotion: pd.DataFrame(dict(zip(columns, values, strict=True))) for emotion, values in parts.items()}
    return pd.concat(tables, names=["emotion"]).reset_index("emotion").reset_index(drop=True).round(digits)


def _wide(shown: Mapping[str, Image], name: str) -> pd.DataFrame:
    """Return a table with one row per frame and one column per row of the images, named by a format of the row."""
    parts = []
    for emotion, image in shown.items():
        part = pd.DataFrame(image.values.T.astype(float).round(1), columns=[name.format(row) for row in image.rows])
        part.insert(0, "time_s", image.times_s.round(3))
        part.insert(0, "emotion", emotion)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _ends(values: Mapping[str, float], form: str) -> str:
    """Name the smallest and the largest value: ``1 (sad) to 3 (happy)``."""
    least, most = min(values, key=lambda e: values[e]), max(values, key=lambda e: values[e])
    return f"{form.format(values[least])} ({least}) to {form.format(values[most])} ({most})"
