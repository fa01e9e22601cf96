"""Annotate an archive: list its recordings, adapt, predict them part by part, and be able to go on at any time."""

import hashlib
import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emotone import files, hub
from emotone._version import __version__
from emotone.bulk.engines import Engine, LocalEngine
from emotone.bulk.index import Index, parts_of, write_index
from emotone.bulk.jobs import AnnotateJob, Listener, VoicesJob, source_of, speakers_in_parts
from emotone.bulk.parts import RUN, done_parts, first_failure, merge_failures, segments_schema, written
from emotone.bulk.settings import AnnotateSettings
from emotone.bulk.sources import Sources
from emotone.bulk.storage import Local, Storage, storage_of
from emotone.bulk.units import WORK, Places
from emotone.bulk.work import Annotator
from emotone.errors import ConfigError, EmotoneError
from emotone.progress import Progress
from emotone.recognition.profile import SourceProfile
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.versioned_json import parse

FORMAT_VERSION = 2
_INDEX, _SPEAKERS, _SOURCE = f"{WORK}/recordings.arrow", f"{WORK}/speakers.arrow", f"{WORK}/source.json"
#: The state of a run is written at least as often, in seconds of work.
_SAVED_EVERY_S = 10.0
#: Most items of a list in a message.
_MOST_NAMED = 5
_NO_SETTINGS = AnnotateSettings()


@dataclass(frozen=True)
class AnnotatedArchive:
    """What was done of an archive.

    Attributes
    ----------
    out
        Path or address of the output.
    n_files, n_rows, n_failures
        Recordings, rows, and recordings without a row.
    sound_s
        Seconds of sound.
    seconds
        Seconds of work, of all runs together.
    passed_over
        Kind of file -> number of files of folders that are no recordings.
    first_failure
        Why the first recording without a row has none; "" if all have one.
    was_done
        Whether an earlier run had done all of it.
    """

    out: str
    n_files: int
    n_rows: int
    n_failures: int
    sound_s: float
    seconds: float
    passed_over: dict[str, int]
    first_failure: str = ""
    was_done: bool = False

    @property
    def files_per_s(self) -> float:
        """Recordings a second."""
        return self.n_files / self.seconds if self.seconds else 0.0


def annotate(
    inputs: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    settings: AnnotateSettings = _NO_SETTINGS,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> AnnotatedArchive:
    """Predict the emotions of an archive of any size into a Parquet data set.

    The output holds ``segments/`` (parts in Parquet, with a row for each recording, or each segment of its timeline),
    ``failures.parquet`` (why a recording has no row) and ``run.json``.  A run that was stopped goes on where it stopped
    when it is called again with the same arguments; a run that is done is not repeated.

    Parameters
    ----------
    inputs
        Folders, recordings, patterns, manifests (CSV or Parquet with a column ``file``, and perhaps ``start_s``,
        ``end_s`` and a speaker), and addresses that fsspec knows, such as ``s3://bucket/calls``.
    out
        A new folder, or that of a run to continue; also an address.
    settings
        What decides the rows.
    engine
        Where the work is done; None: a process for each core of this machine.
    progress
        Called with the number of recordings that are done.

    Raises
    ------
    ConfigError
        There are no recordings, a setting is invalid, or ``out`` holds something else.
    BundleError
        The model can't be opened.
    OSError
        The output can't be written.
    """
    named = [str(inputs)] if isinstance(inputs, str | Path) else [str(name) for name in inputs]
    return _Run(named, storage_of(str(out)), settings, engine or LocalEngine(), progress).annotate()


def _some(value: Any) -> str:
    """Write a value for a message; of a long list, the beginning."""
    if isinstance(value, list | tuple) and len(value) > _MOST_NAMED:
        return f"{', '.join(map(repr, value[:_MOST_NAMED]))} and {len(value) - _MOST_NAMED:,} more"
    return repr(list(value) if isinstance(value, tuple) else value)


class _Run:
    """One call of `annotate`."""

    def __init__(
        self,
        inputs: Sequence[str],
        storage: Storage,
        settings: AnnotateSettings,
        engine: Engine,
        progress: Progress | None,
    ) -> None:
        # workers may have another working directory
        self._settings = replace(settings, model=settings.to_dict()["model"])
        self._storage, self._engine, self._folder = storage, engine, os.getcwd()
        self._report: Progress = progress or (lambda done, total, what: None)
        self._sources = Sources(inputs, speaker_from=settings.speaker_from)
        self._recognizer = Recognizer(settings.model, emotions=settings.emotions, threshold=settings.threshold)
        # a model on the hub may change while the work goes on
        self._pinned = replace(self._settings, model=hub.pinned(self._settings.model, self._recognizer.folder))
        self._known_source: SourceProfile | None = None
        if settings.source_profile is not None:
            self._known_source = SourceProfile.load(settings.source_profile)
            self._recognizer.check_profile(self._known_source)

    def annotate(self) -> AnnotatedArchive:
        with self._storage.lock():
            state = self._claimed()
            if state["finished"]:
                self._storage.remove(WORK)  # a run can be killed before it does so
                return self._summary(state, was_done=True)
            self._storage.sweep()
            self._engine.prepare()
            try:
                return self._worked(state)
            finally:
                self._engine.close()

    def _worked(self, state: dict[str, Any]) -> AnnotatedArchive:
        if not self._storage.exists(_INDEX):
            parts = parts_of(self._sources, n_files=self._settings.part_files, n_bytes=self._settings.part_bytes)
            write_index(self._storage, _INDEX, parts, progress=self._report)
            state |= {"passed_over": dict(self._sources.passed_over), "folder": self._folder}
            self._write(state)
        self._folder = state["folder"]  # that of the names in the list
        index = Index(self._storage, _INDEX)
        if not index.n_rows:
            index.close()
            self._storage.remove(_INDEX)
            raise ConfigError(f"there are no recordings in {_some(self._sources.inputs)}")
        source = self._source(index)
        places = self._profiles(index, source)
        annotator = Annotator(self._pinned, source, self._storage if places else None, places, self._folder)
        embedding = self._width() if self._settings.embedding else 0
        schema = segments_schema(self._recognizer.emotions, embedding=embedding)
        self._predict(AnnotateJob(index, annotator, self._storage, schema), state)
        index.close()
        n_failures = merge_failures(self._storage)
        if not self._settings.timeline and state["n_rows"] + n_failures != state["n_files"]:
            raise EmotoneError(
                f"{self._storage.address} has {state['n_rows']} rows and {n_failures} failures of {state['n_files']} "
                "recordings: something else has changed it; choose another folder with --out"
            )
        state |= {"n_failures": n_failures, "finished": True}
        self._write(state)
        self._storage.remove(WORK)
        return self._summary(state)

    def _width(self) -> int:
        profile = self._recognizer.new_profile() if self._recognizer.adapts else None
        if profile is None:
            import numpy as np

            noise = np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
            return len(self._recognizer.run(noise)[1])
        return len(profile.mean)

    def _claimed(self) -> dict[str, Any]:
        """Return the state of the run in the output folder, or that of a new one."""
        if isinstance(self._storage, Local):
            files.claim_folder(Path(self._storage.address), marker=RUN, kind="a run of emotone annotate")
        elif not self._storage.exists(RUN) and self._storage.names(""):
            raise ConfigError(
                f"{self._storage.address} is not empty and has no {RUN}; expected a new folder: choose another with "
                "--out"
            )
        settings = self._settings.to_dict() | {"inputs": list(self._sources.inputs)}
        if self._storage.exists(RUN):
            continued = self._continued(settings)
            if continued is not None:
                return continued
        card = self._recognizer.card
        state: dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "settings": settings,
            "model": {"name": card["model"], "sha256": card["sha256"]},
            "emotions": list(self._recognizer.emotions),
            "versions": {"emotone": __version__, "python": platform.python_version()},
            "finished": False,
            **dict.fromkeys(("n_files", "n_rows", "n_failures"), 0),
            "sound_s": 0.0,
            "seconds": 0.0,
            "passed_over": {},
            "source": self._source_digest,
            "folder": self._folder,
        }
        self._write(state)
        return state

    def _continued(self, settings: dict[str, Any]) -> dict[str, Any] | None:
        """Return the state of the run in the output folder; None if it has not begun."""
        where = f"{self._storage.address}/{RUN}"
        try:
            state: dict[str, Any] = files.parse_json(self._storage.read(RUN))
            before, model = dict(state["settings"]), state["model"]["sha256"]
            version, source = (state["format_version"], state["versions"]["emotone"]), state["source"]
            has_begun = state["finished"] or self._storage.exists(_INDEX)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"{where} is damaged ({error}); choose another folder with --out") from error
        different = [
            f"{name} is {_some(value)}, there {_some(before.get(name))}"
            for name, value in settings.items()
            if before.get(name) != value
        ]
        here = (self._recognizer.card["sha256"], (FORMAT_VERSION, __version__), self._source_digest)
        kinds = ("model", "version of Emotone", "source profile")
        for kind, value, there in zip(kinds, here, (model, version, source), strict=True):
            different += [f"the {kind} is another one"] if value != there else []
        if different and not has_begun:
            return None
        if different:
            raise ConfigError(
                f"{where} is of another run ({'; '.join(different)}); use the same options to go on, or choose another "
                "folder with --out"
            )
        return state

    def _write(self, state: dict[str, Any]) -> None:
        self._storage.write(RUN, (json.dumps(state, indent=2) + "\n").encode("ascii"))

    @property
    def _source_digest(self) -> str | None:
        """The digest of the profile that was named, whose file can change."""
        if self._known_source is None:
            return None
        return hashlib.sha256(json.dumps(self._known_source.to_dict()).encode()).hexdigest()

    def _source(self, index: Index) -> SourceProfile | None:
        """Return the profile of the archive, which is estimated once."""
        settings = self._settings
        if settings.source_profile is not None:
            return self._known_source
        if settings.adapt == "none" or settings.timeline and settings.speaker_from is None:
            return None
        if self._storage.exists(_SOURCE):
            where = f"{self._storage.address}/{_SOURCE}"
            content = parse(self._storage.read(_SOURCE), where=where, remedy="choose another folder with --out")
            return SourceProfile.from_dict(content, where=where) if content else None
        source = source_of(self._recognizer, index, Listener(self._pinned, self._folder), self._report)
        self._storage.write(_SOURCE, json.dumps(source and source.to_dict(), allow_nan=False).encode())
        return source

    def _profiles(self, index: Index, source: SourceProfile | None) -> Places | None:
        """Compute the profiles of the speakers, and return where they are."""
        settings = self._settings
        if settings.adapt == "none" or settings.speaker_from is None or not self._recognizer.adapts:
            return None
        n_files, parts = speakers_in_parts(index)
        if not n_files:
            return None
        if not self._storage.exists(_SPEAKERS):
            write_index(self._storage, _SPEAKERS, parts)
        places = Places(n_files)
        job = VoicesJob(Index(self._storage, _SPEAKERS), self._pinned, source, self._storage, places, self._folder)
        done = self._storage.names(f"{WORK}/profiles")
        missing = [number for number in range(n_files) if places.name(number).rsplit("/", 1)[-1] not in done]
        n_speakers = 0

        def tick(n: int) -> None:
            nonlocal n_speakers
            n_speakers += n
            self._report(0, 1, f"adapting to the voices: {n_speakers:,} speakers")

        for _ in self._engine.run(job, missing, tick=tick):
            pass
        return places

    def _predict(self, job: AnnotateJob, state: dict[str, Any]) -> None:
        done = done_parts(self._storage) & set(range(job.index.n_parts))
        starts = job.index.starts
        total, before = job.index.n_rows, sum(starts[number + 1] - starts[number] for number in done)
        missing = [number for number in range(job.index.n_parts) if number not in done]
        begun_at, seconds_before, saved_at = time.monotonic(), state["seconds"], 0.0
        n_done = before

        def tick(n: int) -> None:
            nonlocal n_done
            n_done += n
            rate = (n_done - before) / max(time.monotonic() - begun_at, 1e-3)
            self._report(n_done, total, f"{n_done:,} of {total:,} recordings, {rate:.1f} a second")

        self._report(before, total, "starting the workers")
        n_rows, sound_s = written(self._storage, sorted(done))  # by runs that were stopped
        for report in self._engine.run(job, missing, tick=tick):
            n_rows, sound_s = n_rows + report.n_rows, sound_s + report.sound_s
            state["seconds"] = round(seconds_before + time.monotonic() - begun_at, 3)
            if state["seconds"] - saved_at > _SAVED_EVERY_S:
                saved_at = state["seconds"]
                self._write(state)
        state |= {"n_files": total, "n_rows": n_rows, "sound_s": round(sound_s, 3)}

    def _summary(self, state: dict[str, Any], *, was_done: bool = False) -> AnnotatedArchive:
        names = ("n_files", "n_rows", "n_failures", "sound_s", "seconds", "passed_over")
        values = {name: state[name] for name in names}
        return AnnotatedArchive(
            out=self._storage.address, **values, first_failure=first_failure(self._storage), was_done=was_done
        )
