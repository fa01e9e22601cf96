"""openSMILE's standard feature sets, through its own Python package."""

import re
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emotone.errors import FeatureError, MissingExtraError
from emotone.features.base import Extractor
from emotone.features.columns import OTHER, FeatureColumn

#: openSMILE's set -> the name under which it is registered here.
SETS = {"eGeMAPSv02": "egemaps", "ComParE_2016": "compare"}
#: Group -> start of its descriptors' names in openSMILE, in lower case; the first match counts.
_GROUPS = {
    "MFCC": r"mfcc",
    "mel bands": r"audspec_rfilt",
    "pitch": r"f0",
    "rhythm": r"(mean|stddev)(un)?voicedsegment|voicedsegmentspersec|loudnesspeakspersec",
    "energy": r"loudness_|equivalentsoundlevel|pcm_rmsenergy|audspec(rasta)?_lengthl1norm",
    "voice quality": r"jitter|shimmer|(log)?hnr|voicingfinal|logrelf0-h1",
    "formants": r"f[123](frequency|bandwidth|amplitude)",
    "spectral shape": r"alpharatio|hammarberg|slope|spectralflux|pcm_fftmag|pcm_zcr",
}


def column(name: str) -> FeatureColumn:
    """Describe a column of openSMILE, whose names are ``descriptor_sma3_statistic``.

    Examples
    --------
    >>> column("F0semitoneFrom27.5Hz_sma3nz_amean")[1:4]
    ('F0semitoneFrom27.5Hz', 'amean', 'pitch')
    """
    descriptor, _, rest = name.partition("_sma")
    lower = name.lower()
    group = next((group for group, pattern in _GROUPS.items() if re.match(pattern, lower)), OTHER)
    return FeatureColumn(name, descriptor, rest.partition("_")[2], group)


class OpenSmile(Extractor):
    """The functionals of an openSMILE set over the whole clip.

    Parameters
    ----------
    feature_set
        ``eGeMAPSv02`` (88 features; Eyben et al., "The Geneva Minimalistic Acoustic Parameter Set", IEEE TAC 2016) or
        ``ComParE_2016`` (6,373 features; Schuller et al., Interspeech 2016).

    Notes
    -----
    openSMILE is free for research and needs a licence for commercial use.  It is a binary and can't be part of an ONNX
    graph: a bundle holds its name, and prediction needs the extra ``opensmile`` too.  Every clip is first brought to
    the same level, as everywhere in Emotone, so that gain has no effect.
    """

    is_graph = False

    def __init__(self, feature_set: str) -> None:
        try:
            import opensmile
        except ImportError as error:
            raise MissingExtraError(f"the feature set {feature_set}", extra="opensmile") from error
        if feature_set not in SETS:
            raise FeatureError(f"unknown openSMILE set {feature_set!r}; known: {', '.join(SETS)}")
        super().__init__({"feature_set": feature_set, "opensmile": opensmile.__version__})
        self.name = SETS[feature_set]
        self._smile: Any = opensmile.Smile(
            feature_set=opensmile.FeatureSet[feature_set], feature_level=opensmile.FeatureLevel.Functionals
        )

    @property
    def columns(self) -> tuple[FeatureColumn, ...]:
        """The columns under openSMILE's own names."""
        return tuple(map(column, self._smile.feature_names))

    def __call__(self, waveform: Tensor) -> Tensor:
        """(1, n) float32, 16 kHz -> (1, d) float32."""
        return torch.from_numpy(self.compute(waveform[0].numpy()))[None]

    def compute(self, samples: np.ndarray) -> np.ndarray:
        """(n,) float32 -> (d,) float32.

        Raises
        ------
        FeatureError
            openSMILE gave no number for some feature, as it does for a clip shorter than its longest window.
        """
        # A tenth of full scale: openSMILE reads 16-bit integers, and would clip louder samples in silence.
        level = 0.1 * samples / max(float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))), 1e-7)
        peak = float(np.abs(level).max())
        values = self._smile.process_signal(level / max(1.0, peak), self.sample_rate).to_numpy(np.float32)[0]
        if not np.isfinite(values).all():
            bad = [name for name, value in zip(self.feature_names, values, strict=True) if not np.isfinite(value)]
            raise FeatureError(
                f"openSMILE gave no number for {len(bad)} features (the first: {bad[0]}) of a clip of "
                f"{len(samples) / self.sample_rate:.2f} s; it needs at least about half a second"
            )
        return np.asarray(values)
