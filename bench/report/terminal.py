"""The result table, what went wrong, and the claims, on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from bench.report.claims import Claim
from bench.report.collect import Results
from bench.report.formats import Shown, body, heading, notes_of
from bench.report.tables import Table

STYLES = {"failed": "red", "skipped": "dim", "pending": "yellow", "absent": "dim", "chance": "dim"}
VERDICTS = {"holds": "bold green", "fails": "bold red", "inconclusive": "bold yellow"}
COLUMN = 18  # characters a column needs at least


def print_results(console: Console, results: Results, overview: list[Table]) -> None:
    """Print the result tables and what went wrong."""
    for table in overview:
        print_table(console, table)
    print_failures(console, results)


def print_table(console: Console, table: Table) -> None:
    """Print the table, in as many parts one below the other as the terminal's width needs."""
    head, rows = heading(table), body(table)
    labels = min(max(len(label) for label, _ in rows), console.width // 3)
    fit = max(1, (console.width - labels - 4) // COLUMN)
    for start in range(0, len(head), fit):
        grid = Grid(title=table.title, title_justify="left", title_style="bold")
        grid.add_column("method", overflow="fold", max_width=labels)
        for title, subtitle in head[start : start + fit]:
            grid.add_column(Text(title).append(f"\n{subtitle}", style="dim"), justify="right", overflow="fold")
        for label, cells in rows:
            grid.add_row(Text(label), *map(_cell, cells[start : start + fit]))
        console.print(grid)
    for note in notes_of(table)[: 2 + len(table.notes)]:
        console.print(Text(note, style="dim"))


def _cell(cell: Shown) -> Text:
    style = {1: "bold", 2: "underline"}.get(cell.rank or 0, STYLES.get(cell.state, ""))
    text = Text(cell.text, style=style).append(cell.mark, style="none")
    if cell.interval:
        text.append("\n" + cell.interval, style="dim")
    if cell.flag:
        text.append("\n" + cell.flag, style="yellow")
    return text


def print_failures(console: Console, results: Results) -> None:
    """List what failed, is pending or was skipped, every reason once."""
    for status in ("failed", "pending", "skipped"):
        reasons: dict[tuple[str, str], list[str]] = {}
        for cell in results.cells:
            if cell.status == status:
                reasons.setdefault((cell.method, cell.reason), []).append(f"{cell.task} (seed {cell.seed})")
        for (method, reason), where in reasons.items():
            tasks = ", ".join(where[:3]) + (f" and {len(where) - 3} more" if len(where) > 3 else "")
            line = (
                Text(f"{status} ", style=STYLES[status]).append(method, style="bold").append(f" on {tasks}: {reason}")
            )
            console.print(line, soft_wrap=True)


def print_claims(console: Console, claims: list[Claim]) -> None:
    """Every claim with its verdict, the test, the numbers and what they are evidence about."""
    for claim in claims:
        on = f" on {', '.join(claim.evidence.data)}" if claim.kind else ""
        console.print(Text(f"{claim.name} {claim.verdict}", style=VERDICTS[claim.verdict]).append(on, style="dim"))
        console.print(Text(f"  {claim.text}\n  Test: {claim.test}\n  This is {claim.caveat}."))
        for item in claim.evidence.comparisons:
            d = item.difference
            limits = f"{d.value:+.3f} [{d.low:+.3f}, {d.high:+.3f}]"
            seeds = "1 seed" if d.seeds == 1 else f"{d.seeds} seeds"
            console.print(Text(f"    {item.what}: {limits}, p = {item.p:.2g}, {seeds}, {d.n} examples"))
        for line in claim.evidence.missing + claim.evidence.notes:
            console.print(Text(f"    {line}", style="yellow"))
