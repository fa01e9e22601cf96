"""A bundle in, predictions out: needs numpy and onnxruntime, and no training library.

What a bundle holds is data, an ONNX graph and JSON: nothing in it is ever executed as Python.
"""

import hashlib
import importlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from emotone import audio, card
from emotone.audio import SAMPLE_RATE, AudioSource
from emotone.errors import AudioError, BundleError, ConfigError, EmotoneError, FeatureError, MissingExtraError

#: What `Recognizer` calls the built-in bundle, and where it is.
DEFAULT = "default"
DEFAULT_FOLDER = Path(__file__).parent / "data" / "default"
#: How an emotion of None is shown.
UNSURE = "unsure"

#: A recording longer than this is no utterance: it is taken in windows, and their scores are averaged.
UTTERANCE_S, WINDOW_S = 60.0, 10.0

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Prediction:
    """What a recognizer says about a segment of a recording.

    Attributes
    ----------
    emotion
        The most probable emotion; None where its probability is under the calibrated threshold.
    confidence
        The largest probability, in [0, 1].
    scores
        Emotion -> probability, in the order of the bundle; they sum to one.
    start_s, end_s
        The segment, in seconds of the recording.
    """

    emotion: str | None
    confidence: float
    scores: dict[str, float]
    start_s: float
    end_s: float

    @property
    def label(self) -> str:
        """The emotion, or "unsure"."""
        return self.emotion or UNSURE

    @property
    def ranking(self) -> tuple[str, ...]:
        """All emotions, the most probable first."""
        return tuple(sorted(self.scores, key=lambda emotion: -self.scores[emotion]))


class Recognizer:
    """Recognises emotions with the model of a bundle.

    Parameters
    ----------
    bundle
        A folder that `emotone train` or `emotone.export.bundle` wrote, or "default", the built-in one.
    threshold
        The confidence under which the answer is "unsure", in [0, 1]; the bundle's calibrated one if not given.
    threads
        Threads of one prediction.  One is the fastest for clips of a few seconds: the graph has hundreds of small
        steps, and handing each to a second thread costs more than it saves (9 ms for a clip of three seconds, and 18 ms
        with two threads).  To use more cores, let several threads share the recognizer.

    Raises
    ------
    BundleError
        A file is missing or damaged, the graph is not the one that the card names, or the bundle is of a newer format.
    MissingExtraError
        The bundle's features need a package that is not installed.

    Notes
    -----
    A recognizer may be shared by threads: it keeps no state between predictions.
    """

    def __init__(self, bundle: str | Path = DEFAULT, *, threshold: float | None = None, threads: int = 1) -> None:
        folder = _folder(bundle)
        self.card: dict[str, Any] = card.read(folder)
        self.folder = folder
        self.emotions: tuple[str, ...] = tuple(self.card["emotions"])
        self.threshold = float(self.card["calibration"]["threshold"] if threshold is None else threshold)
        if not 0 <= self.threshold <= 1:
            raise ConfigError(f"threshold is {threshold}, expected a confidence from 0 to 1")
        self._session = _checked_session(folder / card.GRAPH, self.card, threads=threads)
        self._extract: Any = None if self.card["extractor"]["graph"] else _extractor(self.card, folder)

    def __repr__(self) -> str:
        return f"Recognizer({str(self.folder)!r}, model={self.card['model']!r}, emotions={self.emotions})"

    def predict(self, source: AudioSource, *, start_s: float = 0.0, end_s: float | None = None) -> Prediction:
        """Tell the emotion of a recording, or of a segment of it.

        Up to a minute is taken as one utterance.  Of what is longer, windows of ten seconds are taken one by one, in
        bounded memory, and the answer is the mean of their scores, weighted by how much sound each holds: what prevails
        in the whole recording, not what happens in it.

        Parameters
        ----------
        source
            Path, bytes, open binary file, or ``(samples, rate)``; see `emotone.audio.read`.
        start_s, end_s
            The segment, in seconds; None is the end.

        Raises
        ------
        AudioError
            The source can't be read, or is silent or too short.
        """
        if start_s == 0 and end_s is None and audio.info(source).duration_s > UTTERANCE_S:
            probabilities, n_samples = self._prevailing(source)
        else:
            samples = audio.read(source, start_s=start_s, end_s=end_s, trim=False)
            n_samples = len(samples)
            if n_samples > UTTERANCE_S * SAMPLE_RATE:
                probabilities, _ = self._prevailing((samples, SAMPLE_RATE))
            else:
                probabilities, _ = self.run(self._trimmed(samples))
        scores = dict(zip(self.emotions, probabilities.tolist(), strict=True))
        best = max(scores, key=lambda emotion: scores[emotion])
        return Prediction(
            emotion=best if scores[best] >= self.threshold else None,
            confidence=scores[best],
            scores=scores,
            start_s=float(start_s),
            end_s=float(start_s) + n_samples / SAMPLE_RATE,
        )

    def predict_many(self, sources: Iterable[AudioSource]) -> Iterator[Prediction | EmotoneError]:
        """Tell the emotion of each recording, in order, one at a time.

        Yields
        ------
        The prediction, or the error of a recording that has none: one bad file does not end the others.
        """
        for source in sources:
            try:
                yield self.predict(source)
            except EmotoneError as error:
                yield error

    def embedding(self, source: AudioSource) -> Vector:
        """Describe a recording by the model's features, (d,) float32.

        Raises
        ------
        AudioError
            As in `predict`.
        """
        return self.run(self._trimmed(audio.read(source, trim=False)))[1]

    def run(self, samples: Vector) -> tuple[Vector, Vector]:
        """Run the model on samples as they are.

        Parameters
        ----------
        samples
            (n,) float32 at 16 kHz, trimmed, n >= 3200.

        Returns
        -------
        scores (k,) and embedding (d,), float32.

        Raises
        ------
        FeatureError
            The result is not finite.
        """
        if self._extract is None:
            given = {"waveform": np.ascontiguousarray(samples[None], dtype=np.float32)}
        else:
            given = {"features": np.asarray(self._extract(samples), dtype=np.float32)[None]}
        scores, embedding = self._session.run(["scores", "embedding"], given)
        if not (np.isfinite(scores).all() and np.isfinite(embedding).all()):
            raise FeatureError(
                f"the model gave a score or feature that is no finite number for {len(samples) / SAMPLE_RATE:.2f} s of "
                "sound; leave this recording out and report it"
            )
        return scores[0], embedding[0]

    def _prevailing(self, source: AudioSource) -> tuple[Vector, int]:
        """Mean scores (k,) over the windows of a long recording, and its length in samples."""
        total, weight, n_samples = np.zeros(len(self.emotions)), 0, 0
        for window in audio.blocks(source, block_s=WINDOW_S):
            n_samples += len(window)
            if len(window) < audio.MIN_DURATION_S * SAMPLE_RATE or np.abs(window).max() < audio.SILENT_PEAK:
                continue
            sound = self._trimmed(window)
            total += len(sound) * self.run(sound)[0]
            weight += len(sound)
        if not weight:
            raise AudioError(
                f"the recording of {n_samples / SAMPLE_RATE:.0f} s is silent throughout; check the microphone and "
                "record again"
            )
        return np.asarray(total / weight, dtype=np.float32), n_samples

    def _trimmed(self, samples: Vector) -> Vector:
        trim_db = self.card["preprocessing"].get("trim_db")
        return samples if trim_db is None else audio.trim_silence(samples, threshold_db=trim_db)


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


def _folder(bundle: str | Path) -> Path:
    if str(bundle) != DEFAULT:
        return Path(bundle).expanduser()
    if not (DEFAULT_FOLDER / card.CARD).is_file():
        raise BundleError(
            "this installation has no built-in model; train one ('emotone fetch ravdess --to data', then "
            "'emotone train ravdess --data data --out run') and name it: --model run/model"
        )
    return DEFAULT_FOLDER


def _checked_session(path: Path, described: dict[str, Any], *, threads: int) -> Any:
    """Open the graph after checking that it is the one that the card describes."""
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
            "export it with emotone.export.bundle"
        )
    shape = next(one.shape for one in session.get_outputs() if one.name == "scores")
    if shape != [1, len(described["emotions"])]:
        raise BundleError(
            f"{where} gives scores of shape {shape}, and its card names {len(described['emotions'])} emotions: they "
            "are not of one bundle; get the bundle again, or train it again"
        )
    inside = session.get_modelmeta().custom_metadata_map
    # The order of the names decides what each score means, and the card's own text is under no checksum.
    for key in ("emotions", "sample_rate", "extractor"):
        said = described[key]["name"] if key == "extractor" else described[key]
        if inside.get(key) != json.dumps(said):
            raise BundleError(
                f"{where} was made for {key} {inside.get(key)}, and its card says {json.dumps(said)}: the card was "
                "altered; get the bundle again, or train it again"
            )


def _extractor(described: dict[str, Any], folder: Path) -> Any:
    """Give the function (n,) -> (d,) of an extractor that can't be a graph."""
    name, digest = described["extractor"]["name"], described["extractor"].get("digest")
    try:
        # by name, since the training side's modules are none that a recognizer may need
        extractor = importlib.import_module("emotone.features.registry").get(name)
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
