"""Degraded recording conditions for tests: noise, a telephone line, a codec, a wrong recording level.

A condition is an `emotone.augment.Transform` in which nothing is random but the noise itself.  Test clips go through it
after trimming, so the signal-to-noise ratio is relative to the voice without the silence at its ends.
"""

from emotone.augment.lines import Level, Mp3, Telephone
from emotone.augment.transforms import Noise, Transform
from emotone.errors import ConfigError

#: Name for all conditions together.
ALL = "all"


def _noise(snr_db: float) -> Transform:
    return Noise(min_snr_db=snr_db, max_snr_db=snr_db)


#: Name -> change of a test clip.  Noise is between white and pink; the number is the signal-to-noise ratio in dB.
CONDITIONS: dict[str, Transform] = {
    "noise-20": _noise(20.0),
    "noise-10": _noise(10.0),
    "noise-5": _noise(5.0),
    "noise-0": _noise(0.0),
    "telephone": Telephone(),
    "mp3-32": Mp3(),
    "gain+20": Level(20.0, 20.0),
    "gain-20": Level(-20.0, -20.0),
}


def parse(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return names of conditions, each once, in the order of `CONDITIONS`; ``"all"`` means all of them.

    Raises
    ------
    ConfigError
        A name is unknown.

    Examples
    --------
    >>> parse(("telephone", "noise-10"))
    ('noise-10', 'telephone')
    """
    for name in names:
        if name != ALL and name not in CONDITIONS:
            raise ConfigError(f"unknown condition {name!r}; known: {', '.join(CONDITIONS)}, {ALL}")
    return tuple(name for name in CONDITIONS if name in names or ALL in names)
