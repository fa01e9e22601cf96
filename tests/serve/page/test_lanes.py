"""The speakers of a timeline as lanes, and the places for their names in files."""

import json
import re
from dataclasses import replace

import pytest

from emotone.recognition.timeline_formats import FORMATS
from emotone.serve.page.lanes import UNKNOWN_VOICE, lanes_of, numbers_of, reserved_names, with_places
from support import timelines


def test_a_lane_for_each_speaker_and_one_for_unknown_voices():
    made = timelines.conversation()
    lanes = lanes_of(made)
    assert [(lane.number, lane.name) for lane in lanes] == [(0, "Anna"), (1, "Ben"), (None, UNKNOWN_VOICE)]
    assert [len(lane.segments) for lane in lanes] == [3, 2, 1]  # what is no speech is in no lane
    assert [lane.summary for lane in lanes] == [*made.speakers, None]
    assert lanes[0].talk_s == pytest.approx(made.speakers[0].talk_s) and lanes[0].shares == made.speakers[0].shares
    assert lanes[2].talk_s == pytest.approx(1.0) and lanes[2].shares == {"sad": 1.0}


def test_there_are_no_lanes_if_no_speaker_is_known():
    made = timelines.timeline([timelines.segment(None, 0.0, 1.0)], duration_s=2.0)
    assert lanes_of(made) == [] and dict(numbers_of(made)) == {} and reserved_names(made) == ["unknown"]


def test_names_in_lanes_differ_from_each_other_and_from_what_has_another_meaning():
    made = timelines.odd_conversation()
    made = replace(made, overlaps=((0.0, 0.5),))
    names = [lane.name for lane in lanes_of(made)]
    assert len(names) == len(timelines.ODD_NAMES) + 1 == len(set(names))
    assert reserved_names(made) == ["unknown", "overlap"] and not {"unknown", "overlap"} & set(names)
    assert all(name == " ".join(name.split()) and name for name in names)


def test_files_have_a_place_for_each_name():
    made = timelines.conversation()
    saved, before = with_places(made)
    assert re.fullmatch(r"[a-z0-9]{16,}n", before) and before != with_places(made)[1]
    for form in FORMATS.values():
        written = form.write(saved)
        assert not re.search("Anna|Ben", written), form.name
        filled = written.replace(f"{before}0x", "Anna").replace(f"{before}1x", "Ben")
        assert before not in filled
        # ELAN numbers the times of its tiers by their names
        assert filled == form.write(made) or form.name == "elan"
    assert json.loads(FORMATS["json"].write(saved))["speakers"][0]["speaker"] == f"{before}0x"
