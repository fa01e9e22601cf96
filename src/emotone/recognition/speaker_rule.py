"""Who speaks in a recording, by its path."""

import os
import re
from collections.abc import Callable
from pathlib import PurePath

from emotone.errors import ConfigError

PARENT_FOLDER = "parent-folder"
#: An expression, for messages.
EXAMPLE = "'([^/]+)_[0-9]+[.]wav$' finds anna in calls/anna_07.wav"


def speaker_rule(value: str) -> Callable[[str], str | None]:
    """Return the function from a path to the speaker, None if it names none.

    Parameters
    ----------
    value
        "parent-folder", or a regular expression whose first group (or the group ``speaker``) is the speaker.

    Raises
    ------
    ConfigError
        The value is no regular expression, or has no group.

    Examples
    --------
    >>> speaker_rule("parent-folder")("calls/anna/07.wav")
    'anna'
    >>> speaker_rule("(?P<take>[a-z]+)_(?P<speaker>[a-z]+)")("calls/happy_anna.wav")
    'anna'
    """
    if value == PARENT_FOLDER:
        return lambda file: os.path.basename(os.path.dirname(os.path.abspath(file))) or None
    try:
        expression = re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise ConfigError(
            f"--speaker-from is {value!r}, which is no regular expression ({error}); expected {PARENT_FOLDER}, or an "
            f"expression: {EXAMPLE}"
        ) from error
    if not expression.groups:
        raise ConfigError(
            f"--speaker-from is {value!r}, which has no group; expected {PARENT_FOLDER}, or an expression with the "
            f"speaker in parentheses: {EXAMPLE}"
        )
    group = "speaker" if "speaker" in expression.groupindex else 1

    def search(file: str) -> str | None:
        match = expression.search(PurePath(file).as_posix())
        return (match[group] or "").strip() or None if match else None

    return search
