"""The command ``serve``."""

from typing import Annotated

import typer

from emotone.cli import console as output
from emotone.cli import options
from emotone.cli.app import command
from emotone.validation import check_range

#: Group of the options in the help.
_JOBS, _LIMITS = "Job", "Request"


@command("serve", "serve --host 0.0.0.0 --key SECRET --no-page")
def serve(
    model: options.Bundle = "default",
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 accepts other machines.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    key: Annotated[
        str | None,
        typer.Option(metavar="KEY", envvar="EMOTONE_KEY", help="Require this API key (Authorization: Bearer KEY)."),
    ] = None,
    origins: Annotated[
        str,
        typer.Option(
            metavar="A,B",
            help="Accept requests from web pages of these origins, such as https://example.org.",
            show_default="none",
        ),
    ] = "",
    allowed_hosts: Annotated[
        str,
        typer.Option(
            "--allowed-hosts",
            metavar="A,B",
            envvar="EMOTONE_ALLOWED_HOSTS",
            help="Names by which clients may call the service, such as emotone.example.org; * allows any.",
            show_default="this machine's",
        ),
    ] = "",
    trusted_proxies: Annotated[
        str,
        typer.Option(
            "--trusted-proxies",
            metavar="A,B",
            envvar="EMOTONE_TRUSTED_PROXIES",
            help="Addresses or networks of proxies whose header X-Forwarded-For names the client.",
        ),
    ] = "127.0.0.1,::1",
    emotions: options.Emotions = None,
    threshold: options.Threshold = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Recordings predicted at the same time.")] = 2,
    learn_source: Annotated[
        bool, typer.Option("--learn-source", help="Adapt to what the recordings share: microphone, room, language.")
    ] = False,
    max_upload_mb: Annotated[
        float,
        typer.Option(
            "--max-upload-mb", metavar="MB", rich_help_panel=_LIMITS, help="Largest upload, millions of bytes."
        ),
    ] = 50.0,
    max_minutes: Annotated[
        float,
        typer.Option(
            "--max-minutes", metavar="MINUTES", rich_help_panel=_LIMITS, help="Longest recording of a request."
        ),
    ] = 60.0,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            metavar="SECONDS",
            rich_help_panel=_LIMITS,
            help="Longest time from the end of an upload to its answer.",
        ),
    ] = 60.0,
    max_uploads_per_client: Annotated[
        int,
        typer.Option(
            "--max-uploads-per-client",
            min=1,
            max=10_000,
            rich_help_panel=_LIMITS,
            help="Slow uploads of one address at a time; with one more, the slowest is ended.",
        ),
    ] = 32,
    max_uploads_mb_per_client: Annotated[
        float | None,
        typer.Option(
            "--max-uploads-mb-per-client",
            metavar="MB",
            rich_help_panel=_LIMITS,
            help="Memory for the uploads of one address, from the largest upload (also of jobs) to the memory of all "
            "uploads (502); raise it if clients share an address.",
            show_default="half of that for all",
        ),
    ] = None,
    max_jobs: Annotated[
        int,
        typer.Option(
            "--max-jobs",
            min=0,
            max=1000,
            rich_help_panel=_JOBS,
            help="Jobs (long recordings) that may wait, run and be kept, all together.",
        ),
    ] = 16,
    keep_jobs_s: Annotated[
        float,
        typer.Option(
            "--keep-jobs-s", metavar="SECONDS", rich_help_panel=_JOBS, help="How long the result of a job is kept."
        ),
    ] = 600.0,
    max_job_duration_s: Annotated[
        float,
        typer.Option(
            "--max-job-duration-s", metavar="SECONDS", rich_help_panel=_JOBS, help="Longest recording of a job."
        ),
    ] = 14_400.0,
    max_job_seconds: Annotated[
        float,
        typer.Option(
            "--max-job-seconds", metavar="SECONDS", rich_help_panel=_JOBS, help="Longest time that a job runs."
        ),
    ] = 3600.0,
    max_job_upload_bytes: Annotated[
        int,
        typer.Option("--max-job-upload-bytes", metavar="BYTES", rich_help_panel=_JOBS, help="Largest upload of a job."),
    ] = 250_000_000,
    max_jobs_bytes: Annotated[
        int,
        typer.Option(
            "--max-jobs-bytes",
            metavar="BYTES",
            rich_help_panel=_JOBS,
            help="Most memory for the uploads and results of all jobs.",
        ),
    ] = 500_000_000,
    access_log: Annotated[bool, typer.Option("--access-log", help="Log each request to stderr.")] = False,
    page: Annotated[
        bool, typer.Option("--page/--no-page", help="Serve the web page at /, with the HTTP API and WebSocket.")
    ] = True,
) -> None:
    """Serve the web page, the HTTP API and live streams."""
    from emotone.recognition.recognizer import Recognizer
    from emotone.serve import ServeSettings
    from emotone.serve import serve as run  # imports fastapi and uvicorn

    check_range("--max-upload-mb", max_upload_mb, 0.001, 2000.0, unit="MB")
    if max_uploads_mb_per_client is not None:
        check_range("--max-uploads-mb-per-client", max_uploads_mb_per_client, 0.001, 8000.0, unit="MB")
    recognizer = Recognizer(model, emotions=options.names(emotions), threshold=threshold)
    for note in recognizer.notes:
        output.note(f"note: {note}")
    settings = ServeSettings(
        workers=workers,
        key=key,
        learn_source=learn_source,
        origins=options.parse_names(origins),
        allowed_hosts=options.parse_names(allowed_hosts),
        trusted_proxies=options.parse_names(trusted_proxies),
        max_upload_bytes=round(max_upload_mb * 1e6),
        max_duration_s=max_minutes * 60,
        max_seconds=timeout,
        max_uploads_per_client=max_uploads_per_client,
        max_uploads_bytes_per_client=None
        if max_uploads_mb_per_client is None
        else round(max_uploads_mb_per_client * 1e6),
        max_jobs=max_jobs,
        keep_jobs_s=keep_jobs_s,
        max_job_duration_s=max_job_duration_s,
        max_job_seconds=max_job_seconds,
        max_job_upload_bytes=max_job_upload_bytes,
        max_jobs_bytes=max_jobs_bytes,
    )
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    content = "page and HTTP API" if page else "HTTP API"
    run(
        recognizer,
        host=host,
        port=port,
        settings=settings,
        access_log=access_log,
        page=page,
        on_listening=lambda: output.note(f"http://{address}: {content} of {recognizer.card['name']}; stop with Ctrl-C"),
    )
