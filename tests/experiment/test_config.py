"""Settings of an experiment: checks, TOML, and defaults."""

import pytest

from emotone import preprocessing
from emotone.errors import ConfigError
from emotone.experiment import Config
from emotone.experiment.config import read_settings
from emotone.features.encoders import names
from emotone.models import registry


def test_a_configuration_survives_toml(tmp_path):
    config = Config(
        corpora=("ravdess", 'a "quoted" \\ name.csv'),
        data=tmp_path,
        out=tmp_path / "out",
        emotions=("very stressed", "sad", "anger"),
        labels={"Wut": "anger", 'a "b", c': "very stressed"},
        train_also=("song", "song"),
        augment=("noise", "mixup", "gain"),
        balance="augment",
        copies=0,
        tune=True,
        seed=7,
        cache=tmp_path / "cache",
    )
    assert Config.from_toml(config.to_toml()) == config
    assert config.emotions == ("sad", "angry", "very stressed")
    assert config.labels == {"Wut": "angry", 'a "b", c': "very stressed"}
    assert config.train_also == ("song",)
    assert ([transform.name for transform in config.transforms], config.mixup) == (["noise", "gain"], True)


def test_every_extractor_of_frames_is_known_without_torch():
    """The configuration goes by names alone, since the registry of extractors brings torch."""
    own = {spec.extractor for spec in registry.MODELS.values() if spec.family == "deep"}
    assert {name for name in own if not names.is_encoder(name)} == names.SEQUENCES
    assert all(names.is_sequence(name) for name in own)
    assert not any(names.is_sequence(spec.extractor) for spec in registry.MODELS.values() if spec.family == "classic")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"modle": "svm"}, "unknown setting 'modle'; the nearest known one is 'model'"),
        ({"model": "svn"}, "model is 'svn'; did you mean 'svm'"),
        ({"protocol": "speaker-6-fold"}, "did you mean 'speaker-6fold'"),
        ({"channel": "talk"}, "channel is 'talk'"),
        ({"emotions": ["happy"]}, "expected at least two"),
        ({"emotions": ["happy", "unsure"]}, "'unsure' can't be the name of a class"),
        ({"labels": {"gioia": "hapy"}}, "which is no emotion (did you mean 'happy'"),
        ({"labels": {"gioia": "stressed"}}, "labels map 'gioia' to 'stressed', which is no emotion; expected neutral"),
        ({"labels": ["happy=gioia"]}, "expected a table of texts, such as {'gioia': 'happy'}"),
        ({"corpora": []}, "no corpus is named"),
        ({"corpora": "ravdess"}, "expected a list of names"),
        ({"augment": ["echo"]}, "unknown transform 'echo'"),
        ({"balance": "augment"}, "augment names no transform"),
        ({"balance": "augment", "augment": ["mixup"]}, "augment names no transform"),
        ({"augment": ["noise", "noise"]}, "named 2 times"),
        ({"train_also": "song"}, "train_also is 'song'; expected a list of names"),
        ({"train_also": ["sung"]}, "train_also is 'sung'; did you mean 'song'?"),
        ({"train_also": ["speech"]}, "train_also is 'speech'; expected song, since channel is 'speech'"),
        ({"train_also": ["song"], "channel": "all"}, "channel is 'all', which includes it"),
        ({"train_also": ["song"], "protocol": "statement-disjoint"}, "training speakers say the tested statements"),
        ({"extractor": "log-mel"}, "extractor is 'log-mel', and the model 'svm' is trained on one row of features"),
        ({"extractor": "egemaps", "model": "lstm"}, "'egemaps', and the model 'lstm' is trained on frames (log-mel, "),
        ({"model": "lstm", "features": "csv"}, "which are not written to a file; set features to 'none'"),
        ({"augment": ["noise"], "copies": 0}, "copies is 0; expected 1 or more"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": "1"}, "seed is '1'; expected a whole number"),
        ({"tune": 1}, "tune is 1; expected true or false"),
        ({"features": "xlsx"}, "features is 'xlsx'"),
    ],
)
def test_a_wrong_setting_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        Config.from_dict({"corpora": ["ravdess"], "data": "data", "out": "out"} | settings)


def test_the_extractor_is_the_models_own_unless_another_of_its_kind_is_named():
    found = {
        (model, extractor): Config(("ravdess",), "data", "out", model=model, extractor=extractor).extractor_name
        for model, extractor in (("svm", "auto"), ("svm", "egemaps"), ("cnn2d", "auto"), ("cnn2d", "mfcc-frames"))
    }
    assert list(found.values()) == ["functionals", "egemaps", "log-mel", "mfcc-frames"]


def test_mixup_alone_makes_no_copies():
    made = [Config(("ravdess",), "data", "out", augment=names, copies=2) for names in ((), ("mixup",), ("gain",))]
    assert [config.n_copies for config in made] == [0, 0, 2]
    assert [config.mixup for config in made] == [False, True, False]


def test_what_is_trimmed_is_the_preprocessing(tmp_path):
    named = {"corpora": ("a",), "data": tmp_path, "out": tmp_path}
    assert Config(**named).preprocessing == preprocessing.DEFAULT
    assert Config(**named, trim="speech").preprocessing == preprocessing.ROBUST
    with pytest.raises(ConfigError, match="trim is 'noise'; expected sound, speech"):
        Config(**named, trim="noise")


def test_a_missing_setting_is_named():
    with pytest.raises(ConfigError, match="lack data, out"):
        Config.from_dict({"corpora": ["ravdess"]})


@pytest.mark.parametrize("brackets", ["[]", "{}"], ids=str)
def test_a_configuration_of_many_levels_says_so(tmp_path, brackets):
    opening = brackets[0] if brackets == "[]" else "{a="
    path = tmp_path / "config.toml"
    path.write_text("models = " + opening * 5000 + "1" + brackets[1] * 5000)
    with pytest.raises(ConfigError, match=r"config\.toml is no TOML: .*nested"):
        read_settings(path)
