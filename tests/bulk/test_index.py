"""The list of an archive on disk."""

import pickle

from emotone.bulk.index import Index, parts_of, write_index
from emotone.bulk.storage import Local
from emotone.bulk.units import Item, Row


def items(n, size=1):
    return [Item(f"{number}.wav", "anna" if number % 2 else None, size=size) for number in range(n)]


def test_parts_hold_so_many_files_and_bytes():
    assert [len(part) for part in parts_of(items(1000), n_files=10, n_bytes=1000)] == [10] * 100
    assert [len(part) for part in parts_of(items(70, size=400), n_files=2, n_bytes=500)] == [1] * 70
    assert [len(part) for part in parts_of(items(2, size=10**9), n_files=2, n_bytes=500)] == [1, 1]
    assert list(parts_of([], n_files=10, n_bytes=100)) == []


def test_small_archives_have_smaller_parts():
    assert [len(part) for part in parts_of(items(64), n_files=256, n_bytes=1000)] == [4] * 16
    assert len(list(parts_of(items(3200), n_files=256, n_bytes=10**6))) == 32


def test_list_is_asked_for_as_it_is_written():
    asked = []
    endless = (asked.append(item) or item for item in items(10_000))
    parts = parts_of(endless, n_files=10, n_bytes=100)
    next(parts)
    assert len(asked) <= 32 * 10 + 1


def test_any_part_and_row_can_be_read(tmp_path):
    storage = Local(str(tmp_path))
    odd = [Item("caf\udce9.wav", "j\udcfcrgen", 1.5, None, error="row 2"), Item("ü.wav", None, 0.0, 2.0)]
    write_index(storage, "work/list.arrow", parts_of([*odd, *items(9)], n_files=4, n_bytes=100))
    index = pickle.loads(pickle.dumps(Index(storage, "work/list.arrow")))
    assert index.n_parts == 3 and index.n_rows == 11 and index.starts == [0, 4, 8, 11]
    assert index.part(0)[:2] == [
        Row(0, odd[0]._replace(speaker="j\\xfcrgen")),  # names of speakers are text
        Row(1, odd[1]),
    ]
    assert index.part(2)[-1].item.file == "8.wav" and index.part(2)[-1].number == 10
    assert [index.row(number).number for number in (10, 0, 4, 3)] == [10, 0, 4, 3]
    assert sum(len(part) for part in index) == 11


def test_progress_and_nothing_half_written(tmp_path):
    calls = []

    def failing():
        yield from items(2500)
        raise OSError("the disk is gone")

    try:
        write_index(
            Local(str(tmp_path)),
            "list.arrow",
            parts_of(failing(), n_files=10, n_bytes=100),
            progress=lambda *step: calls.append(step[2]),
        )
    except OSError:
        pass
    assert calls and "recordings" in calls[0]
    assert not list(tmp_path.iterdir())
