"""The model of a bundle: its graph, its card, and what adapts its answers."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from emotone.audio import SAMPLE_RATE, AudioSource, open_recording
from emotone.audio.speech_detector import Gate
from emotone.errors import AudioError, BundleError, ConfigError, EmotoneError, FeatureError, ResultError
from emotone.preprocessing import Preprocessing
from emotone.progress import Progress
from emotone.recognition import adaptation, card
from emotone.recognition.arguments import check_several
from emotone.recognition.graph_process import Limits
from emotone.recognition.prediction import NOT_ADAPTED, SPEECH_THRESHOLD
from emotone.recognition.profile import MAX_CLIPS, Profile, SourceProfile
from emotone.recognition.runtime import LocalGraph
from emotone.recognition.session import checked_graph, extractor_of, speaker_width
from emotone.recognition.temperature import Temperature
from emotone.recognition.windows import utterances

Vector = npt.NDArray[np.float32]
AnyProfile = TypeVar("AnyProfile", bound=Profile)
#: Samples from which the memory of a run is given back: utterances are shorter, and share a pool.
_LONG = 10 * SAMPLE_RATE


class Outputs(NamedTuple):
    """What a model says of a clip: scores (k,), embedding (e,), and the probability of speech, 1 if not checked."""

    scores: Vector
    embedding: Vector
    speech: float


class Model:
    """Run the model of a bundle.  Threads may share it.

    Parameters
    ----------
    folder
        The bundle.
    threads
        Threads of a run.
    limits
        What its graph may use; not of the built-in bundle.

    Attributes
    ----------
    card
        The content of ``card.json``.
    adapts, checks_speech
        Whether the model adapts to sources and voices, and whether it predicts the probability of speech.

    Raises
    ------
    BundleError
        A file is missing or damaged, or the files do not fit each other.
    MissingExtraError
        The bundle's features need a package that is not installed.
    """

    def __init__(self, folder: Path, *, threads: int, limits: Limits | None = None) -> None:
        self.card: dict[str, Any] = card.read(folder)
        self._graph = checked_graph(folder / card.GRAPH, self.card, threads=threads, limits=limits)
        self._width = speaker_width(self._graph.interface)
        self.adapts = self._width > 0
        self._adapter = adaptation.load(folder / card.ADAPTATION, self.card, width=self._width)
        self._temperature = Temperature.from_card(self.card["calibration"])
        self.checks_speech = card.SPEECH in self._graph.interface.outputs
        self._extract: Any = None if self.card["extractor"]["graph"] else extractor_of(self.card, folder)

    def outputs(self, samples: Vector, profile: Profile | None = None) -> Outputs:
        """Run the model on preprocessed samples (n,), and adapt the scores to this profile.

        Raises
        ------
        FeatureError
            The features are not finite, or the result of the built-in model is not.
        BundleError
            The graph fails, or its result is not what a model gives.
        ConfigError
            The profile belongs to another model.
        """
        if self._extract is None:
            inputs = {"waveform": np.ascontiguousarray(samples[None], dtype=np.float32)}
        else:
            inputs = {"features": np.asarray(self._extract(samples), dtype=np.float32)[None]}
            self._check_finite(inputs["features"], samples, error=FeatureError)
        if profile is not None:
            self.check_profile(profile)
            inputs |= profile.inputs() if self._adapter is None else {}
        names = ["scores", "embedding", *([card.SPEECH] if self.checks_speech else [])]
        (scores,), embedding, *speech = self._graph.run(names, inputs, is_long=len(samples) > _LONG)
        if self._adapter is not None and profile is not None and any(profile.adapted.values()):
            (scores,) = self._adapter.scores(embedding, profile, temperature=self._temperature).astype(np.float32)
        is_own = isinstance(self._graph, LocalGraph)
        self._check_finite(np.append(scores, embedding), samples, error=FeatureError if is_own else ResultError)
        return Outputs(scores, embedding[0], float(speech[0][0, 0]) if speech else 1.0)

    def _check_finite(self, values: Vector, samples: Vector, *, error: type[EmotoneError]) -> None:
        if not np.isfinite(values).all():
            raise error(
                f"a score or feature of the model is not finite for {len(samples) / SAMPLE_RATE:.2f} s of sound; leave "
                "this recording out and report it"
            )

    def close(self) -> None:
        """End the process of the graph, if it has one; the next run starts another."""
        self._graph.close()

    def new_profile(self, kind: type[AnyProfile]) -> AnyProfile:
        """Return the profile of an unknown voice or source; `ConfigError` if the model can't adapt."""
        self.check_profile(None)
        return kind(mean=(0.0,) * self._width, n_clips=0, model=self.card["sha256"])

    def extended(self, profile: AnyProfile, embeddings: npt.NDArray[Any]) -> AnyProfile:
        """Return the profile with more clips, given by their embeddings (n, e)."""
        self.check_profile(profile)
        if profile.n_clips + len(embeddings) > MAX_CLIPS:
            return profile  # a mean of so many clips does not move any more
        if self._adapter is None:
            for embedding in embeddings:
                profile = profile.updated(embedding)
            return profile
        emotions = self.card["emotions"]
        try:
            return self._adapter.extended(profile, embeddings, emotions=emotions, temperature=self._temperature)
        except ConfigError as error:  # the values of a profile are checked
            raise BundleError(f"the model can't adapt to these clips ({error}); get the bundle again") from error

    @property
    def gate(self) -> Gate | None:
        """The probability of speech, as a function of samples; None if the model does not check."""
        return (lambda samples: self.outputs(samples).speech) if self.checks_speech else None

    @property
    def corrects(self) -> bool:
        """Whether the model estimates the composition of clips, as bundles of this version do."""
        return self._adapter is not None

    def rescored(self, outputs: Sequence[Outputs], profile: Profile | None) -> list[Outputs]:
        """Return outputs with scores that are adapted to this profile; without an adapter, they stay as they are."""
        if self._adapter is None or not outputs:
            return list(outputs)
        rows = np.array([each.embedding for each in outputs])
        scores = self._adapter.scores(rows, profile, temperature=self._temperature).astype(np.float32)
        return [each._replace(scores=row) for each, row in zip(outputs, scores, strict=True)]

    def counts(self, profile: Profile | None) -> dict[str, int]:
        """Return "source" and "speaker" -> the number of clips that answers with this profile are adapted to."""
        if profile is None:
            return NOT_ADAPTED
        if self._adapter is None:  # the graph knows of one mean only
            return NOT_ADAPTED | {profile.kind: profile.n_clips}
        return profile.adapted

    def check_profile(self, profile: Profile | None, kind: type[Profile] = Profile) -> None:
        """Raise `ConfigError` if the model can't adapt, or if a profile is of another kind or of another model."""
        if not self.adapts:
            raise ConfigError(
                f"this model ({self.card['model']}) can't adapt to a speaker; train a model that can: "
                "'emotone train ... --model adaptive'"
            )
        if profile is None:
            return
        if not isinstance(profile, kind):
            names = "SourceProfile" if kind is SourceProfile else "SpeakerProfile"
            names += " or a SourceProfile" if kind is Profile else ""
            raise ConfigError(
                f"profile is {profile!r:.80}, expected a {names}; read a file with {names.split()[0]}.load(path)"
            )
        profile.check_model(self.card["sha256"], self._width, emotions=self.card["emotions"])


def profile_of_clips(
    model: Model,
    before: AnyProfile,
    clips: Iterable[AudioSource],
    preprocessing: Preprocessing,
    *,
    progress: Progress | None,
) -> AnyProfile:
    """Return a profile with what is spoken in more clips; see `Recognizer.adapt` for errors."""
    check_several(clips, name="clips")
    sources, skipped = list(clips), []
    embeddings: list[Vector] = []
    for number, source in enumerate(sources):
        try:
            embeddings += _spoken(model, source, preprocessing)
        except (AudioError, FeatureError, ResultError) as error:
            skipped.append(str(error))
        if progress is not None:
            progress(number + 1, len(sources), f"adapting to the {before.kind}")
    if not embeddings:
        reason = f"the first: {skipped[0]}" if skipped else "give a few recordings"
        raise AudioError(f"can't adapt to any of {len(sources)} clips; {reason}")
    return replace(model.extended(before, np.array(embeddings)), skipped=tuple(skipped))


def _spoken(model: Model, source: AudioSource, preprocessing: Preprocessing) -> list[Vector]:
    """Return the embedding (e,) of each utterance of a recording that is speech."""
    with open_recording(source) as recording:
        outputs = [model.outputs(sound) for sound, _ in utterances(recording, preprocessing)]
    spoken = [each.embedding for each in outputs if each.speech >= SPEECH_THRESHOLD]
    if not spoken:
        raise AudioError(f"{recording.name}: no speech was found, and a model adapts to speech only")
    return spoken
