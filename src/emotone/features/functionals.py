"""The standard extractor: statistics over time of the low-level descriptors."""

import torch
from torch import Tensor

from emotone.features import descriptors, pitch, spectral, statistics
from emotone.features.base import Extractor
from emotone.features.descriptors import (
    N_CHROMA,
    N_CONTRAST,
    N_MELS,
    N_MFCC,
    PROSODY_NAMES,
    DescriptorFrames,
    Descriptors,
)

SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
N_COSINES, N_COSINE_MFCC = 5, 20
N_OCTAVES = 6
BAND_GROUP = 4  # neighbouring mel bands are averaged by four where 128 would only repeat each other


def _numbered(name: str, count: int) -> list[str]:
    return [f"{name}{number:0{len(str(count - 1))}d}" for number in range(count)]


_NAMES = {
    "mfcc": _numbered("mfcc", N_MFCC),
    "logmel": _numbered("logmel", N_MELS),
    "mel": _numbered("mel", N_MELS),
    "chroma": _numbered("chroma", N_CHROMA),
    "contrast": _numbered("contrast", N_CONTRAST),
    "band": _numbered("band", N_MELS // BAND_GROUP),
    "prosody": list(PROSODY_NAMES),
}
_NAMES |= {
    f"{stream}-{derivative}": [f"{name}-{derivative}" for name in _NAMES[stream]]
    for stream in ("mfcc", "prosody")
    for derivative in ("delta", "delta2")
}
_QUANTILES = [f"q{round(100 * share):02d}" for share in SHARES]
_PITCH_LABELS = [f"{label}-voiced" for label in _QUANTILES] + ["range90", "range50", "slope-voiced", "step-voiced"]
_RHYTHM_LABELS = ["voiced-share", "active-share", "voiced-runs", "voiced-run-s", "active-runs", "log-length"]
_COSINES = [f"cos{k}" for k in range(1, N_COSINES + 1)]
_OCTAVES = [f"mod{octave}" for octave in range(N_OCTAVES)]
#: Streams in the order of the columns, and the frames that their means and standard deviations are taken over.
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
    """All columns in their order, ``descriptor_statistic``."""
    tables = [
        (stream, [f"{statistic}{suffix}" for suffix in suffixes for statistic in ("mean", "std")])
        for stream, suffixes in _MOMENTS.items()
    ]
    tables += [("mel", ["power"])]
    tables += [(stream, [*_QUANTILES, "min", "max"]) for stream in ("prosody", "prosody-delta", "mfcc")]
    columns = [f"{name}_{label}" for stream, labels in tables for label in labels for name in _NAMES[stream]]
    columns += [f"pitch_{label}" for label in _PITCH_LABELS] + [f"rhythm_{label}" for label in _RHYTHM_LABELS]
    rest = [(_NAMES["mfcc"][:N_COSINE_MFCC], _COSINES), (_NAMES["prosody"], _COSINES)]
    rest += [(_NAMES["band"], _OCTAVES), (_NAMES["prosody"], _OCTAVES)]
    return tuple(columns + [f"{name}_{label}" for names, labels in rest for label in labels for name in names])


class Functionals(Extractor):
    """Statistics of MFCC, log-mel bands, chroma, spectral contrast, pitch, voicing and spectral shape.

    Emotion is in how these are distributed and how they move, so each descriptor is summed up by several statistics;
    the means over voiced frames are kept apart from those over the rest, because a pause or a fricative says something
    else than a vowel.  `feature_names` reads ``descriptor_statistic``: ``mfcc03-delta_std``, ``pitch_q95-voiced``.
    """

    name = "functionals"

    order: Tensor

    def __init__(self) -> None:
        super().__init__({"sample_rate": self.sample_rate})
        self.frames = DescriptorFrames(sample_rate=self.sample_rate)
        self._names = _column_names()
        self._computed: list[str] = []
        # The names are collected by running once, so that they can't come apart from the values.
        self._collecting = True
        with torch.inference_mode():
            tone = torch.sin(torch.arange(self.sample_rate) * 0.1)
            values = self._statistics(self.frames(tone))
        self._collecting = False
        if len(values) != len(self._computed) or sorted(self._names) != sorted(self._computed):
            computed = f"{len(values)} values under {len(self._computed)} names"
            raise AssertionError(f"{computed}, expected those of {len(self._names)} columns")

        place = {name: number for number, name in enumerate(self._computed)}
        order = torch.tensor([place[name] for name in self._names])
        self.register_buffer("order", order, persistent=False)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """``descriptor_statistic``, one a column."""
        return self._names

    def sources(self) -> tuple[object, ...]:
        """All modules that the values depend on."""
        return (*super().sources(), descriptors, pitch, spectral, statistics)

    def forward(self, waveform: Tensor) -> Tensor:
        """(1, n) float32, 16 kHz, n >= 3200 -> (1, d) float32."""
        # Computed by statistic, which needs few large operations, and put in the order by descriptor.
        return torch.index_select(self._statistics(self.frames(waveform[0])), 0, self.order)[None]

    def _note(self, names: list[str], labels: list[str]) -> None:
        if self._collecting:
            self._computed += [f"{name}_{label}" for label in labels for name in names]

    def _statistics(self, d: Descriptors) -> Tensor:
        """All columns in the order in which they are noted, (d,)."""
        first, second = spectral.deltas(torch.cat([d.mfcc, d.prosody], dim=-1))
        # In an order in which what a statistic is taken of lies side by side.
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
        names = [name for stream in streams for name in _NAMES[stream]]
        start = {stream: names.index(_NAMES[stream][0]) for stream in streams}
        everything = torch.cat(list(streams.values()), dim=-1)
        parts: list[Tensor] = []

        def moments(values: Tensor, columns: list[str], suffix: str, mask: Tensor | None = None) -> None:
            parts.extend(statistics.mean_std(values, mask))
            self._note(columns, [f"mean{suffix}", f"std{suffix}"])

        def table(values: Tensor, columns: list[str], labels: list[str]) -> None:
            parts.append(values.reshape(-1))
            self._note(columns, labels)

        voiced, unvoiced = start["contrast"], start["mfcc"]  # the first columns of which these means are taken
        moments(everything, names, "")
        moments(everything[:, voiced:], names[voiced:], "-voiced", d.voiced)
        moments(everything[:, unvoiced:], names[unvoiced:], "-unvoiced", d.active - d.voiced)
        table(spectral.decibel(d.mel.mean(0), top_db=None), _NAMES["mel"], ["power"])

        low, high = start["prosody-delta"], start["mfcc-delta"]
        ordered = statistics.quantiles(everything[:, low:high], (0.0, *SHARES, 1.0))
        table(ordered, names[low:high], ["min", *_QUANTILES, "max"])
        semitones = d.prosody[:, :1]
        voiced_q = statistics.quantiles(semitones, SHARES, d.voiced)
        table(voiced_q, ["pitch"], _PITCH_LABELS[:5])
        table(torch.cat([voiced_q[4] - voiced_q[0], voiced_q[3] - voiced_q[1]]), ["pitch"], _PITCH_LABELS[5:7])
        table(statistics.contour(semitones[:, 0], d.voiced), ["pitch"], _PITCH_LABELS[7:])
        table(statistics.rhythm(d.voiced, d.active), ["rhythm"], _RHYTHM_LABELS)

        low, high = start["prosody"], start["mfcc"] + N_COSINE_MFCC
        table(statistics.temporal_cosines(everything[:, low:high], N_COSINES), names[low:high], _COSINES)
        bands = d.log_mel.reshape(-1, N_MELS // BAND_GROUP, BAND_GROUP).mean(-1)
        moving = torch.cat([bands, d.prosody], dim=-1)
        table(statistics.modulation_energies(moving, N_OCTAVES), _NAMES["band"] + _NAMES["prosody"], _OCTAVES)
        return torch.cat(parts)
