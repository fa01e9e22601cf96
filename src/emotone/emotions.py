"""The emotion vocabulary: canonical names, their order, and the aliases that corpora use; and a user's own words."""

import difflib
import functools
import shlex
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from emotone.errors import CorpusError, UnknownEmotionError

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

# Words of other languages, for suggestions alone: the same word can mean something else in another language, and in a
# corpus its author decides.
_FOREIGN = {
    "neutral": "neutrale neutro neutra neutre neutralny neutralna neutralnie neutraal",
    "calm": "ruhig gelassen calma calmo tranquilo tranquila calme spokojny spokojna spokój kalm rustig sereno",
    "happy": "freude glücklich fröhlich froh gioia felice felicità allegro allegria alegría alegria alegre feliz "
    "felicidad felicidade joie joyeux heureux radość szczęście szczęśliwy szczęśliwa wesoły blij vreugde gelukkig",
    "sad": "traurig trauer traurigkeit triste tristezza tristeza tristesse smutny smutna smutek verdrietig verdriet",
    "angry": "wut wütend ärger zorn zornig rabbia arrabbiato ira enfado enojo enojado rabia raiva colère fâché złość "
    "zły zła gniew boos woede",
    "fearful": "angst ängstlich furcht paura spaventato miedo asustado temor medo peur effrayé strach "
    "przestraszony lęk",
    "disgust": "ekel disgusto asco repugnancia dégoût wstręt obrzydzenie nojo walging",
    "surprised": "überrascht überraschung sorpresa sorpreso sorprendido surpris surpresa surpreso zaskoczenie "
    "zaskoczony verrast verrassing",
    "boredom": "langeweile gelangweilt noia annoiato aburrimiento aburrido ennui znudzenie znudzony nuda tédio "
    "verveling",
}
_LONGEST_WORD = 200  # letters of a label
# Labels of predictions that are no emotion.
_RESERVED = ("unsure", "no_speech")
_MAX_LETTERS = 40
_FORBIDDEN = frozenset('[]{}<>|\\"=;,/:*?')


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
    key = _key(name)
    emotion = key if key in EMOTIONS else ALIASES.get(key)
    if emotion is None:
        known = f"known: {', '.join(EMOTIONS)}, or an alias such as 'fear' or 'ps'"
        raise UnknownEmotionError(f"unknown emotion {name!r}; {known}", word=name, nearest=_nearest(key))
    return emotion


def class_name(name: str) -> str:
    """Return the canonical name of an emotion, or an own class as it is written.

    Raises
    ------
    CorpusError
        An own class can't have this name: it is empty, longer than 40 letters, a label that predictions use for
        something else ("unsure"), or contains signs that files and commands use.

    Examples
    --------
    >>> class_name("Fear"), class_name("very stressed")
    ('fearful', 'very stressed')
    """
    try:
        return canonical(name)
    except UnknownEmotionError:
        own = " ".join(unicodedata.normalize("NFC", name).split())
    wrong = _FORBIDDEN & set(own) or not own.isprintable()
    if not own or len(own) > _MAX_LETTERS or wrong or _key(own) in _RESERVED:
        raise CorpusError(
            f"{name!r} can't be the name of a class; expected a word of up to {_MAX_LETTERS} letters without "
            f"{' '.join(sorted(_FORBIDDEN))}, and not 'unsure' or 'no speech', which predictions use"
        )
    return own


def class_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct classes of ``names``: emotions in the order of `EMOTIONS`, then own classes, sorted."""
    classes: dict[str, str] = {}
    for name in map(class_name, names):
        classes.setdefault(_key(name), name)
    return in_order(classes.values(), unknown_last=True)


@dataclass(frozen=True)
class Vocabulary:
    """The words that labels can have, and what each means.

    Attributes
    ----------
    labels
        A user's word -> an emotion, an alias of it, or a class in ``classes``.
    classes
        Own classes, which are labels as they are; emotions among them have no effect.

    Raises
    ------
    CorpusError
        A word is empty, has two meanings, or means something unknown.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    _meanings: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        own = {_key(name): name for name in map(class_name, self.classes) if name not in EMOTIONS}
        meanings: dict[str, str] = {}
        for word, label in self.labels.items():
            try:
                meaning = own.get(_key(label)) or canonical(label)
            except UnknownEmotionError as error:
                near = f" (did you mean {error.nearest!r}?)" if error.nearest else ""
                if _key(word) in (*EMOTIONS, *ALIASES):
                    near = f" (in --labels the emotion comes first: {word}={label})"
                raise CorpusError(
                    f"labels map {word!r} to {label!r}, which is no emotion{near}; expected {', '.join(EMOTIONS)}, "
                    "or a class that --emotions names"
                ) from error
            if not word.strip() or meanings.setdefault(_key(word), meaning) != meaning:
                raise CorpusError(f"labels map {word!r} to {label!r}; expected words that are not empty, each once")
        object.__setattr__(self, "_meanings", own | meanings)

    @property
    def canonical_labels(self) -> dict[str, str]:
        """``labels`` sorted by word, with the names of classes in place of their aliases."""
        return {word: self.resolve(word) for word in sorted(self.labels)}

    def resolve(self, word: str) -> str:
        """Return the class that a label means; raise UnknownEmotionError with the remedy for an unknown word.

        Examples
        --------
        >>> Vocabulary({"gioia": "happy"}, classes=("stressed",)).resolve("Gioia")
        'happy'
        """
        if len(word) > _LONGEST_WORD:
            shown = f"{word[:40]}..."
            raise UnknownEmotionError(
                f"the emotion is a text of {len(word):,} letters, {shown!r}; expected a word", word=shown
            )
        meaning = self._meanings.get(_key(word))
        try:
            return meaning or canonical(word)
        except UnknownEmotionError as error:
            if not word.strip():
                raise UnknownEmotionError("the emotion is missing", word=word) from error
            guess = f"if it means {error.nearest}, " if error.nearest else ""
            remedy = f"{guess}map it with {label_option(error)}, or name it in --emotions to train on it as a class"
            raise UnknownEmotionError(f"{error}; {remedy}", word=word, nearest=error.nearest) from error


def label_option(error: UnknownEmotionError) -> str:
    """Return the option that maps an unknown word: ``--labels happy=gioia``."""
    pair = f"{error.nearest or 'EMOTION'}={error.word}"
    return f"--labels {shlex.quote(pair)}"


def _key(word: str) -> str:
    """Return what different spellings of a word have in common; macOS writes accents in names of files as two signs."""
    text = unicodedata.normalize("NFC", word).lower().replace("-", " ").replace("_", " ")
    return "_".join(text.split())


@functools.cache
def _nearest(key: str) -> str:
    """Return the emotion that an unknown word perhaps means, "" if none is near; no more than a suggestion."""
    meanings = {plain: emotion for emotion, words in _FOREIGN.items() for plain in map(_without_accents, words.split())}
    plain = _without_accents(key)
    if plain in meanings:
        return meanings[plain]
    near = difflib.get_close_matches(plain, (*EMOTIONS, *ALIASES), n=1, cutoff=0.8)
    return ALIASES.get(near[0], near[0]) if near else ""


def _without_accents(word: str) -> str:
    signs = unicodedata.normalize("NFKD", word.lower().replace("ł", "l"))
    return "".join(sign for sign in signs if not unicodedata.combining(sign))


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
