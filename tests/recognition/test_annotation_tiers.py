"""TextGrid and ELAN's files, read by praatio and pympi."""

from collections import Counter

import pytest
from hypothesis import example, given, settings
from praatio import textgrid
from pympi import Eaf

from emotone.recognition.annotation_tiers import to_elan, to_textgrid
from support.timelines import conversation, odd_conversation, segment, timeline, timelines

few = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tiers")


def praat(text, folder):
    (folder / "a.TextGrid").write_text(text, encoding="utf-8")
    return textgrid.openTextgrid(str(folder / "a.TextGrid"), includeEmptyIntervals=True)


def elan(text, folder):
    (folder / "a.eaf").write_text(text, encoding="utf-8")
    return Eaf(folder / "a.eaf")


def lasting(made, *, per_second):
    """Number of segments of each speaker that a format with such steps of time can hold."""
    return sorted(
        Counter(
            each.speaker for each in made.segments if round(per_second * each.start_s) < round(per_second * each.end_s)
        ).values()
    )


def test_praat_has_a_tier_for_each_speaker(folder):
    grid = praat(to_textgrid(conversation()), folder)
    assert grid.tierNames == ("Anna", "Ben", "unknown", "overlap")
    assert [tuple(each) for each in grid.getTier("Anna").entries] == [
        *[(0, 0.5, ""), (0.5, 2.25, "happy"), (2.25, 3, "angry"), (3, 7, ""), (7, 8, "happy"), (8, 12, "")]
    ]
    assert [tuple(each) for each in grid.getTier("Ben").entries] == [
        *[(0, 3.5, ""), (3.5, 5, "unsure"), (5, 8.5, ""), (8.5, 8.5004, "happy"), (8.5004, 12, "")]
    ]
    assert [tuple(each) for each in grid.getTier("overlap").entries] == [
        *[(0, 6.25, ""), (6.25, 6.75, "overlap"), (6.75, 12, "")]
    ]


def test_elan_has_a_tier_for_each_speaker_and_its_recording(folder):
    found = elan(to_elan(conversation()), folder)
    assert list(found.get_tier_names()) == ["Anna", "Ben", "unknown", "overlap"]
    assert found.get_annotation_data_for_tier("Anna") == [
        *[(500, 2250, "happy"), (2250, 3000, "angry"), (7000, 8000, "happy")]
    ]
    assert found.get_annotation_data_for_tier("Ben") == [(3500, 5000, "unsure")]  # not what is shorter than 1 ms
    assert found.get_annotation_data_for_tier("unknown") == [(5000, 6000, "sad"), (9000, 9500, "no speech")]
    assert found.get_annotation_data_for_tier("overlap") == [(6250, 6750, "overlap")]
    (media,) = found.media_descriptors
    assert (media["MEDIA_URL"], media["MIME_TYPE"]) == ("./my%20call.wav", "audio/x-wav")


def test_a_timeline_without_speakers_has_one_tier(folder):
    alone = timeline([segment(None, 1.0, 2.0)], duration_s=3.0, file="")
    grid, found = praat(to_textgrid(alone), folder), elan(to_elan(alone), folder)
    assert grid.tierNames == ("emotion",) == tuple(found.get_tier_names())
    assert [tuple(each) for each in grid.getTier("emotion").entries] == [(0, 1, ""), (1, 2, "happy"), (2, 3, "")]
    assert found.get_annotation_data_for_tier("emotion") == [(1000, 2000, "happy")]
    assert found.media_descriptors == []


def test_a_speaker_named_as_a_tier_has_a_tier_of_their_own(folder):
    made = timeline(
        [segment("overlap", 0, 1), segment(None, 1, 2), segment("unknown", 2, 3)], duration_s=4.0, overlaps=[(3, 4)]
    )
    for names in (praat(to_textgrid(made), folder).tierNames, elan(to_elan(made), folder).get_tier_names()):
        assert list(names) == ["overlap 2", "unknown 2", "unknown", "overlap"]


def test_praat_has_quotes_doubled():
    made = timeline([segment('Anna "A"', 0, 1)], duration_s=1.0)
    assert '\n        name = "Anna ""A"""\n' in to_textgrid(made)


def test_intervals_of_a_tier_do_not_overlap(folder):
    made = timeline([segment("A", 0, 2), segment("A", 1, 3, emotion="sad"), segment("A", 1.5, 2.5)], duration_s=3.0)
    grid, found = praat(to_textgrid(made), folder), elan(to_elan(made), folder)
    assert [tuple(each) for each in grid.getTier("A").entries] == [(0, 2, "happy"), (2, 3, "sad")]
    assert found.get_annotation_data_for_tier("A") == [(0, 2000, "happy"), (2000, 3000, "sad")]


@few
@given(timelines())
@example(odd_conversation())
def test_praatio_reads_tiers_that_cover_the_recording(folder, made):
    grid = praat(to_textgrid(made), folder)
    assert grid.maxTimestamp >= made.duration_s - 1e-6
    for tier in grid.tiers:
        entries = list(tier.entries)
        assert entries[0].start == 0 and entries[-1].end == grid.maxTimestamp
        assert [each.end for each in entries[:-1]] == [each.start for each in entries[1:]]
    spoken = [tier for tier in grid.tiers if tier.name != "overlap"] if made.overlaps else grid.tiers
    found = [sum(bool(each.label) for each in tier.entries) for tier in spoken]
    assert sorted(filter(None, found)) == lasting(made, per_second=1_000_000)


@few
@given(timelines())
@example(odd_conversation())
def test_pympi_reads_every_annotation(folder, made):
    found = elan(to_elan(made), folder)
    names = [name for name in found.get_tier_names() if name != "overlap" or not made.overlaps]
    numbers = [len(found.get_annotation_data_for_tier(name)) for name in names]
    assert sorted(filter(None, numbers)) == lasting(made, per_second=1_000)
    assert len(found.get_annotation_data_for_tier("overlap")) == len(made.overlaps) if made.overlaps else True
    times = list(found.timeslots.values())
    assert times == sorted(times) and len(times) == 2 * sum(numbers) + 2 * len(made.overlaps)
