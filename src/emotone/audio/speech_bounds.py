"""Find where speech begins and ends in a clip, in spite of clicks, beeps and noise.

`emotone.audio.trimming` measures from the loudest frame: a click makes everything else silence, steady noise makes
nothing silence, and a beep counts as speech.  Here the reference is the level that speech reaches for a while, the
threshold is above the noise, isolated sounds are checked for speech, and steady tones at the ends are left out, also
where they touch the speech.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from emotone.audio import trimming
from emotone.audio.filters import high_pass
from emotone.audio.reader import Waveform
from emotone.audio.resampling import SAMPLE_RATE
from emotone.audio.tones import steady_tones
from emotone.audio.trimming import MIN_SAMPLES, frame_energy

FRAMES_PER_S = 100
#: Sound is at most this much below the level, dB, and at least this much above the noise.
_BELOW_LEVEL_DB, _ABOVE_NOISE_DB = 40.0, 8.0
#: Noise is not taken to be closer to the level than this, so that quiet speech stays.
_LEAST_RANGE_DB = 24.0
#: Frames that the level is reached in, and frames of the shortest sound that is no click.
_LEVEL_FRAMES, _CLICK_FRAMES = 12, 5
#: Frames of silence that make sound an island, and most frames of an island that may be no speech.
_GAP_FRAMES, _LONGEST_ISLAND = 20, 120
#: Frames before and after those of a tone that also hold a part of it.
_OVERLAP = 3
_MARGIN_S = 0.1
_HIGH_PASS_HZ = 70.0

IsSpeech = Callable[[Waveform], bool]


def speech_bounds(
    samples: Waveform, *, is_speech: IsSpeech | None = None, min_samples: int = MIN_SAMPLES
) -> tuple[int, int]:
    """Return the first sample of the speech in a clip and the sample after its last.

    Parameters
    ----------
    samples
        (n,) at 16 kHz without offset and hum, see `emotone.audio.filters.high_pass`; any gain.
    is_speech
        Says of a sound apart from the rest, (m,) with m from 0.2 s on, whether it is speech; None: all of it is.
    min_samples
        Shortest result, unless the clip is shorter.

    Returns
    -------
    begin, end
        0 <= begin < end <= n, with a margin of 0.1 s; (0, n) if nothing is louder than the noise.
    """
    energy = frame_energy(samples)
    tones, is_tone = _tones(samples, energy)
    sounds = _islands(energy, ignored=is_tone)
    if is_speech is not None and len(sounds) > 1:
        sounds = _spoken(samples, sounds, is_speech)
    if not sounds:
        return 0, len(samples)
    hop, margin = SAMPLE_RATE // FRAMES_PER_S, round(_MARGIN_S * SAMPLE_RATE)
    begin, end = sounds[0][0] * hop - margin, (sounds[-1][1] + 1) * hop + margin
    # the margin holds no tone; a frame overlaps the next two
    begin = max([begin, *((last + 3) * hop for _, last in tones if last < sounds[0][0])])
    end = min([end, *(first * hop for first, _ in tones if first >= sounds[-1][1])])
    return trimming.at_least(max(0, begin), min(len(samples), end), min_samples, len(samples))


def islands(samples: Waveform, *, gap_s: float) -> list[tuple[int, int]]:
    """Return first sample and sample after the last of each sound between silences of at least ``gap_s`` seconds.

    Parameters
    ----------
    samples
        (n,) at 16 kHz, any gain.

    Returns
    -------
    In order of time, with a margin of 50 ms.
    """
    energy = frame_energy(high_pass(samples, _HIGH_PASS_HZ))
    hop, margin = SAMPLE_RATE // FRAMES_PER_S, SAMPLE_RATE // 20
    return [
        (max(0, first * hop - margin), min(len(samples), (last + 1) * hop + margin))
        for first, last in _islands(energy, gap=round(gap_s * FRAMES_PER_S))
    ]


def _tones(
    samples: Waveform, energy: npt.NDArray[np.float64]
) -> tuple[list[tuple[int, int]], npt.NDArray[np.bool_] | None]:
    """Return the steady tones of a clip, and which frames hold a part of one; none if little else is in the clip."""
    tones = steady_tones(samples, energy)
    is_tone = np.zeros(len(energy), bool)
    for first, last in tones:
        is_tone[max(0, first - _OVERLAP) : last + _OVERLAP + 1] = True
    rest = np.sort(energy[~is_tone])[-_LEVEL_FRAMES:]
    if not tones or len(rest) < _LEVEL_FRAMES or rest[0] < energy.max() * 10 ** (-_BELOW_LEVEL_DB / 10):
        return [], None
    return tones, is_tone


def _islands(
    energy: npt.NDArray[np.float64], *, gap: int = _GAP_FRAMES, ignored: npt.NDArray[np.bool_] | None = None
) -> list[tuple[int, int]]:
    """Return first frame and frame after the last of each sound between ``gap`` frames of silence, without clicks.

    Frames that are ``ignored`` count as silence.
    """
    ordered = np.sort(energy if ignored is None else energy[~ignored])
    level = ordered[-min(len(ordered), _LEVEL_FRAMES)]
    noise = np.median(ordered[: max(1, len(ordered) // 10)])
    threshold = max(
        level * 10 ** (-_BELOW_LEVEL_DB / 10),
        min(noise * 10 ** (_ABOVE_NOISE_DB / 10), level * 10 ** (-_LEAST_RANGE_DB / 10)),
    )
    is_sound = energy >= threshold if ignored is None else (energy >= threshold) & ~ignored
    changes = np.flatnonzero(np.diff(np.concatenate([[False], is_sound, [False]]).astype(np.int8)))
    runs = [(int(first), int(last)) for first, last in changes.reshape(-1, 2)]
    sounds: list[tuple[int, int]] = []
    for first, last in runs:
        if sounds and first - sounds[-1][1] < gap:
            sounds[-1] = (sounds[-1][0], last)
        else:
            sounds.append((first, last))
    return [island for island in sounds if island[1] - island[0] >= _CLICK_FRAMES] or sounds


def _spoken(samples: Waveform, sounds: list[tuple[int, int]], is_speech: IsSpeech) -> list[tuple[int, int]]:
    """Leave out sounds at both ends that are no speech; the longest one stays."""
    longest = max(range(len(sounds)), key=lambda n: sounds[n][1] - sounds[n][0])
    first, last = 0, len(sounds) - 1
    while first < longest and not _is_spoken(samples, sounds[first], is_speech):
        first += 1
    while last > longest and not _is_spoken(samples, sounds[last], is_speech):
        last -= 1
    return sounds[first : last + 1]


def _is_spoken(samples: Waveform, island: tuple[int, int], is_speech: IsSpeech) -> bool:
    if island[1] - island[0] > _LONGEST_ISLAND:
        return True
    hop = SAMPLE_RATE // FRAMES_PER_S
    margin = _GAP_FRAMES // 2
    return is_speech(samples[max(0, (island[0] - margin) * hop) : (island[1] + margin) * hop])
