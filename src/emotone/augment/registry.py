"""The transforms of ``--augment`` by name: those of `emotone.augment.transforms`, ``scene``, and mixup."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from emotone.augment import transforms
from emotone.augment.scene import Scene
from emotone.augment.transforms import Transform
from emotone.errors import ConfigError

_MIXUP = "mixup"
#: Name -> transform with its default ranges.
TRANSFORMS: dict[str, Transform] = {**transforms.TRANSFORMS, Scene.name: Scene()}

#: Names for the setting ``augment`` of an experiment: the transforms, and mixup.
NAMES: tuple[str, ...] = (*TRANSFORMS, _MIXUP)


def parse(names: Sequence[str], *, sounds: Path | None = None) -> tuple[tuple[Transform, ...], bool]:
    """Return the transforms that names of `NAMES` mean, in their order, and whether mixup is among the names.

    Parameters
    ----------
    names
        Names of `NAMES`.
    sounds
        Folder of recorded noise for ``scene``; None: synthesised noise only.

    Raises
    ------
    ConfigError
        A name is unknown or comes twice.

    Examples
    --------
    >>> transforms, mixup = parse(["speed", "mixup", "noise"])
    >>> [transform.name for transform in transforms], mixup
    (['speed', 'noise'], True)
    """
    for name in names:
        if name not in NAMES:
            raise ConfigError(f"unknown transform {name!r}; known: {', '.join(NAMES)}")
        if names.count(name) > 1:
            raise ConfigError(f"transform {name!r} is named {names.count(name)} times; name it once")
    chosen = [TRANSFORMS[name] for name in names if name != _MIXUP]
    with_sounds = [replace(each, folder=sounds) if isinstance(each, Scene) else each for each in chosen]
    return tuple(with_sounds), _MIXUP in names
