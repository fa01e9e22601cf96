"""What a field of `emotone.experiment.Config` says of itself, and the checks that follow from it."""

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from emotone.errors import ConfigError

#: Type of a setting -> what a message expects.
_EXPECTED = {
    tuple: "a list of names",
    dict: "a table of texts, such as {'gioia': 'happy'}",
    Path: "the path of a folder",
    str: "a name",
    int: "a whole number",
    bool: "true or false",
}


@dataclass(frozen=True)
class Setting:
    """The help of a field, and the values that it takes.

    Attributes
    ----------
    group
        Heading in the help: Data, Model, Training, Evaluation or Output.
    text
        A sentence or two; ``{}`` is replaced by the names that can be chosen.
    metavar
        Placeholder of the value; empty: the names themselves.
    names
        Names that can be chosen.
    none_text
        What None or no name means, as the help shows it.
    at_least
        Smallest allowed number.
    networks_only
        Whether classic models ignore it.
    train_only
        Whether ``emotone compare`` has no such option.
    kind, is_optional, is_required, default
        Type of the value, whether it can be None, whether there is no default, and the default; taken from the field.
    """

    group: str
    text: str
    metavar: str = ""
    names: Sequence[str] = ()
    none_text: str = ""
    at_least: int | None = None
    networks_only: bool = False
    train_only: bool = False
    kind: type = str
    is_optional: bool = False
    is_required: bool = False
    default: Any = None

    @property
    def help(self) -> str:
        """``text`` with the names."""
        return self.text.format(", ".join(self.names))

    @property
    def default_text(self) -> str:
        """The default as the help shows it; empty if a value is required."""
        if self.kind is bool:
            return "yes" if self.default else "no"
        return self.none_text or ("" if self.is_required else str(self.default))

    def check(self, name: str, value: Any) -> Any:
        """Return a value in the type of the field: lists become tuples, texts become paths.

        Raises
        ------
        ConfigError
            The value is of another type, too small, or not among the names.
        """
        if value is None and self.is_optional:
            return None
        if self.kind is tuple:
            is_list = isinstance(value, Sequence) and not isinstance(value, str)
            is_valid = is_list and all(isinstance(item, str) for item in value)
        elif self.kind is dict:
            is_valid = isinstance(value, Mapping) and all(
                isinstance(text, str) for pair in value.items() for text in pair
            )
        elif self.kind is Path:
            is_valid = isinstance(value, str | Path) and bool(str(value))
        else:
            is_valid = isinstance(value, self.kind) and (self.kind is bool or not isinstance(value, bool))
        if not is_valid:
            raise ConfigError(f"{name} is {value!r}; expected {_EXPECTED[self.kind]}")
        if self.kind is str and self.names:
            check_choice(name, value, self.names)
        if self.at_least is not None and value < self.at_least:
            raise ConfigError(f"{name} is {value}; expected {self.at_least} or more")
        return self.kind(value)


def settings_of(cls: Any) -> dict[str, Setting]:
    """Return the settings of a dataclass by name: each field is annotated with its type and a `Setting`."""
    hints = get_type_hints(cls, include_extras=True)
    settings = {}
    for field in fields(cls):
        hint, setting = get_args(hints[field.name])
        kinds = [get_origin(kind) or kind for kind in (get_args(hint) if NoneType in get_args(hint) else (hint,))]
        is_required = field.default is MISSING
        default = None if is_required else field.default
        settings[field.name] = replace(
            setting, kind=kinds[0], is_optional=NoneType in kinds, is_required=is_required, default=default
        )
    return settings


def attributes_text(settings: Mapping[str, Setting]) -> str:
    """Write the section of a docstring that lists the settings."""
    lines = ["", "", "Attributes", "----------"]
    for name, setting in settings.items():
        choices = f"  Expected: {', '.join(setting.names)}." if setting.names and "{}" not in setting.text else ""
        default = f"  Default: {setting.default_text}." if setting.default_text else ""
        lines += [name, f"    {setting.help}{choices}{default}"]
    return "\n".join(lines)


def check_choice(name: str, value: str, known: Sequence[str], *, more: str = "") -> None:
    """Refuse a name that is unknown; the message suggests the nearest known name."""
    if value not in known:
        near = difflib.get_close_matches(value, known, n=1)
        hint = f"; did you mean {near[0]!r}? Expected" if near else "; expected"
        raise ConfigError(f"{name} is {value!r}{hint} {', '.join(known)}{more}")


def check_names(names: Iterable[str], known: Collection[str], *, where: str = "") -> None:
    """Refuse a setting that does not exist; the message suggests the nearest known setting."""
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise ConfigError(
                f"{where}unknown setting {name!r}; the nearest known one is {near!r}. Known: {', '.join(known)}"
            )
