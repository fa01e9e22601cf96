"""The page's login, if the service has a key: a form, and a cookie that is valid instead of the key.

The cookie holds an expiry time and its HMAC (RFC 2104) under the key, never the key.  The service stores no session; a
new key ends every session.  ``SameSite=Strict`` and ``HttpOnly`` keep other sites and scripts from using the cookie.
"""

import asyncio
import hmac
import time
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from emotone.serve.page.html import render
from emotone.serve.security import COOKIE, LOGIN_S, has_valid_session, token

#: Delay before a wrong key is refused, seconds.  It slows a person; only a long key keeps a program out.
_WRONG_KEY_DELAY_S = 0.5
#: Limits of the form: seconds until it has arrived, and bytes.
_FORM_TIMEOUT_S = 10.0
_MAX_FORM_BYTES = 8192


def router(key: str) -> APIRouter:
    """Return the routes of the login, which are not in the OpenAPI schema."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/login")
    async def form(request: Request) -> Response:
        if has_valid_session(request.headers, key):
            return RedirectResponse("./", status_code=303)
        return HTMLResponse(render("login", problem=""))

    @routes.post("/login")
    async def log_in(request: Request) -> Response:
        typed = await _typed_key(request)
        if not hmac.compare_digest(typed.encode("utf-8", "surrogatepass"), key.encode()):
            await asyncio.sleep(_WRONG_KEY_DELAY_S)
            problem = "This key is wrong. Ask the operator of this service for the key." if typed else "Type the key."
            return HTMLResponse(render("login", problem=problem), status_code=401)
        response = RedirectResponse("./", status_code=303)
        response.set_cookie(
            COOKIE,
            token(key, until_s=int(time.time()) + LOGIN_S),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    @routes.post("/logout")
    async def log_out() -> Response:
        response = RedirectResponse("login", status_code=303)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    return routes


async def _typed_key(request: Request) -> str:
    """Return the form's key; empty if the form has none, is malformed, too large or too slow."""
    body = b""
    try:
        async with asyncio.timeout(_FORM_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > _MAX_FORM_BYTES:
                    return ""
    except TimeoutError:
        return ""
    return parse_qs(body.decode("utf-8", "replace")).get("key", [""])[0].strip()
