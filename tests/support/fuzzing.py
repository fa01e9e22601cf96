"""Targets of fuzzing: what reads bytes of strangers, the errors that it documents, and small inputs to begin with."""

import asyncio
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hypothesis import strategies as st

from emotone import audio
from emotone.corpora import Corpus, load
from emotone.corpora.table import Row
from emotone.errors import EmotoneError
from emotone.protocols import Protocol
from emotone.protocols.builders import from_file
from emotone.recognition import card, rttm
from emotone.recognition.profile import Profile
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.versioned_json import parse
from emotone.serve.live_messages import BadDataError, open_messages
from emotone.serve.problems import ProblemError
from support import handmade

CORPUS = Path(__file__).parents[1] / "fuzz" / "corpus"
BOUNDARY = "fuzz"


@dataclass(frozen=True)
class Target:
    """What reads ``data`` with the help of a folder; ``errors`` are those that it may raise."""

    read: Callable[[bytes, Path], object]
    errors: tuple[type[Exception], ...] = (EmotoneError,)

    def run(self, data: bytes, folder: Path) -> None:
        """Read; any other error is a find."""
        try:
            self.read(data, folder)
        except self.errors as error:
            assert str(error).strip() and len(str(error)) < 5_000, "an error without a message, or with an endless one"


def _recording(data: bytes, folder: Path) -> None:
    # 32-bit integers as floats are sound; the reader refuses samples above 1e15, and resampling overshoots a little.
    waveform = audio.read(data)
    assert waveform.ndim == 1 and waveform.dtype == "float32" and abs(waveform).max(initial=0) < 2e15


def _manifest(suffix: str) -> Callable[[bytes, Path], object]:
    def read(data: bytes, folder: Path) -> None:
        (folder / f"clips{suffix}").write_bytes(data)
        load(f"clips{suffix}", folder)

    return read


def _audformat(data: bytes, folder: Path) -> None:
    """The header and a table in CSV are divided by a zero byte and a bar."""
    header, _, table = data.partition(b"\0|")
    (folder / "database").mkdir(exist_ok=True)
    (folder / "database" / "a.wav").write_bytes(b"RIFF")
    (folder / "database" / "db.yaml").write_bytes(header)
    (folder / "database" / "db.emotion.csv").write_bytes(table)
    load(folder / "database")


def _audiofolder(suffix: str) -> Callable[[bytes, Path], object]:
    def read(data: bytes, folder: Path) -> None:
        root = folder / f"audiofolder{suffix}"
        (root / "sub").mkdir(parents=True, exist_ok=True)
        (root / "sub" / "a.wav").write_bytes(b"RIFF")
        (root / f"metadata{suffix}").write_bytes(data)
        load(root)

    return read


def _card(data: bytes, folder: Path) -> None:
    card.check(parse(data, where="card.json", remedy="get it again"), where="card.json")


def _profile(data: bytes, folder: Path) -> None:
    (folder / "profile.json").write_bytes(data)
    Profile.load(folder / "profile.json")


@cache
def _corpus() -> Corpus:
    rows = [Row(f"{n}.wav", 0.0, 1.0, "sad", f"s{n}", "", "", "", "speech", "made", "en") for n in range(4)]
    return Corpus.of_rows(rows, "made")


def _protocol(data: bytes, folder: Path) -> None:
    (folder / "protocol.json").write_bytes(data)
    from_file(folder / "protocol.json", _corpus(), seed=0)


def _folds(data: bytes, folder: Path) -> None:
    content = parse(data, where="folds", remedy="")
    if isinstance(content, dict):
        Protocol.from_dict(content)


def _rttm(data: bytes, folder: Path) -> None:
    (folder / "turns.rttm").write_bytes(data)
    rttm.read(folder / "turns.rttm")


def _stream(data: bytes, folder: Path) -> None:
    """Messages are divided by a zero byte and a letter: b is sound, and t is text."""
    parts = iter(data.split(b"\0|"))

    async def receive() -> str | bytes:
        part = next(parts, b"t")
        return part[1:] if part[:1] == b"b" else part[1:].decode("utf-8", "replace")

    messages = asyncio.run(open_messages(receive))
    try:
        for part in parts:
            message = part[1:] if part[:1] == b"b" else part[1:].decode("utf-8", "replace")
            sound = messages.sound_of(message)
            if sound is None:
                break
            for waveform in messages.decoder.push(sound[: 1 << 20]):
                assert waveform.ndim <= 2
        list(messages.decoder.finish())
    finally:
        messages.decoder.close()


_CLIENTS = {}


def _form(data: bytes, folder: Path) -> None:
    """The body of a form for a prediction; the service answers with a problem, never with an error of its own."""
    from support.serving import client_of

    if folder not in _CLIENTS:
        bundle = handmade.write(folder / "bundle")
        _CLIENTS[folder] = client_of(Recognizer(bundle))
    for path in ("/v1/predict", "/v1/timeline"):
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        response = _CLIENTS[folder].post(path, content=data, headers={"content-type": kind})
        assert response.status_code == 200 or 400 <= response.status_code < 500, response.text


TARGETS = {
    "recording": Target(_recording),
    "manifest_csv": Target(_manifest(".csv")),
    "manifest_jsonl": Target(_manifest(".jsonl")),
    "audformat": Target(_audformat),
    "audiofolder_csv": Target(_audiofolder(".csv")),
    "audiofolder_parquet": Target(_audiofolder(".parquet")),
    "card": Target(_card),
    "profile": Target(_profile),
    "protocol": Target(_protocol),
    "folds": Target(_folds),
    "rttm": Target(_rttm),
    "stream": Target(_stream, (EmotoneError, ProblemError, BadDataError)),
    "form": Target(_form),
}

#: What programs have stumbled over: sizes, signs, ends of text, depth, numbers that overflow, and long names.
_TOKENS = (
    *(struct.pack(kind, value) for kind in ("<I", ">I", "<H") for value in (0, 1, 0x7FFF, 0xFFFF)),
    *(struct.pack("<I", value) for value in (0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)),
    *(text.encode() for text in ("NaN", "-Infinity", "1e999", "-1", "0", "null", "true", "[]", "{}", '""', "\0", "\r")),
    b"9" * 400,
    b"9" * 5_000,
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"../" * 30,
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"=cmd|' /C calc'!A0",
    b"\x1b]0;title\x07",
    b"a" * 300,
    "\u202e\U0001f600".encode(),
)


def seeds(name: str) -> list[bytes]:
    """Return the committed inputs of a target."""
    return [file.read_bytes() for file in sorted((CORPUS / name).iterdir())]


@st.composite
def mutated(draw: st.DrawFn, name: str) -> bytes:
    """An input of a target's corpus with up to four changes: bytes, tokens, cuts, and pieces of other inputs."""
    known = seeds(name)
    data = bytearray(draw(st.sampled_from(known)))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 16) | st.integers(0, len(data)))
        other = draw(st.sampled_from(known))
        put = draw(
            st.binary(max_size=16)
            | st.sampled_from(_TOKENS)
            | st.builds(lambda a, b, other=other: other[a : a + b], st.integers(0, len(other)), st.integers(0, 400))
        )
        data[start : start + length] = put
    return bytes(data)


_KEYS = (
    "folds",
    "train",
    "test",
    "dev",
    "seed",
    "mean",
    "n_clips",
    "kind",
    "source",
    "composition",
    "answers",
    "power",
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS) | st.text(), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def json_like(draw: st.DrawFn, name: str) -> bytes:
    """JSON of a target's corpus with one value anywhere replaced by another."""
    content = json.loads(draw(st.sampled_from(seeds(name))))
    path: list[tuple[object, object]] = []
    inner = content
    while isinstance(inner, dict | list) and inner and (not path or draw(st.booleans())):
        key = draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
        path.append((inner, key))
        inner = inner[key]
    if path:
        holder, key = path[-1]
        holder[key] = draw(_JSON)
    return json.dumps(content).encode()


def inputs(name: str) -> st.SearchStrategy[bytes]:
    """Return the inputs that a target is tried with."""
    is_json = name in ("card", "profile", "protocol", "folds")
    return mutated(name) | json_like(name) if is_json else mutated(name)
