"""Adapt what a model says of a recording to the recording itself, as a source, and to the voices in it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from emotone.errors import ConfigError
from emotone.recognition import adaptation
from emotone.recognition.model import Model, Outputs
from emotone.recognition.prediction import SPEECH_THRESHOLD
from emotone.recognition.profile import Profile, SourceProfile, SpeakerProfile


class AdaptedPieces(NamedTuple):
    """What a model says after adaptation.

    Attributes
    ----------
    outputs
        The outputs for the windows of each piece.
    counts
        "source" and "speaker" -> number of clips that the outputs of each piece are adapted to.
    learnt
        The speakers whose speech in the recording is in their profile.
    """

    outputs: list[list[Outputs]]
    counts: list[Mapping[str, int]]
    learnt: frozenset[str]


class RecordingAdapter:
    """Adapt the outputs for the windows of a recording, in a second pass.

    The recording is the source, unless the source is known.  Within it, each speaker is adapted to.  With too little
    speech for a source, only known voices are adapted to.

    Parameters
    ----------
    model
        It adapts.
    profile
        The profile of the source or of the only speaker, with which the outputs were computed.
    known
        Speaker -> profile from other recordings.
    every
        One of so many windows of a piece counts, so that only the last two may overlap.
    """

    def __init__(
        self, model: Model, profile: Profile | None, *, known: Mapping[str, SpeakerProfile], every: int
    ) -> None:
        self._model, self._profile, self._known, self._every = model, profile, known, every

    def __call__(self, pieces: Sequence[Sequence[Outputs]], speakers: Sequence[str | None]) -> AdaptedPieces:
        """Adapt the outputs for the windows of each piece, which has this speaker."""
        counted = [[each.embedding for each in spoken(windows[:: self._every])] for windows in pieces]
        base = self._within([row for rows in counted for row in rows])
        voices: dict[str, Profile | None] = {}
        learnt = set()
        for name in {name for name in speakers if name is not None}:
            rows = [row for own, speaker in zip(counted, speakers, strict=True) if speaker == name for row in own]
            voices[name], is_learnt = self._voice(name, rows, base)
            learnt |= {name} if is_learnt else set()
        profiles = [base if name is None else voices[name] for name in speakers]
        outputs = [
            list(windows) if used is self._profile else self._model.rescored(windows, used)
            for windows, used in zip(pieces, profiles, strict=True)
        ]
        return AdaptedPieces(outputs, [self._model.counts(used) for used in profiles], frozenset(learnt))

    def _within(self, rows: Sequence[np.ndarray]) -> Profile | None:
        """Return the profile within the recording as a source, unless the source is known or the speech too little."""
        profile = self._profile
        knows = isinstance(profile, SourceProfile) or isinstance(profile, SpeakerProfile) and profile.source is not None
        if knows or not self._model.corrects or len(rows) < adaptation.FEWEST_CLIPS:
            return profile
        source = self._model.extended(self._model.new_profile(SourceProfile), np.array(rows))
        return replace(profile, source=source) if isinstance(profile, SpeakerProfile) else source

    def _voice(self, name: str, rows: Sequence[np.ndarray], base: Profile | None) -> tuple[Profile | None, bool]:
        """Return the profile of a speaker within the source, and whether their speech in the recording is in it."""
        source = base if isinstance(base, SourceProfile) else None
        start = replace(self._known.get(name, self._model.new_profile(SpeakerProfile)), source=source)
        is_learnt = bool(rows) and source is not None
        if is_learnt:
            start = self._model.extended(start, np.array(rows))
        return (start, is_learnt) if start.n_clips else (base, False)


def spoken(windows: Sequence[Outputs]) -> list[Outputs]:
    """Return the outputs for windows that are speech."""
    return [each for each in windows if each.speech >= SPEECH_THRESHOLD]


def check_single(profile: Profile | None, *, kind: str | None) -> None:
    """Raise `ConfigError` if a profile is that of one speaker, and a timeline has several."""
    if isinstance(profile, SpeakerProfile) and profile.n_clips and kind not in (None, "one"):
        raise ConfigError(
            "the profile is that of one speaker, and several are looked for; give the profile of a source, name the "
            'speaker among the voices, or set speakers="one"'
        )
