"""The model of a bundle: its graph, its card, and what adapts its answers."""

from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from emotone.audio import SAMPLE_RATE
from emotone.errors import ConfigError, FeatureError
from emotone.recognition import adaptation, card
from emotone.recognition.profile import Profile, SourceProfile
from emotone.recognition.session import checked_session, extractor_of, speaker_width

Vector = npt.NDArray[np.float32]
AnyProfile = TypeVar("AnyProfile", bound=Profile)


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

    def __init__(self, folder: Path, *, threads: int) -> None:
        self.card: dict[str, Any] = card.read(folder)
        self._session = checked_session(folder / card.GRAPH, self.card, threads=threads)
        self._width = speaker_width(self._session)
        self.adapts = self._width > 0
        self._adapter = adaptation.load(folder / card.ADAPTATION, self.card)
        self._temperature = float(self.card["calibration"].get("temperature", 1.0))
        self.checks_speech = card.SPEECH in {output.name for output in self._session.get_outputs()}
        self._extract: Any = None if self.card["extractor"]["graph"] else extractor_of(self.card, folder)

    def outputs(self, samples: Vector, profile: Profile | None = None) -> Outputs:
        """Run the model on preprocessed samples (n,), heard with this profile.

        Raises
        ------
        FeatureError
            The result is not finite.
        ConfigError
            The profile belongs to another model.
        """
        if self._extract is None:
            inputs = {"waveform": np.ascontiguousarray(samples[None], dtype=np.float32)}
        else:
            inputs = {"features": np.asarray(self._extract(samples), dtype=np.float32)[None]}
        if profile is not None:
            self.check_profile(profile)
            inputs |= profile.inputs() if self._adapter is None else {}
        names = ["scores", "embedding", *([card.SPEECH] if self.checks_speech else [])]
        (scores,), embedding, *speech = self._session.run(names, inputs)
        if self._adapter is not None and profile is not None and profile.adapted:
            (scores,) = self._adapter.scores(embedding, profile, temperature=self._temperature).astype(np.float32)
        if not (np.isfinite(scores).all() and np.isfinite(embedding).all()):
            raise FeatureError(
                f"a score or feature of the model is not finite for {len(samples) / SAMPLE_RATE:.2f} s of sound; leave "
                "this recording out and report it"
            )
        return Outputs(scores, embedding[0], float(speech[0][0, 0]) if speech else 1.0)

    def new_profile(self, kind: type[AnyProfile]) -> AnyProfile:
        """Return the profile of an unknown voice or source; `ConfigError` if the model can't adapt."""
        self.check_profile(None)
        return kind(mean=(0.0,) * self._width, n_clips=0, model=self.card["sha256"])

    def learnt(self, profile: AnyProfile, embeddings: npt.NDArray[Any]) -> AnyProfile:
        """Return the profile with more clips, given by their embeddings (n, e)."""
        self.check_profile(profile)
        if self._adapter is None:
            for embedding in embeddings:
                profile = profile.updated(embedding)
            return profile
        return self._adapter.learnt(profile, embeddings, emotions=self.card["emotions"], temperature=self._temperature)

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
        profile.check_model(self.card["sha256"], self._width)
