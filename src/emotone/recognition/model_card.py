"""The README of a bundle, made from its card."""

import json
from collections.abc import Mapping
from typing import Any

from emotone.metrics.names import SCORES
from emotone.recognition.card import GRAPH, HEARD, SPEAKER, SPEECH


def readme(card: Mapping[str, Any]) -> str:
    """Write the model card: licences first, then scores with their protocol, limits, and how to run the graph.

    Parameters
    ----------
    card
        What `check` passes.

    Returns
    -------
    Markdown.
    """
    sections = [
        [f"# {_line(card['name'])}", "", _opening(card)],
        _licences(card),
        _scores(card),
        _limits(card),
        _usage(card),
        _facts(card),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _opening(card: Mapping[str, Any]) -> str:
    emotions = ", ".join(card["emotions"])
    return (
        f"A model ({_line(card['model'])}) that tells which of {len(card['emotions'])} emotions a voice carries: "
        f"{emotions}. Made with Emotone."
    )


def _licences(card: Mapping[str, Any]) -> list[str]:
    corpora = [corpus for corpus in card["training"].get("corpora", []) if isinstance(corpus, Mapping)]
    closed = [_title(corpus) for corpus in corpora if not corpus.get("commercial_use")]
    lines = ["## Licence of the training recordings"]
    if closed:
        lines += [
            "",
            f"> **No commercial use.** {' and '.join(closed)}: the licence does not allow it, or none is known that "
            "does. Ask whoever holds the rights before you build a product on this model.",
        ]
    if not corpora:
        lines += ["", "> The card names no training corpus: find out what the model was trained on before you use it."]
    lines += [""] if corpora else []
    for corpus in corpora:
        size = ", ".join(f"{corpus[key]} {key}" for key in ("clips", "speakers") if corpus.get(key) is not None)
        licence = _line(corpus.get("licence") or "not known")
        lines.append(f"- {_title(corpus)}: {size or 'size not told'}; {licence}")
    return lines


def _title(corpus: Mapping[str, Any]) -> str:
    return _line(corpus.get("title") or corpus.get("name") or "a corpus without a name")


def _scores(card: Mapping[str, Any]) -> list[str]:
    protocol, scores = card["protocol"], card["scores"]
    lines = ["## How good it is", "", f"Protocol: {_line(protocol.get('words') or protocol.get('name', 'not told'))}"]
    if card["training"].get("note"):
        lines += ["", _line(card["training"]["note"])]
    if not protocol.get("speaker_disjoint"):
        lines += ["", "> **Not speaker-disjoint.** Expect clearly less on voices that the model has not heard."]
    rows = [
        (title, scores[key], scores.get("intervals", {}).get(key)) for key, title in SCORES.items() if key in scores
    ]
    if rows:
        lines += ["", "| score | % | 95 % interval |", "|:---|---:|---:|"]
    for label, value, interval in rows:
        span = f"{100 * interval['low']:.1f} to {100 * interval['high']:.1f}" if interval else "not told"
        lines.append(f"| {label} | {100 * value:.1f} | {span} |")
    recall = scores.get("per_class", {}).get("recall")
    if recall:
        lines += ["", "| emotion | recall % |", "|:---|---:|"]
        lines += [f"| {_line(emotion)} | {100 * value:.1f} |" for emotion, value in recall.items()]
    return lines + _groups(scores)


def _groups(scores: Mapping[str, Any]) -> list[str]:
    """Write the scores by kind of clip, and the range of single speakers, where the card has them."""
    rows = []
    for column, found in scores.get("groups", {}).items():
        for name, one in found.items() if len(found) > 1 else ():  # of one corpus, its scores are those above
            span = "not told" if one["low"] is None else f"{100 * one['low']:.1f} to {100 * one['high']:.1f}"
            cells = (f"{column}: {name}", one["clips"], one["emotions"], f"{100 * one['uar']:.1f}", span)
            rows.append(f"| {' | '.join(map(_line, cells))} | {100 * one['accuracy']:.1f} |")
    lines = []
    if rows:
        lines = [
            "",
            "| group | clips | emotions | UAR % | 95 % interval | accuracy % |",
            "|:---|---:|---:|---:|---:|---:|",
        ]
    lines += rows
    spread = scores.get("speaker_range")
    if spread:
        uar, accuracy = (_spread(spread[score]) for score in ("uar", "accuracy"))
        lines += ["", f"Single speakers ({spread['speakers']}): UAR {uar}; accuracy {accuracy}."]
    return lines


def _spread(values: Mapping[str, float]) -> str:
    low, middle, high = (100 * values[name] for name in ("lowest", "median", "highest"))
    return f"{low:.1f} to {high:.1f} %, median {middle:.1f} %"


def _limits(card: Mapping[str, Any]) -> list[str]:
    threshold = card["calibration"]["threshold"]
    lines = [
        "## Limits",
        "",
        "- It hears how a voice sounds, not what a person feels. Acted emotions, of which most corpora consist, are "
        "stronger than those of daily life.",
        "- Other languages, microphones, ages and rooms than the training's cost accuracy: measure it on your own "
        "recordings ('emotone evaluate').",
        "- One answer for one utterance of one speaker, best of one to five seconds.",
        "- Not for decisions about people: hiring, policing, medicine, insurance, schooling.",
    ]
    if threshold > 0:
        share = card["calibration"].get("coverage")
        kept = f"; {100 * share:.0f} % of the validation answers reached it" if isinstance(share, int | float) else ""
        lines.append(f"- Under a confidence of {threshold:.2f} the answer is 'unsure'{kept}.")
    return lines


def _usage(card: Mapping[str, Any]) -> list[str]:
    lines = ["## Use", "", "```", "emotone predict clip.wav --model .", "```", ""]
    told = ["", _adaptation(card)] if card.get("adapts") else []
    if card.get("checks_speech"):
        told += [
            "",
            f"It tells where there is no speech: the output `{SPEECH}` [1, 1] is the probability that there is any. "
            "Under a half the answer is 'no speech', whatever the scores are. It was learnt from synthesised noises "
            "and music.",
        ]
    if not card["extractor"]["graph"]:
        extras = "extras `train` and `hub`" if "hub:" in card["extractor"]["name"] else "extra `opensmile`"
        frames = "frames, " if card["extractor"].get("sequence") else ""
        return lines + [
            f"The features ({_line(card['extractor']['name'])}) can't be part of an ONNX graph: `{GRAPH}` starts at "
            f"`features` [1, {frames}{card['features']}], and Emotone computes them ({extras}).",
            *told,
        ]
    return lines + [f"Or with onnxruntime alone, the trim of silence included:\n\n```python\n{snippet(card)}```", *told]


def _adaptation(card: Mapping[str, Any]) -> str:
    return (
        "It adapts to a speaker: `emotone predict clip.wav --model . --adapt-to DIR`, with a folder of a few clips of "
        "the same person, which need no labels; any emotions will do. In the graph these "
        f"are two optional inputs, float32: `{SPEAKER}` [1, {card.get('embedding', card['features'])}], the mean "
        f"`embedding` of those clips, and `{HEARD}` [1], how many they were. Without them the answer is that for a "
        "speaker of whom nothing is known."
    )


def snippet(card: Mapping[str, Any]) -> str:
    """Write the Python lines that run a bundle's graph with numpy, soundfile and onnxruntime alone.

    They cut as `emotone.audio.trim_silence` does, but for sounds under 0.2 s.
    """
    trim_db = card["preprocessing"].get("trim_db")
    lines = [
        "import numpy as np, onnxruntime, soundfile",
        'x, rate = soundfile.read("clip.wav", dtype="float32")  # must be 16 kHz, mono',
    ]
    if trim_db is not None:
        lines += [
            "energy = np.array([np.sum(x[i : i + 400] ** 2) for i in range(0, len(x), 160)])  # 25 ms every 10 ms",
            f"loud = 160 * np.flatnonzero(energy >= energy.max() * 10 ** ({-trim_db:g} / 10))",
            "x = x[max(0, loud[0] - 800) : loud[-1] + 1200]  # 50 ms around the sound",
        ]
    lines += [
        f'scores = onnxruntime.InferenceSession("{GRAPH}").run(["scores"], {{"waveform": x[None]}})[0][0]',
        f"print(dict(zip({json.dumps(card['emotions'])}, scores.tolist())))",
    ]
    return "\n".join(lines) + "\n"


def _facts(card: Mapping[str, Any]) -> list[str]:
    temperature = card["calibration"].get("temperature", 1.0)
    versions = ", ".join(f"{_line(name)} {_line(version)}" for name, version in card["versions"].items())
    a_frame = " a frame" if card["extractor"].get("sequence") else ""
    return [
        "## Facts",
        "",
        f"- Input: `{'waveform' if card['extractor']['graph'] else 'features'}` float32; outputs: `scores` "
        f"[1, {len(card['emotions'])}] in the order {', '.join(card['emotions'])}, and `embedding` "
        f"[1, {card.get('embedding', card['features'])}]",
        f"- Features: {_line(card['extractor']['name'])}, {card['features']}{a_frame}",
        f"- Calibration: temperature {temperature:.3g}, inside the graph",
        f"- Size: {card['size_bytes'] / 1e6:.1f} MB; SHA-256 of `{GRAPH}`: `{card['sha256']}`",
        f"- Made {_line(card['created'])} with {versions}",
    ]


def _line(value: object) -> str:
    """Text on one line that can't break a Markdown table."""
    return " ".join(str(value).split()).replace("|", "\\|")
