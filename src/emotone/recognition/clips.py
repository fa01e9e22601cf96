"""The clips that a model adapts to."""

from collections.abc import Iterable

import numpy as np

from emotone import audio
from emotone.audio import AudioSource
from emotone.errors import AudioError, FeatureError
from emotone.preprocessing import Preprocessing
from emotone.progress import Progress
from emotone.recognition.arguments import check_several
from emotone.recognition.model import Model, Vector
from emotone.recognition.prediction import SPEECH_THRESHOLD
from emotone.recognition.windows import utterances


def embeddings_of_clips(
    clips: Iterable[AudioSource],
    model: Model,
    *,
    preprocessing: Preprocessing,
    what: str,
    progress: Progress | None = None,
) -> tuple[Vector, tuple[str, ...]]:
    """Return the embeddings (n, e) of the utterances in clips, and the reasons why clips were skipped.

    Raises
    ------
    AudioError
        There are no clips, or all were skipped.
    ConfigError
        ``clips`` is a single recording.
    """
    check_several(clips, name="clips")
    sources, embeddings, skipped = list(clips), list[Vector](), list[str]()
    for number, source in enumerate(sources):
        try:
            embeddings += _embeddings(source, model, preprocessing)
        except (AudioError, FeatureError) as error:
            skipped.append(str(error))
        if progress is not None:
            progress(number + 1, len(sources), what)
    if not embeddings:
        reason = f"the first: {skipped[0]}" if skipped else "give a few recordings"
        raise AudioError(f"can't adapt to any of {len(sources)} clips; {reason}")
    return np.array(embeddings), tuple(skipped)


def _embeddings(source: AudioSource, model: Model, preprocessing: Preprocessing) -> list[Vector]:
    """Return the embedding (e,) of a recording, or of each utterance of a long recording, that is speech."""
    with audio.open_recording(source) as recording:
        outputs = [model.outputs(sound) for sound, _ in utterances(recording, preprocessing)]
    spoken = [output.embedding for output in outputs if output.speech >= SPEECH_THRESHOLD]
    if not spoken:
        raise AudioError(f"{recording.name}: no speech was found, and a model adapts to speech only")
    return spoken
