"""Archives in S3, read and written, also while it is overloaded."""

import pyarrow.parquet as pq
import pytest

from emotone.bulk.annotate import annotate
from emotone.bulk.engines import LocalEngine
from emotone.bulk.settings import AnnotateSettings
from support.annotated import rows
from support.s3_server import s3

pytestmark = pytest.mark.slow


@pytest.fixture
def bucket(monkeypatch, archive):
    """The archive in a bucket, and the server."""
    with s3(monkeypatch) as (server, system):
        system.mkdir("bucket")
        for path in sorted(archive.rglob("*.*")):
            system.put_file(str(path), f"bucket/calls/{path.relative_to(archive).as_posix()}")
        yield server, system


def remote_rows(system, out):
    tables = [pq.read_table(system.open(path)) for path in sorted(system.find(f"{out}/segments"))]
    return sorted((row for table in tables for row in table.to_pylist()), key=lambda row: row["row"])


def test_rows_are_those_of_the_same_files_here(bucket, archive, bundle, tmp_path):
    server, system = bucket
    settings = AnnotateSettings(model=bundle, part_files=4)
    summary = annotate("s3://bucket/calls", "s3://bucket/emotions", settings=settings, engine=LocalEngine(2))
    assert (summary.n_files, summary.n_rows, summary.n_failures) == (16, 12, 4)
    annotate(archive, tmp_path / "out", settings=settings)
    made, here = remote_rows(system, "bucket/emotions"), rows(tmp_path / "out")
    ours = {row["file"].split("/calls/")[1]: row for row in made}
    for row in here:
        same = ours[row["file"].split(f"{archive}/")[1]]
        assert {**same, "row": 0, "file": ""} == {**row, "row": 0, "file": ""}
    failed = pq.read_table(system.open("bucket/emotions/failures.parquet")).to_pylist()
    assert sorted(row["code"] for row in failed) == ["not_audio", "not_audio", "silent", "too_short"]
    assert all(row["message"].startswith("s3://bucket/calls/") for row in failed)
    left = {path.split("emotions/")[1].split("/")[0] for path in system.find("bucket/emotions")}
    assert left == {"failures.parquet", "run.json", "segments"}
    assert annotate("s3://bucket/calls", "s3://bucket/emotions", settings=settings).was_done


def test_server_that_is_overloaded_for_a_while_costs_no_recording(bucket, bundle, tmp_path):
    server, _ = bucket
    server.refuse(12)
    settings = AnnotateSettings(model=bundle, part_files=8)
    summary = annotate(["s3://bucket/calls/anna"], tmp_path / "out", settings=settings, engine=LocalEngine(1))
    assert server.n_refused == 12  # or the test shows nothing
    assert (summary.n_rows, summary.n_failures) == (6, 0)


def test_object_that_is_gone_is_a_failure(bucket, bundle, tmp_path):
    manifest = tmp_path / "list.csv"
    manifest.write_text("file\ns3://bucket/calls/anna/0.wav\ns3://bucket/calls/gone.wav\n")
    summary = annotate([str(manifest)], tmp_path / "out", settings=AnnotateSettings(model=bundle))
    assert (summary.n_rows, summary.n_failures) == (1, 1)
    (failure,) = pq.read_table(tmp_path / "out" / "failures.parquet").to_pylist()
    assert failure["code"] == "not_found" and "s3://bucket/calls/gone.wav" in failure["message"]
