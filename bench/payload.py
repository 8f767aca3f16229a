"""Jobs -> units of work -> payloads: the JSON from which a process anywhere can do its part (see `bench.job`)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from bench.plan import Cell, Job, Settings
from bench.registry import Spec
from bench.store import Store, write_json

Grouping = Literal["method", "cell"]


@dataclass(eq=False)
class Unit:
    """What is started as one: a fit and all its cells, or a fit alone, or one cell of which the fit comes before."""

    job: Job
    cells: list[Cell]
    fit_only: bool = False
    after: Unit | None = None

    @property
    def method(self) -> str:
        """The method's registered name, by which resources are given."""
        return self.job.cells[0].method.name

    @property
    def label(self) -> str:
        """For people."""
        if self.fit_only:
            return f"{self.job.label} · training"
        return self.job.label if self.after is None else f"{self.job.label} · {self.cells[0].task.label}"


def make_units(jobs: Iterable[Job], grouping: Grouping, store: Store) -> list[Unit]:
    """`method`: one unit a job. `cell`: one that trains, where that is still to do, then one for each cell."""
    if grouping == "method":
        return [Unit(job, job.cells) for job in jobs]
    units: list[Unit] = []
    for job in jobs:
        fit = None
        if store.find_artefact(job.artefact) is None:
            fit = Unit(job, job.cells, fit_only=True)
            units.append(fit)
        units += [Unit(job, [cell], after=fit) for cell in job.cells]
    return units


@dataclass
class Payloads:
    """Writes the payloads of one `run`."""

    settings: Settings
    store: Store
    keep_stale: bool
    attempt: str  # names this `run`
    started: str  # when it began: ISO 8601, UTC, to the second
    owner: int | None = None  # the process without which the work is to stop
    nursery: str | None = None  # which forks the jobs (see `bench.nursery`)

    def folder(self, unit: Unit) -> Path:
        """Where the unit's payload, log and progress lie."""
        part = "-training" if unit.fit_only else "" if unit.cells is unit.job.cells else f"-{unit.cells[0].key}"
        return self.store.job_folder(unit.job.artefact) / "runs" / f"{self.attempt}{part}"

    def write(self, unit: Unit) -> Path:
        """All that the unit needs to know, as JSON."""
        settings, first = self.settings, unit.cells[0]
        info = settings.registry.entry("method", first.method.name).info.facts
        content = {
            "attempt": self.attempt,
            "started": self.started,
            "owner": self.owner,
            "nursery": self.nursery,
            "data": first.data,
            "fit_source": first.fit_source,
            "out": self.store.out,
            "layers": self.store.layers,
            "cache": settings.cache,
            "data_root": settings.data_root,
            "plugins": settings.registry.plugins,
            "profile": settings.profile.name,
            "image_size": settings.profile.image_size,
            "threads": settings.profile.threads,
            "checkpoint_every": settings.profile.checkpoint_every,
            "keep_stale": self.keep_stale,
            "fit_only": unit.fit_only,
            "seed": first.seed,
            "artefact": unit.job.artefact,
            "domain": self._domain(first),
            "git": self._git,
            "method": {
                **_describe(first.method),
                "family": info.get("family", "reference"),
                "supervised": info.get("supervised", False),
            },
            "pretrain": _describe(first.pretrain),
            "cells": [self._cell(cell) for cell in unit.cells],
        }
        path = self.folder(unit) / "payload.json"
        write_json(path, content)
        return path

    def _cell(self, cell: Cell) -> dict[str, Any]:
        embedded = self.settings.registry.entry("dataset", cell.dataset.name).info.facts.get("embedded", False)
        return {
            "key": cell.key,
            "source": cell.source,
            "task": {**_describe(cell.task), "domain": self._domain(cell)},
            "dataset": {**_describe(cell.dataset), "embedded": embedded},
        }

    def _domain(self, cell: Cell) -> str:
        return self.settings.registry.entry("task", cell.task.name).info.facts.get("domain", "face")

    @cached_property
    def _git(self) -> dict[str, Any]:
        return git_state()


def _describe(spec: Spec) -> dict[str, Any]:
    return {"name": spec.name, "label": spec.label, "settings": spec.values}


def git_state() -> dict[str, Any]:
    """Commit of this program's source and whether it has uncommitted changes; empty where it is not a checkout."""
    home = Path(__file__).parents[1]

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(home), *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    commit = git("rev-parse", "HEAD") if (home / ".git").exists() else ""
    return {"commit": commit, "dirty": bool(commit and git("status", "--porcelain"))}
