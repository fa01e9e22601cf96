"""The command ``emotone serve``: check the settings, start the service, and print its address."""

from collections.abc import Sequence

from emotone.cli import console as output
from emotone.cli import options
from emotone.cli.app import Command, app, examples, parse_names


def run(
    model: str,
    *,
    host: str,
    port: int,
    key: str | None,
    origins: Sequence[str],
    workers: int,
    log: bool,
    page: bool = True,
) -> None:
    """Serve a bundle.

    Raises
    ------
    ConfigError
        A setting is out of range, or the port is taken.
    MissingExtraError
        The extra ``serve`` is not installed.
    """
    from emotone.recognition.recognizer import Recognizer
    from emotone.serve import ServeSettings, serve  # imports fastapi and uvicorn

    recognizer = Recognizer(model)
    settings = ServeSettings(workers=workers, key=key, origins=tuple(origins))
    shown = f"[{host}]" if ":" in host else host
    content = "page and API" if page else "API"
    address = f"http://{shown}:{port} has the {content} of {recognizer.card['name']}; Ctrl-C stops it"
    serve(
        recognizer,
        host=host,
        port=port,
        settings=settings,
        access_log=log,
        page=page,
        on_listening=lambda: output.note(address),
    )


@app.command(cls=Command, epilog=examples("serve", "serve --host 0.0.0.0 --key SECRET --no-page"))
def serve(
    model: options.Bundle = "default",
    host: options.Host = "127.0.0.1",
    port: options.Port = 8000,
    key: options.Key = None,
    origins: options.Origins = "",
    workers: options.Workers = 2,
    access_log: options.AccessLog = False,
    page: options.Page = True,
) -> None:
    """Serve the web page, the HTTP API and live streams."""
    run(model, host=host, port=port, key=key, origins=parse_names(origins), workers=workers, log=access_log, page=page)
