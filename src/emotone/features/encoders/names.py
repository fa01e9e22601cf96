"""Names of extractors, including pretrained encoders; imports none of the libraries behind them.

The name of an encoder says which of its states are the features::

    whisper-<size>@<layers>[:<pooling>]
    hub:<org/model or folder>@<layers>[:<pooling>]

Layers are block numbers from 1, separated by commas; 0 is the input of the first block.  Names joined by ``+`` put the
statistics of several encoders side by side, or the states of several sizes of Whisper, which have the same times.
``int8:`` before the whole name, allowed only for Whisper's encoders, gives the graph 8-bit weights.
"""

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import NamedTuple

from emotone.errors import ConfigError

#: Extractors outside the grammar that give one row of features a clip.
ROWS = ("functionals", "egemaps", "compare")
#: Extractors outside the grammar that give frames; only networks can be trained on frames.
SEQUENCES = frozenset({"log-mel", "mfcc-frames"})
#: Pooling of a layer's states over time, the default first: a row of statistics, or the states themselves.
#: ``"thirds"`` are every third state, 60 ms apart.
MEAN_STD, MEAN, FRAMES, THIRDS = "mean+std", "mean", "frames", "thirds"
POOLINGS = (MEAN_STD, MEAN, FRAMES, THIRDS)
#: The grammar, for messages.
GRAMMAR = "[int8:]whisper-<size>@<layers>[:<pooling>] or hub:<org/model or folder>@<layers>[:<pooling>]"
_WHISPER, _HUB, INT8 = "whisper-", "hub:", "int8:"
_JOINT = re.compile(r"\+(?=whisper-|hub:)")  # not the + in the pooling mean+std


class Size(NamedTuple):
    """A size of Whisper: width of the states, and number of blocks of the encoder."""

    width: int
    n_blocks: int


#: Sizes of Whisper that small machines can run; ``.en`` means trained on English only.
SIZES = {
    "tiny": Size(384, 4),
    "tiny.en": Size(384, 4),
    "base": Size(512, 6),
    "base.en": Size(512, 6),
    "small": Size(768, 12),
    "small.en": Size(768, 12),
}


@dataclass(frozen=True)
class EncoderName:
    """An encoder, and the states that are its features.

    Attributes
    ----------
    size
        A key of `SIZES` for Whisper; "" for other encoders.
    model
        Name on the hub, or a folder; "" for Whisper.
    layers
        Block numbers, all different; 0 is the input of the first block.
    pooling
        An item of `POOLINGS`.
    """

    size: str
    model: str
    layers: tuple[int, ...]
    pooling: str

    @property
    def label(self) -> str:
        """Prefix of the column names: the last part of the encoder's name."""
        return f"{_WHISPER}{self.size}" if self.size else _last_part(self.model)

    @property
    def is_sequence(self) -> bool:
        """Whether it gives frames rather than one row per clip."""
        return self.pooling in (FRAMES, THIRDS)

    def __str__(self) -> str:
        source = f"{_WHISPER}{self.size}" if self.size else f"{_HUB}{self.model}"
        pooling = "" if self.pooling == MEAN_STD else f":{self.pooling}"
        return f"{source}@{','.join(map(str, self.layers))}{pooling}"


def is_encoder(name: str) -> bool:
    """Return whether the name begins like that of a pretrained encoder; it may still be invalid."""
    return name.startswith((_WHISPER, _HUB, INT8))


def is_sequence(name: str) -> bool:
    """Return whether the extractor of that name gives frames, for networks, rather than one row per clip.

    Raises
    ------
    ConfigError
        It begins like the name of an encoder, but is invalid.

    Examples
    --------
    >>> [is_sequence(name) for name in ("functionals", "log-mel", "whisper-base@3", "whisper-base@3:frames")]
    [False, True, False, True]
    """
    return name in SEQUENCES or (is_encoder(name) and parse(name)[0].is_sequence)


def parse(name: str) -> tuple[EncoderName, ...]:
    """Parse the name of an encoder, or of several joined by ``+``.

    Raises
    ------
    ConfigError
        The name does not follow the grammar; the message gives the part.

    Examples
    --------
    >>> [str(part) for part in parse("whisper-base@2,3:mean+whisper-tiny.en@2:mean+std")]
    ['whisper-base@2,3:mean', 'whisper-tiny.en@2']
    >>> parse("hub:facebook/hubert-base-ls960@9:frames")
    (EncoderName(size='', model='facebook/hubert-base-ls960', layers=(9,), pooling='frames'),)
    """
    if f"+{INT8}" in name:
        raise _wrong(name, f"{INT8!r} is inside the name; it is for all parts, so put it before the first")
    parts = tuple(_parse_part(text, name) for text in _JOINT.split(name.removeprefix(INT8)))
    if name.startswith(INT8) and not all(part.size for part in parts):
        raise _wrong(name, f"{INT8!r} is for Whisper's encoders alone, which are graphs; leave it out")
    kinds = {part.pooling if part.is_sequence else "statistics" for part in parts}
    if len(kinds) > 1:
        listed = " and ".join(kind if kind == "statistics" else repr(kind) for kind in sorted(kinds, reverse=True))
        raise _wrong(name, f"{listed} are joined; expected the same pooling of all parts")
    if len(parts) > 1 and parts[0].is_sequence and not all(part.size for part in parts):
        pooling = parts[0].pooling
        raise _wrong(
            name, f"{pooling!r} of other encoders than Whisper's can't be joined; take {MEAN!r} or {MEAN_STD!r}"
        )
    taken: set[tuple[str, int]] = set()
    for label, layer in ((part.label, layer) for part in parts for layer in part.layers):
        if (label, layer) in taken:
            raise _wrong(name, f"layer {layer} of {label!r} is there twice, expected once; leave one out")
        taken.add((label, layer))
    return parts


def _parse_part(text: str, name: str) -> EncoderName:
    """Parse a part of ``name``, without ``+``."""
    source, at, rest = text.rpartition("@")
    if not at:
        raise _wrong(name, f"{text!r} names no layers; add them, such as {text}@3")
    layers_text, colon, pooling = rest.partition(":")
    if not re.fullmatch(r"\d+(,\d+)*", layers_text, re.ASCII):
        raise _wrong(name, f"layers are {layers_text!r}; expected numbers of blocks with commas, such as 2,3,4")
    layers = tuple(map(int, layers_text.split(",")))
    if not colon:
        pooling = MEAN_STD
    if pooling not in POOLINGS:
        raise _wrong(name, f"pooling is {pooling!r}; expected {', '.join(POOLINGS)}")
    if source.startswith(_HUB):
        if pooling == THIRDS:
            raise _wrong(name, f"{THIRDS!r} is for Whisper's encoders alone; take {FRAMES!r}")
        model = source.removeprefix(_HUB)
        if not _last_part(model):
            raise _wrong(name, f"{source!r} names no model; expected org/model of the hub, or a folder")
        return EncoderName("", model, layers, pooling)
    size = source.removeprefix(_WHISPER)
    if size not in SIZES:
        raise _wrong(name, f"the size of Whisper is {size!r}; expected {', '.join(SIZES)}")
    if max(layers) > SIZES[size].n_blocks:
        raise _wrong(name, f"layer {max(layers)} of {source}, which has {SIZES[size].n_blocks} blocks; name lower ones")
    return EncoderName(size, "", layers, pooling)


def _last_part(model: str) -> str:
    return PurePath(model.replace("\\", "/")).name


def _wrong(name: str, why: str) -> ConfigError:
    return ConfigError(f"extractor {name!r}: {why}. Expected {GRAMMAR}")
