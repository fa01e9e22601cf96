"""A bundle's graph, checked against its card and opened with onnxruntime."""

import hashlib
import json
from pathlib import Path
from typing import Any

import onnxruntime

from emotone.errors import BundleError, ConfigError, MissingExtraError
from emotone.recognition.card import CARD, HEARD, SPEAKER

#: What `Recognizer` calls the built-in bundle, and where it is.
DEFAULT = "default"
DEFAULT_FOLDER = Path(__file__).parents[1] / "data" / "default"


def open_session(model: bytes, *, threads: int = 1) -> Any:
    """Open a graph, with the settings under which bundles are checked and run.

    They are those of `emotone.features.runner.GraphRunner`, so that features come out the same to the last bit.

    Parameters
    ----------
    model
        The bytes of the ONNX file.
    threads
        Threads of one run.

    Raises
    ------
    BundleError
        The bytes are no ONNX graph that this onnxruntime can run.
    """
    if threads < 1:
        raise ConfigError(f"threads is {threads}, expected 1 or more")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors come as exceptions
    options.enable_mem_pattern = False  # clips differ in length; a pool sized for the longest so far only grows
    options.enable_cpu_mem_arena = False
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base class but this
        first_line = (str(error).splitlines() or [""])[0]
        raise BundleError(
            f"onnxruntime {onnxruntime.__version__} can't run the graph ({first_line}); expected an ONNX model: "
            "upgrade onnxruntime, or get the bundle again"
        ) from error


def checked_session(path: Path, described: dict[str, Any], *, threads: int) -> Any:
    """Open the graph after checking that it is the one that the card describes.

    Raises
    ------
    BundleError
        The file can't be read, has another SHA-256, is no graph, or one that the card does not fit.
    """
    try:
        model = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path} can't be read ({error}); get the bundle again, or train it again") from error
    found = hashlib.sha256(model).hexdigest()
    if found != described["sha256"]:
        raise BundleError(
            f"{path} was altered or is damaged: its SHA-256 is {found}, and its card says {described['sha256']}; "
            "get the bundle again, or train it again"
        )
    try:
        session = open_session(model, threads=threads)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error
    _check_graph(session, described, where=path)
    return session


def _check_graph(session: Any, described: dict[str, Any], *, where: Path) -> None:
    wanted = "waveform" if described["extractor"]["graph"] else "features"
    inputs, outputs = [one.name for one in session.get_inputs()], [one.name for one in session.get_outputs()]
    if inputs != [wanted] or not {"scores", "embedding"} <= set(outputs):
        raise BundleError(
            f"{where} has inputs {inputs} and outputs {outputs}, expected {[wanted]} and ['scores', 'embedding']; "
            "export it with emotone.export.bundle.write_bundle"
        )
    shape = next(one.shape for one in session.get_outputs() if one.name == "scores")
    if shape != [1, len(described["emotions"])]:
        raise BundleError(
            f"{where} gives scores of shape {shape}, and its card names {len(described['emotions'])} emotions: they "
            "are not of one bundle; get the bundle again, or train it again"
        )
    speaker_width(session, where=where)
    inside = session.get_modelmeta().custom_metadata_map
    # The order of the names decides what each score means, and the card's own text is under no checksum.
    for key in ("emotions", "sample_rate", "extractor"):
        said = described[key]["name"] if key == "extractor" else described[key]
        if inside.get(key) != json.dumps(said):
            raise BundleError(
                f"{where} was made for {key} {inside.get(key)}, and its card says {json.dumps(said)}: the card was "
                "altered; get the bundle again, or train it again"
            )


def speaker_width(session: Any, *, where: str | Path = "the graph") -> int:
    """Tell how many values of a speaker's mean embedding a graph takes, as an optional input; 0 if it does not adapt.

    Raises
    ------
    BundleError
        The graph has other optional inputs than `emotone.recognition.card.SPEAKER` and `HEARD`, or in other shapes.
    """
    optional = {one.name: (one.type, one.shape) for one in session.get_overridable_initializers()}
    if not optional:
        return 0
    shape = next(one.shape for one in session.get_outputs() if one.name == "embedding")
    wanted = {SPEAKER: ("tensor(float)", shape), HEARD: ("tensor(float)", [1])}
    if optional != wanted or [type(size) for size in shape] != [int, int]:
        raise BundleError(
            f"{where} has the optional inputs {optional}, expected none, or {SPEAKER!r} of the embedding's shape "
            f"{shape} and {HEARD!r} of shape [1]; export it with emotone.export.bundle.write_bundle"
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
    """Return the folder of a bundle; "default" is the built-in one."""
    if str(bundle) != DEFAULT:
        return Path(bundle).expanduser()
    if not (DEFAULT_FOLDER / CARD).is_file():
        raise BundleError(
            "this installation has no built-in model; train one ('emotone fetch ravdess --to data', then "
            "'emotone train ravdess --data data --out run') and name it: --model run/model"
        )
    return DEFAULT_FOLDER
