"""Pictures and matrices: critical differences over tasks, leakage, confusion, reconstructions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.report.collect import Cell, Results
from bench.report.figures import FAMILY_COLOURS, MOST, Layout, Sketch, compared, label_width, prominent
from bench.report.paper import slug
from bench.report.tables import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MATRICES = 6  # in a figure
FEW = 25  # entries: of larger matrices
WRITTEN = 0.05  # smaller entries are left to their colour
MOST_CLASSES = 20  # a confusion matrix of more is unreadable at column width


# ----------------------------------------------------------------------------------------------- critical differences


def critical_difference(table: Table) -> Iterator[Sketch]:
    """Mean ranks over tasks; methods joined by a bar do not differ by Nemenyi's test (Demsar 2006).

    Columns that fewer than half of the methods completed are left out, then every method that is not complete in the
    rest. Nothing is drawn for fewer than three methods or three tasks.
    """
    from scipy.stats import rankdata, studentized_range

    rivals = [i for i, row in enumerate(table.rows) if not row.ceiling]
    done = {j: [i for i in rivals if table.entry(i, j).state == "complete"] for j in range(len(table.columns))}
    columns = [j for j, rows in done.items() if 2 * len(rows) >= len(rivals)]
    rows = [i for i in rivals if all(i in done[j] for j in columns)]
    if len(columns) < 3 or len(rows) < 3:
        return
    shown = [[-table.columns[j].shown(table.entry(i, j).value or 0.0) for i in rows] for j in columns]
    ranks = dict(zip(rows, np.mean([rankdata(column) for column in shown], axis=0), strict=True))
    k, n = len(rows), len(columns)
    distance = float(studentized_range.ppf(0.95, k, math.inf)) / math.sqrt(2) * math.sqrt(k * (k + 1) / (6 * n))
    figure, (ax,) = Layout(1, 5.5, 0.5 + 0.12 * k, left=0.1, above=0.1, below=0.05).draw()
    _draw_ranks(ax, table, sorted(ranks.items(), key=lambda item: item[1]), distance)
    left_out = [table.rows[i].label for i in rivals if i not in rows]
    caption = (
        f"{table.title}: mean rank over {n} tasks (1 is best); methods joined by a bar do not differ by Nemenyi's test "
        f"(critical difference {distance:.2f}, 5 %; tasks count as independent)"
        + (f"; left out, for incomplete: {', '.join(left_out)}" if left_out else "")
    )
    yield Sketch(f"ranks_{table.name}", caption, figure)


def _draw_ranks(ax: Axes, table: Table, ranked: list[tuple[int, float]], distance: float) -> None:
    """The axis of ranks with names left and right, and a bar under each group of methods closer than `distance`."""
    k = len(ranked)
    half = -(-k // 2)
    groups = [(a, max(b for b in range(k) if ranked[b][1] - ranked[a][1] < distance)) for a in range(k)]
    maximal = [(a, b) for a, b in groups if b > a and not any(c < a and b <= d for c, d in groups)]
    for g, (a, b) in enumerate(maximal):
        y = -0.25 - 0.18 * g
        ax.plot([ranked[a][1] - 0.03, ranked[b][1] + 0.03], [y, y], color="black", lw=2.5, solid_capstyle="butt")
    depth = -0.4 - 0.18 * len(maximal)
    for position, (i, rank) in enumerate(ranked):
        left = position < half
        y = depth - 0.4 * (position if left else k - 1 - position)
        end = 0.6 if left else k + 0.4
        colour = FAMILY_COLOURS[table.rows[i].family]
        ax.plot([rank, rank, end], [0, y, y], color=colour, lw=1)
        text = f"{table.rows[i].label}  {rank:.2f}"
        ax.text(end + (-0.08 if left else 0.08), y, text, ha="right" if left else "left", va="center", fontsize=7)
    ax.plot([1, k], [0, 0], color="black", lw=1)
    for rank in range(1, k + 1, 1 + k // 25):
        ax.plot([rank, rank], [0, 0.1], color="black", lw=1)
        ax.text(rank, 0.2, str(rank), ha="center", fontsize=7)
    ax.set_xlim(-0.35 * k, 1.35 * k + 1)
    ax.axis("off")


# ------------------------------------------------------------------------------------------------------------ matrices


def confusions(results: Results) -> Iterator[Sketch]:
    """For every task that keeps predicted classes: the best methods' confusion matrices, means over seeds."""
    for task in results.tasks:
        found: dict[str, np.ndarray] = {}
        names: list[str] = []
        for method in prominent(results, task, MATRICES):
            cells = results.good(method, task)
            matrices = [matrix for cell in cells if (matrix := _confusion(results, cell)) is not None]
            if len(matrices) == len(cells):
                found[method] = np.mean(matrices, axis=0)
                names = [name.removeprefix("recall:") for name in cells[0].scores if name.startswith("recall:")]
        if found:
            caption = f"{task}: share (%) of the images of each class (row) taken for each class (column)"
            if len(found) == MATRICES:
                caption += f"; of {', '.join(compared(results, task))} and the best others"
            yield _matrices(f"confusion_{slug(task)}", caption, found, names, names)


def _confusion(results: Results, cell: Cell) -> np.ndarray | None:
    """(C, C): share of each true class (row) taken for each class; None where not kept or the classes are too many."""
    outcomes = results.store.outcomes(cell.key, ("label", "predicted"))
    label, predicted = outcomes.get("label"), outcomes.get("predicted")
    if label is None or predicted is None or label.ndim != 1:
        return None
    classes = np.unique(label)
    if len(classes) > MOST_CLASSES:
        return None
    known = np.isin(predicted, classes)
    matrix = np.zeros((len(classes), len(classes)))
    np.add.at(matrix, (np.searchsorted(classes, label[known]), np.searchsorted(classes, predicted[known])), 1)
    return matrix / np.bincount(np.searchsorted(classes, label), minlength=len(classes))[:, None]


def leakage(results: Results) -> Iterator[Sketch]:
    """For every task with scores named "r2:light>shape": how well each block (row) tells each factor group (column)."""
    for task in results.tasks:
        found: dict[str, np.ndarray] = {}
        rows: list[str] = []
        columns: list[str] = []
        for method in prominent(results, task, len(results.methods)):
            cells = results.good(method, task)
            pairs = [name.partition(":")[2].split(">") for name in cells[0].scores if ">" in name] if cells else []
            if pairs and len(found) < MOST:
                rows, columns = (list(dict.fromkeys(names)) for names in zip(*pairs, strict=True))
                values = [[score["value"] for name, score in cell.scores.items() if ">" in name] for cell in cells]
                found[method] = np.mean(values, axis=0).reshape(len(rows), len(columns))
        if found:
            caption = f"{task}: how well each block of features (row) tells each group of factors (column), x 100"
            yield _matrices(f"leakage_{slug(task)}", caption, found, rows, columns)


def _matrices(name: str, caption: str, found: dict[str, np.ndarray], rows: list[str], columns: list[str]) -> Sketch:
    """One panel a method, values in percent."""
    width, height = (0.19 * max(len(names), 4) for names in (columns, rows))
    layout = Layout(len(found), width, height, left=label_width(rows), gap=0.15, below=label_width(columns))
    figure, axes = layout.draw()
    for ax, (method, matrix) in zip(axes, found.items(), strict=True):
        ax.imshow(matrix, cmap="cividis", vmin=0, vmax=1)
        least = WRITTEN if matrix.size > FEW else -np.inf
        for i, j in zip(*np.nonzero(matrix >= least), strict=True):
            colour = "white" if matrix[i, j] < 0.6 else "black"
            ax.text(j, i, f"{100 * matrix[i, j]:.0f}", ha="center", va="center", fontsize=5, color=colour)
        ax.set_xticks(range(len(columns)), columns, rotation=90, fontsize=6)
        if ax in axes[:: layout.across]:
            ax.set_yticks(range(len(rows)), rows, fontsize=6)
        else:
            ax.set_yticks([])
        ax.set_title(method.replace("[", "\n[", 1), fontsize=6)
    return Sketch(name, caption, figure)


# ------------------------------------------------------------------------------------------------------------ pictures


def reconstructions(results: Results) -> Iterator[Sketch]:
    """For every domain: held-out images and what each method makes of them (the first seed's model)."""
    for domain in dict.fromkeys(about.get("domain", "") for about in results.tasks.values()):
        folders = picture_folders(results, domain)
        strips: dict[str, np.ndarray] = {}
        for method, folder in folders.items():
            strips.setdefault("input", _read(folder / "input.png"))
            strips[method] = _read(folder / "reconstruction.png")
        if strips:
            caption = f"Held-out images ({domain}) and each method's reconstruction of them"
            yield _strips(f"reconstructions_{domain}", caption, strips)


def picture_folders(results: Results, domain: str) -> dict[str, Path]:
    """Method -> the folder of pictures of its first seed's model on this domain, where it was kept."""
    found: dict[str, Path] = {}
    for cell in sorted(results.cells, key=lambda cell: cell.seed):
        if cell.method not in found and cell.record and cell.record["task"]["domain"] == domain:
            artefact = results.store.find_artefact(cell.record["artefact"])
            if artefact and (artefact / "pictures" / "reconstruction.png").is_file():
                found[cell.method] = artefact / "pictures"
    return {method: found[method] for method in results.methods if method in found}


def _read(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _strips(name: str, caption: str, strips: dict[str, np.ndarray]) -> Sketch:
    figure, axes = Layout(len(strips), 5.0, 0.63, across=1, left=0.1, above=0.2, below=0.0).draw()
    for ax, (label, strip) in zip(axes, strips.items(), strict=True):
        ax.imshow(strip)
        ax.set_title(label, loc="left", fontsize=7, pad=2)
        ax.axis("off")
    return Sketch(name, caption, figure)
