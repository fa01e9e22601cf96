"""A fitted pipeline and its extractor into a bundle: one ONNX graph from waveform to calibrated probabilities.

A bundle is written only after its graph gave the same probabilities as the pipeline that it was made of.
"""

import hashlib
import json
import os
import platform
import secrets
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx

from emotone import files
from emotone._version import __version__
from emotone.audio import SAMPLE_RATE
from emotone.errors import BundleError, ExportError
from emotone.export.compose import compose
from emotone.export.pipelines import to_onnx
from emotone.features.runner import GraphRunner
from emotone.features.store import FeatureStore
from emotone.metrics import apply_temperature
from emotone.preprocessing import DEFAULT, Preprocessing
from emotone.recognition import card as cards
from emotone.recognition import model_card
from emotone.recognition.session import open_session

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from emotone.features.base import Extractor

#: How far a probability of the graph may be from the pipeline's.
TOLERANCE = 1e-4
#: Keys of the card that only the caller can know.
CALLERS_KEYS = ("name", "emotions", "model", "protocol", "scores", "training")
_PACKAGES = ("numpy", "onnx", "onnxruntime", "scikit-learn", "skorch", "torch", "xgboost-cpu")

Waveforms = Sequence[npt.NDArray[np.float32]]


def bundle(
    pipeline: "Pipeline",
    extractor: "Extractor",
    *,
    card: Mapping[str, Any],
    out: Path,
    temperature: float = 1.0,
    threshold: float = 0.0,
    preprocessing: Preprocessing = DEFAULT,
    check_waveforms: Waveforms = (),
    graph: bytes | None = None,
) -> Path:
    """Write the bundle of a fitted pipeline.

    Parameters
    ----------
    pipeline
        Fitted on the extractor's features; its classes are the numbers 0 ... k - 1 of ``card["emotions"]``.
    extractor
        What computed the features.
    card
        What the card says: `CALLERS_KEYS`, and whatever else it should; ``parameters``, ``versions``, ``created`` and
        keys of ``calibration`` are kept, the rest is filled in here.
    out
        The folder to write.  A bundle that is there is replaced, when the new one is whole; anything else is not.
    temperature
        Scores are softmax(log p / temperature), see `emotone.metrics.fit_temperature`.
    threshold
        The confidence under which an answer is "unsure", in [0, 1].
    preprocessing
        What happened to the waveforms before the extractor; the recognizer does the same.
    check_waveforms
        Clips, (n,) float32 at 16 kHz, n >= 3200, as they were read; graph and pipeline are compared on them.  Without
        any, generated sounds are used.
    graph
        The extractor's graph, if at hand; else it is taken from the default `FeatureStore`.

    Returns
    -------
    Path
        ``out``, which holds ``model.onnx``, ``card.json`` and ``README.md``.

    Raises
    ------
    ExportError
        The pipeline has no graph, the graph gives other probabilities, the card lacks a key, or ``out`` holds
        something else than a bundle.
    """
    _check_arguments(pipeline, card, temperature=temperature, threshold=threshold)
    target = Path(out).absolute()
    files.claim_folder(
        target,
        parts=(cards.GRAPH, cards.CARD, cards.README),
        kind="a bundle",
        error=ExportError,
        remedy="choose another folder",
    )
    n_features = len(extractor.feature_names)
    front = None
    if extractor.is_graph:
        front = graph if graph is not None else FeatureStore().graph(extractor)
    properties = {
        "emotions": json.dumps(list(card["emotions"])),
        "sample_rate": json.dumps(SAMPLE_RATE),
        "extractor": json.dumps(extractor.name),
    }
    model = compose(
        None if front is None else onnx.load_from_string(front),
        to_onnx(pipeline, n_features),
        temperature=temperature,
        n_features=n_features,
        properties=properties,
    )
    content = _serialized(model)
    difference = _greatest_difference(
        content,
        pipeline,
        extractor,
        front=front,
        temperature=temperature,
        waveforms=[preprocessing.apply(waveform) for waveform in check_waveforms or _probes()],
    )
    filled = _filled_card(
        card, extractor, preprocessing=preprocessing, content=content, temperature=temperature, threshold=threshold
    )
    filled["embedding"] = model.graph.output[1].type.tensor_type.shape.dim[1].dim_value
    filled["adapts"] = len(model.graph.input) > 1
    filled["checks_speech"] = cards.SPEECH in {output.name for output in model.graph.output}
    filled["calibration"]["greatest_difference"] = difference
    _write(target, content, filled)
    return Path(out)


def _serialized(model: onnx.ModelProto) -> bytes:
    try:
        content: bytes = model.SerializeToString()
    except (ValueError, RuntimeError) as error:  # protobuf's limit of 2 GiB, under one name or the other
        raise ExportError(f"the graph can't be written ({error}); train a smaller model") from error
    return content


def _greatest_difference(
    content: bytes,
    pipeline: "Pipeline",
    extractor: "Extractor",
    *,
    front: bytes | None,
    temperature: float,
    waveforms: Waveforms,
) -> float:
    """Compare graph and pipeline on every waveform; the greatest absolute difference of a probability.

    Of a model that adapts also the answers for a speaker of whom three clips are known, and of one that checks for
    speech the probability of it.
    """
    try:
        session = open_session(content)
    except BundleError as error:
        raise ExportError(str(error)) from error
    # openSMILE's extractor has `compute`, numpy to numpy; a graph has its runner
    features_of: Any = extractor.compute if front is None else GraphRunner(front)
    adapts = bool(session.get_overridable_initializers())
    greatest = 0.0
    for number, waveform in enumerate(waveforms):
        samples = np.asarray(waveform, dtype=np.float32)
        features = np.asarray(features_of(samples), dtype=np.float32)[None]
        expected = apply_temperature(pipeline.predict_proba(features), temperature)
        given = {"features": features} if front is None else {"waveform": samples[None]}
        found, embedding = session.run(["scores", "embedding"], given)
        if adapts:
            mean, heard = embedding / 2, np.array([3], dtype=np.float32)
            (adapted,) = session.run(["scores"], {**given, cards.SPEAKER: mean, cards.HEARD: heard})
            answer = pipeline[-1].adapted_proba(embedding, mean=mean, heard=heard)
            found = np.concatenate([found, adapted])
            expected = np.concatenate([expected, apply_temperature(answer, temperature)])
        gate = getattr(pipeline[-1], "gate", None)
        if gate is not None:
            (speech,) = session.run([cards.SPEECH], given)
            found = np.append(found, speech)
            expected = np.append(expected, gate.probability(features.mean(axis=1)))
        difference = float(np.abs(found - expected).max()) if np.isfinite(found).all() else np.inf
        if difference > TOLERANCE:
            raise ExportError(
                f"the graph is not the model: on check clip {number} of {len(waveforms)} a probability differs by "
                f"{difference:.2g}, expected at most {TOLERANCE:g}; nothing was written: please report it, with the "
                "model's name and settings"
            )
        greatest = max(greatest, difference)
    return greatest


def _probes() -> list[npt.NDArray[np.float32]]:
    """Five voice-like sounds of 0.2 to 4 s: harmonics of a gliding pitch under syllables, and a little noise."""
    rng = np.random.default_rng(0)
    sounds = []
    for seconds, pitch_hz in ((0.2, 220.0), (0.7, 110.0), (1.5, 180.0), (2.7, 260.0), (4.0, 140.0)):
        t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
        phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + 0.1 * np.sin(9 * t))) / SAMPLE_RATE
        voice = np.sum([np.sin(k * phase) / k for k in range(1, 12)], axis=0) * (0.55 + 0.45 * np.sin(25 * t))
        sounds.append((0.1 * voice + 0.001 * rng.standard_normal(t.size)).astype(np.float32))
    return sounds


def _check_arguments(pipeline: "Pipeline", card: Mapping[str, Any], *, temperature: float, threshold: float) -> None:
    missing = [key for key in CALLERS_KEYS if key not in card]
    if missing:
        raise ExportError(f"the card lacks {', '.join(missing)}; give them to bundle(card=...)")
    if not (np.isfinite(temperature) and temperature > 0):
        raise ExportError(f"temperature is {temperature}, expected a finite number above 0")
    if not 0 <= threshold <= 1:
        raise ExportError(f"threshold is {threshold}, expected a confidence from 0 to 1")
    classes = np.asarray(pipeline.classes_).tolist()
    if classes != list(range(len(card["emotions"]))):
        raise ExportError(
            f"the model was fitted on the classes {classes}, and the card names {len(card['emotions'])} emotions: "
            f"expected the numbers 0 to {len(card['emotions']) - 1}; fit it on clips of every emotion"
        )


def _filled_card(
    card: Mapping[str, Any],
    extractor: "Extractor",
    *,
    preprocessing: Preprocessing,
    content: bytes,
    temperature: float,
    threshold: float,
) -> dict[str, Any]:
    filled = {
        "format_version": cards.FORMAT_VERSION,
        "parameters": {},
        "versions": _versions(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **card,
        "emotions": list(card["emotions"]),
        "protocol": {"words": card["protocol"].get("description", ""), **card["protocol"]},
        "sample_rate": SAMPLE_RATE,
        "extractor": {
            "name": extractor.name,
            "digest": extractor.digest,
            "graph": bool(extractor.is_graph),
            "sequence": bool(extractor.is_sequence),
        },
        "features": len(extractor.feature_names),
        "calibration": {
            **card.get("calibration", {}),
            "temperature": float(temperature),
            "threshold": float(threshold),
        },
        "preprocessing": {**card.get("preprocessing", {}), **preprocessing.to_dict()},
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_bytes": len(content),
    }
    ordered = {key: filled[key] for key in (*cards.KEYS, *filled)}
    try:
        plain: dict[str, Any] = json.loads(json.dumps(ordered, default=_plain, allow_nan=False))
        cards.check(plain, where="the card")
    except (TypeError, ValueError) as error:  # a BundleError is a ValueError too
        raise ExportError(f"the card can't be written: {error}") from error
    return plain


def _plain(value: object) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _versions() -> dict[str, str]:
    found = {"emotone": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _write(out: Path, content: bytes, card: Mapping[str, Any]) -> None:
    """Write a new folder beside ``out`` and put it in its place; on failure ``out`` is as it was."""
    token = secrets.token_hex(4)
    new, old = (out.with_name(f".{out.name}.{token}.{kind}") for kind in ("part", "old"))
    try:
        new.mkdir(parents=True)
        (new / cards.GRAPH).write_bytes(content)
        (new / cards.CARD).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        (new / cards.README).write_text(model_card.readme(card), encoding="utf-8")
        if out.exists():
            os.replace(out, old)
        try:
            os.replace(new, out)
        except OSError:
            if old.exists():
                os.replace(old, out)
            raise
    except OSError as error:
        raise ExportError(
            f"the bundle can't be written to {str(out)!r} ({error}); check the folder and space"
        ) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
        if out.exists():
            shutil.rmtree(old, ignore_errors=True)
