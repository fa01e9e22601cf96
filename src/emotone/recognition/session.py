"""Open the graph of a bundle with onnxruntime and check it against the card."""

import hashlib
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import onnxruntime

from emotone.errors import BundleError, ConfigError, MissingExtraError
from emotone.files import read_regular
from emotone.recognition.card import CARD, HEARD, SPEAKER

#: Name and folder of the built-in bundle.
DEFAULT = "default"
DEFAULT_FOLDER = Path(__file__).parents[1] / "data" / "default"

_REMEDY = "get the bundle again, or train it again"


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
    if type(threads) is not int or threads < 1:
        raise ConfigError(f"threads is {threads!r}, expected a whole number, 1 or more")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are raised as exceptions
    options.enable_mem_pattern = False  # clips differ in length, so a pattern of allocations would seldom fit
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no other common base class
        first_line = (str(error).splitlines() or [""])[0]
        raise BundleError(
            f"onnxruntime {onnxruntime.__version__} can't run the graph ({first_line}); expected an ONNX model: "
            "upgrade onnxruntime, or get the bundle again"
        ) from error


@cache
def long_run() -> Any:
    """Return options for a run on a long input: afterwards, its memory is given back."""
    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def checked_session(path: Path, card: dict[str, Any], *, threads: int) -> Any:
    """Open the graph of a bundle.

    Raises
    ------
    BundleError
        The file can't be read, its SHA-256 is not that in the card, or its graph does not fit the card.
    """
    try:
        model = read_regular(path)
    except OSError as error:
        raise BundleError(f"{path} can't be read ({error}); {_REMEDY}") from error
    digest = hashlib.sha256(model).hexdigest()
    if digest != card["sha256"]:
        raise BundleError(
            f"{path} was altered or is damaged: its SHA-256 is {digest}, and its card says {card['sha256']}; {_REMEDY}"
        )
    try:
        session = open_session(model, threads=threads)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error
    _check_graph(session, card, where=path)
    return session


def _check_graph(session: Any, card: dict[str, Any], *, where: Path) -> None:
    expected = "waveform" if card["extractor"]["graph"] else "features"
    inputs = [node.name for node in session.get_inputs()]
    shapes = {node.name: node.shape for node in session.get_outputs()}
    if inputs != [expected] or not {"scores", "embedding"} <= set(shapes):
        raise BundleError(
            f"{where} has inputs {inputs} and outputs {list(shapes)}, expected {[expected]} and ['scores', "
            "'embedding']; export it with emotone.export.bundle.write_bundle"
        )
    if shapes["scores"] != [1, len(card["emotions"])]:
        raise BundleError(
            f"{where} returns scores of shape {shapes['scores']}, and its card names {len(card['emotions'])} emotions: "
            f"they belong to different bundles; {_REMEDY}"
        )
    speaker_width(session, where=where)
    metadata = session.get_modelmeta().custom_metadata_map
    # The order of the emotions gives the scores their meaning, and the card has no checksum.
    for key in ("emotions", "sample_rate", "extractor"):
        stated = json.dumps(card[key]["name"] if key == "extractor" else card[key])
        if metadata.get(key) != stated:
            raise BundleError(
                f"{where} was made for {key} {metadata.get(key)}, and its card says {stated}: the card was altered; "
                f"{_REMEDY}"
            )


def speaker_width(session: Any, *, where: str | Path = "the graph") -> int:
    """Return the size of the speaker's mean embedding, an optional input of a graph; 0 if the graph does not adapt.

    Raises
    ------
    BundleError
        The graph has other optional inputs than `emotone.recognition.card.SPEAKER` and `HEARD`, or of other shapes.
    """
    optional = {node.name: (node.type, node.shape) for node in session.get_overridable_initializers()}
    if not optional:
        return 0
    shape = next(node.shape for node in session.get_outputs() if node.name == "embedding")
    expected = {SPEAKER: ("tensor(float)", shape), HEARD: ("tensor(float)", [1])}
    if optional != expected or [type(size) for size in shape] != [int, int]:
        raise BundleError(
            f"{where} has the optional inputs {optional}; expected no optional inputs, or {SPEAKER!r} of the "
            f"embedding's shape {shape} and {HEARD!r} of shape [1]; export it with emotone.export.bundle.write_bundle"
        )
    return int(shape[1])


def extractor_of(described: dict[str, Any], folder: Path) -> Any:
    """Return the function (n,) -> (d,) of an extractor that can't be a graph."""
    name, digest = described["extractor"]["name"], described["extractor"].get("digest")
    try:
        from emotone.features.registry import get  # here: the package needs the training libraries

        extractor = get(name)
    except MissingExtraError:
        raise
    except ImportError as error:
        raise MissingExtraError(f"a bundle with the features {name!r}", extra="train") from error
    except ConfigError as error:
        raise BundleError(f"{folder}: {error}") from error
    if extractor.digest != digest:
        raise BundleError(
            f"{folder}: the features {name!r} were computed by another version (digest {str(digest)[:12]}, here "
            f"{extractor.digest[:12]}), so scores would mean nothing; train the model again with this version"
        )
    return extractor.compute


def bundle_folder(bundle: str | Path) -> Path:
    """Return the folder of a bundle; "default" is the built-in bundle."""
    if not isinstance(bundle, str | os.PathLike):
        raise ConfigError(f"bundle is {bundle!r:.80}, expected the path of a folder, or {DEFAULT!r}")
    if str(bundle) != DEFAULT:
        return Path(bundle).expanduser()
    if not (DEFAULT_FOLDER / CARD).is_file():
        raise BundleError(
            "this installation has no built-in model; train one ('emotone fetch ravdess --to data', then "
            "'emotone train ravdess --data data --out run') and name it: --model run/model"
        )
    return DEFAULT_FOLDER
