"""Commands that look at finished or half-finished runs: report, claims, compare, export, show; and speed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli import DEFAULT_OUT, main, picture_path, plan_cells, plan_options, plan_settings

if TYPE_CHECKING:
    from bench.store import Store

_path = click.Path(path_type=Path)
folder_argument = click.argument("folder", type=_path, default=DEFAULT_OUT)


def _store(folder: Path) -> Store:
    from bench.plan import read_plan
    from bench.store import SHIPPED, Store

    store = Store(folder.resolve(), (SHIPPED,))
    read_plan(store)  # a folder without a run is an error here, not an empty table
    return store


@main.command()
@folder_argument
@click.argument("other", type=_path, required=False)
def report(folder: Path, other: Path | None) -> None:
    """Make tables, figures and the page again, from records alone; with OTHER, also what differs in that run.

    \b
    python -m bench report results/default
    python -m bench report results/default results/before
    """
    from rich.console import Console

    from bench.report import write_report

    store = _store(folder)
    page = write_report(store, store.out / "report", _store(other) if other else None, Console())
    click.echo(f"tables, figures and page: {page}")


@main.command()
@folder_argument
def claims(folder: Path) -> None:
    """Test the paper's claims C1 to C5 on the records of a run.

    \b
    python -m bench claims results/default
    """
    from rich.console import Console

    from bench.report import print_claims

    print_claims(Console(), _store(folder))


@main.command()
@click.argument("a", type=_path)
@click.argument("b", type=_path)
def compare(a: Path, b: Path) -> None:
    """Show what changed from run A to run B beyond its uncertainty.

    \b
    python -m bench compare results/before results/default
    """
    from rich.console import Console

    from bench.report import print_comparison

    print_comparison(Console(), _store(a), _store(b))


@main.command()
@folder_argument
@click.option("--to", "path", type=_path, default=Path("records.csv"), show_default=True, help=".csv or .parquet")
def export(folder: Path, path: Path) -> None:
    """Write all scores of a run as one tidy table, for your own notebook.

    \b
    python -m bench export results/default --to scores.csv
    """
    from bench.report.export import export as write_table

    click.echo(f"{write_table(_store(folder), path)} rows in {path}")


@main.command()
@click.argument("method")
@plan_options
@click.option("--count", default=8, show_default=True, help="How many test images.")
@click.option(
    "--to", "path", type=_path, callback=picture_path, help="The picture to write  [default: <out>/show/METHOD.png]"
)
def show(method: str, count: int, path: Path | None, **options: Any) -> None:
    """Write what a trained method sees of a few test images: reconstruction, depth, albedo, relit, turned ...

    \b
    python -m bench show pdr
    python -m bench show beta_vae --tasks car_classification --out results/default
    """
    from bench.show import show_method

    settings = plan_settings(options)
    tasks = options["tasks"] if options["tasks"] != ("all",) else ("identity",)
    cells = plan_cells({**options, "methods": (method,), "tasks": tasks}, settings)
    path = path or settings.out / "show" / f"{cells[0].method.name}.png"
    click.echo(show_method(settings, cells[0], count, path))


SPEEDS = {"raster": "bench.render.speed", "protocols": "tasks.protocols.speed"}


@main.command()
@click.argument("what", type=click.Choice(list(SPEEDS)))
def speed(what: str) -> None:
    """Measure, side by side on this machine, what this program does fast against the plain way.

    \b
    python -m bench speed raster        our rasterizer against PyTorch3D
    python -m bench speed protocols     one tree and all heads at once against one at a time
    """
    from importlib import import_module

    for line in import_module(SPEEDS[what]).report():
        click.echo(line)
