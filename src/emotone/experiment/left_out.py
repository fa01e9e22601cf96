"""The answers of a model to the clips of a corpus that it was not trained on."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotone import files, metrics
from emotone.experiment.analyses import adaptation
from emotone.experiment.fold_result import Scores
from emotone.experiment.training_set import Rows
from emotone.recognition.temperature import Temperature

#: Levels of adaptation that are scored: clips of the speaker.
LEVELS = ("5", adaptation.ALL)
#: Level at which this number of clips of a single emotion of the speaker is known, each emotion in turn.
ONE_EMOTION, N_OF_ONE_EMOTION = "one emotion", 12
_ARRAYS = ("labels", "speakers", "distance", "plain")


@dataclass(frozen=True, eq=False)
class LeftOut:
    """The answers to a corpus by a model of the others.

    Attributes
    ----------
    corpus
        Its name.
    labels
        (r,) numbers of the emotions of its clips.
    speakers
        (r,) their speakers.
    distance
        (r,) of their embeddings from the training clips.
    plain
        (r, k) probabilities of unknown speakers, not calibrated.
    adapted
        Level -> probabilities (draws, r, k), not calibrated.  At `ONE_EMOTION`, the clips that are known have NaN.
    """

    corpus: str
    labels: Rows
    speakers: NDArray[np.str_]
    distance: NDArray[np.float64]
    plain: Scores
    adapted: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def calibrated(self, temperature: Temperature, level: str = "") -> NDArray[np.float64]:
        """Return calibrated probabilities of all emotions: (r, k), or those of a level, (draws, r, k)."""
        scores = self.adapted[level] if level else self.plain
        share = _SHARES[level]
        divisor = temperature.at(self.distance, share=share)[:, None]
        return metrics.softmax(np.log(np.maximum(scores, 1e-12)) / divisor)

    def shared(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the columns (..., s) of the emotions that the corpus has too, with the sum 1."""
        chosen = scores[..., np.unique(self.labels)]
        return np.asarray(chosen / chosen.sum(axis=-1, keepdims=True))

    @property
    def truth(self) -> Rows:
        """(r,) the emotions, as columns of `shared`."""
        return np.unique(self.labels, return_inverse=True)[1]

    def uar(self, level: str = "") -> float:
        """Return the UAR over the shared emotions; after adaptation the mean over the draws."""
        scores = self.shared(self.adapted[level] if level else self.plain[None])
        values = []
        for draw in scores:
            known = np.isfinite(draw).all(axis=1)
            values.append(metrics.unweighted_average_recall(self.truth[known], draw[known].argmax(axis=1)))
        return float(np.mean(values))

    def save(self, path: Path) -> None:
        """Write the answers, atomically."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        files.write_arrays(path, arrays | {f"adapted-{level}": scores for level, scores in self.adapted.items()})

    @classmethod
    def load(cls, corpus: str, path: Path) -> "LeftOut | None":
        """Read what `save` wrote; None if the file is missing or damaged."""
        try:
            with np.load(path, allow_pickle=False) as content:
                arrays = {name: content[name] for name in content.files}
            levels = {name: arrays.pop(f"adapted-{name}") for name in (*LEVELS, ONE_EMOTION)}
            return cls(corpus, **arrays, adapted=levels)
        except Exception:  # a damaged archive raises errors of many kinds; the corpus is predicted again
            return None


#: Share of the adapted head at each level.
_SHARES = {
    "": 0.0,
    LEVELS[0]: 5 / (5 + adaptation.PRIOR_ANSWERS),
    adaptation.ALL: 1.0,
    ONE_EMOTION: N_OF_ONE_EMOTION / (N_OF_ONE_EMOTION + adaptation.PRIOR_ANSWERS),
}


def of_clips(name: str, clips: adaptation.EmbeddedClips, table: pd.DataFrame, *, labels: Rows, seed: int) -> LeftOut:
    """Return the answers of a model to the clips of a corpus that it was not trained on.

    Parameters
    ----------
    table
        A row for each clip, with the columns emotion, speaker and corpus.
    labels
        (r,) emotions of the clips, as numbers of the model's emotions.
    """
    speakers = table["speaker"].to_numpy(str)
    steps = adaptation.steps_by_level(table, rng=np.random.default_rng([seed, len(table)]))
    levels = {level: np.array([clips.after(draw) for draw in steps[level]]) for level in LEVELS}
    levels[ONE_EMOTION] = _of_one_emotion(clips, speakers, labels, seed=seed)
    return LeftOut(
        name,
        labels=labels,
        speakers=speakers,
        distance=clips.adapter.distance(clips.embedding),
        plain=clips.after([]),
        adapted=levels,
    )


def _of_one_emotion(
    clips: adaptation.EmbeddedClips, speakers: NDArray[np.str_], labels: Rows, *, seed: int
) -> NDArray[np.float64]:
    """Return the scores (emotions, r, k) after adaptation to clips of one emotion of each speaker, NaN for these.

    At most half of a speaker's clips of the emotion are known, so that some are left to predict.
    """
    rng, draws = np.random.default_rng(seed), []
    for label in np.unique(labels):
        steps, known = [], []
        for speaker in np.unique(speakers[speakers != ""]):
            own = np.flatnonzero(speakers == speaker)
            same = rng.permutation(own[labels[own] == label])
            drawn = same[: min(N_OF_ONE_EMOTION, max(1, len(same) // 2))]
            rest = np.setdiff1d(own, drawn)
            if drawn.size and rest.size:
                steps.append(adaptation.Step(rest, speaker=drawn))
                known.append(drawn)
        scores = clips.after(steps)
        if known:
            scores[np.concatenate(known)] = np.nan
        draws.append(scores)
    return np.array(draws)
