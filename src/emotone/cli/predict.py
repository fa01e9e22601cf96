"""The work of ``emotone predict``: recordings found, answers as table, JSON or CSV."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from emotone.cli import console as output
from emotone.cli import options
from emotone.cli.app import Command, app, examples
from emotone.cli.recordings import Answer, profile_of, recordings
from emotone.errors import EmotoneError
from emotone.progress import Progress
from emotone.recognition.prediction import NO_SPEECH, UNSURE, Prediction

if TYPE_CHECKING:
    from emotone.recognition.profile import SpeakerProfile
    from emotone.recognition.recognizer import Recognizer

_GAP = 2  # between columns
#: Columns of CSV between the file and the scores: keys of `Prediction.to_dict`.
_COLUMNS = ("start_s", "end_s", "emotion", "confidence", "label", "speech")
_SHORTEST_NAME = 12
_THEN = "then (%)"


def answers(
    recognizer: Recognizer,
    paths: Sequence[str],
    *,
    profile: SpeakerProfile | None = None,
    progress: Progress | None = None,
) -> list[Answer]:
    """Predict every recording; a folder stands for those in it and in its subfolders."""
    found = [one for path in paths for one in recordings(path)]
    told = []
    for number, one in enumerate(found):
        told.append(one if isinstance(one, Answer) else _answer(recognizer, one, profile))
        if progress is not None:
            progress(number + 1, len(found), "predicting")
    return told


def _answer(recognizer: Recognizer, path: str, profile: SpeakerProfile | None) -> Answer:
    try:
        return Answer(path, recognizer.predict(path, profile=profile))
    except EmotoneError as error:
        return Answer(path, error=str(error))


def print_json(told: Sequence[Answer]) -> None:
    """Print the list that DESIGN calls an interface; ASCII, so any file name passes any terminal."""
    print(json.dumps([answer.to_dict() for answer in told], indent=2))


def print_csv(told: Sequence[Answer], *, emotions: Sequence[str]) -> None:
    """Print one row a file: the answer, a column of scores for each emotion, and the error where there is one."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="surrogateescape", newline="")  # file names that are no text come out as they are
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["file", *_COLUMNS, *emotions, "error"])
    for answer in told:
        row = answer.to_dict()
        scores = row.get("scores", {})
        writer.writerow(
            [answer.file, *(row.get(key) for key in _COLUMNS)]
            + [scores.get(emotion) for emotion in emotions]
            + [answer.error]
        )


def print_table(told: Sequence[Answer], *, threshold: float, profile: SpeakerProfile | None = None) -> None:
    """Print the answers as a table, and what could not be answered on stderr."""
    predicted = [(output.one_line(answer.file), answer.prediction) for answer in told if answer.prediction]
    if predicted:
        _print_predictions(predicted, threshold=threshold)
        if profile is not None:
            clips = "1 clip" if profile.n_clips == 1 else f"{profile.n_clips} clips"
            output.console().print(f"adapted to {clips} of the speaker", style="dim")
    for answer in told:
        if answer.prediction is None:
            output.error(answer.error)


def _print_predictions(predicted: Sequence[tuple[str, Prediction]], *, threshold: float) -> None:
    from rich.text import Text

    rows = [(name, one, _confidence(one), _runners_up(one)) for name, one in predicted]
    emotion_width = max(len("emotion"), *(len(one.label) for _, one, _, _ in rows))
    fixed = emotion_width + max(len(confidence) for _, _, confidence, _ in rows) + 2 * _GAP
    then_width = max(len(_THEN), *(len(then) for _, _, _, then in rows)) + _GAP
    longest = max(len("file"), *(len(name) for name, *_ in rows))
    console = output.console(width=longest + fixed + then_width)
    roomy = console.width >= fixed + then_width + _SHORTEST_NAME
    room = max(_SHORTEST_NAME, console.width - fixed - (then_width if roomy else 0))
    table = output.plain_table("file", "emotion", "confidence", *([_THEN] if roomy else []))
    for name, one, confidence, then in rows:
        shown = name if len(name) <= room else f"…{name[1 - room :]}"
        table.add_row(
            Text(shown),  # not markup: [bold] is part of the name
            output.coloured(one.label),
            output.coloured(one.label, confidence),
            *([then] if roomy else []),
        )
    console.print(table)
    labels = {prediction.label for _, prediction in predicted}
    if NO_SPEECH in labels:
        console.print("no speech: silence, noise or music, as far as the model can tell", style="dim")
    if UNSURE in labels:
        console.print(f"unsure: no emotion reaches this model's threshold of {100 * threshold:.0f} %", style="dim")


def _confidence(prediction: Prediction) -> str:
    if not prediction.is_speech:
        return ""
    return f"{output.bar(prediction.confidence)} {100 * prediction.confidence:3.0f} %"


def _runners_up(prediction: Prediction) -> str:
    """Name the emotions that come next, if they have a percent to show; of an unsure answer, those that come first."""
    if not prediction.is_speech:
        return ""
    names = prediction.ranking[1:3] if prediction.emotion else prediction.ranking[:2]
    told = [(emotion, round(100 * prediction.scores[emotion])) for emotion in names]
    return ", ".join(f"{emotion} {share}" for emotion, share in told if share > 0)


@app.command(cls=Command, epilog=examples("predict clip.wav", "predict recordings/ --format csv --adapt-to anna/"))
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
        raise typer.BadParameter("--timeline is a command of its own now: emotone timeline FILE")
    recognizer = Recognizer(model)
    with output.ProgressBar(quiet=quiet, delay_s=1.0) as progress:
        profile = profile_of(recognizer, adapt_to, save_to=save_profile, progress=progress)
        predictions = answers(recognizer, files, profile=profile, progress=progress)
    if format == "json":
        print_json(predictions)
    elif format == "csv":
        print_csv(predictions, emotions=recognizer.emotions)
    else:
        print_table(predictions, threshold=recognizer.threshold, profile=profile)
    if any(answer.prediction is None for answer in predictions):
        raise typer.Exit(1)
