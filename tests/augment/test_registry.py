"""Names of transforms, and the folder of recorded noise that ``scene`` gets."""

import pytest

from emotone import augment
from emotone.errors import ConfigError
from emotone.experiment import Config
from emotone.experiment.config import differing


def test_names_are_those_of_the_transforms_and_mixup():
    assert augment.NAMES == (*augment.TRANSFORMS, "mixup") and "scene" in augment.NAMES
    for name, transform in augment.TRANSFORMS.items():
        assert augment.parse([name]) == ((transform,), False)


def test_scene_alone_gets_the_folder(tmp_path):
    (noise, scene), mixup = augment.parse(["noise", "mixup", "scene"], sounds=tmp_path)
    assert noise == augment.Noise() and scene == augment.Scene(folder=tmp_path) and mixup
    assert augment.parse(["scene"]) == ((augment.Scene(),), False)
    assert augment.TRANSFORMS["scene"] == augment.Scene()  # the table stays as it was


def test_setting_sounds_reaches_the_transform(tmp_path):
    config = Config(corpora=("ravdess",), data=tmp_path, out=tmp_path / "run", augment=("scene",), sounds=tmp_path)
    assert config.transforms == (augment.Scene(folder=tmp_path),)
    assert differing({"sounds": str(tmp_path / "a" / "..")}, {"sounds": str(tmp_path)}) == []
    assert differing({"sounds": str(tmp_path)}, {}) == ["sounds"]
    assert f'sounds = "{tmp_path}"' in config.to_toml()


@pytest.mark.parametrize(
    ("names", "message"),
    [(["echo"], "unknown transform 'echo'; known: noise, .*scene, mixup"), (["scene"] * 2, "'scene' is named 2 times")],
)
def test_wrong_names_are_refused(names, message):
    with pytest.raises(ConfigError, match=message):
        augment.parse(names)
