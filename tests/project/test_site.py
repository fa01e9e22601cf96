"""The documentation site: complete, without dead links, without other hosts, readable by everybody."""

import re
import shutil
import sys
from urllib.parse import unquote, urlsplit

import pytest

import emotone
from support.accessibility import axe_violations
from support.browser_page import FLAGS, missing
from support.site_pages import COUNTED, ROOT, SitePage, build, documents_in_navigation, expected_counts

sys.path.insert(0, str(ROOT / "scripts"))
from site_hooks import OTHERS, indented, with_links  # noqa: E402

#: The start page, and a page of each kind.
KINDS = (
    "index.html",
    "how-to/graph.html",
    "concepts/adaptation.html",
    "law.html",
    "comparison.html",
    "reference.html",
    "streaming.html",
    "notebooks/04_your_voice.html",
)
#: Pages with the widest tables.
WIDE = ("results.html", "guide.html", "licences.html")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return build(tmp_path_factory.mktemp("site") / "site")


@pytest.fixture(scope="module")
def pages(site):
    return {path.relative_to(site).as_posix(): SitePage(path) for path in sorted(site.rglob("*.html"))}


@pytest.mark.slow
def test_no_page_loads_anything_from_another_host(site, pages):
    assert len(pages) > 30
    loaded = [f"{name}: {url}" for name, page in pages.items() for url in page.loads if urlsplit(url).netloc]
    styles = {name: page.styles for name, page in pages.items()}
    styles |= {path.name: path.read_text(encoding="utf-8") for path in site.rglob("*.css")}
    loaded += [
        f"{name}: {url}"
        for name, text in styles.items()
        for url in re.findall(r"(?:url\(|@import)[\s'\"]*(\w+:)?//", text)
    ]
    assert loaded == []
    assert any(page.loads for page in pages.values())  # it has looked


@pytest.mark.slow
def test_no_link_or_anchor_is_dead(site, pages):
    dead = []
    for name, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or name == "404.html":
                continue
            target = (site / name).parent / unquote(parts.path) if parts.path else site / name
            target = target / "index.html" if target.is_dir() else target
            key = target.resolve().relative_to(site.resolve()).as_posix()
            anchor = unquote(parts.fragment)
            if not target.is_file() or (anchor and key in pages and anchor not in pages[key].anchors):
                dead.append(f"{name}: {link}")
    assert dead == []


@pytest.mark.slow
def test_every_page_is_in_the_navigation_and_llms_txt_lists_them_in_its_order(site, pages):
    expected = [document.removesuffix(".md") + ".html" for document in documents_in_navigation()]
    text = (site / "llms.txt").read_text(encoding="utf-8")
    listed = re.findall(r"^- \[.+?\]\((.+?)\): .{15,}$", text, flags=re.MULTILINE)
    assert listed == expected
    assert set(listed) == set(pages) - {"404.html"}
    assert text.startswith("# Emotone\n\n> ")


@pytest.mark.slow
@pytest.mark.parametrize("document", [name for name in documents_in_navigation() if name != "reference.md"])
def test_a_page_has_the_lists_tables_and_blocks_that_its_document_has_on_github(pages, document):
    source = next((ROOT / name for name, page in OTHERS.items() if page == document), ROOT / "docs" / document)
    expected = expected_counts(source.read_text(encoding="utf-8"))
    shown = pages[document.removesuffix(".md") + ".html"].counts
    if "<t" in source.read_text(encoding="utf-8"):  # tables and pictures of notebooks are HTML
        shown, expected = ({name: counts[name] for name in ("h2", "h3")} for counts in (shown, expected))
    empty = expected["th"] - shown["th"] if "th" in expected else 0  # empty header cells are no headers
    counts = {
        name: (shown[name] - (empty if name == "td" else 0), expected[name]) for name in COUNTED if name in expected
    }
    assert {name: pair for name, pair in counts.items() if pair[0] != pair[1]} == {}


@pytest.mark.slow
def test_the_reference_has_every_public_name(pages):
    named = re.findall(r"^::: emotone\.(\w+)$", (ROOT / "docs/reference.md").read_text(encoding="utf-8"), flags=re.M)
    assert sorted(named) == sorted(set(emotone.__all__) - {"__version__"})
    assert {f"emotone.{name}" for name in named} <= pages["reference.html"].anchors
    assert "emotone.Recognizer.predict" in pages["reference.html"].anchors


@pytest.mark.parametrize("name", ["emotion.cpp", "emotion.mjs", "emotion.rs"])
def test_the_programs_of_the_page_on_the_graph_are_those_of_the_examples(name):
    language = {"mjs": "js", "rs": "rust"}.get(name.partition(".")[2], "cpp")
    text = (ROOT / "docs/how-to/graph.md").read_text(encoding="utf-8")
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    program = (ROOT / "docs/examples" / name).read_text(encoding="utf-8")
    lines = [line.strip() for line in program.splitlines() if line.strip()]
    wanted = [line.strip() for line in block.splitlines() if line.strip()]
    start = lines.index(wanted[0])
    assert lines[start : start + len(wanted)] == wanted


def test_links_out_of_docs_become_pages_or_text():
    lines = [
        "[a](../README.md#adapt) [b](../benchmarks/README.md#x) [c](../LICENSE) [`d.py`](../src/d.py)",
        "```",
        "[e](../LICENSE)",
    ]
    assert with_links(lines, source="docs/guide.md", page="guide.md") == [
        "[a](index.md) [b](benchmarks.md#x) c (`LICENSE`) `d.py`",
        "```",
        "[e](../LICENSE)",
    ]
    moved = with_links(
        ["[a](../docs/notebooks/01.md) [b](#c)"], source="notebooks/README.md", page="notebooks/index.md"
    )
    assert moved == ["[a](01.md) [b](#c)"]


def test_lists_are_indented_as_python_markdown_reads_them():
    lines = [
        "Text:",
        "- a",
        "  more",
        "  - b",
        "    ```",
        "    - code",
        "    ```",
        "",
        "1. c",
        "   - d",
        "",
        "   text",
        "end",
    ]
    assert indented(lines) == [
        *("Text:", "", "- a", "    more", "    - b", "        ```", "        - code", "        ```"),
        *("", "1. c", "    - d", "", "    text", "end"),
    ]


@pytest.fixture(scope="module")
def browser():
    path = shutil.which("chromium") or missing("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        missing("playwright")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=[flag for flag in FLAGS if "fake" not in flag])
        yield started
        started.close()


@pytest.fixture
def opened(browser, site):
    """Open a page of the folder, and check afterwards that nothing failed and no host was called."""
    asked, wrong = [], []
    context = browser.new_context()
    context.on("request", lambda request: asked.append(request.url))
    context.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)

    def open_page(name, *, width=1280, scheme="light"):
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(color_scheme=scheme)
        page.goto((site / name).as_uri())
        return page

    yield open_page
    context.close()
    assert asked and [url for url in asked if not url.startswith(("file:", "data:", "about:"))] == []
    assert wrong == []


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("name", KINDS)
def test_axe_finds_no_violation_in_a_page_of_each_kind(opened, name):
    sizes = [(390, "dark"), (1280, "light")] + ([(390, "light"), (1280, "dark")] if name == "index.html" else [])
    for width, scheme in sizes:
        page = opened(name, width=width, scheme=scheme)
        # preloaded, styles would be asked for from the folder again, which browsers forbid
        assert axe_violations(page, preload=False) == [], (width, scheme)
        page.close()


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("name", (*KINDS, *WIDE))
def test_nothing_is_wider_than_a_phone_but_tables_that_scroll(opened, name):
    page = opened(name, width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    boxes = page.locator(".md-typeset__scrollwrap").all()
    scrolling = [box for box in boxes if box.evaluate("(box) => box.scrollWidth > box.clientWidth")]
    assert all(box.get_attribute("tabindex") == "0" for box in scrolling)
    assert scrolling or name not in WIDE


@pytest.mark.slow
@pytest.mark.browser
def test_search_works_in_a_site_that_is_opened_from_its_folder(opened):
    page = opened("index.html")
    # typed, since the theme reads what the box holds when a key is released
    page.get_by_role("textbox", name="Search").press_sequentially("voiceprint")
    result = page.locator(".md-search-result__link").first
    result.wait_for(state="attached")
    assert result.get_attribute("href").partition("?")[0].partition("#")[0].endswith("law.html")
