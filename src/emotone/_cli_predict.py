"""The work of ``emotone predict``: recordings found, answers as table, JSON or CSV."""

import csv
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from emotone import _cli_output as output
from emotone.errors import AudioError, EmotoneError
from emotone.prediction import NO_SPEECH, UNSURE, Prediction
from emotone.profile import SpeakerProfile
from emotone.progress import Progress
from emotone.recognizer import Recognizer

#: Suffixes of files that are taken from a folder; a file that is named itself may have any.
SUFFIXES = frozenset(
    (
        *(".wav", ".flac", ".aiff", ".aif", ".aifc", ".au", ".caf", ".w64", ".ogg", ".oga", ".opus", ".mp3", ".m4a"),
        *(".aac", ".webm", ".wma", ".mp4", ".mkv", ".mov", ".3gp", ".amr", ".avi"),
    )
)
_GAP = 2  # between columns
_SHORTEST_NAME = 12
_THEN = "then (%)"


@dataclass(frozen=True)
class Answer:
    """What came of one file: a prediction, or why there is none."""

    file: str
    prediction: Prediction | None = None
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As ``--format json`` prints it."""
        if self.prediction is None:
            return {"file": self.file, "error": self.error}
        return {
            "file": self.file,
            "start_s": round(self.prediction.start_s, 3),
            "end_s": round(self.prediction.end_s, 3),
            "emotion": self.prediction.emotion,
            "confidence": round(self.prediction.confidence, 6),
            "scores": {emotion: round(score, 6) for emotion, score in self.prediction.scores.items()},
            **({} if self.prediction.speech is None else {"speech": round(self.prediction.speech, 6)}),
        }


def speaker_profile(recognizer: Recognizer, named: str, *, progress: Progress | None = None) -> SpeakerProfile:
    """Load a profile that was saved, or adapt to a recording or a folder of them; tell which were left out."""
    if named.lower().endswith(".json") and not os.path.isdir(named):
        profile = SpeakerProfile.load(named)
        recognizer.check_profile(profile)
        return profile
    found = list(recordings(named))
    clips = [one for one in found if not isinstance(one, Answer)]
    failed = [one.error for one in found if isinstance(one, Answer)]
    if failed and not clips:
        raise AudioError(failed[0])
    profile = recognizer.adapt(clips, progress=progress)
    failed += profile.skipped
    if failed:
        output.note(f"adapted without {len(failed)} of {len(found)} clips; the first: {failed[0]}")
    return profile


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


def recordings(path: str) -> Iterator[str | Answer]:
    """List a file itself, a folder's recordings in the order of their names, or why there are none."""
    if not os.path.isdir(path):
        yield path
        return
    any_found = False

    def unreadable(error: OSError) -> None:
        failed.append(Answer(str(error.filename), error=f"{error.filename}: {error.strerror}; check its permissions"))

    failed: list[Answer] = []
    for folder, subfolders, names in os.walk(path, onerror=unreadable):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            if os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith("."):
                any_found = True
                yield os.path.join(folder, name)
    yield from failed
    if not any_found and not failed:
        error = AudioError(f"{path}: no recording in this folder; expected files such as .wav, .flac, .mp3 or .m4a")
        yield Answer(path, error=str(error))


def print_json(told: Sequence[Answer]) -> None:
    """Print the list that DESIGN calls an interface; ASCII, so any file name passes any terminal."""
    print(json.dumps([answer.to_dict() for answer in told], indent=2))


def print_csv(told: Sequence[Answer], *, emotions: Sequence[str]) -> None:
    """Print one row a file: the answer, a column of scores for each emotion, and the error where there is one."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="surrogateescape", newline="")  # file names that are no text come out as they are
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["file", "start_s", "end_s", "emotion", "confidence", *emotions, "error"])
    for answer in told:
        row = answer.to_dict()
        scores = row.get("scores", {})
        writer.writerow(
            [answer.file, *(row.get(key) for key in ("start_s", "end_s", "emotion", "confidence"))]
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
