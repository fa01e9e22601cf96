"""Open graphs with onnxruntime, in this process or in a child of it.

It is imported when a graph is opened: a process that has its graphs run by children does without.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotone.errors import BundleError, ConfigError

#: Type and shape of an input or output; a size is a number, or a name or None if it varies.
Port = tuple[str, list[Any]]
#: Of the properties of a graph, those that bundles have, and the longest value.
_PROPERTIES, _LONGEST_PROPERTY = ("emotions", "sample_rate", "extractor"), 10_000
#: Most inputs and outputs, and longest name: a bundle has six, of up to 9 letters.
_MOST_PORTS, _LONGEST_NAME = 64, 100


class Interface(NamedTuple):
    """What a graph takes and gives, by name: ``optional`` inputs have defaults; ``properties`` are texts."""

    inputs: dict[str, Port]
    optional: dict[str, Port]
    outputs: dict[str, Port]
    properties: dict[str, str]


def open_session(model: bytes, *, threads: int = 1) -> Any:
    """Open a graph from the bytes of its ONNX file.

    The settings are the same as in `emotone.features.runner.GraphRunner`, so that features are equal to the last bit.

    Raises
    ------
    BundleError
        The bytes are not an ONNX graph that this onnxruntime can run.
    ConfigError
        ``threads`` is not a whole number from 1.
    """
    import onnxruntime

    check_threads(threads)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are raised as exceptions
    options.enable_mem_pattern = False  # clips differ in length, so a pattern of allocations would seldom fit
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no other common base class
        raise BundleError(
            f"onnxruntime {onnxruntime.__version__} can't run the graph ({reason_of(error)}); expected an ONNX model: "
            "upgrade onnxruntime, or get the bundle again"
        ) from error


def check_threads(threads: object) -> None:
    """Raise `ConfigError` unless it is a number of threads."""
    if type(threads) is not int or threads < 1:
        raise ConfigError(f"threads is {threads!r}, expected a whole number, 1 or more")


def reason_of(error: Exception) -> str:
    """Return the first line of an error of onnxruntime, without signs that can't be printed, at most 300 of them."""
    first_line = (str(error).splitlines() or [type(error).__name__])[0]
    return "".join(sign if sign.isprintable() else "?" for sign in first_line[:300])


@cache
def _long_run() -> Any:
    """Return options for a run on a long input: afterwards, its memory is given back."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


class LocalGraph:
    """A graph in this process.  Threads may share it.

    Parameters
    ----------
    session
        Of `open_session`.

    Attributes
    ----------
    interface
        What it takes and gives.

    Raises
    ------
    BundleError
        It has too many inputs and outputs.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        optional = session.get_overridable_initializers()
        if len(optional) + len(session.get_inputs()) + len(session.get_outputs()) > _MOST_PORTS:
            raise BundleError(f"the graph has more than {_MOST_PORTS} inputs and outputs; get the bundle again")
        properties = session.get_modelmeta().custom_metadata_map
        self.interface = Interface(
            _ports(session.get_inputs()),
            _ports(optional),
            _ports(session.get_outputs()),
            {key: properties[key][:_LONGEST_PROPERTY] for key in _PROPERTIES if key in properties},
        )

    def run(
        self, names: Sequence[str], inputs: Mapping[str, NDArray[np.float32]], *, is_long: bool = False
    ) -> list[NDArray[np.float32]]:
        """Return the outputs of these names; after a run on a long input, memory is given back."""
        outputs: list[NDArray[np.float32]] = self._session.run(names, inputs, _long_run() if is_long else None)
        return outputs

    def close(self) -> None:
        """Do nothing: the graph has no process to end."""


def _ports(nodes: Sequence[Any]) -> dict[str, Port]:
    return {node.name[:_LONGEST_NAME]: (str(node.type), [_size(size) for size in node.shape]) for node in nodes}


def _size(size: Any) -> Any:
    return size[:_LONGEST_NAME] if isinstance(size, str) else size
