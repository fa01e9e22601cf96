"""Fine-tune the upper blocks of the speech encoder, and compare with the same training of the heads alone.

    python benchmarks/finetune.py --data DIR [--out runs/finetune] [--fold 1,2] [--corpora ravdess,tess]
    python benchmarks/finetune.py --data DIR --leave-out savee --corpora ravdess,tess,nemo,emodb
    python benchmarks/finetune.py --data DIR --pack clips.npz     # write the clips to a file, and stop
    python benchmarks/finetune.py --packed clips.npz              # train without the recordings

`--train-blocks 0` trains the heads alone on the same altered sound, and `--against` compares with the run of another
folder.  Every finished fold is a file under --out and is not repeated; an interrupted one continues after its last
whole epoch.  The weights of Whisper come from the model hub, or from the folder in EMOTONE_WEIGHTS.
"""

import argparse
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from finetune_clips import EMOTIONS, FOLDED, DeviceClips, Packed, pack
from finetune_network import FineTuned, load
from finetune_scores import Task, classes, folds, left_out, predicted, write
from finetune_sound import Chances
from finetune_tables import differences, table
from finetune_training import Clock, Settings, TrainingClips, train

from emotone import files
from emotone.errors import ConfigError, EmotoneError
from emotone.models.deep.classifier import _precision

_SETTINGS, _CLIPS = "settings.json", "clips.npz"
#: Settings that are options of their own type and default: name -> help.
_OPTIONS = {
    "encoder": "states to use, such as whisper-base@2,3+whisper-tiny.en@2; the first encoder trains",
    "train_blocks": "upper blocks that train; 0: none",
    "epochs": "epochs, 1 or more",
    "batch_size": "clips per step, 2 or more",
    "learning_rate": "highest learning rate of the heads",
    "block_share": "learning rate of the blocks, as a share of that of the heads",
    "pull": "strength with which blocks are drawn to their initial weights, 0 or more",
    "averaging": "decay per step of the running mean of the weights",
    "networks": "networks with different seeds, averaged",
    "seed": "random seed",
}


def main(arguments: list[str] | None = None) -> int:
    """Train and test every task that is not done yet, and print the table."""
    chosen = _parser().parse_args(arguments)
    try:
        _run(chosen)
    except EmotoneError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command continues after the last whole epoch", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the folder that holds the corpora")
    parser.add_argument("--out", type=Path, default=Path("runs/finetune"), help="where results and checkpoints are")
    parser.add_argument("--pack", type=Path, metavar="FILE", help="write the packed clips to a file, and stop")
    parser.add_argument("--pack-mib", type=float, help="split the file of --pack into parts of so many MiB of samples")
    parser.add_argument("--pack-opus", action="store_true", help="write Opus, a sixth of the size; loses some sound")
    parser.add_argument("--at-most", type=int, help="pack about so many clips of each corpus: for trials")
    parser.add_argument("--packed", type=Path, nargs="+", metavar="FILE", help="packed clips to use")
    parser.add_argument("--corpora", default=FOLDED, help="corpora to train on, comma-separated")
    parser.add_argument("--fold", default="", help="folds of speaker-6fold, comma-separated; all if not named")
    parser.add_argument("--leave-out", default="", help="test these corpora on a training of the others, instead")
    parser.add_argument(
        "--development", action="store_true", help="test the speakers of the next fold, for choices; train on neither"
    )
    parser.add_argument("--against", type=Path, metavar="OUT", help="compare with another run, clip by clip")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")
    parser.add_argument("--threads", type=int, help="threads of the CPU")
    precisions = ("auto", "float32", "bfloat16")
    parser.add_argument(
        "--precision", choices=precisions, default="auto", help="auto: bfloat16 (mixed) where the device computes it"
    )
    defaults = Settings()
    for name, words in _OPTIONS.items():
        default = getattr(defaults, name)
        option = "--" + name.replace("_", "-")
        parser.add_argument(option, type=type(default), default=default, help=f"{words} (default {default})")
    usual = ",".join(f"{item.name}={getattr(defaults.chances, item.name)}" for item in fields(Chances))
    parser.add_argument("--alter", default=usual, help=f"chance of each alteration of sound (default {usual})")
    return parser


def _run(chosen: argparse.Namespace) -> None:
    names, leave_out = _list(chosen.corpora), _list(chosen.leave_out)
    packed_names = list(dict.fromkeys([*names, *leave_out]))
    if chosen.pack is not None:
        _pack(chosen, packed_names, chosen.pack)
        return
    if chosen.threads is not None:
        torch.set_num_threads(chosen.threads)
    device = torch.device(chosen.device if chosen.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu")
    settings = _settings(chosen, device)
    _claim(chosen.out, {**settings.to_dict(), "corpora": names, "at_most": chosen.at_most})
    packed = _packed(chosen, packed_names)
    if leave_out:
        tasks = left_out(packed, corpora=names, names=leave_out)
    else:
        tasks = folds(packed, corpora=names, numbers=_numbers(chosen.fold), development=chosen.development)
    missing = [task for task in tasks if not (chosen.out / f"{task.name}.json").is_file()]
    print(f"{len(packed)} clips, {len(missing)} of {len(tasks)} tasks to do, on {device}", flush=True)
    if missing:
        clips = DeviceClips(packed, device)
        steps = [settings.epochs * settings.n_steps_an_epoch(len(task.train)) for task in missing]
        clock = Clock(settings.networks * sum(steps))
        for task in missing:
            _do(task, packed, clips, settings, clock=clock, folder=chosen.out)
    print("\n".join(table(chosen.out)))
    if chosen.against is not None:
        print("\n".join(["", *differences(chosen.out, chosen.against)]))


def _do(task: Task, packed: Packed, clips: DeviceClips, settings: Settings, *, clock: Clock, folder: Path) -> None:
    """Train the networks of a task, and write its scores."""
    began = time.perf_counter()
    emotions = classes(packed, task, EMOTIONS)
    training = TrainingClips(packed, task.train, emotions=emotions, device=clips.device)
    n_steps = settings.epochs * settings.n_steps_an_epoch(len(task.train))
    models: list[FineTuned] = []
    checkpoints = [folder / f"{task.name}-{number + 1}.pt" for number in range(settings.networks)]
    for number, checkpoint in enumerate(checkpoints):
        seed = settings.seed * 1009 + number + 1
        torch.manual_seed(seed)
        model = load(
            settings.encoder, n_trained=settings.train_blocks, n_classes=len(emotions), dropout=settings.dropout
        )
        what = task.name if settings.networks == 1 else f"{task.name}, network {number + 1} of {settings.networks}"
        report = clock.of(what, n_epochs=settings.epochs, n_steps=n_steps)
        models.append(
            train(model.to(clips.device), clips, training, settings, seed=seed, checkpoint=checkpoint, report=report)
        )
    scores = predicted(models, clips, packed, task, emotions=emotions)
    described: dict[str, Any] = {
        "emotions": emotions,
        "settings": settings.to_dict(),
        "device": clips.device.type,
        "seconds": round(time.perf_counter() - began, 1),
    }
    result = write(folder, packed, task, scores, **described)
    for checkpoint in checkpoints:
        checkpoint.unlink(missing_ok=True)
    scored = ", ".join(f"{name} {100 * value:.1f} %" for name, value in result["uar"].items())
    print(f"{task.name}: UAR by known clips and condition: {scored}; {result['seconds']:.0f} s", flush=True)


def _settings(chosen: argparse.Namespace, device: torch.device) -> Settings:
    precision = chosen.precision
    if precision == "auto":
        precision = _precision(device.type)
    options = {name: getattr(chosen, name) for name in _OPTIONS}
    return Settings(**options, chances=Chances.parse(chosen.alter), precision=precision)


def _claim(folder: Path, settings: dict[str, Any]) -> None:
    """Check that a folder is new or of the same settings, and write the settings into it."""

    def difference(path: Path) -> str:
        before = files.read_json(path)
        names = [name for name in settings if before.get(name) != settings[name]]
        return f"has {names[0]} {before.get(names[0])!r}, and {settings[names[0]]!r} is asked for" if names else ""

    if not files.claim_folder(folder, marker=_SETTINGS, kind="a run with the same settings", difference=difference):
        files.write_json(folder / _SETTINGS, settings)


def _packed(chosen: argparse.Namespace, names: list[str]) -> Packed:
    """Load the named files of clips, or those under --out, which are written first if they are missing."""
    if chosen.packed:
        return Packed.load(chosen.packed)
    path = chosen.out / _CLIPS
    packed = Packed.load([path]) if path.is_file() else None
    if packed is None or not set(names) <= set(packed.corpora.tolist()):
        _pack(chosen, names, path)
        packed = Packed.load([path])
    return packed


def _pack(chosen: argparse.Namespace, names: list[str], path: Path) -> None:
    if chosen.data is None:
        raise ConfigError("neither --data nor --packed is named; expected the folder of the corpora, or packed clips")
    packed = pack(names, chosen.data, at_most=chosen.at_most, progress=_print_clips)
    split = chosen.pack_mib is not None and chosen.pack is not None
    parts = packed.parts(chosen.pack_mib) if split else [packed]
    for number, part in enumerate(parts, start=1):
        where = path if len(parts) == 1 else path.with_name(f"{path.stem}-{number:02}{path.suffix}")
        part.save(where, opus=chosen.pack_opus)
        print(f"{where}: {len(part)} clips, {where.stat().st_size / 2**20:.1f} MiB", flush=True)


def _print_clips(done: int, total: int, what: str, /) -> None:
    """Print every thousandth clip."""
    if done % 1000 == 0:
        print(f"{what}: {done} of {total} clips", flush=True)


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in _list(text)]
    except ValueError:
        raise ConfigError(f"--fold is {text!r}; expected numbers with commas, such as 1,2") from None


def _list(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


if __name__ == "__main__":
    sys.exit(main())
