"""The benchmark of fine-tuning: packed clips, training that continues after an interruption, scores of folds."""

import json
from contextlib import nullcontext
from dataclasses import fields

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from emotone.errors import ConfigError
from support import finetuning

import finetune  # isort: skip  # found through support.finetuning
import finetune_clips  # isort: skip
import finetune_scores  # isort: skip
import finetune_sound  # isort: skip
import finetune_tables  # isort: skip
import finetune_training  # isort: skip

SETTINGS = finetune_training.Settings(epochs=3, batch_size=14, averaging=0.5)
CPU = torch.device("cpu")


def trained(n_epochs_before=None, *, checkpoint=None, settings=SETTINGS, n_trained=1):
    """Train on three speakers: two batches an epoch; optionally stop after some epochs."""
    packed = finetuning.packed()
    clips = finetune_clips.DeviceClips(packed, CPU)
    rows = np.flatnonzero(packed.folds != 4)
    training = finetune_training.TrainingClips(packed, rows, emotions=finetuning.EMOTIONS, device=CPU)
    steps = []

    def report(step, loss):
        steps.append(step)
        if n_epochs_before is not None and loss is not None and step == 2 * n_epochs_before:
            raise KeyboardInterrupt

    model = finetuning.network(n_trained=n_trained)
    finetune_training.train(model, clips, training, settings, seed=1, checkpoint=checkpoint, report=report)
    return model, steps


def test_packed_clips_are_read_as_they_were_written(tmp_path):
    packed = finetuning.packed()
    parts = packed.parts(0.1)
    assert len(parts) > 2 and sum(map(len, parts)) == len(packed)
    assert all(part.samples.nbytes <= 0.1 * 2**20 for part in parts)
    paths = [tmp_path / f"{number}.npz" for number in range(len(parts))]
    for part, path in zip(parts, paths, strict=True):
        part.save(path)
    loaded = finetune_clips.Packed.load(paths)
    for item in fields(finetune_clips.Packed):
        np.testing.assert_array_equal(getattr(loaded, item.name), getattr(packed, item.name))


def test_opus_keeps_the_places_of_clips_in_a_smaller_file(tmp_path):
    packed = finetuning.packed()
    for name, opus in (("plain", False), ("opus", True)):
        packed.save(tmp_path / f"{name}.npz", opus=opus)
    loaded = finetune_clips.Packed.load([tmp_path / "opus.npz"])
    np.testing.assert_array_equal(loaded.offsets, packed.offsets)
    for begin, end in zip(packed.offsets[:-1], packed.offsets[1:], strict=True):
        clips = [each.samples[begin:end].astype(float) for each in (packed, loaded)]
        assert np.corrcoef(*clips)[0, 1] > 0.99
    assert 4 * (tmp_path / "opus.npz").stat().st_size < (tmp_path / "plain.npz").stat().st_size


def test_a_damaged_file_of_clips_is_refused(tmp_path):
    path = tmp_path / "clips.npz"
    for content in (None, b"PK no archive"):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ConfigError, match="write it again with --pack"):
            finetune_clips.Packed.load([path])


def test_a_batch_has_the_samples_of_its_clips():
    packed = finetuning.packed()
    rows = np.array([5, 0, 35])
    waveforms, lengths = finetune_clips.DeviceClips(packed, CPU).batch(rows)
    assert waveforms.shape[1] % finetune_clips.GRID == 0
    for row, waveform, length in zip(rows, waveforms, lengths.tolist(), strict=True):
        expected = packed.samples[packed.offsets[row] : packed.offsets[row + 1]]
        np.testing.assert_array_equal(waveform[:length].numpy() * 32768, expected)
        assert not waveform[length:].any()


def test_long_clips_are_cropped_at_a_random_place():
    packed = finetuning.packed()
    clips = finetune_clips.DeviceClips(packed, CPU)
    waveforms, lengths = clips.batch(np.array([0, 0, 0]), window=1600, rng=np.random.default_rng(0))
    assert lengths.tolist() == [1600] * 3
    whole = packed.samples[: packed.offsets[1]]
    windows = np.lib.stride_tricks.sliding_window_view(whole, 1600)
    places = {int(np.flatnonzero((windows == row.numpy() * 32768).all(axis=1))[0]) for row in waveforms}
    assert len(places) > 1


def test_a_continued_training_ends_with_the_same_weights(tmp_path):
    whole, steps = trained()
    assert max(steps) == 6
    with pytest.raises(KeyboardInterrupt):
        trained(1, checkpoint=tmp_path / "a.pt")
    continued, steps = trained(checkpoint=tmp_path / "a.pt")
    assert min(steps) == 3
    expected = whole.state_dict()
    for name, values in continued.state_dict().items():
        torch.testing.assert_close(values, expected[name], rtol=0, atol=0)


class _Devices(TorchDispatchMode):
    """Records operations on tensors of two devices."""

    def __init__(self):
        super().__init__()
        self.mixed = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        leaves = tree_leaves((args, kwargs))
        if len({leaf.device.type for leaf in leaves if isinstance(leaf, torch.Tensor)}) > 1:
            self.mixed.append(str(function))
        return function(*args, **(kwargs or {}))


def test_a_step_uses_tensors_of_one_device_and_never_waits_for_it(monkeypatch):
    """The device "meta" computes no values: reading one is an error, as is most mixing with the CPU."""
    meta, randn = torch.device("meta"), torch.randn
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(torch, "randn", lambda *sizes, generator, device: randn(*sizes, device=device))
    packed = finetuning.packed()
    rows = np.arange(len(packed))
    training = finetune_training.TrainingClips(packed, rows, emotions=finetuning.EMOTIONS, device=meta)
    model = finetuning.network()
    model.adaptive.remember(training.n_speakers)
    model.to(meta)
    settings = finetune_training.Settings(chances=finetune_sound.Chances(1, 1, 1, 1, 1), pull=1.0)
    course = finetune_training._Course(model, finetune_clips.DeviceClips(packed, meta), training, settings, seed=1)
    with _Devices() as devices:
        loss = course._step(0, rows[:8], np.random.default_rng(0), torch.Generator())
    assert loss.device == meta and devices.mixed == []
    with _Devices() as devices, pytest.raises(RuntimeError):
        torch.zeros(3, device=meta) + torch.zeros(3)
    assert devices.mixed


@pytest.mark.parametrize("n_trained", [0, 1])
def test_only_what_is_to_train_changes(n_trained):
    before = finetuning.network(n_trained=n_trained).state_dict()
    after = trained(n_trained=n_trained)[0].state_dict()
    changed = {
        name for name in before if before[name].shape != after[name].shape or not before[name].equal(after[name])
    }
    blocks = {name for name in before if name.startswith("encoders.0.encoder.blocks.1.")}
    lower = {name for name in before if name.startswith("encoders.") and name not in blocks}
    assert "adaptive.head.2.weight" in changed and "adaptive.project.weight" in changed
    assert not changed & lower
    assert blocks <= changed if n_trained else not blocks & changed


def test_a_pull_keeps_blocks_near_their_initial_weights():
    def widened(model):
        return model.encoders[0].encoder.blocks[1].widen.weight.detach()

    def distance(pull):
        settings = finetune_training.Settings(epochs=3, batch_size=14, averaging=0.5, pull=pull)
        return float((widened(trained(settings=settings)[0]) - widened(finetuning.network())).norm())

    assert 0 < distance(5000.0) < 0.7 * distance(0.0)


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        trained(1, checkpoint=tmp_path / "a.pt")
    with pytest.raises(ConfigError, match="other settings or clips"):
        trained(checkpoint=tmp_path / "a.pt", settings=finetune_training.Settings(epochs=4, batch_size=14))


def test_no_clip_of_a_tested_speaker_is_in_training():
    packed = finetuning.packed()
    tests = finetune_scores.folds(packed, corpora=["ravdess"], numbers=[], development=False)
    assert [task.name for task in tests] == ["fold-1", "fold-2", "fold-3", "fold-4"]
    choices = finetune_scores.folds(packed, corpora=["ravdess"], numbers=[4], development=True)
    assert set(packed.folds[choices[0].test]) == {1} and set(packed.folds[choices[0].train]) == {2, 3}
    for task in (*tests, *choices):
        assert not set(packed.speakers[task.train]) & set(packed.speakers[task.test])
    with pytest.raises(ConfigError, match=r"folds \[7\] are asked for; expected some of \[1, 2, 3, 4\]"):
        finetune_scores.folds(packed, corpora=["ravdess"], numbers=[7], development=False)


def test_a_corpus_that_is_left_out_is_tested_on_common_emotions():
    packed = finetuning.packed()
    packed.corpora.flags.writeable = packed.emotions.flags.writeable = True
    packed.corpora[:9] = "other"  # shorter than "ravdess", so that the array holds it
    packed.emotions[:3] = "calm"
    (task,) = finetune_scores.left_out(packed, corpora=["ravdess", "other"], names=["other"])
    assert task.test.tolist() == [3, 4, 5, 6, 7, 8] and set(packed.corpora[task.train]) == {"ravdess"}
    with pytest.raises(ConfigError, match="shares 0 emotions"):
        finetune_scores.left_out(packed, corpora=["ravdess"], names=["tess"])


@pytest.mark.slow
def test_folds_are_trained_scored_and_not_repeated(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(finetune, "load", lambda *_, n_trained, **__: finetuning.network(n_trained=n_trained))
    finetuning.packed().save(tmp_path / "clips.npz")
    command = ["--packed", str(tmp_path / "clips.npz"), "--out", str(tmp_path / "out"), "--device", "cpu"]
    command += ["--epochs", "2", "--batch-size", "14", "--networks", "2"]
    assert finetune.main([*command, "--fold", "1,3"]) == 0
    output = capsys.readouterr().out
    assert "min left" in output and "| folds together | 18 |" in output
    result = json.loads((tmp_path / "out" / "fold-1.json").read_text())
    assert result["speakers"] == ["ravdess-01"] and set(result["uar"]) == {"0", "5", "all", "noise-10", "telephone"}
    assert result["settings"]["chances"]["noise"] == 0.4
    with np.load(tmp_path / "out" / "fold-1.npz") as arrays:
        assert arrays["scores_5"].shape == (5, 9, 3)
        np.testing.assert_allclose(arrays["scores_all"].sum(axis=2), 1, rtol=1e-5)
    assert not list((tmp_path / "out").glob("*.pt"))
    assert finetune.main([*command, "--fold", "1,3"]) == 0
    assert "0 of 2 tasks to do" in capsys.readouterr().out
    assert finetune.main([*command, "--train-blocks", "0"]) == 2
    assert "train_blocks 1, and 0 is asked for" in capsys.readouterr().err


def test_the_clock_counts_only_steps_of_this_run(monkeypatch, capsys):
    moment = [0.0]
    monkeypatch.setattr(finetune_training.time, "perf_counter", lambda: moment[0])
    monkeypatch.setattr(finetune_training.Clock, "every_s", 0.0)
    clock = finetune_training.Clock(40)
    report = clock.of("fold-2", n_epochs=2, n_steps=40)
    for step in range(11, 21):  # ten steps were done before
        moment[0] += 100.0 if step == 11 else 6.0  # the first has the start in its time
        report(step, None)
    assert capsys.readouterr().out.splitlines()[-1] == "fold-2: epoch 1 of 2; 6000 ms a step, 2.0 min left"
    report(20, 0.5)
    assert "epoch 1 of 2, loss 0.500; " in capsys.readouterr().out


def _written(folder, packed, *, right):
    """Write the scores of two folds, with this share of right answers."""
    rng = np.random.default_rng(0)
    for task in finetune_scores.folds(packed, corpora=["ravdess"], numbers=[1, 2], development=False):
        labels = finetune_scores.numbers(packed, task.test, finetuning.EMOTIONS)
        answers = np.where(rng.random((5, len(labels))) < right, labels, (labels + 1) % 3)
        scores = {name: np.eye(3)[answers] for name in (*finetune_scores.LEVELS, *finetune_scores.CONDITIONS)}
        finetune_scores.write(folder, packed, task, scores, emotions=finetuning.EMOTIONS)


def test_runs_are_compared_on_the_same_clips(tmp_path):
    packed = finetuning.packed()
    for name, right in (("good", 1.0), ("bad", 0.5)):
        _written(tmp_path / name, packed, right=right)
    (row,) = finetune_tables.differences(tmp_path / "good", tmp_path / "bad")[2:]
    pooled = [finetune_tables.table(tmp_path / name)[-1].split(" | ") for name in ("good", "bad")]
    assert pooled[0][1:3] == ["18", "100.0"] and row.startswith("| 2 of kind fold | 18 |")
    gain = float(row.split(" | ")[2].split()[0])
    assert gain == pytest.approx(100 - float(pooled[1][2]), abs=0.11) and gain > 20
    _written(tmp_path / "other", finetuning.packed(n_each=2), right=1.0)
    with pytest.raises(ConfigError, match="tested other clips"):
        finetune_tables.differences(tmp_path / "good", tmp_path / "other")
    with pytest.raises(ConfigError, match="no finished task in common"):
        finetune_tables.differences(tmp_path / "good", tmp_path / "nothing")


def test_conditions_change_the_sound_of_the_tested_clips():
    packed = finetuning.packed()
    rows = np.array([7, 3])  # of 350 and 150 Hz; telephones begin at 300 Hz
    clips, places = finetune_scores._in_condition(packed, rows, "telephone", CPU)
    after, lengths = clips.batch(places)
    assert lengths.tolist() == np.diff(packed.offsets)[rows].tolist()
    before = finetune_clips.DeviceClips(packed, CPU).batch(rows)[0]
    likeness = [np.corrcoef(pair)[0, 1] for pair in zip(before.numpy(), after.numpy(), strict=True)]
    assert likeness[0] > 0.9 and abs(likeness[1]) < 0.3


@pytest.mark.corpus
def test_clips_are_packed_from_recordings(data, tmp_path):
    path = tmp_path / "clips.npz"
    assert finetune.main(["--data", str(data), "--pack", str(path), "--at-most", "24"]) == 0
    packed = finetune_clips.Packed.load([path])
    assert len(packed) >= 24 and set(packed.channels) == {"speech", "song"} and set(packed.folds) <= set(range(1, 7))
    assert 0.2 * 16_000 <= np.diff(packed.offsets).min() and np.abs(packed.samples).max() > 1000
