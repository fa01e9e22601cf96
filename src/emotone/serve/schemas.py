"""What requests and answers look like, for OpenAPI: query parameters that are checked, and models of the JSON."""

import re
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import AfterValidator, BaseModel

from emotone.audio.channels import channel_number
from emotone.errors import AudioError
from emotone.recognition.timeline_formats import FORMATS
from emotone.serve.timelines import TimelineOptions
from emotone.serve.uploads import FORM_WITH_RTTM, body_of

#: The body of a request for a timeline.
TIMELINE_BODY = body_of(FORM_WITH_RTTM)
_SPEAKERS = "auto|one|channels|[1-9]|1[0-9]|20"


class AdaptedModel(BaseModel):
    """Number of utterances that the answer was adapted to."""

    source: int
    speaker: int


class PredictionModel(BaseModel):
    """Prediction for a segment; ``emotion`` is null if the model is unsure or detects no speech."""

    start_s: float
    end_s: float
    emotion: str | None
    label: str
    confidence: float
    scores: dict[str, float]
    speech: float | None = None
    notes: list[str] = []
    adapted: AdaptedModel
    speaker: str | None = None


class FilePredictionModel(PredictionModel):
    """Prediction for a recording."""

    file: str


class SpeakerModel(BaseModel):
    """What a timeline says of a speaker."""

    speaker: str
    talk_s: float
    talk_share: float
    turns: int
    shares: dict[str, float]
    course: list[dict[str, float]]
    adapted_s: float


class TimelineModel(BaseModel):
    """Predictions over time."""

    duration_s: float
    spoken_s: float
    shares: dict[str, float]
    notes: list[str] = []
    adapted: AdaptedModel
    speakers: list[SpeakerModel] = []
    overlaps: list[tuple[float, float]] = []
    segments: list[PredictionModel]


class ProblemModel(BaseModel):
    """A problem (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str


class JobModel(BaseModel):
    """A recording that is predicted in the background."""

    id: str
    file: str
    status: Literal["waiting", "running", "done", "failed"]
    done_s: float
    total_s: float | None
    problem: ProblemModel | None
    expires_in_s: float | None


def _checked_channel(value: str) -> str:
    try:
        channel_number(value)
    except AudioError:
        raise ValueError("expected mix, left, right, or a number from 1") from None
    return value


def _checked_format(value: str) -> str:
    if value not in FORMATS:
        raise ValueError(f"expected {', '.join(FORMATS)}")
    return value


def _checked_speakers(value: str) -> str:
    if not re.fullmatch(_SPEAKERS, value):
        raise ValueError("expected auto, one, channels, or a number from 1 to 20")
    return value


Top = Annotated[int | None, Query(ge=1, description="Keep only this many scores, the most probable first.")]
Channel = Annotated[
    str,
    AfterValidator(_checked_channel),
    Query(
        description="Channel of the recording: its number from 1, `left`, `right`, or `mix` for the mean of all.",
        json_schema_extra={"pattern": "^(mix|left|right|0*[1-9][0-9]*)$"},
    ),
]
Track = Annotated[
    int | None, Query(ge=1, description="Sound track, for files with several (videos); the file's default if absent.")
]
Adapt = Annotated[
    Literal["auto", "none"],
    Query(description="`none` neither adapts to the source that the service has learnt nor extends it."),
]
_TimelineAdapt = Annotated[
    Literal["auto", "none"],
    Query(description="`auto` adapts to the source that the service has learnt, or to the recording itself."),
]
_Speakers = Annotated[
    str,
    AfterValidator(_checked_speakers),
    Query(
        description="Who speaks: `auto` finds the speakers by their voices, a number finds so many; `channels`: one on "
        "each channel; `one`: a single voice. The field `rttm` takes its place.",
        json_schema_extra={"pattern": f"^({_SPEAKERS})$"},
    ),
]
Format = Annotated[
    str,
    AfterValidator(_checked_format),
    Query(description="Format of the timeline.", json_schema_extra={"enum": list(FORMATS)}),
]


def timeline_options(
    channel: Channel = "mix", track: Track = None, adapt: _TimelineAdapt = "auto", speakers: _Speakers = "auto"
) -> TimelineOptions:
    """Return the options of a timeline in a request's query."""
    return TimelineOptions(channel, track, adapts=adapt == "auto", adapts_to_itself=adapt == "auto", speakers=speakers)


def timeline_responses() -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI response of a timeline in any format."""
    others: dict[str, Any] = {form.media_type: {} for form in FORMATS.values() if form.media_type != "application/json"}
    headers = {"Content-Disposition": {"description": "Name of a file for it.", "schema": {"type": "string"}}}
    return {200: {"model": TimelineModel, "content": others, "headers": headers}}
