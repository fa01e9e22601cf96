"""A small archive, and a model whose answers can be worked out."""

import numpy as np
import pytest

from emotone.audio import write_wav
from support import handmade


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    return str(handmade.write(tmp_path_factory.mktemp("bundle") / "loudness"))


@pytest.fixture(scope="session")
def adaptive_bundle(tmp_path_factory):
    content = handmade.graph(optional=handmade.ADAPTS)
    folder = tmp_path_factory.mktemp("bundle") / "adaptive"
    return str(handmade.write(folder, content=content, sha256=handmade.card(content)["sha256"]))


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    """Twelve tones of two speakers, a text, an empty file, a short and a silent recording."""
    folder = tmp_path_factory.mktemp("archive")
    for speaker, levels in (("anna", np.linspace(0.02, 0.1, 6)), ("ben", np.linspace(0.1, 0.2, 6))):
        (folder / speaker).mkdir()
        for number, level in enumerate(levels):
            write_wav(folder / speaker / f"{number}.wav", handmade.tone(float(level)))
    (folder / "text.wav").write_text("this is no recording")
    (folder / "empty.wav").touch()
    write_wav(folder / "short.wav", handmade.tone(0.1, seconds=0.05))
    write_wav(folder / "silent.wav", np.zeros(16_000, np.float32))
    (folder / "notes.txt").write_text("no recording")
    return folder
