"""The graph of a bundle: opened, and checked against the card.

The graph of the built-in bundle is part of this package and runs in this process.  Any other can be from a stranger:
it runs in a child process with limits, it is run once before it is used, and what it returns is checked.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotone import hub
from emotone.audio import SAMPLE_RATE
from emotone.errors import BundleError, ConfigError, MissingExtraError, ResultError
from emotone.files import MOST_BYTES, read_regular
from emotone.recognition import card as cards
from emotone.recognition.card import ADAPTATION, CARD, GRAPH, HEARD, NOTICE, README, SPEAKER, SPEECH
from emotone.recognition.graph_child import MOST_GRAPH_BYTES, altered
from emotone.recognition.graph_process import GraphProcess, Limits
from emotone.recognition.runtime import Interface, LocalGraph, check_threads, open_session
from emotone.recognition.versioned_json import short

#: Name and folder of the built-in bundle.
DEFAULT = "default"
DEFAULT_FOLDER = Path(__file__).parents[1] / "data" / "default"

#: The files of a bundle that are downloaded from the hub, and their largest sizes.
_ON_HUB = {
    CARD: cards.MOST_BYTES,
    GRAPH: MOST_GRAPH_BYTES,
    ADAPTATION: MOST_BYTES,
    **dict.fromkeys((README, NOTICE), cards.MOST_BYTES),
}
#: How far from 0 to 1 a probability may be, and their sum from 1, by rounding; and the largest value of an embedding.
_TOLERANCE, _LARGEST = 1e-3, 1e12
_REMEDY = "get the bundle again, or train it again"


class CheckedGraph:
    """A graph from others, whose outputs are checked after every run.  Threads may share it.

    Parameters
    ----------
    graph
        In child processes.
    n_emotions
        The number k of scores.
    inputs
        Of a first run.

    Raises
    ------
    BundleError
        The first run fails, or its outputs do not pass the checks.
    """

    def __init__(
        self, graph: GraphProcess, *, n_emotions: int, names: Sequence[str], inputs: Mapping[str, NDArray[np.float32]]
    ) -> None:
        self._graph, self.interface = graph, graph.interface
        self._widths = {"scores": n_emotions, SPEECH: 1}
        outputs = graph.first_run(names, inputs)
        # a size that varies by its description must still be the same in every run
        stated = graph.interface.outputs["embedding"][1][-1:]
        first = outputs[names.index("embedding")].size
        self._widths["embedding"] = stated[0] if stated and type(stated[0]) is int else first
        self._check(names, outputs)

    def run(
        self, names: Sequence[str], inputs: Mapping[str, NDArray[np.float32]], *, is_long: bool = False
    ) -> list[NDArray[np.float32]]:
        """Return the outputs of these names; see `GraphProcess.run` for errors."""
        outputs = self._graph.run(names, inputs, is_long=is_long)
        self._check(names, outputs)
        return outputs

    def close(self) -> None:
        """End the child processes; the next run starts another."""
        self._graph.close()

    def _check(self, names: Sequence[str], outputs: Sequence[NDArray[np.float32]]) -> None:
        for name, output in zip(names, outputs, strict=True):
            expected = max(1, self._widths[name])
            if output.size != expected:
                raise ResultError(f"the graph returns {output.size} values for {name}, expected {expected}; {_REMEDY}")
            if not np.isfinite(output).all():
                raise ResultError(f"the graph returns a value that is not finite for {name}; {_REMEDY}")
            low, high = (-_LARGEST, _LARGEST) if name == "embedding" else (-_TOLERANCE, 1 + _TOLERANCE)
            least, most = float(output.min()), float(output.max())
            if not (low <= least and most <= high):
                raise ResultError(
                    f"the graph returns values from {least:.4g} to {most:.4g} for {name}, expected {low:.4g} to "
                    f"{high:.4g}; {_REMEDY}"
                )
            if name == "scores" and abs(float(output.sum()) - 1) > _TOLERANCE:
                raise ResultError(f"the graph returns scores whose sum is {output.sum():.4g}, expected 1; {_REMEDY}")


def checked_graph(
    path: Path, card: dict[str, Any], *, threads: int, limits: Limits | None = None
) -> LocalGraph | CheckedGraph:
    """Open the graph of a bundle.

    Parameters
    ----------
    path
        The ONNX file.
    card
        Of the bundle, checked.
    threads
        Threads of a run.
    limits
        What the graph may use, unless it is that of the built-in bundle.

    Raises
    ------
    BundleError
        The file can't be read, its SHA-256 is not that in the card, or its graph does not fit the card, fails, or does
        not keep the limits.
    """
    check_threads(threads)
    if path.parent.resolve() == DEFAULT_FOLDER.resolve():
        own = _own_graph(path, card, threads=threads)
        _check_graph(own.interface, card, where=path)
        return own
    graph = GraphProcess(path, sha256=card["sha256"], threads=threads, limits=limits or Limits())
    try:
        _check_graph(graph.interface, card, where=path)
        names = ["scores", "embedding", *([SPEECH] if SPEECH in graph.interface.outputs else [])]
        return CheckedGraph(graph, n_emotions=len(card["emotions"]), names=names, inputs=_first_input(card))
    except BundleError as error:
        graph.close()
        text = str(error)
        raise BundleError(text if text.startswith(str(path)) else f"{path}: {text}") from error


def _own_graph(path: Path, card: dict[str, Any], *, threads: int) -> LocalGraph:
    try:
        model = read_regular(path)
    except OSError as error:
        raise BundleError(f"{path} can't be read ({error}); {_REMEDY}") from error
    digest = hashlib.sha256(model).hexdigest()
    if digest != card["sha256"]:
        raise altered(path, digest, card["sha256"])
    try:
        return LocalGraph(open_session(model, threads=threads))
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error


def _first_input(card: dict[str, Any]) -> dict[str, NDArray[np.float32]]:
    """Return the input of a first run: a second of sound, or features of nothing."""
    if card["extractor"]["graph"]:
        t = np.arange(SAMPLE_RATE, dtype=np.float32) / SAMPLE_RATE
        sound = np.sin(2 * np.pi * 200 * t) * np.sin(2 * np.pi * 3 * t) / 10
        return {"waveform": sound[None].astype(np.float32)}
    frames = [100] if card["extractor"].get("sequence") else []
    return {"features": np.zeros((1, *frames, card["features"]), np.float32)}


def _check_graph(interface: Interface, card: dict[str, Any], *, where: Path) -> None:
    expected = "waveform" if card["extractor"]["graph"] else "features"
    inputs = list(interface.inputs)
    shapes = {name: shape for name, (_, shape) in interface.outputs.items()}
    if inputs != [expected] or not {"scores", "embedding"} <= set(shapes):
        raise BundleError(
            f"{where} has inputs {short(inputs)} and outputs {short(list(shapes))}, expected {[expected]} and "
            "['scores', 'embedding']; export it with emotone.export.bundle.write_bundle"
        )
    if shapes["scores"] != [1, len(card["emotions"])]:
        raise BundleError(
            f"{where} returns scores of shape {short(shapes['scores'])}, and its card names {len(card['emotions'])} "
            f"emotions: they belong to different bundles; {_REMEDY}"
        )
    speaker_width(interface, where=where)
    # The order of the emotions gives the scores their meaning, and the card has no checksum.
    for key in ("emotions", "sample_rate", "extractor"):
        stated = json.dumps(card[key]["name"] if key == "extractor" else card[key])
        made_for = interface.properties.get(key)
        if made_for != stated:
            raise BundleError(
                f"{where} was made for {key} {short(made_for)}, and its card says {short(stated)}: the card was "
                f"altered; {_REMEDY}"
            )


def speaker_width(interface: Interface, *, where: str | Path = "the graph") -> int:
    """Return the size of the speaker's mean embedding, an optional input of a graph; 0 if the graph does not adapt.

    Raises
    ------
    BundleError
        The graph has other optional inputs than `emotone.recognition.card.SPEAKER` and `HEARD`, or of other shapes.
    """
    optional = interface.optional
    if not optional:
        return 0
    shape = interface.outputs["embedding"][1]
    expected = {SPEAKER: ("tensor(float)", shape), HEARD: ("tensor(float)", [1])}
    if optional != expected or [type(size) for size in shape] != [int, int]:
        raise BundleError(
            f"{where} has the optional inputs {short(optional)}; expected no optional inputs, or {SPEAKER!r} of the "
            f"embedding's shape {short(shape)} and {HEARD!r} of shape [1]; export it with "
            "emotone.export.bundle.write_bundle"
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
    """Return the folder of a bundle; "default" is the built-in bundle, and ``hub:user/model`` one to download.

    Raises
    ------
    BundleError, HubError
        There is no built-in bundle, or the hub has no such bundle, or can't be reached.
    ConfigError
        It is no path, and no address of the hub.
    MissingExtraError
        The hub is named, and the extra ``hub`` is not installed.
    """
    if not isinstance(bundle, str | os.PathLike):
        raise ConfigError(f"bundle is {bundle!r:.80}, expected the path of a folder, {DEFAULT!r} or 'hub:user/model'")
    if hub.is_address(bundle):
        return hub.fetched(hub.Address.parse(str(bundle)), most_bytes=_ON_HUB, needed=(CARD, GRAPH))
    if str(bundle) != DEFAULT:
        return Path(bundle).expanduser()
    if not (DEFAULT_FOLDER / CARD).is_file():
        raise BundleError(
            "this installation has no built-in model; train one ('emotone fetch ravdess --to data', then "
            "'emotone train ravdess --data data --out run') and name it: --model run/model"
        )
    return DEFAULT_FOLDER
