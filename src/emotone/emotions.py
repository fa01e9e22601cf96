"""The emotion vocabulary: one canonical name each, one order, and the aliases that corpora use."""

from collections.abc import Iterable

from emotone.errors import CorpusError

#: Canonical names in the order in which every table, matrix and graph output lists them (RAVDESS's own, then boredom).
EMOTIONS: tuple[str, ...] = (
    "neutral",
    "calm",
    "happy",
    "sad",
    "angry",
    "fearful",
    "disgust",
    "surprised",
    "boredom",
)

#: Alias -> canonical name: the English ones of corpora and manifests.  German and Italian codes stay in their readers.
ALIASES: dict[str, str] = {
    "neu": "neutral",
    "normal": "neutral",
    "happiness": "happy",
    "hap": "happy",
    "joy": "happy",
    "joyful": "happy",
    "sadness": "sad",
    "anger": "angry",
    "ang": "angry",
    "fear": "fearful",
    "fea": "fearful",
    "afraid": "fearful",
    "anxiety": "fearful",
    "dis": "disgust",
    "disgusted": "disgust",
    "surprise": "surprised",
    "sur": "surprised",
    "ps": "surprised",
    "pleasant_surprise": "surprised",
    "pleasant_surprised": "surprised",
    "bored": "boredom",
    "calmness": "calm",
}


def canonical(name: str) -> str:
    """The canonical name of an emotion.

    Parameters
    ----------
    name
        A canonical name or an alias, in any case, with spaces, hyphens or underscores.

    Raises
    ------
    CorpusError
        The name is neither; the message lists the known ones.

    Examples
    --------
    >>> canonical("Pleasant surprise")
    'surprised'
    """
    key = "_".join(name.strip().lower().replace("-", " ").replace("_", " ").split())
    found = key if key in EMOTIONS else ALIASES.get(key)
    if found is None:
        raise CorpusError(f"unknown emotion {name!r}; known: {', '.join(EMOTIONS)}, or an alias such as 'fear' or 'ps'")
    return found


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """The distinct canonical names among ``names``, in the order of `EMOTIONS`.

    Examples
    --------
    >>> in_order(["sad", "anger", "sad"])
    ('sad', 'angry')
    """
    found = {canonical(name) for name in names}
    return tuple(emotion for emotion in EMOTIONS if emotion in found)
