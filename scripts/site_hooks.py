"""Hooks of the documentation site (mkdocs.yml): pages from other folders, links, lists and llms.txt.

The pages are written for GitHub, where links lead to files of the repository.  In the site, a link to a file that is
no page of it becomes text, because the site can be read without the repository.
"""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
#: Document outside docs/ -> its page in the site.
OTHERS = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "benchmarks/README.md": "benchmarks.md",
    "notebooks/README.md": "notebooks/index.md",
    "samples/README.md": "samples.md",
}
_PAGES = OTHERS | {"README.md": "index.md"}
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?://|mailto:)([^)\s#]*)(#[^)\s]+)?\)")
_FENCE = re.compile(r"^ *(```+|~~~+)")
_ITEM = re.compile(r"^( *)([-*+]|\d+[.)])( +)(?=\S)")
#: Paragraphs that do not describe a page: headings, lists, tables, comments, HTML, quotes, remarks.
_NO_PROSE = re.compile(r"[#|<>!]|[-+*] |:::|\*[^*]|---")
_PAGES_IN_ORDER: list[Page] = []


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the documents that are outside docs/."""
    for source, page in OTHERS.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> Navigation:
    """Remember the order of the pages, for llms.txt."""
    _PAGES_IN_ORDER[:] = nav.pages
    return nav


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return a page with links of the site, and lists as Python-Markdown reads them."""
    places = {place: source for source, place in OTHERS.items()}
    source = places.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    return "\n".join(indented(with_links(markdown.splitlines(), source=source, page=page.file.src_uri)))


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return a page whose tables have no empty header cells, which screen readers would announce."""
    return html.replace("<th></th>", "<td></td>")


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Name the dialog of the search, which the theme leaves without a name."""
    return output.replace(
        'data-md-component="search" role="dialog"', 'data-md-component="search" role="dialog" aria-label="Search"'
    )


def on_post_build(config: MkDocsConfig) -> None:
    """Write llms.txt, which lists the pages for programs that read the site."""
    text = llms_text(config.site_name, config.site_description or "", _PAGES_IN_ORDER)
    (Path(config.site_dir) / "llms.txt").write_text(text, encoding="utf-8")


def llms_text(name: str, description: str, pages: list[Page]) -> str:
    """Return llms.txt: a title, a summary, and a link with the first sentence of each page, in sections."""
    lines, section = [f"# {name}", "", f"> {description}"], None
    for page in pages:
        top = [*page.ancestors][-1].title if page.ancestors else name
        if top != section:
            section = top
            lines += ["", f"## {section}", ""]
        lines.append(f"- [{page.title}]({page.url}): {first_sentence(page.markdown or '')}".rstrip(": "))
    return "\n".join(lines) + "\n"


def first_sentence(markdown: str) -> str:
    """Return the first sentence of the first paragraph, without marks."""
    text = "\n".join(line if is_text else "" for line, is_text in outside_fences(markdown.splitlines()))
    for paragraph in re.split(r"\n\s*\n", text):
        if paragraph.strip() and not _NO_PROSE.match(paragraph.strip()):
            plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(paragraph.split()))
            return re.split(r"(?<=[.])\s", re.sub(r"[*`]", "", plain), maxsplit=1)[0].rstrip(":")
    return ""


def outside_fences(lines: list[str]) -> Iterator[tuple[str, bool]]:
    """Yield each line, and whether it is outside blocks of code; fences are not."""
    fence = ""
    for line in lines:
        match = _FENCE.match(line)
        is_text = not fence and match is None
        if match is not None:
            fence = "" if fence and match[1].startswith(fence) else fence or match[1]
        yield line, is_text


def with_links(lines: list[str], *, source: str, page: str) -> list[str]:
    """Return lines whose links lead to pages of the site; `source` is the document, `page` its place in the site."""

    def moved(match: re.Match[str]) -> str:
        mark, text, path, anchor = match[1], match[2], match[3], match[4] or ""
        if not path:
            return match[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if target in _PAGES or target.startswith("docs/"):
            place = _PAGES.get(target, target.removeprefix("docs/"))
            anchor = "" if target == "README.md" else anchor
            return f"{mark}[{text}]({posixpath.relpath(place, posixpath.dirname(page) or '.')}{anchor})"
        return text if text.startswith("`") else f"{text} (`{target}`)"

    return [_LINK.sub(moved, line) if is_text else line for line, is_text in outside_fences(lines)]


def indented(lines: list[str]) -> list[str]:
    """Return lines whose lists Python-Markdown reads as GitHub does: nested by four spaces, after an empty line."""
    made: list[str] = []
    starts: list[int] = []  # columns at which the text of the open list items begins
    for line, is_text in outside_fences(lines):
        blanks = len(line) - len(line.lstrip())
        if is_text and line.strip():
            while starts and blanks < starts[-1]:
                starts.pop()
        item = _ITEM.match(line) if is_text else None
        is_list = bool(starts) or (bool(made) and _ITEM.match(made[-1]) is not None)
        if item is not None and made and made[-1].strip() and not is_list and not made[-1].startswith(" "):
            made.append("")
        made.append(" " * 4 * len(starts) + line[min(blanks, starts[-1]) if starts else 0 :] if line.strip() else "")
        if item is not None:
            starts.append(len(item[0]))
    return made
