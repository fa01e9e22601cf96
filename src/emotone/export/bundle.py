"""Write a bundle: one ONNX graph from waveform to calibrated probabilities, with its card and README.

The bundle is written only if its graph gives the same probabilities as the fitted pipeline.
"""

import contextlib
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
from emotone.recognition.adaptation import PRIOR_ANSWERS, Adapter
from emotone.recognition.profile import SpeakerProfile
from emotone.recognition.runtime import open_session
from emotone.recognition.temperature import Temperature

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from emotone.features.base import Extractor

#: Largest allowed difference between a probability of the graph and of the pipeline.
TOLERANCE = 1e-4
#: Keys of the card that the caller must give.
CALLERS_KEYS = ("name", "emotions", "model", "protocol", "scores", "training")
_PACKAGES = ("numpy", "onnx", "onnxruntime", "scikit-learn", "skorch", "torch", "xgboost-cpu")

Waveforms = Sequence[npt.NDArray[np.float32]]


def write_bundle(
    pipeline: "Pipeline",
    extractor: "Extractor",
    *,
    card: Mapping[str, Any],
    out: Path,
    temperature: float | Temperature = 1.0,
    threshold: float = 0.0,
    preprocessing: Preprocessing = DEFAULT,
    check_waveforms: Waveforms = (),
    graph: bytes | None = None,
    adaptation: Adapter | None = None,
) -> Path:
    """Write the bundle of a fitted pipeline: ``model.onnx``, ``card.json`` and ``README.md``; return its folder.

    Parameters
    ----------
    pipeline
        Fitted on the extractor's features; its classes are the numbers 0 ... k - 1 of ``card["emotions"]``.
    card
        Content of the card: `CALLERS_KEYS` and any further key.  Keys that are missing are filled in.
    out
        Folder to write.  A bundle in it is replaced once the new one is complete.
    temperature, threshold
        Scores are softmax(log p / temperature), which may rise with the distance of a clip; below the confidence
        ``threshold``, in [0, 1], the answer is "unsure".
    preprocessing
        Applied to the waveforms before the extractor, in training as by the recognizer.
    check_waveforms
        Clips as read, (n,) float32 at 16 kHz, n >= 3200: graph and pipeline are compared on them, by default on
        generated sounds.
    graph
        The extractor's graph; by default that of the default `FeatureStore`.
    adaptation
        Of a pipeline that adapts: written to ``adaptation.npz``, if its scores are those of the graph.

    Raises
    ------
    ExportError
        The pipeline has no graph, the graph gives other probabilities, the card lacks a key or has another
        preprocessing, or ``out`` holds other files.
    """
    temperature = _checked_temperature(temperature)
    _check_arguments(pipeline, card, threshold=threshold, preprocessing=preprocessing)
    target = Path(out).absolute()
    files.claim_folder(
        target,
        parts=(cards.GRAPH, cards.CARD, cards.README, cards.ADAPTATION),
        kind="a bundle",
        error=ExportError,
        remedy="choose another folder",
    )
    graph = (graph if graph is not None else FeatureStore().graph(extractor)) if extractor.is_graph else None
    model = _composed(pipeline, extractor, card, graph=graph, temperature=temperature, adapter=adaptation)
    content = _serialized(model)
    waveforms = [preprocessing.apply(waveform) for waveform in check_waveforms or _probes()]
    difference = _greatest_difference(
        content, pipeline, extractor, graph, temperature=temperature, waveforms=waveforms, adaptation=adaptation
    )
    calibration = {**temperature.to_card(), "threshold": float(threshold), "greatest_difference": difference}
    filled = _filled_card(card, extractor, model, content=content, calibration=calibration, preprocessing=preprocessing)
    _write(target, content, filled, adaptation)
    return Path(out)


def _composed(
    pipeline: "Pipeline",
    extractor: "Extractor",
    card: Mapping[str, Any],
    *,
    graph: bytes | None,
    temperature: Temperature,
    adapter: Adapter | None,
) -> onnx.ModelProto:
    n_features = len(extractor.feature_names)
    return compose(
        None if graph is None else onnx.load_from_string(graph),
        to_onnx(pipeline, n_features),
        temperature=temperature,
        n_features=n_features,
        adapter=adapter,
        properties={
            "emotions": json.dumps(list(card["emotions"])),
            "sample_rate": json.dumps(SAMPLE_RATE),
            "extractor": json.dumps(extractor.name),
        },
    )


def _serialized(model: onnx.ModelProto) -> bytes:
    try:
        content: bytes = model.SerializeToString()
    except (ValueError, RuntimeError) as error:  # protobuf's limit of 2 GiB; the kind of error depends on its version
        raise ExportError(f"the graph can't be written ({error}); train a smaller model") from error
    return content


def _greatest_difference(
    content: bytes,
    pipeline: "Pipeline",
    extractor: "Extractor",
    graph: bytes | None,
    *,
    temperature: Temperature,
    waveforms: Waveforms,
    adaptation: Adapter | None,
) -> float:
    """Compare the bundle's graph with the pipeline on every waveform; return the greatest difference of a probability.

    For an adaptive model, also compare the scores for a speaker with three known clips, and those of the adapter.  For
    a model with a speech gate, also compare the probability of speech.
    """
    try:
        session = open_session(content)
    except BundleError as error:
        raise ExportError(str(error)) from error
    # an extractor without a graph computes its features itself
    features_of: Any = extractor.compute if graph is None else GraphRunner(graph)
    adapts = bool(session.get_overridable_initializers())
    greatest = 0.0
    for number, waveform in enumerate(waveforms):
        samples = np.asarray(waveform, dtype=np.float32)
        features = np.asarray(features_of(samples), dtype=np.float32)[None]
        inputs = {"features": features} if graph is None else {"waveform": samples[None]}
        actual, embedding = session.run(["scores", "embedding"], inputs)
        distance = np.ones(1) if adaptation is None else adaptation.distance(embedding)
        expected = _divided(pipeline.predict_proba(features), temperature, distance, share=0.0)
        if adapts:
            profile = SpeakerProfile(mean=tuple((embedding[0] / 2).tolist()), n_clips=3, model="0" * 64)
            (adapted,) = session.run(["scores"], {**inputs, **profile.inputs()})
            also = _of_a_speaker(embedding, profile, pipeline, adaptation, temperature=temperature)
            expected = np.concatenate([expected, *also])
            actual = np.concatenate([actual, adapted, actual, adapted])[: len(expected)]
        gate = getattr(pipeline[-1], "gate", None)
        if gate is not None:
            actual = np.append(actual, session.run([cards.SPEECH], inputs)[0])
            expected = np.append(expected, gate.probability(features.mean(axis=1)))
        difference = float(np.abs(actual - expected).max()) if np.isfinite(actual).all() else np.inf
        if difference > TOLERANCE:
            raise ExportError(
                f"the graph is not the model: on check clip {number} of {len(waveforms)} a probability differs by "
                f"{difference:.2g}, expected at most {TOLERANCE:g}; nothing was written: please report it, with the "
                "model's name and settings"
            )
        greatest = max(greatest, difference)
    return greatest


def _of_a_speaker(
    embedding: npt.NDArray[np.float32],
    profile: SpeakerProfile,
    pipeline: "Pipeline",
    adaptation: Adapter | None,
    *,
    temperature: Temperature,
) -> list[npt.NDArray[Any]]:
    """Return the scores of the pipeline with this profile, and those of the adapter without and with it."""
    speaker = profile.inputs()
    probabilities = pipeline[-1].adapted_proba(embedding, mean=speaker[cards.SPEAKER], n_clips=speaker[cards.HEARD])
    distance = np.ones(1) if adaptation is None else adaptation.distance(embedding)
    share = profile.n_clips / (profile.n_clips + PRIOR_ANSWERS)
    expected = [_divided(probabilities, temperature, distance, share=share)]
    if adaptation is not None:
        expected += [adaptation.scores(embedding, known, temperature=temperature) for known in (None, profile)]
    return expected


def _divided(
    probabilities: npt.NDArray[Any], temperature: Temperature, distance: npt.NDArray[np.float64], *, share: float
) -> npt.NDArray[Any]:
    """Apply the temperature at this distance to the probabilities (1, k) of a clip."""
    return apply_temperature(probabilities, float(temperature.at(distance, share=share)[0]))


def _checked_temperature(temperature: float | Temperature) -> Temperature:
    if isinstance(temperature, Temperature):
        return temperature
    if not (np.isfinite(temperature) and temperature > 0):
        raise ExportError(f"temperature is {temperature}, expected a finite number above 0")
    return Temperature(plain=float(temperature), adapted=float(temperature))


def _probes() -> list[npt.NDArray[np.float32]]:
    """Generate five voice-like sounds of 0.2 to 4 s: harmonics of a gliding pitch, in syllables, with weak noise."""
    rng = np.random.default_rng(0)
    sounds = []
    for seconds, pitch_hz in ((0.2, 220.0), (0.7, 110.0), (1.5, 180.0), (2.7, 260.0), (4.0, 140.0)):
        t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
        phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + 0.1 * np.sin(9 * t))) / SAMPLE_RATE
        voice = np.sum([np.sin(k * phase) / k for k in range(1, 12)], axis=0) * (0.55 + 0.45 * np.sin(25 * t))
        sounds.append((0.1 * voice + 0.001 * rng.standard_normal(t.size)).astype(np.float32))
    return sounds


def _check_arguments(
    pipeline: "Pipeline",
    card: Mapping[str, Any],
    *,
    threshold: float,
    preprocessing: Preprocessing,
) -> None:
    missing = [key for key in CALLERS_KEYS if key not in card]
    if missing:
        raise ExportError(f"the card lacks {', '.join(missing)}; give them to write_bundle(card=...)")
    if not 0 <= threshold <= 1:
        raise ExportError(f"threshold is {threshold}, expected a confidence from 0 to 1")
    for name, value in preprocessing.to_dict().items():
        if card.get("preprocessing", {}).get(name, value) != value:
            raise ExportError(
                f"the card says preprocessing {name} {card['preprocessing'][name]!r}, and the argument preprocessing "
                f"has {value!r}: expected the same; leave it out of the card, or pass the preprocessing that the model "
                "was trained with"
            )
    classes = np.asarray(pipeline.classes_).tolist()
    if classes != list(range(len(card["emotions"]))):
        raise ExportError(
            f"the model was fitted on the classes {classes}, and the card names {len(card['emotions'])} emotions: "
            f"expected the numbers 0 to {len(card['emotions']) - 1}; fit it on clips of every emotion"
        )


def _filled_card(
    card: Mapping[str, Any],
    extractor: "Extractor",
    model: onnx.ModelProto,
    *,
    content: bytes,
    calibration: Mapping[str, float],
    preprocessing: Preprocessing,
) -> dict[str, Any]:
    """Return the card with the values that extractor, graph and this installation give, as plain JSON values."""
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
        "calibration": {**card.get("calibration", {}), **calibration},
        "preprocessing": {**card.get("preprocessing", {}), **preprocessing.to_dict()},
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_bytes": len(content),
        "embedding": model.graph.output[1].type.tensor_type.shape.dim[1].dim_value,
        "adapts": len(model.graph.input) > 1,
        "checks_speech": cards.SPEECH in {output.name for output in model.graph.output},
    }
    try:
        ordered = {key: filled[key] for key in (*cards.KEYS, *filled)}
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
    versions = {"emotone": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions


def _write(out: Path, content: bytes, card: Mapping[str, Any], adaptation: Adapter | None) -> None:
    """Write a new folder next to ``out``, then replace ``out`` by it; on failure ``out`` stays as it was."""
    token = secrets.token_hex(4)
    new, old = (out.with_name(f".{out.name}.{token}.{kind}") for kind in ("part", "old"))
    try:
        new.mkdir(parents=True)
        (new / cards.GRAPH).write_bytes(content)
        if adaptation is not None:
            card = {**card, "adaptation": {"sha256": adaptation.save(new / cards.ADAPTATION)}}
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
