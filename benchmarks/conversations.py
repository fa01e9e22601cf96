"""Measure who speaks when, and with which emotion, in conversations composed from voices that no model was trained on.

    python benchmarks/conversations.py --data DIR [--out runs/conversations]
    python benchmarks/conversations.py --data DIR --only speakers             # who speaks when, without emotion models
    python benchmarks/conversations.py --data DIR --development --number 12   # the same on EMO-DB and ASED

Conversations are composed of the clips of RAVDESS, nEMO, SAVEE and TESS (`conversation_sounds.compose`).  The emotion
model of each corpus was trained without it: a recogniser of a single network, trained on at most 900 clips of RAVDESS
and 600 of each other corpus.  The projection of voices is fitted without the corpus as well.  With --page, the tables
go between the marks of that page.

Constants are chosen on the development conversations alone.  Embedding them takes some minutes, once; measuring a
version of the clustering then takes a minute.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from conversation_sounds import RATE, Conversation, Voices, compose
from results import _write
from speaker_figures import (
    SpeakerFigures,
    at,
    conversations,
    embedded,
    error_rate,
    grid,
    speaker_figures,
    speaker_table,
    wrong_voice,
)

from emotone import corpora, experiment, files
from emotone.cli.console import ProgressBar
from emotone.recognition import pieces, rttm
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.timeline import Timeline
from emotone.recognition.voices import Projection

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from make_voice_projection import embedded as embedded_clips
from make_voice_projection import projection_without  # noqa: E402

CORPORA = ("ravdess", "nemo", "savee", "tess")
#: Corpora that constants are chosen on.
DEVELOPMENT = ("emodb", "ased")
EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
#: Corpora that the models are trained on, less the one that is left out, and the most clips of each.
TRAINED_ON, MOST_CLIPS = ("ravdess", "tess", "nemo", "emodb"), {"ravdess": 900}
BEGIN, END = "<!-- made by benchmarks/conversations.py: begin -->", "<!-- made by benchmarks/conversations.py: end -->"
#: What a channel of a call has of the other one.
CROSSTALK = np.float32(10 ** (-20 / 20))


def model_without(corpus: str, *, data: Path, out: Path) -> str:
    """Return the bundle of a recogniser that was not trained on a corpus; it is trained if it is not there."""
    folder = out / f"without-{corpus}"
    if not (folder / "run" / "model").is_dir():
        _train(corpus, data, folder)
    return str(folder / "run" / "model")


def projection_for(corpus: str, *, data: Path, out: Path) -> Projection:
    """Return the projection of voices that is fitted without a corpus; those of all corpora are kept."""
    folder = out / "projections"
    if not (folder / f"{corpus}.npz").exists():
        clips = embedded_clips(data)
        for name in CORPORA + DEVELOPMENT:
            with files.replacing(folder / f"{name}.npz") as path:
                projection_without(clips, name).save(path)
    with np.load(folder / f"{corpus}.npz", allow_pickle=False) as stored:
        return Projection(stored["matrix"].astype(np.float64), stored["between"].astype(np.float64))


def _train(corpus: str, data: Path, folder: Path) -> None:
    tables = [corpora.load(name, data).table for name in TRAINED_ON if name != corpus]
    tables = [table[table["emotion"].isin(EMOTIONS)] for table in tables]
    drawn = [
        table.sample(min(len(table), MOST_CLIPS.get(table["corpus"].iloc[0], 600)), random_state=0) for table in tables
    ]
    clips = pd.concat(drawn, ignore_index=True).rename(columns={"path": "file"}).drop(columns=["start_s", "end_s"])
    clips["file"] = clips["file"].map(lambda path: str(Path(path).resolve()))
    folder.mkdir(parents=True, exist_ok=True)
    clips.to_csv(folder / "clips.csv", index=False)
    settings = experiment.Config(
        corpora=(str(folder / "clips.csv"),),
        data=folder,
        out=folder / "run",
        model="adaptive",
        protocol="random-70-15-15",
        emotions=tuple(name for name in EMOTIONS if name in set(clips["emotion"])),
        networks=1,
        augment=("speed",),
    )
    with ProgressBar(quiet=False) as progress:
        experiment.run(settings, progress=progress)


@dataclass(frozen=True)
class Measured:
    """What one conversation shows.

    Attributes
    ----------
    n_voices, share
        Number of voices, and the probability of neutral clips, None for emotions that are equally frequent.
    wrong
        Share of speech that is given to the wrong voice, the number of voices given.
    n_found, error_rate
        Number of voices that were found, and the diarisation error rate, the number not given.
    uar
        Way of adaptation -> UAR by time.
    """

    corpus: str
    n_voices: int
    neutral: float | None
    wrong: float
    n_found: int
    error_rate: float
    uar: dict[str, float]


def uar(conversation: Conversation, timeline: Timeline) -> float:
    """Return the mean recall of the emotions, by time, in percent; where nothing is predicted, it is wrong."""
    times, _, emotion = grid(conversation)
    predicted = at(timeline.segments, times, lambda segment: segment.ranking[0])
    return 100 * float(np.mean([np.mean(predicted[emotion == name] == name) for name in np.unique(emotion)]))


def measured(recognizer: Recognizer, corpus: str, conversation: Conversation, neutral: float | None) -> Measured:
    """Measure a conversation."""
    sound = (conversation.samples, RATE)
    n_voices = len(conversation.voices)
    turns = rttm.parse(conversation.rttm())
    plain = recognizer.timeline(sound)
    automatic = recognizer.timeline(sound, speakers="auto", adapt=True)
    known = (
        automatic if len(automatic.speakers) == n_voices else recognizer.timeline(sound, speakers=n_voices, adapt=True)
    )
    timelines = {
        "none": plain,
        "one": recognizer.timeline(sound, speakers="one", adapt=True),
        "found": automatic,
        "number given": known,
        "true": recognizer.timeline(sound, speakers=turns, adapt=True),
    }
    return Measured(
        corpus,
        n_voices,
        neutral,
        wrong_voice(conversation, known.segments),
        len(automatic.speakers),
        error_rate(conversation, automatic.segments),
        {name: uar(conversation, timeline) for name, timeline in timelines.items()},
    )


def stereo(recognizer: Recognizer, data: Path, corpus: str, n_calls: int) -> list[float]:
    """Return the share of speech, in percent, that is given to the right person in calls with a channel for each.

    Each channel picks up the other one at -20 dB.
    """
    voices, shares = Voices(corpus, data, EMOTIONS), []
    for number in range(n_calls):
        rng = np.random.default_rng([99, number, *corpus.encode()])
        names = [str(name) for name in rng.choice(voices.names, 2, replace=False)]
        call = compose(voices, names, rng, duration_s=60.0, as_channels=True)
        sound = call.samples + CROSSTALK * call.samples[:, ::-1]
        timeline = recognizer.timeline((sound, RATE), speakers="channels")
        times, voice, _ = grid(call)
        named = at(timeline.segments, times, lambda segment: segment.speaker or "")
        expected = np.where(voice == names[0], "left", "right")
        shares.append(100 * float(np.mean(named[named != ""] == expected[named != ""])))
    return shares


def cost(data: Path) -> float:
    """Return the processing time with speakers found, beside that without: median of three pairs."""
    voices, recognizer = Voices("ravdess", data, EMOTIONS), Recognizer()
    sound = (compose(voices, voices.names[:2], np.random.default_rng(3), duration_s=300.0).samples, RATE)
    ratios = []
    for _ in range(3):
        seconds = []
        for speakers in (None, "auto"):
            begin = time.process_time()
            recognizer.timeline(sound, speakers=speakers, adapt=True)
            seconds.append(time.process_time() - begin)
        ratios.append(seconds[1] / seconds[0])
    return float(np.median(ratios))


def tables(rows: list[Measured], right: dict[str, list[float]], ratio: float) -> str:
    """Return the tables of docs/results.md."""
    names = [name for name in CORPORA if any(row.corpus == name for row in rows)]

    def mean(value: Callable[[Measured], float], *n_voices: int) -> float:
        """Return the mean over corpora of the means over their conversations."""
        chosen = [[value(row) for row in rows if row.corpus == name and row.n_voices in n_voices] for name in names]
        return float(np.mean([np.mean(values) for values in chosen if values]))

    def gains(way: str, is_even: bool) -> list[float]:
        return [
            float(np.mean([row.uar[way] - row.uar["none"] for row in rows if _is(row, name, is_even)]))
            for name in names
        ]

    calls = [float(np.mean(shares)) for shares in right.values()]
    even, neutral = gains("found", True), gains("found", False)
    counted = [100 * mean(lambda row: row.n_found == row.n_voices, *n) for n in ((1,), (2,), (3, 4))]
    lines = [
        f"{len(rows)} conversations of {', '.join(names)}, three minutes each.",
        "",
        "| composed conversations, voices never trained on | required | hoped for | measured |",
        "|---|---|---|---|",
        "| speech given to the wrong voice, number given: 2 voices; 4 voices | 6; 12 % | 3; 7 % | "
        f"{mean(lambda row: row.wrong, 2):.1f}; {mean(lambda row: row.wrong, 4):.1f} % |",
        "| diarisation error rate (collar 0.25 s, without overlap), number not given: 2; 4 | 15; 25 % | 8; 15 % | "
        f"{mean(lambda row: row.error_rate, 2):.1f}; {mean(lambda row: row.error_rate, 4):.1f} % |",
        "| number of voices right: 1; 2; 3 or 4 | 95; 85; 60 % | 99; 95; 80 % | "
        f"{counted[0]:.0f}; {counted[1]:.0f}; {counted[2]:.0f} % |",
        "| UAR by time over no adaptation, number not given: even; 70 % neutral | +8; +6, no corpus below | +13; +12 | "
        f"{np.mean(even):+.1f} (worst {min(even):+.1f}); {np.mean(neutral):+.1f} (worst {min(neutral):+.1f}) |",
        f"| cost beside the timeline without speakers | 1.4 | 1.2 | {ratio:.2f} |",
        "| call with a channel for each, crosstalk at -20 dB: speech given to the right person | 99 % | | "
        f"{np.mean(calls):.1f} % (worst {min(calls):.1f}) |",
        "",
        "UAR by time, in percent, mean over conversations of one to four voices (even; 70 % neutral):",
        "",
        "| corpus left out | no adaptation | recording as one voice | voices found | number given | true turns |",
        "|---|---|---|---|---|---|",
    ]
    for name in names:
        cells = []
        for way in ("none", "one", "found", "number given", "true"):
            means = [np.mean([row.uar[way] for row in rows if _is(row, name, is_even)]) for is_even in (True, False)]
            cells.append(f"{means[0]:.1f}; {means[1]:.1f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _is(row: Measured, corpus: str, is_even: bool) -> bool:
    return row.corpus == corpus and (row.neutral is None) == is_even


def main() -> None:
    """Train, measure, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds the corpora")
    parser.add_argument("--out", type=Path, default=Path("runs/conversations"), help="where models are kept")
    parser.add_argument(
        "--number", type=int, default=2, help="conversations of each corpus, number of voices and share"
    )
    parser.add_argument("--corpora", default=",".join(CORPORA), help="corpora, with commas")
    parser.add_argument("--page", type=Path, help="write the tables into this page, docs/results.md")
    parser.add_argument("--only", choices=["speakers"], help="measure who speaks when, without emotion models")
    parser.add_argument(
        "--development", action="store_true", help="as --only speakers, on the corpora that choices are made on"
    )
    parser.add_argument("--cache", type=Path, help="where embedded conversations are kept; in OUT by default")
    chosen = parser.parse_args()
    if chosen.development or chosen.only:
        names = DEVELOPMENT if chosen.development else tuple(chosen.corpora.split(","))
        cache = chosen.cache or chosen.out / "embedded"
        print(speaker_table(speakers(names, data=chosen.data, out=chosen.out, cache=cache, n_each=chosen.number)))
    else:
        _measure_all(chosen)


def speakers(names: Sequence[str], *, data: Path, out: Path, cache: Path, n_each: int) -> list[SpeakerFigures]:
    """Measure who speaks when in conversations of these corpora, without emotion models."""
    rows = []
    for corpus in names:
        directions = projection_for(corpus, data=data, out=out)
        for name, _, composed in conversations(data, corpus, n_each, EMOTIONS):
            rows.append(speaker_figures(embedded(name, composed, cache=cache), corpus, directions))
    return rows


def _measure_all(chosen: argparse.Namespace) -> None:
    rows, right = [], {}
    for corpus in chosen.corpora.split(","):
        bundle = model_without(corpus, data=chosen.data, out=chosen.out)
        directions = projection_for(corpus, data=chosen.data, out=chosen.out)
        pieces.projection = lambda directions=directions: directions
        voices, recognizer = Voices(corpus, chosen.data, EMOTIONS), Recognizer(bundle)
        emotions = [name for name in recognizer.emotions if name in voices.emotions_of_voices]
        recognizer = Recognizer(bundle, threshold=0.0, emotions=emotions)
        file = chosen.out / "measured" / f"{corpus}.json"
        if not file.exists():
            made = []
            for _, neutral, composed in conversations(chosen.data, corpus, chosen.number, EMOTIONS):
                made.append(asdict(measured(recognizer, corpus, composed(), neutral)))
                print(made[-1], flush=True)
            files.write_json(file, made)
        rows += [Measured(**row) for row in files.read_json(file)]
        right[corpus] = stereo(recognizer, chosen.data, corpus, chosen.number)
    text = tables(rows, right, cost(chosen.data))
    print(text)
    if chosen.page is not None:
        _write(chosen.page, text.splitlines(), begin=BEGIN, end=END)


if __name__ == "__main__":
    main()
