"""What `gradio_client` may call: two endpoints, which return what ``POST /v1/predict`` returns."""

import asyncio
import functools
from pathlib import Path
from typing import Any

import gradio as gr

from emotone.recognition.recognizer import Recognizer
from emotone.serve import problems
from emotone.serve.answers import predict_json
from emotone.serve.own_source import OwnSource
from emotone.serve.problems import ProblemError
from emotone.serve.uploads import shown_name
from emotone.serve.work_queue import Deadline, WorkQueue


class Programs:
    """The handlers of the endpoints; they open no file outside ``folder``, the folder of the uploads."""

    def __init__(self, recognizer: Recognizer, queue: WorkQueue, source: OwnSource, *, folder: Path) -> None:
        self.folder = folder.resolve()
        self.recognizer, self.queue, self.settings, self.source = recognizer, queue, queue.settings, source

    def is_upload(self, path: str | Path) -> bool:
        """Return whether a client's path is that of an existing upload: folder/HASH/NAME.

        A URL is not an absolute path, though ``http://a/../../..`` may resolve to a file.
        """
        try:
            resolved = Path(path).resolve()
            is_file = Path(path).is_absolute() and resolved.is_file()
            return is_file and len(resolved.relative_to(self.folder).parts) == 2
        except (OSError, ValueError, RuntimeError):  # not a path
            return False

    async def predict(self, path: str | None, *, as_timeline: bool) -> dict[str, Any]:
        """Return what `POST /v1/predict` returns."""
        if path is None:
            raise gr.Error("there is no recording; send one", print_exception=False)
        deadline = Deadline(self.settings.max_seconds)

        def work() -> dict[str, Any]:
            data, name = self._read(path)
            return predict_json(
                self.recognizer,
                data,
                name,
                as_timeline=as_timeline,
                deadline=deadline,
                settings=self.settings,
                source=self.source,
            )

        try:
            with self.queue.admit() as slot:
                # Gradio does not say when a client disconnects: the deadline ends the work
                return await self.queue.run(work, slot=slot, deadline=deadline, gone=asyncio.Event().wait)
        except Exception as error:
            raise _shown(problems.problem_of(error, failed="an endpoint of the page")) from error

    def _read(self, path: str) -> tuple[bytes, str]:
        """Return an upload's content and file name."""
        name = shown_name(path)
        try:
            if not self.is_upload(path):
                raise FileNotFoundError(path)
            data = Path(path).read_bytes()
        except OSError as error:
            raise ProblemError("deleted", f"{name} was deleted; send it again") from error
        if len(data) > self.settings.max_upload_bytes:
            raise ProblemError("too_large", f"{name} has {len(data)} bytes; send a shorter or compressed recording")
        return data, name


def _shown(problem: ProblemError) -> gr.Error:
    return gr.Error(f"{problem.code}: {problem.detail}", print_exception=False)


def build(programs: Programs, *, kept_s: int, swept_every_s: int) -> gr.Blocks:
    """Return Gradio's application with the endpoints ``/recognise`` and ``/timeline``, to be mounted.

    Uploads are deleted after ``kept_s`` seconds, and old uploads are searched every ``swept_every_s`` seconds.
    """
    blocks: gr.Blocks
    with gr.Blocks(title="Emotone", analytics_enabled=False, delete_cache=(swept_every_s, kept_s)) as blocks:
        recording = gr.Audio(
            sources=["upload"], type="filepath", label="recording", editable=False, buttons=[], format=None
        )
        _accept_only_uploads(recording, programs)
        answer = gr.JSON(label="answer")
        for name, as_timeline in (("recognise", False), ("timeline", True)):
            gr.Button().click(
                functools.partial(programs.predict, as_timeline=as_timeline),
                recording,
                answer,
                api_name=name,
                api_description="Return what POST /v1/predict returns.",
            )
    # requests wait in the service's own queue, which has its own limits
    blocks.queue(default_concurrency_limit=None)
    return blocks


# Gradio's components are not subclassed: Gradio would write a stub next to this module for each subclass.
def _accept_only_uploads(component: gr.Audio, programs: Programs) -> None:
    """Make a component refuse paths and URLs that are not uploads."""
    move_to_cache = component.async_move_resource_to_block_cache

    async def checked(path: str | Path | None) -> str | None:
        if path is not None and not programs.is_upload(path):
            raise gr.Error("this is not an upload, or it was deleted; send the recording itself", print_exception=False)
        return await move_to_cache(path)

    component.async_move_resource_to_block_cache = checked  # type: ignore[method-assign, assignment]
