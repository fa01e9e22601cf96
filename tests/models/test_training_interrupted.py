"""Interrupted trainings, checkpoints and progress."""

import numpy as np
import pytest
import torch

from emotone.models.deep import networks
from emotone.models.deep.clips import Clips
from emotone.models.deep.training import train
from support.small_networks import Linear, Small, assert_same, clips, overfitted, recipe, trained, without_numbers

pytestmark = pytest.mark.slow


def interrupting(epoch: int):
    """A progress that is interrupted from the keyboard when it is told of this epoch."""

    def told(done: int, total: int, what: str) -> None:
        if done == epoch:
            raise KeyboardInterrupt

    return told


@pytest.mark.parametrize("with_held_out", [True, False])
@pytest.mark.parametrize("epochs", [(1,), (2,), (4,), (2, 3)])
def test_an_interrupted_training_ends_as_one_that_was_not(tmp_path, epochs, with_held_out):
    held_out = without_numbers(clips(9, seed=1)) if with_held_out else None
    whole = trained(held_out=held_out)
    for epoch in epochs:
        with pytest.raises(KeyboardInterrupt):
            trained(held_out=held_out, checkpoint=tmp_path / "state.pt", progress=interrupting(epoch))
    told = []
    again = trained(
        held_out=held_out,
        checkpoint=tmp_path / "state.pt",
        progress=lambda done, total, what: told.append((done, total)),
    )
    assert_same(again, whole)
    assert told == [(epoch, 4) for epoch in range(epochs[-1], 5)]  # what was done is not done again


def test_a_training_that_is_interrupted_within_an_epoch_begins_that_epoch_again(tmp_path):
    class Interrupted(Small):
        left = 7  # of the steps; an epoch has five

        def embed(self, frames, lengths=None):
            if self.training:
                Interrupted.left -= 1
                if Interrupted.left < 0:
                    raise KeyboardInterrupt
            return super().embed(frames, lengths)

    with pytest.raises(KeyboardInterrupt):
        trained(Interrupted, checkpoint=tmp_path / "state.pt")
    assert_same(trained(checkpoint=tmp_path / "state.pt"), trained())


def test_a_real_network_is_taken_up_bit_by_bit(tmp_path):
    some = Clips([np.pad(frames, ((0, 0), (0, 114))) for frames in without_numbers(clips(24)).frames], clips(24).labels)
    held_out = Clips(some.frames[:6], some.labels[:6])

    def result(**given):
        return trained(networks.CnnBiLstm(120, 3), some, max_epochs=3, held_out=held_out, **given)

    def seeded(**given):
        torch.manual_seed(0)
        return result(**given)

    whole = seeded()
    with pytest.raises(KeyboardInterrupt):
        seeded(checkpoint=tmp_path / "state.pt", progress=interrupting(2))
    assert_same(seeded(checkpoint=tmp_path / "state.pt"), whole)


def test_a_finished_training_is_not_done_again(tmp_path):
    held_out, first = overfitted(checkpoint=tmp_path / "state.pt")
    told = []
    _, again = overfitted(checkpoint=tmp_path / "state.pt", progress=lambda *step: told.append(step))
    assert told == []
    assert_same(again, first)
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


def damaged(kind: str, content: bytes, path) -> None:
    if kind == "other":
        path.unlink()
        trained(Linear, checkpoint=path)
    elif kind == "wider":  # some weights fit, others don't
        path.unlink()
        wide = Small(n_classes=5)
        trained(wide, checkpoint=path, n_classes=5, weights=(1.0,) * 5)
    elif kind == "list":
        torch.save([1, 2, 3], path)
    elif kind in ("rows", "best", "optimizer", "averaged"):
        torch.save({key: value for key, value in torch.load(path).items() if key != kind}, path)
    else:
        path.write_bytes({"empty": b"", "text": b"no checkpoint", "half": content[: len(content) // 2]}[kind])


@pytest.mark.parametrize(
    "kind", ["empty", "text", "half", "other", "wider", "list", "rows", "best", "optimizer", "averaged"]
)
def test_a_damaged_checkpoint_is_passed_over(tmp_path, kind):
    path = tmp_path / "state.pt"
    with pytest.raises(KeyboardInterrupt):
        trained(checkpoint=path, progress=interrupting(3))
    damaged(kind, path.read_bytes(), path)
    told = []
    again = trained(checkpoint=path, progress=lambda done, total, what: told.append(done))
    assert told == [1, 2, 3, 4]
    assert_same(again, trained())


def test_progress_is_told_of_each_epoch_with_its_scores():
    told = []
    _, rows, _ = trained(max_epochs=2, held_out=clips(9, seed=1), progress=lambda *step: told.append(step))
    assert [(done, total) for done, total, _ in told] == [(1, 2), (2, 2)]
    row = rows[1]
    assert told[1][2] == (
        f"epoch 2 of 2, loss {row['train_loss']:.2f}, held out: loss {row['valid_loss']:.2f}, "
        f"UAR {100 * row['valid_uar']:.1f} %"
    )


def test_training_leaves_the_callers_random_numbers_alone():
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    network = Small(dropout=0.5)
    torch.manual_seed(11)
    train(network, without_numbers(clips(12)), recipe(max_epochs=1), class_weights=torch.ones(3))
    torch.testing.assert_close(torch.rand(3), expected, atol=0, rtol=0)
