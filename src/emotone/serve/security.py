"""Who may use the service: API key, origin, and session cookies of the page."""

import hashlib
import hmac
import time
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from emotone.serve.problems import ProblemError
from emotone.serve.settings import ServeSettings


def check_key(settings: ServeSettings, headers: Headers, *, also: str | None = None) -> None:
    """Compare a request's key, or ``also`` another one, in constant time; `ProblemError` unauthorized if not.

    The cookie that the page's login gives is as good as the key.
    """
    if settings.key is None or has_valid_session(headers, settings.key):
        return
    kind, _, given = headers.get("authorization", "").partition(" ")
    told = given.strip() if kind.lower() == "bearer" else (also or "")
    if not hmac.compare_digest(told.encode("utf-8", "surrogatepass"), settings.key.encode()):
        found = "wrong" if told else "missing"
        raise ProblemError("unauthorized", f"the key is {found}; send the header 'Authorization: Bearer KEY'")


def check_origin(settings: ServeSettings, headers: Headers) -> None:
    """Refuse pages of other origins, where browsers leave that to the service; `ProblemError` forbidden_origin."""
    origin = headers.get("origin")
    if origin is None or "*" in settings.origins or origin in settings.origins:
        return
    if urlsplit(origin).netloc != headers.get("host"):
        raise ProblemError(
            "forbidden_origin", "this page's origin is not allowed; add it to the origins of the service"
        )


COOKIE = "emotone"
#: How long a login holds, seconds.
LOGIN_S = 12 * 3600


def token(key: str, *, until_s: int) -> str:
    """Make what the cookie holds: the moment until which it is good, seconds since 1970, and its HMAC.

    Examples
    --------
    >>> token("open sesame", until_s=1_800_000_000)[:24]
    '1800000000.2826628c5b796'
    """
    stated = str(until_s)
    return f"{stated}.{hmac.new(key.encode(), f'emotone login {stated}'.encode(), hashlib.sha256).hexdigest()}"


def has_valid_session(headers: Headers, key: str) -> bool:
    """Tell whether a request has a cookie of a login that still holds."""
    try:
        held = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return False
    stated, _, _ = ("" if held is None else held.value).partition(".")
    if held is None or not (stated.isascii() and stated.isdecimal() and len(stated) <= 12):
        return False
    expected = token(key, until_s=int(stated))
    return hmac.compare_digest(held.value.encode("utf-8", "surrogatepass"), expected.encode()) and (
        time.time() < int(stated)
    )
