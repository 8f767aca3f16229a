"""What has become of each planned cell, from the files in the output folder and, for SLURM, from its queue.

Reads, and changes nothing: from any machine that sees the folder.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.plan import read_plan, state_of
from bench.progress import active, is_alive, read_progress
from bench.queue import RUNNING, ask, explain, submitted
from bench.record import is_settled
from bench.store import Store, read_json

ORDER = ("running", "waiting", "failed", "stale", "missing", "skipped", "ok")


@dataclass(frozen=True)
class CellState:
    """One planned cell. `state`: one of ORDER; `text`: progress, or the reason."""

    key: str
    method: str
    task: str
    seed: int
    state: str
    text: str = ""


def cell_states(store: Store) -> list[CellState]:
    """Every planned cell of the folder, in the plan's order. UsageError where there is no plan."""
    cells = read_plan(store)["cells"]
    records = {cell["key"]: _outline(store.record(cell["key"])) for cell in cells}
    open_cells = [c for c in cells if _recorded(records[c["key"]], c["source"])[0] != "ok"]
    running = _running(store, {cell["artefact"] for cell in open_cells}) if open_cells else {}
    queued = _queued(store, records) if open_cells else {}
    somebody = bool(open_cells) and bool(active(store))
    found = []
    for cell in cells:
        record = records[cell["key"]]
        state, text = _recorded(record, cell["source"])
        if state != "ok":
            if cell["key"] in running:
                state, text = "running", running[cell["key"]]
            elif cell["key"] in queued:
                state, text = queued[cell["key"]]
            elif somebody and state == "missing":
                state = "waiting"
        found.append(CellState(cell["key"], cell["method"], cell["task"], cell["seed"], state, text))
    return found


def _outline(record: dict[str, Any] | None) -> dict[str, Any] | None:
    """What is asked of a record here: whole ones of many cells would fill the memory."""
    return record and {key: record.get(key) for key in ("status", "reason", "source", "attempt", "time")}


def _recorded(record: dict[str, Any] | None, source: str) -> tuple[str, str]:
    return ("missing", "") if record is None else (state_of(record, source), record.get("reason", ""))


def _running(store: Store, artefacts: set[str]) -> dict[str, str]:
    """Key -> progress, of the cells that living jobs are at."""
    found = {}
    for sign in (store.out / "jobs").glob("*/runs/*/alive.json"):
        if sign.parts[-4] in artefacts and is_alive(sign.parent):
            doing = read_json(sign.parent / "doing.json") or {"cells": []}
            found.update(dict.fromkeys(doing["cells"], progress_text(sign.parent)))
    return found


def progress_text(folder: Path) -> str:
    """`training 43 %, about 3 min left`."""
    progress = read_progress(folder)
    text = f"{progress['what']} {progress['done'] / max(progress['total'], 1):.0%}"
    left = progress["left"]
    if left is None:
        return text
    return f"{text}, about {left / 60:.0f} min left" if left > 90 else f"{text}, about {left:.0f} s left"


def _queued(store: Store, records: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Key -> state and its text, of the cells that SLURM has a job for."""
    jobs = {job.id: job for job in submitted(store) if job.payload}
    if not jobs:
        return {}
    try:
        answers = ask(jobs.values())
    except UsageError as problem:
        return {key: ("waiting", str(problem)) for key in _open_keys(jobs, records)}
    found = {}
    for key, job in _open_keys(jobs, records).items():
        answer = answers[job.id]
        if answer.ended:
            found[key] = ("failed", explain(job, answers, jobs))
        else:
            why = "about to begin" if answer.state in RUNNING else answer.reason
            found[key] = ("waiting", f"SLURM job {job.id}: {why}")
    return found


def _open_keys(jobs: dict[str, Any], records: dict[str, Any]) -> dict[str, Any]:
    """Key -> the job that is to do it, of the cells without a record as new as the job."""
    found = {}
    for job in jobs.values():
        payload = read_json(Path(job.payload))
        if payload and not payload["fit_only"]:
            for cell in payload["cells"]:
                if not is_settled(records.get(cell["key"]), cell, payload):
                    found[cell["key"]] = job
    return found


def counts(states: list[CellState]) -> str:
    """`12 cells: 2 running, 3 failed, 7 ok`."""
    number = Counter(cell.state for cell in states)
    words = ", ".join(f"{number[state]} {state}" for state in ORDER if number[state])
    return f"{len(states)} cells: {words}"


def find_cell(store: Store, text: str) -> dict[str, Any]:
    """The planned cell of a key, the beginning of one, `METHOD/TASK` or `METHOD/TASK/SEED`, as `status` shows them."""
    cells = read_plan(store)["cells"]
    matches = [cell for cell in cells if cell["key"].startswith(text)] or [
        cell for cell in cells if text in (f"{cell['method']}/{cell['task']}", name_of(cell))
    ]
    if not matches:
        raise UsageError(f"no planned cell {text!r}: take a name or key from `status`")
    if len(matches) > 1:
        raise UsageError(f"{text!r} stands for {len(matches)} cells: {', '.join(map(name_of, matches[:4]))} ...")
    return matches[0]


def name_of(cell: dict[str, Any]) -> str:
    return f"{cell['method']}/{cell['task']}/{cell['seed']}"


def log_files(store: Store, cell: dict[str, Any]) -> list[Path]:
    """What the jobs around a cell have printed, oldest first: the job's own log, and SLURM's where there is one."""
    runs = store.job_folder(cell["artefact"]) / "runs"
    folders = [p for p in runs.glob("*") if p.name.endswith(("-training", f"-{cell['key']}")) or "-" not in p.name]
    logs = [folder / "log.txt" for folder in folders]
    logs += [Path(job.log) for job in submitted(store) if Path(job.payload).parent in folders]
    return sorted((p for p in logs if p.exists() and p.stat().st_size), key=lambda p: p.stat().st_mtime)
