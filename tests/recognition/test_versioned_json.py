"""Checks of JSON files that state their format version."""

import pytest

from emotone.errors import BundleError
from emotone.recognition.versioned_json import check_object, parse, short


def check(value):
    return check_object(value, where="a.json", kind="a thing", keys=("format_version", "x"), newest=2, remedy="retry")


@pytest.mark.parametrize("version", [1, 2])
def test_readable_objects_are_returned(version):
    assert check({"format_version": version, "x": 5}) == {"format_version": version, "x": 5}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "a.json holds a list, expected a thing; retry"),
        ({"format_version": 0}, "format_version is 0, expected a whole number from 1; retry"),
        ({"format_version": True}, "format_version is True"),
        ({"format_version": 3}, "format version 3, .* reads up to 2: install a newer version of Emotone from .+"),
        ({"format_version": 1}, "a.json has format_version and lacks x; expected a thing: retry"),
        ({}, "a.json has no keys and lacks format_version, x; expected a thing: retry"),
        (dict.fromkeys("abcdef"), "a.json has a, b, c, d, e, ... and lacks format_version, x;"),
    ],
)
def test_other_values_are_errors(value, message):
    with pytest.raises(BundleError, match=message):
        check(value)


def test_invalid_json_is_an_error_and_long_values_are_shortened():
    assert parse(b"[1]", where="a.json", remedy="retry") == [1]
    with pytest.raises(BundleError, match="a.json is not valid JSON .*; retry"):
        parse(b"[1", where="a.json", remedy="retry")
    assert short("x" * 100) == "'" + "x" * 76 + "..." and short(5) == "5"
