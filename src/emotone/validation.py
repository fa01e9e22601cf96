"""Check that a number lies in its range."""

import math

from emotone.errors import ConfigError


def check_range(name: str, value: float, low: float, high: float, *, unit: str = "") -> None:
    """Raise ConfigError unless a setting is a number from ``low`` to ``high``.

    Parameters
    ----------
    name
        Name of the setting, for the message.
    unit
        Unit of the number, for the message: "seconds", "dB".

    Raises
    ------
    ConfigError
        The value is outside the range, or not a finite number.

    Examples
    --------
    >>> check_range("window_s", 40, 0.5, 30, unit="seconds")
    Traceback (most recent call last):
        ...
    emotone.errors.ConfigError: window_s is 40; expected 0.5 to 30 seconds
    """
    if isinstance(value, bool) or not math.isfinite(value) or not low <= value <= high:
        raise ConfigError(f"{name} is {value}; expected {low:g} to {high:g}{f' {unit}' if unit else ''}")
