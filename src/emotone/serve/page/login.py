"""The page's login, where the service has a key: a form, and a cookie that stands for the key.

The cookie holds no key, but a moment and its HMAC (RFC 2104) under the key: nothing is kept by the service, and a key
that is changed ends every login.  ``SameSite=Strict`` and ``HttpOnly`` keep other sites and scripts from using it.
"""

import asyncio
import hmac
import time
from html import escape
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from emotone.serve.security import COOKIE, LOGIN_S, has_valid_session, token

#: A wrong key is answered after so many seconds.  That slows a person; what keeps a program out is a long key.
_WRONG_S = 0.5
#: How long the form may take to come, s.
_FORM_S = 10.0
_MAX_FORM_BYTES = 8192


def router(key: str) -> APIRouter:
    """Make the login's paths; they are no part of the service's schema."""
    paths = APIRouter(include_in_schema=False)

    @paths.get("/login")
    async def form(request: Request) -> Response:
        if has_valid_session(request.headers, key):
            return RedirectResponse("./", status_code=303)
        return HTMLResponse(_form())

    @paths.post("/login")
    async def enter(request: Request) -> Response:
        given = await _given(request)
        if not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), key.encode()):
            await asyncio.sleep(_WRONG_S)
            told = "This is not the key. Ask whoever runs this service for it." if given else "Type the key."
            return HTMLResponse(_form(told), status_code=401)
        response = RedirectResponse("./", status_code=303)
        response.set_cookie(
            COOKIE,
            token(key, until_s=int(time.time()) + LOGIN_S),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    @paths.post("/logout")
    async def leave() -> Response:
        response = RedirectResponse("login", status_code=303)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    return paths


async def _given(request: Request) -> str:
    """The form's key; empty where there is none, or the form is no form."""
    body = b""
    try:
        async with asyncio.timeout(_FORM_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > _MAX_FORM_BYTES:
                    return ""
    except TimeoutError:
        return ""
    return parse_qs(body.decode("utf-8", "replace")).get("key", [""])[0].strip()


def _form(problem: str = "") -> str:
    told = f'<p class="em-problem" role="alert">{escape(problem)}</p>' if problem else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Emotone: log in</title>
<link rel="icon" href="page/icon.svg">
<link rel="stylesheet" href="page/page.css">
</head>
<body class="em-login">
<main>
<h1 class="em-name">Emotone</h1>
<p class="em-claim">This service asks for its key.</p>
<form method="post" action="login">
<label for="key">Key</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus>
{told}
<button type="submit">Open</button>
</form>
</main>
</body>
</html>
"""
