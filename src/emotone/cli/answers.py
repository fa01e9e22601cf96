"""The answers of `predict` and `timeline`: predictions or errors, each given as soon as its recording is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import typer

from emotone.cli import console as output
from emotone.cli.interrupts import check_interrupts
from emotone.errors import EmotoneError
from emotone.progress import Progress

#: What a note of `emotone.recognition` calls something, and its name on the command line.
_IN_COMMANDS = (
    ('channel="left" and "right"', "--channel left and --channel right"),
    ('speakers="channels"', "--speakers channels"),
    ('speakers="auto"', "--speakers auto"),
    ("a timeline shows", "'emotone timeline' shows"),
)
#: Steps of the progress bar for each file.
_STEPS = 1000


#: Names in errors of `emotone.audio`: of an array (of files, only those of ``--raw`` are read as arrays), and of
#: standard input.
_ARRAY, _STDIN = "the array", "<stdin>"


class _Result(Protocol):
    @property
    def notes(self) -> tuple[str, ...]: ...

    def to_dict(self) -> dict[str, Any]: ...


T = TypeVar("T", bound=_Result)


@dataclass(frozen=True)
class Answer(Generic[T]):
    """The result for a file, a prediction or a timeline, or the error that prevented it."""

    file: str
    result: T | None = None
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the object of ``--format json``."""
        return {"file": self.file, **({"error": self.error} if self.result is None else self.result.to_dict())}


def _with_name(error: EmotoneError, file: str) -> str:
    """Return the message of an error; it names the file, also if the file was read as an array, or standard input."""
    text = str(error)
    if text.startswith(_STDIN):
        return f"{file} (standard input)" + text.removeprefix(_STDIN)
    return file + text.removeprefix(_ARRAY) if text.startswith(_ARRAY) else text


class Answers(Generic[T]):
    """Predict recordings, in order; iterate once, and then call `finish`.

    Parameters
    ----------
    files
        What `emotone.cli.recordings.recordings` returned.
    predict
        Function from the name of a file, and a progress function for this file, to its result.  An `EmotoneError`
        becomes the answer of this file.
    progress
        The bar for all files; it is hidden while an answer is printed.
    """

    def __init__(
        self,
        files: Sequence[str | Answer[Any]],
        predict: Callable[[str, Progress], T],
        *,
        progress: output.ProgressBar,
    ) -> None:
        self._files, self._predict, self._progress = files, predict, progress
        self._notes: Counter[str] = Counter()
        self._failed = False

    def __iter__(self) -> Iterator[Answer[T]]:
        for number, file in enumerate(self._files):
            try:
                answer = self._answer(file, number)
                check_interrupts()  # a decoder can lose the exception of a signal, and then its sound is incomplete
            except KeyboardInterrupt as interrupt:
                self._progress.hide()
                self._print_notes()
                raise type(interrupt)(f"{number} of {len(self._files)} recordings are done") from None
            if answer.result is None:
                self._failed = True
            else:
                self._notes.update(answer.result.notes)
            self._progress.hide()
            yield answer
            if number + 1 < len(self._files):
                self._draw(number + 1, 0, 1, "predicting")

    def _draw(self, number: int, done: int, total: int, what: str) -> None:
        """Draw the bar when ``done`` of ``total`` steps of a file are done, and all files before it."""
        steps = _STEPS * number + _STEPS * done // max(total, 1)
        self._progress(steps, _STEPS * len(self._files), what)

    def _answer(self, file: str | Answer[Any], number: int) -> Answer[T]:
        if isinstance(file, Answer):
            return file
        try:
            return Answer(file, self._predict(file, partial(self._draw, number)))
        except EmotoneError as error:
            return Answer(file, error=_with_name(error, file))

    def finish(self) -> None:
        """Print each note of the results once, on stderr; exit with 1 if a file failed."""
        self._print_notes()
        if self._failed:
            raise typer.Exit(1)

    def _print_notes(self) -> None:
        for note, count in self._notes.items():
            for words, in_commands in _IN_COMMANDS:
                note = note.replace(words, in_commands)
            output.note(f"note: {note}" + (f" ({count} of {len(self._files)} files)" if len(self._files) > 1 else ""))
