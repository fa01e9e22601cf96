"""The two jobs of an archive: the profiles of its speakers, and the rows of its recordings."""

import itertools
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, overload

import numpy as np
import pyarrow as pa

from emotone import audio
from emotone.audio import SAMPLE_RATE, AudioSource
from emotone.bulk.index import Index
from emotone.bulk.parts import write_part
from emotone.bulk.settings import AnnotateSettings
from emotone.bulk.storage import Storage, is_address
from emotone.bulk.supervised import Supervised
from emotone.bulk.units import Failure, Item, Places, Report, Row
from emotone.bulk.work import Annotator, Answered, attempted, enter, fetched
from emotone.errors import EmotoneError
from emotone.progress import Progress
from emotone.recognition.groups import MOST_CLIPS, adapted_profiles, evenly, source_of_some, spoken
from emotone.recognition.profile import SourceProfile, SpeakerProfile
from emotone.recognition.recognizer import Recognizer

#: Name and recordings of a speaker.
Speaker = tuple[str, list[Row]]
#: Speakers of a file of profiles, in the mean.
_SPEAKERS_PER_FILE = 16


@dataclass(frozen=True)
class AnnotateJob:
    """Predict the recordings of an archive; see `emotone.bulk.engines.base.Job`.

    Attributes
    ----------
    index
        The recordings.
    annotator
        What a worker does.
    storage, schema
        Where the parts go, and their columns.
    """

    index: Index
    annotator: Annotator
    storage: Storage
    schema: pa.Schema

    @property
    def opener(self) -> Annotator:
        """What a worker does."""
        return self.annotator

    @property
    def limit_s(self) -> float:
        """Seconds without progress after which a recording is given up."""
        return self.annotator.settings.time_limit_s

    def units(self, number: int) -> list[Row]:
        """Return the recordings of a part."""
        return self.index.part(number)

    def finish(self, number: int, units: Sequence[Row], results: Sequence[Answered | Failure]) -> Report:
        """Write the part."""
        rows: list[tuple[Any, ...]] = []
        failures: list[tuple[Any, ...]] = []
        sound_s = 0.0
        for unit, result in zip(units, results, strict=True):
            if isinstance(result, Failure):
                failures.append(_failed(unit, result, self.annotator.folder))
            else:
                rows += result.rows
                sound_s += result.sound_s
        write_part(self.storage, number, rows, failures, self.schema, sound_s=sound_s)
        return Report(number, len(units), len(rows), len(failures), sound_s)


def _failed(unit: Row, failure: Failure, folder: str) -> tuple[Any, ...]:
    """Return the cells of a failure, whose file is absolute, so that the table is a manifest wherever it is."""
    item = unit.item
    message = failure.message if item.file in failure.message else f"{item.file}: {failure.message}"
    file = item.file if is_address(item.file) else os.path.join(folder, item.file)
    texts = (
        None if text is None else text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        for text in (file, item.speaker, message)
    )
    file_text, speaker, message_text = texts
    return unit.number, file_text, item.start_s, item.end_s, speaker, item.channel, failure.code, message_text


@dataclass(frozen=True)
class VoicesJob:
    """Compute the profiles of the speakers of an archive; see `emotone.bulk.engines.base.Job`.

    Attributes
    ----------
    index
        The recordings of each file of profiles, by speaker.
    settings, source, folder
        As in `Annotator`.
    storage, places
        Where the profiles go.
    """

    index: Index
    settings: AnnotateSettings
    source: SourceProfile | None
    storage: Storage
    places: Places
    folder: str = ""

    @property
    def opener(self) -> "Adapter":
        """What a worker does."""
        return Adapter(self.settings, self.source, self.folder)

    @property
    def limit_s(self) -> float:
        """Seconds without progress after which a speaker is given up."""
        return self.settings.time_limit_s

    def units(self, number: int) -> list[Speaker]:
        """Return the recordings of each speaker."""
        rows = self.index.part(number)
        by_speaker = itertools.groupby(rows, lambda row: row.item.speaker or "")
        return [(speaker, list(group)) for speaker, group in by_speaker]

    def finish(
        self,
        number: int,
        units: Sequence[Speaker],
        results: Sequence[SpeakerProfile | Failure],
    ) -> Report:
        """Write the profiles of the speakers with enough speech."""
        named = {speaker: profile for (speaker, _), profile in zip(units, results, strict=True)}
        profiles = {
            name: replace(profile, source=None).to_dict()
            for name, profile in named.items()
            if isinstance(profile, SpeakerProfile) and profile.n_clips
        }
        self.storage.write(self.places.name(number), json.dumps(profiles, allow_nan=False).encode())
        n_files = sum(len(rows) for _, rows in units)
        return Report(number, n_files, len(profiles), len(units) - len(profiles), 0.0)


@dataclass(frozen=True)
class Adapter:
    """Opens the function from the recordings of a speaker to their profile, in a worker."""

    settings: AnnotateSettings
    source: SourceProfile | None
    folder: str = ""

    def open(self) -> Callable[[Sequence[Speaker], Callable[[], None]], Iterator[SpeakerProfile | Failure]]:
        """Open the model; see `emotone.bulk.supervised.Opener`."""
        enter(self.folder)
        recognizer = Recognizer(self.settings.model)

        def adapted(speaker: str, clips: _Clips, sign: Callable[[], None]) -> SpeakerProfile:
            return adapted_profiles(
                recognizer,
                {speaker: clips},
                source=self.source,
                channel="mix" if clips.are_arrays else self.settings.channel,
                track=None if clips.are_arrays else self.settings.track,
                progress=lambda *_: sign(),
            )[speaker]

        def work(speakers: Sequence[Speaker], sign: Callable[[], None]) -> Iterator[SpeakerProfile | Failure]:
            for name, rows in speakers:
                clips = _Clips(rows, self.settings)
                yield attempted(partial(adapted, name, clips, sign), f"speaker {name}")

        return work


class _Clips(Sequence[AudioSource]):
    """Recordings of a speaker, each read when it is asked for."""

    def __init__(self, rows: Sequence[Row], settings: AnnotateSettings) -> None:
        self._rows, self._settings = rows, settings
        items = [row.item for row in rows]
        self.are_arrays = any(item.start_s or item.end_s is not None or item.channel is not None for item in items)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, number: int) -> AudioSource: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[AudioSource]: ...
    def __getitem__(self, number: int | slice) -> AudioSource | Sequence[AudioSource]:
        if isinstance(number, slice):
            return _Clips(self._rows[number], self._settings)
        item = self._rows[number].item
        source = fetched(item)
        if not self.are_arrays:
            return source
        channel, track = item.channel or self._settings.channel, self._settings.track
        samples = audio.read(source, start_s=item.start_s, end_s=item.end_s, channel=channel, track=track)
        return samples, SAMPLE_RATE


def _speakers(index: Index, part: int) -> list[str | None]:
    """Return the speaker of each recording of a part that may be readable."""
    table = index.columns(part, "speaker", "error").to_pydict()
    return [None if error else name for name, error in zip(table["speaker"], table["error"], strict=True)]


def speakers_in_parts(index: Index) -> tuple[int, Iterator[list[Row]]]:
    """Group the recordings of an archive by speaker: at most 200 of each, at equal distances.

    Memory is 12 bytes for each recording, and the names of the speakers.

    Returns
    -------
    The number of files of profiles, and the recordings of each file, those of a speaker together; 0 and nothing if no
    recording has a speaker.
    """
    codes: dict[str, int] = {}
    columns = []
    for part in range(index.n_parts):
        names = _speakers(index, part)
        columns.append(np.array([-1 if name is None else codes.setdefault(name, len(codes)) for name in names]))
    if not codes:
        return 0, iter(())
    of_rows = np.concatenate(columns).astype(np.int32)
    order = np.argsort(of_rows, kind="stable")
    ends = np.searchsorted(of_rows[order], np.arange(len(codes)), side="right")
    begins = np.searchsorted(of_rows[order], np.arange(len(codes)), side="left")
    places = Places(-(-len(codes) // _SPEAKERS_PER_FILE))
    by_file: list[list[int]] = [[] for _ in range(places.n_files)]
    for name, code in codes.items():
        by_file[places.number(name)].append(code)

    def rows_of(speaker: int) -> list[Row]:
        begin, end = int(begins[speaker]), int(ends[speaker])
        return [index.row(int(order[number])) for number in evenly(range(begin, end), MOST_CLIPS)]

    return places.n_files, ([row for code in speakers for row in rows_of(code)] for speakers in by_file)


@dataclass(frozen=True)
class Listener:
    """Opens the function from a recording to the embeddings (n, e) of its speech, in a worker."""

    settings: AnnotateSettings
    folder: str = ""

    def open(self) -> Callable[[Sequence[Row], Callable[[], None]], Iterator[Any]]:
        """Open the model; see `emotone.bulk.supervised.Opener`."""
        enter(self.folder)
        settings, recognizer = self.settings, Recognizer(self.settings.model)

        def embeddings(item: Item) -> Any:
            if item.error:
                raise EmotoneError(item.error)
            channel = item.channel or settings.channel
            with audio.open_recording(
                fetched(item), start_s=item.start_s, end_s=item.end_s, channel=channel, track=settings.track
            ) as recording:
                return spoken(recognizer, recording)

        def work(rows: Sequence[Row], sign: Callable[[], None]) -> Iterator[Any]:
            return (attempted(partial(embeddings, row.item), row.item.file) for row in rows)

        return work


def source_of(recognizer: Recognizer, index: Index, listener: Listener, progress: Progress) -> SourceProfile | None:
    """Estimate the source of an archive from some recordings, which a child reads: any of them can crash it."""
    supervised = Supervised(listener, limit_s=listener.settings.time_limit_s)

    def read(number: int) -> Any:
        (result,) = supervised.results([index.row(number)])
        if isinstance(result, Failure):
            raise EmotoneError(result.message)
        return result

    try:
        return source_of_some(recognizer, index.n_rows, read, progress=progress)
    finally:
        supervised.close()
