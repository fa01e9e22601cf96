"""The summary at the top of a run's page: what a reader with ten seconds has to know."""

from collections.abc import Mapping
from typing import Any

from emotone.formatting import left_out_text, percent
from emotone.metrics import chance_uar
from emotone.recognition.trust import OTHER_CORPORA, Trust
from emotone.report.text import score_texts
from emotone.runs.folder import RunFolder

#: Mean difference of confidence and accuracy, in [0, 1], up to which confidence can be trusted, and roughly trusted.
_TRUSTED, _ROUGHLY = 0.05, 0.10
_N_CONFUSIONS = 2


def brief(run: RunFolder, known: Trust) -> list[tuple[str, str]]:
    """Return pairs of a title and a short text: score, leak, left out, worst confusions, confidence."""
    test, protocol = run.metrics["test"], run.metrics["protocol"]
    return [
        ("Score", _score(test, known)),
        ("Leak", _leak(protocol)),
        ("Left out", _left_out(run)),
        ("Worst confusions", _confusions(test)),
        ("Confidence", _confidence(known, is_leaking=not protocol.get("speaker_disjoint"))),
    ]


def _score(test: Mapping[str, Any], known: Trust) -> str:
    texts = score_texts(test)
    score = f"UAR {texts['value']} % ({texts['span']} %) on {known.tested}; guessing gives {percent(chance_uar(test))}."
    if known.tested == OTHER_CORPORA:
        return score
    far = "not measured" if known.far.uar is None else f"UAR {percent(known.far.uar)}"
    return f"{score} On {OTHER_CORPORA}: {far}."


def _leak(protocol: Mapping[str, Any]) -> str:
    warning = str(protocol.get("warning") or "").removeprefix("WARNING: ").rstrip(".")
    if warning:
        return f"Yes: {warning}. The score is too high for new speakers."
    if protocol.get("speaker_disjoint"):
        return "None found: no speaker and no recording is both in training and in test."
    return "Speakers may be both in training and in test."


def _left_out(run: RunFolder) -> str:
    text = left_out_text(run.metrics.get("left_out", []))
    return (
        f"{text.removeprefix('Left out ')}."
        if text
        else "Nothing: every clip of the chosen emotions and channel could be used."
    )


def _confusions(test: Mapping[str, Any]) -> str:
    """Name the pairs of emotions with the largest share of a label that is predicted as another."""
    emotions = list(test["per_class"]["support"])
    shares = [
        (clips / sum(row), labelled, predicted)
        for labelled, row in zip(emotions, test["confusion"], strict=True)
        for predicted, clips in zip(emotions, row, strict=True)
        if predicted != labelled and clips
    ]
    worst = sorted(shares, key=lambda item: -item[0])[:_N_CONFUSIONS]
    if not worst:
        return "None: all test predictions are correct."
    return (
        "; ".join(f"{percent(share, digits=0)} of {label} predicted as {other}" for share, label, other in worst) + "."
    )


def _confidence(known: Trust, *, is_leaking: bool) -> str:
    """Say whether confidence can be trusted, by its largest measured difference from accuracy.

    Where speakers are both in training and in the test, there is no verdict on new ones.
    """
    figures = known.near if known.near.ece is not None else known.far
    if figures.ece is None:
        return "Not measured."
    worst = max(each.ece for each in (known.near, known.far) if each.ece is not None)
    verdict = "Can be trusted" if worst <= _TRUSTED else "A rough guide" if worst <= _ROUGHLY else "Misleading"
    if is_leaking and known.far.ece is None:
        verdict = "Not measured on new speakers"
    text = f"{verdict}: it differs from accuracy by {100 * figures.ece:.1f} points on average, on {figures.scope}."
    if known.far.ece is None:
        text += f" On {OTHER_CORPORA}: not measured."
    elif figures is not known.far:
        text += f" On {OTHER_CORPORA}: by {100 * known.far.ece:.1f} points."
    return text
