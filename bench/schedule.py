"""Jobs -> submitit: in this process (`debug`) or in a few processes of this machine (`local`), with a progress display.

One failed, killed or interrupted job costs its own cells; everything else goes on. What a job did is read from its
records.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.plan import Cell, Job, Settings, states
from bench.registry import Spec
from bench.store import Store, read_json, write_json
from bench.supervise import supervise

Cluster = Literal["debug", "local"]
_FOREVER_MINUTES = 60 * 24 * 14
_POLL_SECONDS = 0.2


@dataclass
class Schedule:
    """The jobs still to do, and what becomes of them."""

    settings: Settings
    store: Store
    jobs: list[Job]
    cluster: Cluster
    parallel: int
    keep_stale: bool
    console: Console
    attempt: str = field(default_factory=lambda: uuid.uuid4().hex)
    problems: list[str] = field(default_factory=list)  # of jobs that could not even record their failure

    def run(self) -> None:
        """Run every job. Ctrl-C stops them all and leaves what is done; raises KeyboardInterrupt."""
        with self._display() as update:
            if self.cluster == "debug":
                for job in self.jobs:
                    self._run_here(job, update)
            else:
                self._run_processes(update)

    # ----------------------------------------------------------------------------------------------------- executors

    def _run_here(self, job: Job, update: Any) -> None:
        import submitit

        executor = submitit.AutoExecutor(folder=self._folder(job) / "submitit", cluster="debug")
        path = self._write_payload(job)
        update.running = [job]
        problem = executor.submit(_run_in_process, str(path)).result()
        if problem:
            self.problems.append(f"{job.label}: {problem}")
        update.finished(job)

    def _run_processes(self, update: Any) -> None:
        import submitit

        waiting = list(self.jobs)
        running: dict[Any, Job] = {}
        try:
            while waiting or running:
                while waiting and len(running) < self.parallel:
                    job = waiting.pop(0)
                    executor = submitit.AutoExecutor(folder=self._folder(job) / "submitit", cluster="local")
                    executor.update_parameters(timeout_min=_FOREVER_MINUTES, gpus_per_node=_gpus())
                    running[executor.submit(supervise, str(self._write_payload(job)))] = job
                update.running = list(running.values())
                time.sleep(_POLL_SECONDS)
                for handle in [h for h in running if h.done()]:
                    job = running.pop(handle)
                    problem = _result(handle)
                    if problem:
                        self.problems.append(f"{job.label}: {problem}")
                    update.finished(job)
        except BaseException:
            for handle in running:
                handle.cancel()
            raise

    # ------------------------------------------------------------------------------------------------------ payloads

    def _folder(self, job: Job) -> Path:
        return self.store.out / "jobs" / job.artefact

    def _write_payload(self, job: Job) -> Path:
        """All that the job needs to know, as JSON."""
        settings, first = self.settings, job.cells[0]
        registry = settings.registry
        info = registry.entry("method", first.method.name).info.facts
        content = {
            "attempt": self.attempt,
            "owner": os.getpid() if self.cluster == "local" else None,
            "out": self.store.out,
            "layers": self.store.layers,
            "cache": settings.cache,
            "data_root": settings.data_root,
            "plugins": registry.plugins,
            "profile": settings.profile.name,
            "image_size": settings.profile.image_size,
            "threads": settings.profile.threads,
            "checkpoint_every": settings.profile.checkpoint_every,
            "keep_stale": self.keep_stale,
            "seed": first.seed,
            "artefact": job.artefact,
            "domain": registry.entry("task", first.task.name).info.facts.get("domain", "face"),
            "git": git_state(),
            "method": {
                **_describe(first.method),
                "family": info.get("family", "reference"),
                "supervised": info.get("supervised", False),
            },
            "pretrain": _describe(first.pretrain),
            "cells": [self._cell(cell) for cell in job.cells],
        }
        path = self._folder(job) / f"payload-{self.attempt}.json"
        write_json(path, content)
        return path

    def _cell(self, cell: Cell) -> dict[str, Any]:
        registry = self.settings.registry
        embedded = registry.entry("dataset", cell.dataset.name).info.facts.get("embedded", False)
        domain = registry.entry("task", cell.task.name).info.facts.get("domain", "face")
        return {
            "key": cell.key,
            "source": cell.source,
            "task": {**_describe(cell.task), "domain": domain},
            "dataset": {**_describe(cell.dataset), "embedded": embedded},
        }

    # ------------------------------------------------------------------------------------------------------- display

    @contextlib.contextmanager
    def _display(self) -> Iterator[_Display]:
        display = _Display(self)
        with Live(get_renderable=display.render, console=self.console, refresh_per_second=4, transient=True):
            yield display


class _Display:
    """Cells done of all, failures so far, time left, and a line for each running job."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.running: list[Job] = []
        self.done: Counter[str] = Counter()
        self.started = time.monotonic()
        self.total = sum(len(job.cells) for job in schedule.jobs)
        self.bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
        )  # fmt: skip
        self.task = self.bar.add_task("cells", total=self.total, left="")

    def finished(self, job: Job) -> None:
        """Count a job's cells and, where nobody watches a live display, say so in a line."""
        found = Counter(states(job.cells, self.schedule.store, keep_stale=True).values())
        self.done += found
        words = ", ".join(f"{count} {state}" for state, count in sorted(found.items()))
        self.schedule.console.print(f"[dim]{self._clock()}[/] {job.label}: {words}", highlight=False)

    def _clock(self) -> str:
        seconds = int(time.monotonic() - self.started)
        return f"{seconds // 60:3d}:{seconds % 60:02d}"

    def render(self) -> Group:
        """The whole display, as of now."""
        lines = Table.grid(padding=(0, 1))
        part = 0.0
        for job in list(self.running):
            state = read_json(self.schedule._folder(job) / "progress.json") or {
                "done": 0,
                "total": 1,
                "what": "starting",
            }
            share = state["done"] / max(state["total"], 1)
            lines.add_row("  ", job.label, state["what"], f"{share:4.0%}")
            records = states(job.cells, self.schedule.store, keep_stale=True)
            part += sum(state != "missing" for state in records.values())
        done = sum(self.done.values())
        failed = self.done["failed"]
        elapsed = time.monotonic() - self.started
        left = f"about {(elapsed / done * (self.total - done)) / 60:.0f} min left" if done else ""
        if failed:
            left += f"  [red]{failed} failed[/]"
        self.bar.update(self.task, completed=min(done + part, self.total), left=left)
        return Group(self.bar, lines)


def _describe(spec: Spec) -> dict[str, Any]:
    return {"name": spec.name, "label": spec.label, "settings": spec.values}


def _result(handle: Any) -> str:
    """What `supervise` returned, or why it could not."""
    try:
        return handle.result() or ""
    except Exception as error:
        return " ".join(str(error).split())[:400]


def _run_in_process(path: str) -> str:
    """The whole job in this process; its printed output goes to the job's log."""
    import traceback

    from bench.job import run_payload

    log = io.StringIO()
    try:
        with contextlib.redirect_stdout(log):
            run_payload(Path(path))
        return ""
    except Exception:
        return traceback.format_exc()
    finally:
        with contextlib.suppress(OSError):
            (Path(path).parent / "log.txt").write_text(log.getvalue())


def _gpus() -> int:
    """1 where this machine has a GPU (submitit hides them all from a local job that asks for none)."""
    return 1 if Path("/dev/nvidia0").exists() else 0


def git_state() -> dict[str, Any]:
    """Commit of this program's source and whether it has uncommitted changes; empty where it is not a checkout."""
    home = Path(__file__).parents[1]

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(home), *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    commit = git("rev-parse", "HEAD") if (home / ".git").exists() else ""
    return {"commit": commit, "dirty": bool(commit and git("status", "--porcelain"))}


def default_parallel(threads: int) -> int:
    """How many jobs this machine can run side by side."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, cores // threads)
