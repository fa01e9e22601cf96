"""Make docs/tour.md and its pictures, from real screens of the command line, the page and the reports.

    python scripts/make_tour.py --data DIR

Needs Chromium and the extras of development.  DIR holds EMO-DB, on which a small model is trained for the reports; the
run is kept in build/tour, so that a second call is quick.  Screens of the command line are SVG; what they say is in
their description, and `tests/project/test_tour.py` compares it with what the commands print.  What screens of the page
say is in ``seen.json`` beside the pictures, for the same test.
"""

import argparse
import fcntl
import html
import io
import json
import os
import pty
import re
import shutil
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "tour.md"
FIGURES = ROOT / "docs" / "figures" / "tour"
SEEN = FIGURES / "seen.json"
COLUMNS, ROWS = 96, 60
_BROWSER = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking")
_CONTROL = re.compile(r"\x1b\[(\??[\d;]*)([A-Za-z])")
_SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<desc>DESCRIPTION</desc>
<style>
.{unique_id}-matrix {{
    font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
    font-size: {char_height}px; line-height: {line_height}px;
}}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: system-ui, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


@dataclass(frozen=True)
class Command:
    """A screen of the command line: the name of its picture, the command, and what it shows."""

    name: str
    command: str
    text: str


COMMANDS = (
    Command(
        "predict",
        "emotone predict samples/*.wav",
        "Each row has the most probable emotion, its probability, and the next two. The samples are synthetic speech.",
    ),
    Command(
        "timeline",
        "emotone timeline samples/conversation.ogg --speakers 2",
        "A conversation: who speaks, from when to when, and the emotion of each turn, adapted to each voice.",
    ),
    Command(
        "adapt",
        "emotone predict samples/woman_lively.wav --adapt-to samples/woman_plain.wav",
        "The same model, adapted to a voice from another clip of it. With `--format csv` or `json`, programs read it.",
    ),
)


@dataclass(frozen=True)
class Screen:
    """A screen of the page or of a report: the name of its picture, its heading and what it shows."""

    name: str
    heading: str
    text: str
    width: int = 1100
    height: int = 800
    dark: bool = False


SCREENS = (
    Screen(
        "page_recognise",
        "The page",
        "`emotone serve` prints the address of a page. A sample is one press away; so is your own recording.",
    ),
    Screen(
        "page_timeline",
        "A conversation on the page",
        "A lane for each speaker: the colour is the emotion, the height the confidence. Press a segment to play it.",
        height=1000,
    ),
    Screen("page_phone", "On a phone, in dark colours", "The same page at a width of 390 pixels.", 390, 844, dark=True),
    Screen(
        "page_about",
        "How far to trust it",
        "About says how often the model is right: on new speakers of the corpora that it knows, and elsewhere.",
    ),
    Screen(
        "report",
        "The report of a training",
        "`emotone train` writes `report.html`. It begins with what a busy reader needs.",
        height=900,
    ),
)


def screen_text(printed: str) -> str:
    """Return what a terminal shows after this output, with its colours: progress bars and cursor are gone."""
    lines = [""]
    for part in re.split(r"(\r\n|\r|\x1b\[\??[\d;]*[A-Za-z])", printed):
        control = _CONTROL.fullmatch(part)
        if part == "\r\n":
            lines.append("")
        elif control is None and part != "\r":
            lines[-1] += part
        elif control is not None and control[2] == "K":
            lines[-1] = ""
        elif control is not None and control[2] == "A":
            del lines[-int(control[1] or 1) :]
        elif control is not None and control[2] == "m":
            lines[-1] += part
    return "\n".join(lines).strip("\n")


def terminal(command: str) -> str:
    """Run a command in a terminal, and return what stands on it."""
    main, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = _environment() | {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    process = subprocess.Popen(
        ["bash", "-euc", command], cwd=ROOT, env=environment, stdin=child, stdout=child, stderr=child
    )
    os.close(child)
    printed = io.BytesIO()
    while True:
        try:
            piece = os.read(main, 65_536)
        except OSError:  # Linux says so at the end
            break
        if not piece:
            break
        printed.write(piece)
    if process.wait() != 0:
        raise SystemExit(f"{command}\n{printed.getvalue().decode()}")
    return screen_text(printed.getvalue().decode())


def _environment() -> dict[str, str]:
    """Return an environment in which `emotone` is the command of this checkout."""
    programs = ROOT / "build" / "tour" / "programs"
    programs.mkdir(parents=True, exist_ok=True)
    program = programs / "emotone"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from emotone.cli.start import main; main()" "$@"\n')
    program.chmod(0o755)
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT / "src")}


def svg(shown: str, *, title: str) -> str:
    """Draw a terminal; what it says, without colours, is the description."""
    text = Text.from_ansi(shown)
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(text, no_wrap=True, crop=False)
    made = console.export_svg(title=title, theme=MONOKAI, code_format=_SVG, unique_id="tour")
    plain = "\n".join(line.rstrip() for line in text.plain.splitlines())
    return made.replace("DESCRIPTION", html.escape(plain, quote=False), 1)


def said(picture: str) -> str:
    """Return what the terminal in a picture says."""
    match = re.search(r"<desc>(.*?)</desc>", picture, flags=re.DOTALL)
    if match is None:
        raise SystemExit("the picture has no description: make it again")
    return html.unescape(match[1])


def document() -> str:
    """Return the page of the tour."""
    lines = [
        "# A tour in pictures",
        "",
        "All pictures are real screens, made by `make tour` (`scripts/make_tour.py`).",
        "",
    ]
    for screen in COMMANDS:
        lines += ["```bash", screen.command, "```", "", screen.text, ""]
        lines += [f"![What {screen.command.split(' --')[0]} prints](figures/tour/{screen.name}.svg)", ""]
    for picture in SCREENS:
        lines += [f"## {picture.heading}", "", picture.text, ""]
        lines += [f"![{picture.heading}](figures/tour/{picture.name}.png)", ""]
    lines += ["The [guide](guide.md) describes every command, option and format.", ""]
    return "\n".join(lines)


@contextmanager
def served() -> Iterator[str]:
    """Run the service, and yield the address of its page."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    process = subprocess.Popen(["emotone", "serve", "--port", str(port)], env=_environment(), cwd=ROOT)
    try:
        for _ in range(600):
            time.sleep(0.1)
            try:
                with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                    break
            except OSError:
                if process.poll() is not None:
                    raise SystemExit("emotone serve has ended; see its message above") from None
        else:
            raise SystemExit("emotone serve was not ready within 60 s")
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(30)


def page_screens(page: Any, address: str) -> Iterator[str]:
    """Bring the page to each of its screens, and yield the name of the screen."""
    page.goto(address)
    page.locator("#em-recognise-recording [data-does=sample]").click()
    page.locator("#em-recognise-answer .em-result").wait_for()
    yield "page_recognise"
    page.get_by_role("tab", name="Timeline", exact=True).click()
    page.get_by_label("Speakers", exact=True).select_option(label="2")
    page.locator("#em-timeline-recording [data-does=sample]").click()
    page.locator("#em-timeline-answer .em-talk").wait_for()
    yield "page_timeline"
    yield "page_phone"
    page.get_by_role("tab", name="About", exact=True).click()
    yield "page_about"


def words_of(page: Any, screen: Screen) -> str:
    """Bring the page to the size and colours of a screen, and return what it says."""
    page.set_viewport_size({"width": screen.width, "height": screen.height})
    page.emulate_media(color_scheme="dark" if screen.dark else "light")
    page.wait_for_timeout(300)
    page.evaluate("scrollTo(0, 0)")
    return str(page.evaluate("document.body.innerText"))


def take(page: Any, screen: Screen) -> str:
    """Write the picture of a screen, and return what it says."""
    words = words_of(page, screen)
    _write_png(FIGURES / f"{screen.name}.png", page.screenshot())
    return words


def _write_png(path: Path, content: bytes) -> None:
    """Write a picture with 128 colours, a third of the size."""
    from PIL import Image

    picture = Image.open(io.BytesIO(content)).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)


def trained(data: Path) -> Path:
    """Train a small model, unless it is there, and return its report."""
    run = ROOT / "build" / "tour" / "run"
    if not (run / "report.html").is_file():
        shutil.rmtree(run, ignore_errors=True)
        command = [
            "emotone",
            "train",
            "emodb",
            "--data",
            str(data),
            "--model",
            "logistic-regression",
            "--out",
            str(run),
        ]
        subprocess.run(command, env=_environment(), check=True)
    return run / "report.html"


@contextmanager
def browser_page() -> Iterator[Any]:
    """Yield a page of Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(_BROWSER))
        yield browser.new_page()
        browser.close()


def main() -> None:
    """Make the pictures and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds EMO-DB")
    chosen = parser.parse_args()
    FIGURES.mkdir(parents=True, exist_ok=True)
    for screen in COMMANDS:
        shown = svg(terminal(screen.command), title=screen.command)
        (FIGURES / f"{screen.name}.svg").write_text(shown, encoding="utf-8")
        print(screen.command, flush=True)
    screens, seen = {picture.name: picture for picture in SCREENS}, {}
    report = trained(chosen.data)
    with served() as address, browser_page() as page:
        for name in page_screens(page, address):
            seen[name] = take(page, screens[name])
            print(name, flush=True)
        page.goto(report.as_uri())
        take(page, screens["report"])
    SEEN.write_text(json.dumps(seen, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    DOCUMENT.write_text(document(), encoding="utf-8")


if __name__ == "__main__":
    main()
