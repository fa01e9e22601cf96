"""How the speakers of a recording are found."""

from pathlib import Path

import numpy as np
import pytest

from emotone import audio
from emotone.recognition.speaker_choice import choice_of, opened
from emotone.recognition.timeline import TimelineSettings

SAMPLES = Path(__file__).parents[2] / "samples"


def test_channels_stay_together_in_time():
    voice = audio.trim_silence(audio.read(SAMPLES / "man_plain.wav"))
    call = np.zeros((40 * 16_000, 2), np.float32)
    truth = [(1.0, 0), (7.0, 1), (12.0, 0), (33.0, 1)]  # second, channel
    for second, channel in truth:
        at = round(second * 16_000)
        call[at : at + len(voice), channel] = voice
    given = {"channel": "mix", "track": None, "settings": TimelineSettings(), "gate": None, "progress": None}
    with opened((call, 16_000), choice_of("channels"), **given) as found:
        pieces = found.pieces
        starts = [piece.start / 16_000 for piece in pieces]
        spoken = sorted(zip(starts, pieces.speakers(), strict=True))
    assert [speaker for _, speaker in spoken] == ["left", "right", "left", "right"]
    assert [start for start, _ in spoken] == pytest.approx([second for second, _ in truth], abs=0.3)
    assert pieces.n_samples == len(call)
