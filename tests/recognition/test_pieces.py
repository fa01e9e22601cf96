"""Pieces of speech: where the voice changes, and turns of RTTM."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from emotone import audio
from emotone.audio.speech_detector import SpeechDetector, VadSettings
from emotone.recognition import pieces
from emotone.recognition.pieces import DetectedPieces, FoundPieces, Piece, TurnPieces, _cuts
from emotone.recognition.rttm import Turn
from emotone.recognition.windows import SpeechReader
from support import handmade

RATE = 16_000
SAMPLES = Path(__file__).parents[2] / "samples"
#: Woman, man, woman, man: two clips each, a third of a second apart.
ORDER = ("woman_plain.wav", "woman_subdued.wav", "man_plain.wav", "man_subdued.flac") * 2


def conversation(*, n_turns=8, pause_s=0.35):
    """Samples, and (begin, end, who) of each clip."""
    parts, spoken, at = [], [], 0
    for name in ORDER[:n_turns]:
        clip = audio.trim_silence(audio.read(SAMPLES / name))
        parts += [clip, np.zeros(round(pause_s * RATE), np.float32)]
        spoken.append((at, at + len(clip), name.split("_")[0]))
        at += len(clip) + round(pause_s * RATE)
    return np.concatenate(parts), spoken


def blocks(samples, seconds=10.0):
    size = round(seconds * RATE)
    return [samples[at : at + size] for at in range(0, len(samples), size)]


def reader(samples, **settings):
    return SpeechReader(blocks(samples), SpeechDetector(VadSettings(**settings)))


def share_right(found, speakers, spoken):
    """Share of the clips' time that the majority name of their speaker has."""
    names = np.full(max(end for _, end, _ in spoken) + RATE, "", "U20")
    for piece, speaker in zip(found, speakers, strict=True):
        names[piece.start : piece.start + len(piece.samples)] = speaker
    total = right = 0
    taken = {}
    for who in ("woman", "man"):
        held = np.concatenate([names[begin:end] for begin, end, name in spoken if name == who])
        values, counts = np.unique(held, return_counts=True)
        taken[who] = values[counts.argmax()]
        total, right = total + len(held), right + counts.max()
    assert taken["woman"] != taken["man"]
    return right / total


@pytest.mark.parametrize("n_speakers", [None, 2])
@pytest.mark.slow
def test_the_voices_of_a_conversation_are_found(n_speakers):
    samples, spoken = conversation()
    found = FoundPieces(reader(samples), n_speakers=n_speakers)
    parts = list(found)
    speakers = found.speakers()
    assert list(dict.fromkeys(speakers)) == ["speaker 1", "speaker 2"]
    assert share_right(parts, speakers, spoken) > 0.9
    for piece in parts:
        np.testing.assert_array_equal(piece.samples, samples[piece.start : piece.start + len(piece.samples)])
    assert found.n_samples == len(samples) and found.overlaps() == []
    means = found.voices()
    assert set(means) == {"speaker 1", "speaker 2"} and means["speaker 1"].shape == (256,)


def test_parts_that_are_held_at_once_do_not_change_who_is_who(monkeypatch):
    """Of a long recording, the sound of some minutes is held; a voice that returns has the same name."""
    samples, spoken = conversation()
    monkeypatch.setattr(pieces, "_HELD_S", 12.0)
    found = FoundPieces(SpeechReader(blocks(samples, 1.0), SpeechDetector(VadSettings(max_speech_s=6))), n_speakers=2)
    parts = list(found)
    assert len(found._labels) > 1
    assert share_right(parts, found.speakers(), spoken) > 0.85


def test_blocks_make_no_difference():
    samples, _ = conversation(n_turns=4)
    found = [FoundPieces(SpeechReader(blocks(samples, seconds), SpeechDetector())) for seconds in (0.7, 30.0)]
    first, second = ([(piece.start, len(piece.samples)) for piece in each] for each in found)
    assert first == second and found[0].speakers() == found[1].speakers()


def test_a_check_is_called_for_each_piece_of_the_sound_that_is_held():
    """Minutes are held and then predicted piece by piece: a deadline in between must not wait for the next block."""
    samples, _ = conversation(n_turns=4)
    calls = []
    found = iter(FoundPieces(reader(samples), check=lambda: calls.append(1)))
    next(found)
    before = len(calls)
    n_more = len(list(found))
    assert before > 0 and n_more > 0 and len(calls) == before + n_more


def test_silence_has_no_pieces():
    for made in (
        FoundPieces(reader(np.zeros(5 * RATE, np.float32))),
        DetectedPieces(reader(np.zeros(RATE, np.float32))),
    ):
        assert list(made) == [] and made.speakers() == [] and made.overlaps() == []
    assert FoundPieces(reader(np.zeros(10, np.float32))).voices() == {}


def test_detected_pieces_have_the_name_of_the_only_speaker():
    sound = np.concatenate([handmade.tone(0.1, seconds=2), np.zeros(RATE), handmade.tone(0.1, seconds=2)])
    detector = SpeechDetector(probability=handmade.loudness)
    made = DetectedPieces(SpeechReader(blocks(sound.astype(np.float32)), detector), speaker="Anna")
    assert len(list(made)) == 2 and made.speakers() == ["Anna", "Anna"]


def turns(*times):
    return [Turn(name, begin, end) for name, begin, end in times]


def given(samples, *times, block_s=3.0):
    made = TurnPieces(blocks(samples, block_s), turns(*times))
    parts = [(piece.start / RATE, len(piece.samples) / RATE) for piece in made]
    return parts, made


def test_turns_are_pieces_without_what_several_say_at_once():
    samples = np.arange(20 * RATE, dtype=np.float32)
    parts, made = given(samples, ("A", 1.0, 5.0), ("B", 4.0, 8.0), ("A", 10.0, 12.0))
    assert parts == [(1.0, 3.0), (5.0, 3.0), (10.0, 2.0)]
    assert made.speakers() == ["A", "B", "A"]
    assert made.overlaps() == [(4 * RATE, 5 * RATE)] and made.n_samples == len(samples)


def test_a_turn_within_a_turn_parts_it():
    parts, made = given(np.zeros(10 * RATE, np.float32), ("A", 0.0, 9.0), ("B", 4.0, 5.0), ("C", 4.5, 5.5))
    assert parts == [(0.0, 4.0), (5.5, 3.5)] and made.speakers() == ["A", "A"]
    assert made.overlaps() == [(4 * RATE, round(5.5 * RATE))]


def test_two_turns_of_a_person_that_overlap_are_one():
    parts, made = given(np.zeros(10 * RATE, np.float32), ("A", 0.0, 3.0), ("A", 2.0, 6.0))
    assert parts == [(0.0, 6.0)] and made.overlaps() == []


def test_long_turns_are_split_and_those_past_the_end_are_cut():
    samples = np.zeros(70 * RATE, np.float32)
    parts, made = given(samples, ("A", 0.0, 65.0), ("B", 68.0, 90.0), ("C", 80.0, 99.0), ("A", 85.0, 88.0))
    assert parts == [(0.0, 30.0), (30.0, 30.0), (60.0, 5.0), (68.0, 2.0)]
    assert made.speakers() == ["A", "A", "A", "B"] and made.overlaps() == []


def test_no_turns():
    parts, made = given(np.zeros(RATE, np.float32))
    assert parts == [] and made.speakers() == [] and made.n_samples == RATE


@pytest.mark.slow
def test_hours_need_little_more_memory_than_minutes(monkeypatch):
    """Sound is held for some minutes, and of each window its embedding in half precision."""
    monkeypatch.setattr(pieces, "_HELD_S", 60.0)

    def embed(samples):
        centres = np.arange(12_800, len(samples), 6_400)
        return centres, np.tile(np.eye(256, dtype=np.float32)[0], (len(centres), 1))

    def peak(minutes):
        sound = (np.full(10 * RATE, 0.1, np.float32) for _ in range(6 * minutes))
        made = FoundPieces(SpeechReader(sound, SpeechDetector(probability=lambda _: 0.9)), voices=embed)
        tracemalloc.start()
        seconds = sum(len(piece.samples) for piece in made) / RATE
        assert set(made.speakers()) == {"speaker 1"} and seconds == pytest.approx(60 * minutes, abs=1)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    short, long = peak(8), peak(24)
    assert long < short + 16 * 60 * 6_500  # 6.5 kB a second; the sound itself has 64


def test_turns_without_end_and_very_many_turns_take_no_memory_and_time():
    parts, made = given(np.zeros(10 * RATE, np.float32), ("A", 1.0, 1e12))
    assert parts == [(1.0, 9.0)] and made.n_samples == 10 * RATE
    many = [(f"s{n}", n / 10_000, 1.0 + n / 10_000) for n in range(20_000)]
    parts, made = given(np.zeros(RATE, np.float32), *many)
    assert made.overlaps() == [(round(0.0001 * RATE), RATE)]


@pytest.mark.parametrize("softest_s", [0.61, 0.79, 0.99])
def test_voices_that_change_from_window_to_window_all_have_a_piece(softest_s):
    """Of 0.4 s each: the softest moment lies within reach of two changes, and only one of them may take it."""
    samples = np.full(round(1.6 * RATE), 0.1, np.float32)
    samples[round(softest_s * RATE) :][: RATE // 50] = 0.0
    centres = np.array([0.2, 0.6, 1.0, 1.4]) * RATE
    cuts = _cuts(Piece(0, samples), centres.astype(np.int64), [1, 2, 3])
    assert (np.diff([0, *cuts, len(samples)]) > 0).all()
    assert min(abs(cut / RATE - softest_s - 0.01) for cut in cuts) < 0.02
