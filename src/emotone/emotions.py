"""The emotion vocabulary: canonical names, their order, and the aliases that corpora use."""

from collections.abc import Iterable

from emotone.errors import CorpusError

#: Canonical names, in the order of every table, matrix and graph output (the order of RAVDESS, then boredom).
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

#: Alias -> canonical name: English aliases in corpora and manifests.  Readers hold the codes of their own corpora.
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
    """Return the canonical name of an emotion.

    Parameters
    ----------
    name
        A canonical name or an alias, in any case, with spaces, hyphens or underscores.

    Raises
    ------
    CorpusError
        The name is unknown; the message lists the known names.

    Examples
    --------
    >>> canonical("Pleasant surprise")
    'surprised'
    """
    key = "_".join(name.strip().lower().replace("-", " ").replace("_", " ").split())
    emotion = key if key in EMOTIONS else ALIASES.get(key)
    if emotion is None:
        raise CorpusError(f"unknown emotion {name!r}; known: {', '.join(EMOTIONS)}, or an alias such as 'fear' or 'ps'")
    return emotion


def in_order(names: Iterable[str], *, unknown_last: bool = False) -> tuple[str, ...]:
    """Return the distinct canonical names of ``names``, in the order of `EMOTIONS`.

    Parameters
    ----------
    names
        Canonical names or aliases.
    unknown_last
        Keep names as they are, and sort those that are not canonical after the others.  False: resolve aliases, and
        raise CorpusError for an unknown name.

    Examples
    --------
    >>> in_order(["sad", "anger", "sad"])
    ('sad', 'angry')
    >>> in_order(["tense", "sad"], unknown_last=True)
    ('sad', 'tense')
    """
    present = set(names) if unknown_last else {canonical(name) for name in names}
    return (*(emotion for emotion in EMOTIONS if emotion in present), *sorted(present - set(EMOTIONS)))
