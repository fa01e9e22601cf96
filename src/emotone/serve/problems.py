"""Errors as problem details (RFC 9457), each with a code that stays the same.

What is told is what the client sent and what was expected of it: no path, no traceback.
"""

from typing import Any, NamedTuple

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from emotone.errors import EmotoneError

MEDIA_TYPE = "application/problem+json"


class Kind(NamedTuple):
    """What all problems of one code have in common."""

    status: int
    title: str


#: Code -> HTTP status and title.  Codes are an interface: clients decide by them.
KINDS: dict[str, Kind] = {
    "bad_request": Kind(400, "The request can't be understood"),
    "unauthorized": Kind(401, "The key is missing or wrong"),
    "forbidden_origin": Kind(403, "Pages of this origin may not use the service"),
    "not_found": Kind(404, "There is nothing here"),
    "method_not_allowed": Kind(405, "The method is not allowed here"),
    "idle": Kind(408, "Nothing came for too long"),
    "too_large": Kind(413, "The upload is too large"),
    "too_long": Kind(413, "The recording is too long"),
    "not_audio": Kind(422, "The upload is no recording that can be read"),
    "too_short": Kind(422, "The recording is too short"),
    "silent": Kind(422, "The recording is silent"),
    "unanswerable": Kind(422, "The model has no answer for this recording"),
    "internal": Kind(500, "The service failed"),
    "busy": Kind(503, "The service is busy"),
    "timeout": Kind(503, "The answer took too long"),
    "too_many_streams": Kind(503, "Too many streams are open"),
}
#: Problems after which the rest of a request's body is not read.
_ENDS_CONNECTION = ("busy", "idle", "too_large")
_RETRY = ("busy", "timeout", "too_many_streams")


class ProblemError(EmotoneError):
    """Why there is no answer, as the client is told.

    Parameters
    ----------
    code
        Of `KINDS`.
    detail
        What was found, what was expected, and the remedy.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail
        self.status, self.title = KINDS[code]

    @property
    def headers(self) -> dict[str, str]:
        """What HTTP has a header for."""
        told = {"Retry-After": "1"} if self.code in _RETRY else {}
        told |= {"WWW-Authenticate": "Bearer"} if self.code == "unauthorized" else {}
        return told | ({"Connection": "close"} if self.code in _ENDS_CONNECTION else {})

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }

    def response(self) -> JSONResponse:
        """Answer of HTTP."""
        return JSONResponse(self.to_dict(), status_code=self.status, headers=self.headers, media_type=MEDIA_TYPE)


def responses(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Describe, for the OpenAPI schema, the problems that a path may answer with: status -> response."""
    by_status: dict[int | str, list[str]] = {}
    for code in codes:
        by_status.setdefault(KINDS[code].status, []).append(code)
    return {
        status: {
            "description": "; ".join(f"`{code}`: {KINDS[code].title}" for code in found),
            "content": {MEDIA_TYPE: {"schema": _schema(found)}},
        }
        for status, found in by_status.items()
    }


def _schema(codes: list[str]) -> dict[str, Any]:
    properties: dict[str, Any] = {name: {"type": "string"} for name in ("type", "title", "detail")}
    properties |= {"status": {"type": "integer"}, "code": {"type": "string", "enum": codes}}
    return {"type": "object", "properties": properties, "required": ["type", "title", "status", "detail", "code"]}


def add_handlers(app: FastAPI) -> None:
    """Make problems of all that an app's paths raise."""

    @app.exception_handler(ProblemError)
    async def known(_: Request, error: ProblemError) -> JSONResponse:
        return error.response()

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        problem = _of_http(request, error)
        response = problem.response()
        for name, value in (error.headers or {}).items():
            response.headers[name] = value
        return response

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        told = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
        return ProblemError("bad_request", "; ".join(told)).response()

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, error: ClientDisconnect) -> JSONResponse:
        # nobody reads this, but the request is counted as one that had no answer
        return ProblemError(
            "bad_request", "the connection was closed before the answer; send the whole request"
        ).response()

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> JSONResponse:
        return internal().response()


def internal() -> ProblemError:
    """What is told where the service itself is at fault: nothing of the error, which is in its log."""
    return ProblemError("internal", "the service failed on this request; its log says why")


def _of_http(request: Request, error: HTTPException) -> ProblemError:
    path = "".join(letter for letter in request.url.path if letter.isprintable())[:200]
    if error.status_code == 404:
        return ProblemError("not_found", f"there is nothing at {path}; /openapi.json lists the paths")
    if error.status_code == 405:
        return ProblemError("method_not_allowed", f"{path} does not take {request.method[:20]}; see /openapi.json")
    if error.status_code < 500:
        return ProblemError("bad_request", str(error.detail))
    return internal()
