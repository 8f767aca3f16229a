"""Methods x tasks x seeds -> cells -> jobs, each cell under a key made of everything that can change its number.

Planning reads sources and settings but imports no plug-in (real data sets excepted: their files are looked at).
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from bench.config import Profile
from bench.errors import UsageError
from bench.registry import Kind, Registry, Spec
from bench.static import source_fingerprint
from bench.store import SHIPPED, Store, digest, file_hash, read_json, write_json

State = Literal["ok", "failed", "skipped", "stale", "missing"]


@dataclass(frozen=True)
class Cell:
    """One method on one task with one seed."""

    method: Spec
    task: Spec
    dataset: Spec
    pretrain: Spec
    seed: int
    key: str  # of the record
    artefact: str  # of the trained method: cells that share it form a job
    data: str  # of what every method is fitted on: images, their size, threads, domain
    source: str  # fingerprint of the code behind the number
    fit_source: str  # of the code behind the trained method


@dataclass
class Job:
    """A method fitted once on one data set with one seed, then every cell that uses it."""

    artefact: str
    cells: list[Cell] = field(default_factory=list)

    @property
    def label(self) -> str:
        """For people: method, data set it is fitted on, seed."""
        first = self.cells[0]
        return f"{first.method.label} · {first.pretrain.label} · seed {first.seed}"


@dataclass
class Settings:
    """What of the command line matters for planning and running."""

    registry: Registry
    profile: Profile
    out: Path
    cache: Path
    data_root: Path | None
    pretrain: str | None = None
    layers: tuple[Path, ...] = (SHIPPED,)  # read-only folders of trained models; none: everything is trained here


def parse_seeds(text: str) -> tuple[int, ...]:
    """`0..4`, `0,3,7` or a mixture -> the seeds, in order, each once."""
    seeds: dict[int, None] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:\.\.(\d+))?\s*", part)
        if not match:
            raise UsageError(f"--seeds {text!r}: expected numbers like 0,1,2 or 0..4")
        seeds.update(dict.fromkeys(range(int(match[1]), int(match[2] or match[1]) + 1)))
    return tuple(seeds)


def take_shard(cells: list[Cell], text: str) -> list[Cell]:
    """The cells of part i of n (`i/n`, from 1): whole jobs, dealt in turn, so that no method is fitted in two parts."""
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"--shard {text!r}: expected i/n with i from 1 to n, like 1/4")
    return [cell for job in make_jobs(cells)[int(match[1]) - 1 :: int(match[2])] for cell in job.cells]


def make_cells(methods: Iterable[str], tasks: Iterable[str], seeds: tuple[int, ...], settings: Settings) -> list[Cell]:
    """Every combination whose domains fit, in the order given."""
    registry, profile = settings.registry, settings.profile
    method_specs = registry.select("method", methods, profile.methods)
    task_specs = registry.select("task", tasks, profile.tasks)
    facts = _Facts(settings)
    prepared = []
    for task in task_specs:
        if "dataset" not in task.values:
            raise UsageError(f"task {task.name!r} has no setting 'dataset'")
        dataset = registry.parse("dataset", task.values["dataset"], profile.datasets)
        pretrain = registry.parse("dataset", settings.pretrain, profile.datasets) if settings.pretrain else dataset
        domain = registry.entry("task", task.name).info.facts.get("domain", "face")
        common = digest([task.name, task.settings, facts.data_digest(dataset)])
        data = digest([facts.data_digest(pretrain), profile.image_size, profile.threads, domain])
        prepared.append((task, dataset, pretrain, domain, common, data))
    cells = []
    for method in method_specs:
        info = registry.entry("method", method.name).info.facts
        own = digest([method.name, method.settings])
        for task, dataset, pretrain, domain, common, data in prepared:
            if domain not in info.get("domains", ()):
                continue
            source = facts.source(("method", method), ("task", task), ("dataset", dataset), ("dataset", pretrain))
            fit_source = facts.source(("method", method), ("dataset", pretrain))
            labels = facts.labels_digest(task, dataset) if info.get("supervised") else ""
            for seed in seeds:
                artefact = digest([own, data, labels, seed])
                key = digest([artefact, common])
                cells.append(Cell(method, task, dataset, pretrain, seed, key, artefact, data, source, fit_source))
    if not cells:
        raise UsageError("no method fits the domain of a task: `list methods` and `list tasks` show the domains")
    return cells


class _Facts:
    """Digests of data sets and sources, each computed once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._data: dict[Spec, str] = {}
        self._sources: dict[tuple[Kind, str], str] = {}
        self._contents: dict[Path, str] = {}
        self._harness = source_fingerprint(("bench.job",))

    def data_digest(self, dataset: Spec) -> str:
        """Of a data set's content: by settings and version where it is embedded, by its files where it is real."""
        if dataset not in self._data:
            entry = self._settings.registry.entry("dataset", dataset.name)
            size = self._settings.profile.image_size
            content: list[Any] = [dataset.name, dataset.settings, size]
            if entry.info.facts.get("embedded"):
                content.append(entry.info.facts.get("version", 1))
            else:
                content.append(self._files_digest(dataset))
            self._data[dataset] = digest(content)
        return self._data[dataset]

    def labels_digest(self, task: Spec, dataset: Spec) -> str:
        """Of the labels a supervised method is fitted on: tasks that differ only in their evaluation share it."""
        entry = self._settings.registry.entry("task", task.name)
        ignored = entry.info.facts.get("evaluation_only", ())
        settings = [(k, v) for k, v in task.settings if k not in ignored and f"{k}={v}" not in ignored]
        return digest([entry.module, entry.cls, settings, self.data_digest(dataset)])

    def _files_digest(self, dataset: Spec) -> str:
        from bench.api import BadInput, Place, Unavailable

        settings = self._settings
        source = settings.registry.make("dataset", dataset.name, dataset.values)
        try:
            return source.fingerprint(Place(settings.profile.image_size, settings.cache, settings.data_root))
        except (Unavailable, BadInput) as problem:
            return f"not at hand: {problem}"

    def source(self, *plugins: tuple[Kind, Spec]) -> str:
        """Fingerprint of the code of these plug-ins, of the files their settings name, and of what runs them."""
        content = [self._harness, *(self._source_of(kind, spec.name) for kind, spec in plugins)]
        content += [self._content_of(file) for _, spec in plugins for file in _files_named_in(spec)]
        return digest(content)

    def _content_of(self, file: Path) -> str:
        """Hash of a file of weights: another one under the same name makes stale what was made with the first."""
        if file not in self._contents:
            self._contents[file] = file_hash(file)
        return self._contents[file]

    def _source_of(self, kind: Kind, name: str) -> str:
        if (kind, name) not in self._sources:
            entry = self._settings.registry.entry(kind, name)
            modules, files = ((entry.module,), ()) if entry.file is None else ((), (entry.file,))
            self._sources[kind, name] = source_fingerprint(modules, files)
        return self._sources[kind, name]


def _files_named_in(spec: Spec) -> list[Path]:
    """The files that a plug-in's settings name, in the settings' order."""
    return [Path(value) for _, value in spec.settings if isinstance(value, str) and os.path.isfile(value)]  # noqa: PTH113 (a Path refuses long names)


def make_jobs(cells: Iterable[Cell]) -> list[Job]:
    """Group cells by the artefact they share, in order."""
    jobs: dict[str, Job] = {}
    for cell in cells:
        jobs.setdefault(cell.artefact, Job(cell.artefact)).cells.append(cell)
    return list(jobs.values())


def states(cells: Iterable[Cell], store: Store, keep_stale: bool = False) -> dict[str, State]:
    """What the store knows of each cell, by key."""
    folder = store.out / "records"
    present = {path.stem for path in folder.glob("*.json")} if folder.is_dir() else set()
    found: dict[str, State] = {}
    for cell in cells:
        record = store.record(cell.key) if cell.key in present else None
        found[cell.key] = "missing" if record is None else state_of(record, cell.source, keep_stale, bool(store.layers))
    return found


def state_of(record: Mapping[str, Any], source: str, keep_stale: bool = False, shipped: bool = True) -> State:
    """ok, failed or skipped as recorded; stale where the code has changed since.

    Not `shipped`: a result of a shipped model is stale too, as the model is to be trained anew.
    """
    old = record.get("source") != source and not keep_stale
    if record["status"] == "ok" and (old or (record.get("fit_from") == "shipped" and not shipped)):
        return "stale"
    return record["status"]


def estimate_minutes(jobs: Iterable[Job], settings: Settings, store: Store) -> float:
    """Minutes of work on one core: measured values of the profile for fits that are still to do, 0.05 a cell."""
    total = 0.0
    for job in jobs:
        if store.find_artefact(job.artefact) is None:
            total += settings.profile.minutes.get(job.cells[0].method.name, 1.0)
        total += 0.05 * len(job.cells)
    return total


def summary(cells: list[Cell], found: Mapping[str, State]) -> Counter[str]:
    """How many cells are in which state."""
    return Counter(found[cell.key] for cell in cells)


def write_plan(store: Store, cells: list[Cell], command: str, profile: Profile, started: str) -> None:
    """Leave the plan beside the records, so that `status` and `report` know what is still missing.

    Cells of earlier runs on the folder stay in it; one with the same method, task and seed gives way to the new one.
    """
    with FileLock(store.out / "plan.lock"):
        earlier = read_json(store.out / "plan.json") or {"cells": []}
        merged = {(c["method"], c["task"], c["seed"]): c for c in earlier["cells"]}
        for c in cells:
            merged[c.method.label, c.task.label, c.seed] = {
                "key": c.key,
                "artefact": c.artefact,
                "method": c.method.label,
                "task": c.task.label,
                "dataset": c.dataset.label,
                "seed": c.seed,
                "source": c.source,
            }
        content = {"command": command, "profile": profile.name, "started": started, "cells": list(merged.values())}
        write_json(store.out / "plan.json", content)


def read_plan(store: Store) -> dict[str, Any]:
    """The latest plan of this folder; UsageError where there is none."""
    plan = read_json(store.out / "plan.json")
    if not isinstance(plan, dict):
        raise UsageError(f"{store.out} holds no run: start one with `run`, or name its folder with --out")
    return plan
