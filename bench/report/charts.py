"""Charts of scores: bars, curves over "name@level" scores, scores against training cost, dots per class."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bench.report.collect import Results
from bench.report.figures import (
    BARS,
    FAMILY_COLOURS,
    LINES,
    MOST,
    Layout,
    Sketch,
    compared,
    label_width,
    legend_height,
    method_legend,
    method_styles,
    only,
    prominent,
    prominent_rows,
)
from bench.report.paper import slug
from bench.report.tables import Column, Entry, Table, summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curves = dict[str, dict[str, Entry]]
"""Method -> level or class -> summary over seeds."""


def bars(table: Table) -> Sketch:
    """A panel of horizontal bars with 95 % intervals for every column."""
    from matplotlib.patches import Patch

    chosen = prominent_rows(table, BARS)
    rows, columns = [table.rows[i] for i in chosen], table.columns[:MOST]
    labels = [row.label for row in rows]
    layout = Layout(len(columns), 1.7, 0.15 * len(rows) + 0.1, left=label_width(labels), gap=0.2, legend=0.3)
    figure, axes = layout.draw()
    families = dict.fromkeys(row.family for row in rows)
    for j, (column, ax) in enumerate(zip(columns, axes, strict=True)):
        factor = 100 if column.percent else 1
        entries = [table.entry(i, j) for i in chosen]
        for hatch, state in ((None, "complete"), ("////", "partial")):
            some = [i for i, entry in enumerate(entries) if entry.state == state]
            colours = [FAMILY_COLOURS[rows[i].family] for i in some]
            values = [factor * (entries[i].value or 0) for i in some]
            ax.barh(some, values, 0.7, color=colours, hatch=hatch, edgecolor="white", lw=0)
        limits = [
            (i, factor * e.low, factor * e.high)
            for i, e in enumerate(entries)
            if e.low is not None and e.high is not None
        ]
        if limits:
            ax.hlines(*zip(*limits, strict=True), color="black", lw=1)
        for i in (i for i, entry in enumerate(entries) if entry.value is None):
            at_edge = ax.get_yaxis_transform()
            ax.text(0.02, i, entries[i].state, va="center", fontsize=6, color="#555555", transform=at_edge)
        if column.chance is not None:
            ax.axvline(factor * column.chance, color="black", linestyle=":", lw=0.8)
        ax.set_title(column.title.replace("[", "\n[", 1), fontsize=7)
        ax.set_xlabel(_score_label(column), fontsize=7, labelpad=1)
        ax.tick_params(labelsize=6)
        ax.grid(axis="x", lw=0.3)
        if j % layout.across == 0:
            ax.set_yticks(range(len(rows)), labels, fontsize=7)
        else:
            ax.set_yticks([])
        ax.set_ylim(len(rows) - 0.4, -0.6)
    handles = [Patch(color=FAMILY_COLOURS[family], label=family or "unknown") for family in families]
    figure.legend(handles=handles, loc="lower left", ncols=len(handles), frameon=False, fontsize=7)
    said = "main score of every method; lines are 95 % intervals, dotted lines chance, hatched bars lack seeds"
    left_out = only(len(rows), len(table.rows)) + _left_out(table)
    return Sketch(f"bars_{table.name}", f"{table.title}: {said}{left_out}", figure)


def cost(table: Table, results: Results) -> Sketch:
    """Main score of every column against seconds of training, both means over seeds."""
    chosen = prominent_rows(table, LINES)
    seconds = {table.rows[i].label: _fit_seconds(results, table.rows[i].label) for i in chosen}
    known = {label: value for label, value in seconds.items() if value is not None}
    styles = method_styles(results, known)
    columns = table.columns[:MOST]
    figure, axes = Layout(len(columns), 1.6, 1.1, left=0.5, gap=0.55, legend=legend_height(list(styles))).draw()
    for j, (column, ax) in enumerate(zip(columns, axes, strict=True)):
        factor = 100 if column.percent else 1
        for i in chosen:
            entry, label = table.entry(i, j), table.rows[i].label
            if entry.value is None or label not in known:
                continue
            if entry.low is not None and entry.high is not None:
                ax.vlines(known[label], factor * entry.low, factor * entry.high, color=styles[label]["color"], lw=0.8)
            ax.plot(known[label], factor * entry.value, ms=4, **styles[label])
        ax.set_title(column.title.replace("[", "\n[", 1), fontsize=7)
        ax.set_ylabel(_score_label(column), fontsize=7, labelpad=1)
        ax.set_xlabel("training (s)", fontsize=7, labelpad=1)
        ax.tick_params(labelsize=6)
        ax.set_xscale("symlog", linthresh=1)
        ax.set_xlim(-0.2, 2 * max(known.values(), default=1.0) + 1)
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.minorticks_off()
        ax.grid(lw=0.3)
    method_legend(figure, styles)
    left_out = only(len(chosen), len(table.rows)) + _left_out(table)
    caption = f"{table.title}: main score against seconds of training (horizontal){left_out}"
    return Sketch(f"cost_{table.name}", caption, figure)


def _score_label(column: Column) -> str:
    return column.score + (" (%)" if column.percent else "") + ("" if column.higher_is_better else ", lower is better")


def _left_out(table: Table) -> str:
    more = len(table.columns) - MOST
    return f"; {more} more tasks stand in the table alone" if more > 0 else ""


def curves(results: Results) -> Iterator[Sketch]:
    """For every task with scores at several levels ("accuracy@10%", "accuracy@20deg"): a line a method."""
    for task in results.tasks:
        for stem, names in _families(results, task, "@").items():
            levels = sorted(names, key=_number)
            data = _summaries(results, task, [f"{stem}@{level}" for level in levels])
            if len(levels) < 2 or not data or stem == "drop":  # the drop is the same curve upside down
                continue
            styles, banded = method_styles(results, data), compared(results, task)
            figure, (ax,) = Layout(1, 3.4, 1.8, legend=legend_height(list(data))).draw()
            x = [_number(level) for level in levels]
            for method, entries in data.items():
                _line(ax, x, list(entries.values()), styles[method], method in banded)
            if levels[0].endswith("%"):
                ax.set_xscale("log")
            ax.set_xticks(x, levels, fontsize=7)
            ax.minorticks_off()
            meaning = "share of the training labels" if levels[0].endswith("%") else "step out of range (0: in range)"
            ax.set(title=task, ylabel=f"{stem} (%)", xlabel=meaning)
            ax.grid(lw=0.3)
            method_legend(figure, styles)
            caption = f"{task}: {stem} by {meaning}, at {', '.join(levels)}"
            if banded:
                caption += f"; bands are 95 % intervals, of {' and '.join(banded)}"
            caption += only(len(data), _complete(results, task))
            yield Sketch(f"curve_{slug(task)}_{slug(stem)}", caption, figure)


def dots(results: Results) -> Iterator[Sketch]:
    """For every task with scores per class or attribute ("accuracy:Smiling"): a row each, a dot a method."""
    for task in results.tasks:
        for stem, names in _families(results, task, ":").items():
            if any(">" in name for name in names):  # a matrix: see `diagrams.leakage`
                continue
            data = _summaries(results, task, [f"{stem}:{name}" for name in names])
            if len(names) < 2 or not data:
                continue
            first = next(iter(data.values()))
            order = sorted(range(len(names)), key=lambda k: list(first.values())[k].value or 0)
            styles = method_styles(results, data)
            left = label_width(names)
            figure, (ax,) = Layout(1, 3.0, 0.1 + 0.15 * len(names), left=left, legend=legend_height(list(data))).draw()
            for method, entries in data.items():
                values = [100 * (list(entries.values())[k].value or 0) for k in order]
                ax.plot(values, range(len(order)), linestyle="", ms=4, alpha=0.85, **styles[method])
            ax.set_yticks(range(len(order)), [names[k] for k in order], fontsize=6)
            ax.set(title=task, xlabel=f"{stem} (%)")
            ax.grid(lw=0.3)
            method_legend(figure, styles)
            caption = f"{task}: {stem} of each class or attribute, sorted by {next(iter(data))}"
            caption += only(len(data), _complete(results, task))
            yield Sketch(f"dots_{slug(task)}_{slug(stem)}", caption, figure)


def _line(ax: Axes, x: list[float], entries: list[Entry], style: dict[str, Any], banded: bool) -> None:
    """A curve; those `banded` are the thick ones, with their intervals: bands around all would hide one another."""
    values = [100 * (entry.value or 0) for entry in entries]
    ax.plot(x, values, ms=4, lw=2 if banded else 0.9, **style)
    if banded and all(entry.low is not None and entry.high is not None for entry in entries):
        low, high = ([100 * (getattr(entry, side) or 0) for entry in entries] for side in ("low", "high"))
        ax.fill_between(x, low, high, color=style["color"], alpha=0.15, lw=0)


def _families(results: Results, task: str, separator: str) -> dict[str, list[str]]:
    """Stem -> what follows the separator, of all score names of a task."""
    names = dict.fromkeys(n for m in results.methods for cell in results.good(m, task)[:1] for n in cell.scores)
    found: dict[str, list[str]] = {}
    for name in names:
        stem, _, rest = name.partition(separator)
        if rest:
            found.setdefault(stem, []).append(rest)
    return found


def _summaries(results: Results, task: str, names: list[str]) -> Curves:
    """The most prominent complete methods of a task, each with the summary of these scores."""
    methods = prominent(results, task, LINES)
    found = {method: {name: summarise(results.good(method, task), name) for name in names} for method in methods}
    return {m: entries for m, entries in found.items() if all(e.value is not None for e in entries.values())}


def _complete(results: Results, task: str) -> int:
    """How many methods are complete on a task."""
    return sum(bool(results.good(method, task)) for method in results.methods)


def _fit_seconds(results: Results, method: str) -> float | None:
    times = [cell.record["seconds"]["fit"] for cell in results.cells if cell.method == method and cell.scores]
    return sum(times) / len(times) if times else None


def _number(level: str) -> float:
    """The number in a level's name; levels without one come first."""
    match = re.search(r"-?\d+(?:\.\d+)?", level)
    return float(match[0]) if match else 0.0
