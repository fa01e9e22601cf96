"""What `predict` says after many files: how often each label was predicted, what failed, and how fast it was."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from emotone.cli.answers import Answer
from emotone.formatting import duration_text
from emotone.recognition.prediction import NO_SPEECH, UNSURE, Prediction

#: Number of files from which there is a summary.
MANY = 8


class Summary:
    """Count the answers of a command that starts now.

    Parameters
    ----------
    emotions
        In the order of the model, in which equally frequent ones are listed.
    """

    def __init__(self, emotions: Sequence[str]) -> None:
        self._started_s = time.monotonic()
        self._counts: Counter[str] = Counter(dict.fromkeys(emotions, 0))
        self._special: Counter[str] = Counter()
        self._sound_s = 0.0

    def counted(self, answers: Iterable[Answer[Prediction]]) -> Iterator[Answer[Prediction]]:
        """Yield the same answers, and count them."""
        for answer in answers:
            if answer.result is None:
                self._special["failed"] += 1
            else:
                label = answer.result.label
                (self._special if label in (UNSURE, NO_SPEECH) else self._counts)[label] += 1
                self._sound_s += answer.result.end_s - answer.result.start_s
            yield answer

    def text(self) -> str:
        """Return the summary in a line; empty for fewer than `MANY` files."""
        n_files = self._counts.total() + self._special.total()
        if n_files < MANY:
            return ""
        passed_s = max(time.monotonic() - self._started_s, 1e-3)
        labels = [f"{count} {label}" for label, count in self._counts.most_common() if count]
        labels += [f"{self._special[label]} {label}" for label in (UNSURE, NO_SPEECH, "failed") if self._special[label]]
        sound, speed = duration_text(self._sound_s), f"{self._sound_s / passed_s:,.0f} s of sound a second"
        return f"{n_files:,} files: {', '.join(labels)}; {sound} of sound in {duration_text(passed_s)} ({speed})"
