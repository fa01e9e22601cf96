"""Names of scores: the key in JSON files, the title that people read, and how the value is written."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ScoreName:
    """How a score is called and written."""

    key: str  # in metrics.json, comparison.json and the model card
    title: str  # at the start of a sentence or row
    short: str  # in a narrow header or inside a sentence
    is_percent: bool = True  # whether people read the share as a percentage
    digits: int = 1  # after the decimal point

    def text(self, value: float) -> str:
        """Return a value as text, without its unit.

        Examples
        --------
        >>> NAMES["uar"].text(0.6731), NAMES["aurc"].text(0.12345)
        ('67.3', '0.123')
        """
        return f"{(100 if self.is_percent else 1) * value:.{self.digits}f}"


_NAMES = (
    ScoreName("uar", "UAR", "UAR"),
    ScoreName("accuracy", "Accuracy", "accuracy"),
    ScoreName("macro_f1", "Macro F1", "macro F1"),
    ScoreName("ece", "Calibration error", "ECE"),
    ScoreName("aurc", "Area under the risk-coverage curve", "AURC", is_percent=False, digits=3),
    ScoreName("e_aurc", "Excess area under the risk-coverage curve", "E-AURC", is_percent=False, digits=3),
)
#: Key -> name of every score that a run writes.
NAMES = {name.key: name for name in _NAMES}
#: Key -> title of the scores that have a confidence interval, the most important first.
SCORES = {name.key: name.title for name in _NAMES[:3]}
