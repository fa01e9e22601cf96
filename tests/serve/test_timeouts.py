"""Timeouts of slow and idle clients."""

import pytest

from emotone.serve.timeouts import FIRST_S, MAX_UPLOAD_S, MIN_BYTES_PER_S, STEADY_BYTES_PER_S, UploadTimeout


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("emotone.serve.timeouts.time.monotonic", lambda: now[0])
    return now


def sent(timeout, clock, *, rate, seconds):
    """Send at a rate, once a second, until the upload would be closed; return the seconds it lasted."""
    for second in range(seconds):
        clock[0] += 1.0
        if timeout.wait_s == 0.0:
            return second
        timeout.received(round(rate))
    return seconds


@pytest.mark.parametrize(("idle_s", "first_s"), [(2.5, 2.5), (30.0, FIRST_S), (3600.0, FIRST_S)])
def test_without_a_byte_an_upload_is_closed_soon(clock, idle_s, first_s):
    timeout = UploadTimeout(idle_s)
    assert timeout.wait_s == first_s
    clock[0] += first_s - 1
    assert timeout.wait_s == 1.0
    clock[0] += 2
    assert timeout.wait_s == 0.0


def test_the_rate_counts_from_the_start(clock):
    # one byte a second was let in for 30 s
    assert sent(UploadTimeout(30.0), clock, rate=1, seconds=60) < FIRST_S + 1
    assert sent(UploadTimeout(30.0), clock, rate=MIN_BYTES_PER_S / 2, seconds=60) < 2 * FIRST_S + 1
    assert sent(UploadTimeout(30.0), clock, rate=MIN_BYTES_PER_S, seconds=60) == 60


def test_what_came_fast_is_credit_for_a_pause_but_no_more_than_one(clock):
    timeout = UploadTimeout(30.0)
    timeout.received(100_000_000)
    assert timeout.wait_s == 30.0 and timeout.n_bytes == 100_000_000
    clock[0] += 29
    assert timeout.wait_s == 1.0
    timeout.received(MIN_BYTES_PER_S)
    assert timeout.wait_s == 2.0


def test_patience_ends(clock):
    timeout = UploadTimeout(30.0)
    assert sent(timeout, clock, rate=1e6, seconds=1000) == MAX_UPLOAD_S - 1
    assert sent(UploadTimeout(30.0, max_bytes=250_000_000), clock, rate=1e6, seconds=9000) == 5 * MAX_UPLOAD_S - 1
    assert UploadTimeout(30.0, max_bytes=50_000_000).max_s == MAX_UPLOAD_S


def test_lateness(clock):
    idle, burst, steady = UploadTimeout(30.0), UploadTimeout(30.0), UploadTimeout(30.0)
    burst.received(50_000_000)
    for _ in range(10):
        clock[0] += 1
        steady.received(STEADY_BYTES_PER_S)
    assert idle.late_s == burst.late_s == 10.0 and steady.late_s == pytest.approx(0.0)
