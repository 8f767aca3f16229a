"""Two runs side by side: which results changed by more than their uncertainty, appeared, disappeared or broke."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from bench.report.collect import Results
from bench.report.comparison import LEVEL, Difference, difference_of, paired_outcomes
from bench.report.tables import Entry, summarise
from bench.stats import holm

if TYPE_CHECKING:
    from rich.console import Console

Kind = Literal["better", "worse", "within", "only in A", "only in B", "broken in A", "broken in B"]
ORDER: tuple[Kind, ...] = ("broken in B", "worse", "better", "broken in A", "only in A", "only in B", "within")


@dataclass(frozen=True)
class Change:
    """One method on one task in run A and run B. `better` and `worse` say how B stands to A, by the main score."""

    method: str
    task: str
    score: str
    kind: Kind
    a: Entry
    b: Entry
    difference: Difference | None = None  # B minus A, positive where B is better
    p: float | None = None  # Holm-corrected over all pairs that both runs have


def compare_runs(a: Results, b: Results) -> list[Change]:
    """Every method x task of either run, what changed most seriously first.

    A change counts where Holm's correction over all pairs leaves p < 0.05. Runs of the same seeds on the same test
    examples are compared example by example, so that even small changes show.
    """
    pairs = list(dict.fromkeys([*a.grid, *b.grid]))
    changes = [_change(a, b, method, task) for method, task in pairs]
    tested = [change.difference for change in changes if change.difference]
    adjusted = iter(holm([difference.p for difference in tested]))
    return sorted(
        (_decided(c, next(adjusted)) if c.difference else c for c in changes), key=lambda c: ORDER.index(c.kind)
    )


def print_changes(console: Console, changes: list[Change]) -> None:
    """A table of everything that is not within its uncertainty, and how many are."""
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid("method", "task", "score", "A", "B", "B - A", "p", "change")
    for c in changes:
        if c.kind != "within":
            shown = [c.method, c.task, c.score, value_of(c.a), value_of(c.b), difference_text(c), p_text(c.p), c.kind]
            grid.add_row(*map(Text, shown), style="red" if c.kind in ("worse", "broken in B") else "")
    if grid.row_count:
        console.print(grid)
    within = sum(change.kind == "within" for change in changes)
    console.print(f"{within} of {len(changes)} results agree within their uncertainty (p < {LEVEL}, Holm-corrected)")


def value_of(entry: Entry) -> str:
    """A value with its interval, or what stands in its place."""
    if entry.value is None:
        return entry.state
    limits = "" if entry.low is None else f" [{entry.low:.3f}, {entry.high:.3f}]"
    return f"{entry.value:.3f}{limits}" + (f" ({entry.flag})" if entry.state == "partial" else "")


def difference_text(change: Change) -> str:
    """B minus A with its interval, positive where B is better."""
    d = change.difference
    return "" if d is None else f"{d.value:+.3f} [{d.low:+.3f}, {d.high:+.3f}]"


def p_text(p: float | None) -> str:
    """A p-value as it is shown."""
    return "" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _change(a: Results, b: Results, method: str, task: str) -> Change:
    score = a.main_scores.get(task) or b.main_scores.get(task) or ""
    sides = [results.grid.get((method, task), []) for results in (a, b)]
    entries = [summarise(cells, score) for cells in sides]
    kind: Kind = "within"
    difference = None
    if not sides[1]:
        kind = "only in A"
    elif not sides[0]:
        kind = "only in B"
    elif entries[1].value is None and entries[0].value is not None:
        kind = "broken in B"
    elif entries[0].value is None and entries[1].value is not None:
        kind = "broken in A"
    elif entries[0].value is not None:
        good = [[cell for cell in cells if score in cell.scores] for cells in sides]
        difference = difference_of(good[1], good[0], score, partial(paired_outcomes, b), partial(paired_outcomes, a))
    return Change(method, task, score, kind, entries[0], entries[1], difference)


def _decided(change: Change, p: float) -> Change:
    assert change.difference is not None
    kind: Kind = "within" if p >= LEVEL else "better" if change.difference.value > 0 else "worse"
    return replace(change, kind=kind, p=float(p))
