"""The guard: files, addresses, origins, sizes and the key."""

import contextlib
import json
import socket
import threading
from pathlib import Path

import numpy as np
import pytest

from support.browser_page import CLIP, KEY, LONG, call, get, upload
from support.serving import RATE, file_of, until

pytestmark = pytest.mark.browser


def test_a_file_that_is_too_large_is_not_sent(open_page, served, log):
    page = open_page()
    page.set_input_files(
        "#em-recognise-recording input[type=file]",
        {"name": "a.wav", "mimeType": "audio/wav", "buffer": file_of(np.zeros(2 * RATE * 60))},
    )
    page.get_by_text("It has 3.8 MB, and this page takes up to 2 MB.").wait_for()
    assert not page.locator("#em-recognise-answer").inner_html()
    assert not [url for url in log.asked if "/page/answers/" in url]
    body = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.wav"\r\n\r\n' + bytes(2_030_000)
    status, _, _ = get(
        served.port,
        "/gradio_api/upload",
        method="POST",
        body=body + b"\r\n--b--\r\n",
        Content_Type="multipart/form-data; boundary=b",
    )
    assert status == 413
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as line:  # refused before it is sent
        head = "POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000000\r\n"
        line.sendall(f"{head}Content-Type: multipart/form-data; boundary=b\r\n\r\n--b".encode())
        assert line.recv(100).startswith(b"HTTP/1.1 413")


@contextlib.contextmanager
def occupied(port):
    """Keep the only place of the service taken, by clients that ask again as soon as they are answered."""
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.ogg"\r\n\r\n' + LONG.read_bytes()
    given = {"Authorization": f"Bearer {KEY}", "Content_Type": "multipart/form-data; boundary=b"}
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            get(port, "/v1/timeline", method="POST", body=body + b"\r\n--b--\r\n", **given)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: get(port, "/v1/predict", method="POST", body=b"", **given)[0] == 503)  # otherwise 400
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def test_a_service_that_is_busy_says_so(open_page, served, log):
    page, log.expected = open_page(url=served.keyed_url, wait=False), "status of 503"
    page.get_by_label("Key").fill(KEY)
    page.get_by_label("Key").press("Enter")
    page.locator("#em-recognise-recording input[type=file]").wait_for(state="attached")
    with occupied(served.keyed_port):
        page.set_input_files("#em-recognise-recording input[type=file]", CLIP)
        page.locator("[data-problem=busy]").wait_for()
        page.get_by_role("heading", name="The service is busy.").wait_for()
        page.get_by_text("Try again in a few seconds.").wait_for()
    page.context.clear_cookies()


def test_other_files_and_addresses_are_not_opened(served, tmp_path):
    picture = tmp_path / "a.svg"
    picture.write_text("<svg>secret</svg>")
    own = [str(CLIP), "/etc/passwd", str(served.folder / "log"), str(picture)]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.5)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/a.wav"
        for path in (address, *own):
            for name in ("recognise", "timeline"):
                for is_stream in (False, True):
                    event, told = call(served.port, name, path, is_stream=is_stream)
                    assert event == "error" or "em-problem" in told
                    assert "root" not in told and "sad" not in told
            assert get(served.port, f"/gradio_api/file={path}")[0] == 404
        (folder,) = served.folder.glob("emotone-page-*")
        uploaded = Path(upload(served.port, CLIP.read_bytes()))
        inside = f"{address}?b=/{'../' * 40}{uploaded.relative_to('/')}"  # an address that reads like an upload's path
        for path in (inside, str(uploaded.parent), str(folder), f"{folder}/none/a"):
            event, told = call(served.port, "recognise", path)
            assert event == "error", path
        with pytest.raises(TimeoutError):
            listener.accept()
    uploaded = upload(served.port, CLIP.read_bytes())
    assert Path(uploaded).is_file()
    for path in (f"file={uploaded}", "proxy=https://example.org/", "vibe-code/", "profiling/summary", "dev/reload"):
        assert get(served.port, f"/gradio_api/{path}")[0] == 404
    (folder,) = served.folder.glob("emotone-page-*")
    assert not [one for one in folder.rglob("*") if one.name in ("passwd", "log", "a.svg")]


def test_a_browser_can_not_be_made_to_call_another_host(browser, served):
    page = browser.new_page()  # not watched: what it is made to try is what the others are checked for
    page.goto(served.url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.5)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        tried = """async (url) => {
          const one = new Image();
          const image = new Promise((done) => { one.onerror = () => done("no"); one.src = url; });
          return [await fetch(url, {mode: "no-cors"}).then(() => "yes", () => "no"), await image];
        }"""
        assert page.evaluate(tried, address) == ["no", "no"]
        with pytest.raises(TimeoutError):
            listener.accept()
    page.close()


def test_what_is_gradios_own_is_not_served_and_the_rest_is_no_page(served):
    """Its page and its files are HTML, scripts and content of clients under the address of this page."""
    page = upload(served.port, b"<script>alert(document.cookie)</script>", name="a.html")
    closed = ["theme.css", "manifest.json", "favicon.ico", "static/img/logo.svg", "assets/index.js", "svelte/svelte.js"]
    closed += [
        f"gradio_api/{name}" for name in (f"file={page}", f"file/{page}", "runs", "login_check", "upload_progress")
    ]
    for path in (
        *closed,
        "monitoring/summary",
        "config/../theme.css",
        "gradio_api/theme.css",
    ):
        status, headers, body = get(served.port, f"/{path}")
        assert status == 404 and json.loads(body)["code"] == "not_found", path
        assert headers["x-content-type-options"] == "nosniff"
    for path in ("config", "gradio_api/info", "gradio_api/app_id", "gradio_api/queue/data?session_hash=a"):
        status, headers, _ = get(served.port, f"/{path}")
        policy = headers["content-security-policy"]
        assert status == 200 and policy.startswith("default-src 'none'") and "unsafe" not in policy, path
        assert headers["x-content-type-options"] == "nosniff" and "text/html" not in headers["content-type"], path


def test_pages_of_other_origins_are_refused(served):
    status, _, body = get(served.port, "/gradio_api/queue/join", method="POST", body="{}", Origin="https://a.org")
    assert status == 403 and json.loads(body)["code"] == "forbidden_origin"
    assert get(served.port, "/page/answers/recognise", method="POST", body="", Origin="https://a.org")[0] == 403
    own = f"http://127.0.0.1:{served.port}"
    assert get(served.port, "/gradio_api/queue/join", method="POST", body="{}", Origin=own)[0] == 422


def test_bodies_are_bounded(served):
    def joined(n_bytes):
        body = json.dumps({"data": [None], "fn_index": 0, "session_hash": "a" * n_bytes})
        return get(served.port, "/gradio_api/queue/join", method="POST", body=body, Content_Type="application/json")[0]

    assert joined(10) == joined(900_000) == 200 and joined(1_100_000) != 200
    for path in ("component_server", "stream/a/b/c/d.mp3"):
        assert get(served.port, f"/gradio_api/{path}", method="POST", body="{}")[0] == 404


def test_nothing_of_gradio_answers_without_the_key(served):
    for path in ("config", "gradio_api/info", "gradio_api/queue/data", "gradio_api/startup-events"):
        status, headers, body = get(served.keyed_port, f"/{path}")
        assert status == 401 and json.loads(body)["code"] == "unauthorized", path
        assert headers["content-type"] == "application/problem+json"
    for path in ("gradio_api/upload", "gradio_api/queue/join", "gradio_api/call/recognise", "gradio_api/run/recognise"):
        assert get(served.keyed_port, f"/{path}", method="POST", body=b"")[0] == 401, path
    for path in ("recognise", "timeline", "voice"):
        status, _, body = get(served.keyed_port, f"/page/answers/{path}", method="POST", body=b"")
        assert status == 401 and json.loads(body)["code"] == "unauthorized", path
    assert get(served.keyed_port, "/page/card")[0] == 303
    status, headers, _ = get(served.keyed_port, "/")
    assert status == 303 and headers["location"] == "login"
    assert get(served.keyed_port, "/config", Cookie="emotone=1.2")[0] == 401
    assert get(served.keyed_port, "/config", Authorization=f"Bearer {KEY}")[0] == 200
    assert get(served.port, "/login")[0] == 404  # where there is no key


BAD = [
    b'{"a":',
    b"[]",
    b'{"data":["x"],"session_hash":"x","fn_index":999}',
    b'{"data":[1],"fn_index":0}',
    b"[" * 20_000,
]
BAD += [b'{"data":[{"path":"/etc/passwd","meta":{"_type":"gradio.FileData"}}],"session_hash":"x","fn_index":0}']


@pytest.mark.parametrize(
    "path", ["queue/join", "call/recognise", "call/v2/recognise", "run/recognise", "run/nope", "upload"]
)
def test_a_bad_request_is_a_4xx_and_a_short_line(served, path):
    for body in BAD:
        before = len((served.folder / "log").read_bytes())
        kind = "multipart/form-data; boundary=b" if path == "upload" else "application/json"
        status, _, answer = get(served.port, f"/gradio_api/{path}", method="POST", body=body, Content_Type=kind)
        if status == 200 and b"event_id" in answer:  # what is wrong shows in the events
            get(served.port, f"/gradio_api/call/recognise/{json.loads(answer)['event_id']}")
        assert status < 500, (path, body[:40])
        written = (served.folder / "log").read_bytes()[before:]
        assert len(written) < 600 and b"Traceback" not in written, written


def test_a_body_that_breaks_off_is_no_traceback(served):
    head = (
        "Host: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\nzz\r\n"
    )
    before = len((served.folder / "log").read_bytes())
    for path in ("/v1/predict", "/gradio_api/upload"):
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as line:
            line.sendall(f"POST {path} HTTP/1.1\r\n{head}".encode())
            assert line.recv(100).startswith(b"HTTP/1.1 400")
    status, _, events = get(served.port, "/gradio_api/queue/data?session_hash=unknown")
    assert status == 200 and b"404" in events  # and the answer ends
    written = (served.folder / "log").read_bytes()[before:]
    assert len(written) < 1000 and b"Traceback" not in written, written


def test_unknown_paths_and_names_are_problems_with_the_page_too(served):
    for method, path, code in (
        ("GET", "/nope", "not_found"),
        ("POST", "/nope", "not_found"),
        ("GET", "/assets/nope", "not_found"),
        ("GET", "/gradio_api/nope", "not_found"),
        ("GET", "/gradio_api/upload", "method_not_allowed"),
    ):
        status, headers, body = get(served.port, path, method=method)
        assert json.loads(body)["code"] == code and headers["content-type"] == "application/problem+json"
        assert status == json.loads(body)["status"]
    for port in (served.port, served.keyed_port):
        for path in ("/", "/config", "/gradio_api/info", "/login"):
            assert json.loads(get(port, path, Host="evil.example")[2])["code"] == "unknown_host"
            assert json.loads(get(port, path, Origin="http://[::1")[2])["code"] == "forbidden_origin"


def test_idle_uploads_do_not_keep_others_from_the_page(served):
    with contextlib.ExitStack() as stack:
        for _ in range(40):  # the service has 18 places
            line = stack.enter_context(socket.create_connection(("127.0.0.1", served.port)))
            head = "POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 90000\r\n"
            line.sendall(f"{head}Content-Type: multipart/form-data; boundary=b\r\n\r\n--b".encode())
        event, told = call(served.port, "recognise", upload(served.port, CLIP.read_bytes()))
        assert event != "error", told
