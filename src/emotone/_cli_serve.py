"""The work of ``emotone serve``: settings checked, the address told, and the service run until it is ended."""

from collections.abc import Sequence

from emotone import _cli_output as output
from emotone.recognizer import Recognizer


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
    from emotone.serve import ServeSettings, serve  # brings fastapi and uvicorn

    recognizer = Recognizer(model)
    settings = ServeSettings(workers=workers, key=key, origins=tuple(origins))
    shown = f"[{host}]" if ":" in host else host
    what = "has the page, and answers" if page else "answers"
    output.note(f"http://{shown}:{port} {what} for {recognizer.card['name']}; Ctrl-C ends it")
    serve(recognizer, host=host, port=port, settings=settings, access_log=log, page=page)
