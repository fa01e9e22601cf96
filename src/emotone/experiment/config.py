"""What an experiment is: every setting in one frozen object, checked when it is made, kept as TOML."""

import difflib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Self

from emotone import augment as augmentation
from emotone import corpora, preprocessing, protocols
from emotone.augment import conditions as heard
from emotone.emotions import in_order
from emotone.errors import ConfigError, CorpusError
from emotone.features.encoders import names as extractors
from emotone.models import registry
from emotone.preprocessing import Preprocessing

CHANNELS = (*corpora.CHANNELS, "all")
BALANCES = ("weights", "augment", "none")
FEATURE_FILES = ("none", "csv", "parquet")
#: Stands for the extractor that suits the model.
AUTO = "auto"
#: What models learn from where nothing says otherwise.
CLASSIC_EXTRACTOR = registry.ModelSpec.extractor
#: Settings that change no result: where it is written and where features are kept.
PLACES = frozenset({"out", "cache"})

_TUPLES = ("corpora", "emotions", "augment", "train_also", "conditions")
_PATHS = ("data", "out", "cache")
_TEXTS = ("model", "protocol", "channel", "balance", "extractor", "features")
_NUMBERS = ("copies", "networks", "seed")
#: Of the Beta distribution that the shares of mixed clips come from.
MIXUP_ALPHA = 0.3
#: Settings that mean nothing to a classic model.
_OF_NETWORKS = frozenset({"epochs", "networks"})


@dataclass(frozen=True)
class Config:
    """One experiment.

    Attributes
    ----------
    corpora
        Names or paths, as `emotone.corpora.load` takes them; one or more.
    data
        The folder that holds the corpora by name, or the corpus itself.
    out
        The run directory.
    model
        A name in `emotone.models.registry.MODELS`.
    protocol
        A name in `emotone.protocols.PROTOCOLS`, or the path of a JSON file.
    emotions
        Names to keep, at least two; None keeps all.
    channel
        ``"speech"``, ``"song"`` or ``"all"``.
    train_also
        Another channel than ``channel``, whose clips of the training speakers are learnt from too and never validated
        or tested on; empty: none.
    augment
        Names in `emotone.augment.NAMES`.  Transforms are applied in this order to every augmented copy of a training
        clip; where none is named there are no copies.  ``"mixup"`` mixes clips of a training set: appended rows for a
        classic model, every batch afresh for a deep one.
    copies
        Augmented copies of each training clip, where ``augment`` names transforms.  0 only with balance="augment".
    balance
        What makes every emotion count the same in training: ``"weights"`` of clips, more augmented copies of the rarer
        emotions (``"augment"``), or nothing (``"none"``).
    epochs
        For how many epochs a deep model is trained at most, 1 or more; None: as many as the model's own settings say.
        Classic models have none.
    networks
        Networks of a deep model, trained from different seeds and averaged; 1 or more.
    tune
        Whether to search the model's grid, on folds of each fold's training part.
    conditions
        Names in `emotone.augment.conditions.CONDITIONS`, or ``"all"``: every model is also tested on its test clips as
        each of these changes them.
    seed
        Of everything that chance decides, 0 or more.
    extractor
        A name that `emotone.features.registry.get` takes, of the kind that the model learns from, or ``"auto"``: the
        model's own.
    features
        Whether the run directory gets the features, and as what: ``"none"``, ``"csv"`` or ``"parquet"``; not of frames.
    cache
        The folder of the feature store; None: its default.

    Raises
    ------
    ConfigError
        A setting is of the wrong type, unknown, or out of range.
    """

    corpora: tuple[str, ...]
    data: Path
    out: Path
    model: str = "svm"
    protocol: str = "speaker-6fold"
    emotions: tuple[str, ...] | None = None
    channel: str = "speech"
    train_also: tuple[str, ...] = ()
    augment: tuple[str, ...] = ()
    copies: int = 1
    balance: str = "weights"
    epochs: int | None = None
    networks: int = 1
    tune: bool = False
    conditions: tuple[str, ...] = ()
    seed: int = 0
    extractor: str = AUTO
    features: str = "none"
    cache: Path | None = None

    def __post_init__(self) -> None:
        self._settle_types()
        if not self.corpora:
            raise ConfigError("no corpus is named; expected one or more, such as 'ravdess'")
        if not self.protocol.endswith(".json"):
            _choice("protocol", self.protocol, tuple(protocols.PROTOCOLS), more=", or the path of a JSON file")
        _choice("model", self.model, tuple(registry.MODELS))
        _choice("channel", self.channel, CHANNELS)
        _choice("balance", self.balance, BALANCES)
        _choice("features", self.features, FEATURE_FILES)
        self._check_extractor()
        self._check_emotions()
        self._check_train_also()
        self._check_augment()
        object.__setattr__(self, "conditions", heard.parse(self.conditions))
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"seed is {self.seed}; expected 0 to {2**32 - 1}")
        for name in ("epochs", "networks"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; expected 1 or more")

    def _settle_types(self) -> None:
        """Turn lists into tuples and texts into paths; refuse what is of another type."""
        for name in _TUPLES:
            value = getattr(self, name)
            if value is None and name == "emotions":
                continue
            if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(v, str) for v in value):
                raise ConfigError(f"{name} is {value!r}; expected a list of names")
            object.__setattr__(self, name, tuple(value))
        for name in _PATHS:
            value = getattr(self, name)
            if value is None and name == "cache":
                continue
            if not isinstance(value, str | Path) or not str(value):
                raise ConfigError(f"{name} is {value!r}; expected the path of a folder")
            object.__setattr__(self, name, Path(value))
        for names, kind, words in ((_TEXTS, str, "a name"), (_NUMBERS, int, "a whole number")):
            for name in names:
                value = getattr(self, name)
                if not isinstance(value, kind) or isinstance(value, bool):
                    raise ConfigError(f"{name} is {value!r}; expected {words}")
        if self.epochs is not None and (not isinstance(self.epochs, int) or isinstance(self.epochs, bool)):
            raise ConfigError(f"epochs is {self.epochs!r}; expected a whole number")
        if not isinstance(self.tune, bool):
            raise ConfigError(f"tune is {self.tune!r}; expected true or false")

    def _check_extractor(self) -> None:
        spec = registry.get(self.model)
        # Whether a name without a grammar is known at all is for the registry of extractors to say, which brings torch.
        if self.extractor != AUTO and extractors.is_sequence(self.extractor) != (spec.family == "deep"):
            sequences = f"{_listed(sorted(extractors.SEQUENCES))}, or an encoder's, such as whisper-base@3:frames"
            wanted = f"frames ({sequences})" if spec.family == "deep" else "one row of features a clip"
            raise ConfigError(
                f"extractor is {self.extractor!r}, and the model {self.model!r} learns from {wanted}; set extractor to "
                f"{AUTO!r} (here {spec.extractor!r}), or choose another model"
            )
        if self.features != "none" and spec.family == "deep":
            raise ConfigError(
                f"features is {self.features!r} and the model {self.model!r} learns from {self.extractor_name!r}; a "
                "file of frames, as many as a clip is long, is not written: set features to 'none'"
            )

    def _check_train_also(self) -> None:
        known = tuple(channel for channel in corpora.CHANNELS if channel != self.channel)
        if self.train_also and self.channel == "all":
            raise ConfigError(
                f"train_also names {_listed(self.train_also)} and channel is 'all', which has it already; name no "
                f"train_also, or set channel to {' or '.join(corpora.CHANNELS)}"
            )
        if self.train_also and self.protocol == "statement-disjoint":
            raise ConfigError(
                f"train_also names {_listed(self.train_also)} and protocol is 'statement-disjoint', which those clips "
                "would undo: training speakers say the tested statements in them. Choose a speaker-disjoint protocol, "
                "or name no train_also"
            )
        for name in self.train_also:
            _choice("train_also", name, known, more=f", since channel is {self.channel!r}")
        object.__setattr__(self, "train_also", tuple(dict.fromkeys(self.train_also)))

    def _check_emotions(self) -> None:
        if self.emotions is None:
            return
        try:
            emotions = in_order(self.emotions)
        except CorpusError as error:
            raise ConfigError(str(error)) from error
        if len(emotions) < 2:
            raise ConfigError(f"emotions are {list(self.emotions)}; expected at least two to tell apart")
        object.__setattr__(self, "emotions", emotions)

    def _check_augment(self) -> None:
        transforms = self.transforms
        least = 0 if self.balance == "augment" else 1
        if self.copies < least:
            raise ConfigError(f"copies is {self.copies}; expected {least} or more")
        if self.mixup and registry.get(self.model).adaptive:
            raise ConfigError(
                f"augment names 'mixup', and the model {self.model!r} learns how each voice sounds, which a mix of two "
                "has not; leave mixup out, or choose another model"
            )
        if self.balance == "augment" and not transforms:
            raise ConfigError(
                "balance is 'augment' and augment names no transform to make copies with; name some "
                f"({_listed(tuple(augmentation.TRANSFORMS))}), or set balance to 'weights'"
            )

    @property
    def transforms(self) -> tuple[augmentation.Transform, ...]:
        """The transforms of waveforms that ``augment`` names."""
        names, _ = augmentation.split_names(self.augment)
        return augmentation.parse(",".join(names))

    @property
    def preprocessing(self) -> Preprocessing:
        """What happens to every waveform before features are computed."""
        return preprocessing.DEFAULT

    @property
    def mixup(self) -> bool:
        """Whether clips of a training set are mixed with one another."""
        return augmentation.split_names(self.augment)[1]

    @property
    def of_networks(self) -> dict[str, Any]:
        """What these settings change of a deep model's own, as scikit-learn names it."""
        named: dict[str, Any] = {"classifier__n_members": self.networks}
        if self.mixup:
            named["classifier__mixup"] = MIXUP_ALPHA
        return named if self.epochs is None else named | {"classifier__max_epochs": self.epochs}

    @property
    def n_copies(self) -> int:
        """Augmented copies of each training clip: ``copies``, or 0 where ``augment`` names no transform."""
        return self.copies if self.transforms else 0

    @property
    def extractor_name(self) -> str:
        """The extractor that ``extractor`` stands for.

        Examples
        --------
        >>> Config(corpora=("ravdess",), data=Path("data"), out=Path("run"), model="svm").extractor_name
        'functionals'
        """
        return _extractor_of({"extractor": self.extractor, "model": self.model})

    def to_dict(self) -> dict[str, Any]:
        """Every setting as JSON and TOML can hold it; those that are None are left out."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value
            for name, value in values.items()
            if value is not None
        }

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """Make one from settings by name.

        Raises
        ------
        ConfigError
            A name is unknown (the message gives the nearest known one), one that is needed is missing, or a value is
            wrong.
        """
        known = [field.name for field in fields(cls)]
        for name in settings:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
                raise ConfigError(
                    f"unknown setting {name!r}; the nearest known one is {near!r}. Known: {_listed(known)}"
                )
        missing = [name for name in ("corpora", "data", "out") if name not in settings]
        if missing:
            raise ConfigError(f"the settings lack {_listed(missing)}; expected them always")
        return cls(**settings)

    def to_toml(self) -> str:
        """Write the settings as TOML, one a line."""
        return "".join(f"{name} = {_toml(value)}\n" for name, value in self.to_dict().items())

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """Read what `to_toml` wrote, or what somebody wrote by hand.

        Examples
        --------
        >>> config = Config(corpora=("ravdess",), data=Path("data"), out=Path("runs/first"), tune=True)
        >>> Config.from_toml(config.to_toml()) == config
        True
        """
        try:
            settings = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"the configuration is no TOML: {error}") from error
        return cls.from_dict(settings)


def differing(first: Mapping[str, Any], second: Mapping[str, Any], *, ignored: frozenset[str] = PLACES) -> list[str]:
    """List the settings in which two experiments differ, of those that either names.

    What counts is what a setting means: of paths, what they lead to; of the extractor ``"auto"``, which one that is; of
    one that is not named, its default, so that a run stays valid when a later version knows more settings; and of a
    classic model, nothing that only networks have.

    Examples
    --------
    >>> differing({"seed": 0, "out": "a", "data": "x"}, {"seed": 1, "out": "b", "data": "x/../x"})
    ['seed']
    >>> differing({"model": "svm", "extractor": "functionals"}, {"model": "svm", "extractor": "auto", "train_also": []})
    []
    """

    def settled(settings: Mapping[str, Any], name: str) -> Any:
        if name == "extractor":
            return _extractor_of(settings)
        value = settings.get(name, _DEFAULTS.get(name))
        return str(Path(value).resolve()) if name == "data" and value is not None else value

    models = {settings["model"] for settings in (first, second) if "model" in settings}
    if models and all(name in registry.MODELS and registry.get(name).family == "classic" for name in models):
        ignored = ignored | _OF_NETWORKS
    names = [*first, *(name for name in second if name not in first)]
    return [name for name in names if name not in ignored and settled(first, name) != settled(second, name)]


#: Settings that need not be named -> what they are then, as TOML holds it.
_DEFAULTS = {
    field.name: list(field.default) if isinstance(field.default, tuple) else field.default
    for field in fields(Config)
    if field.default is not MISSING
}


def _extractor_of(settings: Mapping[str, Any]) -> str:
    """Name the extractor of an experiment; without a model (a comparison's settings) ``"auto"`` is the classic one."""
    named = settings.get("extractor", AUTO)
    spec = registry.MODELS.get(settings.get("model", ""))
    return str(named) if named != AUTO else spec.extractor if spec else CLASSIC_EXTRACTOR


def _choice(name: str, value: str, known: Sequence[str], *, more: str = "") -> None:
    if value not in known:
        near = difflib.get_close_matches(value, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ";"
        raise ConfigError(f"{name} is {value!r}{hint} expected one of {_listed(known)}{more}")


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_toml(item) for item in value)}]"
    # A TOML basic string escapes as JSON does; numbers and booleans are written alike.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
