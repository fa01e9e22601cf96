"""Colours of all pictures and pages."""

import zlib
from collections.abc import Iterable

#: Emotion -> colour, the same in all pictures.  Paul Tol's "muted" scheme, which colour-blind people can distinguish:
#: https://personal.sron.nl/~pault/ (Technical note SRON/EPS/TN/09-002).
COLOURS: dict[str, str] = {
    "neutral": "#44AA99",
    "calm": "#88CCEE",
    "happy": "#DDCC77",
    "sad": "#332288",
    "angry": "#882255",
    "fearful": "#AA4499",
    "disgust": "#117733",
    "surprised": "#CC6677",
    "boredom": "#999933",
}
# For own classes where an experiment has more of them than free colours: Paul Tol's "bright" and "vibrant" schemes.
_MORE = ("#4477AA", "#EE7733", "#228833", "#EE3377", "#0077BB", "#CCBB44", "#009988", "#AA3377", "#66CCEE", "#CC3311")
#: Other label -> colour; greys, since these labels are not emotions.
OTHER: dict[str, str] = {"unsure": "#BBBBBB", "no speech": "#E6E6E6"}


def colour_of(label: str, among: Iterable[str] = ()) -> str:
    """Return the colour of an emotion, of an own class or of another label, as ``#RRGGBB``.

    Parameters
    ----------
    label
        The label.
    among
        All classes of the model or corpus: own classes get the colours that no emotion among them has, in order of
        their names.  Without it, the colour of an own class depends on its name, and two can have the same.

    Examples
    --------
    >>> colour_of("angry"), colour_of("unsure"), colour_of("stressed", ("relaxed", "sad", "stressed"))
    ('#882255', '#BBBBBB', '#88CCEE')
    """
    colour = COLOURS.get(label) or OTHER.get(label)
    if colour:
        return colour
    classes = set(among)
    own = sorted(classes - COLOURS.keys())
    if label not in own:
        return list(COLOURS.values())[zlib.crc32(label.encode()) % len(COLOURS)]
    free = [colour for emotion, colour in COLOURS.items() if emotion not in classes]
    colours = (*free, *_MORE)
    return colours[own.index(label) % len(colours)]
