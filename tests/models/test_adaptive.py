"""The adaptive classifier: embedding, heads, adaptation to speakers, estimator interface."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from emotone.errors import ConfigError
from emotone.models import registry
from emotone.models.deep import networks
from emotone.models.deep.adaptive import Adaptive, AdaptiveClassifier
from emotone.models.deep.adaptive_network import shrunk
from emotone.models.deep.clips import padded
from support.toy_speakers import INFINITE, N_SPEAKERS, QUICK, classifier, given_of, network, toy


@pytest.fixture(scope="module")
def pair() -> AdaptiveClassifier:
    """Two members, fitted on all voices."""
    X, y, speakers = toy(96)
    return classifier(n_members=2, dropout=0.2).fit(X, y, extras={"speakers": speakers})


@pytest.fixture(scope="module")
def unseen():
    """A classifier that heard five voices, and the embeddings, classes and speakers of clips of three others."""
    X, y, speakers = toy()
    train = speakers < 5
    model = classifier(max_epochs=25, n_members=2).fit(X[train], y[train], extras={"speakers": speakers[train]})
    return model, model.embed(X[~train]), y[~train], speakers[~train]


# the network


@torch.inference_mode()
def test_a_clip_is_the_same_alone_and_padded_beside_longer_ones():
    made, rng = network(), np.random.default_rng(0)
    clips = [rng.standard_normal((length, 5)).astype(np.float32) for length in (9, 31, 14, 200)]
    together = padded(clips)
    embedding, logits = made.embed(**together), made(**together)
    for row, clip in enumerate(clips):
        lone = torch.from_numpy(clip)[None]
        torch.testing.assert_close(made.embed(lone)[0], embedding[row], atol=1e-5, rtol=0)
        torch.testing.assert_close(made(lone)[0], logits[row], atol=1e-5, rtol=0)
    junk = together["frames"].clone()
    junk[0, 9:] = 1e3  # what lies beyond the end of a clip counts for nothing
    torch.testing.assert_close(made.embed(junk, together["lengths"])[0], embedding[0], atol=1e-5, rtol=0)


@torch.inference_mode()
def test_the_embedding_is_mean_and_deviation_of_the_projection():
    made = network()
    clip = np.random.default_rng(1).standard_normal((30, 5)).astype(np.float32)
    projected = clip @ made.project.weight.numpy().T + made.project.bias.numpy()
    expected = np.concatenate([projected.mean(axis=0), projected.std(axis=0)])
    np.testing.assert_allclose(made.embed(torch.from_numpy(clip)[None])[0], expected, atol=1e-5)


def test_a_mean_is_drawn_towards_the_centre_the_less_is_heard():
    mean, centre = torch.tensor([[8.0, 2.0]]), torch.tensor([4.0, -2.0])
    for heard, expected in ((0.0, [4, -2]), (1.0, [5, -1]), (3.0, [6, 0]), (9.0, [7, 1]), (INFINITE, [8, 2])):
        found = shrunk(mean, centre, torch.tensor([[heard]]))
        torch.testing.assert_close(found[0], torch.tensor(expected, dtype=torch.float32))


def test_the_first_clips_of_a_speaker_count_fully_and_later_ones_by_momentum():
    made, rng = network(), np.random.default_rng(0)
    made.remember(3)
    shown = {0: [], 1: []}
    for n_first, n_second in ((2, 1), (1, 3), (3, 0)):
        speakers = torch.tensor([0] * n_first + [1] * n_second)
        embedding = torch.from_numpy(rng.standard_normal((len(speakers), 8)).astype(np.float32))
        made.update(embedding, speakers)
        for speaker in (0, 1):
            shown[speaker] += list(embedding[speakers == speaker].numpy())
    for speaker, clips in shown.items():
        np.testing.assert_allclose(made.memory[speaker], np.mean(clips, axis=0), atol=1e-6)
    assert made.n_seen.tolist() == [6, 4, 0]
    assert made.memory[2].abs().max() == 0
    made.n_seen[0] = 1000.0
    before, late = made.memory[0].clone(), torch.ones(2, 8)
    late[1] = 3.0
    made.update(late, torch.tensor([0, 0]))
    torch.testing.assert_close(made.memory[0], 0.81 * before + 0.19 * 2.0)  # two clips, each of a tenth
    assert made.n_seen[0] == 1002


def test_memory_has_room_for_the_speakers_of_the_training_and_is_forgotten_after_it(monkeypatch, pair):
    made = network()
    made.remember(7)
    assert (made.memory.shape, made.n_seen.shape) == ((7, 8), (7,))
    rooms = []
    real = Adaptive.remember

    def remember(self, n_speakers):
        rooms.append(n_speakers)
        real(self, n_speakers)

    monkeypatch.setattr(Adaptive, "remember", remember)
    X, y, speakers = toy(32)
    model = classifier(max_epochs=1).fit(X, y, extras={"speakers": speakers + 3})
    assert rooms == [0, N_SPEAKERS + 3, 0]
    assert model.members_[0].memory.shape == (0, 256)
    for member in pair.members_:
        assert member.memory.numel() == member.n_seen.numel() == 0


# heads


def test_nothing_heard_is_the_plain_answer_whatever_the_mean(pair):
    X, _, _ = toy(20, seed=3)
    embedding = pair.embed(X)
    for mean in (np.zeros(embedding.shape[1]), 50 + embedding[0]):
        found = pair.adapted_proba(embedding, **given_of(mean, 0, 20))
        np.testing.assert_allclose(found, pair.predict_proba(X), atol=1e-6)


def by_hand(model, embedding, mean, *, share_of_mean, share_of_answer):
    """Probabilities (n, k): both heads of every member, mixed as logits."""
    answers, width = [], embedding.shape[1] // len(model.members_)
    for number, member in enumerate(model.members_):
        columns = slice(number * width, (number + 1) * width)
        own, centre = torch.from_numpy(embedding[:, columns]), member.centre
        known = centre + share_of_mean * (torch.from_numpy(mean[columns]) - centre)
        with torch.inference_mode():
            plain, adapted = member.head(own), member.adapted_head(own - known)
        answers.append(torch.softmax((1 - share_of_answer) * plain + share_of_answer * adapted, dim=1).numpy())
    return np.mean(answers, axis=0)


@pytest.mark.parametrize(
    ("heard", "share_of_mean", "share_of_answer"), [(1, 1 / 4, 1 / 3), (3, 1 / 2, 3 / 5), (INFINITE, 1.0, 1.0)]
)
def test_what_was_heard_counts_the_more_the_more_clips_it_was(pair, heard, share_of_mean, share_of_answer):
    embedding = pair.embed(toy(20, seed=3)[0])
    mean = embedding[5:12].mean(axis=0)
    found = pair.adapted_proba(embedding, **given_of(mean, heard, 20))
    expected = by_hand(pair, embedding, mean, share_of_mean=share_of_mean, share_of_answer=share_of_answer)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.abs(found - pair.adapted_proba(embedding, **given_of(mean, 0, 20))).max() > 1e-3


def test_each_clip_has_a_mean_and_a_number_of_its_own(pair):
    embedding = pair.embed(toy(6, seed=3)[0])
    mean, heard = embedding[::-1].copy(), np.asarray([0, 1, 3, 5, 30, INFINITE])
    together = pair.adapted_proba(embedding, mean=mean, n_clips=heard)
    for row in range(6):
        alone = pair.adapted_proba(embedding[[row]], mean=mean[[row]], n_clips=heard[[row]])
        np.testing.assert_allclose(alone[0], together[row], atol=1e-6)


def test_embeddings_are_those_of_the_members_side_by_side_for_any_number_of_clips(pair):
    X, _, _ = toy(130, seed=2)  # more than are embedded at once
    embedding = pair.embed(X)
    assert (embedding.shape, embedding.dtype) == ((130, 2 * 256), np.float32)
    for row in (0, 64, 129):
        standard = torch.from_numpy((X[row] - pair.mean_) / pair.scale_)[None]
        with torch.inference_mode():
            expected = torch.cat([member.embed(standard)[0] for member in pair.members_])
        np.testing.assert_allclose(embedding[row], expected, atol=1e-5)
    assert pair.embed(X[:0]).shape == (0, 512)
    np.testing.assert_allclose(pair.embed(list(X[:3])), embedding[:3], atol=1e-6)


# what is learnt


def test_the_centre_is_the_mean_over_speakers_of_their_means_by_the_final_weights(pair):
    X, _, speakers = toy(96)
    embedding = pair.embed(X)
    means = [embedding[speakers == speaker].mean(axis=0) for speaker in range(N_SPEAKERS)]
    centre = torch.cat([member.centre for member in pair.members_])
    np.testing.assert_allclose(centre, np.mean(means, axis=0), atol=1e-5)


def test_own_clips_decide_the_centre_and_nothing_else():
    X, y, speakers = toy(80)
    own = (speakers == 0) | ((speakers == 1) & (np.arange(80) < 30))  # ten clips of one, four of the other
    every = classifier().fit(X, y, extras={"speakers": speakers})
    some = classifier().fit(X, y, extras={"speakers": speakers, "own": own})
    embedding = some.embed(X)
    means = [embedding[own & (speakers == speaker)].mean(axis=0) for speaker in (0, 1)]
    np.testing.assert_allclose(some.members_[0].centre, np.mean(means, axis=0), atol=1e-5)
    assert (some.members_[0].centre - every.members_[0].centre).abs().max() > 0.1
    np.testing.assert_array_equal(some.predict_proba(X), every.predict_proba(X))


@pytest.mark.slow
def test_adaptation_helps_where_voices_differ_more_than_emotions(unseen):
    model, embedding, y, speakers = unseen
    mean, few = np.zeros_like(embedding), np.zeros_like(embedding)
    rng = np.random.default_rng(0)
    for row, speaker in enumerate(speakers):
        others = np.flatnonzero((speakers == speaker) & (np.arange(len(y)) != row))
        mean[row], few[row] = embedding[others].mean(axis=0), embedding[rng.choice(others, 3)].mean(axis=0)
    n = len(y)
    right = {
        heard: np.mean(model.adapted_proba(embedding, mean=told, n_clips=np.full(n, heard)).argmax(axis=1) == y)
        for heard, told in ((0, mean), (3, few), (29, mean), (INFINITE, mean))
    }
    assert right[29] > right[0] + 0.15
    assert right[INFINITE] > right[0] + 0.15
    assert right[3] >= right[0]


def test_speakers_make_a_difference_to_the_training():
    X, y, speakers = toy(64)
    told = classifier().fit(X, y, extras={"speakers": speakers})
    silent = classifier().fit(X, y)
    one = classifier().fit(X, y, extras={"speakers": np.zeros(64, dtype=int)})
    embedding, heard = silent.embed(X), given_of(np.zeros(256), INFINITE, 64)
    np.testing.assert_array_equal(silent.adapted_proba(embedding, **heard), one.adapted_proba(embedding, **heard))
    assert np.abs(told.adapted_proba(embedding, **heard) - silent.adapted_proba(embedding, **heard)).max() > 1e-3


# as an estimator


def interrupting(epoch: int):
    def told(done, total, what):
        if done == epoch:
            raise KeyboardInterrupt

    return told


@pytest.mark.parametrize("epoch", [2, 3, 6])
def test_a_fit_that_was_interrupted_ends_bit_by_bit_as_one_that_was_not(tmp_path, epoch):
    X, y, speakers = toy(80)
    held_out = (X[64:], y[64:])
    X, y, speakers = X[:64], y[:64], speakers[:64]
    extras = {"speakers": speakers, "own": speakers > 2}
    settings = {"max_epochs": 3, "n_members": 2}
    whole = classifier(**settings).fit(X, y, extras=extras, held_out=held_out)
    assert whole.n_epochs_ == [3, 3]  # so the weights are of an epoch after the interruption
    with pytest.raises(KeyboardInterrupt):
        classifier(**settings).fit(
            X, y, extras=extras, held_out=held_out, checkpoint=tmp_path / "fit", progress=interrupting(epoch)
        )
    told = []
    again = classifier(**settings).fit(
        X,
        y,
        extras=extras,
        held_out=held_out,
        checkpoint=tmp_path / "fit",
        progress=lambda done, total, what: told.append(done),
    )
    assert told == list(range(epoch, 7))  # the interruption came before epoch was kept
    for first, second in zip(whole.members_, again.members_, strict=True):
        assert list(first.state_dict()) == list(second.state_dict())
        for name, values in first.state_dict().items():
            np.testing.assert_array_equal(values, second.state_dict()[name], err_msg=name)
    assert again.n_epochs_ == whole.n_epochs_


def test_another_seed_is_another_member_and_further_members_change_no_earlier_one(pair):
    X, y, speakers = toy(96)
    alone = classifier(dropout=0.2).fit(X, y, extras={"speakers": speakers})
    np.testing.assert_array_equal(alone.embed(X[:5]), pair.embed(X[:5])[:, :256])
    assert np.abs(pair.embed(X[:5])[:, 256:] - pair.embed(X[:5])[:, :256]).max() > 1e-2
    other = classifier(dropout=0.2, seed=1).fit(X, y, extras={"speakers": speakers})
    assert np.abs(other.embed(X[:5]) - alone.embed(X[:5])).max() > 1e-2


def test_clone_and_settings_are_those_of_the_other_networks():
    model = registry.get("adaptive").build(seed=4, n_jobs=2, class_weight=False)[-1]
    assert isinstance(model, AdaptiveClassifier) and model.network is Adaptive
    assert (model.seed, model.n_jobs, model.class_weight, model.n_members) == (4, 2, None, 1)
    copied = clone(model)
    assert copied is not model and type(copied) is AdaptiveClassifier
    assert copied.get_params() == model.get_params()
    assert "extras" not in model.get_params()
    for setting, values in registry.get("adaptive").grid.items():
        pipeline = Pipeline([("classifier", clone(model))])
        for value in values:
            assert pipeline.set_params(**{setting: value}).get_params()[setting] == value


def test_half_precision_frames_give_what_the_same_numbers_in_single_do():
    X, y, speakers = toy(40)
    halves, singles = np.empty(40, dtype=object), np.empty(40, dtype=object)
    for row, clip in enumerate(X):
        halves[row] = clip.astype(np.float16)
        singles[row] = halves[row].astype(np.float32)
    first, second = (
        classifier(max_epochs=1).fit(clips, y, extras={"speakers": speakers}) for clips in (halves, singles)
    )
    np.testing.assert_array_equal(first.predict_proba(halves), second.predict_proba(singles))
    np.testing.assert_array_equal(first.embed(halves), second.embed(singles))
    assert halves[0].dtype == np.float16


def test_mixed_precision_trains_it_too():
    X, y, speakers = toy(40)
    models = [
        classifier(max_epochs=1, precision=precision).fit(X, y, extras={"speakers": speakers})
        for precision in ("bfloat16", "float32")
    ]
    losses = [model.history_[0]["train_loss"] for model in models]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert losses[0] != losses[1]
    assert {values.dtype for values in models[0].members_[0].parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("extras", "words"),
    [
        ({"speaker": np.zeros(24)}, "unknown extra 'speaker'; known: speakers, possible, own"),
        ({"speakers": np.zeros(23)}, "speakers has 23 rows and there are 24 clips"),
        ({"speakers": np.full(24, -1)}, "speakers go down to -1; expected numbers from 0"),
        ({"own": np.zeros(24)}, "own is true of no clip"),
        ({"possible": np.arange(4) != np.full((24, 1), 1)}, "clip 8 is of class 1, which possible says it can't be of"),
    ],
)
def test_extras_that_do_not_fit_are_refused(extras, words):
    X, y, _ = toy(24)
    with pytest.raises(ConfigError, match=words):
        classifier().fit(X, y, extras=extras)


def test_what_can_not_adapt_is_refused(pair):
    X, y, _ = toy(24)
    with pytest.raises(ConfigError, match=r"mixup is 0.3; expected 0, since a mixed clip has two voices"):
        classifier(mixup=0.3).fit(X, y)
    with pytest.raises(ConfigError, match="network is ResNet; expected Adaptive"):
        AdaptiveClassifier(networks.ResNet, **QUICK).fit(X, y)
    embedding = pair.embed(X[:2])
    for heard in ([1, -2], [1, np.nan]):
        with pytest.raises(ConfigError, match="expected numbers of clips, 0 or more"):
            pair.adapted_proba(embedding, mean=embedding, n_clips=np.asarray(heard, dtype=float))


def test_the_registry_says_which_models_adapt():
    assert [name for name, spec in registry.MODELS.items() if spec.adaptive] == ["adaptive"]
    for name, spec in registry.MODELS.items():
        if spec.family == "deep":
            model = spec.build(seed=0, class_weight=True)[-1]
            assert isinstance(model, AdaptiveClassifier) == spec.adaptive, name
    assert not registry.get("adaptive").from_scratch
    assert replace(registry.get("adaptive"), extractor="log-mel").from_scratch
