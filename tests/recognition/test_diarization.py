"""Which windows are of the same speaker, on embeddings that can be drawn."""

import numpy as np
import pytest

from emotone.errors import ConfigError
from emotone.recognition import diarization
from emotone.recognition.voices import Projection

WIDTH = 24


def projection(between=4.0):
    """The embeddings' own directions, in units of the spread within a speaker (0.05)."""
    return Projection(np.eye(WIDTH)[:, :16] / 0.05, np.full(16, between))


def windows(order, *, per_turn=15, seed=0, spread=0.05, apart=1.0):
    """Windows of turns of these speakers, 0.4 s apart: each speaker's embedding with noise around it."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((max(order) + 1, WIDTH)) * apart * 0.15 + 0.2
    speakers = np.repeat(order, per_turn)
    rows = centres[speakers] + spread * rng.standard_normal((len(speakers), WIDTH))
    times = 0.4 * np.arange(len(speakers))
    return (
        rows / np.linalg.norm(rows, axis=1, keepdims=True),
        times,
        np.repeat(np.arange(len(order)), per_turn),
        speakers,
    )


def agreement(labels, speakers):
    """Share of pairs of windows that both take for the same speaker, or both not."""
    same = labels[:, None] == labels[None]
    return np.mean(same == (speakers[:, None] == speakers[None]))


@pytest.mark.parametrize("n_speakers", [2, 3, 5])
@pytest.mark.parametrize("is_known", [True, False])
def test_turns_of_a_speaker_come_together(n_speakers, is_known):
    order = list(range(n_speakers)) * 4
    rows, times, stretches, speakers = windows(order)
    labels = diarization.labels_of(
        rows, times, stretches, projection=projection(), n_speakers=n_speakers if is_known else None
    )
    assert len(np.unique(labels)) == n_speakers
    assert agreement(labels, speakers) > 0.97


def test_one_speaker_stays_one_although_their_emotion_moves_the_voice():
    rows, times, stretches, _ = windows([0] * 10)
    emotions = 0.03 * np.sin(np.arange(len(rows)) / 20)[:, None] * np.eye(WIDTH)[0]
    labels = diarization.labels_of(rows + emotions, times, stretches, projection=projection(between=1.0))
    assert np.unique(labels).tolist() == [0]


def test_two_sounds_of_one_voice_are_one_speaker_although_their_graph_falls_apart():
    """The sounds differ by less than two clips of a voice, so the evidence is, a little, against a second speaker."""
    rows, times, stretches, _ = windows([0, 1], per_turn=7, spread=0.001)
    own = Projection(np.eye(WIDTH)[:, :16] / 5.0, np.full(16, 0.01))
    assert len(np.unique(diarization.labels_of(rows, times, stretches, projection=own, n_speakers=2))) == 2
    assert np.unique(diarization.labels_of(rows, times, stretches, projection=own)).tolist() == [0]


def test_a_number_that_is_given_is_kept_even_for_one_voice():
    rows, times, stretches, _ = windows([0] * 10)
    assert len(np.unique(diarization.labels_of(rows, times, stretches, projection=projection(), n_speakers=3))) == 3


@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_a_few_windows(n):
    rows, times, stretches, _ = windows([0, 1])
    given = rows[:n], times[:n], stretches[:n]
    assert diarization.labels_of(*given, projection=projection()).tolist() == [0] * n
    labels = diarization.labels_of(*given, projection=projection(), n_speakers=4)
    assert len(labels) == n and len(np.unique(labels)) <= 4


def test_windows_of_hours_join_the_cluster_that_was_found_in_a_part_of_them(monkeypatch):
    monkeypatch.setattr(diarization, "_MOST_IN_GRAPH", 80)
    rows, times, stretches, speakers = windows([0, 1, 2] * 8)
    labels = diarization.labels_of(rows, times, stretches, projection=projection())
    assert len(labels) == len(rows) == 360 and len(np.unique(labels)) == 3
    assert agreement(labels, speakers) > 0.95


def test_the_same_windows_have_the_same_labels_every_time():
    rows, times, stretches, _ = windows([0, 1, 2, 1], spread=0.15)
    first, second = (diarization.labels_of(rows, times, stretches, projection=projection()) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_neighbours_in_time_decide_on_a_window_that_is_unlike_its_speaker():
    rows, times, stretches, speakers = windows([0, 1, 0, 1])
    odd = rows.copy()
    odd[7] = rows[speakers == 1][0]
    labels = diarization.labels_of(odd, times, stretches, projection=projection(), n_speakers=2)
    assert labels[7] == labels[6] == labels[8]


@pytest.mark.parametrize("number", [0, 21, -1])
def test_numbers_of_speakers_have_limits(number):
    with pytest.raises(ConfigError, match=f"the number of speakers is {number}; expected 1 to 20, or auto"):
        diarization.check_number(number)


def test_a_check_ends_the_work_and_is_called_between_its_steps():
    """A service ends a request at its deadline, also within a recording of hours."""
    rows, times, stretches, _ = windows([0, 1, 2] * 100)
    calls = []
    diarization.labels_of(rows, times, stretches, projection=projection(), check=lambda: calls.append(1))
    assert len(calls) >= 5 + 3  # of 4500 windows five thousands, and each number of speakers

    def end():
        raise TimeoutError

    with pytest.raises(TimeoutError):
        diarization.labels_of(rows, times, stretches, projection=projection(), check=end)
