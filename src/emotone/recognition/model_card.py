"""Write the README of a bundle from its card."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emotone.formatting import threshold_text
from emotone.metrics import SCORES
from emotone.recognition import trust
from emotone.recognition.card import ADAPTATION, ELSEWHERE, GRAPH, HEARD, SPEAKER, SPEECH
from emotone.recognition.speaker_names import plain_text
from emotone.recognition.temperature import Temperature

#: Signs of Markdown, anywhere in a line, at the begin of a word or its end, and at the begin of a line.
_SIGNS = re.compile(r"[\\`*\[\]|~]|(?<![^\W_])_|_(?![^\W_])|^#|^[+-](?=\s)|(?<=^\d)[.)](?=\s)")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def readme(card: Mapping[str, Any]) -> str:
    """Return the model card as Markdown: licences, scores with their protocol, limits, use and facts.

    The card must pass `emotone.recognition.card.check`.
    """
    sections = (_opening, _licences, _trust, _scores, _elsewhere, _limits, _usage, _facts)
    texts = ["\n".join(section(card)) for section in sections]
    return "\n\n".join(text for text in texts if text) + "\n"


@dataclass(frozen=True)
class Corpus:
    """A corpus of a model's training, as its card describes it.

    Attributes
    ----------
    title
        Its name.
    licence
        The licence of its recordings, or "not known".
    commercial_use
        Whether the licence is known to allow commercial use.
    """

    title: str
    licence: str
    commercial_use: bool


def corpora(card: Mapping[str, Any]) -> list[Corpus]:
    """Return the training corpora of a card and their licences; none if the card names none."""
    return [
        Corpus(_title(corpus), _line(corpus.get("licence") or "not known"), bool(corpus.get("commercial_use")))
        for corpus in card["training"].get("corpora", [])
        if isinstance(corpus, Mapping)
    ]


def _opening(card: Mapping[str, Any]) -> list[str]:
    return [
        f"# {_line(card['name'])}",
        "",
        f"A model ({_line(card['model'])}) that recognises which of {len(card['emotions'])} emotions a voice carries: "
        f"{_names(card['emotions'])}. Made with Emotone.",
    ]


def _licences(card: Mapping[str, Any]) -> list[str]:
    corpora = [corpus for corpus in card["training"].get("corpora", []) if isinstance(corpus, Mapping)]
    closed = [_title(corpus) for corpus in corpora if not corpus.get("commercial_use")]
    lines = ["## Licence of the training recordings"]
    if closed:
        lines += [
            "",
            f"> **No commercial use.** {' and '.join(closed)}: the licence does not allow it, or none is known that "
            "does. Ask the owner of the rights before you build a product on this model.",
        ]
    if not corpora:
        return [*lines, "", "> The card names no training corpus: find out what the model was trained on before use."]
    lines.append("")
    for corpus in corpora:
        size = ", ".join(f"{corpus[key]} {key}" for key in ("clips", "speakers") if corpus.get(key) is not None)
        lines.append(f"- {_title(corpus)}: {size or 'size unknown'}; {_line(corpus.get('licence') or 'not known')}")
    return lines


def _title(corpus: Mapping[str, Any]) -> str:
    return _line(corpus.get("title") or corpus.get("name") or "a corpus without a name")


def _trust(card: Mapping[str, Any]) -> list[str]:
    known = trust.of_card(card)
    lines = [*known.right, known.calibration, *([known.confident] if known.confident else [])]
    return ["## How good it is", "", *(f"- {_line(line)}" for line in lines)]


def _scores(card: Mapping[str, Any]) -> list[str]:
    protocol, scores = card["protocol"], card["scores"]
    lines = [
        f"### On {trust.scope_of(protocol)}",
        "",
        f"Protocol: {_line(protocol.get('words') or protocol.get('name', 'unknown'))}",
    ]
    if card["training"].get("note"):
        lines += ["", _line(card["training"]["note"])]
    if not protocol.get("speaker_disjoint"):
        lines += ["", "> **Not speaker-disjoint.** Expect clearly lower scores on voices that were not in training."]
    intervals, recall = scores.get("intervals", {}), scores.get("per_class", {}).get("recall", {})
    lines += _table(
        ["| score | % | 95 % interval |", "|:---|---:|---:|"],
        [
            f"| {title} | {100 * scores[key]:.1f} | {_interval(intervals.get(key))} |"
            for key, title in SCORES.items()
            if key in scores
        ],
    )
    lines += _table(
        ["| emotion | recall % |", "|:---|---:|"],
        [f"| {_line(emotion)} | {100 * value:.1f} |" for emotion, value in recall.items()],
    )
    return lines + _groups(scores)


def _table(head: list[str], rows: list[str]) -> list[str]:
    return ["", *head, *rows] if rows else []


def _interval(interval: Mapping[str, float | None] | None) -> str:
    low, high = (interval or {}).get("low"), (interval or {}).get("high")
    return "unknown" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"


def _groups(scores: Mapping[str, Any]) -> list[str]:
    """Return the scores by kind of clip and the range of single speakers, where the card has them."""
    rows = []
    for column, groups in scores.get("groups", {}).items():
        for name, group in groups.items() if len(groups) > 1 else ():  # the scores of a single group are those above
            score, accuracy = (f"{100 * group[key]:.1f}" for key in ("uar", "accuracy"))
            cells = (f"{column}: {name}", group["clips"], group["emotions"], score, _interval(group), accuracy)
            rows.append(_row(cells))
    head = ["| group | clips | emotions | UAR % | 95 % interval | accuracy % |", "|:---|---:|---:|---:|---:|---:|"]
    lines = _table(head, rows)
    spread = scores.get("speaker_range")
    if spread:
        uar, accuracy = (_spread(spread[score]) for score in ("uar", "accuracy"))
        lines += ["", f"Single speakers ({spread['speakers']}): UAR {uar}; accuracy {accuracy}."]
    return lines


def _spread(values: Mapping[str, float]) -> str:
    low, middle, high = (100 * values[name] for name in ("lowest", "median", "highest"))
    return f"{low:.1f} to {high:.1f} %, median {middle:.1f} %"


def _elsewhere(card: Mapping[str, Any]) -> list[str]:
    lines = [f"### On {trust.OTHER_CORPORA}", ""]
    if ELSEWHERE not in card and trust.scope_of(card["protocol"]) == trust.OTHER_CORPORA:
        return []  # the scores above are those
    if ELSEWHERE not in card:
        return [*lines, "Not measured. Test the model on recordings like yours before you rely on it."]
    head, rows = trust.corpora_table(card[ELSEWHERE])
    lines += [_line(trust.table_note(card[ELSEWHERE])), "", _row(head), f"|:---|{'---:|' * (len(head) - 1)}"]
    return lines + [_row(row) for row in rows]


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(_line, cells))} |"


def _limits(card: Mapping[str, Any]) -> list[str]:
    threshold = card["calibration"]["threshold"]
    lines = [
        "## Limits",
        "",
        "- It hears how a voice sounds, not what a person feels. Acted emotions, of which most corpora consist, are "
        "stronger than those of daily life.",
        "- Other languages, microphones, ages and rooms than the training's cost accuracy: measure it on your own "
        "recordings ('emotone evaluate').",
        "- For one speaker at a time. Recordings of over four seconds are predicted by their utterances.",
        "- Not for decisions about people: hiring, policing, medicine, insurance, schooling.",
    ]
    if threshold > 0:
        lines.append(f"- Under a confidence of {threshold_text(threshold)} the answer is 'unsure'.")
        lines.append(f"- {trust.of_card(card).reaching}")
    return lines


def _usage(card: Mapping[str, Any]) -> list[str]:
    extractor = card["extractor"]
    if extractor["graph"]:
        text = f"Or with onnxruntime alone, the trim included:\n\n```python\n{snippet(card)}```"
    else:
        extras = "extras `train` and `hub`" if "hub:" in extractor["name"] else "extra `opensmile`"
        frames = "frames, " if extractor.get("sequence") else ""
        text = (
            f"The features ({_line(extractor['name'])}) can't be part of an ONNX graph: `{GRAPH}` starts at "
            f"`features` [1, {frames}{card['features']}], and Emotone computes them ({extras})."
        )
    lines = ["## Use", "", "```", "emotone predict clip.wav --model .", "```", "", text]
    if card.get("adapts"):
        lines += ["", _adaptation(card)]
    if card.get("checks_speech"):
        recorded = ", and on recordings without speech" if card["training"].get("recorded_sounds") else ""
        lines += [
            "",
            f"It detects speech: the output `{SPEECH}` [1, 1] is its probability. "
            "Below 0.5 the prediction is 'no speech', for any scores. It was trained on speech and on synthesised "
            f"noises and music{recorded}.",
        ]
    return lines


def _adaptation(card: Mapping[str, Any]) -> str:
    files = f" Emotone adapts with `{ADAPTATION}`; other programs can use the graph." if "adaptation" in card else ""
    width = card.get("embedding", card["features"])
    return (
        "It adapts to a source (microphone, room, language) by itself: `emotone predict FOLDER --model .`, and to a "
        "speaker: `emotone predict clip.wav --model . --adapt-to DIR`, with a folder of a few clips of the person, "
        f"which need no labels; any emotions will do.{files} In the graph these are two optional inputs, float32: "
        f"`{SPEAKER}` [1, {width}], the mean `embedding` of those clips, and `{HEARD}` [1], how many they were. "
        "Without them the answer is that for a speaker of whom nothing is known."
    )


def snippet(card: Mapping[str, Any]) -> str:
    """Return Python code that runs a bundle's graph with numpy, soundfile and onnxruntime alone.

    It prepares sound as the card's preprocessing does, except for sounds under 0.2 s and, with trim to the speech, for
    clicks and other sounds apart from the speech, which it keeps.
    """
    preprocessing = card["preprocessing"]
    lines = [
        "import numpy as np, onnxruntime, soundfile",
        'x, rate = soundfile.read("clip.wav", dtype="float32")  # must be 16 kHz, mono',
    ]
    if preprocessing.get("high_pass_hz") is not None:
        lines += [
            "spectrum, hz = np.fft.rfft(x - x.mean()), np.fft.rfftfreq(len(x), 1 / 16000)",
            f"spectrum /= 1 + ({preprocessing['high_pass_hz']:g} / np.maximum(hz, 1e-3)) ** 8  # less hum and rumble",
            "x = np.fft.irfft(spectrum, len(x)).astype(np.float32)",
        ]
    if preprocessing.get("trim_db") is not None:
        lines += _trim_lines(preprocessing)
    lines += [
        f'scores = onnxruntime.InferenceSession("{GRAPH}").run(["scores"], {{"waveform": x[None]}})[0][0]',
        f"print(dict(zip({json.dumps(card['emotions'])}, scores.tolist())))",
    ]
    return "\n".join(lines) + "\n"


def _trim_lines(preprocessing: Mapping[str, Any]) -> list[str]:
    energy = (
        "energy = np.array([np.sum(x[i : i + 400] ** 2) for i in range(0, len(x) - 319, 160)])  # 25 ms every 10 ms"
    )
    if preprocessing.get("trim") == "speech":
        return [
            energy,
            "level, noise = np.sort(energy)[-12], np.median(np.sort(energy)[: max(1, len(energy) // 10)])",
            "least = max(level * 10**-4.0, min(noise * 10**0.8, level * 10**-2.4))  # above the noise",
            "loud = 160 * np.flatnonzero(energy >= least)",
            "x = x[max(0, loud[0] - 1600) : loud[-1] + 1760]  # 0.1 s around the speech",
        ]
    return [
        energy,
        f"loud = 160 * np.flatnonzero(energy >= energy.max() * 10 ** ({-preprocessing['trim_db']:g} / 10))",
        "x = x[max(0, loud[0] - 800) : loud[-1] + 1200]  # 50 ms around the sound",
    ]


def _facts(card: Mapping[str, Any]) -> list[str]:
    temperature = Temperature.from_card(card["calibration"])
    calibration = f"temperature {temperature.plain:.3g}"
    if not temperature.is_constant:
        calibration += (
            f" at the usual distance from the training clips or nearer, {100 * temperature.per_distance:.3g} % more "
            f"for each such distance further away, and {temperature.adapted:.3g} after adaptation to many clips"
        )
    versions = ", ".join(f"{_line(name)} {_line(version)}" for name, version in card["versions"].items())
    a_frame = " a frame" if card["extractor"].get("sequence") else ""
    return [
        "## Facts",
        "",
        f"- Input: `{'waveform' if card['extractor']['graph'] else 'features'}` float32; outputs: `scores` "
        f"[1, {len(card['emotions'])}] in the order {_names(card['emotions'])}, and `embedding` "
        f"[1, {card.get('embedding', card['features'])}]",
        f"- Features: {_line(card['extractor']['name'])}, {card['features']}{a_frame}",
        f"- Calibration: {calibration}, inside the graph",
        f"- Size: {card['size_bytes'] / 1e6:.1f} MB; SHA-256 of `{GRAPH}`: `{card['sha256']}`",
        f"- Made {_line(card['created'])} with {versions}",
    ]


def _names(names: Sequence[object]) -> str:
    return ", ".join(map(_line, names))


def _line(value: object) -> str:
    r"""Return a text as a single line that is shown as it is: neither Markdown nor HTML.

    Examples
    --------
    >>> print(_line("<b>a|b</b> [x](y)\n# *c* d_e"))
    &lt;b&gt;a\|b&lt;/b&gt; \[x\](y) # \*c\* d_e
    """
    return _SIGNS.sub(r"\\\g<0>", plain_text(str(value)).translate(_HTML))
