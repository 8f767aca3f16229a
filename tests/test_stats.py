"""Intervals cover what they claim to, comparisons find what is there and nothing else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from bench import stats

TRIALS = 300


def covered(draw, truth: float) -> float:
    """The share of trials whose interval holds the truth."""
    intervals = [draw(np.random.default_rng(trial)) for trial in range(TRIALS)]
    return float(np.mean([i.low <= truth <= i.high for i in intervals]))


def test_interval_of_an_accuracy_covers_the_truth_95_percent_of_the_time():
    share = covered(lambda rng: stats.mean_interval((rng.random(150) < 0.8).astype(float)), 0.8)
    assert 0.92 <= share <= 0.98


def people(rng: np.random.Generator, count: int = 25, each: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes that hang together within a person: true mean 0."""
    groups = np.repeat(np.arange(count), each)
    return rng.normal(size=count)[groups] + 0.5 * rng.normal(size=count * each), groups


def test_grouped_examples_need_the_grouped_bootstrap():
    assert 0.92 <= covered(lambda rng: stats.mean_interval(*people(rng)), 0) <= 0.98
    assert covered(lambda rng: stats.mean_interval(people(rng)[0]), 0) < 0.7  # what ignoring the people would claim


@pytest.mark.parametrize("of_seeds, of_examples", [(0.1, 0.3), (0.02, 1.0), (0.3, 0.1)])
def test_interval_over_seeds_covers_new_seeds_and_new_examples(of_seeds, of_examples):
    def draw(rng):
        noise = 0.3 * rng.normal(size=(3, 60))
        return stats.over_seeds(of_seeds * rng.normal(size=(3, 1)) + of_examples * rng.normal(size=60) + noise)

    assert 0.92 <= covered(draw, 0) <= 0.995


def test_interval_of_a_metric_that_is_no_mean_covers_the_truth():
    def draw(rng):
        x, y = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 200).T

        def correlation(w):
            w = w.astype(np.float64) / w.sum(1, keepdims=True)
            mx, my = w @ x, w @ y
            return ((w @ (x * y) - mx * my) / np.sqrt((w @ x**2 - mx**2) * (w @ y**2 - my**2)))[:, None]

        return stats.statistic_intervals(correlation, np.arange(200), samples=400)[0]

    assert 0.91 <= covered(draw, 0.6) <= 0.98


def test_mean_as_a_statistic_gives_the_same_interval_as_the_mean():
    values, groups = people(np.random.default_rng(0))
    as_mean = stats.mean_interval(values, groups)
    (as_statistic,) = stats.statistic_intervals(lambda w: (w @ values / w.sum(1))[:, None], groups)
    assert as_statistic.value == pytest.approx(as_mean.value)
    assert [as_statistic.low, as_statistic.high] == pytest.approx([as_mean.low, as_mean.high], abs=0.02)


def test_unknown_outcomes_are_left_out():
    with_gaps = np.array([1.0, np.nan, 0.0, 1.0, np.nan, 1.0])
    assert stats.mean_interval(with_gaps) == stats.mean_interval(with_gaps)
    assert stats.mean_interval(with_gaps).value == 0.75


def test_pseudo_values_of_a_mean_are_its_values_and_of_a_ratio_its_linearisation():
    rng = np.random.default_rng(0)
    x, y = rng.random(300) + 1, rng.random(300) + 2
    assert stats.pseudo_values(lambda w: (w @ x / w.sum(1))[:, None], 300)[:, 0] == pytest.approx(x, abs=1e-3)
    ratio = stats.pseudo_values(lambda w: ((w.astype(float) @ x) / (w.astype(float) @ y))[:, None], 300)[:, 0]
    value = x.sum() / y.sum()
    assert ratio.mean() == pytest.approx(value)
    assert ratio - value == pytest.approx((x - value * y) / y.mean(), abs=5e-3)


def test_comparison_agrees_with_the_paired_t_test():
    rng = np.random.default_rng(1)
    a = rng.normal(size=80)
    b = a - 0.25 + rng.normal(size=80)
    result = stats.compare(a[None], b[None])
    assert result.difference == pytest.approx(np.mean(a - b))
    assert result.p == pytest.approx(ttest_rel(a, b).pvalue, abs=0.01)
    assert (result.low > 0) == (result.p < 0.05)


@pytest.mark.parametrize("seeds", [1, 3])
def test_equal_methods_are_called_different_at_most_5_percent_of_the_time(seeds):
    def differs(trial: int) -> bool:
        rng = np.random.default_rng(trial)
        values, groups = people(rng)
        other = people(rng)[0]
        noise = 0.1 * (seeds > 1) * rng.normal(size=(2, seeds, 1))  # one seed cannot show how much seeds differ
        return stats.compare(values + noise[0], other + noise[1], groups).p < 0.05

    assert np.mean([differs(trial) for trial in range(200)]) <= 0.085  # 0.05 + 2.3 standard errors


def test_a_consistent_difference_is_found_over_seeds():
    rng = np.random.default_rng(0)
    shared = rng.random(200)
    a, b = (shared + shift + 0.1 * rng.normal(size=(3, 200)) for shift in (0.1, 0.0))
    result = stats.compare(a, b)
    assert result.p < 0.01 and result.low > 0


@given(st.integers(0, 1000), st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_comparison_is_antisymmetric(seed, seeds):
    a, b = np.random.default_rng(seed).normal(size=(2, seeds, 30))
    ab, ba = stats.compare(a, b), stats.compare(b, a)
    assert ab.difference == pytest.approx(-ba.difference)
    assert ab.p == pytest.approx(ba.p)
    assert ab.p > 1e-9 and stats.compare(a, a).p == 1


def test_holm_by_hand():
    assert stats.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert stats.holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])


def test_evaluations_are_aligned_by_example():
    first = {"example": np.array([3, 1, 2]), "main": np.array([0.3, 0.1, 0.2]), "group": np.array([30, 10, 20])}
    second = {"example": np.array([2, 5, 3]), "main": np.array([2.0, 5.0, 3.0]), "group": np.array([20, 50, 30])}
    values, groups = stats.align([first, second])
    assert values.tolist() == [[0.2, 0.3], [2.0, 3.0]]
    assert groups.tolist() == [20, 30]
