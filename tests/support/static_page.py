"""Pages that are files, in Chromium: at several widths, in light and dark."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.accessibility import axe_violations
from support.browser_page import FLAGS, missing

WIDTHS, SCHEMES = (390, 1280), ("light", "dark")
#: Elements that hide a part of what is in them; a table may scroll.
_CUT = """() => [...document.querySelectorAll("body *")].filter((one) => {
  const style = getComputedStyle(one);
  if (!one.checkVisibility() || one.closest("svg, audio, summary")) return false;
  const hides = (what) => /hidden|clip/.test(what);
  return style.textOverflow === "ellipsis" || one.clientWidth > 0 && (
    hides(style.overflowX) && one.scrollWidth > one.clientWidth + 1 ||
    hides(style.overflowY) && one.scrollHeight > one.clientHeight + 1);
}).map((one) => one.outerHTML.slice(0, 200))"""
#: Share of its own size at which each drawing is shown; the type in it has the same share.
_SCALES = """() => [...document.querySelectorAll('img[src^="data:image/svg"]')].filter((one) => one.naturalWidth > 0)
  .map((one) => one.getBoundingClientRect().width / one.naturalWidth)"""


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Yield a page of Chromium that shows a file; fail if it asks for anything else."""
    chromium = shutil.which("chromium") or missing("Chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        missing("playwright")
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=[flag for flag in FLAGS if "fake" not in flag]
        )
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        yield page
        browser.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "about:"))] == []


def check_page(path: Path) -> None:
    """Check a page at each width, in light and dark: nothing is cut off, and axe-core finds no violation."""
    with opened(path) as page:
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 844})
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)
                assert axe_violations(page, preload=False) == [], (width, scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(_CUT) == [], width


def picture_scales(path: Path, *, width: int) -> list[float]:
    """Return the scale at which each drawing of a page is shown."""
    with opened(path) as page:
        page.set_viewport_size({"width": width, "height": 844})
        return list(page.evaluate(_SCALES))
