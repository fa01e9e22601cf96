"""Pairs of times."""

from emotone.benchmark.timing import Comparison, compare


def test_each_pair_is_of_the_same_item_and_the_first_of_a_pair_alternates():
    calls = []
    compared = compare(lambda item: calls.append("a" + item), lambda item: calls.append("b" + item), "xy", pairs=4)
    assert calls[:2] == ["ax", "bx"]  # not timed: the first call has extra costs
    assert calls[2:] == ["ax", "bx", "by", "ay", "bx", "ax", "ay", "by"]
    assert compared.pairs == 4


def test_the_ratio_is_the_median_of_the_pairs_and_not_the_ratio_of_the_medians():
    compared = Comparison.of([1.0, 1.0, 4.0], [2.0, 3.0, 40.0])
    assert compared.ratio == 3.0 and compared.ours_ms == 1000.0 and compared.theirs_ms == 3000.0
    assert (compared.ratio_low, compared.ratio_high) == (2.5, 6.5)
