"""The standard extractor: statistics over time of the low-level descriptors.

To add a statistic: write its function in `emotone.features.statistics`, call it in `Functionals._statistics`, and name
its columns in `_column_names`.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from emotone.features import descriptors, pitch, spectral, statistics
from emotone.features.base import Extractor
from emotone.features.columns import Descriptor, FeatureColumn, names_of
from emotone.features.descriptors import BAND_GROUP, N_MELS, N_MFCC, STREAMS, DescriptorFrames, Descriptors

SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
N_COSINES, N_COSINE_MFCC = 5, 20
N_OCTAVES = 6

_STREAMS = STREAMS | {
    f"{stream}-{suffix}": tuple(descriptor.derivative(order) for descriptor in STREAMS[stream])
    for stream in ("mfcc", "prosody")
    for order, suffix in ((1, "delta"), (2, "delta2"))
}
_PITCH, _RHYTHM = STREAMS["prosody"][0], Descriptor("rhythm", "rhythm", "")
# Statistics -> their units, see `Descriptor.column`.
_QUANTILES = {f"q{round(100 * share):02d}": "{unit}" for share in SHARES}
_VOICED_QUANTILES = {f"{statistic}-voiced": "{unit}" for statistic in _QUANTILES}
_RANGES = {"range90": "{difference}", "range50": "{difference}"}
_CONTOUR = {"slope-voiced": "semitones a clip", "step-voiced": "semitones a frame"}
_RUNS = {
    "voiced-share": "share of frames",
    "active-share": "share of frames",
    "voiced-runs": "1/s",
    "voiced-run-s": "s",
    "active-runs": "1/s",
    "log-length": "log of s",
}
_COSINES = {f"cos{k}": "{difference}" for k in range(1, N_COSINES + 1)}
_OCTAVES = {f"mod{octave}": "log of {difference}²" for octave in range(N_OCTAVES)}
#: Streams in the order of the columns, and the frames over which their means and standard deviations are taken.
_MOMENTS = {
    "mfcc": ("", "-voiced", "-unvoiced"),
    "mfcc-delta": ("", "-voiced", "-unvoiced"),
    "mfcc-delta2": ("", "-voiced"),
    "logmel": ("",),
    "chroma": ("",),
    "contrast": ("", "-voiced"),
    "prosody": ("", "-voiced"),
    "prosody-delta": ("", "-voiced"),
}


def _column_names() -> tuple[str, ...]:
    """Return the names of all columns in their order, ``descriptor_statistic``."""
    tables: list[tuple[Iterable[Descriptor], Iterable[str]]] = [
        (_STREAMS[stream], [f"{statistic}{suffix}" for suffix in suffixes for statistic in ("mean", "std")])
        for stream, suffixes in _MOMENTS.items()
    ]
    tables += [(STREAMS["mel"], ["power"])]
    tables += [(_STREAMS[stream], [*_QUANTILES, "min", "max"]) for stream in ("prosody", "prosody-delta", "mfcc")]
    tables += [([_PITCH], {**_VOICED_QUANTILES, **_RANGES, **_CONTOUR}), ([_RHYTHM], _RUNS)]
    tables += [(STREAMS["mfcc"][:N_COSINE_MFCC], _COSINES), (STREAMS["prosody"], _COSINES)]
    tables += [(STREAMS["band"], _OCTAVES), (STREAMS["prosody"], _OCTAVES)]
    return tuple(
        f"{descriptor.name}_{statistic}"
        for summarised, names in tables
        for statistic in names
        for descriptor in summarised
    )


class Functionals(Extractor):
    """Statistics of MFCC, log-mel bands, chroma, spectral contrast, pitch, voicing and spectral shape.

    Emotion shows in how descriptors are distributed and how they move, so each has several statistics.  Means over
    voiced frames are separate from those over the rest, because a pause or a fricative differs from a vowel.  A column
    is called ``descriptor_statistic``: ``mfcc03-delta_std``, ``pitch_q95-voiced``.
    """

    name = "functionals"

    order: Tensor

    def __init__(self) -> None:
        super().__init__({"sample_rate": self.sample_rate})
        self.frames = DescriptorFrames(sample_rate=self.sample_rate)
        # The columns are collected by running once, so that names and values always agree.
        self._computed: list[FeatureColumn] | None = []
        with torch.inference_mode():
            values = self._statistics(self.frames(torch.sin(torch.arange(self.sample_rate) * 0.1)))
        computed, self._computed = self._computed, None
        place = {column.name: number for number, column in enumerate(computed)}
        wanted = _column_names()
        if len(values) != len(computed) or sorted(names_of(computed)) != sorted(wanted):
            raise AssertionError(
                f"{len(values)} values under {len(place)} names, expected those of {len(wanted)} columns"
            )
        order = [place[name] for name in wanted]
        self._columns = tuple(computed[number] for number in order)
        self.register_buffer("order", torch.tensor(order), persistent=False)

    @property
    def columns(self) -> tuple[FeatureColumn, ...]:
        """The columns, by descriptor and statistic."""
        return self._columns

    def sources(self) -> tuple[object, ...]:
        """Return all modules that the values depend on."""
        return (*super().sources(), descriptors, pitch, spectral, statistics)

    def forward(self, waveform: Tensor) -> Tensor:
        """(1, n) float32, 16 kHz, n >= 3200 -> (1, d) float32."""
        # Computed in an order that needs few large operations, and then put in the order of the columns.
        return torch.index_select(self._statistics(self.frames(waveform[0])), 0, self.order)[None]

    def _note(self, summarised: Iterable[Descriptor], units: Mapping[str, str]) -> None:
        if self._computed is not None:
            self._computed += [
                descriptor.column(statistic, unit) for statistic, unit in units.items() for descriptor in summarised
            ]

    def _statistics(self, d: Descriptors) -> Tensor:
        """Return all columns in the order in which they are noted, (d,)."""
        first, second = spectral.deltas(torch.cat([d.mfcc, d.prosody], dim=-1))
        # In this order, the columns of each statistic are contiguous.
        streams = {
            "logmel": d.log_mel,
            "chroma": d.chroma,
            "contrast": d.contrast,
            "mfcc-delta2": second[:, :N_MFCC],
            "prosody-delta": first[:, N_MFCC:],
            "prosody": d.prosody,
            "mfcc": d.mfcc,
            "mfcc-delta": first[:, :N_MFCC],
        }
        every = [descriptor for stream in streams for descriptor in _STREAMS[stream]]
        start = {stream: every.index(_STREAMS[stream][0]) for stream in streams}
        everything = torch.cat(list(streams.values()), dim=-1)
        parts: list[Tensor] = []

        def moments(begin: int, suffix: str, mask: Tensor | None = None) -> None:
            parts.extend(statistics.mean_std(everything[:, begin:], mask))
            self._note(every[begin:], {f"mean{suffix}": "{unit}", f"std{suffix}": "{difference}"})

        def table(values: Tensor, summarised: Iterable[Descriptor], units: Mapping[str, str]) -> None:
            parts.append(values.reshape(-1))
            self._note(summarised, units)

        moments(0, "")
        moments(start["contrast"], "-voiced", d.voiced)
        moments(start["mfcc"], "-unvoiced", d.active - d.voiced)
        table(spectral.decibel(d.mel.mean(0), top_db=None), STREAMS["mel"], {"power": "{unit}"})

        low, high = start["prosody-delta"], start["mfcc-delta"]
        ordered = statistics.quantiles(everything[:, low:high], (0.0, *SHARES, 1.0))
        table(ordered, every[low:high], {"min": "{unit}", **_QUANTILES, "max": "{unit}"})
        semitones = d.prosody[:, :1]
        voiced_q = statistics.quantiles(semitones, SHARES, d.voiced)
        table(voiced_q, [_PITCH], _VOICED_QUANTILES)
        table(torch.cat([voiced_q[4] - voiced_q[0], voiced_q[3] - voiced_q[1]]), [_PITCH], _RANGES)
        table(statistics.contour(semitones[:, 0], d.voiced), [_PITCH], _CONTOUR)
        table(statistics.rhythm(d.voiced, d.active), [_RHYTHM], _RUNS)

        low, high = start["prosody"], start["mfcc"] + N_COSINE_MFCC
        table(statistics.temporal_cosines(everything[:, low:high], N_COSINES), every[low:high], _COSINES)
        bands = d.log_mel.reshape(-1, N_MELS // BAND_GROUP, BAND_GROUP).mean(-1)
        moving = torch.cat([bands, d.prosody], dim=-1)
        table(statistics.modulation_energies(moving, N_OCTAVES), STREAMS["band"] + STREAMS["prosody"], _OCTAVES)
        return torch.cat(parts)
