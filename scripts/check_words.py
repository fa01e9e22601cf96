"""Count words and names that a reader has to translate, in docstrings, comments, help, templates and documents.

The project writes as the manuals of scikit-learn and httpx do: short sentences and the field's own terms.  What is on
the list here has a plain word in its place, which the list names.  `make lint` runs this; it fails unless the count is
zero.  A rule that has exceptions names them beside it.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: Pattern -> what to write in its place.  Exceptions: "heard in training" is in the descriptions of finished runs, and
#: "nobody tell us?" is spoken in a sample.
WORDS = {
    r"told|tells?(?! us\? )|telling": "say, report, return, print, pass, name, show",
    r"one of (?!the\b|these\b|those\b|them\b|a kind\b|its\b|two\b|several\b)": "a, an, any, either, or the noun itself",
    r"answers? for|answered for|answering for": "predict, score",
    r"asked about|asks about": "tested on, predicted",
    r"bears?": "carries, holds, contains",
    r"goes by|go by|going by": "depends on, uses, follows",
    r"heard(?! in training\b)|hears?(?! )": "seen, used, received, detected, present in",
    r"is worth|are worth|be worth|worth of": "the value, the score, the gain, the cost",
    r"learnt from|learns from|learn from": "trained on, trains on",
    r"at hand": "available, given",
    r"beside (?:it|them|each other)": "next to, with, together",
    r"as far as": "if, where, within",
    r"nobody(?! tell us)|somebody|whoever": "no one speaks: no speech; somebody: a person, a speaker, a client",
    r"of one's own|of its own": "separate, own",
    r"is none|are none|there is none": "does not exist, is missing, none exists",
    r"what it is|what they are|what there is": "name the thing",
    r"stands? for": "means, represents, names",
    r"on purpose": "because, and the reason",
    r"in its place": "instead",
    r"lays?|laid": "builds, places, splits",
}

#: Names of variables and arguments that say nothing of what they hold.
NAMES = {"told", "one", "found", "heard", "given"}

_WORDS = {re.compile(rf"\b(?:{pattern})(?!\w)", re.IGNORECASE): remedy for pattern, remedy in WORDS.items()}
_CODE = re.compile(r"`[^`]*`|https?://\S+|\{\{.*?\}\}|\{%.*?%\}|<[^>]+>")


def main(arguments: list[str]) -> int:
    """Print each place, and return 1 if there is any."""
    paths = [Path(name).resolve() for name in arguments] or [
        ROOT / name for name in ("src", "scripts", "benchmarks", "docs", "README.md", "CONTRIBUTING.md")
    ]
    places = [place for path in paths for file in _files(path) for place in _places(file)]
    print(*places, sep="\n")
    print(f"{len(places)} words or names to replace")
    return bool(places)


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    else:
        for suffix in ("*.py", "*.md", "*.j2", "*.html"):
            yield from sorted(file for file in path.rglob(suffix) if "notebooks" not in file.parts)


def _places(file: Path) -> Iterator[str]:
    if file == Path(__file__).resolve() or file.parent.name == "default":
        return
    text = file.read_text(encoding="utf-8")
    shown = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file
    for line, prose in _python(text) if file.suffix == ".py" else enumerate(_fenceless(text), start=1):
        for pattern, remedy in _WORDS.items():
            for match in pattern.finditer(_CODE.sub(" ", prose)):
                yield f"{shown}:{line}: {match.group()!r}; better: {remedy}"
    if file.suffix == ".py":
        yield from (f"{shown}:{line}: the name {name!r}; name what it holds" for line, name in _names(text))


def _fenceless(text: str) -> Iterator[str]:
    """Yield each line of a document, empty where it is code."""
    inside = False
    for line in text.splitlines():
        fence = line.lstrip().startswith("```")
        inside ^= fence
        yield "" if inside or fence else line


def _python(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of comments, and of every text of more than two words: docstrings, help, messages."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            continue
        if len(node.value.split()) > 2:
            for offset, line in enumerate(node.value.splitlines()):
                yield node.lineno + offset, line


def _names(text: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(text)):
        name = node.id if isinstance(node, ast.Name) else node.arg if isinstance(node, ast.arg) else ""
        if (
            isinstance(node, ast.Name | ast.arg)
            and name in NAMES
            and not isinstance(getattr(node, "ctx", None), ast.Load)
        ):
            yield node.lineno, name


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
