"""A table as Markdown, CSV, LaTeX (booktabs) and HTML."""

from __future__ import annotations

import csv
import html
import io
from dataclasses import dataclass
from pathlib import Path

from bench.report.tables import BETTER, WORSE, Column, Entry, Table
from bench.store import writing

LEGEND = (
    "Mean over seeds with 95 % interval; scores in [-1, 1] are shown x 100. Best bold, second underlined, ties at the "
    "precision shown; cells that are not complete are neither ranked nor averaged."
)
PANEL = 7  # columns of a LaTeX table side by side
CEILING = "Fitted on the task's own labels, shown as a ceiling and not ranked: "
MARKS = (
    f"{BETTER} better, {WORSE} worse than the best semantic method of the column (p < 0.05, paired on test examples, "
    "Holm-corrected within the column): "
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


# ---------------------------------------------------------------------------------------------------- what is shown


@dataclass(frozen=True)
class Shown:
    """One cell as text."""

    text: str  # the value, or the word that stands in its place
    rank: int | None = None  # 1: bold, 2: underlined
    mark: str = ""
    interval: str = ""
    flag: str = ""  # "2 of 3 seeds"
    state: str = ""
    reason: str = ""


def heading(table: Table) -> list[tuple[str, str]]:
    """Title and subtitle of every column but the first."""
    arrows = {True: "↑", False: "↓"}
    found = [(column.title, f"{column.score} {arrows[column.higher_is_better]}".strip()) for column in table.columns]
    return [*found, ("mean rank", "↓")] if table.over_tasks else found


def body(table: Table) -> list[tuple[str, list[Shown]]]:
    """Label and cells of every row; the chance levels, where known, come last."""
    rows = []
    for i, row in enumerate(table.rows):
        cells = [shown(table.entry(i, j), column) for j, column in enumerate(table.columns)]
        rank = (
            [Shown("-" if row.mean_rank is None else f"{row.mean_rank:.2f}", state="rank")] if table.over_tasks else []
        )
        rows.append((row.label, cells + rank))
    if any(column.chance is not None for column in table.columns):
        chance = [Shown(column.text(column.chance), state="chance") for column in table.columns]
        rows.append(("chance", chance + [Shown("")] * table.over_tasks))
    return rows


def shown(entry: Entry, column: Column) -> Shown:
    if entry.value is None:
        return Shown("-" if entry.state == "absent" else entry.state, state=entry.state, reason=entry.reason)
    high = entry.high
    if high is not None and column.percent and column.higher_is_better:
        high = min(high, 1.0)  # Student's t of two or three seeds knows no bounds; such scores do
    return Shown(
        text=column.text(entry.value),
        rank=entry.rank,
        mark=entry.mark,
        interval="" if entry.low is None else f"[{column.text(entry.low)}, {column.text(high)}]",
        flag=entry.flag if entry.state == "partial" else "",
        state=entry.state,
        reason=entry.reason,
    )


def notes_of(table: Table) -> list[str]:
    """The legend, the table's own notes and what is incomplete, one line each."""
    lines = [LEGEND, *_seeds(table), *table.notes]
    ceilings = [row.label for row in table.rows if row.ceiling]
    if ceilings:
        lines.append(CEILING + ", ".join(ceilings))
    if any(entry.mark for entry in table.entries.values()):
        references = dict.fromkeys(
            f"{column.reference} on {column.task}" for column in table.columns if column.reference
        )
        lines.append(MARKS + ", ".join(references))
    missing: dict[tuple[str, str, str], list[str]] = {}
    for (i, j), entry in sorted(table.entries.items()):
        if entry.state not in ("complete", "absent"):
            missing.setdefault((table.rows[i].label, entry.flag, entry.reason), []).append(table.columns[j].title)
    return lines + [
        f"{label} on {', '.join(dict.fromkeys(where))}: {flag}: {reason}"
        for (label, flag, reason), where in missing.items()
    ]


def _seeds(table: Table) -> list[str]:
    """How many seeds the cells are means of; nothing for a table without values."""
    numbers = sorted({entry.seeds for entry in table.entries.values() if entry.value is not None})
    if not numbers:
        return []
    said = "1 seed" if numbers == [1] else f"{' or '.join(map(str, numbers))} seeds"
    alone = "; of one seed, intervals tell nothing of how much trainings differ" if numbers[0] == 1 else ""
    return [f"Each cell: {said}{alone}"]


# --------------------------------------------------------------------------------------------------------- Markdown


def markdown(table: Table, footnote: list[str]) -> str:
    """GitHub-flavoured Markdown."""
    head = ["method", *(f"{_md(title)} ({_md(subtitle)})" for title, subtitle in heading(table))]
    lines = [f"### {_md(table.title)}", "", _md_row(head), "|" + " --- |" * len(head)]
    lines += [_md_row([_md(label), *map(_md_cell, cells)]) for label, cells in body(table)]
    notes = "\n".join(f"- {_md(note)}" for note in [*notes_of(table), *footnote])
    return "\n".join(lines) + "\n\n" + notes + "\n"


def _md_row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _md_cell(cell: Shown) -> str:
    text = {1: f"**{cell.text}**", 2: f"<u>{cell.text}</u>"}.get(cell.rank or 0, cell.text)
    flag = f"({cell.flag})" if cell.flag else ""
    return " ".join(part for part in (text + _md(cell.mark), cell.interval, flag) if part)


def _md(text: str) -> str:
    for character in "\\`*_<>|[]":
        text = text.replace(character, "\\" + character)
    return " ".join(text.split())


# -------------------------------------------------------------------------------------------------------------- CSV


def comma_separated(table: Table) -> str:
    """One line a cell, numbers unrounded."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    fields = list(Entry.__dataclass_fields__)
    writer.writerow(["method", "family", "task", "score", "higher_is_better", "chance", *fields])
    for (i, j), entry in sorted(table.entries.items()):
        row, column = table.rows[i], table.columns[j]
        described = [row.label, row.family, column.task, column.score, column.higher_is_better, column.chance]
        writer.writerow(described + [getattr(entry, name) for name in fields])
    return stream.getvalue()


# ------------------------------------------------------------------------------------------------------------ LaTeX


def latex(table: Table, footnote: list[str]) -> str:
    """A `table` environment ready for \\input; needs the packages booktabs and graphicx.

    Wide tables are shrunk, and those of more than `PANEL` columns go on below and on a next page, to stay readable.
    """
    head = [rf"\shortstack{{{_tex(title)}\\{_tex(subtitle)}}}" for title, subtitle in heading(table)]
    rows = [(_tex(label), [_tex_cell(cell) for cell in cells]) for label, cells in body(table)]
    families = [row.family for row in table.rows] + ["chance"]
    lines = [
        r"% \usepackage{booktabs,graphicx}",
        r"\begin{table}[tp]",
        r"\centering\small",
        rf"\caption{{{_tex(table.title)}.}}",
        rf"\label{{tab:{table.name}}}",
    ]
    panels = max(1, -(-len(head) // PANEL))
    for k in range(panels):
        if k and k % 2 == 0:  # a page holds no more than two
            lines += [r"\end{table}", r"\begin{table}[tp]", r"\centering\small", r"\addtocounter{table}{-1}"]
            lines.append(rf"\caption{{{_tex(table.title)} (continued).}}")
        part = slice(k * len(head) // panels, (k + 1) * len(head) // panels)
        lines += [
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            r"\begin{tabular}{l" + "c" * len(head[part]) + "}",
            r"\toprule",
            _tex_row(["Method", *head[part]]),
        ]
        for i, (label, cells) in enumerate(rows):
            if i == 0 or families[i] != families[i - 1]:
                lines.append(r"\midrule")
            lines.append(_tex_row([label, *cells[part]]))
        lines += [r"\bottomrule", r"\end{tabular}}", r"\par\medskip"]
    lines.append(r"\begin{minipage}{\linewidth}\footnotesize\raggedright")
    lines += [_tex(note.removesuffix(".")) + r".\par" for note in [*notes_of(table), *footnote]]
    return "\n".join([*lines, r"\end{minipage}", r"\end{table}"]) + "\n"


def _tex_row(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _tex_cell(cell: Shown) -> str:
    text = {1: rf"\textbf{{{cell.text}}}", 2: rf"\underline{{{cell.text}}}"}.get(cell.rank or 0, _tex(cell.text))
    small = " ".join(_tex(part) for part in (cell.interval, cell.flag) if part)
    return text + _tex(cell.mark) + (rf" {{\scriptsize {small}}}" if small else "")


_TEX = {
    **{character: "\\" + character for character in "{}$&#%_"},
    **{"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "|": r"\textbar{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "↑": r"$\uparrow$", "↓": r"$\downarrow$", '"': "''"},
    **{BETTER: r"\textsuperscript{*}", WORSE: r"\textsuperscript{$\dagger$}", "[": "{[}", "]": "{]}", "-": "{-}"},
}


def _tex(text: str) -> str:
    """Escaped for LaTeX; what a plain document cannot print becomes a question mark."""
    return "".join(_TEX.get(c, c if c.isascii() else "?") for c in " ".join(text.split()))


# ------------------------------------------------------------------------------------------------------------- HTML


def html_table(table: Table, footnote: list[str]) -> str:
    """A <table> with its notes; all text escaped."""
    head = "".join(
        f'<th scope="col">{_h(title)} <small>{_h(subtitle)}</small></th>' for title, subtitle in heading(table)
    )
    rows = [
        f'<tr><th scope="row">{_h(label)}</th>{"".join(map(_html_cell, cells))}</tr>' for label, cells in body(table)
    ]
    notes = "".join(f"<li>{_h(note)}</li>" for note in [*notes_of(table), *footnote])
    return "\n".join(
        [
            "<table>",
            f"<caption>{_h(table.title)}</caption>",
            f'<thead><tr><th scope="col">method</th>{head}</tr></thead>',
            "<tbody>",
            *rows,
            "</tbody>",
            "</table>",
            f"<ul>{notes}</ul>\n",
        ]
    )


def _html_cell(cell: Shown) -> str:
    text = {1: f"<strong>{cell.text}</strong>", 2: f"<u>{cell.text}</u>"}.get(cell.rank or 0, _h(cell.text))
    small = "".join(f" <small>{_h(part)}</small>" for part in (cell.interval, cell.flag) if part)
    title = f' title="{_h(cell.reason)}"' if cell.reason else ""
    return f'<td class="{cell.state}"{title}>{text}{_h(cell.mark)}{small}</td>'


def _h(text: str) -> str:
    return html.escape(text, quote=True)
