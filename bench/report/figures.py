"""The figures, each as PNG and as vector PDF: colour-blind-safe (Okabe and Ito), readable at column width."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.report.claims import physical_method
from bench.report.collect import Results
from bench.report.comparison import Comparisons
from bench.report.tables import FAMILIES, Table
from bench.store import writing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FAMILY_COLOURS = {"physical": "#0072B2", "semantic": "#E69F00", "reference": "#7F7F7F", "": "#CCCCCC"}
COLOURS = {  # of methods: a family keeps to its own
    "physical": ("#0072B2", "#56B4E9"),
    "semantic": ("#E69F00", "#D55E00", "#CC79A7"),
    "reference": ("#000000", "#009E73", "#7F7F7F"),
    "": ("#999933",),
}
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LEGEND_COLUMNS = 3
MOST = 12  # panels in a figure: beyond that, tables serve better
BARS = 30  # methods in a panel of bars
LINES = 14  # methods told apart by colour and marker
FIGURES = 8  # of a kind that has one for every task
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titley": 1.0,  # as by default, but no longer looked for anew around every tick: a quarter of the time
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

    with rc_context({**STYLE, "font.family": [lean_font(), "DejaVu Sans"]}):
        return [_save(sketch, folder) for sketch in _sketches(comparisons, overview)]


@cache
def lean_font() -> str:
    """Family name of DejaVu Sans reduced to Latin letters, made once and registered with matplotlib.

    Every PDF embeds the glyphs it uses; cut from the whole font, that is a fourth of the time of all figures.
    """
    import matplotlib
    from fontTools import subset
    from matplotlib import font_manager

    family = "pdr-bench Sans"
    path = Path(matplotlib.get_cachedir()) / f"pdr-bench-sans-{matplotlib.__version__}.ttf"
    if not path.is_file():
        options = subset.Options(layout_features=[], hinting=True, notdef_outline=True, name_IDs=["*"])
        font = subset.load_font(font_manager.findfont("DejaVu Sans"), options)
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=[*range(0x20, 0x250), 0x2212])  # U+2212: the minus of tick labels
        subsetter.subset(font)
        for entry in font["name"].names:
            if entry.nameID in (1, 4, 16):
                entry.string = family
        with writing(path, "wb") as stream:
            font.save(stream)
    font_manager.fontManager.addfont(path)
    return family


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


def method_styles(results: Results, shown: Collection[str]) -> dict[str, dict[str, Any]]:
    """Colour and marker of the methods shown, by family; the same in every figure, and physical ones in front.

    No two are alike among the first 14 physical, 21 semantic and 21 reference methods of a run.
    """
    styles: dict[str, dict[str, Any]] = {}
    for family in FAMILIES:
        colours = COLOURS[family]
        members = [method for method, about in results.methods.items() if about.get("family", "") == family]
        for i, method in enumerate(members):
            if method in shown:
                marker = MARKERS[(i + i // len(colours)) % len(MARKERS)]
                front = 4 if family == "physical" else 3
                styles[method] = {"color": colours[i % len(colours)], "marker": marker, "zorder": front}
    return styles


def compared(results: Results, task: str) -> list[str]:
    """The physical method and the best semantic one, where they are complete on a task."""
    pair = physical_method(results), Comparisons(results).best(task, "semantic")
    return [method for method in pair if method and results.good(method, task)]


def prominent(results: Results, task: str, most: int) -> list[str]:
    """At most `most` of the methods that are complete on a task: those `compared`, then the best by main score."""
    score = results.main_scores[task]
    means = {}
    for method in results.methods:
        scores = [cell.scores[score] for cell in results.good(method, task)]
        if scores:
            sign = 1 if scores[0]["higher_is_better"] else -1
            means[method] = sign * sum(item["value"] for item in scores) / len(scores)
    first = compared(results, task)
    best = sorted(means, key=lambda method: (method not in first, -means[method]))[:most]
    return [method for method in means if method in best]


def prominent_rows(table: Table, most: int) -> list[int]:
    """At most `most` rows of a table: the first, ceilings, and the best by the mean of the ranks they have."""

    def order(i: int) -> float:
        ranks = [rank for j in range(len(table.columns)) if (rank := table.entry(i, j).rank) is not None]
        return 0 if i == 0 or table.rows[i].ceiling else sum(ranks) / len(ranks) if ranks else math.inf

    return sorted(sorted(range(len(table.rows)), key=order)[:most])


def only(shown: int, of: int) -> str:
    """The end of a caption where not all methods are shown."""
    return f"; {shown} of {of} methods, the best" if shown < of else ""


def legend_height(methods: Sequence[str]) -> float:
    """Inches that `method_legend` takes."""
    return 0.1 + 0.17 * -(-len(methods) // LEGEND_COLUMNS)


def method_legend(figure: Figure, styles: dict[str, dict[str, Any]]) -> None:
    """A legend of methods at the bottom."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], linestyle="", label=method, **style) for method, style in styles.items()]
    figure.legend(handles=handles, loc="lower left", ncols=LEGEND_COLUMNS, frameon=False, fontsize=7)
