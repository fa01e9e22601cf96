"""The command ``predict``: a table, JSON or CSV of the emotions of recordings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from emotone.cli import console as output
from emotone.cli import options
from emotone.cli.answers import Answer, Answers
from emotone.cli.app import command
from emotone.cli.profiles import Reading
from emotone.cli.recordings import recordings
from emotone.cli.speakers import Adaptation, SameSpeaker, SpeakerFrom, Voices
from emotone.cli.summary import Summary
from emotone.progress import Progress
from emotone.recognition.prediction import NO_SPEECH, UNSURE, Prediction

if TYPE_CHECKING:
    from rich.text import Text

    from emotone.recognition.recognizer import Recognizer

_GAP = 2  # between columns
_SHORTEST_NAME, _SHORTEST_WITH_SPEAKER = 12, 6
_LONGEST_SPEAKER = 16
_THEN = "then (%)"


def _csv_rows(answers: Iterable[Answer[Prediction]], *, emotions: Sequence[str]) -> Iterator[Sequence[object]]:
    """Yield a row for each file: the prediction, a column of scores for each emotion, notes, error and speaker."""
    from emotone.recognition.timeline_formats import CSV_COLUMNS

    yield ["file", *CSV_COLUMNS, *emotions, "notes", "error", "speaker"]
    for answer in answers:
        row = answer.to_dict()
        scores = row.get("scores", {})
        cells = [*(row.get(key) for key in CSV_COLUMNS), *(scores.get(emotion) for emotion in emotions)]
        yield [answer.file, *cells, "; ".join(row.get("notes", ())), answer.error, row.get("speaker")]


class Table:
    """A table of predictions whose rows are printed one by one, so its columns are as wide as any row can need.

    Parameters
    ----------
    names
        Names of all files.
    emotions
        Emotions that the model can predict.
    speakers
        Names of all speakers; without any, there is no column for them.
    """

    def __init__(self, names: Iterable[str], *, emotions: Sequence[str], speakers: Iterable[str] = ()) -> None:
        from rich.cells import cell_len

        longest = sorted(map(len, emotions))[-2:]
        self._label = max(len("emotion"), len(NO_SPEECH), *longest) + _GAP
        self._bar = len(output.bar(1.0)) + len(" 100 %") + _GAP
        then = max(len(_THEN), sum(longest) + len(" 49,  49"))
        name = max(len("file"), *(cell_len(output.displayed(name)) for name in names))
        widths = [cell_len(output.displayed(speaker)) for speaker in speakers]
        self._speaker = min(_LONGEST_SPEAKER, max(len("speaker"), *widths)) + _GAP if widths else 0
        shortest = _SHORTEST_WITH_SPEAKER if widths else _SHORTEST_NAME
        fixed = self._label + self._bar + _GAP
        self._console = output.console(width=name + self._speaker + fixed + then)
        if widths:
            room = self._console.width - fixed - shortest
            self._speaker = min(self._speaker, max(len("speaker") + _GAP, room))
        fixed += self._speaker
        self._has_then = self._console.width >= fixed + then + min(name, _SHORTEST_NAME)
        room = self._console.width - fixed - (then if self._has_then else 0)
        self._name = min(name, max(shortest, room)) + _GAP
        self._labels: set[str] = set()

    def print(self, file: str, prediction: Prediction) -> None:
        """Print the row of a file; the header comes before the first."""
        from rich.text import Text

        if not self._labels:
            self._print(*(Text(title, style="bold") for title in ("file", "speaker", "emotion", "confidence", _THEN)))
        label = prediction.label
        self._labels.add(label)
        self._print(
            Text(_shortened(output.displayed(file), self._name - _GAP)),  # not markup: [bold] is part of the name
            Text(_shortened(output.displayed(prediction.speaker or ""), max(0, self._speaker - _GAP))),
            output.coloured(label),
            output.coloured(label, output.confidence_bar(prediction)),
            Text(_runners_up(prediction)),
        )

    def _print(self, name: Text, speaker: Text, label: Text, bar: Text, then: Text) -> None:
        from rich.text import Text

        widths = (self._name, self._speaker, self._label, self._bar)
        for cell, width in zip((name, speaker, label, bar), widths, strict=True):
            cell.pad_right(width - cell.cell_len)
        others = [speaker] if self._speaker else []
        row = Text.assemble(name, *others, label, bar, *([then] if self._has_then else []))
        row.rstrip()
        self._console.print(row, no_wrap=True, overflow="ignore", crop=False)

    def print_legend(self, *, threshold: float, adapted: str, checks_speech: bool) -> None:
        """Explain the labels without an emotion, and say whether the model checks for speech and was adapted."""
        if NO_SPEECH in self._labels:
            self._console.print("no speech: silence, noise or music, according to the model", style="dim")
        if UNSURE in self._labels:
            self._console.print(output.unsure_text(threshold), style="dim")
        if self._labels and not checks_speech:
            self._console.print(output.NOT_CHECKED, style="dim", soft_wrap=True)
        if self._labels and adapted:
            self._console.print(adapted, style="dim", soft_wrap=True)


def _print_table(
    answers: Iterable[Answer[Prediction]],
    table: Table,
    *,
    recognizer: Recognizer,
    adapted: str,
) -> None:
    """Print a row of a table for each prediction, and the errors on stderr."""
    try:
        for answer in answers:
            if answer.result is None:
                output.error(answer.error)
            else:
                table.print(answer.file, answer.result)
    finally:
        table.print_legend(threshold=recognizer.threshold, adapted=adapted, checks_speech=recognizer.checks_speech)


def _shortened(name: str, width: int) -> str:
    """Return the end of a name, if it is wider than ``width``."""
    from rich.cells import cell_len

    if cell_len(name) <= width:
        return name
    while name and cell_len(name) >= width:
        name = name[1:]
    return f"…{name}"


def _runners_up(prediction: Prediction) -> str:
    """Name the next two emotions, if they have a percent to show; of an unsure prediction, the first two."""
    if not prediction.is_speech:
        return ""
    names = prediction.ranking[1:3] if prediction.emotion else prediction.ranking[:2]
    percents = {emotion: round(100 * prediction.scores[emotion]) for emotion in names}
    return ", ".join(f"{emotion} {share}" for emotion, share in percents.items() if share > 0)


def _print_answers(
    answers: Iterable[Answer[Prediction]], names: Iterable[str], *, format: str, recognizer: Recognizer, voices: Voices
) -> None:
    """Print each answer as soon as it is done, and to what all are adapted."""
    if format == "json":
        output.print_json(answer.to_dict() for answer in answers)
    elif format == "csv":
        output.print_csv(_csv_rows(answers, emotions=recognizer.emotions))
        if voices.adapted_text:
            output.note(voices.adapted_text)
    else:
        table = Table(names, emotions=recognizer.emotions, speakers=voices.names.values())
        _print_table(answers, table, recognizer=recognizer, adapted=voices.adapted_text)


@command("predict clip.wav --adapt-to anna/", "predict recordings/ --format csv --speaker-from parent-folder")
def predict(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE", help="Recordings, or folders of them; - is standard input.")
    ],
    model: options.Bundle = "default",
    format: Annotated[Literal["table", "json", "csv"], typer.Option(help="Format of what is printed.")] = "table",
    channel: options.Channel = "mix",
    track: options.Track = None,
    raw: options.Raw = None,
    emotions: options.Emotions = None,
    threshold: options.Threshold = None,
    adapt: options.Adapt = "auto",
    adapt_to: options.AdaptTo = None,
    same_speaker: SameSpeaker = False,
    speaker_from: SpeakerFrom = None,
    source_profile: options.SourceProfile = None,
    save_profile: options.SaveProfile = None,
    timeline: Annotated[bool, typer.Option("--timeline", hidden=True)] = False,
    quiet: options.Quiet = False,
) -> None:
    """Predict the emotion of recordings.

    The scores of a long recording are the mean over its speech; 'emotone timeline' shows how the emotion changes. Eight
    recordings or more are first adapted to what they have in common; --same-speaker and --speaker-from also adapt to
    voices. If a file can't be read, the others are still predicted, and the exit status is 1.
    """
    from emotone.recognition.recognizer import Recognizer

    if timeline:
        raise typer.BadParameter("--timeline is now a separate command: emotone timeline FILE")
    adaptation = Adaptation(adapt, adapt_to, source_profile, save_profile, same_speaker, speaker_from)
    raw_format = options.raw_format(raw, track=track)
    recognizer = Recognizer(model, emotions=options.names(emotions), threshold=threshold)
    with output.ProgressBar(quiet=quiet, delay_s=1.0) as progress:
        summary = Summary(recognizer.emotions)
        paths = recordings(files, raw=raw_format)
        reading = Reading(channel, track, raw_format, has_several=len(paths) > 1)
        voices = adaptation.voices(recognizer, paths, reading, progress)

        def predict_file(path: str, progress: Progress) -> Prediction:
            prediction = recognizer.predict(
                reading.source(path), channel=channel, track=track, profile=voices.profile(path), progress=progress
            )
            return replace(prediction, speaker=voices.names.get(path))

        answers = Answers(paths, predict_file, progress=progress)
        names = (path if isinstance(path, str) else path.file for path in paths)
        _print_answers(summary.counted(answers), names, format=format, recognizer=recognizer, voices=voices)
    if not quiet:
        output.print_on_stderr(summary.text())
    answers.finish()
