"""Fixtures that every test may use: generated voices, and the real corpora where they are at hand."""

import os
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pytest

from support import shared_graphs


def required() -> bool:
    """Whether EMOTONE_REQUIRE_DATA says (1, as in CI) that no test on real corpora may be skipped."""
    return os.environ.get("EMOTONE_REQUIRE_DATA", "0") not in ("", "0")


def pytest_configure(config: pytest.Config) -> None:
    """Share the graphs of extractors between tests."""
    shared_graphs.name_folder(config)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped corpus test into a failed one where the corpora are required."""
    report = yield
    if report.skipped and required() and item.get_closest_marker("corpus") is not None:
        report.outcome = "failed"
        report.longrepr = f"skipped, and EMOTONE_REQUIRE_DATA forbids it for corpus tests: {report.longrepr}"
    return report


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files with long tests first, so that no process begins a long one when the others have finished.

    ``make test`` gives whole files to processes in this order, each as soon as it is free.  The files of a folder stay
    together, since they may share a fixture such as a browser.
    """
    places: dict[Path, int] = {}
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        place = 0 if "corpus" in marks else 1 if marks & {"slow", "browser"} else 2
        places[item.path] = min(place, places.get(item.path, place))
    items.sort(key=lambda item: places[item.path])


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real corpora; a test that asks for it is skipped, visibly, where EMOTONE_DATA does not name one."""
    named = os.environ.get("EMOTONE_DATA")
    if not named:
        (pytest.fail if required() else pytest.skip)("EMOTONE_DATA does not name the folder of the corpora")
    folder = Path(named)
    if not (folder / "ravdess").is_dir():
        pytest.fail(f"EMOTONE_DATA is {named!r}, which holds no folder 'ravdess'")
    return folder


def voice(
    *, seconds: float = 1.0, pitch_hz: float = 150.0, sample_rate: int = 16_000, seed: int = 0, gain: float = 0.3
) -> np.ndarray:
    """A voice-like sound: gliding harmonics under a syllable-rate envelope, and a little noise; (n,) in [-1, 1]."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + 0.1 * np.sin(2 * np.pi * 1.5 * t))) / sample_rate
    harmonics = sum(np.sin(k * phase) / k for k in range(1, 12))
    envelope = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * t)
    sound = harmonics * envelope + 0.01 * rng.standard_normal(t.size)
    return (gain * sound / np.abs(sound).max()).astype(np.float32)


@pytest.fixture(scope="session")
def make_voice() -> Callable[..., np.ndarray]:
    """The function `voice` above."""
    return voice
