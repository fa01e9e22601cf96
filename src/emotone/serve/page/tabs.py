"""The page's tabs: what is in them, and which answer each gives."""

import functools
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from emotone.recognition import model_card
from emotone.recognition.recognizer import Recognizer
from emotone.serve.page import html
from emotone.serve.page.handlers import MOST_CLIPS, PageHandlers
from emotone.serve.work_queue import WorkQueue

Source = Literal["upload", "microphone"]
_KINDS = ["audio", "video"]
_BUSY = "minimal"


# Gradio's components are not subclassed: it would write a stub beside this module for each.
def _local(component: gr.Audio | gr.File, answers: PageHandlers) -> None:
    """Keep a component from files and addresses that it is sent: only what was uploaded is taken."""
    keep = component.async_move_resource_to_block_cache

    async def kept(path: str | Path | None) -> str | None:
        if path is not None and not answers.is_upload(path):
            raise gr.Error("this is no upload, or was deleted; send the recording itself", print_exception=False)
        return await keep(path)

    component.async_move_resource_to_block_cache = kept  # type: ignore[method-assign, assignment]


def build(recognizer: Recognizer, *, load: WorkQueue, folder: Path, kept_s: int, swept_every_s: int) -> gr.Blocks:
    """Make the page.

    Parameters
    ----------
    recognizer
        PageHandlers.
    load
        Of the service.
    folder
        Where uploads are.
    kept_s, swept_every_s
        Seconds after which an upload is deleted, and how often that is looked at.

    Returns
    -------
    The page, to be mounted.  Programs may call its ``/recognise`` and ``/timeline``, which take a file and answer as
    ``POST /v1/predict`` does.
    """
    answers = PageHandlers(recognizer, load, folder=folder)
    with gr.Blocks(
        title="Emotone", analytics_enabled=False, delete_cache=(swept_every_s, kept_s), fill_width=False
    ) as page:
        gr.HTML(html.header(), padding=False)
        with gr.Tabs(elem_id="em-tabs"):
            with gr.Tab("Recognise", id="recognise"):
                _one_recording(
                    "Drop a recording of a voice, or record one: one to five seconds are best.",
                    answers.recognise,
                    answers,
                    name="recognise",
                    empty="The answer appears here.",
                )
            with gr.Tab("Timeline", id="timeline"):
                _one_recording(
                    "Drop a longer recording, such as a conversation, and see its emotions from moment to moment.",
                    answers.timeline,
                    answers,
                    name="timeline",
                    empty="The timeline appears here.",
                )
            with gr.Tab("Live", id="live"):
                gr.HTML(html.live(adapts=recognizer.adapts), padding=False)
            if recognizer.adapts:
                with gr.Tab("Your voice", id="voice"):
                    _voice(answers)
            with gr.Tab("About", id="about"):
                gr.HTML(html.about(recognizer.card, threshold=recognizer.threshold, kept_s=kept_s), padding=False)
                gr.Markdown(model_card.readme(recognizer.card), elem_classes="em-card")
                if load.settings.key is not None:
                    gr.HTML(html.LEAVE, padding=False)
        _for_programs(answers)
    # requests wait in the service's own queue, which refuses what is too much
    page.queue(default_concurrency_limit=None)
    made: gr.Blocks = page
    return made


def _one_recording(what: str, answer: Any, answers: PageHandlers, *, name: str, empty: str) -> None:
    gr.HTML(html.lead(what), padding=False)
    recording = _recording(answers, f"em-{name}-recording", "Recording")
    shown = gr.HTML(html.hint(empty), elem_id=f"em-{name}-answer", elem_classes="em-answer", padding=False)
    recording.change(
        answer,
        recording,
        shown,
        api_name=f"page_{name}",
        api_visibility="private",
        show_progress=_BUSY,
        trigger_mode="always_last",
    )


def _recording(
    answers: PageHandlers, elem_id: str, label: str, *, sources: tuple[Source, ...] = ("upload", "microphone")
) -> gr.Audio:
    recording = gr.Audio(
        sources=list(sources), type="filepath", label=label, elem_id=elem_id, editable=False, buttons=[], format=None
    )
    _local(recording, answers)
    return recording


def _voice(answers: PageHandlers) -> None:
    gr.HTML(
        html.lead(
            "Let Emotone hear a few clips of one person, and see what it then makes of another one.",
            "Voices differ: one person sounds cheerful when calm, another one stern. From a few clips the model "
            f"learns how this person usually sounds. They need no labels; any emotions will do, {MOST_CLIPS} at most.",
        ),
        padding=False,
    )
    with gr.Row(equal_height=False):
        with gr.Column(min_width=280):
            clips = gr.File(
                file_count="multiple",
                type="filepath",
                file_types=_KINDS,
                label="1. Clips of this voice",
                elem_id="em-clips",
            )
            _local(clips, answers)
            spoken = _recording(answers, "em-spoken", "... or record them one by one", sources=("microphone",))
        with gr.Column(min_width=280):
            test = _recording(answers, "em-test", "2. Another recording of this voice")
            button = gr.Button("Compare before and after", variant="primary", elem_id="em-compare")
    shown = gr.HTML(
        html.hint("Before and after appear here."),
        elem_id="em-voice-answer",
        elem_classes="em-answer",
        padding=False,
    )
    spoken.stop_recording(
        answers.added, [clips, spoken], [clips, spoken], api_visibility="private", show_progress="hidden", queue=False
    )
    button.click(answers.compare, [clips, test], shown, api_visibility="private", show_progress=_BUSY)


def _for_programs(answers: PageHandlers) -> None:
    """Add what `gradio_client` may call; it is not on the page."""
    with gr.Group(visible=False):
        recording, told = _recording(answers, "em-sent", "recording", sources=("upload",)), gr.JSON(label="answer")
        for name, as_timeline in (("recognise", False), ("timeline", True)):
            gr.Button().click(
                functools.partial(answers.told, as_timeline=as_timeline),
                recording,
                told,
                api_name=name,
                api_description="PageHandlers as POST /v1/predict does.",
            )
