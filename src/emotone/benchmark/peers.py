"""What Emotone is compared with.  Each function imports its packages itself, and returns a function to time.

None of these packages is needed by the rest of Emotone for predictions: `MissingExtraError` says how to install them.
"""

import contextlib
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone.errors import MissingExtraError
from emotone.temporary import temporary_folder

Array = npt.NDArray[np.float32]
#: A program that imports librosa, loads a file and computes an MFCC.
LIBROSA_PROGRAM = "import librosa, sys; y, sr = librosa.load(sys.argv[1]); librosa.feature.mfcc(y=y, sr=sr)"
_RATE = 16_000
_N_CLASSES = 8


def needs(what: str, *modules: str) -> list[Any]:
    """Import the modules of a peer.

    Raises
    ------
    MissingExtraError
        One of them is not installed.
    """
    try:
        with _quiet():
            return [import_module(module) for module in modules]
    except ImportError as error:
        raise MissingExtraError(what, extra="benchmark") from error


def wav2vec2() -> Callable[[Path], object]:
    """Return the classification of a file by a base-size wav2vec2 with transformers: librosa.load and the pipeline.

    Its weights are random, since only the time counts: nothing is downloaded.
    """
    librosa, transformers, _ = needs("the transformers pipeline", "librosa", "transformers", "torch")
    with _quiet():
        pipeline = transformers.pipeline(
            "audio-classification",
            model=_wav2vec2_model(),
            feature_extractor=transformers.Wav2Vec2FeatureExtractor(),
            device="cpu",
        )

    def classify(path: Path) -> object:
        samples, rate = librosa.load(path, sr=_RATE)
        return pipeline({"raw": samples, "sampling_rate": rate})

    return classify


def wav2vec2_8_bit() -> Callable[[Path], object]:
    """Return the same encoder, exported to ONNX and run by onnxruntime with 8-bit weights (dynamic quantisation)."""
    (librosa, *_) = needs("the 8-bit encoder", "librosa", "transformers", "torch", "onnx", "onnxscript")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    with temporary_folder("emotone-peer-") as folder, _quiet():
        session = onnxruntime.InferenceSession(_quantized_wav2vec2(folder), options, providers=["CPUExecutionProvider"])

    def classify(path: Path) -> object:
        samples, _ = librosa.load(path, sr=_RATE)
        scaled = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
        return session.run(None, {"waveform": scaled[None]})

    return classify


def egemaps() -> Callable[[Path], object]:
    """Return openSMILE's eGeMAPSv02 functionals of a file: features without a classifier."""
    (opensmile,) = needs("openSMILE", "opensmile")
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=opensmile.FeatureLevel.Functionals
    )
    process: Callable[[Path], object] = smile.process_file
    return process


def librosa_functionals(*, separately: bool = False, keep_filters: bool = False) -> Callable[[Array], Array]:
    """Return Emotone's full feature set with librosa and numpy, from one shared Fourier transform.

    The arguments are those of `emotone.benchmark.librosa_functionals.LibrosaFunctionals`.
    """
    needs("librosa", "librosa", "scipy")
    from emotone.benchmark.librosa_functionals import LibrosaFunctionals

    return LibrosaFunctionals(separately=separately, keep_filters=keep_filters)


def usual_librosa() -> Callable[[Path], Array]:
    """Return what is usually written with librosa: each feature from the samples, mean and deviation of each."""
    (librosa,) = needs("librosa", "librosa")

    def features(path: Path) -> Array:
        y, sr = librosa.load(path, sr=_RATE)
        mfcc = librosa.feature.mfcc(y=y, sr=sr, n_mfcc=40)
        streams = [
            mfcc,
            librosa.feature.delta(mfcc),
            librosa.feature.delta(mfcc, order=2),
            librosa.feature.chroma_stft(y=y, sr=sr),
            librosa.feature.melspectrogram(y=y, sr=sr),
            librosa.feature.spectral_contrast(y=y, sr=sr, n_bands=5),  # the default of 6 bands goes beyond 8 kHz
            librosa.feature.spectral_centroid(y=y, sr=sr),
            librosa.feature.spectral_bandwidth(y=y, sr=sr),
            librosa.feature.spectral_rolloff(y=y, sr=sr),
            librosa.feature.zero_crossing_rate(y),
            librosa.feature.rms(y=y),
            librosa.yin(y, fmin=65, fmax=600, sr=sr)[None],
        ]
        return np.concatenate([part for each in streams for part in (each.mean(axis=1), each.std(axis=1))])

    return features


def _wav2vec2_model() -> Any:
    import torch
    import transformers

    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(num_labels=_N_CLASSES)
    return transformers.Wav2Vec2ForSequenceClassification(config).eval()


def _quantized_wav2vec2(folder: Path) -> bytes:
    """Return the ONNX graph of the encoder, its matrix products with 8-bit weights; takes about a minute."""
    import onnx
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = _wav2vec2_model()

    class Logits(torch.nn.Module):
        def forward(self, samples: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = model(samples).logits
            return logits

    program = torch.onnx.export(
        Logits().eval(),
        (torch.zeros(1, 2 * _RATE),),
        input_names=["waveform"],
        output_names=["logits"],
        dynamo=True,
        dynamic_shapes={"samples": {1: torch.export.Dim("n", min=_RATE // 2, max=30 * _RATE)}},
        verbose=False,
    )
    exported = program.model_proto  # type: ignore[union-attr]
    del exported.graph.value_info[:]  # shapes of weights that the quantiser replaces
    onnx.save(exported, folder / "float.onnx")
    quantize_dynamic(
        folder / "float.onnx",
        folder / "int8.onnx",
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        weight_type=QuantType.QInt8,
    )
    return (folder / "int8.onnx").read_bytes()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the advice that these packages print while they are imported and prepared."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
