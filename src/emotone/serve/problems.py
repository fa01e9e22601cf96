"""Errors as problem details (RFC 9457), each with a stable code.

A problem says what the client sent and what was expected, without paths of the machine and without a traceback.
"""

import logging
from typing import Any, NamedTuple

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from emotone.errors import BundleError, EmotoneError

MEDIA_TYPE = "application/problem+json"
_log = logging.getLogger(__name__)


class Kind(NamedTuple):
    """HTTP status and title of all problems with the same code."""

    status: int
    title: str


#: Code -> HTTP status and title.  Codes are stable: clients depend on them.
KINDS: dict[str, Kind] = {
    "bad_request": Kind(400, "The request can't be understood"),
    "unauthorized": Kind(401, "The key is missing or wrong"),
    "unknown_host": Kind(421, "The service does not answer to this name"),
    "forbidden_origin": Kind(403, "Pages of this origin may not use the service"),
    "not_found": Kind(404, "The path does not exist"),
    "method_not_allowed": Kind(405, "The path does not support this method"),
    "idle": Kind(408, "The client was idle for too long"),
    "not_done": Kind(409, "The job is not done yet"),
    "deleted": Kind(410, "The recording was deleted"),
    "too_large": Kind(413, "The upload is too large"),
    "too_long": Kind(413, "The recording is too long"),
    "not_audio": Kind(422, "The upload is not a recording that can be read"),
    "not_profile": Kind(422, "The file is not a voice profile of this model"),
    "no_channel": Kind(422, "The recording has no such channel or track"),
    "too_short": Kind(422, "The recording is too short"),
    "silent": Kind(422, "The recording is silent"),
    "unanswerable": Kind(422, "The model can't predict this recording"),
    "internal": Kind(500, "The service failed"),
    "bad_model": Kind(500, "The model of the service failed"),
    "busy": Kind(503, "The service is busy"),
    "timeout": Kind(503, "The prediction took too long"),
    "too_many_streams": Kind(503, "Too many streams are open"),
}
#: Problems after which the rest of a request's body is not read.
_ENDS_CONNECTION = ("busy", "idle", "too_large", "unknown_host")
_RETRY = ("busy", "timeout", "too_many_streams", "not_done")


class ProblemError(EmotoneError):
    """An error that is reported to the client.

    Parameters
    ----------
    code
        A key of `KINDS`.
    detail
        Finding, expectation and remedy.
    retry_s
        Seconds after which another try makes sense, if the problem passes.
    """

    def __init__(self, code: str, detail: str, *, retry_s: int = 1) -> None:
        super().__init__(detail)
        self.code, self.detail, self.retry_s = code, detail, retry_s
        self.status, self.title = KINDS[code]

    @property
    def headers(self) -> dict[str, str]:
        """HTTP headers of the response."""
        retry = {"Retry-After": str(self.retry_s)} if self.code in _RETRY else {}
        authenticate = {"WWW-Authenticate": "Bearer"} if self.code == "unauthorized" else {}
        return retry | authenticate | ({"Connection": "close"} if self.code in _ENDS_CONNECTION else {})

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON."""
        problem = {"type": "about:blank", "title": self.title, "status": self.status}
        return {**problem, "detail": self.detail, "code": self.code}

    def response(self) -> JSONResponse:
        """Return the HTTP response."""
        return JSONResponse(self.to_dict(), status_code=self.status, headers=self.headers, media_type=MEDIA_TYPE)


def responses(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses, by status, of a path that may return these problems."""
    by_status: dict[int | str, list[str]] = {}
    for code in dict.fromkeys(codes):
        by_status.setdefault(KINDS[code].status, []).append(code)
    return {
        status: {
            "description": "; ".join(f"`{code}`: {KINDS[code].title}" for code in same_status),
            "content": {MEDIA_TYPE: {"schema": _schema(same_status)}},
        }
        for status, same_status in by_status.items()
    }


def _schema(codes: list[str]) -> dict[str, Any]:
    properties: dict[str, Any] = {name: {"type": "string"} for name in ("type", "title", "detail")}
    properties |= {"status": {"type": "integer"}, "code": {"type": "string", "enum": codes}}
    return {"type": "object", "properties": properties, "required": ["type", "title", "status", "detail", "code"]}


def add_handlers(app: FastAPI) -> None:
    """Make an app report all errors as problems."""

    async def handle(request: Request, error: Exception) -> JSONResponse:
        response = _as_problem(request, error).response()
        response.headers.update(getattr(error, "headers", None) or {})
        return response

    for kind in (ProblemError, BundleError, HTTPException, RequestValidationError, ClientDisconnect, Exception):
        app.add_exception_handler(kind, handle)


def _as_problem(request: Request, error: Exception) -> ProblemError:
    match error:
        case HTTPException():
            return _of_http(request, error)
        case RequestValidationError():
            return ProblemError("bad_request", "; ".join(map(_invalid_value, error.errors())))
        case ClientDisconnect():
            # the client does not read this, but the request is counted as a failed one
            return ProblemError("bad_request", "the client closed the connection early; send the whole request")
    return problem_of(error)  # an error in the service itself is logged where it ends


def describe(app: FastAPI) -> None:
    """Make the schema of an app right: FastAPI adds an answer 422 that is never sent."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        schema = made()
        for operation in (each for path in schema["paths"].values() for each in path.values()):
            content = operation["responses"].get("422", {}).get("content", {})
            if "HTTPValidationError" in str(content.get("application/json")):
                del operation["responses"]["422"]
        for name in ("HTTPValidationError", "ValidationError"):
            schema.get("components", {}).get("schemas", {}).pop(name, None)
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


def problem_of(error: Exception, *, failed: str | None = None) -> ProblemError:
    """Return what a client gets to know of an error of any work; what it must not know is logged.

    Parameters
    ----------
    error
        What was raised.
    failed
        What failed, for the log, which then has the traceback of an error in the service itself; None: the caller
        raises it again.
    """
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, BundleError):  # it names files of the machine
        _log.error("the model failed: %s", error)
        return ProblemError("bad_model", "the model of the service failed on this recording; its log says why")
    if failed is not None:
        _log.error("%s failed", failed, exc_info=error)
    return internal()


def internal() -> ProblemError:
    """Return the problem of an error in the service itself; only the log has the details."""
    return ProblemError("internal", "the service failed on this request; its log says why")


def too_large(limit: int) -> ProblemError:
    """Return the problem of an upload of more than ``limit`` bytes."""
    return ProblemError("too_large", f"the upload is larger than {limit} bytes; send a shorter or compressed recording")


def _invalid_value(item: dict[str, Any]) -> str:
    """Return the text of an error of pydantic: where, the value, and what was expected."""
    expectation = item["msg"].removeprefix("Value error, ").replace("Input should be", "expected", 1)
    return f"{'.'.join(map(str, item['loc']))} is {str(item.get('input'))[:40]!r}; {expectation}"


def _of_http(request: Request, error: HTTPException) -> ProblemError:
    path = "".join(letter for letter in request.url.path if letter.isprintable())[:200]
    if error.status_code == 404:
        return ProblemError("not_found", f"the path {path} does not exist; /openapi.json lists the paths")
    if error.status_code == 405:
        return ProblemError("method_not_allowed", f"{path} does not support {request.method[:20]}; see /openapi.json")
    if error.status_code < 500:
        return ProblemError("bad_request", str(error.detail))
    return internal()
