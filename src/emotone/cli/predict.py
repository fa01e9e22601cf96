"""The command ``predict``: a table, JSON or CSV of the emotions of recordings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from emotone.cli import console as output
from emotone.cli import options
from emotone.cli.app import command
from emotone.cli.recordings import Answer, predict_all, profile_of, recordings
from emotone.recognition.prediction import NO_SPEECH, UNSURE, Prediction

if TYPE_CHECKING:
    from emotone.recognition.profile import SpeakerProfile

_GAP = 2  # between columns
#: Columns of CSV between the file and the scores: keys of `Prediction.to_dict`.
_COLUMNS = ("start_s", "end_s", "emotion", "confidence", "label", "speech")
_SHORTEST_NAME = 12
_THEN = "then (%)"


def _print_csv(answers: Sequence[Answer[Prediction]], *, emotions: Sequence[str]) -> None:
    """Print a row for each file: the prediction, a column of scores for each emotion, and the error."""
    writer = output.csv_writer()
    writer.writerow(["file", *_COLUMNS, *emotions, "error"])
    for answer in answers:
        row = answer.to_dict()
        scores = row.get("scores", {})
        cells = [*(row.get(key) for key in _COLUMNS), *(scores.get(emotion) for emotion in emotions)]
        writer.writerow([answer.file, *cells, answer.error])


def print_table(
    answers: Sequence[Answer[Prediction]], *, threshold: float, profile: SpeakerProfile | None = None
) -> None:
    """Print the predictions as a table, and the errors on stderr."""
    predicted = [(output.one_line(answer.file), answer.result) for answer in answers if answer.result]
    if predicted:
        _print_predictions(predicted, threshold=threshold)
        if profile is not None:
            clips = "1 clip" if profile.n_clips == 1 else f"{profile.n_clips} clips"
            output.console().print(f"adapted to {clips} of the speaker", style="dim")
    for answer in answers:
        if answer.result is None:
            output.error(answer.error)


def _print_predictions(predicted: Sequence[tuple[str, Prediction]], *, threshold: float) -> None:
    from rich.text import Text

    rows = [(name, item.label, output.confidence_bar(item), _runners_up(item)) for name, item in predicted]
    names, labels, bars, runners_up = zip(*rows, strict=True)
    fixed = max(len("emotion"), *map(len, labels)) + max(map(len, bars)) + 2 * _GAP
    then_width = max(len(_THEN), *map(len, runners_up)) + _GAP
    console = output.console(width=max(len("file"), *map(len, names)) + fixed + then_width)
    has_then = console.width >= fixed + then_width + _SHORTEST_NAME
    room = max(_SHORTEST_NAME, console.width - fixed - (then_width if has_then else 0))
    table = output.plain_table("file", "emotion", "confidence", *([_THEN] if has_then else []))
    for name, label, bar, then in rows:
        table.add_row(
            Text(name if len(name) <= room else f"…{name[1 - room :]}"),  # not markup: [bold] is part of the name
            output.coloured(label),
            output.coloured(label, bar),
            *([then] if has_then else []),
        )
    console.print(table)
    if NO_SPEECH in labels:
        console.print("no speech: silence, noise or music, according to the model", style="dim")
    if UNSURE in labels:
        console.print(output.unsure_text(threshold), style="dim")


def _runners_up(prediction: Prediction) -> str:
    """Name the next two emotions, if they have a percent to show; of an unsure prediction, the first two."""
    if not prediction.is_speech:
        return ""
    names = prediction.ranking[1:3] if prediction.emotion else prediction.ranking[:2]
    percents = {emotion: round(100 * prediction.scores[emotion]) for emotion in names}
    return ", ".join(f"{emotion} {share}" for emotion, share in percents.items() if share > 0)


@command("predict clip.wav", "predict recordings/ --format csv --adapt-to anna/")
def predict(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Recordings, or folders of them.")],
    model: options.Bundle = "default",
    format: Annotated[Literal["table", "json", "csv"], typer.Option(help="Output format.")] = "table",
    adapt_to: options.AdaptTo = None,
    save_profile: options.SaveProfile = None,
    timeline: Annotated[bool, typer.Option("--timeline", hidden=True)] = False,
    quiet: options.Quiet = False,
) -> None:
    """Predict the emotion of recordings.

    Each recording is one utterance; for long ones see 'emotone timeline'. If a file can't be read, the others are still
    predicted, and the exit status is 1.
    """
    from emotone.recognition.recognizer import Recognizer

    if timeline:
        raise typer.BadParameter("--timeline is now a separate command: emotone timeline FILE")
    recognizer = Recognizer(model)
    with output.ProgressBar(quiet=quiet, delay_s=1.0) as progress:
        profile = profile_of(recognizer, adapt_to, save_to=save_profile, progress=progress)
        answers = predict_all(
            recordings(files), lambda path: recognizer.predict(path, profile=profile), progress=progress
        )
    if format == "json":
        print(json.dumps([answer.to_dict() for answer in answers], indent=2))  # ASCII: any terminal shows any file name
    elif format == "csv":
        _print_csv(answers, emotions=recognizer.emotions)
    else:
        print_table(answers, threshold=recognizer.threshold, profile=profile)
    if any(answer.result is None for answer in answers):
        raise typer.Exit(1)
