"""Tables, figures, claims and the page: all of them made from a run's plan and records alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from bench.store import Store


def print_summary(console: Console, store: Store) -> int:
    """Print the result tables and what went wrong; returns how many planned cells failed or have no record."""
    from bench.report import paper, terminal
    from bench.report.collect import collect
    from bench.report.comparison import Comparisons

    results = collect(store)
    for table in paper.result_tables(Comparisons(results)):
        terminal.print_table(console, table)
    terminal.print_failures(console, results)
    return sum(cell.status in ("failed", "pending") for cell in results.cells)


def write_report(store: Store, folder: Path, other: Store | None = None) -> Path:
    """Write every table, figure and the page that the records allow; gives the page's path.

    That is tables/*.{md,csv,tex,html}, figures/*.{png,pdf} and index.html, which needs none of the others. With
    `other`, the page also says what differs in that run.
    """
    from bench.report import claims, compare, figures, formats, page, paper
    from bench.report.collect import collect
    from bench.report.comparison import Comparisons
    from bench.store import writing

    results = collect(store)
    comparisons = Comparisons(results)
    overview, tables = paper.result_tables(comparisons), paper.paper_tables(comparisons)
    for table in [*overview, *tables]:
        formats.write_table(table, folder / "tables", results.footnote())
    content = page.Content(
        results=results,
        overview=overview,
        tables=tables,
        claims=claims.judge(comparisons),
        plots=figures.write_figures(comparisons, overview, folder / "figures"),
        compared_with=str(other.out) if other else "",
        changes=compare.compare_runs(results, collect(other)) if other else [],
    )
    with writing(folder / "index.html") as stream:
        stream.write(page.render(content))
    return folder / "index.html"
