"""The command ``push``."""

from typing import Annotated

import typer

from emotone import hub
from emotone.cli import console as output
from emotone.cli.app import command


@command("push runs/svm hub:anna/calls --private", "push runs/svm/model hub:anna/calls --licence cc-by-4.0")
def push(
    source: Annotated[str, typer.Argument(metavar="RUN_OR_BUNDLE", help="A run directory, or a bundle.")],
    to: Annotated[
        str,
        typer.Argument(metavar="hub:USER/MODEL", help="The model on the hub, which is made if it does not exist."),
    ],
    private: Annotated[bool, typer.Option("--private", help="Only you may see the model.")] = False,
    licence: Annotated[
        str,
        typer.Option(
            metavar="ID",
            help="Licence of the model, an identifier of the hub such as cc-by-4.0; other: the licences of the "
            "training recordings, which the model card lists.",
        ),
    ] = "other",
) -> None:
    """Push a model to the Hugging Face hub.

    It uploads the bundle and its model card, and prints the address that always loads this version.
    """
    from emotone.export.push import push as push_bundle

    pushed = push_bundle(source, to, private=private, licence=licence)
    output.note(f"page: {hub.page_of(hub.Address.parse(pushed))}")
    output.print_next(f"Pushed: {pushed}", ["predict", "clip.wav", "--model", to])
