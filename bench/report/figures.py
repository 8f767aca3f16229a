"""The figures, each as PNG and as vector PDF: colour-blind-safe (Okabe and Ito), readable at column width."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
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
LEGEND_COLUMNS = 3
MOST = 12  # panels in a figure: beyond that, tables serve better
FIGURES = 8  # of a kind that has one for every task
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
        islice(charts.curves(results), FIGURES),
        islice(diagrams.leakage(results), FIGURES),
        islice(charts.dots(results), FIGURES),
        islice(diagrams.confusions(results), FIGURES),
        diagrams.reconstructions(results),
    )


def _save(sketch: Sketch, folder: Path) -> Plot:
    """Write PNG and PDF without time stamps, so that the same records give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    plot = Plot(sketch.name, sketch.caption, folder / f"{sketch.name}.png", folder / f"{sketch.name}.pdf")
    sketch.figure.savefig(plot.png, metadata={"Software": None})
    sketch.figure.savefig(plot.pdf, metadata={"CreationDate": None, "Producer": None, "Creator": None})
    return plot


@dataclass(frozen=True)
class Layout:
    """Panels in rows of `across`, all lengths in inches: fixed positions, many times faster than a layout engine."""

    count: int
    width: float  # of a panel's axes
    height: float
    across: int = 3
    left: float = 0.6  # for the labels of the first panel in a row
    gap: float = 0.55  # between panels of a row
    above: float = 0.4  # a panel, for its title
    below: float = 0.4  # a panel, for its labels
    legend: float = 0.0  # below everything

    def draw(self) -> tuple[Figure, list[Axes]]:
        """The figure and its axes, row by row."""
        from matplotlib.figure import Figure

        across = min(self.across, self.count)
        down = -(-self.count // across)
        size = (
            self.left + across * self.width + (across - 1) * self.gap + 0.15,
            down * (self.above + self.height + self.below) + self.legend,
        )
        figure = Figure(figsize=size)
        axes = []
        for k in range(self.count):
            row, column = divmod(k, across)
            x = self.left + column * (self.width + self.gap)
            y = size[1] - (row + 1) * (self.above + self.height) - row * self.below
            axes.append(figure.add_axes((x / size[0], y / size[1], self.width / size[0], self.height / size[1])))
        return figure, axes


def label_width(labels: Iterable[str]) -> float:
    """Inches that 7-point labels take."""
    return 0.12 + 0.062 * max(map(len, labels), default=0)


def method_styles(methods: Iterable[str], shown: Collection[str]) -> dict[str, dict[str, Any]]:
    """Colour and marker of the methods shown: the same in every figure, no two alike among the run's first 56."""
    return {
        method: {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[(i + i // len(COLOURS)) % len(MARKERS)]}
        for i, method in enumerate(methods)
        if method in shown
    }


def legend_height(methods: Sequence[str]) -> float:
    """Inches that `method_legend` takes."""
    return 0.1 + 0.17 * -(-len(methods) // LEGEND_COLUMNS)


def method_legend(figure: Figure, styles: dict[str, dict[str, Any]]) -> None:
    """A legend of methods at the bottom."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], linestyle="", label=method, **style) for method, style in styles.items()]
    figure.legend(handles=handles, loc="lower left", ncols=LEGEND_COLUMNS, frameon=False, fontsize=7)
