"""Names of speakers as files hold them."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from emotone.recognition.speaker_names import UNKNOWN, UNNAMED, written_names
from support.timelines import ODD_NAMES, names


@given(st.lists(names()), st.booleans())
def test_names_are_different_lines_that_utf8_and_xml_can_hold(speakers, with_unknown):
    written = written_names(speakers, unknown=UNKNOWN if with_unknown else None, reserved=("overlap",))
    assert set(written) == set(speakers) - (set() if with_unknown else {None})
    assert len(set(written.values())) == len(written)
    assert written.get(None, UNKNOWN) == UNKNOWN
    for name in written.values():
        assert name and len(name.splitlines()) == 1 and name.strip() == name and name != "overlap"
        assert name.encode("utf-8").decode("utf-8") == name
        assert ElementTree.fromstring(ElementTree.tostring(ElementTree.Element("a", name=name))).get("name") == name


def test_usual_names_stay_as_they_are():
    usual = ["Anna B.", "Zoë", "アンナ", "👩‍👩‍👧 family", 'Anna "A"', "unknown"]
    assert set(usual) <= set(ODD_NAMES)
    assert written_names(usual) == {name: name for name in usual}
    assert written_names(["\n", None]) == {"\n": UNNAMED}
