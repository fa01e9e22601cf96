"""Write the small inputs that fuzzing begins with, tests/fuzz/corpus; containers draw some numbers anew each time."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]
from support import handmade  # noqa: E402
from support.media import media  # noqa: E402

CORPUS = ROOT / "tests" / "fuzz" / "corpus"


def _sound(kind: str, subtype: str | None = None, *, rate: int = 8_000, channels: int = 1) -> bytes:
    wave = handmade.tone(0.1, seconds=0.3)
    samples = wave if channels == 1 else np.stack([wave] * channels, axis=1)
    held = io.BytesIO()
    soundfile.write(held, samples, rate, format=kind, subtype=subtype)
    return held.getvalue()


def _recordings() -> dict[str, bytes]:
    made = {
        f"{kind.lower()}_{bits.lower()}": _sound(kind, bits) for kind, bits in (("WAV", "PCM_16"), ("WAV", "FLOAT"))
    }
    made |= {"wav_pcm_24_stereo": _sound("WAV", "PCM_24", channels=2), "wav_ulaw": _sound("WAV", "ULAW")}
    made |= {"flac": _sound("FLAC"), "aiff": _sound("AIFF"), "ogg": _sound("OGG"), "mp3": _sound("MP3", rate=16_000)}
    wave = handmade.tone(0.1, seconds=0.3)
    for name, kind, codec in (("m4a", "ipod", "aac"), ("webm", "webm", "libopus"), ("matroska", "matroska", "flac")):
        made[name] = media([wave], kind, codec, rate=48_000)
    return made


def _form(name: str, content: bytes, *, rttm: str = "") -> bytes:
    head = f'--fuzz\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    extra = f'\r\n--fuzz\r\nContent-Disposition: form-data; name="rttm"\r\n\r\n{rttm}'.encode() if rttm else b""
    return head + content + extra + b"\r\n--fuzz--\r\n"


#: A database of audformat.
_HEADER = """name: voices
source: https://example.org
usage: research
languages: [deu]
schemes:
  emotion: {dtype: str, labels: [anger, happiness]}
  speaker: {dtype: int, labels: {3: {gender: male}}}
tables:
  emotion:
    type: filewise
    columns:
      emotion: {scheme_id: emotion}
"""


def _parquet() -> bytes:
    held = io.BytesIO()
    columns = {"file_name": ["sub/a.wav", "b.wav"], "label": ["sad", "joy"], "start": [0.5, None], "list": [[1], []]}
    pq.write_table(pa.table(columns), held, compression="zstd")
    return held.getvalue()


def _all() -> dict[str, dict[str, bytes]]:
    wav = _sound("WAV", "PCM_16")
    turn = "SPEAKER clip 1 0.000 1.500 <NA> <NA> anna <NA> <NA>\n"
    profile = {
        "format_version": 1,
        "kind": "speaker",
        "n_clips": 2,
        "mean": [0.1, 0.2],
        "model": "0" * 64,
        "composition": {"sad": 0.5},
        "answers": {"sad": 1.0},
        "power": 0.1,
    }
    fold = {"train": [0, 1], "dev": [], "test": [2], "train_speakers": ["a"], "test_speakers": ["b"]}
    folds = {"name": "x", "speaker_disjoint": True, "source": "s", "seed": 0, "folds": [fold]}
    protocol = {"corpus": "made", "channel": "speech", "source": "x", "test_speakers": [["s0", "s1"], ["s2", "s3"]]}
    hello = b't{"rate": 16000, "format": "s16le", "channels": 1}'
    start = {"event": "start", "start": {"tracks": ["inbound"], "customParameters": {"adapt": "true"}}}
    media_message = {"event": "media", "media": {"payload": "////", "timestamp": "20", "track": "inbound"}}
    twilio = [{"event": "connected"}, start, media_message, {"event": "stop"}]
    return {
        "recording": _recordings(),
        "manifest_csv": {
            "comma": b"file,emotion,speaker,start_s,end_s\na.wav,happy,anna,0.0,1.5\nb.wav,sad,ben,,\n",
            "semicolon": "sep=;\r\nfile;emotion;start;end\r\nä.wav;glücklich;00:01,5;00:02,0\r\n".encode("utf-16"),
        },
        "manifest_jsonl": {
            "rows": b'{"file": "a.wav", "emotion": "happy"}\n{"file": "b.wav", "emotion": "sad", "n": 1}\n'
        },
        "audformat": {"filewise": _HEADER.encode() + b"\0|file,emotion\na.wav,anger\nb.wav,\n"},
        "audiofolder_csv": {
            "labels": b"file_name,label,speaker_id,start,end\nsub/a.wav,sad,7,0.5,1.5\nsub\\b.wav,joy,8,,\n"
        },
        "audiofolder_parquet": {"labels": _parquet()},
        "card": {"handmade": json.dumps(handmade.card(handmade.graph())).encode()},
        "profile": {
            "speaker": json.dumps(profile).encode(),
            "with_source": json.dumps(profile | {"source": profile | {"kind": "source"}}).encode(),
        },
        "protocol": {"two_folds": json.dumps(protocol).encode()},
        "folds": {"one": json.dumps(folds).encode()},
        "rttm": {"turns": (turn + turn.replace("anna", "ben").replace("0.000", "2.0")).encode()},
        "stream": {
            "hello": b"\0|".join([hello, b"b" + b"\1\0" * 400, b't{"end": true}']),
            "opus": b"\0|".join([b't{"format": "webm-opus"}', b"b" + media([handmade.tone(0.1)], "webm", "libopus")]),
            "twilio": b"\0|".join(b"t" + json.dumps(message).encode() for message in twilio),
        },
        "form": {"wav": _form("a.wav", wav), "rttm": _form("a.wav", wav, rttm=turn)},
    }


def main() -> None:
    """Write every input."""
    for target, made in _all().items():
        (CORPUS / target).mkdir(parents=True, exist_ok=True)
        for name, content in made.items():
            (CORPUS / target / name).write_bytes(content)


if __name__ == "__main__":
    main()
