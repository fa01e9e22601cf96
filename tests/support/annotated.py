"""What the tests of annotated archives read and check."""

import pyarrow.parquet as pq


def rows(out):
    """Return the rows in order, as dictionaries."""
    return pq.read_table(out / "segments").sort_by([("row", "ascending"), ("start_s", "ascending")]).to_pylist()


def failures(out):
    """Return the failures in order, as dictionaries."""
    return pq.read_table(out / "failures.parquet").sort_by("row").to_pylist()


def check_each_once(out, n_files):
    """Each recording is in the rows or in the failures, once; for a row a recording."""
    numbers = [row["row"] for row in rows(out)] + [row["row"] for row in failures(out)]
    assert sorted(numbers) == list(range(n_files))
