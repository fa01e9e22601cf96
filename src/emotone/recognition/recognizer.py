"""A bundle in, predictions out: needs numpy and onnxruntime, and no training library.

What a bundle holds is data, an ONNX graph and JSON: nothing in it is ever executed as Python.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone import audio
from emotone.audio import SAMPLE_RATE, AudioSource
from emotone.errors import AudioError, ConfigError, EmotoneError, FeatureError, SilenceError
from emotone.preprocessing import Preprocessing
from emotone.progress import Progress
from emotone.recognition import card
from emotone.recognition.prediction import SPEECH_THRESHOLD, Prediction
from emotone.recognition.profile import SpeakerProfile
from emotone.recognition.session import DEFAULT, bundle_folder, checked_session, extractor_of, speaker_width
from emotone.recognition.stream import Stream, StreamSettings
from emotone.recognition.timeline import Timeline, TimelineSettings, timeline
from emotone.recognition.windows import blocks, windows

UTTERANCE_S = 30.0  # a longer recording is predicted in windows

Vector = npt.NDArray[np.float32]
Segment = tuple[float, float | None]


class Recognizer:
    """Recognises emotions with the model of a bundle.

    Parameters
    ----------
    bundle
        A folder that `emotone train` or `emotone.export.bundle.write_bundle` wrote, or "default", the built-in one.
    threshold
        The confidence under which the answer is "unsure", in [0, 1]; the bundle's calibrated one if not given.
    threads
        Threads of one prediction.  One is the fastest for clips of a few seconds: the graph has hundreds of small
        steps, and handing each to a second thread costs more than it saves (9 ms for a clip of three seconds, and 18 ms
        with two threads).  To use more cores, let several threads share the recognizer.

    Raises
    ------
    BundleError
        A file is missing or damaged, the graph is not the one that the card names, or the bundle is of a newer format.
    MissingExtraError
        The bundle's features need a package that is not installed.

    Notes
    -----
    A recognizer may be shared by threads: it keeps no state between predictions.
    """

    def __init__(self, bundle: str | Path = DEFAULT, *, threshold: float | None = None, threads: int = 1) -> None:
        folder = bundle_folder(bundle)
        self.card: dict[str, Any] = card.read(folder)
        self.folder = folder
        self.emotions: tuple[str, ...] = tuple(self.card["emotions"])
        self.threshold = float(self.card["calibration"]["threshold"] if threshold is None else threshold)
        if not 0 <= self.threshold <= 1:
            raise ConfigError(f"threshold is {threshold}, expected a confidence from 0 to 1")
        self.preprocessing = Preprocessing.from_card(self.card["preprocessing"])
        self._session = checked_session(folder / card.GRAPH, self.card, threads=threads)
        self._speaker_width = speaker_width(self._session)
        self._checks_speech = card.SPEECH in {one.name for one in self._session.get_outputs()}
        self._extract: Any = None if self.card["extractor"]["graph"] else extractor_of(self.card, folder)

    def __repr__(self) -> str:
        return f"Recognizer({str(self.folder)!r}, model={self.card['model']!r}, emotions={self.emotions})"

    @property
    def adapts(self) -> bool:
        """Whether the model can be told how a speaker usually sounds."""
        return self._speaker_width > 0

    @property
    def checks_speech(self) -> bool:
        """Whether the model can tell that there is no speech."""
        return self._checks_speech

    def new_profile(self) -> SpeakerProfile:
        """Make the profile of a speaker who was not heard yet; `ConfigError` if the model can't adapt.

        Where speech comes in bit by bit, begin with it, and after each `run` take the `SpeakerProfile.updated` one.
        """
        self._check_adapts()
        return SpeakerProfile(mean=(0.0,) * self._speaker_width, n_clips=0, model=self.card["sha256"])

    def adapt(
        self,
        clips: Iterable[AudioSource],
        *,
        profile: SpeakerProfile | None = None,
        progress: Progress | None = None,
    ) -> SpeakerProfile:
        """Learn how a speaker usually sounds from a few clips, which need no labels.

        They may be of any emotions.  Of a recording over 30 seconds, each window of ten
        seconds counts as a clip.

        Parameters
        ----------
        clips
            Recordings of one person, each as in `predict`.  One that can't be read is left out as a whole, and told in
            the result's ``skipped``, as long as another one can.
        profile
            What is known of the speaker already; this is then added to it.
        progress
            Told after each clip.

        Returns
        -------
        SpeakerProfile
            For `predict`, `predict_many` and `run`; ``profile`` itself is not changed.

        Raises
        ------
        AudioError
            There are no clips, or none that can be read.
        ConfigError
            The model can't adapt, or ``profile`` is of another model.
        """
        if isinstance(clips, str | bytes | os.PathLike):
            raise ConfigError(f"clips is one {type(clips).__name__}, expected several recordings; give a list")
        before = self.new_profile() if profile is None else profile
        self.check_profile(before)
        sources, skipped, adapted = list(clips), [], before
        for number, source in enumerate(sources):
            try:
                embeddings = list(self._embeddings(source))
            except (AudioError, FeatureError) as error:
                skipped.append(str(error))
            else:
                for embedding in embeddings:
                    adapted = adapted.updated(embedding)
            if progress is not None:
                progress(number + 1, len(sources), "adapting to the speaker")
        if adapted is before:
            why = f"the first: {skipped[0]}" if skipped else "give a few recordings of the speaker"
            raise AudioError(f"none of {len(sources)} clips can be adapted to; {why}")
        return replace(adapted, skipped=tuple(skipped))

    def check_profile(self, profile: SpeakerProfile) -> None:
        """Check that a profile is of this model.

        Raises
        ------
        ConfigError
            The model can't adapt, or the profile was made with another one.
        """
        self._check_adapts()
        if (profile.model, len(profile.mean)) != (self.card["sha256"], self._speaker_width):
            raise ConfigError(
                f"the profile is of the model {profile.model[:12]} and has {len(profile.mean)} values, and this model "
                f"is {self.card['sha256'][:12]} and takes {self._speaker_width}; adapt to the speaker's clips again"
            )

    def predict(
        self,
        source: AudioSource,
        *,
        start_s: float = 0.0,
        end_s: float | None = None,
        profile: SpeakerProfile | None = None,
        progress: Progress | None = None,
    ) -> Prediction:
        """Tell the emotion of a recording, or of a segment of it.

        Up to 30 seconds are taken as one utterance.  Of what is longer, the answer is the mean of the scores of windows
        of ten seconds, weighted by how much sound each holds: what prevails in all of it, not what happens in it.

        Parameters
        ----------
        source
            Path, bytes, open binary file, or ``(samples, rate)``; see `emotone.audio.read`.
        start_s, end_s
            The segment, in seconds; None is the end.
        profile
            How the speaker usually sounds, see `adapt`.
        progress
            Told of the seconds of a long recording that are done.

        Raises
        ------
        AudioError
            The source can't be read, is too short, or is silent and the model does not check for speech.
        ConfigError
            The profile is of another model.
        """
        if profile is not None:
            self.check_profile(profile)
        try:
            probabilities, speech, duration_s = self._answer(source, (start_s, end_s), profile, progress)
        except SilenceError:
            if not self.checks_speech:
                raise
            probabilities, speech = np.full(len(self.emotions), 1 / len(self.emotions)), 0.0
            duration_s = (audio.info(source).duration_s if end_s is None else end_s) - start_s
        scores = dict(zip(self.emotions, probabilities.tolist(), strict=True))
        best = max(scores, key=lambda emotion: scores[emotion])
        is_known = speech >= SPEECH_THRESHOLD and scores[best] >= self.threshold
        return Prediction(
            emotion=best if is_known else None,
            confidence=scores[best],
            scores=scores,
            start_s=float(start_s),
            end_s=float(start_s) + duration_s,
            speech=speech if self.checks_speech else None,
        )

    def _answer(
        self, source: AudioSource, segment: Segment, profile: SpeakerProfile | None, progress: Progress | None
    ) -> tuple[Vector, float, float]:
        """Scores (k,), probability of speech, and seconds of a recording or segment."""
        start_s, end_s = segment
        if start_s == 0 and end_s is None and audio.info(source).duration_s > UTTERANCE_S:
            return self._predict_long(source, profile, progress)
        samples = audio.read(source, start_s=start_s, end_s=end_s)
        if len(samples) > UTTERANCE_S * SAMPLE_RATE:
            return self._predict_long((samples, SAMPLE_RATE), profile, progress)
        scores, _, speech = self._outputs(self.preprocessing.apply(samples), profile)
        return scores, speech, len(samples) / SAMPLE_RATE

    def predict_many(
        self, sources: Iterable[AudioSource], *, profile: SpeakerProfile | None = None
    ) -> Iterator[Prediction | EmotoneError]:
        """Tell the emotion of each recording, in order, one at a time; all of one speaker, where a profile is given.

        Yields
        ------
        The prediction, or the error of a recording that has none: one bad file does not end the others.

        Raises
        ------
        ConfigError
            The profile is of another model.
        """
        if isinstance(sources, str | bytes | os.PathLike):
            raise ConfigError(f"sources is one {type(sources).__name__}, expected several recordings; give a list")
        if profile is not None:
            self.check_profile(profile)
        for source in sources:
            try:
                yield self.predict(source, profile=profile)
            except EmotoneError as error:
                yield error

    def timeline(
        self,
        source: AudioSource,
        *,
        profile: SpeakerProfile | None = None,
        settings: TimelineSettings | None = None,
        progress: Progress | None = None,
    ) -> Timeline:
        """Tell when somebody speaks in a recording of any length, and the emotion from moment to moment.

        Parameters
        ----------
        source, profile
            As in `predict`, and so are the errors, but for silence, which is no error.
        settings
            How the recording is cut.
        progress
            Told of the seconds that were heard.
        """
        if profile is not None:
            self.check_profile(profile)

        def answer(sound: Vector) -> tuple[Vector, float] | None:
            if np.abs(sound).max() < audio.SILENT_PEAK:
                return None
            scores, _, speech = self._outputs(self.preprocessing.apply(sound), profile)
            return scores, speech

        return timeline(
            blocks(source, progress),
            answer,
            emotions=self.emotions,
            threshold=self.threshold,
            checks_speech=self.checks_speech,
            settings=settings,
        )

    def stream(
        self,
        *,
        rate: int,
        channels: int = 1,
        profile: SpeakerProfile | None = None,
        adapt: bool = False,
        settings: StreamSettings | None = None,
    ) -> Stream:
        """Return a stream: push chunks of live sound, get events.

        Parameters
        ----------
        rate, channels, profile, adapt, settings
            See `emotone.recognition.stream.Stream`; the rate in Hz.

        Raises
        ------
        AudioError
            The rate or the number of channels is out of range.
        ConfigError
            The model can't adapt, or ``profile`` is of another model.
        """
        return Stream(self, rate=rate, channels=channels, profile=profile, adapt=adapt, settings=settings)

    def embedding(self, source: AudioSource) -> Vector:
        """Describe a recording by the model's features, (d,) float32.

        Raises
        ------
        AudioError
            As in `predict`.
        """
        return self.run(self.preprocessing.apply(audio.read(source)))[1]

    def run(self, samples: Vector, *, profile: SpeakerProfile | None = None) -> tuple[Vector, Vector]:
        """Run the model on samples as they are.

        Parameters
        ----------
        samples
            (n,) float32 at 16 kHz, trimmed, n >= 3200.
        profile
            How the speaker usually sounds, see `adapt`; it changes the scores and not the embedding.

        Returns
        -------
        scores (k,) and embedding (d,), float32.

        Raises
        ------
        FeatureError
            The result is not finite.
        ConfigError
            The profile is of another model.
        """
        return self._outputs(samples, profile)[:2]

    def _outputs(self, samples: Vector, profile: SpeakerProfile | None) -> tuple[Vector, Vector, float]:
        """Scores (k,), embedding (d,) and probability of speech of samples as they are; see `run`."""
        if self._extract is None:
            given = {"waveform": np.ascontiguousarray(samples[None], dtype=np.float32)}
        else:
            given = {"features": np.asarray(self._extract(samples), dtype=np.float32)[None]}
        if profile is not None:
            self.check_profile(profile)
            given |= profile.inputs()
        names = ["scores", "embedding", *([card.SPEECH] if self.checks_speech else [])]
        scores, embedding, *speech = self._session.run(names, given)
        if not (np.isfinite(scores).all() and np.isfinite(embedding).all()):
            raise FeatureError(
                f"the model gave a score or feature that is no finite number for {len(samples) / SAMPLE_RATE:.2f} s of "
                "sound; leave this recording out and report it"
            )
        return scores[0], embedding[0], float(speech[0][0, 0]) if speech else 1.0

    def _check_adapts(self) -> None:
        if not self.adapts:
            raise ConfigError(
                f"this model ({self.card['model']}) can't adapt to a speaker; train one that can: "
                "'emotone train ... --model adaptive'"
            )

    def _predict_long(
        self, source: AudioSource, profile: SpeakerProfile | None, progress: Progress | None
    ) -> tuple[Vector, float, float]:
        """Mean scores (k,) over the windows of a long recording, that of the probability of speech, and its seconds.

        Where some windows have speech and others none, the scores are of those that have.
        """
        heard: list[tuple[Vector, float, int]] = []
        n_samples = 0
        for sound, n_window in windows(source, self.preprocessing.apply, progress=progress):
            n_samples += n_window
            if len(sound):
                scores, _, speech = self._outputs(sound, profile)
                heard.append((scores, speech, len(sound)))
        spoken = [one for one in heard if one[1] >= SPEECH_THRESHOLD] or heard
        weights = [length for _, _, length in spoken]
        mean = np.average([scores for scores, _, _ in spoken], axis=0, weights=weights)
        speech = float(np.average([speech for _, speech, _ in spoken], weights=weights))
        return np.asarray(mean, dtype=np.float32), speech, n_samples / SAMPLE_RATE

    def _embeddings(self, source: AudioSource) -> Iterator[Vector]:
        """Embedding (e,) of a recording, or of each window of a long one."""
        if audio.info(source).duration_s > UTTERANCE_S:
            yield from (self.run(sound)[1] for sound, _ in windows(source, self.preprocessing.apply) if len(sound))
        else:
            yield self.embedding(source)
