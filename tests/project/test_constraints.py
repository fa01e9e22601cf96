"""The pinned versions: those of the Pipecat integration differ from the others only where Pipecat requires it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: What Pipecat 1.14 needs in an older version.
OLDER = {"protobuf", "soundfile", "soxr"}


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return dict(line.lower().replace("_", "-").split("==") for line in lines if not line.startswith("#"))


def test_pins_of_pipecat_differ_only_where_they_must() -> None:
    general, own = pins("constraints.txt"), pins("constraints-pipecat.txt")
    different = {name for name in general.keys() & own.keys() if general[name] != own[name]}
    assert different == OLDER
    assert "pipecat-ai" in own and "pipecat-ai" not in general and own["livekit"] == general["livekit"]
