"""What Gradio keeps of its sessions is bounded."""

import asyncio
import logging
import types
from concurrent.futures import ThreadPoolExecutor

import pytest

from emotone.serve.page import sessions
from support.browser_page import missing


class RefusalError(Exception):
    def __init__(self, text, *, print_exception=True):
        super().__init__(text)
        self.print_exception = print_exception


def queue_of(*, pending, waiting, fetched):
    """A queue of Gradio: sessions whose event runs, whose answer waits to be fetched, and whose answer was fetched."""
    ids = {f"p{k}": {f"event p{k}"} for k in range(pending)} | {f"w{k}": {f"event w{k}"} for k in range(waiting)}
    ids |= {f"f{k}": set() for k in range(fetched)}
    return types.SimpleNamespace(
        pending_event_ids_session=ids,
        pending_messages_per_session={session: object() for session in ids},
        event_ids_to_events={f"event p{k}": object() for k in range(pending)},
    )


def test_sessions_that_are_over_are_forgotten():
    queue = queue_of(pending=3, waiting=sessions.MOST + 5, fetched=1000)
    sessions.forget_ended(queue)
    kept = [f"p{k}" for k in range(3)] + [f"w{k}" for k in range(5, sessions.MOST + 5)]  # the newest
    assert list(queue.pending_event_ids_session) == kept == list(queue.pending_messages_per_session)
    sessions.forget_ended(queue)
    assert list(queue.pending_event_ids_session) == kept


def test_paths_of_deleted_files_are_forgotten(tmp_path):
    kept = tmp_path / "a.wav"
    kept.write_bytes(b"x")
    blocks = types.SimpleNamespace(temp_file_sets=[{str(kept), str(tmp_path / "b.wav")}, {str(tmp_path / "c.wav")}])
    sessions.forget_files(blocks, sessions.missing_files(blocks))
    assert blocks.temp_file_sets == [{str(kept)}, set()]


def test_what_the_page_can_not_use_is_one_line_of_the_log(caplog):
    async def process_api(error):
        raise error

    blocks = types.SimpleNamespace(process_api=process_api)
    sessions.bound(blocks, RefusalError)
    # in a thread: the browser of other tests has an event loop in this one
    run = ThreadPoolExecutor(1).submit
    with caplog.at_level(logging.WARNING), pytest.raises(RefusalError) as refusal:
        run(asyncio.run, blocks.process_api(KeyError("a\nb" * 1000))).result()
    assert not refusal.value.print_exception and refusal.value.__cause__ is None
    (line,) = caplog.messages
    assert "KeyError" in line and "\n" not in line and len(line) < 300 and not caplog.records[0].exc_info
    caplog.clear()
    with pytest.raises(RefusalError, match="silent"):
        run(asyncio.run, blocks.process_api(RefusalError("silent"))).result()
    assert caplog.messages == []


@pytest.mark.slow
def test_gradio_has_what_is_bounded():
    try:
        import gradio
    except ImportError:
        missing("gradio")
    with gradio.Blocks(analytics_enabled=False) as blocks:
        gradio.Button().click(lambda: None)
    blocks.queue()
    sessions.bound(blocks, gradio.Error)
    assert blocks.state_session_capacity == sessions.MOST
    queue = blocks._queue
    assert {queue.pending_event_ids_session == {}, queue.event_ids_to_events == {}} == {True}
    assert len(queue.pending_messages_per_session) == 0 and isinstance(blocks.temp_file_sets[0], set)
    holder = gradio.routes.App.create_app(blocks).state_holder
    for k in range(3 * sessions.MOST):
        holder[f"session {k}"]
    assert len(holder.session_data) <= sessions.MOST + 1
