"""What axe-core finds in a page."""

from typing import Any

from support.browser_page import missing


def axe_violations(page: Any, **options: Any) -> list[tuple[str, list[str]]]:
    """Return the rule and the elements of each violation in a page of Playwright; options are those of axe-core."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ModuleNotFoundError:
        missing("axe-playwright-python")
    found = Axe().run(page, options=options or None).response
    assert len(found["passes"]) > 10  # it has looked
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]]
