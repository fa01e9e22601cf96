"""Load weights of Whisper's encoder from arrays in a folder, or from the hub through transformers.

Both are rounded to half precision, in which they were published, so both give the same features and the same digest.
"""

import hashlib
import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emotone.errors import FeatureError, MissingExtraError
from emotone.features.encoders.names import SIZES
from emotone.features.encoders.whisper import WhisperEncoder

#: Environment variable with the folder of arrays; it has priority over the hub.
FOLDER_VARIABLE = "EMOTONE_WEIGHTS"
#: Repository on the hub.
REPOSITORY = "openai/whisper-{size}"
_FILE = "whisper-{size}-encoder-{n_blocks}blocks-fp16.npz"

# Names in `WhisperEncoder` -> names of the arrays, and names in transformers.  Queries, keys and values are a single
# product here, and three in transformers.
_CONVOLUTIONS = {"first": "conv1", "second": "conv2"}
_NORMS_OF_ARRAYS = {"attention_norm": "self_attention/layer_norm", "inner_norm": "ffn/layer_norm"}
_PRODUCTS_OF_ARRAYS = {
    "attention.inward": "self_attention/linear_0",
    "attention.outward": "self_attention/linear_1",
    "widen": "ffn/linear_0",
    "narrow": "ffn/linear_1",
}
_OF_TRANSFORMERS = {
    "attention_norm": "self_attn_layer_norm",
    "attention.outward": "self_attn.out_proj",
    "inner_norm": "final_layer_norm",
    "widen": "fc1",
    "narrow": "fc2",
}


@dataclass(frozen=True)
class Weights:
    """Weights of an encoder's first blocks.

    Attributes
    ----------
    state
        State for `WhisperEncoder.load_state_dict`: float32 numbers that half precision can hold.
    width
        Width of the encoder's states.
    digest
        SHA-256 of names, shapes and values.
    """

    state: dict[str, Tensor]
    width: int
    digest: str


def whisper_weights(size: str, n_blocks: int) -> Weights:
    """Load the first blocks of a Whisper encoder.

    Parameters
    ----------
    size
        A key of `emotone.features.encoders.names.SIZES`.
    n_blocks
        Number of blocks, 0 or more.

    Raises
    ------
    FeatureError
        The size has fewer blocks, a file is damaged, or neither the folder ``$EMOTONE_WEIGHTS`` nor the hub has the
        weights.
    MissingExtraError
        The folder lacks them, and the extra ``hub`` is not installed.
    """
    if size not in SIZES or not 0 <= n_blocks <= SIZES[size].n_blocks:
        known = ", ".join(f"{name} (up to {known_size.n_blocks})" for name, known_size in SIZES.items())
        raise FeatureError(f"{n_blocks} blocks of Whisper {size!r} are asked for; expected {known}")
    path = _file(size, n_blocks)
    where = str(path) if path is not None else REPOSITORY.format(size=size)
    loaded = _from_arrays(path, n_blocks) if path is not None else _from_hub(size, n_blocks)
    width = SIZES[size].width
    state = _rounded(loaded)
    for name in (f"{convolution}.weight" for convolution in _CONVOLUTIONS):
        if state[name].dim() == 3:  # (out, in, 3), for a product with three frames side by side, see `WhisperEncoder`
            state[name] = state[name].transpose(1, 2).flatten(1)
    _check(state, width=width, n_blocks=n_blocks, where=where)
    return Weights(state, width, _digest(state))


def _file(size: str, n_blocks: int) -> Path | None:
    """Find the smallest file of arrays that has the blocks."""
    named = os.environ.get(FOLDER_VARIABLE)
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise FeatureError(
            f"{FOLDER_VARIABLE} is {named!r}, expected a folder; name the one of the weights, or unset it, and they "
            "come from the model hub"
        )
    pattern = re.compile(_FILE.format(size=re.escape(size), n_blocks=r"(\d+)"))
    matches = [(int(match[1]), path) for path in folder.iterdir() if (match := pattern.fullmatch(path.name))]
    return min((match for match in matches if match[0] >= n_blocks), default=(0, None))[1]


def _from_arrays(path: Path, n_blocks: int) -> dict[str, Tensor]:
    names: dict[str, str] = {}
    for ours, theirs in _CONVOLUTIONS.items():
        names |= {f"{ours}.{kind}": f"{theirs}/{kind}" for kind in ("weight", "bias")}
    for number in range(n_blocks):
        for ours, theirs in _NORMS_OF_ARRAYS.items():
            names[f"blocks.{number}.{ours}.weight"] = f"layer_{number}/{theirs}/gamma"
            names[f"blocks.{number}.{ours}.bias"] = f"layer_{number}/{theirs}/beta"
        for ours, theirs in _PRODUCTS_OF_ARRAYS.items():
            for kind in ("weight", "bias"):
                names[f"blocks.{number}.{ours}.{kind}"] = f"layer_{number}/{theirs}/{kind}"
    try:
        with np.load(path) as arrays:
            return {ours: torch.from_numpy(arrays[theirs].astype(np.float32)) for ours, theirs in names.items()}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise FeatureError(
            f"{path} holds no weights of {n_blocks} blocks ({error}); get the file again, or unset {FOLDER_VARIABLE}, "
            "and they come from the model hub"
        ) from error


def _from_hub(size: str, n_blocks: int) -> dict[str, Tensor]:
    repository = REPOSITORY.format(size=size)
    try:
        from transformers import WhisperModel
    except ImportError as error:
        raise MissingExtraError(f"the encoder whisper-{size} from the model hub", extra="hub") from error
    try:
        with quiet():
            model = WhisperModel.from_pretrained(repository)
    except Exception as error:  # connection, authorisation, file system: the hub's errors share no base class
        raise FeatureError(
            f"{repository!r} can't be loaded from the model hub ({first_line(error)}); connect to it once (it is kept "
            f"after that), or name in {FOLDER_VARIABLE} a folder with {_FILE.format(size=size, n_blocks='<k>')}, k at "
            f"least {n_blocks}"
        ) from error
    return _from_transformers(model.encoder.state_dict(), n_blocks)


def _from_transformers(theirs: Mapping[str, Tensor], n_blocks: int) -> dict[str, Tensor]:
    state = {f"{ours}.{k}": theirs[f"{name}.{k}"] for ours, name in _CONVOLUTIONS.items() for k in ("weight", "bias")}
    n_there = sum(name.endswith(".fc1.weight") for name in theirs)
    if n_there < n_blocks:
        raise FeatureError(f"the model has {n_there} blocks, expected at least {n_blocks}; name a lower layer")
    for number in range(n_blocks):
        block = f"layers.{number}"
        for ours, name in _OF_TRANSFORMERS.items():
            state |= {f"blocks.{number}.{ours}.{kind}": theirs[f"{block}.{name}.{kind}"] for kind in ("weight", "bias")}
        query, key, value = (f"{block}.self_attn.{letter}_proj" for letter in "qkv")
        products = [theirs[f"{name}.weight"] for name in (query, key, value)]
        biases = [theirs[f"{query}.bias"], torch.zeros_like(theirs[f"{query}.bias"]), theirs[f"{value}.bias"]]
        state[f"blocks.{number}.attention.inward.weight"] = torch.cat(products)
        state[f"blocks.{number}.attention.inward.bias"] = torch.cat(biases)  # keys have none: it would change nothing
    return state


def _rounded(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Round to half precision; zeros lose their sign, which has no meaning but would change the digest."""
    return {name: values.detach().half().float() + 0.0 for name, values in state.items()}


def _check(state: Mapping[str, Tensor], *, width: int, n_blocks: int, where: str) -> None:
    with torch.device("meta"):  # shapes without numbers
        expected = {name: tuple(part.shape) for name, part in WhisperEncoder(width, n_blocks).state_dict().items()}
    for name, shape in expected.items():
        if tuple(state[name].shape) != shape:
            raise FeatureError(
                f"{where}: {name} has the shape {tuple(state[name].shape)}, expected {shape}; these are not the "
                "weights of that size: get them again"
            )
        if not bool(torch.isfinite(state[name]).all()):
            raise FeatureError(f"{where}: {name} has numbers that are not finite in half precision; get it again")


def _digest(state: Mapping[str, Tensor]) -> str:
    sha = hashlib.sha256()
    for name in sorted(state):
        values = state[name].numpy().astype("<f2")
        sha.update(f"{name} {values.shape}\n".encode())
        sha.update(values.tobytes())
    return sha.hexdigest()


@contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers, which while loading reports on unused parts of a checkpoint."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or the name of its class if it has no text."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
