"""The documentation site: built once, and its pages with their links, anchors and what they load."""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import yaml
from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
#: Elements by which a page loads something, and the attributes with its address.
LOADS = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src",),
    "image": ("href", "xlink:href"),
    "img": ("src", "srcset"),
    "input": ("src",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "use": ("href", "xlink:href"),
    "video": ("src", "poster"),
}
#: Relations of ``<link>`` that load nothing.
_NAMES = {"canonical", "next", "prev"}
#: Elements that GitHub and the site must have in the same number.
COUNTED = ("blockquote", "h2", "h3", "img", "li", "pre", "table", "td")


@dataclass
class SitePage(HTMLParser):
    """A page: its links and anchors, the addresses that it loads, and how often its text has each element."""

    path: Path
    links: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    loads: list[str] = field(default_factory=list)
    styles: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    _inside: str = ""
    _is_text: bool = False

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self._inside = tag
        self._is_text |= tag == "article"
        if self._is_text:
            self.counts[tag] += 1
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        self.styles += values.get("style", "")
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag == "link" and not set(values.get("rel", "").split()) <= _NAMES:
            self.loads.append(values.get("href", ""))
        self.loads += [values[name] for name in LOADS.get(tag, ()) if name in values]

    def handle_endtag(self, tag: str) -> None:
        self._is_text &= tag != "article"

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.styles += data


def build(folder: Path) -> Path:
    """Build the site strictly, as `make docs` does; a warning is an error."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def documents_in_navigation() -> list[str]:
    """Return the documents of mkdocs.yml, in order."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    return _flat(yaml.safe_load(text))


def _flat(entry: Any) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    parts = entry.values() if isinstance(entry, dict) else entry
    return [document for part in parts for document in _flat(part)]


def expected_counts(text: str) -> Counter[str]:
    """Count the elements that a document has on GitHub, by a reader of CommonMark with tables."""
    parsed = MarkdownIt("commonmark").enable("table").parse(text)
    tokens = [*parsed, *(child for token in parsed for child in token.children or ())]
    counts = Counter(token.tag for token in tokens if token.nesting >= 0)
    counts["pre"] = sum(token.type in ("fence", "code_block") for token in tokens)
    return counts
