"""`run` from end to end: plan, prepare the data, schedule what is missing, report."""

from __future__ import annotations

import contextlib
import os
import signal
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench.cluster import SlurmSchedule
from bench.nursery import nursery
from bench.payload import Grouping, Payloads, make_units
from bench.plan import Cell, Job, Settings, estimate_minutes, make_jobs, states, summary, write_plan
from bench.progress import announced
from bench.registry import Spec
from bench.resources import SlurmSettings
from bench.schedule import Cluster, Schedule, default_parallel
from bench.store import Store
from bench.supervise import job_environment

INTERRUPTED = 130  # the shell's convention for Ctrl-C


@dataclass(frozen=True)
class Execution:
    """How the cells are to be run: what of the command line changes no number."""

    cluster: Cluster
    jobs: int | None  # side by side
    grouping: Grouping
    slurm: SlurmSettings | None  # of --cluster slurm
    detach: bool
    keep_stale: bool
    retry_skipped: bool
    command: str


def run_benchmark(console: Console, settings: Settings, cells: list[Cell], how: Execution) -> int:
    """Run every cell that has no current result, then report. Returns the exit code: 0, 1 (something failed) or 130."""
    # a shell that starts us in the background has SIGINT ignored, but `cancel` and `kill -INT` must stop us
    signal.signal(signal.SIGINT, signal.default_int_handler)
    store = Store(settings.out, settings.layers)
    store.out.mkdir(parents=True, exist_ok=True)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    write_plan(store, cells, how.command, settings.profile, started)
    found = states(cells, store, how.keep_stale)
    settled = ("ok",) if how.retry_skipped else ("ok", "skipped")
    todo = make_jobs(cell for cell in cells if found[cell.key] not in settled)
    counts = ", ".join(f"{n} {state}" for state, n in sorted(summary(cells, found).items()))
    line = f"{len(cells)} cells: {counts}; {len(todo)} jobs to run"
    problems: list[str] = []
    if not todo:
        console.print(line, highlight=False)
    else:
        payloads = Payloads(settings, store, how.keep_stale, uuid.uuid4().hex[:12], started)
        try:
            if how.slurm is not None:
                console.print(f"{line} by SLURM", highlight=False)
                problems = _run_on_cluster(console, payloads, todo, how, how.slurm)
                if how.detach:
                    return 0
            else:
                parallel = min(how.jobs or default_parallel(settings.profile.threads), len(todo))
                console.print(f"{line}, {parallel} side by side", highlight=False)
                problems = _run_here(console, payloads, todo, how, parallel)
        except KeyboardInterrupt:
            console.print("\nstopped; what is done is kept: the same command goes on from here")
            return INTERRUPTED
    return _conclude(console, store, cells, problems)


def _run_here(console: Console, payloads: Payloads, todo: list[Job], how: Execution, parallel: int) -> list[str]:
    payloads.owner = os.getpid()
    settings = payloads.settings
    # the longest first, or the last to begin would be waited for with all but one processor idle
    todo = sorted(todo, key=lambda job: -estimate_minutes([job], settings, payloads.store))
    schedule = Schedule(payloads, make_units(todo, how.grouping, payloads.store), how.cluster, parallel, console)
    with contextlib.ExitStack() as stack:
        if how.cluster == "local":
            environment = job_environment(settings.profile.threads)
            payloads.nursery = stack.enter_context(nursery(settings.registry.modules(_specs(todo)), environment))
        prepare_data(console, todo, settings)
        stack.enter_context(announced(payloads.store, payloads.attempt))
        schedule.run()
    return schedule.problems


def _specs(jobs: list[Job]) -> dict[Spec, None]:
    """Every plug-in the jobs use, once."""
    cells = [cell for job in jobs for cell in job.cells]
    return {spec: None for cell in cells for spec in (cell.method, cell.task, cell.dataset, cell.pretrain)}


def _run_on_cluster(
    console: Console, payloads: Payloads, todo: list[Job], how: Execution, slurm: SlurmSettings
) -> list[str]:
    schedule = SlurmSchedule(payloads, make_units(todo, how.grouping, payloads.store), slurm, console)
    schedule.submit()
    if how.detach:
        schedule.submit_conclusion()
        console.print(f"see `python -m bench status --out {payloads.store.out}`", highlight=False)
    else:
        schedule.wait()
    return schedule.problems


def prepare_data(console: Console, jobs: list[Job], settings: Settings) -> None:
    """Render or decode every data set that is needed, once, before the jobs ask for it."""
    from bench.api import Place

    wanted = [spec for spec in _specs(jobs) if spec.kind == "dataset"]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        for spec in wanted:
            line = bar.add_task(f"preparing {spec.label}", total=None)

            def progress(done: int, total: int, what: str, line: Any = line) -> None:
                bar.update(line, completed=done, total=total)

            place = Place(settings.profile.image_size, settings.cache, settings.data_root, progress)
            try:
                data = settings.registry.make("dataset", spec.name, spec.values).load(place)
            except Exception as problem:  # the jobs meet it again and record it as their reason
                console.print(f"[yellow]{spec.label}: {problem}[/]", highlight=False)
                continue
            bar.remove_task(line)
            for note in data.notes:
                console.print(f"{spec.label}: {note}", highlight=False)


def _conclude(console: Console, store: Store, cells: list[Cell], problems: list[str]) -> int:
    """Write the report, show the table, list the failures."""
    from bench.report import print_summary, up_to_date, write_report

    folder: Path = store.out / "report"
    if up_to_date(store, folder):
        print_summary(console, store)
    else:
        write_report(store, folder, console=console)
    failed = [r for cell in cells if (r := store.record(cell.key)) is None or r["status"] == "failed"]
    for problem in problems:
        console.print(f"[red]{problem}[/]", highlight=False)
    return 1 if failed or problems else 0
