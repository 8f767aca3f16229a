"""One table: methods x columns, each cell a mean over seeds with its 95 % interval, ranked and never guessed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from bench.report.collect import Cell, Results

State = Literal["complete", "partial", "failed", "skipped", "pending", "absent"]
FAMILIES = ("physical", "semantic", "reference", "")  # the order in which rows are grouped


@dataclass(frozen=True)
class Column:
    """One score of one task."""

    title: str
    task: str  # label
    score: str  # name
    higher_is_better: bool = True
    percent: bool = True  # shown x 100: every value lies in [-1, 1]
    chance: float | None = None

    def text(self, value: float | None) -> str:
        """A value as it is shown."""
        if value is None:
            return ""
        return f"{100 * value:.1f}" if self.percent else f"{value:.3g}"

    def shown(self, value: float) -> float:
        """What a reader sees, signed so that more is better: equal where the shown values are equal (ties)."""
        return float(self.text(value)) * (1 if self.higher_is_better else -1)


@dataclass(frozen=True)
class Entry:
    """What stands in one cell of a table. `rank`, and thus bold and underline, only where `state` is complete."""

    state: State
    value: float | None = None  # mean over the seeds that are ok
    low: float | None = None
    high: float | None = None
    seeds: int = 0  # seeds that are ok
    planned: int = 0  # seeds planned
    reason: str = ""
    rank: int | None = None  # 1 = best; ties share the better rank
    mark: str = ""  # significance against the best semantic method
    n: int = 0

    @property
    def flag(self) -> str:
        """One word on what is not as it should be."""
        return f"{self.seeds} of {self.planned} seeds" if self.state == "partial" else self.state


@dataclass(frozen=True)
class Row:
    """One method."""

    label: str
    family: str
    mean_rank: float | None = None  # None unless complete in every column


@dataclass(frozen=True)
class Table:
    """Rows x columns with an entry for every pair."""

    name: str  # file stem
    title: str
    rows: list[Row]
    columns: list[Column]
    entries: dict[tuple[int, int], Entry]  # (row, column)
    notes: list[str] = field(default_factory=list)

    def entry(self, row: int, column: int) -> Entry:
        return self.entries[row, column]

    def incomplete(self, row: int) -> list[str]:
        """Titles of the columns in which this row is not complete."""
        return [column.title for j, column in enumerate(self.columns) if self.entries[row, j].state != "complete"]


Interval = Callable[[list[Cell], str], tuple[float | None, float | None]]


def build(name: str, title: str, results: Results, columns: Sequence[Column], methods: Sequence[str]) -> Table:
    """The table of these methods (labels), grouped by family; columns are completed from the records."""
    grid: dict[tuple[str, str], list[Cell]] = {}
    for cell in results.cells:
        grid.setdefault((cell.method, cell.task), []).append(cell)
    families = {method: results.any_record(method=method).get("method", {}).get("family", "") for method in methods}
    ordered = sorted(methods, key=lambda method: FAMILIES.index(families[method]))
    columns = [
        _described(column, [cell for method in ordered for cell in grid.get((method, column.task), [])])
        for column in columns
    ]
    entries = {
        (i, j): summarise(grid.get((method, column.task), []), column.score)
        for i, method in enumerate(ordered)
        for j, column in enumerate(columns)
    }
    for j, column in enumerate(columns):
        _rank(entries, j, len(ordered), column)
    rows = []
    for i, method in enumerate(ordered):
        ranks = [entries[i, j].rank for j in range(len(columns))]
        whole = [rank for rank in ranks if rank is not None]
        rows.append(
            Row(method, families[method], sum(whole) / len(whole) if whole and len(whole) == len(ranks) else None)
        )
    return Table(name, title, rows, columns, entries)


def summarise(cells: list[Cell], score: str) -> Entry:
    """Mean over seeds and interval of one method's cells on one task; what is missing is said, never averaged over."""
    if not cells:
        return Entry("absent", reason="not planned")
    found = [(cell, cell.score(score)) for cell in cells if cell.status == "ok"]
    good = [(cell, value) for cell, value in found if value is not None]
    bad = next((cell for status in ("failed", "pending", "skipped") for cell in cells if cell.status == status), None)
    reason = bad.reason if bad else ""
    if not good:
        if bad is None:
            return Entry("absent", reason=f"the task gave no score called {score}")
        return Entry(bad.status, planned=len(cells), reason=reason)  # type: ignore[arg-type]
    values = [value["value"] for _, value in good]
    low, high = _interval([value for _, value in good])
    state: State = "complete" if len(good) == len(cells) else "partial"
    return Entry(
        state,
        sum(values) / len(values),
        low,
        high,
        len(good),
        len(cells),
        reason,
        n=max(value["n"] for _, value in good),
    )


def _interval(scores: list[dict[str, Any]]) -> tuple[float | None, float | None]:
    """95 % interval of the mean over seeds from each seed's own interval over test examples.

    The seeds share their test examples, so that part of the error stays; the spread between seeds shrinks with their
    number (Student's t). The two are independent and add in squares.
    """
    if any(score.get("low") is None or score.get("high") is None for score in scores):
        return None, None
    count = len(scores)
    mean = sum(score["value"] for score in scores) / count
    below = sum(score["value"] - score["low"] for score in scores) / count
    above = sum(score["high"] - score["value"] for score in scores) / count
    if count == 1:
        return mean - below, mean + above
    from scipy.stats import t

    variance = sum((score["value"] - mean) ** 2 for score in scores) / (count - 1)
    between = float(t.ppf(0.975, count - 1)) * math.sqrt(variance / count)
    return mean - math.hypot(below, between), mean + math.hypot(above, between)


def _described(column: Column, cells: list[Cell]) -> Column:
    """The column with what its scores say of it: direction, chance, and whether it is shown in percent."""
    scores = [score for cell in cells if cell.status == "ok" and (score := cell.score(column.score)) is not None]
    if not scores:
        return column
    chances = [score["chance"] for score in scores if score.get("chance") is not None]
    return replace(
        column,
        higher_is_better=scores[0]["higher_is_better"],
        percent=all(-1 <= score["value"] <= 1 for score in scores),
        chance=sum(chances) / len(chances) if chances else None,
    )


def _rank(entries: dict[tuple[int, int], Entry], j: int, rows: int, column: Column) -> None:
    """Competition ranks (1, 1, 3) of column j's complete entries; ties are those equal at the precision shown."""
    shown = {
        i: column.shown(value)
        for i in range(rows)
        if (value := entries[i, j].value) is not None and entries[i, j].state == "complete"
    }
    for i, value in shown.items():
        entries[i, j] = replace(entries[i, j], rank=1 + sum(other > value for other in shown.values()))
