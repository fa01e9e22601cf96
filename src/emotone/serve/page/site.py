"""The page at ``/`` and the model card at ``/page/card``: HTML of this package, with scripts of this package only."""

import functools
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from emotone._version import TAGLINE
from emotone.formatting import size_text
from emotone.palette import OTHER
from emotone.recognition import model_card, trust
from emotone.recognition.speaker_choice import AUTO, CHANNELS, ONE
from emotone.serve.page import html
from emotone.serve.page.answer_routes import max_timeline_bytes
from emotone.serve.page.handlers import MAX_CLIPS, SPEAKERS, PageHandlers
from emotone.serve.problems import ProblemError
from emotone.serve.security import check_key

#: Choice of speakers -> what the page says; numbers are as they are.
_SPEAKERS = {AUTO: "found automatically", ONE: "one", CHANNELS: "one per channel"}
#: Browsers load everything from this service only.
_POLICY = "; ".join(
    [
        "default-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # colours and widths of answers are in their HTML
        "img-src 'self' data:",
        "media-src 'self' blob:",
        "connect-src 'self' blob:",
        "object-src 'none'",
        "frame-ancestors 'self'",
        "form-action 'self'",
        "base-uri 'self'",
    ]
)
_HEADERS = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}


def site_routes(handlers: PageHandlers) -> APIRouter:
    """Return the routes, which are not in the OpenAPI schema; without a session they lead to the login."""
    routes = APIRouter(include_in_schema=False)
    index, card = _index(handlers), _card(handlers.recognizer.card)

    async def send(request: Request, page: str, login: str) -> Response:
        try:
            check_key(handlers.settings, request.headers)
        except ProblemError:
            return RedirectResponse(login, status_code=303)
        return HTMLResponse(page, headers=_HEADERS)

    @routes.api_route("/", methods=["GET", "HEAD"])
    async def show(request: Request) -> Response:
        return await send(request, index, "login")

    @routes.get("/page/card")
    async def show_card(request: Request) -> Response:
        return await send(request, card, "../login")

    return routes


def _index(handlers: PageHandlers) -> str:
    recognizer, settings = handlers.recognizer, handlers.settings
    labels = {emotion: html.colour(emotion, recognizer.emotions) for emotion in recognizer.emotions}
    return html.render(
        "index",
        tagline=TAGLINE,
        adapts=recognizer.adapts,
        learns=handlers.source.learns,
        has_key=settings.key is not None,
        colours=labels | {label: html.colour(label) for label in OTHER},
        speakers={choice: _SPEAKERS.get(choice, choice) for choice in SPEAKERS},
        max_clips=MAX_CLIPS,
        limits={name: (n_bytes, size_text(n_bytes)) for name, n_bytes in _limits(handlers).items()},
        trust=trust.of_card(recognizer.card),
        threshold=recognizer.threshold,
        emotions=recognizer.emotions,
        by_emotion=trust.by_emotion(recognizer.card),
        corpora=model_card.corpora(recognizer.card),
    )


def _limits(handlers: PageHandlers) -> Mapping[str, int]:
    """Return tab -> largest upload, bytes."""
    request = handlers.settings.max_upload_bytes
    return {"recognise": request, "timeline": max_timeline_bytes(handlers), "voice": request}


@functools.cache
def _markdown() -> Any:
    from markdown_it import MarkdownIt

    # without HTML: a card names its corpora in words of others
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def _card(card: Mapping[str, Any]) -> str:
    text = _markdown().render(model_card.readme(card))
    # what may scroll to the side can be reached by keyboard
    wide = '<div class="em-wide" role="group" aria-label="Table" tabindex="0"><table>'
    text = text.replace("<table>", wide).replace("</table>", "</table></div>").replace("<pre>", '<pre tabindex="0">')
    return html.render("card", name=card["name"], text=text)
