"""Whether pictures can be drawn at all, asked before the work begins.  Imports no matplotlib."""

import importlib.util

from emotone.errors import MissingExtraError


def check_matplotlib(what: str) -> None:
    """Check that matplotlib is installed.

    Parameters
    ----------
    what
        What would be drawn, such as "a picture", for the message.

    Raises
    ------
    MissingExtraError
        It is not; the extra ``plot`` contains it alone.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError(what, extra="plot")
