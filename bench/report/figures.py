"""The figures, each as PNG and as vector PDF: colour-blind-safe (Okabe and Ito), readable at column width."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.report.comparison import Comparisons
from bench.report.tables import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FAMILY_COLOURS = {"physical": "#0072B2", "semantic": "#E69F00", "reference": "#7F7F7F", "": "#CCCCCC"}
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000", "#999933")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "savefig.dpi": 160,
    "pdf.fonttype": 42,  # fonts embedded as TrueType, which publishers ask for
}


@dataclass(frozen=True)
class Sketch:
    """A figure that is drawn but not yet written."""

    name: str  # file stem
    caption: str  # says in words what is to be seen: it is the alternative text too
    figure: Figure


@dataclass(frozen=True)
class Plot:
    """A written figure."""

    name: str
    caption: str
    png: Path
    pdf: Path


def write_figures(comparisons: Comparisons, overview: list[Table], folder: Path) -> list[Plot]:
    """Draw and write every figure that the records allow."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        return [_save(sketch, folder) for sketch in _sketches(comparisons, overview)]


def _sketches(comparisons: Comparisons, overview: list[Table]) -> Iterator[Sketch]:
    from bench.report import charts, diagrams

    results = comparisons.results
    return chain(
        (charts.bars(table) for table in overview),
        (sketch for table in overview for sketch in diagrams.critical_difference(table)),
        (charts.cost(table, results) for table in overview),
        charts.curves(results),
        diagrams.leakage(results),
        charts.dots(results),
        diagrams.confusions(results),
        diagrams.reconstructions(results),
    )


def _save(sketch: Sketch, folder: Path) -> Plot:
    """Write PNG and PDF without time stamps, so that the same records give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    plot = Plot(sketch.name, sketch.caption, folder / f"{sketch.name}.png", folder / f"{sketch.name}.pdf")
    sketch.figure.savefig(plot.png, metadata={"Software": None})
    sketch.figure.set_layout_engine("none")  # found by now: twice the work for nothing
    sketch.figure.savefig(plot.pdf, metadata={"CreationDate": None, "Producer": None, "Creator": None})
    return plot


def panels(count: int, width: float, height: float, across: int = 3, **share: Any) -> tuple[Figure, list[Axes]]:
    """`count` axes in rows of `across`, each `width` x `height` inches."""
    from matplotlib.figure import Figure

    across = min(across, count)
    down = -(-count // across)
    figure = Figure(figsize=(width * across + 0.9, height * down + 0.5), layout="constrained")
    axes = list(figure.subplots(down, across, squeeze=False, **share).ravel())
    for ax in axes[count:]:
        ax.remove()
    return figure, axes[:count]


def method_styles(methods: list[str]) -> dict[str, dict[str, Any]]:
    """Colour and marker of each method: no two alike among the first 56."""
    return {
        method: {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[(i + i // len(COLOURS)) % len(MARKERS)]}
        for i, method in enumerate(methods)
    }


def method_legend(figure: Figure, styles: dict[str, dict[str, Any]]) -> None:
    """A legend of methods below everything else."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], linestyle="", label=method, **style) for method, style in styles.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=7)
