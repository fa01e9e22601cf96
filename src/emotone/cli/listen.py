"""The work of ``emotone listen``: a microphone, a live display, and a summary at the end."""

from __future__ import annotations

import contextlib
import json
import queue
import sys
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any

from emotone.cli import console as output
from emotone.cli import options
from emotone.cli.app import Command, app, examples
from emotone.errors import AudioError, MissingExtraError
from emotone.recognition.prediction import Prediction, shares

if TYPE_CHECKING:
    from rich.console import Group

    from emotone.recognition.stream import Event, Stream

#: Seconds of sound that may wait to be heard: beyond these the machine is too slow, and what is oldest is dropped.
_WAITING_S = 10.0
_CHUNK_S = 0.1


def microphone(device: str | int | None = None) -> tuple[int, Generator[bytes, None, None]]:
    """Open a microphone.

    Parameters
    ----------
    device
        Name, part of a name, or number of an input device; None is the system's.

    Returns
    -------
    rate
        Samples a second.
    chunks
        16-bit mono PCM as it comes, without an end; close it to close the device.

    Raises
    ------
    MissingExtraError
        sounddevice is not installed.
    AudioError
        PortAudio is missing, there is no such device, or it can't be opened.
    """
    sounddevice = _sounddevice()
    try:
        told = sounddevice.query_devices(device, "input")
        rate = int(told["default_samplerate"])
        waiting: queue.Queue[bytes] = queue.Queue(maxsize=round(_WAITING_S / _CHUNK_S))
        opened = sounddevice.RawInputStream(
            samplerate=rate,
            channels=1,
            dtype="int16",
            device=device,
            blocksize=round(rate * _CHUNK_S),
            callback=lambda chunk, *_: _put(waiting, bytes(chunk)),
        )
    except (sounddevice.PortAudioError, ValueError) as error:
        which = "no microphone" if device is None else f"the microphone {device!r} can't be opened"
        raise AudioError(
            f"{which} ({' '.join(str(error).split())}); connect one and allow its use, list them with --devices, and "
            "name one with --device"
        ) from error

    def chunks() -> Generator[bytes, None, None]:
        with opened:
            while True:
                with contextlib.suppress(queue.Empty):  # on some systems Ctrl-C does not end a wait without an end
                    yield waiting.get(timeout=0.5)

    return rate, chunks()


def list_devices() -> str:
    """List the input devices, one a line; `AudioError` where there is none."""
    sounddevice = _sounddevice()
    found = [
        f"{number}  {one['name']}"
        for number, one in enumerate(sounddevice.query_devices())
        if one["max_input_channels"] > 0
    ]
    if not found:
        raise AudioError("no microphone was found; connect one and allow its use")
    return "\n".join(found)


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise MissingExtraError("listening to a microphone (sounddevice)", extra="live") from error
    except OSError as error:  # the wheel for Linux has no PortAudio
        raise AudioError(
            f"PortAudio, by which a microphone is heard, can't be loaded ({error}); install it, on Debian and Ubuntu "
            "with 'apt-get install libportaudio2'"
        ) from error
    return sounddevice


def _put(waiting: queue.Queue[bytes], chunk: bytes) -> None:
    while True:
        try:
            return waiting.put_nowait(chunk)
        except queue.Full:
            waiting.get_nowait()


def run(model: str, *, device: str | None, adapt: bool, adapt_to: str | None, format: str) -> None:
    """Listen with a bundle, until Ctrl-C; see `print_events` for ``format``."""
    from emotone.cli.recordings import speaker_profile
    from emotone.recognition.recognizer import Recognizer
    from emotone.recognition.stream import Stream

    recognizer = Recognizer(model)
    profile = None if adapt_to is None else speaker_profile(recognizer, adapt_to)
    rate, chunks = microphone(int(device) if device is not None and device.isdecimal() else device)
    print_events(Stream(recognizer, rate=rate, profile=profile, adapt=adapt), chunks, format=format)


def print_events(stream: Stream, chunks: Iterable[bytes], *, format: str) -> None:
    """Answer for what is heard until the sound ends or the keyboard interrupts, then sum it up.

    Parameters
    ----------
    stream
        New.
    chunks
        Of the stream's rate.
    format
        ``"live"``: bars that move, on a terminal; elsewhere, and with ``"lines"``, a line an utterance; ``"json"``:
        every event as a line of JSON.
    """
    shown: _Lines = _Json() if format == "json" else _Bars() if format == "live" and sys.stdout.isatty() else _Lines()
    heard: list[Prediction] = []
    with shown:
        try:
            for chunk in chunks:
                shown.tell(_kept(stream.push(chunk), heard), stream)
        except KeyboardInterrupt:
            pass
        finally:
            if isinstance(chunks, Generator):
                chunks.close()
        shown.tell(_kept(stream.finish(), heard), stream)
    if format != "json":
        print(_summary(heard, stream.time_s))


def _kept(events: list[Event], heard: list[Prediction]) -> list[Event]:
    heard += [one.prediction for one in events if one.kind == "speech_end" and one.prediction is not None]
    return events


def _summary(heard: list[Prediction], time_s: float) -> str:
    if not heard:
        return f"nobody spoke in {_clock(time_s)}"
    spoken = sum(one.end_s - one.start_s for one in heard)
    parts = ", ".join(f"{label} {100 * share:.0f} %" for label, share in shares(heard).items())
    what = "1 utterance" if len(heard) == 1 else f"{len(heard)} utterances"
    return f"{what}, {_clock(spoken)} of {_clock(time_s)}: {parts}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


class _Lines:
    """A line for each utterance."""

    def __enter__(self) -> _Lines:
        output.note("listening; Ctrl-C ends it")
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def tell(self, events: list[Event], stream: Stream) -> None:
        for event in events:
            if event.kind == "speech_end" and event.prediction is not None:
                print(_utterance(event.prediction), flush=True)


class _Json(_Lines):
    """Every event, as a line of JSON."""

    def __enter__(self) -> _Json:
        return self

    def tell(self, events: list[Event], stream: Stream) -> None:
        for event in events:
            print(json.dumps(event.to_dict()), flush=True)


class _Bars(_Lines):
    """What the last seconds sound like, as bars that move, and under them the last utterances."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(highlight=False), refresh_per_second=8, transient=True)
        self._now: Prediction | None = None
        self._last: list[Prediction] = []
        self._speaks = False

    def __enter__(self) -> _Bars:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        for one in self._last:
            print(_utterance(one))

    def tell(self, events: list[Event], stream: Stream) -> None:
        for event in events:
            self._speaks = event.kind != "speech_end"
            self._now = event.prediction or self._now
            if event.kind == "speech_end" and event.prediction is not None:
                self._last = [*self._last[-4:], event.prediction]
        self._live.update(self._screen(stream))

    def _screen(self, stream: Stream) -> Group:
        from rich.console import Group
        from rich.text import Text

        state = "speaking" if self._speaks else "listening"
        head = Text.assemble((f"{state:<10}", "bold"), (f"{_clock(stream.time_s)}   Ctrl-C ends it", "dim"))
        if self._now is not None:
            head.append("   ").append_text(output.coloured(self._now.label))
        lines = []
        for emotion in stream.recognizer.emotions:
            share = 0.0 if self._now is None else self._now.scores[emotion]
            lines.append(output.coloured(emotion, f"{emotion:<10} {output.bar(share, width=24)} {100 * share:3.0f} %"))
        last = [Text(_utterance(one), style="dim") for one in self._last]
        return Group(head, *lines, *last)


def _utterance(one: Prediction) -> str:
    words = f"{one.label} {100 * one.confidence:.0f} %" if one.emotion else one.label
    return f"{_clock(one.start_s)} to {_clock(one.end_s)}  {words}"


@app.command(cls=Command, epilog=examples("listen", "listen --device 1 --format json"))
def listen(
    model: options.Bundle = "default",
    device: options.Device = None,
    devices: options.ListDevices = False,
    format: options.ListenFormat = "live",
    adapt: options.Adapt = False,
    adapt_to: options.AdaptTo = None,
) -> None:
    """Predict emotion from the microphone."""
    if devices:
        print(list_devices())
        return
    run(model, device=device, adapt=adapt, adapt_to=adapt_to, format=format)
