"""The files of the output."""

import os

import pyarrow.parquet as pq
import pytest

from emotone.bulk import parts
from emotone.bulk.storage import Local, Remote
from emotone.errors import ConfigError, StorageError

EMOTIONS = ("happy", "sad")


def row(number, **changes):
    cells = {
        **{"row": number, "file": f"{number}.wav", "start_s": 0.0, "end_s": 1.0, "speaker": None, "channel": None},
        **{"emotion": "sad"},
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
    failure = (1, "1.wav", 0.0, None, None, None, "silent", "1.wav: the recording is silent")
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
    failure = (0, "0.wav", 0.0, None, None, None, "timeout", "0.wav: too slow")
    parts.write_part(storage, 0, [], [failure], schema, sound_s=0.0)
    parts.write_part(storage, 0, [row(0)], [], schema, sound_s=1.0)
    assert parts.merge_failures(storage) == 0


def test_no_failures_are_an_empty_table(storage):
    assert parts.merge_failures(storage) == 0
    with storage.open(parts.FAILURES) as file:
        names = pq.read_table(file).column_names
        assert names == ["row", "file", "start_s", "end_s", "speaker", "channel", "code", "message"]


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


SCHEMA = parts.segments_schema(EMOTIONS)


def failure(number, code="timeout"):
    return (number, f"{number}.wav", 0.0, None, "anna", None, code, f"{number}.wav: {code}")


def merged(storage):
    with storage.open(parts.FAILURES) as file:
        return pq.read_table(file).to_pylist()


@pytest.mark.parametrize("size", [0, 4, 12, -1])
def test_part_that_was_cut_off_is_done_again(storage, size):
    for number in (0, 1):
        parts.write_part(storage, number, [row(number)], [], SCHEMA, sound_s=1.0)
    name = f"segments/{parts.part_name(0)}"
    storage.write(name, storage.read(name)[:size])
    assert parts.done_parts(storage) == {1}
    parts.write_part(storage, 0, [row(0)], [], SCHEMA, sound_s=1.0)
    assert parts.done_parts(storage) == {0, 1}


@pytest.mark.parametrize(
    "name", ["part-x.parquet", "part-1.parquet", "part-00000001.parquet", "part-0000001.parquet.crc", "notes", "part-"]
)
def test_other_names_are_no_parts(storage, name):
    parts.write_part(storage, 12_345_678, [], [], SCHEMA, sound_s=0.0)
    storage.write(f"segments/{name}", storage.read(f"segments/{parts.part_name(12_345_678)}"))
    assert parts.done_parts(storage) == {12_345_678}


def test_folder_with_the_name_of_a_part_is_none(tmp_path):
    (tmp_path / "segments" / parts.part_name(0)).mkdir(parents=True)
    assert parts.done_parts(Local(str(tmp_path))) == set()


def damage(storage, name, content):
    """Change the middle of a file, or all of it; its end stays that of a whole file."""
    storage.write(name, content or b"PAR1" + b"\xff" * (len(storage.read(name)) - 8) + b"PAR1")


def test_damaged_part_is_named(storage):
    parts.write_part(storage, 0, [row(0)], [], SCHEMA, sound_s=1.0)
    name = f"segments/{parts.part_name(0)}"
    damage(storage, name, b"")
    with pytest.raises((ConfigError, StorageError), match=f"{name} .*delete {name}, and run the same command again"):
        parts.written(storage, [0])
    damage(storage, name, parts._parquet([(1,)], SCHEMA.empty_table().select(["row"]).schema))  # of another program
    assert parts.done_parts(storage) == {0}
    with pytest.raises(ConfigError, match=f"{name} .*was not written by emotone annotate"):
        parts.written(storage, [0])


def test_damaged_failures_are_named_with_the_part_to_do_again(storage):
    parts.write_part(storage, 0, [], [failure(0)], SCHEMA, sound_s=0.0)
    (name,) = storage.names("work/failures")
    damage(storage, f"work/failures/{name}", b"")
    segments = f"delete segments/{parts.part_name(0)}, and run"
    with pytest.raises((ConfigError, StorageError), match=f"{name} .*{segments}"):
        parts.merge_failures(storage)
    storage.remove(f"work/failures/{name}")
    storage.write("work/failures/part-0000000-0.parquet", b"")  # of another try
    with pytest.raises(ConfigError, match=f"has 0 of 1 failures .*{segments}"):
        parts.merge_failures(storage)
    damage(storage, parts.FAILURES, b"PAR1")
    with pytest.raises((ConfigError, StorageError), match="choose another folder"):
        parts.first_failure(storage)


def test_merged_failures_are_kept_when_those_of_the_parts_are_gone(storage):
    parts.write_part(storage, 0, [], [failure(0)], SCHEMA, sound_s=0.0)
    assert parts.merge_failures(storage) == 1
    storage.remove("work")
    assert parts.merge_failures(storage) == 1
    assert [cells["row"] for cells in merged(storage)] == [0]


@pytest.mark.slow
def test_tries_of_a_part_that_end_at_once_lose_no_failure(storage, monkeypatch):
    """A try is interrupted by another one, before each of its writes and after the last."""
    tries = [([row(0)], [failure(1)]), ([row(1)], [failure(0)]), ([row(0), row(1)], []), ([], [failure(0), failure(1)])]
    write = type(storage).write
    for first in tries:
        for second in tries:
            for interrupted in range(3):
                storage.remove("")
                n_writes = 0

                def writing(self, name, content, second=second, interrupted=interrupted):
                    nonlocal n_writes
                    n_writes += 1
                    if n_writes == interrupted + 1:
                        parts.write_part(self, 0, *second, SCHEMA, sound_s=1.0)
                    write(self, name, content)

                with monkeypatch.context() as patch:
                    patch.setattr(type(storage), "write", writing)
                    parts.write_part(storage, 0, *first, SCHEMA, sound_s=1.0)
                parts.merge_failures(storage)
                with storage.open(f"segments/{parts.part_name(0)}") as file:
                    rows = pq.read_table(file)["row"].to_pylist()
                assert sorted(rows + [cells["row"] for cells in merged(storage)]) == [0, 1]


def test_number_of_failures_is_in_the_file_of_the_rows(storage):
    parts.write_part(storage, 0, [row(0)], [failure(1), failure(2)], SCHEMA, sound_s=1.5)
    parts.write_part(storage, 1, [row(3)], [], SCHEMA, sound_s=2.0)
    with storage.open(f"segments/{parts.part_name(0)}") as file:
        assert pq.read_schema(file).metadata[b"emotone.n_failures"] == b"2"
    assert parts.totals(storage, [0, 1]) == (2, 2, 3.5)


@pytest.mark.slow
def test_failures_are_in_few_row_groups(storage, monkeypatch):
    monkeypatch.setattr(parts, "_GROUP", 10)
    for number in range(9):
        parts.write_part(storage, number, [], [failure(3 * number + i) for i in range(3)], SCHEMA, sound_s=0.0)
    assert parts.merge_failures(storage) == 27
    with storage.open(parts.FAILURES) as file:
        made = pq.ParquetFile(file).metadata
        assert [made.row_group(i).num_rows for i in range(made.num_row_groups)] == [12, 12, 3]
    assert [cells["row"] for cells in merged(storage)] == list(range(27))


def test_failures_name_the_speaker_if_there_is_one(storage):
    without = failure(1)[:4] + (None,) + failure(1)[5:]
    parts.write_part(storage, 0, [], [failure(0), without], SCHEMA, sound_s=0.0)
    parts.merge_failures(storage)
    assert [cells["speaker"] for cells in merged(storage)] == ["anna", None]
    assert [cells["code"] for cells in merged(storage)] == ["timeout", "timeout"]
