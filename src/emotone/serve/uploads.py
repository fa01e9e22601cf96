"""Uploads: forms that are read into memory, never into a file, within limits of size and time."""

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from emotone.serve.problems import ProblemError, too_large
from emotone.serve.receptions import Reception, Receptions
from emotone.serve.settings import MAX_RTTM_BYTES, max_request_bytes

#: Problems of receiving an upload.
UPLOAD_PROBLEMS = (
    *("bad_request", "unauthorized", "forbidden_origin", "idle", "too_large", "not_audio", "internal", "busy"),
)
#: The form in OpenAPI, without and with a file of speakers.
FORM: dict[str, Any] = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "contentMediaType": "application/octet-stream"}},
}
FORM_WITH_RTTM = FORM | {
    "properties": {
        "file": {"type": "string", "contentMediaType": "application/octet-stream"},
        "rttm": {"type": "string", "contentMediaType": "text/plain", "description": "Who speaks when, as RTTM."},
    }
}


def body_of(form: dict[str, Any]) -> dict[str, Any]:
    """Return what OpenAPI says of a request with this form."""
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}}}


@dataclass(frozen=True)
class Upload:
    """A recording that a client has sent.

    Attributes
    ----------
    data
        Content of the file.
    name
        Its name, without characters that can't be printed.
    rttm
        Content of the form's field ``rttm``; None without it.
    """

    data: bytes = field(repr=False)
    name: str
    rttm: bytes | None = field(default=None, repr=False)

    @property
    def n_bytes(self) -> int:
        """Bytes that it takes."""
        return len(self.data) + len(self.rttm or b"")


def shown_name(filename: str | None) -> str:
    """Return the last part of a client's file name, without characters that can't be printed."""
    last = re.split(r"[/\\]", filename or "")[-1]
    return "".join(letter for letter in last if letter.isprintable())[-255:].strip() or "the upload"


async def read_form(request: Request, *, max_bytes: int, receptions: Receptions, max_files: int) -> FormData:
    """Read a form into memory; the caller closes it.

    Parameters
    ----------
    max_bytes
        Largest sum of all its files.
    receptions
        Where the upload is counted while it is received.
    max_files
        Most files.

    Raises
    ------
    ProblemError
        bad_request, too_large, idle or busy.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise ProblemError(
            "bad_request", "the body is not multipart/form-data; send the recording as the form's field 'file'"
        )
    most = max_request_bytes(max_bytes)
    with receptions.open(request.scope, max_bytes=most) as reception:
        parser = MultiPartParser(
            request.headers, _limited(request, reception, max_bytes), max_files=max_files, max_fields=10
        )
        parser.spool_max_size = 2 * most  # uploads stay in memory
        try:
            return await parser.parse()
        except MultiPartException as error:
            raise ProblemError("bad_request", f"the form can't be read: {error.message}") from error
        except (LookupError, ValueError) as error:  # an unknown character set or an empty boundary
            raise ProblemError("bad_request", "the form can't be read; send multipart/form-data (RFC 7578)") from error


async def read_upload(
    request: Request, *, max_upload_bytes: int, receptions: Receptions, takes_rttm: bool = False
) -> Upload:
    """Read the form of a request.

    Parameters
    ----------
    max_upload_bytes
        Largest recording.
    receptions
        Where the upload is counted while it is received.
    takes_rttm
        Whether the form may have the field ``rttm``.

    Raises
    ------
    ProblemError
        bad_request, too_large, idle or busy.
    """
    form = await read_form(request, max_bytes=max_upload_bytes, receptions=receptions, max_files=1 + takes_rttm)
    try:
        rttm = await _rttm_of(form) if takes_rttm else None
        file = form.get("file")
        if not isinstance(file, UploadFile) or len(form.getlist("file")) > 1:
            raise ProblemError(
                "bad_request", "the form has no single file in its field 'file'; send the recording there"
            )
        data = await file.read()
    finally:
        await form.close()
    if len(data) > max_upload_bytes:
        raise too_large(max_upload_bytes)
    return Upload(data, shown_name(file.filename), rttm)


async def _rttm_of(form: FormData) -> bytes | None:
    """Return the field ``rttm``, which may be a file or a text."""
    value = form.get("rttm")
    rttm = await value.read() if isinstance(value, UploadFile) else None if value is None else value.encode()
    if rttm is not None and len(rttm) > MAX_RTTM_BYTES:
        raise ProblemError("too_large", f"the field rttm has {len(rttm)} bytes; send at most {MAX_RTTM_BYTES}")
    return rttm


async def _limited(request: Request, reception: Reception, max_upload_bytes: int) -> AsyncGenerator[bytes, None]:
    """Yield the body in chunks; raise `ProblemError` if it is too large or too slow."""
    chunks = request.stream()
    while (chunk := await reception.wait(anext(chunks, None))) is not None:
        reception.received(len(chunk))
        if reception.timeout.n_bytes > max_request_bytes(max_upload_bytes):
            raise too_large(max_upload_bytes)
        yield chunk


async def disconnected(request: Request) -> None:
    """Return when the client of a request has disconnected."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
