"""The summary of each speaker."""

import pytest

from emotone.recognition.speakers import summaries
from support.timelines import conversation, segment


def test_summary_adds_up_what_a_speaker_says():
    anna, ben = conversation().speakers
    assert (anna.name, ben.name) == ("Anna", "Ben")
    assert anna.talk_s == pytest.approx(3.5) and ben.talk_s == pytest.approx(1.5004)
    assert anna.talk_share + ben.talk_share == pytest.approx(1)
    assert (anna.n_turns, ben.n_turns) == (2, 2)
    assert anna.shares == pytest.approx({"happy": 2.75 / 3.5, "angry": 0.75 / 3.5})
    assert anna.adapted_s == 3.5 and ben.adapted_s == 0.0
    first, second, third = anna.course
    assert set(first) == {"happy", "angry"} and second == {"happy": 1.0} and third == {}


def test_summary_in_json_is_rounded():
    written = conversation().to_dict()["speakers"][0]
    assert list(written) == ["speaker", "talk_s", "talk_share", "turns", "shares", "course", "adapted_s"]
    assert written["talk_share"] == round(3.5 / 5.0004, 6)


def test_without_speakers_and_without_duration():
    assert summaries([segment(None, 0, 1)], duration_s=1.0, adapted_s={}) == ()
    (empty,) = summaries([segment("A", 1.0, 1.0)], duration_s=1.0, adapted_s={})
    assert empty.talk_s == 0 and empty.talk_share == 0 and empty.shares == {}
