"""Timeouts of slow and idle clients."""

import itertools

from emotone.serve.timeouts import MAX_UPLOAD_S, MIN_BYTES_PER_S, UploadTimeout


def test_patience(monkeypatch):
    clock = itertools.count(100.0, 1.0)
    monkeypatch.setattr("emotone.serve.timeouts.time.monotonic", lambda: next(clock))
    patience = UploadTimeout(2.5)
    assert [patience.wait_s(0) for _ in range(3)] == [1.5, 0.5, 0.0]
    assert patience.wait_s(2 * MIN_BYTES_PER_S) == 0.5  # 4 s after the start, of 2.5 + 2
    assert patience.wait_s(100 * MIN_BYTES_PER_S) == 2.5


def test_patience_ends(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("emotone.serve.timeouts.time.monotonic", lambda: now[0])
    patience = UploadTimeout(30.0)
    for now[0], left in ((10.0, 30.0), (MAX_UPLOAD_S - 5, 5.0), (MAX_UPLOAD_S + 1, 0.0)):
        assert patience.wait_s(10**9) == left


def test_large_uploads_may_take_longer(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("emotone.serve.timeouts.time.monotonic", lambda: now[0])
    patience = UploadTimeout(30.0, max_bytes=250_000_000)
    for now[0], left in ((MAX_UPLOAD_S + 1, 30.0), (5 * MAX_UPLOAD_S - 5, 5.0), (5 * MAX_UPLOAD_S + 1, 0.0)):
        assert patience.wait_s(10**9) == left
    assert UploadTimeout(30.0, max_bytes=50_000_000).max_s == MAX_UPLOAD_S
