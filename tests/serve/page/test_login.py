"""The login of a service with a key."""

import pytest

from emotone.palette import COLOURS
from support.browser_page import CLIP, KEY, open_tab, send

pytestmark = pytest.mark.browser


@pytest.mark.slow
def test_the_page_asks_for_the_key(open_page, served, log):
    page, log.expected = open_page(url=served.keyed_url, wait=False), "status of 401"
    assert page.url.endswith("/login") and page.title() == "Emotone: log in"
    page.get_by_label("Key").fill("open barley")
    page.get_by_label("Key").press("Enter")
    assert "This key is wrong" in page.get_by_role("alert").inner_text()
    page.get_by_label("Key").fill(KEY)
    page.get_by_role("button", name="Log in").click()
    page.locator("#em-recognise-recording input[type=file]").wait_for(state="attached")
    (cookie,) = page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("emotone", True, "Strict")
    assert KEY not in cookie["value"]
    assert send(page, CLIP).locator(".em-word").inner_text() in COLOURS
    open_tab(page, "Live")
    page.locator("#em-live-button").click()
    page.locator("#em-live-now").wait_for()
    page.locator("#em-live-button").click()
    open_tab(page, "About")
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("Key").wait_for()
    assert page.context.cookies() == []
