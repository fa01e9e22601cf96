"""Evaluate a bundle on corpora that it was not trained on, over the emotions that both have."""

import contextlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import numpy as np
import pandas as pd

from emotone import audio, files, metrics
from emotone.audio.segments import Segment
from emotone.corpora import Corpus, Rejected, count_groups, load, segments_of, warn_of
from emotone.corpora.rejected import UNREADABLE
from emotone.errors import AudioError, ConfigError, CorpusError, EmotoneError, MissingExtraError
from emotone.progress import Progress, part
from emotone.recognition import trust
from emotone.recognition.adaptation import SOURCE_CLIPS
from emotone.recognition.model import AnyProfile
from emotone.recognition.prediction import Prediction
from emotone.recognition.profile import Profile, SourceProfile
from emotone.recognition.recognizer import Recognizer
from emotone.runs import layout
from emotone.runs.folder import truth_and_scores

N_THREADS = 2  # only the decoder and the model release the interpreter lock
SETTINGS = "evaluation.json"
#: What a model adapts to, without labels, before it predicts.
Adapt = Literal["none", "source", "speaker", "both"]
_ADAPTED = {
    "none": "",
    "source": f", adapted to each corpus by {SOURCE_CLIPS} of its clips, unlabelled",
    "speaker": ", adapted to each speaker by all of the speaker's clips, unlabelled",
    "both": f", adapted to each corpus by {SOURCE_CLIPS} of its clips, and within it to each speaker by all of the "
    "speaker's clips, unlabelled",
}
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_Key = TypeVar("_Key")


def evaluate(
    bundle: str | Path,
    corpora: Sequence[str],
    data: Path,
    *,
    channel: str = "speech",
    labels: Mapping[str, str] | None = None,
    adapt: Adapt = "none",
    out: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Evaluate a bundle on corpora, over the emotions that both have; their scores are normalised to sum to 1.

    Arguments and errors are those of `emotone.evaluate`; with ``out``, the extra ``train`` is needed for the picture.

    Returns
    -------
    The result of `emotone.metrics.summary`, and ``protocol``, ``emotions`` (those that both have), ``unknown`` (each
    other emotion of the corpora -> number of its clips), ``rejected`` (paths and reasons), ``unsure`` (share of clips
    that the bundle calls unsure), ``warning``, a sentence or empty, and ``trust``: how often the model is right
    according to its card, on new speakers and on other corpora.
    """
    if adapt not in get_args(Adapt):
        raise ConfigError(f"adapt is {adapt!r}; expected {', '.join(get_args(Adapt))}")
    recognizer, folder = Recognizer(bundle), None if out is None else Path(out)
    if adapt != "none":
        recognizer.new_profile()  # raises ConfigError if the model can't
    settings = {"bundle": recognizer.card["sha256"], "corpora": list(corpora), "channel": channel}
    settings |= {"adapt": adapt} if adapt != "none" else {}
    settings |= {"labels": dict(labels)} if labels else {}
    if folder is not None:
        _claim(folder, settings)
    corpus = load(corpora, Path(data), channel=channel, labels=labels, classes=recognizer.emotions)
    warn_of(corpus.rejected, n_used=len(corpus), can_add=False)
    result, table = _evaluated(recognizer, corpus, adapt=adapt, progress=progress)
    if folder is not None:
        _write(folder, result, table, settings)
    return result


def _evaluated(
    recognizer: Recognizer, corpus: Corpus, *, adapt: Adapt, progress: Progress | None
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return the contents of ``metrics.json``, and the predictions."""
    corpus, shared, unknown = _shared_clips(recognizer, corpus)
    profiles = _profiles(recognizer, corpus, adapt=adapt, progress=part(progress, 0, 0.5))
    stage = progress if adapt == "none" else part(progress, 0.5, 1)
    table, rejected = _predictions(recognizer, corpus, shared, profiles=profiles, progress=stage)
    truth, scores = truth_and_scores(table, shared)
    result = {
        "protocol": _protocol(recognizer, corpus, adapt=adapt),
        **metrics.summary(truth, scores, emotions=shared, speakers=list(table["speaker"])),
        "emotions": list(shared),
        "unknown": unknown,
        "rejected": [{"path": clip.path, "reason": clip.reason} for clip in (*corpus.rejected, *rejected)],
        "left_out": count_groups((*corpus.rejected, *rejected)),
        "unsure": float(table["unsure"].mean()),
        "warning": _warning(recognizer, corpus),
        "trust": list(trust.of_card(recognizer.card).right),
    }
    return result, table


def _claim(out: Path, settings: Mapping[str, Any]) -> None:
    """Check, before any work, that the folder is free or holds this evaluation, and that pictures can be made."""

    def difference(path: Path) -> str:
        try:
            same = files.parse_json(files.read_regular(path)) == settings
        except (OSError, ValueError) as error:
            return f"contains an {SETTINGS} that can't be read ({error})"
        return "" if same else "contains another evaluation"

    files.claim_folder(out, marker=SETTINGS, kind="the same evaluation", difference=difference)
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError("the picture of an evaluation", extra="train")


def _shared_clips(recognizer: Recognizer, corpus: Corpus) -> tuple[Corpus, tuple[str, ...], dict[str, int]]:
    """Return the clips of the shared emotions, these emotions, and the number of clips of each other emotion."""
    shared = tuple(emotion for emotion in recognizer.emotions if emotion in corpus.emotions)
    if len(shared) < 2:
        raise CorpusError(
            f"{corpus.name} has {', '.join(corpus.emotions)}, and the bundle knows {', '.join(recognizer.emotions)}; "
            "expected at least two emotions that both have"
        )
    counts = corpus.table["emotion"].value_counts()
    unknown = {emotion: int(counts[emotion]) for emotion in corpus.emotions if emotion not in shared}
    return corpus.only(emotions=shared), shared, unknown


def _profiles(
    recognizer: Recognizer, corpus: Corpus, *, adapt: Adapt, progress: Progress
) -> dict[tuple[str, str], Profile]:
    """Return (corpus, speaker) -> the profile with which their clips are predicted; without it, they are plain."""
    clips = corpus.table
    pairs = list(dict.fromkeys(zip(clips["corpus"], clips["speaker"], strict=True)))
    share = {"none": 0.0, "source": 1.0, "speaker": 0.0, "both": 0.2}[adapt]
    sources: dict[str, SourceProfile] = {}
    if adapt in ("source", "both"):
        of_corpora = {name: clips[clips["corpus"] == name] for name, _ in pairs}
        sources = _adapted(
            {
                name: partial(recognizer.adapt_source, _sources(rows.iloc[_spread(len(rows), SOURCE_CLIPS)]))
                for name, rows in of_corpora.items()
            },
            progress=part(progress, 0, share),
            what="adapting to the corpora",
        )
    profiles: dict[tuple[str, str], Profile] = {pair: sources[pair[0]] for pair in pairs if pair[0] in sources}
    if adapt in ("speaker", "both"):
        of_speakers = {
            (name, speaker): clips[(clips["corpus"] == name) & (clips["speaker"] == speaker)]
            for name, speaker in pairs
            if speaker
        }
        profiles |= _adapted(
            {
                pair: partial(recognizer.adapt, _sources(rows), source=sources.get(pair[0]))
                for pair, rows in of_speakers.items()
            },
            progress=part(progress, share, 1),
            what="adapting to the speakers",
        )
    return profiles


def _spread(n: int, n_chosen: int) -> np.ndarray:
    """Return the places of up to ``n_chosen`` of n clips, spread evenly."""
    return np.unique(np.linspace(0, n - 1, num=min(n, n_chosen)).round().astype(int))


def _sources(clips: pd.DataFrame) -> Iterator[audio.AudioSource]:
    """Yield whole recordings as paths, and segments as samples; the prediction reports the error of a segment."""
    for clip in segments_of(clips):
        if clip.is_whole:
            yield clip.path
            continue
        with contextlib.suppress(EmotoneError):
            yield clip.read(), audio.SAMPLE_RATE


def _adapted(
    tasks: Mapping[_Key, Callable[[], AnyProfile]], *, progress: Progress, what: str
) -> dict[_Key, AnyProfile]:
    """Return the profiles that several tasks compute, without those none of whose clips can be read."""

    def run(task: Callable[[], AnyProfile]) -> AnyProfile | None:
        try:
            return task()
        except AudioError:
            return None

    profiles = {}
    for done, (key, profile) in enumerate(zip(tasks, _parallel(run, list(tasks.values())), strict=True), start=1):
        if profile is not None:
            profiles[key] = profile
        progress(done, len(tasks), what)
    return profiles


def _parallel(function: Callable[[_Item], _Result], items: Sequence[_Item]) -> Iterator[_Result]:
    """Yield the results in order; after an error, the remaining items are not computed."""
    with ThreadPoolExecutor(N_THREADS) as pool:
        try:
            yield from pool.map(function, items)
        finally:
            pool.shutdown(cancel_futures=True)


def _predictions(
    recognizer: Recognizer,
    corpus: Corpus,
    shared: Sequence[str],
    *,
    profiles: Mapping[tuple[str, str], Profile],
    progress: Progress | None,
) -> tuple[pd.DataFrame, list[Rejected]]:
    """Return a table of the clips that could be read, and a list of the others."""
    clips = corpus.table

    def predict(clip: tuple[Segment, tuple[str, str]]) -> Prediction | EmotoneError:
        (path, start_s, end_s, channel), voice = clip
        profile = profiles.get(voice)
        try:
            return recognizer.predict(path, start_s=start_s, end_s=end_s, channel=channel, profile=profile)
        except EmotoneError as error:
            return error

    rows: list[dict[str, Any]] = []
    rejected = []
    voices = zip(clips["corpus"], clips["speaker"], strict=True)
    segments = list(zip(segments_of(clips), voices, strict=True))
    for row, result in enumerate(_parallel(predict, segments)):
        if isinstance(result, EmotoneError):
            rejected.append(Rejected(str(clips["path"][row]), str(result), UNREADABLE))
        else:
            clip = {name: clips[name][row] for name in ("path", "corpus", "speaker", "emotion")}
            rows.append({"row": row, **clip, **_over(result, shared)})
        if progress is not None:
            progress(row + 1, len(segments), "evaluating")
    if not rows:
        raise CorpusError(f"none of {len(segments)} clips could be read; the first: {rejected[0].reason}")
    return pd.DataFrame(rows), rejected


def _over(prediction: Prediction, shared: Sequence[str]) -> dict[str, Any]:
    """Return a prediction with its scores normalised to sum to 1 over the shared emotions."""
    values = np.asarray([prediction.scores[emotion] for emotion in shared], dtype=np.float64)
    total = values.sum()
    values = values / total if total > 0 else np.full(values.size, 1 / values.size)
    best = int(values.argmax())
    return {
        "predicted": shared[best],
        "confidence": float(values[best]),
        "unsure": prediction.emotion is None,
        **{f"score_{emotion}": float(value) for emotion, value in zip(shared, values, strict=True)},
    }


def _trained_on(recognizer: Recognizer) -> set[str]:
    return {str(corpus.get("name", "")) for corpus in recognizer.card["training"].get("corpora", [])}


def _warning(recognizer: Recognizer, corpus: Corpus) -> str:
    known = sorted(_trained_on(recognizer) & set(corpus.table["corpus"]))
    if not known:
        return ""
    return f"WARNING: the bundle was trained on {', '.join(known)}: its score there says nothing about new recordings"


def _protocol(recognizer: Recognizer, corpus: Corpus, *, adapt: Adapt = "none") -> dict[str, Any]:
    """Describe the evaluation, with the keys of `emotone.protocols.Protocol.header`."""
    warning = _warning(recognizer, corpus)
    trained = ", ".join(sorted(_trained_on(recognizer))) or "corpora that its card does not name"
    words = f"bundle of {recognizer.card['model']}, trained on {trained}, tested on {corpus.name}"
    words += _ADAPTED[adapt]
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


def _write(out: Path, result: dict[str, Any], table: pd.DataFrame, settings: dict[str, Any]) -> None:
    from emotone.report.figures import confusion, vector

    files.write_json(out / SETTINGS, settings)
    files.write_table(out / layout.PREDICTIONS, table)
    picture = confusion.confusion_picture(result, protocol=result["protocol"], subset="test")
    vector.save_pair(picture, out / "figures" / "confusion_test.png")
    files.write_json(out / layout.METRICS, result)
