"""Commands about the trained models that come with the project."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click

from bench.cli import data_options, main, plan_settings

_path = click.Path(path_type=Path)


@main.command("verify-weights")
@click.option("--files-only", is_flag=True, help="Check the files' hashes, evaluate nothing.")
@data_options
def verify_weights(files_only: bool, data_root: Path | None, cache: Path | None) -> None:
    """Check the trained models that come along: every file's hash, and one score of each against its shipped record.

    \b
    python -m bench verify-weights
    """
    from rich.console import Console

    from bench.plan import read_plan
    from bench.store import SHIPPED, Store
    from bench.weights import check_files, check_scores

    profile = read_plan(Store(SHIPPED.parent))["profile"]
    with tempfile.TemporaryDirectory(prefix="pdr-bench-verify-") as out:
        options = {"plugins": (), "profile": profile, "overrides": (), "pretrain": None, "from_scratch": False}
        places = {"out": Path(out), "data_root": data_root, "cache": cache}
        checks = list(check_files())
        if checks and not files_only and all(check.ok for check in checks):
            checks += check_scores(plan_settings({**options, **places}), Console())
    for check in checks:
        click.echo(f"{'ok ' if check.ok else '!! '} {check.line}")
    if not checks:
        click.echo("no trained model comes along")
    sys.exit(0 if checks and all(check.ok for check in checks) else 1)


@main.command("ship-weights")
@click.argument("folder", type=_path)
@click.option("--to", type=_path, default=None, help="Where they go  [default: results/reference/artefacts]")
def ship_weights(folder: Path, to: Path | None) -> None:
    """Take the trained models of a run into the project, in half precision.

    \b
    python -m bench run --from-scratch --out results/training
    python -m bench ship-weights results/training
    """
    from bench.plan import read_plan
    from bench.store import SHIPPED, Store
    from bench.weights import ship

    run = Store(folder.resolve())
    read_plan(run)
    size = ship(run, to or SHIPPED)
    click.echo(f"{size / 1e6:.1f} MB in {to or SHIPPED}")
