"""What a worker does with a recording: from its address to its rows, or to the reason why it has none."""

import io
import os
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from emotone.audio import AudioSource
from emotone.bulk.settings import AnnotateSettings
from emotone.bulk.storage import Storage, file_system, is_address
from emotone.bulk.units import Failure, Item, Row
from emotone.errors import (
    AudioError,
    BundleError,
    ConfigError,
    EmotoneError,
    FeatureError,
    SelectionError,
    SilenceError,
    TooShortError,
)
from emotone.progress import Progress
from emotone.recognition.prediction import NO_SPEECH, Prediction
from emotone.recognition.profile import Profile, SourceProfile, SpeakerProfile
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.versioned_json import parse

#: Recordings of other file systems up to this size are fetched in one piece.
_ONE_PIECE_BYTES = 2**24
#: Tries to read a recording of another file system, and seconds before the second; each further pause is twice as long.
_TRIES, _PAUSE_S = 5, 0.5
#: Recordings of other file systems that are fetched while one is predicted.
_AHEAD = 8
#: Files of profiles that are kept in memory.
_KEPT_PROFILES = 64

Rows = list[tuple[Any, ...]]


def enter(folder: str) -> None:
    """Make a folder the working directory of a worker, which can be on another machine; "" changes nothing."""
    if folder:
        try:
            os.chdir(folder)
        except OSError as error:
            raise EmotoneError(
                f"a worker can't enter {folder} ({error}); expected the same folders on all machines: share them, or "
                "name addresses"
            ) from error


class Answered(NamedTuple):
    """The rows of a recording, and its length in seconds."""

    rows: Rows
    sound_s: float


class Profiles:
    """Profiles of the speakers of an archive, read when they are asked for.

    Parameters
    ----------
    storage
        Where they are.
    places
        Function from the name of a speaker to the name of the file that holds its profile.
    source
        Profile for recordings whose speaker has none.
    """

    def __init__(self, storage: Storage, places: Callable[[str], str], source: SourceProfile | None) -> None:
        self._storage, self._places, self._source = storage, places, source
        self._kept: OrderedDict[str, dict[str, Profile]] = OrderedDict()

    def of(self, speaker: str) -> Profile | None:
        """Return the profile of a speaker; that of the source if they have too little speech."""
        place = self._places(speaker)
        if place not in self._kept:
            self._kept[place] = dict(self._read(place))
            if len(self._kept) > _KEPT_PROFILES:
                self._kept.popitem(last=False)
        self._kept.move_to_end(place)
        return self._kept[place].get(speaker, self._source)

    def _read(self, place: str) -> Iterator[tuple[str, Profile]]:
        where = f"{self._storage.address}/{place}"
        remedy = "choose another folder with --out"
        profiles = parse(self._storage.read(place), where=where, remedy=remedy)
        if not isinstance(profiles, dict):
            raise BundleError(f"{where} holds no object with the profile of each speaker; {remedy}")
        for speaker, content in profiles.items():
            yield speaker, replace(SpeakerProfile.from_dict(content, where=where), source=self._source)


def code_of(error: EmotoneError) -> str:
    """Return the code of an error; see `emotone.bulk.units.Failure`."""
    kinds = {
        SilenceError: "silent",
        TooShortError: "too_short",
        SelectionError: "no_channel",
        AudioError: "not_audio",
        FeatureError: "unanswerable",
        BundleError: "bad_model",
        ConfigError: "unanswerable",
    }
    if isinstance(error.__cause__ or error.__context__, FileNotFoundError):
        return "not_found"
    return next((code for kind, code in kinds.items() if isinstance(error, kind)), "internal")


def fetched(item: Item) -> AudioSource:
    """Return what a recognizer reads: the path of a local file, or what another file system holds.

    Raises
    ------
    AudioError
        There is no such file, or it can't be read after several tries.
    """
    if not is_address(item.file):
        return item.file
    pause_s = _PAUSE_S
    for number in range(_TRIES):
        try:
            system, path = file_system(item.file)
            if (item.size or system.size(path) or 0) > _ONE_PIECE_BYTES:
                return system.open(path, "rb")  # type: ignore[no-any-return]
            return bytes(system.cat_file(path))
        except FileNotFoundError as error:
            raise AudioError(f"{item.file}: there is no such file; check the address") from error
        except PermissionError as error:
            raise AudioError(f"{item.file}: may not be read ({error}); check the permissions") from error
        except EmotoneError:
            raise
        except Exception as error:  # of any file system
            if number == _TRIES - 1:
                raise AudioError(
                    f"{item.file}: can't be read after {_TRIES} tries ({error}); try again later"
                ) from error
        time.sleep(pause_s)
        pause_s *= 2
    raise AssertionError("the last try returns or raises")


def fetched_ahead(rows: Sequence[Row]) -> Iterator[tuple[Row, Callable[[], AudioSource]]]:
    """Yield each recording with a function that returns its source; those of other file systems are fetched ahead.

    To fetch a recording of some seconds can take longer than to predict it, so the next ones are already on their way.
    """
    from concurrent.futures import Future, ThreadPoolExecutor

    if not any(is_address(row.item.file) for row in rows):
        for row in rows:
            yield row, partial(fetched, row.item)
        return
    with ThreadPoolExecutor(_AHEAD) as pool:
        waiting: deque[tuple[Row, Future[AudioSource]]] = deque()
        for row in rows:
            waiting.append((row, pool.submit(fetched, row.item)))
            if len(waiting) > _AHEAD:
                first, source = waiting.popleft()
                yield first, source.result
        for first, source in waiting:
            yield first, source.result


def attempted(work: Callable[[], Any], file: str) -> Any:
    """Return the result of a function, or the `Failure` that an error of it is."""
    try:
        return work()
    except EmotoneError as error:
        text = str(error)
        for subject in ("the array", "the open file"):
            text = file + text.removeprefix(subject) if text.startswith(subject) else text
        if text.startswith("the ") and " bytes given" in text[:40]:
            text = file + text.partition(" bytes given")[2]
        return Failure(code_of(error), text)
    except MemoryError:
        return Failure("memory", f"{file}: the machine has too little memory for it; use fewer workers")
    except Exception as error:  # a fault of Emotone's must not end the work on other recordings
        return Failure("internal", f"{file}: {type(error).__name__}: {error}; please report this")


@dataclass(frozen=True)
class Annotator:
    """Opens the function from a recording to its rows, in a worker.

    Attributes
    ----------
    settings
        Of the run.
    source
        Profile of the archive; None: not adapted.
    storage, places
        Of `Profiles`; None: speakers have no profiles.
    folder
        What the paths of recordings are relative to; "" is the working directory of the worker.
    """

    settings: AnnotateSettings
    source: SourceProfile | None = None
    storage: Storage | None = None
    places: Callable[[str], str] | None = None
    folder: str = ""

    def open(self) -> Callable[[Sequence[Row], Callable[[], None]], Iterator["Answered | Failure"]]:
        """Open the model; see `emotone.bulk.supervised.Opener`."""
        enter(self.folder)
        settings = self.settings
        recognizer = Recognizer(settings.model, emotions=settings.emotions, threshold=settings.threshold)
        profiles = None
        if self.storage is not None and self.places is not None:
            profiles = Profiles(self.storage, self.places, self.source)

        def answer(row: Row, source: Callable[[], AudioSource], progress: Progress) -> Answered:
            speaker = row.item.speaker
            profile = self.source if profiles is None or speaker is None else profiles.of(speaker)
            return _answered(recognizer, settings, row, source(), profile, progress)

        def work(rows: Sequence[Row], sign: Callable[[], None]) -> Iterator[Answered | Failure]:
            for row, source in fetched_ahead(rows):
                if row.item.error:
                    yield Failure("not_audio", row.item.error)
                else:
                    yield attempted(partial(answer, row, source, lambda *_: sign()), row.item.file)

        return work


def _answered(
    recognizer: Recognizer,
    settings: AnnotateSettings,
    row: Row,
    source: AudioSource,
    profile: Profile | None,
    progress: Progress,
) -> Answered:
    item = row.item
    sha = recognizer.card["sha256"]
    try:
        if settings.timeline:
            predictions, duration_s = _segments(recognizer, settings, item, source, profile, progress)
            return Answered([_row(row, prediction, recognizer, sha) for prediction in predictions], duration_s)
        prediction, embeddings = recognizer.predict_with_embeddings(
            source,
            start_s=item.start_s,
            end_s=item.end_s,
            channel=item.channel or settings.channel,
            track=settings.track,
            profile=profile,
            progress=progress,
        )
    finally:
        if isinstance(source, io.IOBase):
            source.close()
    prediction = replace(prediction, speaker=item.speaker)
    last: tuple[Any, ...] = ()
    if settings.embedding:
        last = (embeddings.mean(axis=0).tolist() if len(embeddings) else None,)
    return Answered([(*_row(row, prediction, recognizer, sha), *last)], prediction.end_s - prediction.start_s)


def _segments(
    recognizer: Recognizer,
    settings: AnnotateSettings,
    item: Item,
    source: AudioSource,
    profile: Profile | None,
    progress: Progress,
) -> tuple[Sequence[Prediction], float]:
    """Return the segments of a timeline, and its seconds; without speech, there is one segment without scores."""
    if item.start_s or item.end_s is not None:
        raise ConfigError(
            f"{item.file}: a timeline is of a whole recording; leave start, end and duration out of the manifest"
        )
    timeline = recognizer.timeline(
        source,
        channel=item.channel or settings.channel,
        track=settings.track,
        profile=profile,
        adapt=settings.adapt == "auto" and recognizer.adapts,
        speakers=settings.speakers_of_timeline,
        progress=progress,
    )
    segments = [replace(part, speaker=item.speaker) if item.speaker else part for part in timeline.segments]
    silent = Prediction(None, float("nan"), {}, 0.0, timeline.duration_s, speech=0.0)
    return segments or [silent], timeline.duration_s


def _row(row: Row, prediction: Prediction, recognizer: Recognizer, sha: str) -> tuple[Any, ...]:
    scores = [prediction.scores.get(emotion) for emotion in recognizer.emotions]
    return (
        row.number,
        row.item.file.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"),
        round(prediction.start_s, 3),
        round(prediction.end_s, 3),
        prediction.speaker,
        row.item.channel,
        prediction.emotion,
        prediction.label if prediction.scores else NO_SPEECH,
        prediction.confidence if prediction.scores else None,
        prediction.speech,
        *scores,
        prediction.adapted["source"],
        prediction.adapted["speaker"],
        list(prediction.notes),
        sha,
    )
