"""The table of score names covers what a run writes, and no one else lists names."""

from emotone import metrics
from support.results import result


def test_every_score_of_a_run_has_a_name_and_an_interval_if_it_is_listed_first():
    summary = result([[8, 2], [5, 5]])
    shares = {key for key, value in summary.items() if isinstance(value, float)}
    assert shares <= set(metrics.NAMES)
    assert list(metrics.SCORES) == ["uar", "accuracy", "macro_f1"] and set(metrics.SCORES) == set(summary["intervals"])
    assert all(name.key == key for key, name in metrics.NAMES.items())


def test_a_score_is_written_with_its_digits_and_as_a_percentage_if_it_is_one():
    written = {key: name.text(0.12345) for key, name in metrics.NAMES.items()}
    assert written["uar"] == written["ece"] == "12.3" and written["e_aurc"] == "0.123"
