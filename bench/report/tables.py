"""One table: methods x columns, each cell a mean over seeds with its 95 % interval, ranked and never guessed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from bench.report.collect import Cell
from bench.report.comparison import LEVEL, Comparisons, mean_over_seeds
from bench.stats import holm

State = Literal["complete", "partial", "failed", "skipped", "pending", "absent"]
FAMILIES = ("physical", "semantic", "reference", "")  # the order in which rows are grouped; "": not known
BETTER, WORSE = "*", "†"


@dataclass(frozen=True)
class Column:
    """One score of one task."""

    title: str
    task: str  # label
    score: str  # name
    higher_is_better: bool = True
    percent: bool = True  # shown x 100: every value lies in [-1, 1]
    chance: float | None = None
    reference: str = ""  # the best semantic method, to which the marks compare

    def text(self, value: float | None) -> str:
        """A value as it is shown."""
        if value is None:
            return ""
        return f"{100 * value:.1f}" if self.percent else f"{value:.3g}"

    def shown(self, value: float) -> float:
        """What a reader sees, signed so that more is better."""
        return float(self.text(value)) * (1 if self.higher_is_better else -1)


@dataclass(frozen=True)
class Entry:
    """What stands in one cell of a table. `rank`, and thus bold and underline, only where `state` is complete."""

    state: State
    value: float | None = None  # mean over the seeds that went well
    low: float | None = None
    high: float | None = None
    seeds: int = 0  # that went well
    planned: int = 0  # seeds
    n: int = 0  # test examples
    reason: str = ""
    rank: int | None = None  # 1 = best; ties share the better rank
    mark: str = ""  # significantly better or worse than the best semantic method

    @property
    def flag(self) -> str:
        """In a word, what is not as it should be."""
        return f"{self.seeds} of {self.planned} seeds" if self.state == "partial" else self.state


@dataclass(frozen=True)
class Row:
    """One method. `ceiling`: fitted on the task's own labels, shown for comparison and not ranked."""

    label: str
    family: str
    ceiling: bool = False
    mean_rank: float | None = None  # None unless complete in every column


@dataclass(frozen=True)
class Table:
    """Rows x columns with an entry for every pair. `over_tasks`: columns are tasks, so that a mean rank makes sense."""

    name: str  # file stem
    title: str
    rows: list[Row]
    columns: list[Column]
    entries: dict[tuple[int, int], Entry]  # (row, column)
    over_tasks: bool = True
    notes: list[str] = field(default_factory=list)

    def entry(self, row: int, column: int) -> Entry:
        return self.entries[row, column]


def build(
    name: str,
    title: str,
    comparisons: Comparisons,
    columns: Sequence[Column],
    methods: Sequence[str],
    over_tasks: bool = True,
) -> Table:
    """The table of these methods (labels), grouped by family; what columns lack is completed from the records."""
    results = comparisons.results
    about = {method: results.methods[method] for method in methods}
    ordered = sorted(methods, key=lambda method: FAMILIES.index(about[method].get("family", "")))
    rows = [Row(m, about[m].get("family", ""), bool(about[m].get("supervised"))) for m in ordered]
    entries: dict[tuple[int, int], Entry] = {}
    described = []
    for j, column in enumerate(columns):
        cells = [results.grid.get((method, column.task), []) for method in ordered]
        described.append(_described(column, [cell for seeds in cells for cell in seeds], comparisons))
        found = [summarise(seeds, column.score) for seeds in cells]
        marks = significance(comparisons, described[j]) if described[j].reference else {}
        for i, entry in enumerate(_ranked(found, rows, described[j])):
            entries[i, j] = replace(entry, mark=marks.get(ordered[i], ""))
    if over_tasks:
        rows = [
            replace(row, mean_rank=_mean_rank([entries[i, j] for j in range(len(columns))]))
            for i, row in enumerate(rows)
        ]
    return Table(name, title, rows, described, entries, over_tasks)


def summarise(cells: list[Cell], score: str) -> Entry:
    """Mean over seeds and interval of one method's cells on one task; what is missing is said, never averaged over."""
    if not cells:
        return Entry("absent", reason="not planned")
    good = [cell.scores[score] for cell in cells if score in cell.scores]
    bad = next((cell for status in ("failed", "pending", "skipped") for cell in cells if cell.status == status), None)
    if not good:
        if bad is None:
            return Entry("absent", planned=len(cells), reason=f"the task gave no score {score!r}")
        return Entry(bad.status, planned=len(cells), reason=bad.reason)  # type: ignore[arg-type]  # never "ok" here
    mean = mean_over_seeds(good)
    known = math.isfinite(mean.low) and math.isfinite(mean.high)
    return Entry(
        state="complete" if len(good) == len(cells) else "partial",
        value=mean.value,
        low=mean.low if known else None,
        high=mean.high if known else None,
        seeds=len(good),
        planned=len(cells),
        n=max(item["n"] for item in good),
        reason=bad.reason if bad else "",
    )


def significance(comparisons: Comparisons, column: Column) -> dict[str, str]:
    """Mark of each method that differs from the column's reference (paired, Holm-corrected within the column)."""
    found = comparisons.against(column.task, column.reference)
    adjusted = holm([difference.p for difference in found.values()])
    return {
        method: BETTER if difference.value > 0 else WORSE
        for (method, difference), p in zip(found.items(), adjusted, strict=True)
        if p < LEVEL
    }


def _described(column: Column, cells: list[Cell], comparisons: Comparisons) -> Column:
    """The column with what its scores say of it: direction, chance, and whether it is shown in percent."""
    scores = [cell.scores[column.score] for cell in cells if column.score in cell.scores]
    if not scores:
        return column
    chances = [score["chance"] for score in scores if score.get("chance") is not None]
    is_main = column.score == comparisons.results.main_scores[column.task]
    return replace(
        column,
        higher_is_better=scores[0]["higher_is_better"],
        percent=all(-1 <= score["value"] <= 1 for score in scores),
        chance=sum(chances) / len(chances) if chances else None,
        reference=(comparisons.best(column.task, "semantic") or "") if is_main else "",
    )


def _ranked(entries: list[Entry], rows: list[Row], column: Column) -> list[Entry]:
    """The entries with competition ranks (1, 1, 3) of the complete ones; equal at the precision shown is a tie."""
    shown = [
        column.shown(entry.value) if entry.state == "complete" and entry.value is not None and not row.ceiling else None
        for entry, row in zip(entries, rows, strict=True)
    ]
    others = [value for value in shown if value is not None]
    return [
        entry if value is None else replace(entry, rank=1 + sum(other > value for other in others))
        for entry, value in zip(entries, shown, strict=True)
    ]


def _mean_rank(entries: list[Entry]) -> float | None:
    ranks = [entry.rank for entry in entries if entry.rank is not None]
    return sum(ranks) / len(ranks) if ranks and len(ranks) == len(entries) else None
