"""Access to the service: API key, origin, size of requests, and session cookies of the page."""

import hashlib
import hmac
import time
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers

from emotone.serve.problems import ProblemError, too_large
from emotone.serve.settings import ServeSettings, max_request_bytes

#: Name of the session cookie, and how long a session lasts, seconds.
COOKIE, LOGIN_S = "emotone", 12 * 3600


def check_key(settings: ServeSettings, headers: Headers, *, also: str | None = None) -> None:
    """Raise `ProblemError` unauthorized unless a request has the key or a valid session; compare in constant time.

    The key is in the header Authorization; ``also`` is a key from another place.
    """
    if settings.key is None or has_valid_session(headers, settings.key):
        return
    scheme, _, value = headers.get("authorization", "").partition(" ")
    key = value.strip() if scheme.lower() == "bearer" else (also or "")
    if not hmac.compare_digest(key.encode("utf-8", "surrogatepass"), settings.key.encode()):
        state = "wrong" if key else "missing"
        raise ProblemError("unauthorized", f"the key is {state}; send the header 'Authorization: Bearer KEY'")


def check_origin(settings: ServeSettings, headers: Headers) -> None:
    """Raise `ProblemError` forbidden_origin for pages of other origins, which browsers do not always check."""
    origin = headers.get("origin")
    if origin is None or "*" in settings.origins or origin in settings.origins:
        return
    try:
        host = urlsplit(origin).netloc
    except ValueError:  # no address, such as "http://[::1"
        host = ""
    if not host or host != headers.get("host"):
        raise ProblemError(
            "forbidden_origin", "this page's origin is not allowed; add it to the origins of the service"
        )


def check_well_formed_origin(headers: Headers) -> None:
    """Raise `ProblemError` forbidden_origin for an origin that no browser sends; libraries fail on some of them."""
    try:
        urlsplit(headers.get("origin", ""))
    except ValueError as error:
        raise ProblemError("forbidden_origin", "the header Origin is no origin; leave it out") from error


def access_to(settings: ServeSettings) -> list[Any]:
    """Return the dependencies of routes that need the key, if there is one, and an allowed origin."""

    async def check_access(request: Request) -> None:
        if request.method not in ("GET", "HEAD"):  # browsers send forms to other origins without asking
            check_origin(settings, request.headers)
        check_key(settings, request.headers)

    # HTTPBearer is only for the schema: its own errors are not problem details
    documented = [] if settings.key is None else [Depends(HTTPBearer(auto_error=False))]
    return [Depends(check_access), *documented]


def announced_bytes(headers: Headers) -> int | None:
    """Return how many bytes a request announces; None if it does not say."""
    length = headers.get("content-length", "")
    return int(length[:20]) if length.isdecimal() else None


def check_length(headers: Headers, *, max_upload_bytes: int) -> None:
    """Raise `ProblemError` too_large if a request announces more bytes than it may have."""
    if (announced_bytes(headers) or 0) > max_request_bytes(max_upload_bytes):
        raise too_large(max_upload_bytes)


def token(key: str, *, until_s: int) -> str:
    """Return the value of a session cookie: its expiry in seconds since 1970, and the HMAC of it.

    Examples
    --------
    >>> token("open sesame", until_s=1_800_000_000)[:24]
    '1800000000.2826628c5b796'
    """
    expiry = str(until_s)
    return f"{expiry}.{hmac.new(key.encode(), f'emotone login {expiry}'.encode(), hashlib.sha256).hexdigest()}"


def has_valid_session(headers: Headers, key: str) -> bool:
    """Return whether a request has the cookie of a session that has not expired."""
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return False
    value = "" if cookie is None else cookie.value
    expiry, _, _ = value.partition(".")
    if not (expiry.isascii() and expiry.isdecimal() and len(expiry) <= 12):
        return False
    is_genuine = hmac.compare_digest(value.encode("utf-8", "surrogatepass"), token(key, until_s=int(expiry)).encode())
    return is_genuine and time.time() < int(expiry)
