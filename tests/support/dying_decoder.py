"""A child process that decodes, and that dies of a recording whose name or content says so."""

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest

from emotone import processes
from emotone.audio import decoding, isolated, isolated_child, reading

#: In the name or among the last bytes of a file that ends its decoder.
DEADLY = "deadly"


def serve() -> None:
    """Decode as `emotone.audio.isolated_child.serve`."""
    for module in (isolated_child, reading):
        module.open_reader = _open_reader
    isolated_child.serve()


@contextlib.contextmanager
def _open_reader(source, *, track=None) -> Iterator[decoding.Reader]:
    content = open(source, "rb").read() if isinstance(source, str) else source
    if DEADLY.encode() in content[-100:] or DEADLY in str(source)[-100:]:
        os.kill(os.getpid(), signal.SIGSEGV)
    with decoding.open_reader(source, track=track) as reader:
        yield reader


@contextlib.contextmanager
def decoders_die(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let children of this process, and of those that it starts, die of deadly recordings."""
    start = processes.start
    isolated._shared.close()
    monkeypatch.setattr(processes, "start", lambda module, **options: start(_instead(module), **options))
    yield
    isolated._shared.close()


def _instead(module: str) -> str:
    return "support.dying_decoder" if module == "emotone.audio.isolated_child" else module
