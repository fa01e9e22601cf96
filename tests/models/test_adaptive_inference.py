"""Prediction with all members at once, and training on principal components of the frames."""

import pickle

import numpy as np
import pytest
import torch

from emotone.models.deep import adaptive
from emotone.models.deep.adaptive_network import AdaptiveInferenceModule, shrunk
from emotone.models.deep.clips import padded
from emotone.models.deep.speech_gate import Gate
from support.toy_speakers import INFINITE, N_COLUMNS, classifier, network, toy

D, K, WIDTH = 5, 3, 4
MEAN, SCALE = torch.arange(D).float(), 0.5 + torch.arange(D).float()


@pytest.fixture(scope="module")
def members():
    return [network(seed=seed, n_columns=D, n_classes=K, width=WIDTH) for seed in range(3)]


@pytest.fixture(scope="module")
def clips():
    rng = np.random.default_rng(0)
    return [(3 * rng.standard_normal((n, D)) + 2).astype(np.float32) for n in (9, 31, 14, 60)]


def one_by_one(members, clips, *, speaker=None, n_clips=0.0, stride=1):
    """The mean of the members' probabilities, and their embeddings side by side."""
    probabilities, embeddings = [], []
    for clip in clips:
        standard = ((torch.from_numpy(clip[::stride]) - MEAN) / SCALE)[None]
        own = [member.embed(standard) for member in members]
        answers = []
        for number, (member, embedding) in enumerate(zip(members, own, strict=True)):
            known = embedding if speaker is None else speaker[None, number * 2 * WIDTH : (number + 1) * 2 * WIDTH]
            away = embedding - shrunk(known, member.centre, torch.tensor([[n_clips]]))
            mixed = 1 - 2.0 / (n_clips + 2.0)
            answers.append(torch.softmax((1 - mixed) * member.head(embedding) + mixed * member.adapted_head(away), 1))
        probabilities.append(torch.stack(answers).mean(0)[0])
        embeddings.append(torch.cat(own, dim=1)[0])
    return torch.stack(probabilities), torch.stack(embeddings)


@torch.inference_mode()
@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("stride", [1, 3])
def test_members_at_once_are_the_members_one_by_one_also_padded(members, clips, n_members, stride):
    module = AdaptiveInferenceModule(members[:n_members], MEAN, SCALE, stride=stride).eval()
    assert module.width == n_members * 2 * WIDTH
    expected, embeddings = one_by_one(members[:n_members], clips, stride=stride)
    together = padded(clips)
    together["frames"][0, 9:] = 1e3  # what lies beyond the end of a clip counts for nothing
    for found, embedding in (module(**together), _alone(module, clips)):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(embedding, embeddings, atol=1e-4, rtol=0)


def _alone(module, clips):
    rows = [module(torch.from_numpy(clip)[None]) for clip in clips]
    return tuple(torch.cat(parts) for parts in zip(*rows, strict=True))


@torch.inference_mode()
@pytest.mark.parametrize("n_clips", [0.0, 1.0, 7.0, INFINITE])
def test_with_a_speaker_too(members, clips, n_clips):
    module = AdaptiveInferenceModule(members, MEAN, SCALE).eval()
    speaker = torch.randn(module.width, generator=torch.Generator().manual_seed(0))
    found, _ = module(
        **padded(clips), speaker=speaker.expand(len(clips), -1), n_clips=torch.full((len(clips),), n_clips)
    )
    expected, _ = one_by_one(members, clips, speaker=speaker, n_clips=n_clips)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_speech_is_the_rule_on_the_mean_of_the_frames(members, clips):
    gate = Gate(np.linspace(-1, 1, D).astype(np.float32), 0.2)
    frames = torch.from_numpy(clips[0])[None]
    found = AdaptiveInferenceModule(members, MEAN, SCALE, gate=gate).speech(frames)
    np.testing.assert_allclose(found[0], gate.probability(clips[0].mean(axis=0)[None]), atol=1e-6)
    assert AdaptiveInferenceModule(members, MEAN, SCALE).speech(frames).tolist() == [[1.0]]


# principal components


@pytest.fixture
def fitted(monkeypatch):
    """A classifier that is trained on four of twelve columns: it, its clips and what its last training step had."""
    kept = {}
    real = adaptive.AdaptiveClassifier._finish

    def finish(self, network, clips):
        kept.update(weight=network.project.weight.detach().clone(), bias=network.project.bias.detach().clone())
        kept.update(components=self._components, frames=clips.frames)
        real(self, network, clips)

    monkeypatch.setattr(adaptive.AdaptiveClassifier, "_finish", finish)
    X, y, speakers = toy(64)
    model = classifier(max_epochs=2)
    model.n_components = 4
    return model.fit(X, y, extras={"speakers": speakers}), X, kept


def test_training_reads_principal_components(fitted):
    model, X, kept = fitted
    components = kept["components"]
    assert components.shape == (N_COLUMNS, 4) and kept["weight"].shape[1] == 4
    np.testing.assert_allclose(components.T @ components, np.eye(4), atol=1e-5)
    standard = (np.concatenate([clip[::5] for clip in X]) - model.mean_) / model.scale_
    power = np.linalg.svd(standard, compute_uv=False) ** 2
    assert np.sum((standard @ components) ** 2) == pytest.approx(power[:4].sum(), rel=1e-3)
    for clip, frames in zip(X, kept["frames"], strict=True):
        np.testing.assert_allclose(frames, ((clip - model.mean_) / model.scale_) @ components, atol=1e-2)


def test_prediction_embeds_whole_frames_as_training_embedded_the_components(fitted):
    model, X, kept = fitted
    (member,) = model.members_
    assert member.project.weight.shape == (128, N_COLUMNS)
    for clip in X[:8]:
        projected = ((clip - model.mean_) / model.scale_) @ kept["components"]
        values = projected @ kept["weight"].numpy().T + kept["bias"].numpy()
        expected = np.concatenate([values.mean(axis=0), values.std(axis=0)])
        found = model.embed([clip])[0]
        # the difference is the rounding of the projection to 8 bits
        assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()
        assert np.corrcoef(found, expected)[0, 1] > 0.9995


def test_held_out_clips_are_projected_too(monkeypatch):
    X, y, speakers = toy(64)
    model = classifier(max_epochs=2)
    model.n_components = 4
    model.fit(X[:48], y[:48], extras={"speakers": speakers[:48]}, held_out=(X[48:], y[48:]))
    assert len(model.history_) == 2 and all(np.isfinite(row["valid_loss"]) for row in model.history_)


def test_columns_that_hardly_vary_weigh_less_than_the_others():
    X, y, speakers = toy(64)
    narrow = np.ones(N_COLUMNS, dtype=np.float32)
    narrow[0] = 1e-3
    model = classifier(max_epochs=1).fit([clip * narrow for clip in X], y, extras={"speakers": speakers})
    every = np.concatenate([clip * narrow for clip in X])
    np.testing.assert_allclose(model.scale_, np.sqrt(every.std(axis=0)), rtol=1e-4)
    assert (every.std(axis=0) / model.scale_)[0] < 0.1 * (every.std(axis=0) / model.scale_)[1:].min()


@pytest.mark.parametrize("n_components", [None, N_COLUMNS, 256])
def test_without_them_training_reads_the_frames_themselves(n_components):
    X, y, speakers = toy(48)
    model, plain = classifier(max_epochs=1), classifier(max_epochs=1)
    model.n_components, plain.n_components = n_components, None
    first, second = (each.fit(X, y, extras={"speakers": speakers}) for each in (model, plain))
    assert model._components is None
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))


def test_fitted_model_does_not_keep_the_training_clips():
    X, y, speakers = toy(48)
    model = classifier(max_epochs=1).fit(X, y, extras={"speakers": speakers})
    assert len(pickle.dumps(model)) < 0.5 * sum(clip.nbytes for clip in X) + len(pickle.dumps(model.members_))
