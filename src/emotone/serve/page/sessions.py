"""What Gradio keeps in memory of its sessions, bounded.

Gradio keeps a copy of the page's configuration for each of 10,000 sessions, about 70 KB each, and some sets and paths
for ever.  A session of a program is a single call, and this page keeps nothing in sessions, so the oldest can go.
"""

import logging
import os
from typing import Any

#: Sessions that are kept.
MOST = 100
#: Longest text of an error in the log.
_LOGGED = 200
_log = logging.getLogger(__name__)


def bound(blocks: Any, error: type[Exception]) -> None:
    """Bound the sessions of a page that is not mounted yet, and log a request that it can't use as one line.

    ``error`` is Gradio's error for clients; it is logged where it is raised.
    """
    blocks.state_session_capacity = MOST
    inner = blocks.process_api

    async def process_api(*arguments: Any, **options: Any) -> Any:
        try:
            return await inner(*arguments, **options)
        except error:
            raise
        except Exception as failed:  # what a client sent is not what the function takes: Gradio would log 7 kB
            _log.warning("the page can't use what a client sent: %s", in_short(failed))
            detail = "bad_request: the page can't use what was sent"
            raise error(detail, print_exception=False) from None  # type: ignore[call-arg]

    blocks.process_api = process_api


def in_short(error: BaseException) -> str:
    """Return an error as one line."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(error))
    return f"{type(error).__name__}: {text[:_LOGGED]}"


def forget_ended(queue: Any) -> None:
    """Forget all sessions of Gradio's queue whose answers were fetched, and all but `MOST` of the others that are over.

    For the event loop's thread alone.
    """
    sessions, messages, events = (
        queue.pending_event_ids_session,
        queue.pending_messages_per_session,
        queue.event_ids_to_events,
    )
    over = [session for session, ids in sessions.items() if not any(id in events for id in ids)]
    fetched = [session for session in over if not sessions[session]]
    waiting = [session for session in over if sessions[session]]
    for session in [*fetched, *waiting[: max(0, len(waiting) - MOST)]]:
        del sessions[session]
        messages.pop(session, None)


def missing_files(blocks: Any) -> list[str]:
    """Return the paths that Gradio keeps of files that are deleted already; it would keep them for ever."""
    paths = [path for files in list(blocks.temp_file_sets) for path in list(files)]
    return [path for path in paths if not os.path.lexists(path)]


def forget_files(blocks: Any, paths: list[str]) -> None:
    """Forget paths of deleted files; for the event loop's thread alone."""
    for files in blocks.temp_file_sets:
        files.difference_update(paths)
