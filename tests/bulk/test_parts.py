"""The files of the output."""

import os

import pyarrow.parquet as pq
import pytest

from emotone.bulk import parts
from emotone.bulk.storage import Local, Remote

EMOTIONS = ("happy", "sad")


def row(number, **changes):
    cells = {
        **{"row": number, "file": f"{number}.wav", "start_s": 0.0, "end_s": 1.0, "speaker": None, "emotion": "sad"},
        **{"label": "sad", "confidence": 0.75, "speech": 1.0, "score_happy": 0.25, "score_sad": 0.75},
        **{"adapted_source": 0, "adapted_speaker": 0, "notes": ["a note"], "model": "0" * 64},
    }
    return tuple((cells | changes).values())


@pytest.fixture(params=["local", "remote"])
def storage(request, tmp_path):
    if request.param == "local":
        yield Local(str(tmp_path / "out"))
        return
    made = Remote("memory://out")
    yield made
    made.remove("")


def test_parts_and_failures(storage):
    schema = parts.segments_schema(EMOTIONS)
    failure = (1, "1.wav", 0.0, None, "silent", "1.wav: the recording is silent")
    parts.write_part(storage, 0, [row(0)], [failure], schema, sound_s=1.0)
    parts.write_part(storage, 12, [], [], schema, sound_s=0.0)
    assert parts.done_parts(storage) == {0, 12}
    assert parts.written(storage, [0, 12]) == (1, 1.0)
    assert parts.written(storage, []) == (0, 0.0)
    assert parts.merge_failures(storage) == 1
    with storage.open(parts.FAILURES) as file:
        assert pq.read_table(file)["code"].to_pylist() == ["silent"]
    with storage.open(f"segments/{parts.part_name(0)}") as file:
        assert pq.read_table(file).to_pylist()[0]["notes"] == ["a note"]


def test_failures_of_an_earlier_try_do_not_stay(storage):
    schema = parts.segments_schema(EMOTIONS)
    failure = (0, "0.wav", 0.0, None, "timeout", "0.wav: too slow")
    parts.write_part(storage, 0, [], [failure], schema, sound_s=0.0)
    parts.write_part(storage, 0, [row(0)], [], schema, sound_s=1.0)
    assert parts.merge_failures(storage) == 0


def test_no_failures_are_an_empty_table(storage):
    assert parts.merge_failures(storage) == 0
    with storage.open(parts.FAILURES) as file:
        assert pq.read_table(file).column_names == ["row", "file", "start_s", "end_s", "code", "message"]


def test_part_appears_when_it_is_whole(tmp_path, monkeypatch):
    storage = Local(str(tmp_path))

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        parts.write_part(storage, 0, [row(0)], [], parts.segments_schema(EMOTIONS), sound_s=1.0)
    assert parts.done_parts(storage) == set()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_same_rows_give_the_same_bytes(tmp_path):
    contents = set()
    for name in ("a", "b"):
        storage = Local(str(tmp_path / name))
        parts.write_part(storage, 0, [row(0), row(1)], [], parts.segments_schema(EMOTIONS), sound_s=2.0)
        contents.add(storage.read(f"segments/{parts.part_name(0)}"))
    assert len(contents) == 1
