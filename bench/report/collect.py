"""The plan and the records of an output folder as one list of cells, with nothing missing silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from bench.store import Store, digest, read_json

CellStatus = Literal["ok", "failed", "skipped", "pending"]
PENDING = "no record yet: waiting, running, or its job was killed"


@dataclass(frozen=True)
class Cell:
    """One method x task x seed. `pending`: planned, but without a record."""

    key: str
    method: str  # label, e.g. "pdr[loocc=off]"
    task: str  # label, e.g. "identity[dataset=att_orl]"
    seed: int
    status: CellStatus
    reason: str = ""
    record: dict[str, Any] = field(default_factory=dict, repr=False)  # empty where pending

    @cached_property
    def scores(self) -> dict[str, dict[str, Any]]:
        """Scores by name; empty unless the cell went well."""
        return {score["name"]: score for score in self.record.get("scores", [])} if self.status == "ok" else {}

    @cached_property
    def main(self) -> dict[str, Any] | None:
        """The main score, where the cell went well."""
        return next((score for score in self.scores.values() if score["main"]), None)

    @property
    def embedded(self) -> bool:
        """Whether the cell's data are rendered by this project."""
        return bool(self.record and self.record["dataset"].get("embedded"))


@dataclass(frozen=True)
class Results:
    """All cells of an output folder, in plan order; what the plan does not hold comes last, by label and seed."""

    store: Store
    plan: dict[str, Any]
    cells: list[Cell]
    notes: list[str]

    @cached_property
    def grid(self) -> dict[tuple[str, str], list[Cell]]:
        """(method label, task label) -> its cells, one a seed."""
        grid: dict[tuple[str, str], list[Cell]] = {}
        for cell in self.cells:
            grid.setdefault((cell.method, cell.task), []).append(cell)
        return grid

    @cached_property
    def methods(self) -> dict[str, dict[str, Any]]:
        """Method label -> what is known of it: name, family, settings."""
        return self._described("method")

    @cached_property
    def tasks(self) -> dict[str, dict[str, Any]]:
        """Task label -> what is known of it: name, domain, settings."""
        return self._described("task")

    def _described(self, kind: Literal["method", "task"]) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for cell in self.cells:
            label = getattr(cell, kind)
            if not found.get(label):
                found[label] = cell.record.get(kind, {})
        return {label: about or _registered(kind, label) for label, about in found.items()}

    @cached_property
    def main_scores(self) -> dict[str, str]:
        """Task label -> name of its main score; empty where no cell of the task went well."""
        found = dict.fromkeys(self.tasks, "")
        found.update({cell.task: cell.main["name"] for cell in reversed(self.cells) if cell.main})
        return found

    def good(self, method: str, task: str) -> list[Cell]:
        """A pair's cells if all its seeds went well, else none: nothing is compared by halves."""
        cells = self.grid.get((method, task), [])
        return cells if all(cell.status == "ok" for cell in cells) else []

    @cached_property
    def record_set(self) -> str:
        """A short hash of which records this is made of and what they say."""
        return digest([[cell.key, cell.record.get("scores"), cell.status] for cell in self.cells if cell.record])

    def footnote(self) -> list[str]:
        """Where these numbers come from: command, record set, source commit, and whatever a reader must know."""
        counts = Counter(cell.status for cell in self.cells)
        said = ", ".join(
            f"{counts[status]} {status}" for status in ("ok", "failed", "skipped", "pending") if counts[status]
        )
        lines = [
            f"Made by: {self.plan.get('command') or 'unknown, for the folder holds no plan'}",
            f"Record set {self.record_set}: {len(self.cells)} cells ({said or 'none'})",
        ]
        commits = {_commit(cell.record["git"]) for cell in self.cells if cell.record.get("git")}
        if commits:
            lines.append(f"Source: {', '.join(sorted(commits))}")
        return lines + self.notes


def _registered(kind: Literal["method", "task"], label: str) -> dict[str, Any]:
    """What the registry says of a method or task without a record; empty where it is a plug-in that is not at hand."""
    from bench.registry import Registry, UsageError

    try:
        registry = Registry()
        spec = registry.parse(kind, label, {})
        facts = registry.entry(kind, spec.name).info.facts
    except UsageError:
        return {}
    defaults = {"family": "reference", "supervised": False} if kind == "method" else {"domain": "face"}
    known = {name: facts.get(name, default) for name, default in defaults.items()}
    return {"name": spec.name, "label": label, "settings": spec.values, **known}


def _commit(git: Mapping[str, Any]) -> str:
    return (git.get("commit") or "unknown")[:10] + (" with uncommitted changes" if git.get("dirty") else "")


def collect(store: Store) -> Results:
    """Read the plan and the records of `store`.

    A planned cell without a record is `pending`. Records outside the plan are included, but for two kinds, whose number
    is noted: those of another profile or image size, and those superseded by a planned or later record of the same
    method, task and seed.
    """
    plan = read_json(store.out / "plan.json") or {}
    planned = {cell["key"]: cell for cell in plan.get("cells", [])}
    records = {record["key"]: record for record in store.records()}
    cells = [_cell(key, item["method"], item["task"], item["seed"], records.get(key)) for key, item in planned.items()]
    more, notes = _unplanned([record for key, record in records.items() if key not in planned], cells)
    cells += more
    stale = sum(planned.get(c.key, {}).get("source") not in (None, c.record.get("source")) for c in cells if c.record)
    if stale:
        notes.append(f"{stale} records were made by an earlier version of the code")
    embedded = sorted({cell.record["dataset"]["name"] for cell in cells if cell.embedded})
    if embedded:
        notes.append(f"{', '.join(embedded)}: rendered scenes; numbers on them are no evidence about real photographs")
    return Results(store, plan, cells, notes)


def _unplanned(records: list[dict[str, Any]], planned: list[Cell]) -> tuple[list[Cell], list[str]]:
    """The cells of records outside the plan, and notes on what is left out."""
    records.sort(key=lambda record: (record["time"], record["key"]))
    reference = next((cell.record for cell in planned if cell.record), records[-1] if records else {})
    alike = [r for r in records if (r["profile"], r["image_size"]) == (reference["profile"], reference["image_size"])]
    latest = {(r["method"]["label"], r["task"]["label"], r["seed"]): r for r in alike}
    taken = {(cell.method, cell.task, cell.seed) for cell in planned}
    cells = [_cell(latest[name]["key"], *name, latest[name]) for name in sorted(latest) if name not in taken]
    notes = []
    if len(alike) < len(records):
        notes.append(f"{len(records) - len(alike)} records of another profile or image size are not shown")
    if len(cells) < len(alike):
        notes.append(f"{len(alike) - len(cells)} superseded records (same method, task and seed) are not shown")
    return cells, notes


def _cell(key: str, method: str, task: str, seed: int, record: dict[str, Any] | None) -> Cell:
    if record is None:
        return Cell(key, method, task, seed, "pending", PENDING)
    return Cell(key, method, task, seed, record["status"], " ".join(record["reason"].split()), record)
