"""The command ``listen``: a microphone, a live display, and a summary at the end."""

from __future__ import annotations

import contextlib
import json
import queue
import sys
from collections.abc import Generator, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import typer

from emotone.audio.channels import channel_number
from emotone.cli import console as output
from emotone.cli import options
from emotone.cli.app import command
from emotone.cli.profiles import profile_of
from emotone.errors import AudioError, MissingExtraError
from emotone.formatting import clock, percent
from emotone.recognition.prediction import Prediction, shares

if TYPE_CHECKING:
    from rich.console import Group

    from emotone.recognition.stream import Event, Stream

#: Seconds of sound that can wait for prediction; on a machine that is too slow, the oldest sound is dropped.
_WAITING_S = 10.0
_CHUNK_S = 0.1


def microphone(device: str | int | None = None, *, channel: str = "mix") -> tuple[int, Generator[bytes, None, None]]:
    """Open a microphone.

    Parameters
    ----------
    device
        Name, part of a name, or number of an input device; None is the system's default.
    channel
        Channel of the device: "left", "right", or its number from 1; "mix": what the system gives as mono.

    Returns
    -------
    rate
        Sample rate, Hz.
    chunks
        16-bit mono PCM, endless; close it to close the device.

    Raises
    ------
    MissingExtraError
        sounddevice is not installed.
    AudioError
        PortAudio is missing, the device does not exist, or it can't be opened.
    """
    sounddevice = _sounddevice()
    number = channel_number(channel) or 1
    try:
        rate = int(sounddevice.query_devices(device, "input")["default_samplerate"])
        waiting: queue.Queue[bytes] = queue.Queue(maxsize=round(_WAITING_S / _CHUNK_S))
        opened = sounddevice.RawInputStream(
            samplerate=rate,
            channels=number,
            dtype="int16",
            device=device,
            blocksize=round(rate * _CHUNK_S),
            callback=lambda chunk, *_: _put(waiting, _channel_of(bytes(chunk), number)),
        )
    except (sounddevice.PortAudioError, ValueError) as error:
        raise AudioError(_device_problem(device, number, error)) from error

    def chunks() -> Generator[bytes, None, None]:
        with opened:
            while True:
                with contextlib.suppress(queue.Empty):  # on some systems Ctrl-C does not end a wait without a timeout
                    yield waiting.get(timeout=0.5)

    return rate, chunks()


def _device_problem(device: str | int | None, n_channels: int, error: Exception) -> str:
    which = "no microphone" if device is None else f"the microphone {device!r} can't be opened"
    channels = f" with {n_channels} channels" if n_channels > 1 else ""
    return (
        f"{which}{channels} ({' '.join(str(error).split())}); connect one and allow its use, list them with --devices, "
        "and name one with --device"
    )


def _channel_of(pcm: bytes, number: int) -> bytes:
    """Return the last of ``number`` interleaved channels of 16-bit PCM."""
    return pcm if number == 1 else np.frombuffer(pcm, np.int16)[number - 1 :: number].tobytes()


def list_devices() -> str:
    """List the input devices, one a line; raise AudioError if the machine has no input device."""
    devices = [
        f"{number}  {device['name']}"
        for number, device in enumerate(_sounddevice().query_devices())
        if device["max_input_channels"] > 0
    ]
    if not devices:
        raise AudioError("no microphone was found; connect one and allow its use")
    return "\n".join(devices)


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise MissingExtraError("listening to a microphone (sounddevice)", extra="live") from error
    except OSError as error:  # the wheel for Linux has no PortAudio
        raise AudioError(
            f"PortAudio, which reads the microphone, can't be loaded ({error}); install it, on Debian and Ubuntu with "
            "'apt-get install libportaudio2'"
        ) from error
    return sounddevice


def _put(waiting: queue.Queue[bytes], chunk: bytes) -> None:
    while True:
        try:
            return waiting.put_nowait(chunk)
        except queue.Full:
            waiting.get_nowait()


def print_events(stream: Stream, chunks: Iterable[bytes], *, format: str, notes: tuple[str, ...] = ()) -> None:
    """Predict until the sound ends or Ctrl-C, then print a summary.

    Parameters
    ----------
    stream
        A new stream.
    chunks
        Sound at the stream's rate.
    format
        ``"live"``: moving bars on a terminal, otherwise as ``"lines"``; ``"lines"``: a line per utterance; ``"json"``:
        every event as a line of JSON.
    notes
        Notes of each prediction in JSON.
    """
    display: _Lines = (
        _Json(notes) if format == "json" else _Bars() if format == "live" and sys.stdout.isatty() else _Lines()
    )
    with display:
        try:
            for chunk in chunks:
                display.show(stream.push(chunk), stream)
        except KeyboardInterrupt:
            pass
        finally:
            if isinstance(chunks, Generator):
                chunks.close()
        display.show(stream.finish(), stream)
    if format != "json":
        print(_summary(display.utterances, stream.time_s))


def _summary(utterances: list[Prediction], time_s: float) -> str:
    if not utterances:
        return f"no speech in {clock(time_s)}"
    spoken_s = sum(utterance.end_s - utterance.start_s for utterance in utterances)
    parts = ", ".join(f"{label} {percent(share, digits=0)}" for label, share in shares(utterances).items())
    number = "1 utterance" if len(utterances) == 1 else f"{len(utterances)} utterances"
    return f"{number}, {clock(spoken_s)} of {clock(time_s)}: {parts}"


class _Lines:
    """Print a line for each utterance."""

    def __init__(self) -> None:
        self.utterances: list[Prediction] = []

    def __enter__(self) -> _Lines:
        output.note("listening; stop with Ctrl-C")
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, events: list[Event], stream: Stream) -> None:
        """Keep the utterances that end in these events, and show them."""
        ended = [event.prediction for event in events if event.kind == "speech_end" and event.prediction is not None]
        self.utterances += ended
        self._draw(events, ended, stream)

    def _draw(self, events: list[Event], ended: list[Prediction], stream: Stream) -> None:
        for utterance in ended:
            print(_line(utterance), flush=True)


class _Json(_Lines):
    """Print every event as a line of JSON."""

    def __init__(self, notes: tuple[str, ...]) -> None:
        super().__init__()
        self._notes = notes

    def __enter__(self) -> _Json:
        return self

    def _draw(self, events: list[Event], ended: list[Prediction], stream: Stream) -> None:
        for event in events:
            if event.prediction is not None:
                event = replace(event, prediction=replace(event.prediction, notes=self._notes))
            print(json.dumps(event.to_dict()), flush=True)


class _Bars(_Lines):
    """Draw the scores of the last seconds as moving bars, with the last five utterances under them."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        super().__init__()
        self._live = Live(console=Console(highlight=False), refresh_per_second=8, transient=True)
        self._latest: Prediction | None = None
        self._speaks = False

    def __enter__(self) -> _Bars:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        for utterance in self.utterances[-5:]:
            print(_line(utterance))

    def _draw(self, events: list[Event], ended: list[Prediction], stream: Stream) -> None:
        for event in events:
            self._speaks = event.kind != "speech_end"
            self._latest = event.prediction or self._latest
        self._live.update(self._screen(stream))

    def _screen(self, stream: Stream) -> Group:
        from rich.console import Group
        from rich.text import Text

        state = "speaking" if self._speaks else "listening"
        head = Text.assemble((f"{state:<10}", "bold"), (f"{clock(stream.time_s)}   stop with Ctrl-C", "dim"))
        if self._latest is not None:
            head.append("   ").append_text(output.coloured(self._latest.label))
        lines = []
        for emotion in stream.recognizer.emotions:
            share = 0.0 if self._latest is None else self._latest.scores[emotion]
            lines.append(output.coloured(emotion, f"{emotion:<10} {output.bar(share, width=24)} {100 * share:3.0f} %"))
        return Group(head, *lines, *(Text(_line(utterance), style="dim") for utterance in self.utterances[-5:]))


def _line(utterance: Prediction) -> str:
    confidence = f" {percent(utterance.confidence, digits=0)}" if utterance.emotion else ""
    return f"{clock(utterance.start_s)} to {clock(utterance.end_s)}  {utterance.label}{confidence}"


@command("listen", "listen --device 1 --format json")
def listen(
    model: options.Bundle = "default",
    device: Annotated[str | None, typer.Option(metavar="NAME", help="Name or number of the microphone.")] = None,
    devices: Annotated[bool, typer.Option("--devices", help="List the microphones and exit.")] = False,
    format: Annotated[
        Literal["live", "lines", "json"],
        typer.Option(help="Live bars, one line per utterance, or one JSON line per event."),
    ] = "live",
    channel: options.Channel = "mix",
    emotions: options.Emotions = None,
    threshold: options.Threshold = None,
    adapt: Annotated[
        Literal["auto", "speaker", "none"],
        typer.Option(
            rich_help_panel="Adaptation",
            help="After each utterance, adapt to the source (auto), with any number of speakers, or to one speaker.",
        ),
    ] = "auto",
    adapt_to: options.AdaptTo = None,
    source_profile: options.SourceProfile = None,
) -> None:
    """Predict emotion from the microphone."""
    if devices:
        print(list_devices())
        return
    from emotone.recognition.profile import SourceProfile
    from emotone.recognition.recognizer import Recognizer
    from emotone.recognition.stream import Stream

    recognizer = Recognizer(model, emotions=options.names(emotions), threshold=threshold)
    for note in recognizer.notes:
        output.note(f"note: {note}")
    profile = profile_of(recognizer, adapt_to, source_file=source_profile)
    number = int(device) if device is not None and device.isdecimal() else device
    rate, chunks = microphone(number, channel=channel)
    if recognizer.adapts and profile is None and adapt == "auto":
        profile = recognizer.new_source()
    if isinstance(profile, SourceProfile) and adapt == "speaker":
        profile = recognizer.new_profile(source=profile)
    adapts = adapt == "speaker" or adapt == "auto" and isinstance(profile, SourceProfile)
    stream = Stream(recognizer, rate=rate, profile=profile, adapt=adapts)
    print_events(stream, chunks, format=format, notes=recognizer.notes)
