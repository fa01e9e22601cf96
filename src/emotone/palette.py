"""Colours of every picture and page; needs no library."""

#: One colour an emotion, in every picture.  Paul Tol's "muted" scheme, made to be told apart with colour blindness:
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
#: Labels that are no emotion -> colour; greys, since they are no answer.
OTHER: dict[str, str] = {"unsure": "#BBBBBB", "no speech": "#E6E6E6"}


def colour_of(label: str) -> str:
    """Colour of an emotion, or of another label, as ``#RRGGBB``.

    Examples
    --------
    >>> colour_of("angry"), colour_of("unsure")
    ('#882255', '#BBBBBB')
    """
    return COLOURS.get(label) or OTHER.get(label, "#888888")
