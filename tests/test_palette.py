"""Colours of emotions and of own classes."""

from emotone.emotions import EMOTIONS
from emotone.palette import COLOURS, OTHER, colour_of


def test_own_classes_have_colours_that_differ() -> None:
    own = [f"class {number}" for number in range(12)]
    for classes in (own[:2], [*own[:3], "sad", "angry"], [*own, *EMOTIONS[:4]]):
        colours = [colour_of(name, classes) for name in classes]
        assert len(set(colours)) == len(classes)
        assert not set(colours) & set(OTHER.values())
    assert colour_of("sad", own) == colour_of("sad") == COLOURS["sad"]
    assert colour_of("unsure", own) == OTHER["unsure"]
    assert colour_of("class 1") in COLOURS.values()
    assert set(COLOURS) == set(EMOTIONS)
