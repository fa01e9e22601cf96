"""Inputs of strangers end in an answer or in a documented error; `make fuzz MINUTES=30` looks for longer."""

import pytest
from hypothesis import HealthCheck, given, settings

from support.fuzzing import TARGETS, inputs, seeds

QUICK = settings(
    max_examples=40,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.parametrize("name", TARGETS)
def test_the_committed_inputs_are_read_or_refused(name, folder):
    known = seeds(name)
    assert known
    for data in known:
        TARGETS[name].run(data, folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_changed_inputs_are_read_or_refused(name, folder):
    @QUICK
    @given(inputs(name))
    def run(data):
        TARGETS[name].run(data, folder)

    run()


def test_a_find_is_reported():
    from support.fuzzing import Target

    def read(data, folder):
        raise RecursionError("too deep")

    with pytest.raises(RecursionError):
        Target(read).run(b"", None)


@pytest.mark.parametrize("name", ["manifest_jsonl", "protocol", "folds", "profile", "card", "stream"])
def test_deep_json_is_refused(name, folder):
    deep = b"[" * 200_000
    data = b't{"rate": 16000, "x": ' + deep if name == "stream" else deep
    TARGETS[name].run(data, folder)
    TARGETS[name].run(b'{"test_speakers": ' + deep + b"}", folder)


@pytest.mark.parametrize("number", ["1" + "0" * 400, "1e999", "NaN", "-1e30"])
def test_numbers_that_overflow_are_refused(number, folder):
    for name, old in (
        ("folds", b'"seed": 0'),
        ("folds", b'"train": [0, 1]'),
        ("profile", b'"n_clips": 2'),
        ("profile", b"[0.1, 0.2]"),
        ("profile", b'"power": 0.1'),
        ("card", b'"features": 1'),
    ):
        data = next(data for data in seeds(name) if old in data)
        key = old.partition(b": ")[0] + b": " if b": " in old else b""
        value = number.encode() if b"[" not in old else b"[" + number.encode() + b"]"
        TARGETS[name].run(data.replace(old, key + value), folder)
