"""The standard extractor: statistics over time of the low-level descriptors."""

import torch
from torch import Tensor

from emotone.features import descriptors, pitch, spectral, statistics
from emotone.features.base import Extractor
from emotone.features.descriptors import N_CHROMA, N_MELS, N_MFCC, PROSODY_NAMES, DescriptorFrames

SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
N_COSINES, N_COSINE_MFCC = 5, 20
N_OCTAVES = 6
BAND_GROUP = 4  # neighbouring mel bands are averaged by four where 128 would only repeat each other


def _numbered(name: str, count: int) -> list[str]:
    return [f"{name}{number:0{len(str(count - 1))}d}" for number in range(count)]


class Functionals(Extractor):
    """Statistics of MFCC, log-mel bands, chroma, spectral contrast, pitch, voicing and spectral shape.

    Emotion is in how these are distributed and how they move, so each descriptor is summed up by several statistics;
    the means over voiced frames are kept apart from those over the rest, because a pause or a fricative says something
    else than a vowel.  `feature_names` reads ``descriptor_statistic``: ``mfcc03-delta_std``, ``pitch_q95-voiced``.
    """

    name = "functionals"

    def __init__(self) -> None:
        super().__init__({"sample_rate": self.sample_rate})
        self.frames = DescriptorFrames(sample_rate=self.sample_rate)
        self._names: list[str] = []
        # The names are collected by running once, so that they can't come apart from the values.
        self._collecting = True
        with torch.inference_mode():
            tone = torch.sin(torch.arange(self.sample_rate) * 0.1)
            width = self.forward(tone[None]).shape[1]
        self._collecting = False
        if width != len(set(self._names)):
            raise AssertionError(f"{width} features but {len(set(self._names))} distinct names")

    @property
    def feature_names(self) -> tuple[str, ...]:
        """``descriptor_statistic``, one a column."""
        return tuple(self._names)

    def sources(self) -> tuple[object, ...]:
        """All modules that the values depend on."""
        return (*super().sources(), descriptors, pitch, spectral, statistics)

    def _note(self, statistic: str, names: list[str]) -> None:
        if self._collecting:
            self._names += [f"{name}_{statistic}" for name in names]

    def forward(self, waveform: Tensor) -> Tensor:
        """(1, n) float32, 16 kHz, n >= 3200 -> (1, d) float32."""
        d = self.frames(waveform[0])
        unvoiced = d.active - d.voiced
        masks = {"": None, "-voiced": d.voiced, "-unvoiced": unvoiced}
        mfcc_names, prosody_names = _numbered("mfcc", N_MFCC), list(PROSODY_NAMES)
        first, second = spectral.delta(d.mfcc), spectral.delta(d.mfcc, order=2)
        first_prosody = spectral.delta(d.prosody)
        bands = d.log_mel.reshape(-1, N_MELS // BAND_GROUP, BAND_GROUP).mean(-1)
        parts: list[Tensor] = []

        def moments(values: Tensor, names: list[str], which: tuple[str, ...]) -> None:
            for suffix in which:
                for statistic, value in zip(("mean", "std"), statistics.mean_std(values, masks[suffix]), strict=True):
                    parts.append(value)
                    self._note(statistic + suffix, names)

        def table(values: Tensor, names: list[str], labels: list[str]) -> None:
            parts.append(values.reshape(-1))
            for label in labels:
                self._note(label, names)

        everywhere = ("", "-voiced", "-unvoiced")
        moments(d.mfcc, mfcc_names, everywhere)
        moments(first, [f"{name}-delta" for name in mfcc_names], everywhere)
        moments(second, [f"{name}-delta2" for name in mfcc_names], ("", "-voiced"))
        moments(d.log_mel, _numbered("logmel", N_MELS), ("",))
        moments(d.chroma, _numbered("chroma", N_CHROMA), ("",))
        moments(d.contrast, _numbered("contrast", d.contrast.shape[1]), ("", "-voiced"))
        moments(d.prosody, prosody_names, ("", "-voiced"))
        moments(first_prosody, [f"{name}-delta" for name in prosody_names], ("", "-voiced"))
        table(spectral.decibel(d.mel.mean(0), top_db=None), _numbered("mel", N_MELS), ["power"])

        q_labels = [f"q{round(100 * share):02d}" for share in SHARES]
        for values, names in ((d.prosody, prosody_names), (first_prosody, [f"{n}-delta" for n in prosody_names])):
            table(statistics.quantiles(values, SHARES), names, q_labels)
            table(torch.stack([values.amin(0), values.amax(0)]), names, ["min", "max"])
        table(statistics.quantiles(d.mfcc, SHARES), mfcc_names, q_labels)
        table(torch.stack([d.mfcc.amin(0), d.mfcc.amax(0)]), mfcc_names, ["min", "max"])
        semitones = d.prosody[:, :1]
        voiced_q = statistics.quantiles(semitones, SHARES, d.voiced)
        table(voiced_q, ["pitch"], [f"{label}-voiced" for label in q_labels])
        table(torch.cat([voiced_q[4] - voiced_q[0], voiced_q[3] - voiced_q[1]]), ["pitch"], ["range90", "range50"])
        table(statistics.contour(semitones[:, 0], d.voiced), ["pitch"], ["slope-voiced", "step-voiced"])
        labels = ["voiced-share", "active-share", "voiced-runs", "voiced-run-s", "active-runs", "log-length"]
        table(statistics.rhythm(d.voiced, d.active), ["rhythm"], labels)

        c_labels = [f"cos{k}" for k in range(1, N_COSINES + 1)]
        table(statistics.temporal_cosines(d.mfcc[:, :N_COSINE_MFCC], N_COSINES), mfcc_names[:N_COSINE_MFCC], c_labels)
        table(statistics.temporal_cosines(d.prosody, N_COSINES), prosody_names, c_labels)
        m_labels = [f"mod{octave}" for octave in range(N_OCTAVES)]
        table(statistics.modulation_energies(bands, N_OCTAVES), _numbered("band", bands.shape[1]), m_labels)
        table(statistics.modulation_energies(d.prosody, N_OCTAVES), prosody_names, m_labels)
        return torch.cat(parts)[None]
