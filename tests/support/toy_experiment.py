"""A small experiment: generated voices whose pitch is their emotion, and an extractor that is quick to export."""

import functools
import hashlib

import numpy as np
import pandas as pd
import pytest
import torch

from emotone import audio
from emotone.experiment import Config
from emotone.experiment.training_set import TrainingSet, gather, load
from emotone.features import registry
from emotone.features.base import Extractor
from emotone.features.columns import FeatureColumn, plain
from emotone.features.graph import extractor_graph
from emotone.features.store import FeatureStore

PITCH_HZ = {"neutral": 110.0, "happy": 190.0, "angry": 300.0}
N_SPEAKERS, N_CLIPS = 6, 3
N_BANDS = 24


class Bands(Extractor):
    """Mean and variance of log band energies, 80 Hz to 3 kHz."""

    name = "bands"

    def __init__(self) -> None:
        super().__init__({"bands": N_BANDS})
        phase = 2 * np.pi * np.geomspace(80, 3000, N_BANDS)[:, None] / 16_000 * np.arange(400)
        kernels = np.stack([np.cos(phase), np.sin(phase)], axis=1) * np.hanning(400)
        self.register_buffer("kernels", torch.tensor(kernels.reshape(-1, 1, 400), dtype=torch.float32))

    @property
    def columns(self) -> tuple[FeatureColumn, ...]:
        return plain(*(f"band{band}_{what}" for what in ("mean", "variance") for band in range(N_BANDS)))

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        filtered = torch.nn.functional.conv1d(waveform[:, None] / waveform.std(), self.kernels, stride=160)
        energy = torch.log(filtered.reshape(1, N_BANDS, 2, -1).square().sum(2) + 1e-4)
        mean = energy.mean(-1)
        return torch.cat([mean, (energy - mean[..., None]).square().mean(-1)], 1)


@functools.cache
def bands_graph() -> bytes:
    return extractor_graph(Bands()).SerializeToString()


def install(monkeypatch) -> None:
    """Register the extractor, and keep everything in this process: starting others costs more than the work."""
    monkeypatch.setitem(registry.EXTRACTORS, "bands", Bands)
    monkeypatch.setattr(FeatureStore, "graph", lambda self, extractor: bands_graph())
    monkeypatch.setattr("emotone.parallel.local.n_cores", lambda: 1)


def write_corpus(folder, make_voice, *, pitch_hz=PITCH_HZ, name="toy", shuffled=False):
    """A manifest of 6 speakers x emotions x 3 clips; shuffled: as many labels of each kind, at the wrong clips."""
    rows = []
    for speaker in range(N_SPEAKERS):
        for emotion, pitch in pitch_hz.items():
            for clip in range(N_CLIPS):
                file = f"{speaker}-{emotion}-{clip}.wav"
                # of the names, since two clips must differ and tests must not depend on their order
                seed = int(hashlib.sha256(f"{name}{file}".encode()).hexdigest()[:8], 16)
                audio.write_wav(
                    folder / file,
                    make_voice(seconds=0.4, pitch_hz=pitch * (0.94 + 0.02 * speaker + 0.01 * clip), seed=seed),
                )
                rows.append({"file": file, "emotion": emotion, "speaker": f"s{speaker}", "gender": "fm"[speaker % 2]})
    table = pd.DataFrame(rows)
    if shuffled:
        rng = np.random.default_rng(0)
        for rows_of_one in table.groupby("speaker").indices.values():
            table.loc[rows_of_one, "emotion"] = rng.permutation(table.loc[rows_of_one, "emotion"])
    path = folder / f"{name}.csv"
    table.to_csv(path, index=False)
    return path


def config(manifest, out, **settings) -> Config:
    """A quick experiment on a manifest."""
    chosen = {"model": "knn", "extractor": "bands", "cache": manifest.parent / "cache"} | settings
    return Config(corpora=(str(manifest),), data=manifest.parent, out=out, **chosen)


def training_set(manifest) -> TrainingSet:
    """The features of a manifest."""
    chosen = config(manifest, manifest.parent / "unused")
    with pytest.MonkeyPatch.context() as monkeypatch:
        install(monkeypatch)
        return gather(load(chosen)[0], Bands(), chosen, store=FeatureStore(chosen.cache))
