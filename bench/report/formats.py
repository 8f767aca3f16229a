"""A table as Markdown, CSV, LaTeX (booktabs), HTML, and on the terminal."""

from __future__ import annotations

import csv
import html
import io
from pathlib import Path
from typing import TYPE_CHECKING

from bench.report.collect import Results
from bench.report.tables import Column, Entry, Table
from bench.store import writing

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

LEGEND = (
    "Mean over seeds with 95 % interval; scores in [-1, 1] are shown x 100. Best bold, second underlined, ties at the "
    "precision shown; cells that are not complete are neither ranked nor averaged."
)


def write_table(table: Table, folder: Path, footnote: list[str]) -> list[Path]:
    """Write `<name>.md`, `.csv`, `.tex` and `.html` into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "md": markdown(table, footnote),
        "csv": comma_separated(table),
        "tex": latex(table, footnote),
        "html": html_table(table, footnote),
    }
    paths = []
    for suffix, text in texts.items():
        paths.append(folder / f"{table.name}.{suffix}")
        with writing(paths[-1]) as stream:
            stream.write(text)
    return paths


# ---------------------------------------------------------------------------------------------------------- one cell


def value_text(entry: Entry, column: Column) -> str:
    """The value as shown, or what stands in its place."""
    return column.text(entry.value) if entry.value is not None else ("-" if entry.state == "absent" else entry.state)


def interval_text(entry: Entry, column: Column) -> str:
    """The interval as shown; empty where there is none."""
    if entry.low is None or entry.high is None:
        return ""
    return f"[{column.text(entry.low)}, {column.text(entry.high)}]"


def arrow(column: Column) -> str:
    """Which way is better."""
    return "↑" if column.higher_is_better else "↓"


def rank_text(rank: float | None) -> str:
    """A mean rank as shown; incomplete rows have none."""
    return "-" if rank is None else f"{rank:.2f}"


def notes_of(table: Table) -> list[str]:
    """The legend, the table's own notes and what is incomplete, one line each."""
    lines = [LEGEND, *table.notes]
    for (i, j), entry in sorted(table.entries.items()):
        if entry.state not in ("complete", "absent"):
            lines.append(f"{table.rows[i].label} on {table.columns[j].title}: {entry.flag}: {entry.reason}")
    return lines


# ---------------------------------------------------------------------------------------------------------- Markdown


def markdown(table: Table, footnote: list[str]) -> str:
    """GitHub-flavoured Markdown."""
    head = ["method", *(f"{column.title} ({column.score} {arrow(column)})" for column in table.columns), "mean rank ↓"]
    lines = [f"### {_markdown_escape(table.title)}", "", _markdown_row(head), "|" + " --- |" * len(head)]
    for i, row in enumerate(table.rows):
        cells = [_markdown_cell(table.entry(i, j), column) for j, column in enumerate(table.columns)]
        lines.append("| " + " | ".join([_markdown_escape(row.label), *cells, rank_text(row.mean_rank)]) + " |")
    if any(column.chance is not None for column in table.columns):
        lines.append(_markdown_row(["chance", *(column.text(column.chance) for column in table.columns), ""]))
    notes = "\n".join(f"- {_markdown_escape(note)}" for note in [*notes_of(table), *footnote])
    return "\n".join(lines) + "\n\n" + notes + "\n"


def _markdown_row(cells: list[str]) -> str:
    return "| " + " | ".join(_markdown_escape(cell) for cell in cells) + " |"


def _markdown_cell(entry: Entry, column: Column) -> str:
    text = value_text(entry, column)
    if entry.rank == 1:
        text = f"**{text}**"
    elif entry.rank == 2:
        text = f"<u>{text}</u>"
    interval = f" {interval_text(entry, column)}" if interval_text(entry, column) else ""
    return text + entry.mark + interval + (f" ({entry.flag})" if entry.state == "partial" else "")


def _markdown_escape(text: str) -> str:
    for character in "\\`*_<>|[]":
        text = text.replace(character, "\\" + character)
    return " ".join(text.split())


# ------------------------------------------------------------------------------------------------------- CSV


def comma_separated(table: Table) -> str:
    """One line a cell, unrounded."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        [
            "method",
            "family",
            "task",
            "score",
            "higher_is_better",
            "state",
            "value",
            "low",
            "high",
            "seeds",
            "planned_seeds",
            "test_examples",
            "chance",
            "rank",
            "mark",
            "mean_rank",
            "reason",
        ]
    )
    for (i, j), entry in sorted(table.entries.items()):
        row, column = table.rows[i], table.columns[j]
        writer.writerow(
            [
                row.label,
                row.family,
                column.task,
                column.score,
                column.higher_is_better,
                entry.state,
                entry.value,
                entry.low,
                entry.high,
                entry.seeds,
                entry.planned,
                entry.n,
                column.chance,
                entry.rank,
                entry.mark,
                row.mean_rank,
                entry.reason,
            ]
        )
    return stream.getvalue()


# ----------------------------------------------------------------------------------------------------- LaTeX


def latex(table: Table, footnote: list[str]) -> str:
    """A `table` environment for \\input; needs booktabs (and, where columns are many, graphicx for \\resizebox)."""
    columns = table.columns
    head = [
        "Method",
        *(f"{_latex_escape(column.title)} {_latex_arrow(column)}" for column in columns),
        r"Rank $\downarrow$",
    ]
    lines = [
        "% needs \\usepackage{booktabs,graphicx}",
        r"\begin{table}[t]",
        r"\centering\small",
        rf"\caption{{{_latex_escape(table.title)}. {_latex_escape(LEGEND)}}}",
        rf"\label{{tab:{table.name}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        r"\begin{tabular}{l" + "c" * (len(columns) + 1) + "}",
        r"\toprule",
        " & ".join(head) + r" \\",
    ]
    family = None
    for i, row in enumerate(table.rows):
        if row.family != family:
            lines.append(r"\midrule")
            family = row.family
        cells = [_latex_cell(table.entry(i, j), column) for j, column in enumerate(columns)]
        lines.append(" & ".join([_latex_escape(row.label), *cells, rank_text(row.mean_rank)]) + r" \\")
    if any(column.chance is not None for column in columns):
        lines += [r"\midrule", " & ".join(["chance", *(column.text(column.chance) for column in columns), ""]) + r" \\"]
    lines += [r"\bottomrule", r"\end{tabular}}", r"\par\smallskip\raggedright\footnotesize"]
    lines += [_latex_escape(note) + r"\par" for note in [*notes_of(table)[1:], *footnote]]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _latex_arrow(column: Column) -> str:
    return r"$\uparrow$" if column.higher_is_better else r"$\downarrow$"


def _latex_cell(entry: Entry, column: Column) -> str:
    text = _latex_escape(value_text(entry, column))
    if entry.rank == 1:
        text = rf"\textbf{{{text}}}"
    elif entry.rank == 2:
        text = rf"\underline{{{text}}}"
    interval = rf" {{\scriptsize{_latex_escape(interval_text(entry, column))}}}" if interval_text(entry, column) else ""
    partial = rf" {{\scriptsize({entry.flag})}}" if entry.state == "partial" else ""
    return text + _latex_escape(entry.mark) + interval + partial


LATEX = {"\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
         "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
         "↑": r"$\uparrow$", "↓": r"$\downarrow$", "†": r"\textsuperscript{$\dagger$}",
         "‡": r"\textsuperscript{$\ddagger$}", "\n": " "}  # fmt: skip


def _latex_escape(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in text)


# ------------------------------------------------------------------------------------------------------ HTML


def html_table(table: Table, footnote: list[str]) -> str:
    """A <table> with its notes; all text from records escaped."""
    head = "".join(
        f'<th scope="col">{_h(column.title)}<br><small>{_h(column.score)} {arrow(column)}</small></th>'
        for column in table.columns
    )
    lines = [
        f"<table>\n<caption>{_h(table.title)}</caption>",
        f'<thead><tr><th scope="col">method</th>{head}<th scope="col">mean rank ↓</th></tr></thead>\n<tbody>',
    ]
    for i, row in enumerate(table.rows):
        cells = "".join(_html_cell(table.entry(i, j), column) for j, column in enumerate(table.columns))
        lines.append(f'<tr><th scope="row">{_h(row.label)}</th>{cells}<td>{rank_text(row.mean_rank)}</td></tr>')
    if any(column.chance is not None for column in table.columns):
        chances = "".join(f"<td>{column.text(column.chance)}</td>" for column in table.columns)
        lines.append(f'<tr class="chance"><th scope="row">chance</th>{chances}<td></td></tr>')
    lines.append("</tbody>\n</table>")
    lines.append("<ul>" + "".join(f"<li>{_h(note)}</li>" for note in [*notes_of(table), *footnote]) + "</ul>")
    return "\n".join(lines) + "\n"


def _html_cell(entry: Entry, column: Column) -> str:
    text = _h(value_text(entry, column))
    if entry.rank == 1:
        text = f"<strong>{text}</strong>"
    elif entry.rank == 2:
        text = f"<u>{text}</u>"
    interval = f" <small>{interval_text(entry, column)}</small>" if interval_text(entry, column) else ""
    partial = f" <small>{_h(entry.flag)}</small>" if entry.state == "partial" else ""
    title = f' title="{_h(entry.reason)}"' if entry.reason else ""
    return f'<td class="{entry.state}"{title}>{text}{_h(entry.mark)}{interval}{partial}</td>'


def _h(text: str) -> str:
    return html.escape(text, quote=True)


# -------------------------------------------------------------------------------------------------- terminal


def print_table(console: Console, table: Table) -> None:
    """Print the table, in as many parts side by side as the terminal's width needs."""
    from rich.table import Table as Grid
    from rich.text import Text

    label_width = max((len(row.label) for row in table.rows), default=6)
    per_part = max(1, (console.width - min(label_width, console.width // 3) - 12) // 15)
    for start in range(0, len(table.columns), per_part):
        part = range(start, min(start + per_part, len(table.columns)))
        grid = Grid(title=table.title, title_justify="left")
        grid.add_column("method", overflow="fold")
        for j in part:
            column = table.columns[j]
            head = Text(column.title).append(f"\n{column.score} {arrow(column)}", style="dim")
            grid.add_column(head, justify="right", overflow="fold")
        last = part.stop == len(table.columns)
        if last:
            grid.add_column("mean rank ↓", justify="right")
        for i, row in enumerate(table.rows):
            cells = [_terminal_cell(table.entry(i, j), table.columns[j]) for j in part]
            grid.add_row(Text(row.label), *cells, *([rank_text(row.mean_rank)] if last else []))
        console.print(grid)


def _terminal_cell(entry: Entry, column: Column) -> Text:
    from rich.text import Text

    styles = {"failed": "red", "skipped": "dim", "pending": "yellow", "absent": "dim"}
    style = {1: "bold", 2: "underline"}.get(entry.rank or 0, styles.get(entry.state, ""))
    text = Text(value_text(entry, column), style=style).append(entry.mark, style="none")
    if interval_text(entry, column):
        text.append("\n" + interval_text(entry, column), style="dim")
    if entry.state == "partial":
        text.append("\n" + entry.flag, style="yellow")
    return text


def print_failures(console: Console, results: Results) -> None:
    """List what failed, is still pending or was skipped, each distinct reason once."""
    from rich.markup import escape

    for status, style in (("failed", "red"), ("pending", "yellow"), ("skipped", "dim")):
        reasons: dict[tuple[str, str], list[str]] = {}
        for cell in results.cells:
            if cell.status == status:
                reasons.setdefault((cell.method, cell.reason), []).append(f"{cell.task} (seed {cell.seed})")
        for (method, reason), where in reasons.items():
            tasks = ", ".join(where[:3]) + (f" and {len(where) - 3} more" if len(where) > 3 else "")
            console.print(
                f"[{style}]{status}[/{style}] [bold]{escape(method)}[/bold] on {escape(tasks)}: {escape(reason)}"
            )
