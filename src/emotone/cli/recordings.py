"""Recordings that a command line names."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, BinaryIO

import typer

from emotone.cli import console as output
from emotone.cli.answers import Answer
from emotone.errors import AudioError

if TYPE_CHECKING:
    from emotone.audio import AudioSource
    from emotone.audio.raw import RawFormat

#: Names of standard input.
STDIN = ("-", "/dev/stdin", "/dev/fd/0")
#: Paths of this process's own files, which a child process does not have.
_DESCRIPTORS = ("/dev/", "/proc/")
#: Kinds of files that are counted one by one in the note on what a folder holds besides.
_MAX_KINDS = 5


def recordings(paths: Sequence[str], *, raw: RawFormat | None = None) -> list[str | Answer[Any]]:
    """List the files, and of each folder all recordings, also in subfolders, by name; an error where that fails.

    Prints how many files of the folders are no recordings.

    Raises
    ------
    typer.BadParameter
        Standard input is named twice.
    """
    if sum(path in STDIN for path in paths) > 1:
        raise typer.BadParameter("standard input can be read once, and FILE names it twice; give '-' once")
    files: list[str | Answer[Any]] = []
    others: Counter[str] = Counter()
    for path in paths:
        if not os.path.isdir(path):
            files.append(path)
        elif raw is not None:
            files.append(Answer(path, error=f"{path}: --raw takes files and this is a folder; name the files in it"))
        else:
            inside: Counter[str] = Counter()
            files += _in_folder(path, inside) or [_empty_folder(path, inside)]
            others += inside
    if others:
        output.note(passed_over_text(others))
    return files


def passed_over_text(others: Counter[str]) -> str:
    """Say how many files of folders are no recordings, by their kind.

    Examples
    --------
    >>> passed_over_text(Counter({".txt": 2, ".md": 1}))
    "passed over 3 files that can't be read as sound: 2 .txt, 1 .md"
    """
    most = others.most_common(_MAX_KINDS)
    kinds = [f"{count} {kind}" for kind, count in most]
    if len(others) > _MAX_KINDS:
        kinds.append(f"{others.total() - sum(count for _, count in most)} of other kinds")
    n_files = "1 file" if others.total() == 1 else f"{others.total()} files"
    return f"passed over {n_files} that can't be read as sound: {', '.join(kinds)}"


def source_of(path: str, *, raw: RawFormat | None = None, is_one_of_several: bool = False) -> AudioSource:
    """Return what a recognizer reads for the name of a file: standard input, headerless sound, or the file itself.

    A recording that crashes the decoder costs itself and not the others: one of several is decoded in a child process,
    unless it is plain WAV or FLAC.

    Raises
    ------
    AudioError
        Standard input is a terminal or closed, or headerless sound can't be read or has a header.
    """
    source: str | BinaryIO = path
    if path in STDIN:
        if sys.stdin is None or sys.stdin.isatty():
            raise AudioError(
                f"{path} is standard input, which is {'closed' if sys.stdin is None else 'a terminal'}; pipe a "
                "recording into it, for example: cat clip.wav | emotone predict -"
            )
        source = sys.stdin.buffer
    is_file = path not in STDIN and os.path.isfile(path) and not path.startswith(_DESCRIPTORS)
    if raw is None and is_one_of_several and is_file:
        from emotone.audio.isolated_source import IsolatedSource

        return IsolatedSource(path)
    if raw is None:
        return source
    from emotone.audio.raw import header_of
    from emotone.audio.sources import open_file

    with ExitStack() as stack:
        content = open_file(source, stack)[0].read()
    if len(content) < raw.frame_bytes:
        raise AudioError(f"{path}: {len(content)} bytes are no sample of {raw.frame_bytes} bytes; correct --raw")
    if header := header_of(content):
        raise AudioError(
            f"{path}: the file has the header of {header}, and --raw is for sound without; leave out --raw"
        )
    return raw.decode(content), raw.rate


def _empty_folder(path: str, others: Counter[str]) -> Answer[Any]:
    problem = f"{path}: no recording in this folder"
    if others[".parquet"]:
        return Answer(
            path,
            error=f"{problem}, but Parquet tables; 'emotone annotate TABLE --out DIR' predicts the recordings that a "
            "table lists",
        )
    return Answer(path, error=f"{problem}; expected files such as .wav, .flac, .mp3 or .m4a")


def _in_folder(path: str, others: Counter[str]) -> list[str | Answer[Any]]:
    """List the recordings of a folder; count the other files by their kind in ``others``."""
    from emotone.audio.folders import entries

    files: list[str | Answer[Any]] = []
    for entry in entries(path):
        if entry.error:
            files.append(Answer(entry.path, error=entry.error))
        elif entry.kind:
            others[entry.kind] += 1
        else:
            files.append(entry.path)
    return files
