"""The tour in pictures is made from the screens as they are now."""

import json
import re
import sys

import pytest

from support.document_blocks import ROOT, differences

sys.path.insert(0, str(ROOT / "scripts"))
import make_tour as tour  # noqa: E402


def test_page_and_pictures_belong_together():
    assert tour.DOCUMENT.read_text(encoding="utf-8") == tour.document()
    shown = set(re.findall(r"\]\(figures/tour/(\S+)\)", tour.document()))
    assert shown == {path.name for path in tour.FIGURES.iterdir()} - {tour.SEEN.name}


@pytest.mark.slow
@pytest.mark.parametrize("one", tour.COMMANDS, ids=[one.name for one in tour.COMMANDS])
def test_screens_of_the_command_line_say_what_the_commands_print(one):
    picture = (tour.FIGURES / f"{one.name}.svg").read_text(encoding="utf-8")
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")  # a viewer asks no other host
    printed = tour.said(tour.svg(tour.terminal(one.command), title=one.command))
    assert not differences(printed, tour.said(picture)), "make it again: make tour"


@pytest.mark.browser
@pytest.mark.slow
def test_screens_of_the_page_say_what_it_says():
    seen = json.loads(tour.SEEN.read_text(encoding="utf-8"))
    screens = {screen.name: screen for screen in tour.SCREENS}
    with tour.served() as address, tour.browser_page() as page:
        for name in tour.page_screens(page, address):
            assert not differences(tour.words_of(page, screens[name]), seen[name]), f"{name}: make it again: make tour"
    assert set(seen) == {name for name in screens if name.startswith("page_")}


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("a\r\nb\r\n", "a\nb"),
        ("50 %\r\x1b[2K100 %\r\n\r\x1b[1A\x1b[2Kdone\r\n", "done"),
        ("\x1b[?25l\x1b[31mred\x1b[0m\x1b[?25h", "\x1b[31mred\x1b[0m"),
    ],
)
def test_a_screen_shows_what_progress_bars_leave(printed, shown):
    assert tour.screen_text(printed) == shown
