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


def write_report(store: Store, folder: Path) -> list[Path]:
    """Write every table (Markdown, CSV, LaTeX, HTML) and figure (PNG, PDF) that the records allow; gives the files."""
    from bench.report import figures, formats, paper
    from bench.report.collect import collect
    from bench.report.comparison import Comparisons

    results = collect(store)
    comparisons = Comparisons(results)
    overview = paper.result_tables(comparisons)
    written = []
    for table in [*overview, *paper.paper_tables(comparisons)]:
        written += formats.write_table(table, folder / "tables", results.footnote())
    for plot in figures.write_figures(comparisons, overview, folder / "figures"):
        written += [plot.png, plot.pdf]
    return written
