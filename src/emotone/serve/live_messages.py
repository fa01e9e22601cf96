"""What clients of the WebSocket send: a hello and binary sound, or the media messages of Twilio.

A hello names the format; everything after it is sound, until ``{"end": true}``.  Twilio sends JSON with base64 of
mu-law: https://www.twilio.com/docs/voice/media-streams/websocket-messages
"""

import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from emotone import files
from emotone.audio.av_reader import LONGEST_LIVE_GAP_S, Clock
from emotone.audio.push_decoder import LIVE_FORMATS, PushDecoder, push_decoder
from emotone.audio.raw import ENCODINGS
from emotone.errors import AudioError
from emotone.serve.problems import ProblemError

#: Largest message.
MAX_CHUNK_BYTES = 1 << 20
_MAX_TEXT = 4096
_HELLO: dict[str, tuple[type, ...]] = {
    **{"rate": (int,), "channels": (int,), "channel": (str, int), "adapt": (bool,)},
    **{"key": (str,), "format": (str,), "speakers": (str,)},
}
_SHAPE = (
    'send {"rate": 16000, "channels": 1, "format": "s16le", "adapt": false}, then binary messages of sound in this '
    'format, and {"end": true} last'
)
_TWILIO_RATE = 8000
_TWILIO_FORMAT = {"encoding": "audio/x-mulaw", "sampleRate": _TWILIO_RATE, "channels": 1}
_TWILIO_SHAPE = "send the messages of Twilio's Media Streams: connected, start, media, and stop last"
_MULAW_SILENCE = b"\xff"


class BadDataError(Exception):
    """A message that is not allowed within a stream."""


class LiveMessages(Protocol):
    """The messages of a client, after the first.

    Attributes
    ----------
    key
        API key, if the first message has it.
    adapt
        Whether the model adapts to the speaker.
    has_channels
        Whether each channel has its speaker.
    decoder
        Decoder of the sound.
    """

    key: str | None
    adapt: bool
    has_channels: bool
    decoder: PushDecoder

    def sound_of(self, message: str | bytes) -> bytes | None:
        """Return the sound in a message; None if it ends the stream.

        Raises
        ------
        BadDataError, ProblemError
            The message is not allowed here.
        """


async def open_messages(receive: Callable[[], Awaitable[str | bytes]]) -> LiveMessages:
    """Receive the first messages, and return the conversation that they begin; raise `ProblemError` bad_request."""
    message = await receive()
    first = _json(message, max_length=MAX_CHUNK_BYTES) if isinstance(message, str) else None
    try:
        if not isinstance(first, dict) or "event" not in first:
            return HelloMessages(first if len(message) <= _MAX_TEXT else None)
        if first["event"] == "connected":
            first = _twilio(await receive())
        return TwilioMessages(first)
    except AudioError as error:
        raise ProblemError("bad_request", str(error)) from error
    except BadDataError as error:
        raise ProblemError("bad_request", str(error)) from error


class HelloMessages:
    """Messages after a hello; see `LiveMessages`.

    Parameters
    ----------
    hello
        The first message, as JSON.

    Raises
    ------
    ProblemError
        bad_request: it is not a hello.
    AudioError
        The format, the rate or the number of channels can't be decoded.
    """

    def __init__(self, hello: Any) -> None:
        if not isinstance(hello, dict) or not {"rate", "format"} & set(hello):
            raise ProblemError("bad_request", f"the first message is not a hello with a rate or a format; {_SHAPE}")
        for name, value in hello.items():
            kinds = _HELLO.get(name)
            if kinds is None:
                expectation = f"expected {', '.join(_HELLO)}"
                raise ProblemError("bad_request", f"the hello has an unknown key {name[:40]!r}; {expectation}")
            if type(value) not in kinds:  # isinstance takes true for an int
                expected = " or ".join(kind.__name__ for kind in kinds)
                detail = f"{name} is a {type(value).__name__}, expected {expected}; {_SHAPE}"
                raise ProblemError("bad_request", detail)
        form = hello.get("format", "s16le")
        if form not in LIVE_FORMATS:
            raise ProblemError("bad_request", f"the format is {form[:40]!r}; expected {', '.join(LIVE_FORMATS)}")
        speakers = hello.get("speakers", "one")
        if speakers not in ("one", "channels"):
            raise ProblemError("bad_request", f"speakers is {speakers[:40]!r}; expected one or channels")
        if speakers == "channels" and form not in ENCODINGS:
            raise ProblemError(
                "bad_request",
                f"speakers is channels, and sound in {form} is mixed to one channel; send raw samples, such as s16le "
                "with channels 2, or leave out speakers",
            )
        channel = hello.get("channel", "mix")
        if speakers == "channels" and channel != "mix":
            detail = f"channel is {str(channel)[:40]!r} and speakers is channels; leave out one of them"
            raise ProblemError("bad_request", detail)
        self.key, self.adapt, self.has_channels = hello.get("key"), hello.get("adapt", False), speakers == "channels"
        self.decoder = push_decoder(form, rate=hello.get("rate"), channels=hello.get("channels", 1), channel=channel)

    def sound_of(self, message: str | bytes) -> bytes | None:
        """Return the sound in a message; see `LiveMessages.sound_of`."""
        if isinstance(message, bytes):
            return message
        if _json(message) != {"end": True}:
            raise BadDataError(f"a text message within the stream is not the end message; {_SHAPE}")
        return None


class TwilioMessages:
    """Messages of Twilio's Media Streams after ``connected``; see `LiveMessages`.

    The parameter ``track`` of the stream chooses "inbound" (the caller; the default) or "outbound"; ``key`` and
    ``adapt`` ("true") are those of a hello.  Where the time stamps leave a gap, there is silence.

    Parameters
    ----------
    start
        The message ``start``.

    Raises
    ------
    BadDataError
        It is another message, or the sound is not mu-law at 8 kHz.
    """

    def __init__(self, start: dict[str, Any]) -> None:
        content = start.get("start")
        if start["event"] != "start" or not isinstance(content, dict):
            raise BadDataError(f"the first message is not Twilio's start; {_TWILIO_SHAPE}")
        form = content.get("mediaFormat", _TWILIO_FORMAT)
        if form != _TWILIO_FORMAT:
            raise BadDataError(f"mediaFormat is {str(form)[:200]}; expected {json.dumps(_TWILIO_FORMAT)}")
        parameters = content.get("customParameters") or {}
        tracks = content.get("tracks") or ["inbound"]
        if not isinstance(parameters, dict) or not isinstance(tracks, list):
            raise BadDataError("customParameters is no object, or tracks is no list; send Twilio's start as it comes")
        key, track = parameters.get("key"), parameters.get("track")
        self.key, self.adapt = key if isinstance(key, str) else None, parameters.get("adapt") == "true"
        self.has_channels = False
        self.track = track or ("inbound" if "inbound" in tracks else tracks[0])
        if self.track not in ("inbound", "outbound") or self.track not in tracks:
            raise BadDataError(
                f"the parameter track is {str(track)[:40]!r}; expected one of the call's tracks: {tracks}"
            )
        self.decoder = push_decoder("mulaw", rate=_TWILIO_RATE)
        self._clock = Clock(_TWILIO_RATE, 0.0, longest_gap_s=LONGEST_LIVE_GAP_S)

    def sound_of(self, message: str | bytes) -> bytes | None:
        """Return the sound in a message; see `LiveMessages.sound_of`."""
        content = _twilio(message)
        if content["event"] == "stop":
            return None
        if content["event"] != "media":
            return b""  # dtmf and mark
        media = content.get("media")
        if not isinstance(media, dict) or not isinstance(media.get("payload"), str):
            raise BadDataError("a media message has no media.payload; send mu-law in base64 there")
        if media.get("track", self.track) != self.track:
            return b""
        try:
            sound = base64.b64decode(media["payload"], validate=True)
        except ValueError as error:
            raise BadDataError(f"media.payload is not base64 ({error}); send mu-law in base64") from error
        return _MULAW_SILENCE * self._gap(media.get("timestamp"), len(sound)) + sound

    def _gap(self, timestamp: Any, n_samples: int) -> int:
        """Return the samples of silence before a message of ``n_samples`` with this time stamp in ms."""
        text = str(timestamp)
        time_s = int(text) / 1000 if text.isascii() and text.isdecimal() and len(text) < 16 else None
        return self._clock.place(time_s, n_samples)


def _twilio(message: str | bytes) -> dict[str, Any]:
    content = _json(message, max_length=MAX_CHUNK_BYTES) if isinstance(message, str) else None
    if not isinstance(content, dict) or content.get("event") not in (
        "connected",
        "start",
        "media",
        "stop",
        "dtmf",
        "mark",
    ):
        raise BadDataError(f"a message within the stream is not Twilio's; {_TWILIO_SHAPE}")
    return content


def _json(text: str, *, max_length: int = _MAX_TEXT) -> Any:
    """Return the value of a short JSON text; None if it is long or not JSON."""
    try:
        return files.parse_json(text) if len(text) <= max_length else None
    except ValueError:
        return None
