"""Is one method better than another? Differences on the same test examples, with what the seeds add."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench import stats
from bench.report.collect import Cell, Results

LEVEL = 0.05
PAIRED = ("main", "example", "group")  # the outcomes that comparisons are made of
Outcomes = Mapping[str, np.ndarray]
Reader = Callable[[str], Outcomes]


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
            self._found[task, a, b] = self.difference_by(self.results.main_scores[task], task, a, b)
        return self._found[task, a, b]

    def difference_by(self, score: str, task: str, a: str, b: str) -> Difference | None:
        """As `difference`, by any score of the task."""
        first, second = (self.results.good(method, task) for method in (a, b))
        return difference_of(first, second, score, self._read, self._read)

    def _read(self, key: str) -> Outcomes:
        if key not in self._outcomes:
            self._outcomes[key] = paired_outcomes(self.results, key)
        return self._outcomes[key]


def paired_outcomes(results: Results, key: str) -> Outcomes:
    """What a paired comparison needs of a cell's outcomes, and nothing else: they are many files."""
    return results.store.outcomes(key, PAIRED)


def difference_of(a: list[Cell], b: list[Cell], name: str, read_a: Reader, read_b: Reader) -> Difference | None:
    """Cells a minus cells b (of one method and task each) by the score `name`, over the seeds both have.

    The main score is compared on the same test examples, by the outcomes that the readers give for a key; others, and
    where no outcomes were kept, by their intervals. None where there is no common seed or nothing to go by.
    """
    first, second = ({cell.seed: cell for cell in cells if name in cell.scores} for cells in (a, b))
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return None
    a, b = [first[seed] for seed in seeds], [second[seed] for seed in seeds]
    higher = a[0].scores[name]["higher_is_better"]
    is_main = a[0].scores[name]["main"]
    outcomes = [*(read_a(cell.key) for cell in a), *(read_b(cell.key) for cell in b)] if is_main else []
    if not is_main or not all(each.keys() >= set(PAIRED) for each in outcomes):
        return _from_intervals(*(a, b) if higher else (b, a), name)
    values, groups = stats.align(outcomes)
    sides = values[: len(seeds)], values[len(seeds) :]
    found = stats.compare(*sides if higher else sides[::-1], groups)
    return Difference(found.difference, found.low, found.high, found.p, found.n, len(seeds), True)


def _from_intervals(a: list[Cell], b: list[Cell], name: str) -> Difference | None:
    """The difference of two means over seeds from their intervals alone; None where there are none."""
    sides = [mean_over_seeds([cell.scores[name] for cell in cells]) for cells in (a, b)]
    if not all(math.isfinite(side.low) and math.isfinite(side.high) for side in sides):
        return None
    value = sides[0].value - sides[1].value
    below = math.hypot(sides[0].value - sides[0].low, sides[1].high - sides[1].value)
    above = math.hypot(sides[0].high - sides[0].value, sides[1].value - sides[1].low)
    n = min(cell.scores[name]["n"] for cell in (*a, *b))
    return Difference(value, value - below, value + above, p_value(value, below, above), n, len(a), False)


def p_value(value: float, below: float, above: float) -> float:
    """Two-sided p of a true value of 0 when the 95 % interval reaches `below` under and `above` over `value`."""
    error = (below if value > 0 else above) / 1.96
    return math.erfc(abs(value) / error / math.sqrt(2)) if error > 0 else float(value == 0)


def mean_over_seeds(scores: list[dict[str, Any]]) -> stats.Interval:
    """Mean of one score over seeds, with an interval for new examples and new seeds.

    A score without an interval of its own gets one for new seeds alone; with one seed its limits are NaN.
    """
    intervals = []
    for score in scores:
        own = score["value"] if len(scores) > 1 else math.nan
        low, high = (own if score[side] is None else score[side] for side in ("low", "high"))
        intervals.append(stats.Interval(score["value"], low, high))
    return stats.combine_seeds(intervals)
