"""The service's WebSocket: the events of a stream, and how one that goes wrong ends."""

import json
import threading
import time

import numpy as np
import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from emotone.recognition.recognizer import Recognizer
from emotone.recognition.stream import Stream
from emotone.serve import ServeSettings, create_app
from emotone.serve.problems import KINDS
from emotone.serve.server import make_server
from support import handmade
from support.serving import file_of, send

RATE = 16_000
HELLO = {"rate": RATE}


@pytest.fixture(autouse=True)
def detector(monkeypatch):
    def loud(frame):
        return 0.9 if np.sqrt(np.mean(frame**2)) > 0.005 else 0.1

    monkeypatch.setattr("emotone.audio.speech_detector.silero", lambda: loud)


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory):
    return Recognizer(handmade.write(tmp_path_factory.mktemp("bundle") / "loudness"))


def client_of(recognizer, **settings):
    return TestClient(create_app(recognizer, settings=ServeSettings(**settings)))


@pytest.fixture(scope="module")
def client(recognizer):
    with client_of(recognizer) as one:
        yield one


def pcm(*levels, rate=RATE):
    sounds = [handmade.tone(level) if level else np.zeros(RATE) for level in levels]
    return np.rint(32767 * np.clip(np.concatenate(sounds), -1, 1)).astype("<i2").tobytes()


def closed(socket, code, close_code):
    """The problem that a socket is closed with, after which nothing comes."""
    told = socket.receive_json()
    assert told["code"] == code and told["status"] == KINDS[code].status and told["type"] == "about:blank"
    assert set(told) == {"type", "title", "status", "detail", "code"}
    with pytest.raises(WebSocketDisconnect) as end:
        socket.receive_json()
    assert (end.value.code, end.value.reason) == (close_code, code)
    return told["detail"]


def events_of(client, sound, *, size=3200, hello=HELLO, url="/v1/stream"):
    with client.websocket_connect(url) as socket:
        socket.send_json(hello)
        for at in range(0, len(sound), size):
            socket.send_bytes(sound[at : at + size])
        socket.send_json({"end": True})
        found = []
        with pytest.raises(WebSocketDisconnect) as end:
            while True:
                found.append(socket.receive_json())
        assert end.value.code == 1000
        return found


def expected(recognizer, sound, **given):
    stream = Stream(recognizer, **given)
    return [event.to_dict() for event in stream.push(sound) + stream.finish()]


# ---- events ----


@pytest.mark.parametrize("size", [777, 3200, 1 << 20])
def test_events_are_those_of_a_stream(client, recognizer, size):
    sound = pcm(0, 0.02, 0.02, 0, 0, 0.3, 0.3)
    told = expected(recognizer, sound)
    ends = [event["emotion"] for event in told if event["kind"] == "speech_end"]
    assert ends == ["sad", "angry"] and len(told) > 8
    assert events_of(client, sound, size=size) == told


def test_rate_and_channels(client, recognizer):
    sound = pcm(0, 0.02, 0.02, 0)
    given = {"rate": 48_000, "channels": 2}
    told = expected(recognizer, sound, **given)
    assert len(told) >= 2 and events_of(client, sound, hello=given, size=1001) == told


def test_events_come_while_sound_is_sent(client):
    with client.websocket_connect("/v1/stream") as socket:
        socket.send_json(HELLO)
        socket.send_bytes(pcm(0, 0.02))
        assert socket.receive_json()["kind"] == "speech_start"
        assert socket.receive_json()["kind"] == "emotion"
        assert "emotone_streams_open 1" in client.get("/metrics").text
    assert "emotone_streams_open 0" in client.get("/metrics").text


def test_adaptation(tmp_path, client):
    content = handmade.graph(optional=handmade.ADAPTS)
    recognizer = Recognizer(handmade.write(tmp_path / "relative", content=content, adapts=True))
    sound = pcm(0.15, 0.15, 0, 0.15, 0.15, 0)
    told = events_of(client_of(recognizer), sound, hello={"rate": RATE, "adapt": True})
    assert told == expected(recognizer, sound, adapt=True)
    assert [one["adapted"]["speaker"] for one in told if one["kind"] == "speech_end"] == [0, 1]
    with client.websocket_connect("/v1/stream") as socket:
        socket.send_json({"rate": RATE, "adapt": True})
        assert "can't adapt" in closed(socket, "bad_request", 1008)


def test_each_channel_is_a_speaker(recognizer, client):
    left, right = (np.frombuffer(pcm(*levels), "<i2") for levels in ((0, 0.02, 0, 0, 0), (0, 0, 0, 0.2, 0)))
    sound = np.stack([left, right], axis=1).tobytes()
    hello = {"rate": RATE, "channels": 2, "speakers": "channels"}
    found = events_of(client, sound, hello=hello)
    stream = recognizer.channel_stream(rate=RATE, channels=2)
    assert found == [event.to_dict() for event in [*stream.push(sound), *stream.finish()]]
    assert {event["speaker"] for event in found} <= {"left", "right"}
    for wrong, why in (({"speakers": "two"}, "expected one or channels"), ({"channels": 1}, "number of channels is 1")):
        with client.websocket_connect("/v1/stream") as socket:
            socket.send_json(hello | wrong)
            assert why in closed(socket, "bad_request", 1008)


def test_each_channel_counts_as_a_stream(recognizer):
    client = client_of(recognizer, max_streams=2)
    with client.websocket_connect("/v1/stream") as socket:
        socket.send_json({"rate": RATE, "channels": 3, "speakers": "channels"})
        closed(socket, "too_many_streams", 1013)
    with client.websocket_connect("/v1/stream") as socket:
        socket.send_json({"rate": RATE, "channels": 2, "speakers": "channels"})
        socket.send_bytes(pcm(0.02))
        assert "emotone_streams_open 2" in client.get("/metrics").text


@pytest.mark.slow
def test_a_stream_starts_within_the_source_that_the_service_knows(tmp_path):
    content = handmade.graph(optional=handmade.ADAPTS)
    recognizer = Recognizer(handmade.write(tmp_path / "relative", content=content, adapts=True))
    client, sound = client_of(recognizer, learn_source=True), pcm(0.15, 0.15, 0, 0.15, 0.15, 0)
    for level in (0.1, 0.15, 0.2):
        send(client, file_of(handmade.tone(level)))
    source = recognizer.adapt_source([file_of(handmade.tone(level)) for level in (0.1, 0.15, 0.2)])
    told = events_of(client, sound)
    assert told == expected(recognizer, sound, profile=source)
    assert [one["adapted"] for one in told if "adapted" in one][-1] == {"source": 3, "speaker": 0}
    told = events_of(client, sound, hello={"rate": RATE, "adapt": True})
    assert told == expected(recognizer, sound, profile=recognizer.new_profile(source=source), adapt=True)
    # a graph knows one mean: that of the speaker
    assert [one["adapted"] for one in told if "adapted" in one][-1] == {"source": 0, "speaker": 1}
    assert client.get("/v1/model").json()["source_clips"] == 3


def test_the_last_events_come_before_the_end(client):
    told = events_of(client, pcm(0.02, 0.02))
    assert told[-1]["kind"] == "speech_end" and told[-1]["end_s"] == 2.0
    assert events_of(client, b"") == [] and events_of(client, b"\0\0") == []


# ---- what ends a stream ----


@pytest.mark.parametrize(
    ("hello", "why"),
    [
        ("no json", "not a hello"),
        ("[" * 4000, "not a hello"),
        ("[1]", "not a hello"),
        ("{}", "not a hello"),
        ('{"rate": 1, "x": "' + "y" * 5000 + '"}', "not a hello"),
        ('{"rate": "16000"}', "rate is a str"),
        ('{"rate": true}', "rate is a bool"),
        ('{"rate": 16000.0}', "rate is a float"),
        ('{"rate": 16000, "adapt": 1}', "adapt is a int"),
        ('{"rate": 16000, "rates": 1}', "unknown key 'rates'"),
        ('{"rate": 10}', "the rate of raw sound is 10;"),
        ('{"rate": 1e999}', "float"),
        ('{"rate": 16000, "channels": 33}', "33 channels"),
        ('{"rate": 16000, "channels": 65}', "65 channels"),
        ('{"rate": 16000, "format": 1}', "format is a int"),
        ('{"rate": 16000, "format": "opus"}', "the format is 'opus'; expected s8"),
        ('{"format": "mulaw"}', "the format mulaw has no rate"),
        ('{"event": "media"}', "not Twilio's start"),
        ('{"event": ["media"]}', "not Twilio's"),
    ],
)
def test_hellos_that_are_none(client, hello, why):
    with client.websocket_connect("/v1/stream") as socket:
        socket.send_text(hello)
        assert why in closed(socket, "bad_request", 1008)


def test_sound_before_the_hello(client):
    with client.websocket_connect("/v1/stream") as socket:
        socket.send_bytes(b"\0\0")
        closed(socket, "bad_request", 1008)


@pytest.mark.parametrize("text", ["stop", '{"end": false}', '{"end": true, "x": 1}', "", "null"])
def test_texts_within_a_stream_that_are_not_its_end(client, text):
    with client.websocket_connect("/v1/stream") as socket:
        socket.send_json(HELLO)
        socket.send_text(text)
        assert "not the end message" in closed(socket, "bad_request", 1003)
    assert client.get("/readyz").status_code == 200


def test_chunks_that_are_too_large(client):
    with client.websocket_connect("/v1/stream") as socket:
        socket.send_json(HELLO)
        socket.send_bytes(b"\0" * ((1 << 20) + 1))
        assert "1048577 bytes" in closed(socket, "too_large", 1009)


def test_idle_streams_are_closed(recognizer):
    client = client_of(recognizer, idle_stream_s=0.05)
    with client.websocket_connect("/v1/stream") as socket:
        assert "0.05 s" in closed(socket, "idle", 1008)
    with client.websocket_connect("/v1/stream") as socket:
        socket.send_json(HELLO)
        socket.send_bytes(b"\0\0")
        closed(socket, "idle", 1008)
    assert client.app.state.queue.streams == 0


def test_too_many_streams(recognizer):
    with client_of(recognizer, max_streams=1) as client:
        with client.websocket_connect("/v1/stream") as first:
            first.send_json(HELLO)
            first.send_bytes(pcm(0.02))
            assert first.receive_json()["kind"] == "speech_start"
            with client.websocket_connect("/v1/stream") as second:
                second.send_json(HELLO)
                closed(second, "too_many_streams", 1013)
        assert len(events_of(client, pcm(0.02))) >= 2  # and there is room again


def test_no_streams_begin_while_the_service_ends(recognizer):
    client = client_of(recognizer)
    client.app.state.queue.closing = True
    with client.websocket_connect("/v1/stream") as socket:
        socket.send_json(HELLO)
        closed(socket, "busy", 1013)


def test_garbage_harms_nobody_else(client, recognizer):
    garbage = np.random.default_rng(0).bytes(100_002)
    events_of(client, garbage, size=331, hello={"rate": 8000, "channels": 3})
    sound = pcm(0, 0.02, 0.02)
    assert events_of(client, sound) == expected(recognizer, sound)


def test_failures_tell_nothing_of_themselves(recognizer, monkeypatch, caplog):
    client = client_of(recognizer)

    def failing(*_, **__):
        raise RuntimeError("/work/secret")

    with monkeypatch.context() as patched, client.websocket_connect("/v1/stream") as socket:
        patched.setattr(Stream, "push", failing)
        socket.send_json(HELLO)
        socket.send_bytes(bytes(100))
        assert "secret" not in closed(socket, "internal", 1011)
    assert "a stream failed" in caplog.text and client.app.state.queue.streams == 0


# ---- key and origin ----


def test_the_key_comes_in_a_header_or_in_the_hello(recognizer):
    client = client_of(recognizer, key="sesame")
    with client.websocket_connect("/v1/stream", headers={"Authorization": "Bearer sesame"}) as socket:
        socket.send_json(HELLO)
        socket.send_bytes(pcm(0.02))
        assert socket.receive_json()["kind"] == "speech_start"
    assert len(events_of(client, pcm(0.02), hello=HELLO | {"key": "sesame"})) >= 2
    for hello in (HELLO, HELLO | {"key": "no"}, HELLO | {"key": "\ud800"}):
        with client.websocket_connect("/v1/stream") as socket:
            socket.send_text(json.dumps(hello))
            closed(socket, "unauthorized", 1008)


@pytest.mark.parametrize(
    ("origin", "origins", "allowed"),
    [
        ("http://testserver", (), True),
        ("https://a.org", (), False),
        ("null", (), False),
        ("http://[::1", (), False),
        ("https://a.org", ("https://a.org",), True),
        ("https://b.org", ("https://a.org",), False),
        ("https://b.org", ("*",), True),
    ],
)
def test_pages_of_other_origins_are_refused(recognizer, origin, origins, allowed):
    client = client_of(recognizer, origins=origins)
    if origin == "http://[::1":  # no address: refused before the connection is made
        with pytest.raises(WebSocketDenialResponse) as refused:
            client.websocket_connect("/v1/stream", headers={"Origin": origin}).__enter__()
        assert refused.value.status_code == 403
        return
    with client.websocket_connect("/v1/stream", headers={"Origin": origin}) as socket:
        if allowed:
            socket.send_json(HELLO)
            socket.send_bytes(pcm(0.02))
            assert socket.receive_json()["kind"] == "speech_start"
        else:
            closed(socket, "forbidden_origin", 1008)


# ---- a real server ----


@pytest.fixture
def real(recognizer):
    server = make_server(recognizer, port=0, settings=ServeSettings())
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    _until(lambda: server.started)
    yield server
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


def _until(true, *, seconds=5.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


def _connect(server):
    from websockets.sync.client import connect

    port = server.servers[0].sockets[0].getsockname()[1]
    return connect(f"ws://127.0.0.1:{port}/v1/stream", proxy=None, compression=None)


def test_a_real_client_gets_the_same_events(real, recognizer):
    sound = pcm(0, 0.02, 0.02, 0)
    with _connect(real) as socket:
        socket.send(json.dumps(HELLO))
        socket.send(sound)
        socket.send('{"end": true}')
        assert [json.loads(one) for one in socket] == expected(recognizer, sound)
        assert socket.close_code == 1000


def test_a_client_that_goes_away_frees_its_place(real):
    load = real.config.app.state.queue
    with _connect(real) as socket:
        socket.send(json.dumps(HELLO))
        _until(lambda: load.streams == 1)
        socket.send(pcm(*[0.02] * 10))
        socket.socket.close()
    _until(lambda: load.streams == 0)


def test_the_largest_message_is_taken_and_no_larger_one(real):
    with _connect(real) as socket:
        socket.send(json.dumps(HELLO))
        socket.send(b"\0" * (1 << 20))
        socket.send(b"\0" * ((1 << 20) + 1))
        assert list(_all(socket)) == [] and socket.close_code == 1009
    _until(lambda: real.config.app.state.queue.streams == 0)


def _all(socket):
    from websockets.exceptions import ConnectionClosedError

    try:
        yield from socket
    except ConnectionClosedError:
        pass


def test_streams_end_with_the_service(real):
    with _connect(real) as socket:
        socket.send(json.dumps(HELLO))
        _until(lambda: real.config.app.state.queue.streams == 1)
        real.should_exit = True
        assert list(_all(socket)) == [] and socket.close_code == 1012
