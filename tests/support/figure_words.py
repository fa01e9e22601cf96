"""Texts of a matplotlib figure, and whether its edge cuts any off."""

from matplotlib import image


def texts(figure):
    """Every text that a figure shows."""
    found = list(figure.texts) + [t for t in (figure._suptitle, figure._supxlabel) if t is not None]
    for axes in figure.axes:
        found += [*axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label, axes.yaxis.label]
    return [t.get_text() for t in found]


def words(figure):
    return " ".join(" ".join(texts(figure)).split())


def has_white_edges(path):
    """Whether the outermost pixels of a picture are white, so that nothing is cut off."""
    pixels = image.imread(path)
    return all((edge == 1).all() for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]))
