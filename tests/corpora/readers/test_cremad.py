"""CREMA-D: its names, the shortened level, and the table of its actors."""

from pathlib import Path

import pytest

from emotone.corpora import load
from emotone.errors import CorpusError
from support.corpus_files import check_decoded, check_rejected, plant, rows


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("AudioWAV/1001_DFA_ANG_XX.wav", ("angry", "cremad-1001", "", "", "dfa")),
        ("AudioWAV/1091_IEO_HAP_HI.wav", ("happy", "cremad-1091", "", "strong", "ieo")),
        ("AudioWAV/1040_ITH_SAD_X.wav", ("sad", "cremad-1040", "", "", "ith")),
        ("AudioWAV/1002_IEO_FEA_MD.wav", ("fearful", "cremad-1002", "", "normal", "ieo")),
        ("AudioWAV/1002_IEO_NEU_LO.wav", ("neutral", "cremad-1002", "", "", "ieo")),
    ],
)
def test_file_name_is_decoded(tmp_path: Path, path: str, expected: tuple[str, ...]) -> None:
    check_decoded(tmp_path, "cremad", path, expected)


@pytest.mark.parametrize("actor", ["1000", "1092", "1100"])
def test_misfit_is_rejected_with_the_reason(tmp_path: Path, actor: str) -> None:
    check_rejected(tmp_path, "cremad", "1001_DFA_ANG_XX.wav", f"{actor}_DFA_ANG_XX.wav", "actors 1001 to 1091")


def test_sex_from_the_demographics(tmp_path: Path) -> None:
    clips = [f"AudioWAV/{actor}_DFA_ANG_XX.wav" for actor in (1001, 1002, 1003)]
    data = plant(tmp_path / "cremad", *clips)
    table = (
        "ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Caucasian,Not Hispanic\n1002,21,Female,Caucasian,Not Hispanic\n"
    )
    plant(tmp_path / "cremad", "VideoDemographics.csv", content=table.encode())
    assert rows(load("cremad", data), "speaker", "gender") == [
        ("cremad-1001", "male"),
        ("cremad-1002", "female"),
        ("cremad-1003", ""),
    ]
    plant(tmp_path / "cremad", "VideoDemographics.csv", content=b"a,b\n1,2\n")
    with pytest.raises(CorpusError, match=r"VideoDemographics.csv.*expected CREMA-D's table with ActorID and Sex"):
        load("cremad", data)
