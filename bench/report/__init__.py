"""Tables, figures, claims and the page: all of them made from a run's plan and records alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from bench.report.collect import Results
    from bench.store import Store

STAMP = "stamp.txt"  # says of which records a report folder was made


def print_summary(console: Console, store: Store) -> int:
    """Print the result tables and what went wrong; returns how many planned cells failed or have no record."""
    from bench.report import paper, terminal
    from bench.report.collect import collect
    from bench.report.comparison import Comparisons

    results = collect(store)
    terminal.print_results(console, results, paper.result_tables(Comparisons(results)))
    return sum(cell.status in ("failed", "pending") for cell in results.cells)


def print_claims(console: Console, store: Store) -> None:
    """Print the paper's claims with their tests and verdicts on these records."""
    from bench.report import terminal
    from bench.report.claims import judge
    from bench.report.collect import collect
    from bench.report.comparison import Comparisons

    terminal.print_claims(console, judge(Comparisons(collect(store))))


def print_comparison(console: Console, a: Store, b: Store) -> int:
    """Print what changed from run A to run B beyond its uncertainty; returns how many results got worse or broke."""
    from bench.report import compare
    from bench.report.collect import collect

    changes = compare.compare_runs(collect(a), collect(b))
    compare.print_changes(console, changes)
    return sum(change.kind in ("worse", "broken in B") for change in changes)


def up_to_date(store: Store, folder: Path) -> bool:
    """Whether `write_report` last wrote the folder from exactly these records (and by this version of the code)."""
    from bench.report.collect import collect

    stamp = folder / STAMP
    return stamp.is_file() and stamp.read_text() == _stamp(collect(store))


def write_report(store: Store, folder: Path, other: Store | None = None, console: Console | None = None) -> Path:
    """Write every table, figure and the page that the records allow; gives the page's path.

    That is tables/*.{md,csv,tex,html}, figures/*.{png,pdf} and index.html, which needs none of the others. With
    `other`, the page also says what differs in that run; with `console`, the summary is printed there too.
    """
    from bench.report import claims, compare, figures, formats, page, paper, terminal
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
    with writing(folder / STAMP) as stream:
        stream.write("" if other else _stamp(results))
    if console:
        terminal.print_results(console, results, overview)
    return folder / "index.html"


def _stamp(results: Results) -> str:
    """A hash of the records, the plan and this package's source."""
    from bench.store import digest

    source = [path.read_text() for path in sorted(Path(__file__).parent.glob("*.*")) if path.is_file()]
    return digest([results.record_set, results.footnote(), source])
