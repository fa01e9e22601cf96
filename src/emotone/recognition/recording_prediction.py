"""The prediction for a recording as a whole, from its source to its notes."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotone.audio import SAMPLE_RATE, AudioSource, Recording
from emotone.errors import EmotoneError, SilenceError
from emotone.preprocessing import Preprocessing
from emotone.progress import Progress
from emotone.recognition.model import Model, Outputs
from emotone.recognition.prediction import CHANNELS_NOTE, SPEECH_THRESHOLD, TIMELINE_NOTE, Prediction
from emotone.recognition.profile import Profile
from emotone.recognition.windows import WINDOWED_FROM_S, mean_answer

Vector = NDArray[np.float32]


class Parts(NamedTuple):
    """What predictions are made with.

    Attributes
    ----------
    model, preprocessing
        Of the bundle.
    emotions
        The emotions that can be predicted.
    threshold
        Below this confidence, a prediction is unsure.
    choose
        Restricts the scores to ``emotions``.
    notes
        Sentences that every answer has.
    """

    model: Model
    preprocessing: Preprocessing
    emotions: tuple[str, ...]
    threshold: float
    choose: Callable[[Outputs], Outputs]
    notes: tuple[str, ...]


def predictions_of(
    sources: Iterable[AudioSource], predict: Callable[[AudioSource], Prediction]
) -> Iterator[Prediction | EmotoneError]:
    """Yield the prediction of each recording, or its error."""
    for source in sources:
        try:
            yield predict(source)
        except EmotoneError as error:
            yield error


def prediction_of(
    parts: Parts,
    opened: AbstractContextManager[Recording],
    profile: Profile | None,
    progress: Progress | None,
    *,
    start_s: float = 0.0,
) -> tuple[Prediction, Vector]:
    """Return the prediction of a recording, and the embeddings (n, e) of its speech; see `Recognizer.predict`."""
    outputs: list[Outputs] = []

    def answer(sound: Vector) -> tuple[Vector, float]:
        outputs.append(parts.choose(parts.model.outputs(sound, profile)))
        return outputs[-1].scores, outputs[-1].speech

    if profile is not None:
        parts.model.check_profile(profile)
    n_windows, checks_speech = 0, parts.model.checks_speech
    with opened as recording:
        try:
            scores, speech, n_windows = mean_answer(recording, parts.preprocessing, answer, progress=progress)
        except SilenceError:
            if not checks_speech:
                raise
            scores, speech = np.full(len(parts.emotions), 1 / len(parts.emotions)), 0.0
    prediction = Prediction.from_scores(
        parts.emotions,
        scores,
        start_s=start_s,
        end_s=start_s + recording.n_samples / SAMPLE_RATE,
        speech=speech if checks_speech else None,
        threshold=parts.threshold,
    )
    notes = [TIMELINE_NOTE.format(WINDOWED_FROM_S)] if n_windows > 1 else []
    notes += [CHANNELS_NOTE] if n_windows and recording.has_two_people else []
    spoken = [part.embedding for part in outputs if min(part.speech, speech) >= SPEECH_THRESHOLD]
    adapted = parts.model.counts(profile)
    width = parts.model.card.get("embedding", parts.model.card["features"])
    embeddings = np.array(spoken, np.float32) if spoken else np.zeros((0, width), np.float32)
    return replace(prediction, notes=(*parts.notes, *notes), adapted=adapted), embeddings
