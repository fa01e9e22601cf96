"""The web page at ``/``: Gradio within the service's app, behind `Guard`.

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

from emotone._version import TAGLINE
from emotone.errors import MissingExtraError
from emotone.recognition.recognizer import Recognizer
from emotone.serve.own_source import OwnSource
from emotone.serve.page import guard, login, sessions
from emotone.serve.page.html import render
from emotone.serve.work_queue import WorkQueue
from emotone.temporary import temporary_folder

#: Seconds after which an upload is deleted; until then it can be played and predicted again.
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
_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Noto Sans", "Arial", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")
#: Gradio's name of a colour -> its value in light and in dark mode.
_COLOURS = {
    "body_background_fill": ("#faf9f7", "#15151b"),
    "body_text_color": ("#1d1c22", "#ecebf1"),
    "body_text_color_subdued": ("#5c5a66", "#a9a7b6"),
    "block_background_fill": ("#ffffff", "#1e1e27"),
    "block_border_color": ("#e2dfda", "#34343f"),
    "border_color_primary": ("#d5d1ca", "#3d3d4a"),
    "background_fill_primary": ("#ffffff", "#1e1e27"),
    "background_fill_secondary": ("#f4f2ee", "#24242e"),
    "button_primary_background_fill": ("#3b3a9e", "#a9a8f5"),
    "button_primary_background_fill_hover": ("#2f2e86", "#bfbef8"),
    "button_primary_text_color": ("#ffffff", "#15151b"),
    "input_background_fill": ("#f4f2ee", "#24242e"),
    "input_background_fill_focus": ("#f4f2ee", "#24242e"),
    "input_background_fill_hover": ("#f4f2ee", "#24242e"),
    "link_text_color": ("#3b3a9e", "#a9a8f5"),
    "link_text_color_hover": ("#1d1c22", "#ecebf1"),
    "table_even_background_fill": ("#ffffff", "#1e1e27"),
    "table_odd_background_fill": ("#f4f2ee", "#24242e"),
    "loader_color": ("#3b3a9e", "#a9a8f5"),
}


def add_page(app: FastAPI, recognizer: Recognizer, *, queue: WorkQueue, source: OwnSource) -> None:
    """Add the page to a service that has all its other routes: unknown paths go to the page.

    Raises
    ------
    MissingExtraError
        Gradio is not installed.
    """
    folder = _folder()
    gradio = _gradio(folder)
    from emotone.serve.page.handlers import PageHandlers
    from emotone.serve.page.tabs import build

    settings = queue.settings
    handlers = PageHandlers(recognizer, queue, source, folder=Path(folder))
    blocks = build(handlers, kept_s=KEPT_S, swept_every_s=SWEPT_EVERY_S)
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
        theme=_theme(gradio),
        head=render("head", tagline=TAGLINE),
    )
    # only then does Gradio check that a path from a client is an upload, also for a mounted page
    blocks.has_launched = blocks.is_running = True
    mounted: Any = app.router.routes.pop()
    app.include_router(guard.assets())
    if settings.key is not None:
        app.include_router(login.router(settings.key))
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


def _theme(gradio: Any) -> Any:
    """Return the theme: fonts of the system, which need no download, and one calm colour."""
    indigo, stone = gradio.themes.colors.indigo, gradio.themes.colors.stone
    theme = gradio.themes.Base(primary_hue=indigo, secondary_hue=indigo, neutral_hue=stone, font=_FONT, font_mono=_MONO)
    light = {name: colour for name, (colour, _) in _COLOURS.items()}
    dark = {f"{name}_dark": colour for name, (_, colour) in _COLOURS.items()}
    return theme.set(**light, **dark, block_radius="14px", color_accent="#3b3a9e")
