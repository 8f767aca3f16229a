"""Uncertainty: bootstrap intervals over test examples and seeds, and paired comparisons of methods.

Examples that hang together (photographs of one person, say) carry the same group number; every resampling here draws
whole groups, so that the intervals do not pretend to more independent evidence than there is. Values are float64 arrays
over test examples, NaN where an example has no outcome.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

SAMPLES = 1000  # bootstrap replicates
LEVEL = 0.95
FLIPS = 10_000  # random sign patterns of the permutation test
KEPT = 1000  # groups: sign patterns of more are drawn anew for every comparison, to bound memory (80 MB)
CHUNK = 64  # replicates handed to a statistic at a time: bounds its memory


@dataclass(frozen=True)
class Interval:
    """An estimate and its two-sided 95 % confidence limits."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Method a minus method b on the same examples. `p`: two-sided, of the hypothesis that they are equally good."""

    difference: float
    low: float
    high: float
    p: float
    n: int


# ------------------------------------------------------------------------------------------------------ one evaluation


def resample(groups: np.ndarray, rng: np.random.Generator, samples: int = SAMPLES) -> np.ndarray:
    """(samples, n) float32: how often each example stands in each bootstrap replicate, drawn by whole groups.

    `groups`: (n,) group numbers; all different means the ordinary bootstrap.
    """
    _, member = np.unique(groups, return_inverse=True)
    count = int(member.max()) + 1
    drawn = rng.integers(0, count, (samples, count)) + count * np.arange(samples)[:, None]
    times = np.bincount(drawn.ravel(), minlength=samples * count).reshape(samples, count)
    return times.astype(np.float32)[:, member]


def mean_interval(values: np.ndarray, groups: np.ndarray | None = None, seed: int = 0) -> Interval:
    """Mean of `values` (n,) with its bootstrap percentile interval; NaN values are left out."""
    return mean_intervals(np.asarray(values, dtype=np.float64)[:, None], groups, seed)[0]


def mean_intervals(values: np.ndarray, groups: np.ndarray | None = None, seed: int = 0) -> list[Interval]:
    """The interval of every column's mean, `values` (n, k): all from the same replicates. NaN values are left out."""
    known = np.isfinite(values)
    _, member = np.unique(np.arange(len(values)) if groups is None else groups, return_inverse=True)
    filled = np.where(known, values, 0.0)
    sums = np.stack([np.bincount(member, weights=column) for column in filled.T], axis=1)
    counts = np.stack([np.bincount(member, weights=column) for column in known.T], axis=1)
    weights = _replicates(len(sums), seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        replicates = (weights @ sums) / (weights @ counts)
        estimates = sums.sum(0) / counts.sum(0)
    quantile = np.quantile if np.isfinite(replicates).all() else np.nanquantile  # the plain one is much faster
    limits = quantile(replicates, _tails(len(sums)), axis=0)
    return [Interval(float(v), float(lo), float(hi)) for v, lo, hi in zip(estimates, *limits, strict=True)]


@lru_cache(maxsize=2)
def _replicates(count: int, seed: int) -> np.ndarray:
    """(SAMPLES, count) bootstrap weights of `count` groups: drawn once for the many comparisons on one test set."""
    return resample(np.arange(count), np.random.default_rng(seed)).astype(np.float64)


Statistic = Callable[[np.ndarray], np.ndarray]
"""Metrics as a function of example weights, (B, n) float32 -> (B, M): all weights one give the plain values."""


Bounds = tuple[float | np.ndarray, float | np.ndarray]
ANYTHING: Bounds = (-np.inf, np.inf)
RATE: Bounds = (0.0, 1.0)


def statistic_intervals(
    statistic: Statistic, groups: np.ndarray, seed: int = 0, samples: int = SAMPLES, bounds: Bounds = ANYTHING
) -> list[Interval]:
    """The values of M metrics that are no means, with their bootstrap intervals by recomputation.

    Resampling with replacement biases many such metrics (repeated examples look like agreement: mutual information
    rises), so the replicates are centred on the value before their quantiles are read. `bounds` are the smallest and
    the largest value a metric can have.
    """
    values = statistic(np.ones((1, len(groups)), dtype=np.float32))[0]
    weights = resample(groups, np.random.default_rng(seed), samples)
    replicates = np.concatenate([statistic(weights[i : i + CHUNK]) for i in range(0, samples, CHUNK)])
    limits = np.nanquantile(replicates, _tails(len(np.unique(groups))), axis=0)
    limits = np.clip(limits + values - np.nanmean(replicates, axis=0), *bounds)
    return [Interval(float(v), float(lo), float(hi)) for v, lo, hi in zip(values, *limits, strict=True)]


def pseudo_values(statistic: Statistic, n: int) -> np.ndarray:
    """(n, M) each example's share of M metrics that are no means: their mean is the metric's plain value.

    Jackknife pseudo-values, value + (n - 1) * (mean of the leave-one-outs - leave-one-out): what the metric is, to
    first order, a mean of. They let such metrics take part in paired comparisons like any other.
    """
    left_out = []
    for start in range(0, n, CHUNK):
        rows = np.arange(start, min(start + CHUNK, n))
        weights = np.ones((len(rows), n), dtype=np.float32)
        weights[np.arange(len(rows)), rows] = 0
        left_out.append(statistic(weights))
    without = np.concatenate(left_out)
    return statistic(np.ones((1, n), dtype=np.float32)) + (n - 1) * (without.mean(0) - without)


@lru_cache
def _tails(groups: int) -> tuple[float, float]:
    """The two quantiles to read off the replicates, widened for few groups.

    Plain percentile intervals are too narrow by sqrt(n/(n-1)) and ignore that the spread is itself estimated: the
    "expanded percentile" correction (Hesterberg 2015, What teachers should know about the bootstrap, section 5.3).
    """
    from scipy.stats import norm, t

    if groups < 2:
        return 0.0, 1.0
    tail = float(norm.cdf(np.sqrt(groups / (groups - 1)) * t.ppf((1 - LEVEL) / 2, groups - 1)))
    return tail, 1 - tail


# ------------------------------------------------------------------------------------------- several seeds and methods


def align(outcomes: Sequence[Mapping[str, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """The main outcomes of several evaluations on the examples all of them have: values (S, n) and groups (n,)."""
    examples = outcomes[0]["example"]
    if all(np.array_equal(each["example"], examples) for each in outcomes):  # as a rule: no sorting then
        return np.array([each["main"] for each in outcomes]), outcomes[-1]["group"]
    for other in outcomes[1:]:
        examples = np.intersect1d(examples, other["example"])
    values, groups = [], np.empty(0)
    for each in outcomes:
        order = np.argsort(each["example"])
        found = order[np.searchsorted(each["example"], examples, sorter=order)]
        values.append(each["main"][found])
        groups = each["group"][found]
    return np.array(values), groups


def over_seeds(values: np.ndarray, groups: np.ndarray | None = None, seed: int = 0) -> Interval:
    """Mean over S seeds of the same n examples, `values` (S, n), with an interval for new examples *and* new seeds.

    The bootstrap limits over examples (of the seed averages) and Student's limits over the seeds' means are combined by
    adding the squares of their distances from the mean (MOVER: Zou & Donner 2008). Three seeds are too few to resample:
    a bootstrap over them would be much too narrow. One seed: the interval over examples alone.
    """
    examples = mean_interval(values.mean(0), groups, seed)
    if len(values) < 2:
        return examples
    reach = _student(len(values) - 1) * _standard_error(values.mean(1))
    below = np.hypot(examples.value - examples.low, reach)
    above = np.hypot(examples.high - examples.value, reach)
    return Interval(examples.value, float(examples.value - below), float(examples.value + above))


def combine_seeds(intervals: Sequence[Interval]) -> Interval:
    """Mean over seeds from each seed's value and interval over the same examples, where outcomes are not at hand.

    As `over_seeds`, but the part of the examples is the seeds' mean, a little wide: averaging over seeds is ignored.
    """
    count = len(intervals)  # a handful, and of these there are many: plain floats are ten times faster than arrays
    mean = sum(i.value for i in intervals) / count
    spread = math.fsum((i.value - mean) ** 2 for i in intervals)
    reach = _student(count - 1) * math.sqrt(spread / (count - 1) / count) if count > 1 else 0.0
    below = math.hypot(sum(i.value - i.low for i in intervals) / count, reach)
    above = math.hypot(sum(i.high - i.value for i in intervals) / count, reach)
    return Interval(float(mean), float(mean - below), float(mean + above))


def compare(a: np.ndarray, b: np.ndarray, groups: np.ndarray | None = None, seed: int = 0) -> Comparison:
    """Is method a better than b on the same examples? `a` and `b`: (S, n) outcomes, row s of both from the same seed.

    One seed: a sign-flip permutation test over groups of examples (exact but for the number of flips). Several: the
    level at which the interval of `over_seeds`, both parts taken as Student's, would just touch zero.
    """
    differences = np.atleast_2d(a) - np.atleast_2d(b)
    interval = over_seeds(differences, groups, seed)
    _, member = np.unique(np.arange(differences.shape[1]) if groups is None else groups, return_inverse=True)
    sums = np.bincount(member, weights=differences.mean(0))
    if len(differences) == 1:
        p = _sign_flip(sums, seed)
    else:
        p = _touching_level(sums - differences.mean() * np.bincount(member), differences)
    return Comparison(interval.value, interval.low, interval.high, p, differences.shape[1])


def _sign_flip(sums: np.ndarray, seed: int) -> float:
    """Two-sided p of the groups' summed differences: of equal methods, each could as well have the other sign."""
    observed = abs(sums.sum()) * (1 - 1e-9)
    patterns = _kept_signs(len(sums), seed) if len(sums) <= KEPT else _signs(len(sums), seed)
    reached = sum(int((np.abs(signs @ sums) >= observed).sum()) for signs in patterns)
    return (reached + 1) / (FLIPS + 1)


def _signs(count: int, seed: int) -> Iterator[np.ndarray]:
    """`FLIPS` random patterns of `count` signs, (1000, count) at a time."""
    rng = np.random.default_rng(seed)
    for _ in range(FLIPS // 1000):
        yield rng.integers(0, 2, (1000, count), dtype=np.int8) * 2.0 - 1


@lru_cache(maxsize=1)
def _kept_signs(count: int, seed: int) -> tuple[np.ndarray, ...]:
    """The patterns of `_signs`, drawn once for the many comparisons on one test set."""
    return tuple(_signs(count, seed))


def _touching_level(residuals: np.ndarray, differences: np.ndarray) -> float:
    """The p at which (t_examples * se_examples)^2 + (t_seeds * se_seeds)^2 = difference^2.

    `residuals`: each group's sum less what it would be were every example at the mean.
    """
    from scipy.optimize import brentq
    from scipy.special import stdtrit

    seeds, n = differences.shape
    difference = differences.mean()
    se_examples = _standard_error(residuals) * len(residuals) / n
    se_seeds = _standard_error(differences.mean(1))

    def excess(log_p: float) -> float:
        tail = np.exp(log_p) / 2
        reach = np.hypot(stdtrit(len(residuals) - 1, tail) * se_examples, stdtrit(seeds - 1, tail) * se_seeds)
        return float(reach - abs(difference))

    smallest = np.log(1e-12)
    if difference == 0:
        return 1.0
    return float(np.exp(brentq(excess, smallest, 0.0))) if excess(smallest) > 0 else 1e-12


@lru_cache
def _student(freedom: int) -> float:
    """How many standard errors a 95 % interval reaches to each side."""
    from scipy.special import stdtrit  # Student's quantile: as scipy.stats.t.ppf, without its overhead

    return float(stdtrit(freedom, (1 + LEVEL) / 2))


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """p-values adjusted for their number (Holm 1979): reject those at most 0.05 and all rejections hold together."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return adjusted
