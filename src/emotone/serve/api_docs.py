"""Interactive documents of the HTTP interface at ``/docs``: Swagger UI, served by the service itself.

The files are those in the package fastapi-swagger.  Its own page, and FastAPI's, have a script within the HTML, which
the policy of this page forbids.
"""

import importlib.util
from importlib import resources

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, Response

_PACKAGE = "fastapi_swagger"
#: File -> its type, of those in the package.
_FILES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
#: The page loads everything from this service, and no script of another origin runs in it.
_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Emotone: HTTP interface</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START = (
    'SwaggerUIBundle({url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, tryItOutEnabled: true, '
    "validatorUrl: null});\n"
)


def is_installed() -> bool:
    """Return whether the files of Swagger UI are there."""
    return importlib.util.find_spec(_PACKAGE) is not None


def docs_routes() -> APIRouter:
    """Return the routes of the documents, which need no key, as ``/openapi.json``."""
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def page() -> Response:
        return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"})

    @router.get("/docs/start.js")
    async def start() -> Response:
        return Response(_START, media_type="text/javascript")

    @router.get("/docs/{name}")
    def file(name: str) -> Response:  # in a thread: it reads 2 MB
        if name not in _FILES:
            raise HTTPException(404)
        content = (resources.files(_PACKAGE) / "resources" / name).read_bytes()
        return Response(content, media_type=_FILES[name], headers={"Cache-Control": "max-age=86400"})

    return router
