"""The page's tabs: their components, and the handler of each."""

import functools
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from emotone._version import TAGLINE
from emotone.palette import OTHER, colour_of
from emotone.recognition import model_card, trust
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.speaker_choice import AUTO, CHANNELS, ONE
from emotone.serve.page.handlers import MAX_CLIPS, SPEAKERS, PageHandlers
from emotone.serve.page.html import render

Source = Literal["upload", "microphone"]
#: Choice of speakers -> what the page says; numbers are as they are.
_SPEAKERS = {AUTO: "found automatically", ONE: "one", CHANNELS: "one per channel"}
_LEARNS = (
    "This service adapts to what its recordings have in common, such as the microphone and the room. Each recording "
    "adds to what it knows."
)


def build(handlers: PageHandlers, *, kept_s: int, swept_every_s: int) -> gr.Blocks:
    """Return the page, to be mounted.

    Programs may call its ``/recognise`` and ``/timeline``, which take a file and return what ``POST /v1/predict``
    returns.
    Uploads are deleted after ``kept_s`` seconds, and old uploads are searched every ``swept_every_s`` seconds.
    """
    recognizer, learns = handlers.recognizer, handlers.source.learns
    page: gr.Blocks
    with gr.Blocks(
        title="Emotone", analytics_enabled=False, delete_cache=(swept_every_s, kept_s), fill_width=False
    ) as page:
        _html("header", tagline=TAGLINE)
        with gr.Tabs(elem_id="em-tabs"):
            with gr.Tab("Recognise", id="recognise"):
                learning = {"note": _LEARNS} if learns else {}
                _html("lead", text="Choose or record a voice. Recordings of one to five seconds work best.", **learning)
                _one_recording(handlers, handlers.recognise, name="recognise", hint="The answer appears here.")
            with gr.Tab("Timeline", id="timeline"):
                _html("lead", text="Choose a longer recording, such as a conversation, to see its emotions over time.")
                speakers = gr.Dropdown(
                    [(_SPEAKERS.get(choice, choice), choice) for choice in SPEAKERS],
                    value=AUTO,
                    label="Speakers",
                    filterable=False,
                    elem_id="em-timeline-speakers",
                )
                _one_recording(
                    handlers, handlers.timeline, name="timeline", hint="The timeline appears here.", choice=speakers
                )
            with gr.Tab("Live", id="live"):
                colours = {emotion: colour_of(emotion, recognizer.emotions) for emotion in recognizer.emotions}
                _html("live", adapts=recognizer.adapts, colours=colours | OTHER)
            if recognizer.adapts:
                with gr.Tab("Your voice", id="voice"):
                    _voice(handlers)
            with gr.Tab("About", id="about"):
                _about(recognizer, kept_s=kept_s, learns=learns, has_key=handlers.settings.key is not None)
        _for_programs(handlers)
    # requests wait in the service's own queue, which has its own limits
    page.queue(default_concurrency_limit=None)
    return page


def _html(template: str, **values: Any) -> None:
    gr.HTML(render(template, **values), padding=False)


def _output(elem_id: str, text: str) -> gr.HTML:
    return gr.HTML(render("hint", text=text), elem_id=elem_id, elem_classes="em-answer", padding=False)


def _one_recording(
    handlers: PageHandlers, handler: Any, *, name: str, hint: str, choice: gr.Dropdown | None = None
) -> None:
    """Add a recorder and an output; the handler runs for each recording, and for each change of the choice."""
    recording = _recorder(handlers, f"em-{name}-recording", "Recording")
    gr.on(
        [recording.change] if choice is None else [recording.change, choice.change],
        handler,
        [recording] if choice is None else [recording, choice],
        _output(f"em-{name}-answer", hint),
        api_name=f"page_{name}",
        api_visibility="private",
        show_progress="minimal",
        trigger_mode="always_last",
    )


def _voice(handlers: PageHandlers) -> None:
    _html(
        "lead",
        text="Give Emotone a few clips of one person, and compare its predictions for another recording of that voice.",
        note="People sound different: the calm voice of one person may sound cheerful, of another person stern. The "
        f"clips show the model how this person usually sounds. Use up to {MAX_CLIPS} clips of any emotion; they need "
        "no labels.",
    )
    with gr.Row(equal_height=False):
        with gr.Column(min_width=280):
            clips = gr.File(
                file_count="multiple",
                type="filepath",
                file_types=["audio", "video"],
                label="1. Clips of this voice",
                elem_id="em-clips",
            )
            _accept_only_uploads(clips, handlers)
            spoken = _recorder(handlers, "em-spoken", "... or record them one by one", sources=("microphone",))
        with gr.Column(min_width=280):
            test = _recorder(handlers, "em-test", "2. Another recording of this voice")
            button = gr.Button("Compare before and after", variant="primary", elem_id="em-compare")
    output = _output("em-voice-answer", "The predictions before and after adapting appear here.")
    spoken.stop_recording(
        handlers.add_clip,
        [clips, spoken],
        [clips, spoken],
        api_visibility="private",
        show_progress="hidden",
        queue=False,
    )
    button.click(handlers.compare, [clips, test], output, api_visibility="private", show_progress="minimal")


def _about(recognizer: Recognizer, *, kept_s: int, learns: bool, has_key: bool) -> None:
    known = trust.of_card(recognizer.card)
    _html("about", trust=known, threshold=recognizer.threshold, kept_s=kept_s, learns=learns)
    gr.Markdown(model_card.readme(recognizer.card), elem_classes="em-card")
    if has_key:
        _html("logout")


def _for_programs(handlers: PageHandlers) -> None:
    """Add what `gradio_client` may call; the page does not show it."""
    with gr.Group(visible=False):
        recording = _recorder(handlers, "em-sent", "recording", sources=("upload",))
        answer = gr.JSON(label="answer")
        for name, as_timeline in (("recognise", False), ("timeline", True)):
            gr.Button().click(
                functools.partial(handlers.predict_json, as_timeline=as_timeline),
                recording,
                answer,
                api_name=name,
                api_description="Return what POST /v1/predict returns.",
            )


def _recorder(
    handlers: PageHandlers, elem_id: str, label: str, *, sources: tuple[Source, ...] = ("upload", "microphone")
) -> gr.Audio:
    recording = gr.Audio(
        sources=list(sources), type="filepath", label=label, elem_id=elem_id, editable=False, buttons=[], format=None
    )
    _accept_only_uploads(recording, handlers)
    return recording


# Gradio's components are not subclassed: Gradio would write a stub next to this module for each subclass.
def _accept_only_uploads(component: gr.Audio | gr.File, handlers: PageHandlers) -> None:
    """Make a component refuse paths and URLs that are not uploads."""
    move_to_cache = component.async_move_resource_to_block_cache

    async def checked(path: str | Path | None) -> str | None:
        if path is not None and not handlers.is_upload(path):
            raise gr.Error("this is not an upload, or it was deleted; send the recording itself", print_exception=False)
        return await move_to_cache(path)

    component.async_move_resource_to_block_cache = checked  # type: ignore[method-assign, assignment]
