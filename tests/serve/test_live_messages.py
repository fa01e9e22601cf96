"""Formats of live sound, Twilio's media messages, and sound that is not what was said: over the WebSocket."""

import base64
import io
import json

import numpy as np
import pytest
import soundfile
from starlette.websockets import WebSocketDisconnect

from emotone.audio.raw import RawFormat
from emotone.recognition.stream import Stream
from support import handmade
from support.media import media
from support.serving import client_of

pytestmark = pytest.mark.usefixtures("detector")

START = {
    "accountSid": "AC0",
    "callSid": "CA0",
    "streamSid": "MZ0",
    "tracks": ["inbound"],
    "customParameters": {},
    "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
}
SOUND = np.concatenate(
    [np.zeros(16_000), handmade.tone(0.02), handmade.tone(0.02), np.zeros(16_000), handmade.tone(0.3)]
)


def conversation(client, messages, **options):
    """Send messages (bytes, or JSON as a dictionary), and return what comes back and the close code."""
    with client.websocket_connect("/v1/stream", **options) as socket:
        for message in messages:
            (socket.send_bytes if isinstance(message, bytes) else socket.send_json)(message)
        received = []
        with pytest.raises(WebSocketDisconnect) as end:
            while True:
                received.append(socket.receive_json())
        return received, end.value.code


def events_of(client, hello, data, *, size=1000):
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    events, code = conversation(client, [hello, *chunks, {"end": True}])
    assert code == 1000
    return events


def expected(recognizer, samples, rate):
    stream = Stream(recognizer, rate=rate)
    return [event.to_dict() for event in stream.push(np.asarray(samples, np.float32)) + stream.finish()]


def pcm(samples=SOUND):
    return np.rint(32_767 * np.clip(samples, -1, 1)).astype("<i2").tobytes()


def companded(samples, law):
    """The nearest codes of G.711."""
    levels = RawFormat(law, 8000).decode(bytes(range(256)))[:, 0]
    order = np.argsort(levels)
    borders = (levels[order][1:] + levels[order][:-1]) / 2
    return order[np.searchsorted(borders, samples)].astype(np.uint8).tobytes()


def refused(client, messages, *, code="not_audio", close_code=1003, **options):
    received, closed = conversation(client, messages, **options)
    assert (received[-1]["code"], closed) == (code, close_code)
    return received[-1]["detail"]


# ---- formats ----


@pytest.mark.parametrize("form", ["s16le", "s16be", "f32le", "mulaw", "alaw"])
def test_raw_formats(client, recognizer, form):
    types = {"s16le": "<i2", "s16be": ">i2"}
    if form in types:
        data = np.frombuffer(pcm(), "<i2").astype(types[form]).tobytes()
    elif form == "f32le":
        data = SOUND.astype("<f4").tobytes()
    else:
        data = companded(SOUND, form)
    events = events_of(client, {"rate": 16_000, "format": form}, data)
    assert events == expected(recognizer, RawFormat(form, 16_000).decode(data), 16_000)
    assert [event["emotion"] for event in events if event["kind"] == "speech_end"] == ["sad", "angry"]


def upsampled():
    return np.repeat(SOUND, 3).astype(np.float32)  # 48 kHz


@pytest.mark.parametrize("kind", ["webm", "ogg"])
@pytest.mark.parametrize("size", [97, 4000, 1 << 20])
def test_containers_give_the_events_of_raw_sound(client, recognizer, kind, size):
    data = media([upsampled()], kind, "libopus", options={"live": "1"} if kind == "webm" else None)
    events = events_of(client, {"format": f"{kind}-opus"}, data, size=size)
    same = expected(recognizer, upsampled(), 48_000)
    for name in ("speech_start", "speech_end"):
        live, raw = ([event for event in some if event["kind"] == name] for some in (events, same))
        assert len(live) == len(raw) == 2
        for one_event, other in zip(live, raw, strict=True):
            assert one_event["time_s"] == pytest.approx(other["time_s"], abs=0.1)
            assert one_event.get("emotion") == other.get("emotion")
            for emotion, score in other.get("scores", {}).items():
                assert one_event["scores"][emotion] == pytest.approx(score, abs=0.05)


@pytest.mark.parametrize("channel", ["right", 2, "2"])
def test_a_channel_is_heard_without_the_others(client, recognizer, channel):
    """The left channel is as loud as the voice, so that a mix has other answers."""
    noise = np.random.default_rng(0).normal(0, 0.3, len(SOUND))
    both = np.stack([noise, SOUND], axis=1)
    hello = {"rate": 16_000, "channels": 2, "channel": channel}
    alone = events_of(client, {"rate": 16_000}, pcm())
    assert events_of(client, hello, pcm(both), size=999) == alone
    assert events_of(client, {**hello, "channel": "mix"}, pcm(both)) != alone


def test_a_channel_of_a_container_is_chosen(client):
    both = np.stack([np.zeros(len(upsampled()), np.float32), upsampled()], axis=1)
    for kind in ("webm", "ogg"):
        data = media([both], kind, "libopus")
        heard = {
            side: events_of(client, {"format": f"{kind}-opus", "channel": side}, data) for side in ("left", "right")
        }
        assert [event["kind"] for event in heard["right"]].count("speech_end") == 2
        assert "speech_start" not in {event["kind"] for event in heard["left"]}


@pytest.mark.parametrize(
    ("hello", "finding"),
    [
        ({"rate": 16_000, "channels": 2, "channel": 3}, "channel is 3, and the sound has 2; expected 1 to 2"),
        ({"rate": 16_000, "channel": "middle"}, "channel is 'middle'; expected mix, left, right, or a number from 1"),
        ({"rate": 16_000, "channel": 0}, "channel is 0; expected mix"),
        ({"rate": 16_000, "channel": True}, "channel is a bool, expected str or int"),
        ({"rate": 16_000, "channels": 2, "channel": 1, "speakers": "channels"}, "speakers is channels; leave out one"),
    ],
)
def test_channels_that_are_refused(client, hello, finding):
    assert finding in refused(client, [hello], code="bad_request", close_code=1008)


def test_a_container_without_the_channel(client):
    data = media([upsampled()], "webm", "libopus")
    assert "has 1; give 1 to 1" in refused(client, [{"format": "webm-opus", "channel": 2}, data])


def test_a_gap_in_a_container_is_silence(client):
    data = media([np.repeat(np.tile(handmade.tone(0.3), 6), 3).astype("f")], "webm", "libopus", gap=(1.5, 4.5))
    events = events_of(client, {"format": "webm-opus", "rate": 48_000}, data)
    starts = [event["time_s"] for event in events if event["kind"] == "speech_start"]
    assert starts == pytest.approx([0.0, 4.5], abs=0.15)


# ---- Twilio ----


def twilio(data, *, size=160, track="inbound", first_ms=0, **start):
    """The messages of a call whose track holds mu-law bytes."""
    yield {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    yield {"event": "start", "sequenceNumber": "1", "streamSid": "MZ0", "start": START | start}
    for n, at in enumerate(range(0, len(data), size), start=2):
        payload = base64.b64encode(data[at : at + size]).decode()
        media_part = {"track": track, "chunk": str(n), "timestamp": str(first_ms + at // 8), "payload": payload}
        yield {"event": "media", "sequenceNumber": str(n), "streamSid": "MZ0", "media": media_part}


STOP = {"event": "stop", "sequenceNumber": "9", "streamSid": "MZ0", "stop": {"accountSid": "AC0", "callSid": "CA0"}}


def mulaw(samples=SOUND[::2]):
    return companded(samples, "mulaw")


def test_a_call_through_twilio(client, recognizer):
    data = mulaw()
    marks = [{"event": "dtmf", "dtmf": {"digit": "1"}}, {"event": "mark", "mark": {"name": "a"}}]
    events, code = conversation(client, [*twilio(data), *marks, STOP])
    assert code == 1000
    assert events == expected(recognizer, RawFormat("mulaw", 8000).decode(data), 8000)
    assert len([event for event in events if event["kind"] == "speech_end"]) == 2


def test_a_start_without_connected(client):
    messages = list(twilio(mulaw()))
    assert conversation(client, [*messages, STOP]) == conversation(client, [*messages[1:], STOP])


def test_lost_messages_are_silence(client):
    data = mulaw(np.tile(handmade.tone(0.3), 8)[::2])
    kept = [m for m in twilio(data) if m["event"] != "media" or not 2000 <= int(m["media"]["timestamp"]) < 5000]
    events, _ = conversation(client, [*kept, STOP])
    assert [e["time_s"] for e in events if e["kind"] == "speech_start"] == pytest.approx([0.0, 5.0], abs=0.15)


@pytest.mark.parametrize("timestamp", ["99999999999", "x", None, "-5", "9" * 400])
def test_wrong_time_stamps_are_ignored(client, timestamp):
    messages = list(twilio(mulaw(handmade.tone(0.3)[::2])))
    messages[10]["media"]["timestamp"] = timestamp
    events, code = conversation(client, [*messages, STOP])
    assert code == 1000 and events[-1]["time_s"] == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("tracks", "parameters", "taken"),
    [
        (["inbound", "outbound"], {}, "inbound"),
        (["inbound", "outbound"], {"track": "outbound"}, "outbound"),
        (["outbound"], {}, "outbound"),
    ],
)
def test_a_track_is_chosen(client, tracks, parameters, taken):
    loud, quiet = (mulaw(handmade.tone(level)[::2]) for level in (0.3, 0.02))
    inbound = list(twilio(loud if taken == "inbound" else quiet, tracks=tracks, customParameters=parameters))
    outbound = list(twilio(quiet if taken == "inbound" else loud, track="outbound"))[2:]
    both = [message for pair in zip(inbound[2:], outbound, strict=True) for message in pair]
    events, _ = conversation(client, [*inbound[:2], *both, STOP])
    assert [event["emotion"] for event in events if event["kind"] == "speech_end"] == ["angry"]


def test_the_key_and_adaptation_are_parameters(recognizer):
    client = client_of(recognizer, key="sesame")
    assert conversation(client, [*twilio(b"", customParameters={"key": "sesame"}), STOP]) == ([], 1000)
    for parameters in ({}, {"key": "no"}, {"key": 1}, None):
        refused(client, twilio(b"", customParameters=parameters), code="unauthorized", close_code=1008)
    client = client_of(recognizer)
    messages = twilio(b"", customParameters={"adapt": "true"})
    assert "can't adapt" in refused(client, messages, code="bad_request", close_code=1008)


@pytest.mark.parametrize(
    ("start", "finding"),
    [
        ({"mediaFormat": {"encoding": "audio/x-l16", "sampleRate": 8000, "channels": 1}}, "mediaFormat is"),
        ({"mediaFormat": None}, "mediaFormat is None"),
        ({"customParameters": {"track": "both"}}, "the parameter track is 'both'"),
        ({"customParameters": {"track": "outbound"}}, "one of the call's tracks: ['inbound']"),
        ({"customParameters": [1]}, "customParameters is no object"),
        ({"tracks": "inbound"}, "tracks is no list"),
        ({"tracks": [["inbound"]]}, "the parameter track"),
    ],
)
def test_calls_that_are_refused(client, start, finding):
    assert finding in refused(client, twilio(b"", **start), code="bad_request", close_code=1008)


@pytest.mark.parametrize(
    ("message", "finding"),
    [
        ({"event": "media", "media": {"payload": "%%%"}}, "not base64"),
        ({"event": "media", "media": {"payload": "ÿÿÿÿ"}}, "not base64"),
        ({"event": "media", "media": {"payload": 5}}, "no media.payload"),
        ({"event": "media"}, "no media.payload"),
        ({"event": "clear"}, "not Twilio's"),
        ({"event": {}}, "not Twilio's"),
        ({"end": True}, "not Twilio's"),
        (b"\xff" * 160, "not Twilio's"),
    ],
)
def test_messages_that_are_not_twilios(client, message, finding):
    detail = refused(client, [*twilio(mulaw()[:1600]), message], code="bad_request")
    assert finding in detail


# ---- what comes can't be what was said ----


def test_half_a_sample_at_the_end(client, recognizer):
    received, code = conversation(client, [{"rate": 16_000}, pcm() + b"\0", {"end": True}])
    assert code == 1003 and received[-1]["code"] == "not_audio"
    assert "1 of the 2 bytes of a sample" in received[-1]["detail"]
    assert received[:-1] == expected(recognizer, np.frombuffer(pcm(), "<i2") / 32_768, 16_000)


@pytest.mark.parametrize("kind", ["WAV", "OGG", "FLAC", "webm"])
def test_a_file_in_a_raw_stream(client, kind):
    file = io.BytesIO()
    if kind == "webm":
        file.write(media([upsampled()], "webm", "libopus"))
    else:
        soundfile.write(file, SOUND, 16_000, format=kind)
    assert "has no header" in refused(client, [{"rate": 16_000}, file.getvalue()[:5000]])


def test_16_bit_sent_as_float(client):
    detail = refused(client, [{"rate": 16_000, "format": "f32le"}, pcm()])
    assert "expected floating point in [-1, 1]" in detail and "s16le" in detail


def test_another_container(client):
    detail = refused(client, [{"format": "webm-opus"}, media([upsampled()], "ogg", "libopus")[:5000]])
    assert "begins like Ogg, and the format is webm-opus" in detail


@pytest.mark.parametrize("form", ["webm-opus", "ogg-opus"])
def test_compressed_sound_has_no_speakers_on_channels(client, form):
    """Its channels are mixed, whatever their number: a client with two speakers must know that it won't get both."""
    hello = {"format": form, "channels": 2, "speakers": "channels"}
    detail = refused(client, [hello], code="bad_request", close_code=1008)
    assert f"sound in {form} is mixed to one channel; send raw samples" in detail


def test_text_in_place_of_sound(client):
    text = {"audio": base64.b64encode(pcm()[:1000]).decode()}
    detail = refused(client, [{"rate": 16_000}, text], code="bad_request")
    assert "not the end message" in detail and "binary messages of sound" in detail


@pytest.mark.slow
def test_garbage_in_a_container_harms_nobody_else(client, recognizer):
    data = media([upsampled()], "webm", "libopus")
    received, _ = conversation(client, [{"format": "webm-opus"}, b"\x1aE\xdf\xa3" + bytes(5000), {"end": True}])
    assert received[-1]["code"] == "not_audio"
    with client.websocket_connect("/v1/stream") as socket:
        socket.send_text(json.dumps({"format": "webm-opus"}))
        socket.send_bytes(data[:3000])
    assert len(events_of(client, {"format": "webm-opus"}, data)) > 4
    assert "emotone_streams_open 0" in client.get("/metrics").text
