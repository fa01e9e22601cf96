"""How often a model is right, and on which recordings that was measured.

A model is right more often on new speakers of its training corpora than on other corpora.  Pages, commands and model
cards get their statements here, so that a figure of the first kind never comes without the second: its value, or that
it was not measured.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from emotone.formatting import percent, threshold_text
from emotone.recognition.card import check_elsewhere

#: The recordings on which figures were measured, as they follow "on".
NEW_SPEAKERS = "new speakers of the corpora it was trained on"
MAYBE_KNOWN_SPEAKERS = "speakers that may be in its training data"
OTHER_CORPORA = "corpora it was not trained on"
#: The protocol whose test clips are from other corpora than those in training.
_CROSS_CORPUS = "cross-corpus"
_NOT_MEASURED = "not measured"
_ADVICE = "Expect it to be right less often there; 'emotone evaluate' measures it on labelled recordings."
_MISSING = "–"
#: How many of the emotions that a model recognises most and least often are named.
_NAMED = 2


@dataclass(frozen=True)
class Threshold:
    """What the threshold for "unsure" separates; all are shares in [0, 1].

    Attributes
    ----------
    coverage
        Predictions that reach the threshold.
    right_above, right_below
        Right ones among those that reach it and among the others; None if there are no such predictions.
    """

    coverage: float
    right_above: float | None
    right_below: float | None

    def text(self, threshold: str) -> str:
        """Return a clause with the shares; ``threshold`` names it.

        Examples
        --------
        >>> Threshold(coverage=0.9, right_above=0.8, right_below=0.35).text("it")
        '90 % of the answers reach it: 80 % of them are right, and 35 % of the others'
        """
        reach = f"{percent(self.coverage, digits=0)} of the answers reach {threshold}"
        shares = (self.right_above, self.right_below)
        above, below = (None if share is None else percent(share, digits=0) for share in shares)
        if above is None:
            return reach if below is None else f"{reach}: {below} of the others are right"
        return f"{reach}: {above} of them are right" + ("" if below is None else f", and {below} of the others")


@dataclass(frozen=True)
class Figures:
    """Figures of a model on a kind of recordings; None or an empty text for what was not measured.

    Attributes
    ----------
    scope
        The recordings, such as `NEW_SPEAKERS`.
    uar, ece
        Unweighted average recall and expected calibration error, in [0, 1].
    measured
        How the UAR was measured.
    adapted
        The UAR after adaptation, as a sentence.
    threshold
        What the threshold separates.
    """

    scope: str
    uar: float | None = None
    ece: float | None = None
    measured: str = ""
    adapted: str = ""
    threshold: Threshold | None = None

    def right(self, *, brief: bool = False) -> str:
        """Return in a sentence how often the model is right; ``brief`` leaves out how it was measured."""
        if self.uar is None:
            advice = f" {_ADVICE}" if self.scope == OTHER_CORPORA and not brief else ""
            return f"On {self._clause('')}.{advice}"
        right = f"the model is right about {percent(self.uar, digits=0)} of the time"
        if brief:
            return f"On {self._clause(right)}."
        return f"On {self._clause(right)} (UAR{self.measured})." + (f" {self.adapted}" if self.adapted else "")

    def calibration(self, before: str = "confidence differs from accuracy ") -> str:
        """Return in a clause how much confidence and accuracy differ; ``before`` is its beginning."""
        return self._clause("" if self.ece is None else f"{before}by {100 * self.ece:.1f} points on average")

    def reaching(self, threshold: str) -> str:
        """Return in a clause how many answers reach the threshold, and how often these and the others are right."""
        return self._clause("" if self.threshold is None else self.threshold.text(threshold))

    def _clause(self, clause: str) -> str:
        return f"{self.scope}, {clause}" if clause else f"{self.scope}: {_NOT_MEASURED}"


@dataclass(frozen=True)
class Trust:
    """How far a model can be trusted.

    Attributes
    ----------
    near, far
        Figures on the corpora that it was trained on, and on other corpora.
    tested
        The recordings of the scores of its card or run; the scope of either.
    threshold
        Below this confidence, in [0, 1], the answer is "unsure"; 0 or None: the model has none.
    elsewhere
        The object ``elsewhere`` of the card, checked; None if the model was not measured on other corpora.
    """

    near: Figures
    far: Figures
    tested: str
    threshold: float | None = None
    elsewhere: Mapping[str, Any] | None = None

    @property
    def right(self) -> tuple[str, str]:
        """How often the model is right, and how that was measured: a statement for each kind of recordings."""
        return self.near.right(), self.far.right()

    @property
    def calibration(self) -> str:
        """How much confidence and accuracy differ, on both kinds of recordings."""
        far = self.far.calibration() if self.near.ece is None else self.far.calibration(before="")
        return f"On {self.near.calibration()}; on {far}."

    @property
    def reaching(self) -> str:
        """What the threshold separates, on both kinds of recordings; empty if the model has no threshold."""
        if not self.threshold:
            return ""
        name = f"the threshold of {threshold_text(self.threshold)}"
        far = self.far.reaching(name if self.near.threshold is None else "it")
        return f"On {self.near.reaching(name)}; on {far}."

    @property
    def confident(self) -> str:
        """How often confident answers are right on other corpora; empty if that is not known."""
        known = (self.elsewhere or {}).get("confident")
        if known is None or known["right"] is None:
            return ""
        least, right, share = (percent(known[key], digits=0) for key in ("from", "right", "share"))
        return f"On {OTHER_CORPORA}, {share} of the answers have a confidence of {least} or more: {right} are right."

    def of_answer(self, confidence: float) -> str:
        """Return in a few sentences how often an answer of this confidence, in [0, 1], is right."""
        sentences = [self.near.right(brief=True), self.far.right(brief=True)]
        if self.elsewhere and confidence >= self.elsewhere["confident"]["from"] and self.confident:
            sentences.append(self.confident)
        return " ".join(sentences)


def of_card(card: Mapping[str, Any]) -> Trust:
    """Return how far the model of a card can be trusted; `emotone.recognition.card.check` must accept the card."""
    measured = card["calibration"]
    return _trust(card["scores"], card["protocol"], measured, card.get("elsewhere"))


def by_emotion(card: Mapping[str, Any]) -> str:
    """Return in a sentence which emotions a model recognises most and least often; empty if its card does not say.

    Examples
    --------
    >>> scores = {"per_class": {"recall": {"sad": 0.5, "happy": 0.6, "calm": 0.7, "angry": 0.9}}}
    >>> by_emotion({"scores": scores, "protocol": {"name": "p", "speaker_disjoint": True}})
    'On new speakers of the corpora it was trained on, it recognises angry (90 %) and calm (70 %) most often, and sad
    (50 %) and happy (60 %) least often; on corpora it was not trained on: not measured for each emotion.'
    """
    recall = _table(_table(card["scores"].get("per_class")).get("recall"))
    shares = {emotion: share for emotion, value in recall.items() if (share := _share(value)) is not None}
    if len(shares) < 2 * _NAMED:
        return ""
    ranked = sorted(shares, key=lambda emotion: -shares[emotion])
    most, least = (
        " and ".join(f"{emotion} ({percent(shares[emotion], digits=0)})" for emotion in emotions)
        for emotions in (ranked[:_NAMED], ranked[: -_NAMED - 1 : -1])
    )
    scope = scope_of(card["protocol"])
    rest = "" if scope == OTHER_CORPORA else f"; on {OTHER_CORPORA}: {_NOT_MEASURED} for each emotion"
    return f"On {scope}, it recognises {most} most often, and {least} least often{rest}."


def of_run(metrics: Mapping[str, Any], *, where: str) -> Trust:
    """Return how far the model of a run can be trusted.

    Parameters
    ----------
    metrics
        Contents of ``metrics.json``; ``elsewhere`` in it is that of a card.
    where
        Name of the file, for messages.

    Raises
    ------
    BundleError
        ``elsewhere`` is damaged.
    """
    elsewhere = metrics.get("elsewhere")
    checked = None if elsewhere is None else check_elsewhere(elsewhere, where=where)
    # A threshold that was fitted on other corpora belongs to the temperature of the bundle, not to those of the folds.
    exported = metrics.get("as_exported", {})
    scores = metrics["test"] | ({"ece": exported["ece"]} if "ece" in exported else {})
    return _trust(scores, metrics["protocol"], exported or metrics.get("unsure", {}), checked)


def _trust(
    scores: Mapping[str, Any],
    protocol: Mapping[str, Any],
    unsure: Mapping[str, Any],
    elsewhere: Mapping[str, Any] | None,
) -> Trust:
    tested = scope_of(protocol)
    measured = _tested(tested, scores, protocol, unsure)
    near, far = measured, _elsewhere(elsewhere)
    if tested == OTHER_CORPORA:
        near, far = Figures(NEW_SPEAKERS), measured if elsewhere is None else far
    return Trust(near, far, tested, threshold=_share(unsure.get("threshold")), elsewhere=elsewhere)


def scope_of(protocol: Mapping[str, Any]) -> str:
    """Return the recordings on which a protocol tests models."""
    if protocol.get("name") == _CROSS_CORPUS:
        return OTHER_CORPORA
    return NEW_SPEAKERS if protocol.get("speaker_disjoint") else MAYBE_KNOWN_SPEAKERS


def _tested(scope: str, scores: Mapping[str, Any], protocol: Mapping[str, Any], unsure: Mapping[str, Any]) -> Figures:
    """Return the figures of the test clips of a protocol, in which a card may lack some."""
    interval = _table(scores.get("interval")) or _table(_table(scores.get("intervals")).get("uar"))
    low, high = _share(interval.get("low")), _share(interval.get("high"))
    span = "" if low is None or high is None else f", 95 % interval {_span(low, high)}"
    name = protocol.get("name")
    coverage, threshold = _share(unsure.get("coverage")), None
    if coverage is not None:
        threshold = Threshold(coverage, _share(unsure.get("accuracy_above")), _share(unsure.get("accuracy_below")))
    return Figures(
        scope,
        uar=_share(scores.get("uar")),
        ece=_share(scores.get("ece")),
        measured=span + (f"; protocol {name}" if name else ""),
        threshold=threshold,
    )


def _elsewhere(elsewhere: Mapping[str, Any] | None) -> Figures:
    """Return the figures of ``elsewhere``; without it, nothing was measured."""
    if elsewhere is None:
        return Figures(OTHER_CORPORA)
    uars, unsure = [corpus["uar"] for corpus in elsewhere["corpora"]], elsewhere["unsure"]
    n_corpora = f"mean of {len(uars)} corpora, {_span(min(uars), max(uars))}" if len(uars) > 1 else "1 corpus"
    adapted = ", ".join(
        f"{percent(uar, digits=0)} with {level_text(level)}" for level, uar in elsewhere["adapted"].items()
    )
    return Figures(
        OTHER_CORPORA,
        uar=elsewhere["uar"],
        ece=elsewhere["ece"],
        measured=f", {n_corpora}",
        adapted=f"After adaptation to the speaker without labels: {adapted}." if adapted else "",
        threshold=Threshold(unsure["coverage"], unsure["accuracy_above"], unsure["accuracy_below"]),
    )


def comparison_note(protocols: Iterable[Mapping[str, Any]]) -> str:
    """Return on which recordings the models of a comparison were tested, and whether other corpora are among them.

    Examples
    --------
    >>> comparison_note([{"name": "speaker-6fold", "speaker_disjoint": True}])
    'Each model was tested on new speakers of the corpora it was trained on; on corpora it was not trained on: not
    measured here.'
    """
    scopes = list(dict.fromkeys(map(scope_of, protocols)))
    rest = "" if OTHER_CORPORA in scopes else f"; on {OTHER_CORPORA}: {_NOT_MEASURED} here"
    return f"Each model was tested on {' and on '.join(scopes)}{rest}."


def corpora_table(elsewhere: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return the titles and the rows of a table of the other corpora; the last row has the means.

    Parameters
    ----------
    elsewhere
        The object of a card.
    """
    levels = list(elsewhere["adapted"])
    head = ["corpus", "UAR %", *map(_level_title, levels), "accuracy %", "ECE, points", "clips", "speakers", "emotions"]
    rows = [
        [corpus["name"], *_cells(corpus, levels), *(f"{corpus[key]:,}" for key in ("clips", "speakers", "emotions"))]
        for corpus in elsewhere["corpora"]
    ]
    return head, [*rows, ["mean", *_cells(elsewhere, levels), "", "", ""]]


def table_note(elsewhere: Mapping[str, Any]) -> str:
    """Explain the table of the other corpora: the protocol, the means, and the scores after adaptation."""
    sentences = [f"Protocol: {elsewhere['protocol'].strip().rstrip('.')}.", "The means count each corpus once."]
    if levels := list(elsewhere["adapted"]):
        titles = ", ".join(f"'{_level_title(level)}'" for level in levels)
        sentences.append(f"Columns {titles}: UAR % after adaptation to so many clips of the speaker, unlabelled.")
    return " ".join(sentences)


def _level_title(level: str) -> str:
    return f"with {level_text(level)}"


def _cells(scores: Mapping[str, Any], levels: list[str]) -> list[str]:
    values = [scores["uar"], *(scores["adapted"].get(level) for level in levels), scores["accuracy"], scores["ece"]]
    return [_MISSING if value is None else f"{100 * value:.1f}" for value in values]


def level_text(level: str) -> str:
    """Describe a number of clips of the speaker to which a model was adapted.

    Examples
    --------
    >>> level_text("5"), level_text("1"), level_text("all")
    ('5 clips', '1 clip', 'all clips')
    """
    return f"{level} clip" if level == "1" else f"{level} clips"


def _span(low: float, high: float) -> str:
    return f"{100 * low:.0f} to {100 * high:.0f} %"


def _table(value: object) -> Mapping[str, Any]:
    """Return an object; empty for anything else, since only a part of a card is checked."""
    return value if isinstance(value, Mapping) else {}


def _share(value: object) -> float | None:
    """Return a share in [0, 1]; None for anything else, as in `_table`."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0 <= value <= 1 else None
