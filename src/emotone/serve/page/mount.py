"""The web page at ``/``: Gradio in the service's own app, behind `Guard`, with everything served from here.

What the page answers goes through the same queue, threads, limits and deadlines as what the paths under ``/v1`` answer.
"""

import asyncio
import atexit
import contextlib
import functools
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from emotone.errors import MissingExtraError
from emotone.recognition.recognizer import Recognizer
from emotone.serve.page import guard, login
from emotone.serve.work_queue import WorkQueue

#: Seconds for which an upload is kept, so that it can be played and answered for once more.
KEPT_S = 600
_SWEPT_EVERY_S = 30
#: What Gradio and what it brings read when they are imported: they call nobody, and show nothing of themselves.
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
_HEAD = """
<meta name="description" content="Which emotion a voice carries, and how far that answer can be trusted.">
<meta name="theme-color" content="#faf9f7" media="(prefers-color-scheme: light)">
<meta name="theme-color" content="#15151b" media="(prefers-color-scheme: dark)">
<link rel="icon" href="page/icon.svg">
<link rel="stylesheet" href="page/page.css">
<script src="page/page.js" defer></script>
"""
_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Noto Sans", "Arial", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")


def add_page(app: FastAPI, recognizer: Recognizer, *, load: WorkQueue) -> None:
    """Add the page to the service.

    Parameters
    ----------
    app
        The service, complete but for the page: what it has no path for goes to the page.
    recognizer
        PageHandlers.
    load
        Of the service.

    Raises
    ------
    MissingExtraError
        Gradio is not installed.
    """
    folder = _folder()
    gradio = _gradio(folder)
    from emotone.serve.page.tabs import build

    settings = load.settings
    blocks = build(recognizer, load=load, folder=Path(folder), kept_s=KEPT_S, swept_every_s=_SWEPT_EVERY_S)
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
        head=_HEAD,
    )
    # Gradio checks whether a file that it is sent the path of was uploaded, but not for pages that are mounted
    blocks.has_launched = blocks.is_running = True
    mounted: Any = app.router.routes.pop()
    app.include_router(guard.assets())
    if settings.key is not None:
        app.include_router(login.router(settings.key))
    # not mounted: a mount at / would take the place of what the service says to wrong methods and unknown paths
    _sweep_while_it_runs(app, Path(folder))
    app.router.default = guard.Guard(mounted.app, folder=folder, load=load, settings=settings)


def sweep(folder: Path, *, age_s: float) -> None:
    """Delete everything in a folder that has not changed for so many seconds, whoever left it there.

    Gradio knows of uploads that came whole, and not of what was cut off.
    """
    before = time.time() - age_s
    for one in sorted(folder.rglob("*"), reverse=True):  # files before the folders that they are in
        with contextlib.suppress(OSError):
            if one.lstat().st_mtime < before:
                one.rmdir() if one.is_dir() and not one.is_symlink() else one.unlink()


def _sweep_while_it_runs(app: FastAPI, folder: Path) -> None:
    inner: Any = app.router.lifespan_context

    async def again_and_again() -> None:
        while True:
            await asyncio.sleep(_SWEPT_EVERY_S)
            await asyncio.to_thread(sweep, folder, age_s=KEPT_S)

    @contextlib.asynccontextmanager
    async def sweeping(app: FastAPI) -> AsyncIterator[Any]:
        task = asyncio.create_task(again_and_again())
        try:
            async with inner(app) as state:
                yield state
        finally:
            task.cancel()

    app.router.lifespan_context = sweeping


def _gradio(folder: str) -> Any:
    """Import Gradio, told where to keep files and to call nobody."""
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
    """Make the folder of this process's uploads, which nobody else can read, and which ends with the process."""
    folder = os.path.realpath(tempfile.mkdtemp(prefix="emotone-page-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _theme(gradio: Any) -> Any:
    """Make the theme: the system's fonts, which nothing has to be fetched for, and one calm colour."""
    colours = gradio.themes.colors
    theme = gradio.themes.Base(
        primary_hue=colours.indigo, secondary_hue=colours.indigo, neutral_hue=colours.stone, font=_FONT, font_mono=_MONO
    )
    return theme.set(
        body_background_fill="#faf9f7",
        body_background_fill_dark="#15151b",
        body_text_color="#1d1c22",
        body_text_color_dark="#ecebf1",
        body_text_color_subdued="#5c5a66",
        body_text_color_subdued_dark="#a9a7b6",
        block_background_fill="#ffffff",
        block_background_fill_dark="#1e1e27",
        block_border_color="#e2dfda",
        block_border_color_dark="#34343f",
        border_color_primary="#d5d1ca",
        border_color_primary_dark="#3d3d4a",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#1e1e27",
        background_fill_secondary="#f4f2ee",
        background_fill_secondary_dark="#24242e",
        block_radius="14px",
        button_primary_background_fill="#3b3a9e",
        button_primary_background_fill_hover="#2f2e86",
        button_primary_background_fill_dark="#a9a8f5",
        button_primary_background_fill_hover_dark="#bfbef8",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#15151b",
        link_text_color="#3b3a9e",
        link_text_color_dark="#a9a8f5",
        link_text_color_hover="#1d1c22",
        link_text_color_hover_dark="#ecebf1",
        table_even_background_fill="#ffffff",
        table_even_background_fill_dark="#1e1e27",
        table_odd_background_fill="#f4f2ee",
        table_odd_background_fill_dark="#24242e",
        color_accent="#3b3a9e",
        loader_color="#3b3a9e",
        loader_color_dark="#a9a8f5",
    )
