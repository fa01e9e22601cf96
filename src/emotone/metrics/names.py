"""How a score is called and written; the table of all scores is in `emotone.metrics.scores`."""

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
        >>> ScoreName("uar", "UAR", "UAR").text(0.6731)
        '67.3'
        """
        return f"{(100 if self.is_percent else 1) * value:.{self.digits}f}"
