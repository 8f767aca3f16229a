"""Is one method better than another? Differences on the same test examples, with what the seeds add."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bench import stats
from bench.report.collect import Cell, Results

LEVEL = 0.05
Outcomes = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Difference:
    """Method a minus method b, signed so that positive means a is better; 95 % interval and two-sided p-value."""

    value: float
    low: float
    high: float
    p: float
    n: int  # test examples
    seeds: int  # at which both were compared
    paired: bool  # on the same examples; else from the two methods' intervals, as if they were independent


@dataclass(frozen=True)
class Comparisons:
    """Comparisons on main scores; every cell's outcomes are read once."""

    results: Results
    _outcomes: dict[str, Outcomes] = field(default_factory=dict)  # by key
    _found: dict[tuple[str, str, str], Difference | None] = field(default_factory=dict)

    def best(self, task: str, family: str) -> str | None:
        """The method of a family with the best complete main score on a task; ceilings are left out."""
        name = self.results.main_scores[task]
        means: dict[str, float] = {}
        for method, about in self.results.methods.items():
            cells = self.results.good(method, task)
            if cells and about.get("family") == family and not about.get("supervised"):
                sign = 1 if cells[0].scores[name]["higher_is_better"] else -1
                means[method] = sign * sum(cell.scores[name]["value"] for cell in cells) / len(cells)
        return max(means, key=means.__getitem__) if means else None

    def against(self, task: str, reference: str) -> dict[str, Difference]:
        """Difference of every method to `reference` on a task's main score; incomplete ones are absent."""
        found = {m: self.difference(task, m, reference) for m in self.results.methods if m != reference}
        return {method: difference for method, difference in found.items() if difference}

    def difference(self, task: str, a: str, b: str) -> Difference | None:
        """Method a minus method b on a task's main score, over the seeds both have; None unless both are complete."""
        if (task, a, b) not in self._found:
            self._found[task, a, b] = self._compare(task, a, b)
        return self._found[task, a, b]

    def _compare(self, task: str, a: str, b: str) -> Difference | None:
        name = self.results.main_scores[task]
        sides = [{cell.seed: cell for cell in self.results.good(method, task)} for method in (a, b)]
        seeds = sorted(sides[0].keys() & sides[1].keys())
        if not seeds:
            return None
        cells_a, cells_b = ([side[seed] for seed in seeds] for side in sides)
        higher = cells_a[0].scores[name]["higher_is_better"]
        outcomes = [self._read(cell) for cell in (*cells_a, *cells_b)]
        if not all("main" in each and "example" in each and "group" in each for each in outcomes):
            return _from_intervals(*(cells_a, cells_b) if higher else (cells_b, cells_a), name)
        values, groups = stats.align(outcomes)
        first, second = values[: len(seeds)], values[len(seeds) :]
        found = stats.compare(*(first, second) if higher else (second, first), groups)
        return Difference(found.difference, found.low, found.high, found.p, found.n, len(seeds), True)

    def _read(self, cell: Cell) -> Outcomes:
        if cell.key not in self._outcomes:
            self._outcomes[cell.key] = self.results.store.outcomes(cell.key)
        return self._outcomes[cell.key]


def _from_intervals(a: list[Cell], b: list[Cell], name: str) -> Difference | None:
    """The difference of two means over seeds from their intervals alone; None where there are none."""
    sides = [mean_over_seeds([cell.scores[name] for cell in cells]) for cells in (a, b)]
    if not all(math.isfinite(side.low) and math.isfinite(side.high) for side in sides):
        return None
    value = sides[0].value - sides[1].value
    below = math.hypot(sides[0].value - sides[0].low, sides[1].high - sides[1].value)
    above = math.hypot(sides[0].high - sides[0].value, sides[1].value - sides[1].low)
    error = (below if value > 0 else above) / 1.96
    p = math.erfc(abs(value) / error / math.sqrt(2)) if error > 0 else float(value == 0)
    n = min(cell.scores[name]["n"] for cell in (*a, *b))
    return Difference(value, value - below, value + above, p, n, len(a), False)


def mean_over_seeds(scores: list[dict[str, float]]) -> stats.Interval:
    """Mean of one score over seeds, with an interval for new examples and seeds; NaN limits where a seed has none."""
    limits = [
        (math.nan if s["low"] is None else s["low"], math.nan if s["high"] is None else s["high"]) for s in scores
    ]
    return stats.combine_seeds([stats.Interval(s["value"], *limit) for s, limit in zip(scores, limits, strict=True)])
