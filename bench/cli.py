"""The commands. Nothing heavy is imported before a command needs it: help, lists and plans answer at once."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.errors import BadInput, NotFinite, Unavailable, UsageError
from bench.registry import Registry

if TYPE_CHECKING:
    from bench.payload import Grouping
    from bench.plan import Settings
    from bench.schedule import Cluster

CACHE = "PDR_BENCH_CACHE"
DATA = "PDR_BENCH_DATA"


class Commands(click.Group):
    """Turns the project's own errors into one line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UsageError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(2)
        except (BadInput, Unavailable, NotFinite) as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(1)
        except OSError as error:
            click.echo(f"error: {error.strerror or error}: {error.filename or ''}".rstrip(": "), err=True)
            ctx.exit(1)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order they are needed, not of the alphabet


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="pdr-bench")
def main() -> None:
    """pdr-bench: which image representation is best for what.

    \b
    python -m bench run --methods all --tasks all        the whole benchmark on embedded data
    python -m bench list methods                         what there is
    """


def default_cache() -> Path:
    """Where rendered and decoded images are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get(CACHE) or Path(base) / "pdr-bench")


def default_data_root() -> Path | None:
    root = os.environ.get(DATA)
    return Path(root) if root else None


def _options(*decorators: Any) -> Any:
    def apply(function: Any) -> Any:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


DEFAULT_OUT = Path("results/default")  # of the default profile
PICTURES = (".png", ".jpg")
_path = click.Path(path_type=Path)
plugin_option = click.option("--plugin", "plugins", multiple=True, type=_path, help="A Python file with plug-ins.")
out_option = click.option(
    "--out", type=_path, default=None, help="Output folder  [default: results/<profile>; for reference results/default]"
)
data_options = _options(
    click.option("--data-root", type=_path, default=None, help=f"Folder of your data sets  [default: ${DATA}]"),
    click.option(
        "--cache", type=_path, default=None, help=f"Folder of rendered images  [default: ${CACHE} or ~/.cache]"
    ),
)
plan_options = _options(
    click.option(
        "--methods", "-m", multiple=True, default=["all"], help="Names, globs, all: 'pdr[loocc=off|both],pca'"
    ),
    click.option(
        "--tasks", "-t", multiple=True, default=["all"], help="Names, globs, all: 'identity[dataset=att_orl]'"
    ),
    click.option(
        "--profile",
        "-p",
        default="reference",
        show_default=True,
        help="reference, laptop, smoke, paper, or a YAML file.",
    ),
    click.option("--seeds", default=None, help="0..4 or 0,1,2  [default: the profile's]"),
    click.option("--set", "overrides", multiple=True, help="method.setting=value, task.…, dataset.…, image_size=…"),
    click.option("--pretrain", default=None, help="Fit every method on this data set  [default: the task's own]"),
    click.option("--shard", default=None, help="i/n: part i of n, for several machines on one folder."),
    click.option("--keep-stale", is_flag=True, help="Keep results made by an earlier version of the code."),
    click.option("--from-scratch", is_flag=True, help="Train everything here, trained models that come along or not."),
    out_option,
    data_options,
    plugin_option,
)


def picture_path(_context: click.Context, _option: click.Parameter, path: Path | None) -> Path | None:
    """A file that pictures can be written to, or none. Raises `UsageError` for other names."""
    if path is not None and path.suffix.lower() not in PICTURES:
        raise UsageError(f"{path}: a picture's name ends in {' or '.join(PICTURES)}")
    return path


def default_out(profile: str) -> Path:
    """results/<profile>; results/reference holds what came along and is nobody's output."""
    return DEFAULT_OUT if profile == "reference" else Path("results") / profile


def plan_settings(options: dict[str, Any]) -> Settings:
    from bench.config import load_profile
    from bench.plan import Settings
    from bench.store import SHIPPED

    registry = Registry(options["plugins"])
    profile = load_profile(options["profile"], options["overrides"], registry)
    root = options["data_root"] or default_data_root()
    if root is not None and not root.is_dir():
        raise UsageError(f"--data-root {root}: there is no such folder")
    return Settings(
        registry=registry,
        profile=profile,
        out=(options["out"] or default_out(profile.name)).resolve(),
        cache=(options["cache"] or default_cache()).resolve(),
        data_root=root.resolve() if root else None,
        pretrain=options["pretrain"],
        layers=() if options["from_scratch"] else (SHIPPED,),
    )


def plan_cells(options: dict[str, Any], settings: Settings) -> list[Any]:
    from bench.plan import make_cells, parse_seeds, take_shard

    seeds = parse_seeds(options["seeds"]) if options["seeds"] else settings.profile.seeds
    cells = make_cells(options["methods"], options["tasks"], seeds, settings)
    return take_shard(cells, options["shard"]) if options["shard"] else cells


@main.command()
@plan_options
@click.option(
    "--cluster",
    type=click.Choice(["local", "debug", "slurm"]),
    default="local",
    show_default=True,
    help="local: processes of this machine; debug: inside this process; slurm: jobs of a cluster.",
)
@click.option("--jobs", "-j", type=click.IntRange(min=1), default=None, help="Jobs side by side  [default: by cores]")
@click.option(
    "--grouping",
    type=click.Choice(["method", "cell"]),
    default=None,
    help="method: a job fits a method and does all its cells; cell: a job a cell, after one that fits.",
)
@click.option("--slurm", default="default", show_default=True, help="Settings in slurm/NAME.yaml, or a YAML file.")
@click.option("--slurm-set", multiple=True, help="time=60, pdr.memory=32: over the settings of --slurm.")
@click.option("--detach", is_flag=True, help="With --cluster slurm: submit everything and return.")
@click.option("--retry-skipped", is_flag=True, help="Try again what was skipped for want of something.")
def run(
    cluster: Cluster,
    jobs: int | None,
    grouping: Grouping | None,
    slurm: str,
    slurm_set: tuple[str, ...],
    detach: bool,
    retry_skipped: bool,
    **options: Any,
) -> None:
    """Cross methods with tasks and leave records, tables and figures.

    \b
    python -m bench run --methods all --tasks all
    python -m bench run -m 'pdr[loocc=off|both],beta_vae' -t identity --seeds 0..2
    python -m bench run --cluster slurm --slurm my-cluster.yaml --detach
    """
    from rich.console import Console

    from bench.main_job import Execution, run_benchmark
    from bench.resources import load_slurm

    if cluster != "slurm" and (detach or slurm_set):
        raise UsageError("--detach and --slurm-set go with --cluster slurm")
    settings = plan_settings(options)
    cluster_settings = load_slurm(slurm, slurm_set, jobs, settings.registry) if cluster == "slurm" else None
    how = Execution(
        cluster=cluster,
        jobs=jobs,
        grouping=grouping or (cluster_settings.grouping if cluster_settings else "method"),
        slurm=cluster_settings,
        detach=detach,
        keep_stale=options["keep_stale"],
        retry_skipped=retry_skipped,
        command=shlex.join(["python", "-m", "bench", *sys.argv[1:]]),
    )
    sys.exit(run_benchmark(Console(), settings, plan_cells(options, settings), how))


@main.command()
@plan_options
def plan(**options: Any) -> None:
    """Show what `run` would do: which cells are there, stale or missing, how many jobs, about how long.

    \b
    python -m bench plan --methods all --tasks all --profile smoke
    """
    from bench.plan import estimate_minutes, make_jobs, states, summary
    from bench.store import Store

    settings = plan_settings(options)
    cells = plan_cells(options, settings)
    store = Store(settings.out, settings.layers)
    found = states(cells, store, options["keep_stale"])
    counts = summary(cells, found)
    todo = make_jobs(c for c in cells if found[c.key] not in ("ok", "skipped"))
    for cell in cells if len(cells) <= 400 else []:
        click.echo(f"{found[cell.key]:8} {cell.method.label:32} {cell.task.label:40} seed {cell.seed}")
    click.echo(f"{len(cells)} cells: " + ", ".join(f"{n} {state}" for state, n in counts.items()))
    minutes = estimate_minutes(todo, settings, store)
    click.echo(f"{len(todo)} jobs to run, about {minutes:.0f} minutes of one core; output in {settings.out}")


@main.command("list")
@click.argument("kind", type=click.Choice(["methods", "tasks", "datasets"]))
@plugin_option
@data_options
def list_command(kind: str, plugins: tuple[Path, ...], data_root: Path | None, cache: Path | None) -> None:
    """List methods, tasks or data sets: domain, what each is, and whether it can run here.

    \b
    python -m bench list datasets --data-root ~/datasets
    """
    from bench.listing import list_plugins

    for line in list_plugins(Registry(plugins), kind, data_root or default_data_root()):
        click.echo(line)


@main.command()
@data_options
def doctor(data_root: Path | None, cache: Path | None) -> None:
    """Check this machine: versions, device, PyTorch3D, cluster, data; one line each, with the fix.

    \b
    python -m bench doctor
    """
    from bench.doctor import checks

    problems = 0
    for ok, line in checks(data_root or default_data_root(), cache or default_cache()):
        click.echo(f"{'ok ' if ok else '!! '} {line}")
        problems += not ok
    sys.exit(1 if problems else 0)
