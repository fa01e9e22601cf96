"""EMOVO: its names."""

from pathlib import Path

import pytest

from support.corpus_files import check_decoded, check_rejected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("f1/dis-f1-b1.wav", ("disgust", "emovo-f1", "female", "", "b1")),
        ("m3/gio-m3-n5.wav", ("happy", "emovo-m3", "male", "", "n5")),
        ("m2/rab-m2-d2.wav", ("angry", "emovo-m2", "male", "", "d2")),
    ],
)
def test_file_name_is_decoded(tmp_path: Path, path: str, expected: tuple[str, ...]) -> None:
    check_decoded(tmp_path, "emovo", path, expected)


def test_misfit_is_rejected_with_the_reason(tmp_path: Path) -> None:
    check_rejected(tmp_path, "emovo", "dis-f1-b1.wav", "dis-f4-b1.wav", "not of the form dis-f1-b1")
