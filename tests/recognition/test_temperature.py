"""The temperature of answers: rises with distance, changes with adaptation, and lies in the card."""

import json

import numpy as np
import pytest

from emotone.errors import BundleError, ConfigError
from emotone.recognition import card
from emotone.recognition.temperature import Temperature
from support import handmade

RISING = Temperature(1.5, 0.4, 0.6)


@pytest.mark.parametrize("temperature", [RISING, Temperature(0.7, adapted=0.7), Temperature(2.0, 0.0, 1.0)])
def test_card_has_it_through_json(temperature):
    assert Temperature.from_card(json.loads(json.dumps(temperature.to_card()))) == temperature


def test_constant_temperature_is_written_as_older_versions_read_it():
    assert Temperature(0.7, adapted=0.7).to_card() == {"temperature": 0.7}
    assert set(RISING.to_card()) == {"temperature", "per_distance", "adapted_temperature"}


def test_older_cards_have_one_temperature_for_all_clips():
    for calibration, expected in (({"temperature": 1.8, "threshold": 0.2}, 1.8), ({}, 1.0)):
        found = Temperature.from_card(calibration)
        assert found == Temperature(expected, 0.0, expected)
        for share in (0.0, 0.4, 1.0):
            np.testing.assert_allclose(found.at(np.array([0.1, 1.0, 9.0]), share=share), expected)


def test_rises_beyond_the_usual_distance_and_not_before():
    found = RISING.at(np.array([0.0, 0.5, 1.0, 1.5, 3.0]), share=0.0)
    np.testing.assert_allclose(found, 1.5 * np.array([1, 1, 1, 1.2, 1.8]))


def test_logarithm_is_interpolated_by_the_share_of_the_adapted_head():
    distance = np.array([1.0, 3.0])
    np.testing.assert_allclose(RISING.at(distance, share=1.0), 0.6)
    for share in (0.25, 0.5):
        expected = (1 - share) * np.log(1.5 * np.array([1, 1.8])) + share * np.log(0.6)
        np.testing.assert_allclose(np.log(RISING.at(distance, share=share)), expected)


@pytest.mark.parametrize(
    "values", [(0.0, 0.0, 1.0), (1.0, -0.1, 1.0), (1.0, 0.0, 0.0), (float("nan"), 0.0, 1.0), (1.0, float("inf"), 1.0)]
)
def test_numbers_that_give_no_probabilities_are_refused(values):
    plain, rise, adapted = values
    with pytest.raises(ConfigError, match=f"temperatures are {plain} and {adapted}, and {rise} for each distance"):
        Temperature(*values)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("per_distance", -0.5, "a number, 0 or more"),
        ("per_distance", "0.5", "a number, 0 or more"),
        ("adapted_temperature", 0, "a number above 0"),
        ("adapted_temperature", None, "a number above 0"),
    ],
)
def test_values_of_a_card_are_checked(tmp_path, key, value, expected):
    folder = handmade.write(tmp_path / "bundle")
    content = card.read(folder)
    content["calibration"][key] = value
    (folder / card.CARD).write_text(json.dumps(content))
    with pytest.raises(BundleError, match=rf"calibration\.{key} is .*, expected {expected}"):
        card.read(folder)
