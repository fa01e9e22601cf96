"""The web page at ``/``, and Gradio's endpoints for programs within the service's app, behind `Guard`.

The page uses the queue, threads, limits and deadlines of the routes under ``/v1``, and loads nothing from other hosts.
"""

import asyncio
import atexit
import contextlib
import functools
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from emotone.errors import MissingExtraError
from emotone.recognition.recognizer import Recognizer
from emotone.serve.jobs import Jobs
from emotone.serve.own_source import OwnSource
from emotone.serve.page import guard, login, sessions
from emotone.serve.page.answer_routes import answer_routes
from emotone.serve.page.handlers import PageHandlers
from emotone.serve.page.site import site_routes
from emotone.serve.work_queue import WorkQueue
from emotone.temporary import temporary_folder

#: Seconds after which an upload to Gradio's endpoints is deleted; the page itself writes none to a file.
KEPT_S = 600
#: Seconds between two searches for old uploads.
SWEPT_EVERY_S = 30
#: Settings that Gradio and its dependencies read on import: no calls to other hosts, no extra pages.
_ENVIRONMENT = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_MCP_SERVER": "False",
    "GRADIO_RUN_HISTORY": "False",
    "GRADIO_SHARE": "False",
    "GRADIO_SSR_MODE": "False",
    "GRADIO_PROFILING": "",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


def add_page(app: FastAPI, recognizer: Recognizer, *, queue: WorkQueue, jobs: Jobs, source: OwnSource) -> None:
    """Add the page to a service that has all its other routes: unknown paths go to Gradio's endpoints.

    Raises
    ------
    MissingExtraError
        Gradio is not installed.
    """
    folder = _folder()
    gradio = _gradio(folder)
    from emotone.serve.page.programs import Programs, build

    settings = queue.settings
    handlers = PageHandlers(recognizer, settings, source)
    # the assets last: /page/card is no asset's /page/{name}
    for routes in (site_routes(handlers), answer_routes(handlers, jobs), guard.assets()):
        app.include_router(routes)
    if settings.key is not None:
        app.include_router(login.router(settings.key))
    programs = Programs(recognizer, queue, source, folder=Path(folder))
    blocks = build(programs, kept_s=KEPT_S, swept_every_s=SWEPT_EVERY_S)
    sessions.bound(blocks, gradio.Error)
    gradio.mount_gradio_app(
        app,
        blocks,
        path="/",
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        mcp_server=False,
        enable_monitoring=False,
        max_file_size=settings.max_upload_bytes,
    )
    # only then does Gradio check that a path from a client is an upload, also for a mounted page
    blocks.has_launched = blocks.is_running = True
    mounted: Any = app.router.routes.pop()
    # as default, not as a mount: a mount at / would replace the service's responses to wrong methods and unknown paths
    _sweep_regularly(app, Path(folder), blocks)
    app.router.default = guard.Guard(mounted.app, folder=folder, queue=queue)


def sweep(folder: Path, *, age_s: float) -> None:
    """Delete everything in a folder that has not changed for ``age_s`` seconds.

    Gradio deletes complete uploads only, not interrupted ones.
    """
    before = time.time() - age_s
    for path in sorted(folder.rglob("*"), reverse=True):  # files before their folders
        with contextlib.suppress(OSError):
            if path.lstat().st_mtime < before:
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def _sweep_regularly(app: FastAPI, folder: Path, blocks: Any) -> None:
    inner: Any = app.router.lifespan_context

    async def sweep_forever() -> None:
        while True:
            await asyncio.sleep(SWEPT_EVERY_S)
            await asyncio.to_thread(sweep, folder, age_s=KEPT_S)
            sessions.forget_files(blocks, await asyncio.to_thread(sessions.missing_files, blocks))
            sessions.forget_ended(blocks._queue)

    @contextlib.asynccontextmanager
    async def sweeping(app: FastAPI) -> AsyncIterator[Any]:
        task = asyncio.create_task(sweep_forever())
        try:
            async with inner(app) as state:
                yield state
        finally:
            task.cancel()

    app.router.lifespan_context = sweeping


def _gradio(folder: str) -> Any:
    """Import Gradio with its folder of uploads set and calls to other hosts turned off."""
    os.environ.update(_ENVIRONMENT, GRADIO_TEMP_DIR=folder)
    try:
        import gradio
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("gradio", "gradio_client"):
            raise
        raise MissingExtraError("the page (gradio)", extra="serve") from error
    return gradio


@functools.cache
def _folder() -> str:
    """Make the folder of this process's uploads: private, and deleted when the process ends, or by the next service."""
    until_exit = contextlib.ExitStack()
    atexit.register(until_exit.close)
    return os.path.realpath(until_exit.enter_context(temporary_folder("emotone-page-")))
