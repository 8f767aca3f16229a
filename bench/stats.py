"""Uncertainty: bootstrap intervals over test examples and seeds, and paired comparisons of methods.

Examples that hang together (photographs of one person, say) carry the same group number; every resampling here draws
whole groups, so that the intervals do not pretend to more independent evidence than there is. Values are float64 arrays
over test examples, NaN where an example has no outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SAMPLES = 1000  # bootstrap replicates
LEVEL = 0.95
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
    draws = rng.multinomial(count, np.full(count, 1 / count), size=samples)
    return draws.astype(np.float32)[:, member]


def mean_interval(values: np.ndarray, groups: np.ndarray | None = None, seed: int = 0) -> Interval:
    """Mean of `values` (n,) with its bootstrap percentile interval; NaN values are left out."""
    return mean_intervals(np.asarray(values, dtype=np.float64)[:, None], groups, seed)[0]


def mean_intervals(values: np.ndarray, groups: np.ndarray | None = None, seed: int = 0) -> list[Interval]:
    """The interval of every column's mean, `values` (n, k): all from the same replicates. NaN values are left out."""
    known = np.isfinite(values)
    _, member = np.unique(np.arange(len(values)) if groups is None else groups, return_inverse=True)
    sums = np.zeros((member.max() + 1, values.shape[1]))
    counts = np.zeros_like(sums)
    np.add.at(sums, member, np.where(known, values, 0.0))
    np.add.at(counts, member, known)
    weights = resample(np.arange(len(sums)), np.random.default_rng(seed)).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        replicates = (weights @ sums) / (weights @ counts)
        estimates = sums.sum(0) / counts.sum(0)
    limits = np.nanquantile(replicates, _tails(len(sums)), axis=0)
    return [Interval(float(v), float(lo), float(hi)) for v, lo, hi in zip(estimates, *limits, strict=True)]


Statistic = Callable[[np.ndarray], np.ndarray]
"""Metrics as a function of example weights, (B, n) float32 -> (B, M): all weights one give the plain values."""


def statistic_intervals(
    statistic: Statistic, groups: np.ndarray, seed: int = 0, samples: int = SAMPLES
) -> list[Interval]:
    """The values of M metrics that are no means, with their bootstrap intervals by recomputation.

    Resampling with replacement biases many such metrics (repeated examples look like agreement: mutual information
    rises), so the replicates are centred on the value before their quantiles are read.
    """
    values = statistic(np.ones((1, len(groups)), dtype=np.float32))[0]
    weights = resample(groups, np.random.default_rng(seed), samples)
    replicates = np.concatenate([statistic(weights[i : i + CHUNK]) for i in range(0, samples, CHUNK)])
    limits = np.nanquantile(replicates, _tails(len(np.unique(groups))), axis=0)
    limits += values - np.nanmean(replicates, axis=0)
    return [Interval(float(v), float(lo), float(hi)) for v, lo, hi in zip(values, *limits, strict=True)]


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
