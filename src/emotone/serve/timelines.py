"""Upload to timeline: decode and predict it block by block, and write it in a format."""

import contextlib
import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from fastapi import Response

from emotone.audio.channels import Downmix
from emotone.audio.isolated_source import IsolatedSource
from emotone.errors import AudioError, ConfigError, EmotoneError
from emotone.recognition import rttm
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.speaker_choice import CHANNELS, channel_names
from emotone.recognition.timeline import Timeline
from emotone.recognition.timeline_formats import FORMATS
from emotone.serve.answers import as_problem, check_not_empty
from emotone.serve.own_source import OwnSource
from emotone.serve.problems import ProblemError
from emotone.serve.uploads import Upload
from emotone.serve.work_queue import Deadline

#: Letters that file names of some systems can't have, or that have a meaning in them.
_UNSAFE = re.compile(r'[<>:"/\\|?*%\s]+')

#: Bytes of uploads that may be decoded at once for one request with a speaker on each channel.
_MOST_BYTES_OF_CHANNELS = 500_000_000


@dataclass(frozen=True)
class TimelineOptions:
    """How to predict a recording over time.

    Attributes
    ----------
    channel, track
        What is read, as in `emotone.audio.read`.
    adapts
        Whether to adapt to the source that the service has learnt.
    adapts_to_itself
        Whether to adapt to the recording itself where no source is known.
    speakers
        Which speakers to find: "one", "auto", "channels" or a number.
    """

    channel: str = "mix"
    track: int | None = None
    adapts: bool = True
    adapts_to_itself: bool = True
    speakers: str = "auto"

    def arguments(self, upload: Upload) -> dict[str, Any]:
        """Return arguments of `Recognizer.timeline`; an RTTM file in the upload takes the place of ``speakers``.

        Raises
        ------
        ConfigError
            The RTTM can't be read.
        """
        chosen = {"channel": self.channel, "track": self.track}
        if upload.rttm is not None:
            text = _decoded(upload.rttm)
            return chosen | {"speakers": rttm.parse(text, recording=upload.name, where="the field rttm")}
        return chosen | {"speakers": int(self.speakers) if self.speakers.isdecimal() else self.speakers}


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"the field rttm is not UTF-8 text (byte {error.start}); save it as UTF-8") from error


def timeline_of(
    recognizer: Recognizer,
    upload: Upload,
    *,
    options: TimelineOptions,
    source: OwnSource,
    max_duration_s: float,
    deadline: Deadline,
) -> Timeline:
    """Predict an upload over time while it is decoded, in bounded memory.

    Parameters
    ----------
    source
        What the service has learnt of its source.
    max_duration_s
        Longest recording, whatever its header says.
    deadline
        Checked for each block (`Deadline.reach`); it also says how long to wait for the decoder.

    Raises
    ------
    ProblemError
        not_audio, no_channel, too_long, unanswerable, bad_request, or an error of the deadline.
    """
    if options.speakers == CHANNELS:
        check_opens(upload, options=options, max_duration_s=max_duration_s, deadline=deadline)
    recording = _recording(upload, max_duration_s, deadline)
    with _problems(upload, deadline):
        timeline = recognizer.timeline(
            recording,
            profile=source.profile if options.adapts else None,
            adapt=options.adapts_to_itself and recognizer.adapts,
            progress=deadline.progress,
            **options.arguments(upload),
        )
        return replace(timeline, file=upload.name)


def check_opens(upload: Upload, *, options: TimelineOptions, max_duration_s: float, deadline: Deadline) -> None:
    """Raise the `ProblemError` that `timeline_of` would raise for the header of a recording and the options."""
    recording = _recording(upload, max_duration_s, deadline)
    with _problems(upload, deadline):
        chosen = options.arguments(upload)
        with recording.open(track=options.track) as opened:
            if chosen["speakers"] == CHANNELS:
                channel_names(opened, channel=options.channel)
                _check_memory(upload, n_channels=opened.n_channels)
            Downmix(options.channel, n_channels=opened.n_channels, name=opened.name)


def _check_memory(upload: Upload, *, n_channels: int) -> None:
    if n_channels * len(upload.data) > _MOST_BYTES_OF_CHANNELS:
        raise ProblemError(
            "too_large",
            f"{upload.name} has {n_channels} channels and {len(upload.data)} bytes, and speakers=channels decodes it "
            f"once for each: expected at most {_MOST_BYTES_OF_CHANNELS} bytes in all; send fewer channels, or compress "
            "them",
        )


def _recording(upload: Upload, max_duration_s: float, deadline: Deadline) -> IsolatedSource:
    check_not_empty(upload.data, upload.name)

    def watch(done_s: float, total_s: float | None) -> None:
        if max(done_s, total_s or 0.0) > max_duration_s:
            raise ProblemError("too_long", f"{upload.name} is longer than {max_duration_s:g} s; send it in parts")
        deadline.reach(done_s, total_s)

    return IsolatedSource(upload.data, watch=watch, left_s=lambda: deadline.left_s)


@contextlib.contextmanager
def _problems(upload: Upload, deadline: Deadline) -> Iterator[None]:
    """Raise errors of a recording as `ProblemError`."""
    with as_problem(upload.name, upload.data):
        try:
            yield
        except ConfigError as error:
            detail = str(error).replace(f"the {len(upload.data)} bytes given", upload.name, 1)
            raise ProblemError("bad_request", detail) from error
        except AudioError:
            deadline.check()  # the decoder was stopped
            raise


def written(timeline: Timeline, format: str) -> bytes:
    """Return a timeline in a format of `FORMATS`; raise `ProblemError` unanswerable if the format can't hold it."""
    try:
        return FORMATS[format].write(timeline).encode()
    except EmotoneError as error:
        raise ProblemError("unanswerable", f"the timeline can't be written as {format}: {error}") from error


def file_response(content: bytes, *, name: str, format: str) -> Response:
    """Return the response with a timeline's file, named after the recording."""
    form = FORMATS[format]
    stem = _UNSAFE.sub("_", PurePosixPath(name).stem).strip("._")[:100] or "timeline"
    plain = stem.encode("ascii", "replace").decode().replace("?", "_")
    quoted = urllib.parse.quote(stem, safe="")
    disposition = f"attachment; filename=\"{plain}{form.suffix}\"; filename*=UTF-8''{quoted}{form.suffix}"
    return Response(content, media_type=form.media_type, headers={"Content-Disposition": disposition})
