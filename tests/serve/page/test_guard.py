"""The guard: files, addresses, origins, sizes and the key."""

import json
import socket
from pathlib import Path

import numpy as np
import pytest

from support.browser_page import CLIP, KEY, call, get, upload
from support.serving import RATE, file_of, until

pytestmark = pytest.mark.browser


def test_a_file_that_is_too_large_is_not_sent(open_page, served, log):
    page = open_page()
    page.set_input_files(
        "#em-recognise-recording input[type=file]",
        {"name": "a.wav", "mimeType": "audio/wav", "buffer": file_of(np.zeros(2 * RATE * 60))},
    )
    page.get_by_text("It has 3.8 MB, and this page takes up to 2.0 MB.").wait_for()
    assert not page.locator("#em-recognise-answer").inner_html()
    assert not [url for url in log.asked if "/page/answers" in url]
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
        head = "POST /gradio_api/upload HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n"
        line.sendall(f"{head}Content-Type: multipart/form-data; boundary=b\r\n\r\n--b".encode())
        assert line.recv(100).startswith(b"HTTP/1.1 413")


def test_a_service_that_is_busy_says_so(open_page, served, log):
    page, log.expected = open_page(url=served.keyed_url, wait=False), "status of 503"
    page.get_by_label("Key").fill(KEY)
    page.get_by_label("Key").press("Enter")
    page.locator("#em-recognise-recording input[type=file]").wait_for(state="attached")
    with socket.create_connection(("127.0.0.1", served.keyed_port)) as line:  # an upload that takes the only room
        head = f"POST /v1/predict HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 900\r\n"
        line.sendall(f"{head}Content-Type: multipart/form-data; boundary=b\r\n\r\n--b".encode())
        until(lambda: b"emotone_queue_length 1\n" in get(served.keyed_port, "/metrics")[2])
        page.set_input_files("#em-recognise-recording input[type=file]", CLIP)
        page.get_by_text("The service is busy.").wait_for()
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
    assert get(served.port, f"/gradio_api/file={uploaded}")[2] == CLIP.read_bytes()
    out = f"{Path(uploaded).parent}/../../log"
    assert Path(out).is_file() and get(served.port, f"/gradio_api/file={out}")[0] == 404
    for path in ("proxy=https://example.org/", "vibe-code/", "profiling/summary", "dev/reload"):
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
    for path in ("config", "gradio_api/info", "gradio_api/queue/data", "gradio_api/startup-events", "theme.css"):
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
