"""A bundle on recordings that it was not trained on, over the emotions that both know."""

import importlib.util
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotone import audio, files, metrics
from emotone.corpora import Corpus, Rejected, count_groups, load
from emotone.errors import ConfigError, CorpusError, EmotoneError, MissingExtraError
from emotone.progress import Progress, part
from emotone.recognition.prediction import Prediction
from emotone.recognition.profile import SpeakerProfile
from emotone.recognition.recognizer import Recognizer
from emotone.runs import layout
from emotone.runs.folder import truth_and_scores

N_THREADS = 2  # decoder and model release the interpreter lock, the rest does not
SETTINGS = "evaluation.json"


def evaluate(
    bundle: str | Path,
    corpora: Sequence[str],
    data: Path,
    *,
    channel: str = "speech",
    labels: Mapping[str, str] | None = None,
    adapt: bool = False,
    out: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Score a bundle on corpora; scores are made to sum to one over the emotions that bundle and corpora share.

    Needs no training library but the one for pictures, and that only where ``out`` is given.

    Parameters
    ----------
    bundle
        A folder, or ``"default"``.
    corpora, data, channel, labels
        The corpora, as `emotone.corpora.load` takes them.
    adapt
        Whether the bundle first hears all clips of each speaker that it is asked about, without their labels, as
        `Recognizer.adapt` does.  A clip of no known speaker is answered without.
    out
        Where to write ``metrics.json``, ``predictions.parquet`` and ``figures/confusion_test.png``; None: nowhere.

    Returns
    -------
    What `emotone.metrics.summary` gives, and ``protocol``, ``emotions`` (those that both know), ``unknown`` (emotions
    of the corpora that the bundle lacks -> how many clips were left out for it), ``rejected`` (list of path and
    reason), ``left_out`` (their number by kind of reason), ``unsure`` (share of answers that the bundle would call
    unsure) and ``warning``, empty or a sentence.

    Raises
    ------
    CorpusError
        A corpus can't be read, fewer than two emotions are shared, or no clip can be read.
    ConfigError
        ``out`` holds something else than an evaluation of this bundle on these corpora, or ``adapt`` is asked of a
        bundle that can't.
    """
    recognizer = Recognizer(bundle)
    if adapt:
        recognizer.new_profile()  # says at once where the model can't
    settings: dict[str, Any] = {"bundle": recognizer.card["sha256"], "corpora": list(corpora), "channel": channel}
    if adapt:
        settings["adapt"] = True
    if labels:
        settings["labels"] = dict(labels)
    if out is not None:
        _check_folder(Path(out), settings)
        _need_pictures()
    corpus = load(corpora, Path(data), channel=channel, labels=labels, classes=recognizer.emotions)
    shared = tuple(emotion for emotion in recognizer.emotions if emotion in corpus.emotions)
    if len(shared) < 2:
        raise CorpusError(
            f"{corpus.name} has {', '.join(corpus.emotions)}, and the bundle knows {', '.join(recognizer.emotions)}; "
            "expected at least two emotions that both have"
        )
    counts = corpus.table["emotion"].value_counts()
    unknown = {emotion: int(counts[emotion]) for emotion in corpus.emotions if emotion not in shared}
    corpus = corpus.only(emotions=shared)
    profiles = _profiles(recognizer, corpus, progress=part(progress, 0, 0.5)) if adapt else {}
    stage = part(progress, 0.5, 1) if adapt else progress
    table, rejected = _predictions(recognizer, corpus, shared, profiles=profiles, progress=stage)
    truth, scores = truth_and_scores(table, shared)
    result = {
        "protocol": _protocol(recognizer, corpus, adapted=adapt),
        **metrics.summary(truth, scores, emotions=shared, speakers=list(table["speaker"])),
        "emotions": list(shared),
        "unknown": unknown,
        "rejected": [{"path": one.path, "reason": one.reason} for one in (*corpus.rejected, *rejected)],
        "left_out": count_groups((*corpus.rejected, *rejected)),
        "unsure": float(table["unsure"].mean()),
        "warning": _warning(recognizer, corpus),
    }
    if out is not None:
        _write(Path(out), result, table, settings)
    return result


def _profiles(recognizer: Recognizer, corpus: Corpus, *, progress: Progress | None) -> dict[str, SpeakerProfile]:
    """Speaker -> what the recognizer knows after all of the speaker's clips that can be read."""
    clips = corpus.table[corpus.table["speaker"] != ""]

    def heard(segments: pd.DataFrame) -> SpeakerProfile:
        profile = recognizer.new_profile()
        for path, start_s, end_s in zip(segments["path"], segments["start_s"], segments["end_s"], strict=True):
            try:
                samples = audio.read(path, start_s=start_s, end_s=None if pd.isna(end_s) else end_s)
                profile = recognizer.adapt([(samples, audio.SAMPLE_RATE)], profile=profile)
            except EmotoneError:
                continue  # the prediction will tell of it
        return profile

    profiles: dict[str, SpeakerProfile] = {}
    groups = [(str(speaker), segments) for speaker, segments in clips.groupby("speaker", sort=False)]
    done = 0
    with ThreadPoolExecutor(N_THREADS) as pool:
        try:
            found = pool.map(heard, [segments for _, segments in groups])
            for (speaker, segments), profile in zip(groups, found, strict=True):
                profiles[speaker], done = profile, done + len(segments)
                if progress is not None:
                    progress(done, len(clips), "hearing the speakers")
        finally:
            pool.shutdown(cancel_futures=True)
    return profiles


def _predictions(
    recognizer: Recognizer,
    corpus: Corpus,
    shared: Sequence[str],
    *,
    profiles: Mapping[str, SpeakerProfile],
    progress: Progress | None,
) -> tuple[pd.DataFrame, list[Rejected]]:
    """Table of the clips that could be read, and a list of those that could not."""
    clips = corpus.table

    def predict(clip: tuple[str, float, float, str]) -> Prediction | EmotoneError:
        path, start_s, end_s, speaker = clip
        end = None if pd.isna(end_s) else end_s
        try:
            return recognizer.predict(path, start_s=start_s, end_s=end, profile=profiles.get(speaker))
        except EmotoneError as error:
            return error

    rows: list[dict[str, Any]] = []
    rejected = []
    segments = list(zip(clips["path"], clips["start_s"], clips["end_s"], clips["speaker"].astype(str), strict=True))
    with ThreadPoolExecutor(N_THREADS) as pool:
        try:
            for row, answer in enumerate(pool.map(predict, segments)):
                if isinstance(answer, EmotoneError):
                    rejected.append(Rejected(str(clips["path"][row]), str(answer), "that can't be read"))
                else:
                    told = {"row": row, **{name: clips[name][row] for name in ("path", "corpus", "speaker", "emotion")}}
                    rows.append(told | _over(answer, shared))
                if progress is not None:
                    progress(row + 1, len(segments), "evaluating")
        finally:
            pool.shutdown(cancel_futures=True)  # after an error, do not predict the rest first
    if not rows:
        raise CorpusError(f"not one of {len(segments)} clips could be read; the first: {rejected[0].reason}")
    return pd.DataFrame(rows), rejected


def _over(answer: Prediction, shared: Sequence[str]) -> dict[str, Any]:
    """Make an answer's scores sum to one over the shared emotions."""
    values = np.asarray([answer.scores[emotion] for emotion in shared], dtype=np.float64)
    total = values.sum()
    values = values / total if total > 0 else np.full(values.size, 1 / values.size)
    best = int(values.argmax())
    return {
        "predicted": shared[best],
        "confidence": float(values[best]),
        "unsure": answer.emotion is None,
        **{f"score_{emotion}": float(value) for emotion, value in zip(shared, values, strict=True)},
    }


def _trained_on(recognizer: Recognizer) -> set[str]:
    return {str(corpus.get("name", "")) for corpus in recognizer.card["training"].get("corpora", [])}


def _warning(recognizer: Recognizer, corpus: Corpus) -> str:
    known = sorted(_trained_on(recognizer) & set(corpus.table["corpus"]))
    if not known:
        return ""
    return f"WARNING: the bundle was trained on {', '.join(known)}: its score there says nothing about new recordings"


def _protocol(recognizer: Recognizer, corpus: Corpus, *, adapted: bool = False) -> dict[str, Any]:
    """What pictures and reports say of these scores, in the shape of `emotone.protocols.Protocol.header`."""
    warning = _warning(recognizer, corpus)
    trained = ", ".join(sorted(_trained_on(recognizer))) or "corpora that its card does not name"
    words = f"bundle of {recognizer.card['model']}, trained on {trained}, tested on {corpus.name}"
    words += ", adapted to each speaker by all of the speaker's clips, unlabelled" if adapted else ""
    described = words + (f". {warning}." if warning else "")
    return {
        "name": "cross-corpus",
        "description": described,
        "words": described,
        "warning": warning,
        "speaker_disjoint": not warning,
        "n_folds": 1,
        "source": "the bundle's card names what it was trained on",
        "seed": 0,
    }


def _check_folder(out: Path, settings: dict[str, Any]) -> None:
    """Refuse a folder that holds anything but this evaluation."""
    there = sorted(one.name for one in out.iterdir() if not one.name.startswith(".")) if out.is_dir() else []
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file; expected a folder for the results: choose another with --out")
    if not there:
        return
    try:
        found = json.loads((out / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if found != settings:
        held = "another evaluation" if found else f"{there[0]!r}, and no evaluation of Emotone's"
        raise ConfigError(f"{out} holds {held}; choose another folder with --out, or delete that one")


def _need_pictures() -> None:
    """Say before the work, and not after it, that pictures can't be made."""
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError("the picture of an evaluation", extra="train")


def _write(out: Path, result: dict[str, Any], table: pd.DataFrame, settings: dict[str, Any]) -> None:
    from emotone.report.figures import confusion, style

    files.write_json(out / SETTINGS, settings)
    files.write_table(out / layout.PREDICTIONS, table)
    picture = confusion.confusion_picture(result, protocol=result["protocol"], subset="test")
    style.save(picture, out / "figures" / "confusion_test.png")
    files.write_json(out / layout.METRICS, result)
