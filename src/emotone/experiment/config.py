"""What an experiment is: every setting in one frozen object, checked when it is made, kept as TOML.

To add a setting, add a field to `Config`: its type is checked, and it appears in TOML, in the documentation and among
the options of ``emotone train`` and ``emotone compare``.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from emotone import augment as augmentation
from emotone import corpora as tables
from emotone import files, preprocessing, protocols
from emotone.augment.conditions import CONDITIONS
from emotone.augment.conditions import parse as parse_conditions
from emotone.corpora.registry import CORPORA
from emotone.emotions import EMOTIONS, Vocabulary, class_names
from emotone.errors import ConfigError, CorpusError
from emotone.experiment.settings import Setting, attributes_text, check_choice, check_names, settings_of
from emotone.features.encoders import names as extractors
from emotone.models import registry
from emotone.preprocessing import Preprocessing

#: The extractor that suits the model.
AUTO = "auto"
#: The extractor of most classic models.
CLASSIC_EXTRACTOR = registry.ModelSpec.extractor
#: Settings that change no result: where it is written and where features are kept.
PLACES = frozenset({"out", "cache"})
#: Parameter of the Beta distribution that the shares of mixed clips are drawn from.
MIXUP_ALPHA = 0.3


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _models(family: str) -> str:
    return _listed(name for name, spec in registry.MODELS.items() if spec.family == family)


_MODELS = f"Model: {_models('classic')}; networks: {_models('deep')}."
_PROTOCOLS = f"Evaluation protocol: {_listed(protocols.PROTOCOLS)}, or a JSON file."
_TRAIN_ALSO = "Also train on this channel's clips of the training speakers, never test on them: {}."
_AUGMENT = "Augment copies of the training clips: {}, in this order; mixup mixes training clips."
_SOUNDS = "Folder of recordings without speech: noise for scene, and what a speech check has to reject."
_TRIM = "Before features: remove silence at both ends (sound), or all but speech there, and hum below 70 Hz (speech)."
_ELSEWHERE = "Also test on each corpus with a model of the others, and fit the confidence on these answers."
_BALANCE = "Class balancing: class weights, augmented oversampling, or none."
_EPOCHS = "Maximum number of training epochs of a network."
_CONDITIONS = "Also test under these conditions: {} (noise in dB), or all of these."
_FEATURES = (
    f"Features: {AUTO} (the model's own); {_listed(extractors.ROWS)}; "
    f"for networks {_listed(sorted(extractors.SEQUENCES))}; "
    "or layers of a pretrained encoder: whisper-base@2,3, hub:ORG/MODEL@9."
)
_EMOTIONS = "Use only these emotions: {}; or words of your own, which become classes."
_LABELS = (
    "What your own labels mean: happy=gioia,felice, or a table with the columns label and emotion; can be repeated."
)
_FILES = "Also write the features to the run directory in this format; not for networks."


@dataclass(frozen=True)
class Config:
    """One experiment; raises `ConfigError` if a setting is of the wrong type, unknown, or out of range."""

    corpora: Annotated[
        tuple[str, ...], Setting("Data", "Names ({}), CSV manifests or folders.", "CORPUS", tuple(CORPORA))
    ]
    data: Annotated[
        Path, Setting("Data", "Folder that holds the corpora, each under its name, or the corpus itself.", "DIR")
    ]
    out: Annotated[Path, Setting("Output", "Run directory to write.", "RUN")]
    model: Annotated[str, Setting("Model", _MODELS, "NAME", train_only=True)] = "svm"
    protocol: Annotated[str, Setting("Evaluation", _PROTOCOLS, "NAME|FILE")] = "speaker-6fold"
    emotions: Annotated[tuple[str, ...] | None, Setting("Data", _EMOTIONS, "A,B,C", EMOTIONS, "all")] = None
    labels: Annotated[dict[str, str] | None, Setting("Data", _LABELS, "EMOTION=WORDS|FILE", none_text="none")] = None
    channel: Annotated[str, Setting("Data", "Use speech, song, or all recordings.", "", (*tables.CHANNELS, "all"))] = (
        "speech"
    )
    train_also: Annotated[tuple[str, ...], Setting("Training", _TRAIN_ALSO, "CHANNEL", tables.CHANNELS, "none")] = ()
    augment: Annotated[tuple[str, ...], Setting("Training", _AUGMENT, "A,B,C", augmentation.NAMES, "none")] = ()
    copies: Annotated[
        int, Setting("Training", "Number of augmented copies of each training clip.", "N", at_least=0)
    ] = 1
    sounds: Annotated[Path | None, Setting("Training", _SOUNDS, "DIR", (), "synthesised noise only")] = None
    trim: Annotated[str, Setting("Training", _TRIM, "", preprocessing.TRIMS)] = "sound"
    balance: Annotated[str, Setting("Training", _BALANCE, "", ("weights", "augment", "none"))] = "weights"
    epochs: Annotated[
        int | None, Setting("Training", _EPOCHS, "N", (), "the model's own", at_least=1, networks_only=True)
    ] = None
    networks: Annotated[
        int,
        Setting("Training", "Networks trained from different seeds and averaged.", "N", at_least=1, networks_only=True),
    ] = 1
    tune: Annotated[bool, Setting("Training", "Tune the hyperparameters on folds of the training data.")] = False
    elsewhere: Annotated[bool, Setting("Evaluation", _ELSEWHERE)] = False
    conditions: Annotated[tuple[str, ...], Setting("Evaluation", _CONDITIONS, "A,B,C", tuple(CONDITIONS), "none")] = ()
    seed: Annotated[int, Setting("Training", "Random seed.", "N", at_least=0)] = 0
    extractor: Annotated[str, Setting("Model", _FEATURES, "NAME")] = AUTO
    features: Annotated[str, Setting("Output", _FILES, "", ("none", "csv", "parquet"), train_only=True)] = "none"
    cache: Annotated[Path | None, Setting("Output", "Folder of the feature cache.", "DIR", (), "user's cache")] = None

    def __post_init__(self) -> None:
        for name, setting in SETTINGS.items():
            object.__setattr__(self, name, setting.check(name, getattr(self, name)))
        if not self.corpora:
            raise ConfigError("no corpus is named; expected at least one, such as 'ravdess'")
        if not self.protocol.endswith(".json"):
            check_choice("protocol", self.protocol, list(protocols.PROTOCOLS), more=", or the path of a JSON file")
        check_choice("model", self.model, list(registry.MODELS))
        self._check_extractor()
        self._check_emotions()
        self._check_train_also()
        self._check_augment()
        object.__setattr__(self, "conditions", parse_conditions(self.conditions))
        if self.elsewhere and not (registry.get(self.model).adaptive and len(self.corpora) > 1):
            raise ConfigError(
                f"elsewhere is set for the model {self.model!r} and {len(self.corpora)} corpus or corpora; expected an "
                "adaptive model and several corpora, each of which is left out in turn"
            )
        if self.seed >= 2**32:
            raise ConfigError(f"seed is {self.seed}; expected 0 to {2**32 - 1}")

    def _check_extractor(self) -> None:
        spec = registry.get(self.model)
        # The registry of extractors checks whether the name exists, later: that needs torch.
        if self.extractor != AUTO and extractors.is_sequence(self.extractor) != (spec.family == "deep"):
            sequences = f"{_listed(sorted(extractors.SEQUENCES))}, or an encoder's, such as whisper-base@3:frames"
            expected = f"frames ({sequences})" if spec.family == "deep" else "one row of features a clip"
            raise ConfigError(
                f"extractor is {self.extractor!r}, and the model {self.model!r} is trained on {expected}; set "
                f"extractor to {AUTO!r} (here {spec.extractor!r}), or choose another model"
            )
        if self.features != "none" and spec.family == "deep":
            raise ConfigError(
                f"features is {self.features!r}, and the model {self.model!r} is trained on frames "
                f"({self.extractor_name}), which are not written to a file; set features to 'none'"
            )

    def _check_train_also(self) -> None:
        if self.train_also and self.channel == "all":
            raise ConfigError(
                f"train_also is {_listed(self.train_also)}, and channel is 'all', which includes it; leave train_also "
                f"empty, or set channel to {' or '.join(tables.CHANNELS)}"
            )
        if self.train_also and self.protocol == "statement-disjoint":
            raise ConfigError(
                f"train_also is {_listed(self.train_also)}, and protocol is 'statement-disjoint': in these clips "
                "training speakers say the tested statements. Choose a speaker-disjoint protocol, or leave train_also "
                "empty"
            )
        others = [channel for channel in tables.CHANNELS if channel != self.channel]
        for name in self.train_also:
            check_choice("train_also", name, others, more=f", since channel is {self.channel!r}")
        object.__setattr__(self, "train_also", tuple(dict.fromkeys(self.train_also)))

    def _check_emotions(self) -> None:
        try:
            emotions = None if self.emotions is None else class_names(self.emotions)
            labels = Vocabulary(self.labels or {}, emotions or ()).canonical_labels
        except CorpusError as error:
            raise ConfigError(str(error)) from error
        if emotions is not None and len(emotions) < 2:
            raise ConfigError(f"emotions are {list(self.emotions or ())}; expected at least two (--emotions happy,sad)")
        object.__setattr__(self, "emotions", emotions)
        object.__setattr__(self, "labels", labels or None)

    def _check_augment(self) -> None:
        transforms = self.transforms
        least = 0 if self.balance == "augment" else 1
        if self.copies < least:
            raise ConfigError(f"copies is {self.copies}; expected {least} or more")
        if self.mixup and registry.get(self.model).adaptive:
            raise ConfigError(
                f"augment names 'mixup', and the model {self.model!r} learns the usual sound of each voice, which a "
                "mix of two clips does not have; leave mixup out, or choose another model"
            )
        if self.balance == "augment" and not transforms:
            raise ConfigError(
                "balance is 'augment', and augment names no transform for the copies; name some "
                f"({_listed(augmentation.TRANSFORMS)}), or set balance to 'weights'"
            )

    @property
    def transforms(self) -> tuple[augmentation.Transform, ...]:
        """The transforms of waveforms that ``augment`` names."""
        return augmentation.parse(self.augment, sounds=self.sounds)[0]

    @property
    def preprocessing(self) -> Preprocessing:
        """The steps between decoding and feature extraction."""
        return preprocessing.ROBUST if self.trim == "speech" else preprocessing.DEFAULT

    @property
    def mixup(self) -> bool:
        """Whether training clips are mixed with each other."""
        return augmentation.parse(self.augment)[1]

    @property
    def of_networks(self) -> dict[str, Any]:
        """Settings of a deep model that differ from its own, as scikit-learn names them."""
        named: dict[str, Any] = {"classifier__n_members": self.networks}
        if self.mixup:
            named["classifier__mixup"] = MIXUP_ALPHA
        return named if self.epochs is None else named | {"classifier__max_epochs": self.epochs}

    @property
    def n_copies(self) -> int:
        """Augmented copies of each training clip: ``copies``, or 0 if ``augment`` names no transform."""
        return self.copies if self.transforms else 0

    @property
    def extractor_name(self) -> str:
        """Name of the extractor, also for ``"auto"``.

        Examples
        --------
        >>> Config(corpora=("ravdess",), data=Path("data"), out=Path("run"), model="svm").extractor_name
        'functionals'
        """
        return _extractor_of({"extractor": self.extractor, "model": self.model})

    def to_dict(self) -> dict[str, Any]:
        """Return every setting as JSON and TOML can hold it, except None."""
        values = {name: getattr(self, name) for name in SETTINGS}
        return {
            name: list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value
            for name, value in values.items()
            if value is not None
        }

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """Make an experiment from settings by name.

        Raises
        ------
        ConfigError
            A name is unknown (the message suggests the nearest known name), a required setting is missing, or a value
            is wrong.
        """
        check_names(settings, SETTINGS)
        missing = [name for name, setting in SETTINGS.items() if setting.is_required and name not in settings]
        if missing:
            raise ConfigError(f"the settings lack {_listed(missing)}, which are always required")
        return cls(**settings)

    def to_toml(self) -> str:
        """Write the settings as TOML, one a line."""
        return "".join(f"{name} = {_toml(value)}\n" for name, value in self.to_dict().items())

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """Read settings that `to_toml` or a person wrote.

        Examples
        --------
        >>> config = Config(corpora=("ravdess",), data=Path("data"), out=Path("runs/first"), tune=True)
        >>> Config.from_toml(config.to_toml()) == config
        True
        """
        return cls.from_dict(_parsed(text, "the configuration"))


#: Name -> setting, for every field of `Config`, in its order.
SETTINGS = settings_of(Config)
Config.__doc__ = (Config.__doc__ or "") + attributes_text(SETTINGS)


def read_settings(path: Path) -> dict[str, Any]:
    """Return the settings in a TOML file, such as the ``config.toml`` of a run; some can be missing.

    Raises
    ------
    ConfigError
        The file can't be read, is not TOML, or holds an unknown setting.
    """
    try:
        text = files.read_regular(path).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read ({error}); expected a file such as RUN/config.toml") from error
    return _parsed(text, str(path))


def differing(first: Mapping[str, Any], second: Mapping[str, Any], *, ignored: frozenset[str] = PLACES) -> list[str]:
    """List the settings in which two experiments differ.

    Settings are compared by their meaning: a path by its target; the extractor ``"auto"`` by the extractor of the
    model; a missing setting by its default, so that a run stays valid if a later version has more settings.  Settings
    that only networks use are ignored for classic models.

    Examples
    --------
    >>> differing({"seed": 0, "out": "a", "data": "x"}, {"seed": 1, "out": "b", "data": "x/../x"})
    ['seed']
    >>> differing({"model": "svm", "extractor": "functionals"}, {"model": "svm", "extractor": "auto", "train_also": []})
    []
    """

    def meaning(settings: Mapping[str, Any], name: str) -> Any:
        if name == "extractor":
            return _extractor_of(settings)
        default = SETTINGS[name].default if name in SETTINGS else None
        value = settings.get(name, list(default) if isinstance(default, tuple) else default)
        return str(Path(value).resolve()) if name in ("data", "sounds") and isinstance(value, str) else value

    models = {settings["model"] for settings in (first, second) if "model" in settings}
    if models and all(name in registry.MODELS and registry.get(name).family == "classic" for name in models):
        ignored = ignored | {name for name, setting in SETTINGS.items() if setting.networks_only}
    names = [*first, *(name for name in second if name not in first)]
    return [name for name in names if name not in ignored and meaning(first, name) != meaning(second, name)]


def _extractor_of(settings: Mapping[str, Any]) -> str:
    """Return the extractor of an experiment; without a model (in a comparison) ``"auto"`` is the classic extractor."""
    name = settings.get("extractor", AUTO)
    spec = registry.MODELS.get(settings.get("model", ""))
    return str(name) if name != AUTO else spec.extractor if spec else CLASSIC_EXTRACTOR


def _parsed(text: str, where: str) -> dict[str, Any]:
    try:
        settings = files.parse_toml(text)
    except ValueError as error:
        raise ConfigError(f"{where} is no TOML: {error}") from error
    check_names(settings, SETTINGS, where=f"{where}: ")
    return settings


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_toml(word)} = {_toml(meaning)}' for word, meaning in value.items())} }}"
    # A TOML basic string escapes as JSON does; numbers and booleans are written alike.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
