"""`python -m bench data ...`: look at data sets, check, prepare and write them out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from bench.cli import data_options, default_cache, default_data_root, main, picture_path, plugin_option
from bench.errors import UsageError
from bench.registry import Registry

_path = click.Path(path_type=Path)
size_option = click.option("--image-size", type=int, default=64, show_default=True, help="Height and width in pixels.")


@main.group()
def data() -> None:
    """Look at data sets, check them, write them out.

    \b
    python -m bench data show synfaces
    python -m bench data check celeba --data-root ~/datasets
    """


@contextmanager
def _progress() -> Iterator[Callable[[int, int, str], None]]:
    """A progress bar that appears with the first report; nothing where nobody watches."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        line = bar.add_task("", total=None, visible=False)

        def report(done: int, total: int, what: str) -> None:
            bar.update(line, completed=done, total=total, description=what, visible=True)

        yield report


def _source(name: str, plugins: tuple[Path, ...]) -> Any:
    registry = Registry(plugins)
    spec = registry.parse("dataset", name, {})
    return registry.make("dataset", spec.name, spec.values)


def _place(image_size: int, data_root: Path | None, cache: Path | None, progress: Any) -> Any:
    from bench.api import Place

    return Place(image_size, cache or default_cache(), data_root or default_data_root(), progress)


@data.command()
@click.argument("name")
@click.option("--out", type=_path, callback=picture_path, help="The picture to write  [default: NAME.png]")
@click.option("--card", is_flag=True, help="Print the data card: what is drawn how, what the labels mean.")
@size_option
@data_options
@plugin_option
def show(name: str, out: Path | None, card: bool, image_size: int, data_root: Path | None, cache: Path | None,
         plugins: tuple[Path, ...]) -> None:  # fmt: skip
    """Write a contact sheet of a data set: by class, by light, by view, with masks and maps.

    \b
    python -m bench data show synfaces
    python -m bench data show 'syncars[cars=64]' --card
    """
    if card:
        plain = name.partition("[")[0]
        Registry(plugins).entry("dataset", plain)
        path = Path(__file__).parent / "data" / "synthetic" / f"{plain}.md"
        if not path.is_file():
            raise UsageError(f"{plain} has no data card here: it is described by its authors")
        click.echo(path.read_text())
        return
    from bench.data.synthetic.contact_sheet import show as contact_sheet

    with _progress() as progress:
        loaded = _source(name, plugins).load(_place(image_size, data_root, cache, progress))
    click.echo(contact_sheet(loaded, out or Path(f"{loaded.name}.png")))


@data.command()
@click.argument("name")
@click.option("--out", type=_path, required=True, help="A new or empty folder.")
@click.option("--layout", type=click.Choice(["plain", "celeba", "synface"]), default="plain", show_default=True)
@size_option
@data_options
@plugin_option
def render(name: str, out: Path, layout: Any, image_size: int, data_root: Path | None, cache: Path | None,
           plugins: tuple[Path, ...]) -> None:  # fmt: skip
    """Write a data set as plain files, for other people's code: PNGs with a CSV, or CelebA's or unsup3d's layout.

    \b
    python -m bench data render 'synfaces[people=50]' --layout celeba --out faces
    """
    from bench.data.synthetic.export import export

    with _progress() as progress:
        place = _place(image_size, data_root, cache, progress)
        count = export(_source(name, plugins).load(place), out, layout, progress)
    click.echo(f"{count} pictures in {out}")


@data.command()
@click.argument("name")
@size_option
@data_options
@plugin_option
def check(name: str, image_size: int, data_root: Path | None, cache: Path | None, plugins: tuple[Path, ...]) -> None:
    """Open every file of a real data set and say what is there, what is missing, what cannot be read.

    \b
    python -m bench data check utkface --data-root ~/datasets
    """
    from bench.data.check import check as look_over

    with _progress() as progress:
        report = look_over(_source(name, plugins), _place(image_size, data_root, cache, progress))
    click.echo(report.text())
    sys.exit(1 if report.problem else 0)


@data.command()
@click.argument("name")
@size_option
@data_options
@plugin_option
def prepare(name: str, image_size: int, data_root: Path | None, cache: Path | None, plugins: tuple[Path, ...]) -> None:
    """Decode and resize a data set once into the cache, or render it.

    \b
    python -m bench data prepare celeba --image-size 64 --data-root ~/datasets
    """
    from bench.data.check import prepare as fill_cache

    with _progress() as progress:
        line = fill_cache(_source(name, plugins), _place(image_size, data_root, cache, progress))
    click.echo(line)


@data.command()
@click.argument("name")
@click.option("--epochs", type=int, default=12, show_default=True, help="Of the supervised network; 0: none.")
@size_option
@data_options
@plugin_option
def difficulty(name: str, epochs: int, image_size: int, data_root: Path | None, cache: Path | None,
               plugins: tuple[Path, ...]) -> None:  # fmt: skip
    """Measure how hard an embedded data set is: raw pixels, PCA features and a supervised ResNet-18 on each task.

    \b
    python -m bench data difficulty synfaces
    """
    from bench.data.synthetic.difficulty import measure

    with _progress() as progress:
        loaded = _source(name, plugins).load(_place(image_size, data_root, cache, progress))
    for line in measure(loaded, epochs):
        click.echo(line)
