"""Commands that look after a sweep while it runs: status, cancel, logs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli import DEFAULT_OUT, main, out_option

if TYPE_CHECKING:
    from bench.store import Store

_REFRESH_SECONDS = 2.0
_STOP_SECONDS = 120.0


def _store(out: Path | None) -> Store:
    from bench.store import Store

    return Store((out or DEFAULT_OUT).resolve())


@main.command()
@out_option
@click.option("--failed", is_flag=True, help="Only what failed, with its reason.")
@click.option("--watch", is_flag=True, help="Show it again and again, until nothing runs or waits any more.")
def status(out: Path | None, failed: bool, watch: bool) -> None:
    """Show each cell of a folder: waiting, running with progress, ok, failed with the reason, stale or skipped.

    \b
    python -m bench status --out results/default
    python -m bench status --watch
    """
    from bench.status import cell_states, counts

    store = _store(out)
    while True:
        states = cell_states(store)
        shown = [cell for cell in states if not failed or cell.state == "failed"]
        lines = [f"{c.state:8} {c.key[:8]} {c.method:32} {c.task:40} seed {c.seed}  {c.text}".rstrip() for c in shown]
        if watch:
            click.clear()
        click.echo("\n".join([*lines, counts(states)]))
        if not watch or not any(cell.state in ("running", "waiting") for cell in states):
            return
        time.sleep(_REFRESH_SECONDS)


@main.command()
@out_option
def cancel(out: Path | None) -> None:
    """End what was started on a folder, on this machine or by SLURM, and nothing else. What is done is kept.

    \b
    python -m bench cancel --out results/default
    """
    import os
    import signal
    import socket

    from bench.cluster import settle_ended
    from bench.progress import active
    from bench.queue import ask, submitted
    from bench.queue import cancel as cancel_jobs

    store = _store(out)
    runs = active(store)
    for run in runs:
        if run["host"] == socket.gethostname():
            os.kill(run["pid"], signal.SIGINT)
            click.echo(f"stopped the run of process {run['pid']}")
        else:
            click.echo(f"a run is going on at {run['host']}, process {run['pid']}: cancel it there")
    jobs = submitted(store)
    answers = ask(jobs)
    going = [job for job in jobs if not answers[job.id].ended]
    if going:
        cancel_jobs(going)
        click.echo(f"cancelled {len(going)} jobs of SLURM")
    elif not runs:
        click.echo("nothing runs or waits")
    deadline = time.monotonic() + _STOP_SECONDS
    while settle_ended(store) and time.monotonic() < deadline:
        time.sleep(1)


@main.command()
@click.argument("cell")
@out_option
def logs(cell: str, out: Path | None) -> None:
    """Print the record's word and all logs of a CELL: its key, or METHOD/TASK/SEED as `status` shows them.

    \b
    python -m bench logs pdr/identity/0
    python -m bench logs 3f2a91c0
    """
    from bench.status import find_cell, log_files, name_of

    store = _store(out)
    planned = find_cell(store, cell)
    record = store.record(planned["key"])
    state = f"{record['status']}  {record['reason']}" if record else "no record yet"
    click.echo(f"{name_of(planned)} ({planned['key']}): {state}".rstrip())
    if record and record.get("traceback"):
        click.echo(record["traceback"].rstrip())
    for path in log_files(store, planned):
        click.echo(f"\n--- {path}")
        click.echo(path.read_text(errors="replace").rstrip())
