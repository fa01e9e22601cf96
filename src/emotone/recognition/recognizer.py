"""Predict emotions with a bundle; needs numpy and onnxruntime, and no training library.

A bundle contains only data, an ONNX graph and JSON: none of it is executed as Python.  What only timelines, live sound
and voices need is imported by them: a first prediction is faster without.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emotone import audio
from emotone.audio import AudioSource, Channel
from emotone.audio.speech_detector import Gate
from emotone.errors import EmotoneError
from emotone.preprocessing import Preprocessing
from emotone.progress import Progress
from emotone.recognition.arguments import check_samples, check_several, chosen_emotions, open_checked, restricted
from emotone.recognition.graph_process import Limits
from emotone.recognition.model import AnyProfile, Model, Outputs, profile_of_clips
from emotone.recognition.prediction import Prediction
from emotone.recognition.profile import Profile, SourceProfile, SpeakerProfile
from emotone.recognition.recording_prediction import Parts, prediction_of, predictions_of
from emotone.recognition.session import DEFAULT, bundle_folder
from emotone.validation import check_range

if TYPE_CHECKING:
    from emotone.recognition.channel_stream import ChannelStream
    from emotone.recognition.enrolment import Voice
    from emotone.recognition.speaker_choice import Speakers
    from emotone.recognition.stream import Stream, StreamSettings
    from emotone.recognition.timeline import Timeline, TimelineSettings

Vector = npt.NDArray[np.float32]


class Recognizer:
    """Recognise emotions with the model of a bundle.  Threads may share it: it keeps no state between predictions.

    Parameters
    ----------
    bundle
        A folder that `emotone train` or `emotone.export.bundle.write_bundle` wrote, "default", the built-in bundle, or
        ``hub:user/model`` or ``hub:user/model@revision``, one on the Hugging Face hub.
    emotions
        Names of the emotions that can occur, two or more; the others get no probability, and the scores of these sum to
        one.  None: all of the bundle.
    threshold
        Below this confidence, in [0, 1], a prediction is "unsure"; None: the calibrated threshold of the bundle.
    threads
        Threads per prediction.  1 is the fastest for short clips: the graph has hundreds of small steps.  To use more
        cores, share the recognizer between several threads.
    limits
        Time and memory of the process in which the graph of any bundle but the built-in one runs; None: `Limits()`.

    Attributes
    ----------
    card
        The content of ``card.json``.
    emotions
        k names, in the order of the scores.
    adapts
        Whether the model can adapt to sources and voices.
    checks_speech
        Whether the model predicts the probability of speech.
    notes
        Sentences on how the arguments limit the predictions; they are among the notes of each.

    Raises
    ------
    BundleError, HubError
        A file is missing or damaged, the bundle has a newer format, or the graph does not match the card, fails or
        takes too much time or memory (a prediction raises this too); or the hub does not give the bundle.
    MissingExtraError
        The bundle's features, or the hub, need a package that is not installed.
    ConfigError
        An argument is invalid.
    """

    def __init__(
        self,
        bundle: str | Path = DEFAULT,
        *,
        emotions: Iterable[str] | None = None,
        threshold: float | None = None,
        threads: int = 1,
        limits: Limits | None = None,
    ) -> None:
        self.folder = bundle_folder(bundle)
        self._model = Model(self.folder, threads=threads, limits=limits)
        self.card = self._model.card
        self.emotions: tuple[str, ...] = chosen_emotions(emotions, tuple(self.card["emotions"]))
        is_restricted = len(self.emotions) < len(self.card["emotions"])
        self.notes = (f"only these emotions can be predicted: {', '.join(self.emotions)}",) if is_restricted else ()
        self._columns = [self.card["emotions"].index(emotion) for emotion in self.emotions]
        self._threads, self._limits = threads, limits
        if threshold is not None:
            check_range("threshold", threshold, 0, 1)
        self.threshold = float(self.card["calibration"]["threshold"] if threshold is None else threshold)
        self.preprocessing = Preprocessing.from_card(self.card["preprocessing"])
        self.adapts, self.checks_speech = self._model.adapts, self._model.checks_speech

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy, in this process or another, needs to open the bundle again."""
        return {
            **{"bundle": self.folder, "emotions": self.emotions, "threshold": self.threshold},
            **{"threads": self._threads, "limits": self._limits, "preprocessing": self.preprocessing},
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        preprocessing = state.pop("preprocessing")
        self.__init__(state.pop("bundle"), **state)  # type: ignore[misc]
        self.preprocessing = preprocessing

    def __repr__(self) -> str:
        return f"Recognizer({str(self.folder)!r}, model={self.card['model']!r}, emotions={self.emotions})"

    def close(self) -> None:
        """End the process of the graph now, and not with the recognizer; the next prediction starts another."""
        self._model.close()

    def new_profile(self, *, source: SourceProfile | None = None) -> SpeakerProfile:
        """Return the profile of an unknown speaker; `ConfigError` if the model can't adapt."""
        return replace(self._model.new_profile(SpeakerProfile), source=source)

    def new_source(self) -> SourceProfile:
        """Return the profile of an unknown source; `ConfigError` if the model can't adapt."""
        return self._model.new_profile(SourceProfile)

    def adapt(
        self,
        clips: Iterable[AudioSource],
        *,
        profile: SpeakerProfile | None = None,
        source: SourceProfile | None = None,
        progress: Progress | None = None,
    ) -> SpeakerProfile:
        """Compute the profile of a speaker from a few clips, without labels and of any emotions.

        Of a recording over four seconds, each utterance counts as a clip.

        Parameters
        ----------
        clips
            Recordings of the same person, each as in `predict`; ``skipped`` of the profile says which can't be read.
        profile, source
            A profile of the speaker to extend, not changed itself; and that of the clips' source, see `adapt_source`.
        progress
            Called after each clip.

        Raises
        ------
        AudioError
            There are no clips, or all were skipped.
        ConfigError
            The model can't adapt, a profile belongs to another model, or ``clips`` is a single recording.
        """
        before = self.new_profile() if profile is None else profile
        self._model.check_profile(before, SpeakerProfile)
        if source is not None:
            self._model.check_profile(source, SourceProfile)
            before = replace(before, source=source)
        return profile_of_clips(self._model, before, clips, self.preprocessing, progress=progress)

    def adapt_source(
        self,
        clips: Iterable[AudioSource],
        *,
        profile: SourceProfile | None = None,
        progress: Progress | None = None,
    ) -> SourceProfile:
        """Compute the profile of a source from about 20 clips, without labels, of any number of speakers.

        A source is what recordings share: microphone, room, language.  Parameters and errors are those of `adapt`.
        """
        before = self.new_source() if profile is None else profile
        self._model.check_profile(before, SourceProfile)
        return profile_of_clips(self._model, before, clips, self.preprocessing, progress=progress)

    def voice(self, clips: Iterable[AudioSource]) -> Voice:
        """Return the voice of a person, from a few clips, to find it in recordings; see `timeline`.

        The errors are those of `adapt`.
        """
        from emotone.recognition.enrolment import Voice, voice_embedding

        check_several(clips, name="clips")
        held = list(clips)
        embedding = voice_embedding(held, gate=self.speech_gate)
        return Voice(embedding, self.adapt(held) if self.adapts else None)

    def extended(self, profile: AnyProfile, embeddings: Vector) -> AnyProfile:
        """Return a profile with more clips, given by embeddings (n, e) of `predict_with_embeddings`."""
        return self._model.extended(profile, embeddings)

    def check_profile(self, profile: Profile | None) -> None:
        """Raise `ConfigError` if the model can't adapt, or if a profile belongs to another model."""
        self._model.check_profile(profile)

    def predict(
        self,
        source: AudioSource,
        *,
        start_s: float = 0.0,
        end_s: float | None = None,
        channel: Channel = "mix",
        track: int | None = None,
        profile: Profile | None = None,
        progress: Progress | None = None,
    ) -> Prediction:
        """Predict the emotion of a recording or of a segment of it.

        Up to four seconds of sound, in a recording of up to five, are predicted as a single utterance.  Of longer
        ones, the scores are the mean over utterances with speech, weighted by their length; those over four seconds
        count as windows of three.

        Parameters
        ----------
        source, channel, track
            Path, bytes, open binary file, or ``(samples, rate)``, and what to read of it; see `emotone.audio.read`.
        start_s, end_s
            The segment, in seconds; None is the end.
        profile, progress
            Profile of the speaker or source, see `adapt` and `adapt_source`; called with the seconds that are done.

        Raises
        ------
        AudioError
            The source can't be read, is too short, or is silent and the model does not check for speech.
        ConfigError
            ``profile`` is not a profile for this model.
        """
        return self.predict_with_embeddings(
            source, start_s=start_s, end_s=end_s, channel=channel, track=track, profile=profile, progress=progress
        )[0]

    def predict_with_embeddings(
        self,
        source: AudioSource,
        *,
        start_s: float = 0.0,
        end_s: float | None = None,
        channel: Channel = "mix",
        track: int | None = None,
        profile: Profile | None = None,
        progress: Progress | None = None,
    ) -> tuple[Prediction, Vector]:
        """Return the prediction of `predict`, and the embeddings (n, e) of its utterances with speech, n >= 0."""
        opened = open_checked(source, start_s=start_s, end_s=end_s, channel=channel, track=track)
        return prediction_of(self._parts, opened, profile, progress, start_s=float(start_s))

    def predict_many(
        self, sources: Iterable[AudioSource], *, profile: Profile | None = None
    ) -> Iterator[Prediction | EmotoneError]:
        """Predict the emotion of each recording, in order; with a profile, all of the same speaker or source.

        Yields
        ------
        The prediction, or the error of a recording without a prediction: a bad file does not stop the others.

        Raises
        ------
        ConfigError
            ``profile`` is not a profile for this model, or ``sources`` is a single recording.
        """
        check_several(sources, name="sources")
        if profile is not None:
            self.check_profile(profile)
        return predictions_of(sources, lambda source: self.predict(source, profile=profile))

    def timeline(
        self,
        source: AudioSource,
        *,
        channel: Channel = "mix",
        track: int | None = None,
        profile: Profile | None = None,
        adapt: bool = False,
        speakers: Speakers | None = None,
        voices: Mapping[str, Voice] | None = None,
        settings: TimelineSettings | None = None,
        progress: Progress | None = None,
    ) -> Timeline:
        """Detect the speech in a recording of any length, and predict its emotion over time.

        Parameters
        ----------
        source, channel, track
            As in `predict`; the errors are the same, except that silence is not an error.
        profile
            Profile of the source, or of the only speaker.
        adapt
            Whether to adapt to the recording itself: to what it holds as a source, if that is enough speech, and
            within it to each speaker; see `adapt_source`.
        speakers
            "auto": find the speakers by their voices; a number: find so many; "channels": one on each channel; the
            path of an RTTM file, or its turns; "one"; None: speakers are not looked for.
        voices
            Name -> a speaker who may be in the recording, see `voice`; for speakers that are found by their voices.
        settings
            Windows and speech detection.
        progress
            Called with the seconds that are done.
        """
        from emotone.recognition.recording_timeline import timeline_of
        from emotone.recognition.timeline import TimelineSettings

        return timeline_of(
            self._parts,
            source,
            channel=channel,
            track=track,
            profile=profile,
            adapt=adapt,
            speakers=speakers,
            voices=voices or {},
            settings=settings or TimelineSettings(),
            progress=progress,
        )

    def stream(
        self,
        *,
        rate: int,
        channels: int = 1,
        profile: Profile | None = None,
        adapt: bool = False,
        settings: StreamSettings | None = None,
    ) -> Stream:
        """Return a stream for live sound; see `emotone.recognition.stream.Stream`."""
        from emotone.recognition.stream import Stream

        return Stream(self, rate=rate, channels=channels, profile=profile, adapt=adapt, settings=settings)

    def channel_stream(
        self,
        *,
        rate: int,
        channels: int,
        source: SourceProfile | None = None,
        adapt: bool = False,
        settings: StreamSettings | None = None,
    ) -> ChannelStream:
        """Return a stream for live sound with a speaker on each channel; ``adapt`` adapts to each of them."""
        from emotone.recognition.channel_stream import ChannelStream
        from emotone.recognition.stream import Stream

        profile = self.new_profile(source=source) if adapt else source

        def new_stream() -> Stream:
            return Stream(self, rate=rate, profile=profile, adapt=adapt, settings=settings)

        return ChannelStream(new_stream, rate=rate, channels=channels)

    def embedding(self, source: AudioSource) -> Vector:
        """Return the model's embedding (d,) of a clip as a single utterance, float32.

        Time and memory grow with the square of its length.  The errors are those of `predict`; silence always is one.
        """
        return self.run(self.preprocessing.apply(audio.read(source)))[1]

    def run(self, samples: Vector, *, profile: Profile | None = None) -> tuple[Vector, Vector]:
        """Run the model on preprocessed samples, and return scores (k,) and embedding (d,), float32.

        Parameters
        ----------
        samples
            (n,) float32 at 16 kHz, trimmed, n >= 3200.
        profile
            See `adapt`; it changes the scores and not the embedding.

        Raises
        ------
        AudioError, FeatureError, BundleError, ConfigError
            ``samples`` is no such array, the result is not finite, the graph fails, or ``profile`` does not fit it.
        """
        check_samples(samples)
        return self._outputs(samples, profile)[:2]

    @property
    def speech_gate(self) -> Gate | None:
        """The model's own probability of speech, as a function of samples; None if the model does not check."""
        return self._model.gate

    @property
    def _parts(self) -> Parts:
        """What predictions are made with."""
        return Parts(self._model, self.preprocessing, self.emotions, self.threshold, self._chosen, self.notes)

    def _outputs(self, samples: Vector, profile: Profile | None) -> Outputs:
        return self._chosen(self._model.outputs(samples, profile))

    def _chosen(self, outputs: Outputs) -> Outputs:
        """Restrict the scores to the chosen emotions."""
        return outputs._replace(scores=restricted(outputs.scores, self._columns))
