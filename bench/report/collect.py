"""The plan and the records of an output folder as one list of cells, with nothing missing silently."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from bench.store import Store, digest, read_json

CellStatus = Literal["ok", "failed", "skipped", "pending"]


@dataclass(frozen=True)
class Cell:
    """One method x task x seed. `pending`: planned, but no record yet (waiting, running or killed)."""

    key: str
    method: str  # label, e.g. "pdr[loocc=off]"
    task: str  # label, e.g. "identity[dataset=att_orl]"
    seed: int
    status: CellStatus
    reason: str = ""
    record: dict[str, Any] = field(default_factory=dict, repr=False)  # empty where pending

    @property
    def main(self) -> dict[str, Any] | None:
        """The main score, where the cell went well."""
        return next((score for score in self.record.get("scores", []) if score["main"]), None)

    @property
    def embedded(self) -> bool:
        """Whether the cell's data are rendered here."""
        return bool(self.record and self.record["dataset"]["embedded"])

    def score(self, name: str) -> dict[str, Any] | None:
        """The score of this name, or None."""
        return next((score for score in self.record.get("scores", []) if score["name"] == name), None)


@dataclass(frozen=True)
class Results:
    """All cells of a run, in plan order (then by label and seed for what the plan does not hold)."""

    store: Store
    plan: dict[str, Any]
    cells: list[Cell]
    notes: list[str]

    @property
    def record_set(self) -> str:
        """A short hash of which records this is made of and what they say."""
        return digest([[cell.key, cell.record.get("scores"), cell.status] for cell in self.cells if cell.record])

    def footnote(self) -> list[str]:
        """Where these numbers come from: command, record set, versions, and whatever a reader must know."""
        counts = {
            status: sum(cell.status == status for cell in self.cells)
            for status in ("ok", "failed", "skipped", "pending")
        }
        said = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
        lines = [f"Made by: {self.plan.get('command', 'unknown (the folder holds no plan)')}"]
        lines.append(f"Record set {self.record_set}: {len(self.cells)} cells ({said or 'none'})")
        commits = sorted(
            {
                (cell.record["git"]["commit"] or "unknown")[:10] + ("+changes" if cell.record["git"]["dirty"] else "")
                for cell in self.cells
                if cell.record.get("git")
            }
        )
        if commits:
            lines.append(f"Source: {', '.join(commits)}")
        return lines + self.notes

    def any_record(self, *, method: str | None = None, task: str | None = None) -> dict[str, Any]:
        """Some record of this method or task label (for what does not vary within it); empty where there is none."""
        for cell in self.cells:
            if cell.record and (method is None or cell.method == method) and (task is None or cell.task == task):
                return cell.record
        return {}


def collect(store: Store, only_planned: bool = False) -> Results:
    """Read the plan and the records of `store`.

    A planned cell without a record is `pending`. Records outside the latest plan are included too (a folder may be
    filled by several `run`s) unless `only_planned`. Two kinds are left out, and how many is noted: those of another
    profile or image size than the plan's, and those superseded by a later record of the same method, task and seed.
    """
    plan = read_json(store.out / "plan.json") or {}
    planned = {cell["key"]: cell for cell in plan.get("cells", [])}
    records = {record["key"]: record for record in store.records()}
    cells = [
        _cell(key, entry["method"], entry["task"], entry["seed"], records.get(key)) for key, entry in planned.items()
    ]
    more, notes = _unplanned([record for key, record in records.items() if key not in planned], cells, only_planned)
    cells += more
    embedded = sorted({cell.record["dataset"]["name"] for cell in cells if cell.embedded})
    if embedded:
        notes.append(f"{', '.join(embedded)}: rendered scenes; numbers on them say nothing of real photographs")
    return Results(store, plan, cells, notes)


def _unplanned(records: list[dict[str, Any]], planned: list[Cell], leave_out: bool) -> tuple[list[Cell], list[str]]:
    """The cells of records outside the plan, and notes on what is left out."""
    if leave_out and records:
        return [], [f"{len(records)} further records in this folder belong to earlier runs and are not shown here"]
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
        return Cell(key, method, task, seed, "pending", "no record yet: waiting, running, or its job was killed")
    return Cell(key, method, task, seed, record["status"], record["reason"], record)
