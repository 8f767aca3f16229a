"""Tables, figures, claims and the page: all of them made from a run's plan and records alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from bench.store import Store


def print_summary(console: Console, store: Store) -> int:
    """Print the result table (methods x tasks) and what failed; returns how many planned cells have no result."""
    from bench.report import collect, formats, main_tables

    run = collect.collect(store, only_planned=True)
    for table in main_tables.result_tables(run):
        formats.print_table(console, table)
    formats.print_failures(console, run)
    return sum(cell.status in ("failed", "pending") for cell in run.cells)


def write_summary(store: Store, folder: Path) -> list[Path]:
    """Write the result tables (Markdown, CSV, LaTeX, HTML) and bar figures (PNG, PDF): what every `run` leaves."""
    from bench.report import collect, figures, formats, main_tables

    run = collect.collect(store, only_planned=True)
    tables = main_tables.result_tables(run)
    written = [path for table in tables for path in formats.write_table(table, folder, run.footnote())]
    return written + figures.bar_figures(tables, folder)
