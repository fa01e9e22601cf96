"""Emotone as a service: recordings over HTTP, live sound over a WebSocket."""

from emotone.errors import MissingExtraError

try:
    from emotone.serve.app import create_app
    from emotone.serve.server import serve
    from emotone.serve.settings import ServeSettings
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in ("fastapi", "starlette", "pydantic", "uvicorn"):
        raise
    raise MissingExtraError("the service (fastapi, uvicorn)", extra="serve") from error

__all__ = ["ServeSettings", "create_app", "serve"]
