"""A recording on the page: one way to choose a file, samples, every format, progress, and Cancel."""

import re
from importlib import resources

import numpy as np
import pytest

from support.browser_page import CLIP, SAMPLES, TABS, get, open_tab, send
from support.handmade import tone
from support.media import media
from support.serving import RATE, file_of, until

pytestmark = pytest.mark.browser


def test_the_samples_of_the_page_are_those_of_the_repository():
    assets = resources.files("emotone.serve.page") / "assets"
    names = [asset.name for asset in assets.iterdir() if asset.name.endswith((".wav", ".ogg"))]
    assert len(names) == 4
    for name in names:
        assert (assets / name).read_bytes() == (SAMPLES / name).read_bytes(), name


def test_there_is_one_way_to_choose_a_file_and_the_words_are_ours(open_page):
    page = open_page()
    for name, n_boxes in zip(TABS, (1, 1, 0, 2, 0), strict=True):
        open_tab(page, name)
        panel = page.locator("[role=tabpanel]:visible")
        boxes = panel.locator(".em-recorder").all()
        assert len(boxes) == n_boxes
        for box in boxes:
            assert re.match("Drop (a recording|recordings), or record\n", box.inner_text())
            assert box.locator("input[type=file]").count() == 1 and not box.locator("input[accept]").count()
            assert box.locator("label").all_inner_texts() in (["Choose a file"], ["Choose files"])
            assert "Click to Upload" not in box.inner_text() and "up to 2" in box.inner_text()


@pytest.mark.slow
def test_a_sample_is_answered_at_once(open_page, recognizer):
    page = open_page()
    for name, label, expected in (("recognise", "Recognise", ".em-result"), ("timeline", "Timeline", ".em-timeline")):
        open_tab(page, label)
        page.locator(f"#em-{name}-recording").get_by_role("button", name="Try a sample").click()
        page.locator(f"#em-{name}-answer {expected}").wait_for()
        assert page.locator("#em-said").inner_text().strip()  # is read aloud
    word = page.locator("#em-recognise-answer .em-word")
    assert word.text_content() == recognizer.predict(CLIP).label
    assert page.locator("#em-timeline-recording audio").is_hidden()  # the timeline has a player of its own
    open_tab(page, "Your voice")
    page.get_by_role("button", name="Try samples").click()
    page.locator("#em-clips li").nth(1).wait_for()
    page.get_by_role("button", name="Remove woman_plain.wav").click()
    assert page.locator("#em-clips li span").all_inner_texts() == ["woman_subdued.wav, 113 kB"]


@pytest.mark.slow
@pytest.mark.parametrize("way", ["chosen", "dropped"])
def test_what_the_service_reads_is_accepted(open_page, way):
    voice = 0.3 * tone(1.0)
    page = open_page()
    for name, kind, content in (
        ("a.webm", "video/webm", media([voice], "webm", "libopus")),
        ("a.mp4", "video/mp4", media([voice], "mp4", "aac", rate=RATE)),
        ("a.m4a", "", media([voice], "mp4", "aac", rate=RATE)),
        ("a.mkv", "video/x-matroska", media([voice], "matroska", "aac", rate=RATE)),
        ("a.flac", "audio/flac", file_of(voice, kind="FLAC")),
    ):
        if way == "chosen":
            shown = send(page, {"name": name, "mimeType": kind, "buffer": content})
        else:
            drop(page, "#em-recognise-recording", name=name, kind=kind, content=content)
            shown = page.locator("#em-recognise-answer .em-result")
            shown.wait_for()
        assert shown.get_attribute("data-problem") is None and name in shown.inner_text(), name
        page.locator("#em-recognise-recording [data-does=clear]").click()
        assert page.locator("#em-recognise-recording input").evaluate("one => one === document.activeElement")


def test_what_is_chosen_before_the_scripts_have_run_is_taken(open_page, context, served):
    """A slow connection: the boxes are there, and nobody hears of a choice yet."""
    page, is_slow, waiting = open_page(), [True], []
    page.route(re.compile("/page/.*[.]js"), lambda one: waiting.append(one) if is_slow else one.continue_())
    page.goto(served.url, wait_until="commit")
    page.set_input_files("#em-recognise-recording input[type=file]", CLIP)
    page.set_input_files("#em-profile", {"name": "anna.json", "mimeType": "application/json", "buffer": b"{}"})
    assert page.locator("#em-recognise-answer").inner_html() == ""
    is_slow.clear()
    for script in waiting:
        script.continue_()
    page.locator("#em-recognise-answer .em-bars").wait_for()
    assert page.locator("#em-profile-name").text_content() == "Open: anna.json"


def test_a_missing_answer_is_told_with_what_the_page_shows(open_page):
    page = open_page()
    page.set_default_timeout(2_000)
    with pytest.raises(AssertionError, match=r"no \.em-other came in http.*'.*%.*woman_lively\.wav.*have run"):
        send(page, CLIP, expect=".em-other")


def drop(page, selector, *, name, kind, content):
    """Drop a file on an element, as a person does."""
    held = page.evaluate_handle(
        """([name, type, bytes]) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], name, { type }));
          return data;
        }""",
        [name, kind, list(content)],
    )
    for event in ("dragover", "drop"):
        page.dispatch_event(selector, event, {"dataTransfer": held})


def jobs(served):
    """State -> number of jobs that have ended so."""
    text = get(served.port, "/metrics")[2].decode()
    return {state: int(n) for state, n in re.findall(r'emotone_jobs_total\{state="(\w+)"\} (\d+)', text)}


@pytest.mark.slow
def test_long_work_shows_how_far_it_is_and_can_be_cancelled(open_page, served, tmp_path):
    page = open_page()
    open_tab(page, "Timeline")
    cancelled = jobs(served).get("cancelled", 0)
    rng = np.random.default_rng(0)
    long = tmp_path / "long.wav"  # 29 MB, which are not sent to the browser in a message
    long.write_bytes(file_of(0.1 * rng.standard_normal(900 * RATE)))
    page.set_input_files("#em-timeline-recording input[type=file]", long)
    answer = page.locator("#em-timeline-answer")
    bar = answer.get_by_role("progressbar", name="Progress")
    answer.get_by_text(re.compile(r"^\d+:\d\d of 15:00 analysed, about .+ left$")).wait_for(timeout=60_000)
    assert 0 < float(bar.get_attribute("value")) < 1
    answer.get_by_role("button", name="Cancel").click()
    answer.get_by_text("Cancelled.").wait_for()
    assert answer.get_by_role("button", name="Start again").evaluate("one => one === document.activeElement")
    until(lambda: jobs(served).get("cancelled", 0) == cancelled + 1, seconds=30)
    answer.get_by_role("button", name="Start again").click()
    bar.wait_for()
    answer.get_by_text(re.compile(r"analysed")).wait_for(timeout=60_000)  # the job exists
    page.locator("#em-timeline-recording [data-does=clear]").click()
    assert answer.inner_html() == ""
    until(lambda: jobs(served).get("cancelled", 0) == cancelled + 2, seconds=30)


def test_the_time_left_follows_the_pace(open_page):
    page = open_page()
    shown = page.evaluate(
        """() => {
          const said = [];
          const begun = { at: { time: performance.now() - 10_000, done_s: 0 } };
          for (const [status, done_s, total_s] of [
            ["waiting", 0, null], ["running", 100, 700], ["running", 100, null], ["running", 700, 700],
          ]) showProgress({ status, done_s, total_s }, begun, (words, share) => said.push([words, share ?? null]));
          return said;
        }"""
    )
    assert shown == [
        ["Waiting: another recording is analysed first.", None],
        ["1:40 of 11:40 analysed, about 1 min left", pytest.approx(1 / 7)],
        ["1:40 analysed", None],
        ["11:40 of 11:40 analysed, almost done", 1],
    ]


def test_a_service_that_is_gone_is_told_kindly(open_page, log):
    page, log.expected = open_page(), "Failed to load resource"
    page.route("**/page/answers/*", lambda route: route.abort())
    page.set_input_files("#em-recognise-recording input[type=file]", CLIP)
    page.get_by_role("heading", name="The service can't be reached.").wait_for()
    page.unroute("**/page/answers/*")
    page.route("**/page/answers/*", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
    page.locator("#em-recognise-recording [data-does=clear]").click()
    page.set_input_files("#em-recognise-recording input[type=file]", CLIP)
    page.get_by_role("heading", name="The service gave no answer.").wait_for()
    assert "Bad gateway" not in page.locator("#em-recognise-answer").inner_text()


def test_a_long_list_is_listed_in_part_until_asked(open_page):
    page = open_page()
    open_tab(page, "Live")
    events = [
        {"kind": "speech_end", "label": label, "emotion": label, "confidence": 0.5, "start_s": n, "end_s": n + 1.0}
        | {"scores": {"sad": 0.5, "happy": 0.5}}
        for n, label in enumerate(["sad"] * 9 + ["happy"] * 6)
    ]
    page.evaluate("(events) => events.forEach(show)", events)
    assert page.locator("#em-live-list li:visible").count() == 12
    assert page.locator("#em-live-count").inner_text() == "15 utterances, 0:15"
    assert page.locator("#em-live-shares li").all_inner_texts() == [
        "sad 0:09, 60 % of the time",
        "happy 0:06, 40 % of the time",
    ]
    assert page.locator("#em-live-list .em-value").first.inner_text() == "50 % sure"
    page.get_by_role("button", name="Show all 15 utterances").click()
    assert page.locator("#em-live-list li:visible").count() == 15
    assert (
        page.locator("#em-live-word").inner_text() == "happy"
        and page.locator("#em-live-when").inner_text() == "Last utterance"
    )


def test_what_was_no_utterance_leaves_the_last_one_on_the_card(open_page):
    page = open_page()
    open_tab(page, "Live")
    page.evaluate("show({ kind: 'speech_end', start_s: 0, end_s: 0.1 })")
    assert page.locator("#em-live-now").is_hidden()
    said = {"kind": "speech_end", "label": "sad", "emotion": "sad", "confidence": 0.6, "start_s": 1, "end_s": 2}
    page.evaluate("show", said | {"scores": {"sad": 0.6, "happy": 0.4}})
    page.evaluate("show({ kind: 'speech_end', start_s: 3, end_s: 3.1 })")
    assert page.locator("#em-live-word").inner_text() == "sad"
    assert page.locator("#em-live-sure").inner_text() == "60 % sure"
