"""Colours of all pictures and pages."""

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
#: Other label -> colour; greys, since these labels are not emotions.
OTHER: dict[str, str] = {"unsure": "#BBBBBB", "no speech": "#E6E6E6"}


def colour_of(label: str) -> str:
    """Return the colour of an emotion or of another label, as ``#RRGGBB``.

    Examples
    --------
    >>> colour_of("angry"), colour_of("unsure")
    ('#882255', '#BBBBBB')
    """
    return COLOURS.get(label) or OTHER.get(label, "#888888")
