"""Profiles of several speakers, each from their own recordings, in bounded memory and time."""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from emotone.audio import SAMPLE_RATE, AudioSource, Channel, Recording
from emotone.errors import AudioError, ConfigError, EmotoneError, FeatureError, ResultError
from emotone.progress import Progress
from emotone.recognition.adaptation import FEWEST_CLIPS, SOURCE_CLIPS
from emotone.recognition.arguments import check_several, open_checked
from emotone.recognition.profile import SourceProfile, SpeakerProfile
from emotone.recognition.recognizer import Recognizer

T = TypeVar("T")

#: Recordings are read in blocks of this many seconds.
BLOCK_S = 20.0
#: Blocks that are searched until one has speech.
_SEARCHED_BLOCKS = 3
#: Blocks of a speaker that are used: one of each recording, or more of each of a few.
_SPEAKER_BLOCKS = 10
#: Most recordings of a speaker that are read, and most utterances of them that are used.
MOST_CLIPS = 200
#: Recordings that are tried for the source.
_MOST_TRIED = 60
#: Fewest utterances of a speaker: compared with itself alone, an utterance has nothing unusual.
FEWEST_UTTERANCES = 2


def evenly(items: Sequence[T], most: int) -> list[T]:
    """Return up to ``most`` items, at equal distances.

    Examples
    --------
    >>> evenly("abcdef", 3)
    ['a', 'c', 'e']
    """
    n = min(most, len(items))
    return [items[number * len(items) // n] for number in range(n)]


def spoken(recognizer: Recognizer, recording: Recording, *, n_blocks: int = 1) -> npt.NDArray[np.float32]:
    """Return the embeddings (n, e) of the first speech in a recording, for `Recognizer.extended`.

    Parameters
    ----------
    n_blocks
        Number of blocks of `BLOCK_S` with speech that are enough.  Up to three times as many are searched.

    Raises
    ------
    AudioError, FeatureError
        The recording can't be read, or no block of it has speech.
    """
    spoken_blocks: list[npt.NDArray[np.float32]] = []
    problem: AudioError | FeatureError | ResultError | None = None
    for block in itertools.islice(recording.blocks(BLOCK_S), _SEARCHED_BLOCKS * n_blocks):
        try:
            _, embeddings = recognizer.predict_with_embeddings((block, SAMPLE_RATE))
        except (AudioError, FeatureError, ResultError) as error:  # a silent block, or the last one is too short
            problem = problem or error
            continue
        spoken_blocks += [embeddings] if len(embeddings) else []
        if len(spoken_blocks) == n_blocks:
            break
    if not spoken_blocks:
        raise problem or AudioError(f"{recording.name}: no speech was found, and a model adapts to speech only")
    return np.concatenate(spoken_blocks)


def source_of_some(
    recognizer: Recognizer,
    n_recordings: int,
    spoken: Callable[[int], npt.NDArray[np.float32]],
    *,
    progress: Progress | None = None,
) -> SourceProfile | None:
    """Estimate the source of recordings from about 20 of them, at equal distances.

    Parameters
    ----------
    n_recordings
        Number of recordings.
    spoken
        Function from the number of a recording, from 0, to the embeddings (n, e) of its speech.  A recording for which
        it raises `EmotoneError` is left out, and another one is tried, 60 at most.
    progress
        Called after each recording.

    Returns
    -------
    The profile; None if the model can't adapt, or if there are too few recordings or too little speech.
    """
    if not recognizer.adapts or n_recordings < FEWEST_CLIPS:
        return None
    spread = evenly(range(n_recordings), SOURCE_CLIPS)
    others = itertools.islice((number for number in range(n_recordings) if number not in spread), _MOST_TRIED)
    embeddings: list[npt.NDArray[np.float32]] = []
    for number in itertools.islice(itertools.chain(spread, others), _MOST_TRIED):
        if progress is not None:
            progress(len(embeddings), len(spread), "adapting to the source")
        if len(embeddings) == len(spread):
            break
        with contextlib.suppress(EmotoneError):  # its prediction reports the error
            embeddings.append(spoken(number))
    if sum(map(len, embeddings)) < FEWEST_CLIPS:
        return None
    return recognizer.extended(recognizer.new_source(), np.concatenate(embeddings))


def adapted_profiles(
    recognizer: Recognizer,
    recordings: Mapping[str, Iterable[AudioSource]],
    *,
    source: SourceProfile | None = None,
    channel: Channel = "mix",
    track: int | None = None,
    progress: Progress | None = None,
) -> dict[str, SpeakerProfile]:
    """Compute the profile of each speaker from their own recordings, without labels.

    The recordings can be those that are to be predicted.  Of each speaker, at most 200 recordings and 200 utterances
    are used, at equal distances; of a recording, the first 20 s with speech, or more if a speaker has fewer than ten.

    Parameters
    ----------
    recordings
        Speaker -> their recordings, each as in `Recognizer.predict`.  A sequence is read item by item.
    source
        Profile of the source of all recordings, see `Recognizer.adapt_source`.
    channel, track
        What to read, see `emotone.audio.read`.
    progress
        Called after each recording.

    Returns
    -------
    Speaker -> profile.  Its ``n_clips`` is 0 with fewer than two utterances, and predictions are then adapted to the
    source only.  Its ``skipped`` has the reasons why recordings were left out.

    Raises
    ------
    ConfigError
        The model can't adapt, the source belongs to another model, or recordings are no lists by speaker.
    """
    if not isinstance(recordings, Mapping):
        raise ConfigError(
            f"recordings has the type {type(recordings).__name__}; expected a dictionary from speaker to recordings"
        )
    before = recognizer.new_profile(source=source)
    sequences: dict[str, Sequence[AudioSource]] = {}
    for speaker, clips in recordings.items():
        check_several(clips, name=f"the value of {speaker!r}")
        sequences[speaker] = clips if isinstance(clips, Sequence) else list(clips)
    total = sum(min(len(clips), MOST_CLIPS) for clips in sequences.values())
    n_done = 0

    def read(clips: Sequence[AudioSource], number: int, *, n_blocks: int) -> npt.NDArray[np.float32]:
        nonlocal n_done
        try:
            with open_checked(clips[number], channel=channel, track=track) as recording:
                return spoken(recognizer, recording, n_blocks=n_blocks)
        finally:
            n_done += 1
            if progress is not None:
                progress(n_done, total, "adapting to the voices")

    return {speaker: _profile(recognizer, before, clips, read) for speaker, clips in sequences.items()}


def _profile(
    recognizer: Recognizer,
    before: SpeakerProfile,
    clips: Sequence[AudioSource],
    read: Callable[..., npt.NDArray[np.float32]],
) -> SpeakerProfile:
    """Return the profile of a speaker; ``read`` gives the embeddings (n, e) of some blocks of a recording."""
    numbers = evenly(range(len(clips)), MOST_CLIPS)
    n_blocks = -(-_SPEAKER_BLOCKS // max(1, len(numbers)))
    utterances, skipped = [np.zeros((0, len(before.mean)), np.float32)], []
    for number in numbers:
        try:
            utterances.append(read(clips, number, n_blocks=n_blocks))
        except (AudioError, FeatureError, ResultError) as error:
            skipped.append(str(error))
    rows = np.concatenate(utterances)
    rows = rows[evenly(range(len(rows)), MOST_CLIPS)]
    profile = before if len(rows) < FEWEST_UTTERANCES else recognizer.extended(before, rows)
    return replace(profile, skipped=tuple(skipped))
