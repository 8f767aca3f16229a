"""The figures, each as PNG and as vector PDF: colour-blind-safe (Okabe-Ito), readable at column width."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.report.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FAMILY_COLOURS = {"physical": "#0072B2", "semantic": "#E69F00", "reference": "#7F7F7F", "": "#CCCCCC"}
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,  # fonts embedded as TrueType, which publishers ask for
}


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write PNG and PDF without time stamps, so that the same records give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.png", folder / f"{name}.pdf"]
    figure.savefig(paths[0], metadata={"Software": None})
    figure.savefig(paths[1], metadata={"CreationDate": None, "Producer": None, "Creator": None})
    return paths


def bar_figures(tables: list[Table], folder: Path) -> list[Path]:
    """One figure a table: a panel of horizontal bars with 95 % intervals for every column; dotted line: chance."""
    return [path for table in tables for path in save(_bars(table), folder, f"bars_{table.name}")]


def _bars(table: Table) -> Figure:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    across = min(3, max(1, len(table.columns)))
    down = -(-len(table.columns) // across)
    with mpl.rc_context(STYLE):
        height = down * (0.6 + 0.17 * len(table.rows))
        figure = Figure(figsize=(2.5 * across + 1.2, max(1.6, height)), layout="constrained")
        axes = figure.subplots(down, across, squeeze=False, sharey=True).ravel()
        for j, column in enumerate(table.columns):
            ax = axes[j]
            factor = 100 if column.percent else 1
            for i, row in enumerate(table.rows):
                entry = table.entry(i, j)
                if entry.value is None:
                    ax.text(0, i, f" {entry.state}", va="center", fontsize=6, color="#666666")
                    continue
                hatch = "////" if entry.state == "partial" else None
                ax.barh(
                    i,
                    factor * entry.value,
                    color=FAMILY_COLOURS[row.family],
                    height=0.7,
                    hatch=hatch,
                    edgecolor="white",
                    linewidth=0,
                )
                if entry.low is not None and entry.high is not None:
                    ax.plot([factor * entry.low, factor * entry.high], [i, i], color="black", linewidth=1)
            if column.chance is not None:
                ax.axvline(factor * column.chance, color="black", linestyle=":", linewidth=0.8)
            ax.set_title(column.title.replace("[", "\n["), fontsize=7)
            unit = " (%)" if column.percent else ""
            ax.set_xlabel(column.score + unit + ("" if column.higher_is_better else ", lower is better"))
            ax.grid(axis="x", linewidth=0.3)
        axes[0].set_yticks(range(len(table.rows)), [row.label for row in table.rows])
        axes[0].set_ylim(len(table.rows) - 0.4, -0.6)
        for ax in axes[len(table.columns) :]:
            ax.remove()
        _family_legend(figure, sorted({row.family for row in table.rows}))
    return figure


def _family_legend(figure: Figure, families: list[str]) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=FAMILY_COLOURS[family], label=family or "no result yet") for family in families]
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), frameon=False)
