"""Batches of sound have the states that the package computes for each clip alone, and only upper blocks train."""

import numpy as np
import pytest
import torch

from emotone.errors import ConfigError
from emotone.features.encoders.whisper import WhisperEncoder, WhisperMel
from emotone.models.deep.adaptive import Adaptive
from support import finetuning

import finetune_network  # isort: skip  # found through support.finetuning

LENGTHS = (3200, 5120, 8001, 4799)


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    waveforms = torch.zeros(len(LENGTHS), 9600)
    for row, length in enumerate(LENGTHS):
        waveforms[row, :length] = torch.from_numpy(0.1 * rng.standard_normal(length)).float()
    return waveforms, torch.tensor(LENGTHS)


def test_the_mel_of_a_batch_is_that_of_each_clip_alone(batch):
    waveforms, lengths = batch
    mel, n_frames = finetune_network.BatchMel()(waveforms, lengths)
    for row, length in enumerate(LENGTHS):
        alone = WhisperMel()(waveforms[row : row + 1, :length])[0]
        assert int(n_frames[row]) == len(alone)
        torch.testing.assert_close(mel[row, : len(alone)], alone, rtol=0, atol=2e-5)
        assert not mel[row, len(alone) :].any()


@pytest.mark.parametrize("n_trained", [0, 1, 2])
def test_the_states_of_a_batch_are_those_of_each_clip_alone(batch, n_trained):
    waveforms, lengths = batch
    torch.manual_seed(0)
    whisper = WhisperEncoder(finetuning.WIDTH, 2)
    encoder = finetune_network.StatesEncoder(whisper, (0, 1, 2), n_trained)
    states, n_states = encoder(*finetune_network.BatchMel()(waveforms, lengths))
    for row, length in enumerate(LENGTHS):
        clip = waveforms[row : row + 1, :length]
        alone = torch.cat([whisper.start(clip), *whisper(clip)], dim=2)[0]
        assert int(n_states[row]) == len(alone)
        torch.testing.assert_close(states[row, : len(alone)], alone, rtol=0, atol=1e-4)


def test_gradients_reach_the_upper_blocks_alone(batch):
    model = finetuning.network(n_trained=1)
    model.train().embed(*batch).sum().backward()
    blocks = model.encoders[0].encoder.blocks
    assert all(parameter.grad is None for parameter in blocks[0].parameters())
    assert all(parameter.grad is not None for parameter in blocks[1].parameters())
    assert len(model.trained_blocks()) == len(list(blocks[1].parameters()))


def test_loudness_does_not_change_the_embedding(batch):
    model, (waveforms, lengths) = finetuning.network().eval(), batch
    with torch.no_grad():
        embeddings = model.embed(waveforms, lengths), model.embed(0.2 * waveforms, lengths)
    torch.testing.assert_close(*embeddings, rtol=0, atol=1e-3)


def test_columns_are_standardised_over_the_sound_alone(batch):
    model = finetuning.network()
    with torch.no_grad():
        model.standardise([batch])
        states, lengths = model.states(*batch)
    inside = torch.cat([states[row, :length] for row, length in enumerate(lengths)])
    torch.testing.assert_close(model.mean, inside.mean(0), rtol=0, atol=1e-4)
    torch.testing.assert_close(model.scale, inside.std(0, correction=0), rtol=1e-3, atol=1e-4)


def test_the_means_of_speakers_are_those_of_the_package():
    ours, theirs = finetune_network.BatchAdaptive(8, 3, width=4), Adaptive(8, 3, width=4)
    rng = np.random.default_rng(0)
    for network in (ours, theirs):
        network.remember(5)
    for _ in range(4):
        embedding = torch.from_numpy(rng.standard_normal((12, 8))).float()
        speakers = torch.from_numpy(rng.integers(4, size=12))  # speaker 4 is never there
        ours.update(embedding, speakers)
        theirs.update(embedding, speakers)
    assert theirs.n_seen.sum() == 48
    torch.testing.assert_close(ours.n_seen, theirs.n_seen)
    torch.testing.assert_close(ours.memory, theirs.memory)


def test_too_many_blocks_are_refused():
    with pytest.raises(ConfigError, match="3 blocks are to be trained; expected 0 to 2"):
        finetune_network.StatesEncoder(WhisperEncoder(64, 2), (2,), 3)
