"""Options that are made from the fields of `emotone.experiment.Config`."""

import inspect
import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from emotone.cli import console as output
from emotone.cli.options import parse_names
from emotone.corpora.labels import parse_labels
from emotone.corpora.registry import find
from emotone.experiment.config import SETTINGS, read_settings
from emotone.experiment.settings import Setting
from emotone.models import registry

_DATA_VARIABLE = "EMOTONE_DATA"

_ConfigFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Take the settings from a run's config.toml; options given here override it. With --out this makes a new "
        "run, without it the run in FILE continues. Relative paths start from the current folder.",
    ),
]


def takes(
    *names: str, from_file: bool = False, **changes: Setting
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each of these settings; ``corpora`` becomes its arguments.

    The command gets them as ``settings``, by name: values of its command line, else those in its ``--config`` file,
    else the folder that ``EMOTONE_DATA`` names.  Settings with none of these are missing in it, except ``data``: the
    current folder, where all corpora are paths.

    Parameters
    ----------
    names
        Fields of `Config`.
    from_file
        Whether the command has ``--config``.
    changes
        Fields that are described in another way in this command.
    """
    shown = {name: changes.get(name, SETTINGS[name]) for name in names}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(config: Path | None = None, **values: Any) -> None:
            typed = {name: _value(setting, values.pop(name)) for name, setting in shown.items()}
            settings = {} if config is None else read_settings(config)
            if "data" in shown and "data" not in settings and os.environ.get(_DATA_VARIABLE):
                settings["data"] = Path(os.environ[_DATA_VARIABLE])
            settings |= {name: value for name, value in typed.items() if value is not _NOT_GIVEN}
            if "data" in shown and "data" not in settings and _are_paths(settings.get("corpora", ())):
                settings["data"] = Path()
            missing = [_label(name) for name, setting in shown.items() if setting.is_required and name not in settings]
            if missing:
                alternative = ", unless --config names the config.toml of a run" if from_file else ""
                raise typer.BadParameter(f"{' and '.join(missing)} missing; required{alternative}")
            command(settings=settings, **values)

        own = [item for name, item in inspect.signature(command).parameters.items() if name != "settings"]
        made = [_parameter(name, setting, from_file=from_file) for name, setting in shown.items()]
        if from_file:
            made.append(inspect.Parameter("config", _KEYWORD, default=None, annotation=_ConfigFile))
        run.__signature__ = inspect.Signature([*own, *made])  # type: ignore[attr-defined]  # Typer reads it
        return run

    return decorate


def _are_paths(corpora: Sequence[str]) -> bool:
    """Return whether all corpora are named by their paths, so that no folder of corpora is needed."""
    return bool(corpora) and all(find(name) is None for name in corpora)


_KEYWORD = inspect.Parameter.KEYWORD_ONLY
_NOT_GIVEN = object()


def _parameter(name: str, setting: Setting, *, from_file: bool) -> inspect.Parameter:
    """Describe a setting as Typer reads it from a function's signature."""
    notes = [f"env var: {_DATA_VARIABLE}"] if name == "data" else []
    if setting.is_required:
        without = " without --config" if from_file else ""
        notes.append(f"required{without}{' for names' if name == 'data' else ''}")
    if setting.default_text:
        notes.append(f"default: {setting.default_text}")
    words: dict[str, Any] = {"help": f"{setting.help}  [{'; '.join(notes)}]", "show_default": False}
    if name == "corpora":
        kind: Any = list[str]
        info: Any = typer.Argument(metavar=setting.metavar, **words)
    elif setting.kind is bool:
        kind, info = bool, typer.Option(f"{_label(name)}/--no-{name}", rich_help_panel=setting.group, **words)
    else:
        kind = Path if setting.kind is Path else list[str] if setting.kind is dict else str
        metavar = setting.metavar or "|".join(setting.names)
        info = typer.Option(_label(name), metavar=metavar, rich_help_panel=setting.group, **words)
    return inspect.Parameter(name, _KEYWORD, default=None, annotation=Annotated[kind | None, info])


def _label(name: str) -> str:
    return "CORPUS" if name == "corpora" else f"--{name.replace('_', '-')}"


def _value(setting: Setting, value: Any) -> Any:
    """Return a value of the command line as `Config` takes it, or _NOT_GIVEN."""
    if value is None or value == []:
        return _NOT_GIVEN
    if setting.kind is int:
        return int(value) if re.fullmatch(r"[+-]?\d+", value) else value  # `Config` refuses other texts
    if setting.kind is dict:
        return (
            setting.default if [text.strip() for text in value] in ([""], [setting.none_text]) else parse_labels(value)
        )
    if setting.kind is tuple and isinstance(value, str):
        return setting.default if value.strip() in ("", setting.none_text) else parse_names(value)
    return tuple(value) if isinstance(value, list) else value


def print_notes(settings: Mapping[str, Any], models: Sequence[str]) -> None:
    """Before training, name licences that forbid commercial use, and settings that have no effect on these models."""
    for name in dict.fromkeys(settings["corpora"]):
        info = find(name)
        if info is not None and not info.commercial_use:
            output.note(f"licence of {info.name}: {info.licence}; a model trained on it is not for commercial use")
    if all(name in registry.MODELS and registry.get(name).family == "classic" for name in models):
        for name, setting in SETTINGS.items():
            if setting.networks_only and settings.get(name, setting.default) != setting.default:
                output.note(f"{_label(name)} has no effect on {', '.join(models)}: only networks use it")
