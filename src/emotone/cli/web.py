"""The command ``web``."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from emotone.cli import console as output
from emotone.cli import options
from emotone.cli.app import command


@command("web site --model run/model", "web site --runtime node_modules/onnxruntime-web/dist")
def web(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Folder of the page; new, empty (hidden files stay), or an earlier page."),
    ],
    model: options.Bundle = "default",
    runtime: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder 'dist' of the npm package onnxruntime-web.",
            show_default="node_modules/onnxruntime-web/dist",
        ),
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Write a page that needs no server.

    It recognises emotion in the browser: static files for any web server.  No recording leaves the device on which the
    page is open, and it works without a network after the first visit.
    """
    from emotone.cli import web_folder
    from emotone.formatting import size_text
    from emotone.recognition.session import bundle_folder

    written = web_folder.write(folder, bundle=bundle_folder(model), runtime=web_folder.runtime_folder(runtime))
    if not quiet:
        output.note(
            f"{written.n_files} files, {size_text(written.n_bytes)}; to look at the page: "
            f"python -m http.server --bind 127.0.0.1 --directory {shlex.quote(str(folder))} 8080"
        )
    typer.echo(output.one_line(folder))
