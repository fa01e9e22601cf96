"""The columns of feature tables: what each holds, in which unit, and its group.

Every extractor describes its columns here, so that no reader has to take a name apart.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Group of columns that belong to no other.
OTHER = "other"


class FeatureColumn(NamedTuple):
    """A column of a feature table.

    Attributes
    ----------
    name
        Unique within an extractor, such as ``"mfcc03-delta_std"``.
    descriptor
        The value per frame that the column summarises, such as ``"mfcc03-delta"``; "" if unknown.
    statistic
        How the frames are summarised, such as ``"std"``; "" for frames.
    group
        Kind of descriptor, such as ``"MFCC"``; columns of a group are permuted together.
    unit
        Unit of the values; "" if unknown.
    """

    name: str
    descriptor: str = ""
    statistic: str = ""
    group: str = OTHER
    unit: str = ""


class Descriptor(NamedTuple):
    """A value per frame.

    Attributes
    ----------
    name, group, unit
        As in `FeatureColumn`.
    difference_unit
        Unit of the difference between two values; "" if it is ``unit``.
    """

    name: str
    group: str
    unit: str
    difference_unit: str = ""

    def derivative(self, order: int) -> "Descriptor":
        """Return the first or second derivative over time."""
        suffix, per = {1: ("-delta", " a frame"), 2: ("-delta2", " a frame²")}[order]
        return Descriptor(f"{self.name}{suffix}", self.group, f"{self.difference_unit or self.unit}{per}")

    def column(self, statistic: str, unit: str = "{unit}") -> FeatureColumn:
        """Return the column of a statistic, ``descriptor_statistic``.

        Parameters
        ----------
        unit
            Unit of the statistic; ``{unit}`` and ``{difference}`` mean the units of this descriptor.
        """
        filled = unit.format(unit=self.unit, difference=self.difference_unit or self.unit)
        return FeatureColumn(f"{self.name}_{statistic}", self.name, statistic, self.group, filled)


def numbered(name: str, count: int, group: str, unit: str, *, start: int = 0) -> tuple[Descriptor, ...]:
    """Return descriptors of the same kind: ``mfcc00``, ``mfcc01``, ..., numbers padded with zeros."""
    digits = len(str(start + count - 1))
    return tuple(Descriptor(f"{name}{number:0{digits}d}", group, unit) for number in range(start, start + count))


def plain(*names: str) -> tuple[FeatureColumn, ...]:
    """Return columns of which only the names are known."""
    return tuple(FeatureColumn(name) for name in names)


def by_group(columns: Iterable[FeatureColumn]) -> dict[str, NDArray[np.int64]]:
    """Return group -> places of its columns, ascending; groups come in the order of their first columns.

    Examples
    --------
    >>> by_group([FeatureColumn("a", group="pitch"), FeatureColumn("b"), FeatureColumn("c", group="pitch")])
    {'pitch': array([0, 2]), 'other': array([1])}
    """
    places: dict[str, list[int]] = {}
    for place, column in enumerate(columns):
        places.setdefault(column.group, []).append(place)
    return {group: np.asarray(listed, dtype=np.int64) for group, listed in places.items()}


def names_of(columns: Sequence[FeatureColumn]) -> tuple[str, ...]:
    """Return the names of columns."""
    return tuple(column.name for column in columns)
