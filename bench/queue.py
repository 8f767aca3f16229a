"""What SLURM knows of the jobs this project has submitted, and the true reason of those that ended without a record.

A submitted array is one file <out>/slurm/<id>.json. States are asked of `squeue`, which needs no accounting, and of
`sacct` for what `squeue` has forgotten.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from bench.errors import UsageError
from bench.record import is_settled
from bench.store import Store, read_json, write_json
from bench.supervise import Watch

WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
RUNNING = {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING", "STAGE_OUT"}
_MANY = 500  # ids of arrays in one question
_WORDS = {
    "TIMEOUT": "over its time limit of {time} minutes",
    "DEADLINE": "over its time limit of {time} minutes",
    "OUT_OF_MEMORY": "out of memory: it took more than its {memory:g} GB",
    "NODE_FAIL": "its node failed",
    "BOOT_FAIL": "its node failed",
    "PREEMPTED": "preempted, and not requeued",
    "CANCELLED": "cancelled",
    "COMPLETED": "it ended without leaving a record",
    "": "SLURM no longer knows it",
}
_MEMORY = re.compile(r"exceeded (job )?memory limit|oom[-_ ]kill|out of memory", re.IGNORECASE)
_LOG_TAIL = 4000  # characters


@dataclass(frozen=True)
class Submitted:
    """One job of SLURM."""

    id: str  # 12, or 12_3 in an array
    label: str
    payload: str  # path
    log: str  # path of what SLURM and the job's watcher print
    time: int  # minutes
    memory: float  # GB
    after: str = ""  # id of the training it waits for


@dataclass(frozen=True)
class Answer:
    """SLURM's word for a job's state ("" where it knows no such job), and why it waits."""

    state: str
    reason: str = ""

    @property
    def ended(self) -> bool:
        return self.state not in WAITING and self.state not in RUNNING


def save(store: Store, jobs: list[Submitted]) -> None:
    """Remember an array, for `status` and `cancel`."""
    array = jobs[0].id.partition("_")[0]
    write_json(store.out / "slurm" / f"{array}.json", [asdict(job) for job in jobs])


def submitted(store: Store) -> list[Submitted]:
    """Every job that may still be on its way."""
    files = sorted((store.out / "slurm").glob("*.json"))
    return [Submitted(**job) for path in files for job in read_json(path) or []]


def forget(store: Store, jobs: Iterable[Submitted]) -> None:
    """Drop the arrays of which all jobs have ended."""
    for array in {job.id.partition("_")[0] for job in jobs}:
        (store.out / "slurm" / f"{array}.json").unlink(missing_ok=True)


def ask(jobs: Iterable[Submitted]) -> dict[str, Answer]:
    """The state of each job, by id."""
    wanted = {job.id for job in jobs}
    arrays = sorted({key.partition("_")[0] for key in wanted}, key=int)
    found: dict[str, Answer] = {}
    for start in range(0, len(arrays), _MANY):
        part = ",".join(arrays[start : start + _MANY])
        for line in _call("squeue", "--noheader", "--array", "--states=all", f"--jobs={part}", "--format=%i|%T|%r"):
            key, state, reason = line.split("|", 2)
            found[key] = Answer(state, reason)
    missing = sorted({key.partition("_")[0] for key in wanted - set(found)}, key=int)
    for start in range(0, len(missing), _MANY):
        part = ",".join(missing[start : start + _MANY])
        for line in _call("sacct", "--noheader", "--allocations", "--parsable2", "-oJobID,State", f"-j{part}"):
            key, state = line.split("|", 1)
            found.setdefault(key, Answer(state.split(" ")[0]))
    return {key: found.get(key, Answer("")) for key in wanted}


def _call(program: str, *arguments: str) -> list[str]:
    """The lines it prints. None where it knows no such job; UsageError where SLURM cannot be asked."""
    try:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)
    except FileNotFoundError:
        raise UsageError(f"no {program} here: ask on a login node of the cluster") from None
    except subprocess.TimeoutExpired:
        raise UsageError(f"{program} does not answer: is SLURM up?") from None
    if program == "squeue" and done.returncode and "Invalid job id" not in done.stderr:
        raise UsageError(f"squeue: {' '.join(done.stderr.split())[:200]}")
    return done.stdout.splitlines() if done.returncode == 0 else []  # sacct fails where there is no accounting


def cancel(jobs: Iterable[Submitted]) -> None:
    """End these jobs, and no others."""
    ids = sorted({job.id for job in jobs})
    for start in range(0, len(ids), _MANY):
        subprocess.run(["scancel", *ids[start : start + _MANY]], check=False, capture_output=True)


def settle(store: Store, job: Submitted, answers: Mapping[str, Answer], jobs: Mapping[str, Submitted]) -> None:
    """Record why an ended job left cells without a record. Cells that another job is at are left to it."""
    watch = Watch(Path(job.payload))
    lost = [c for c in watch.payload["cells"] if not is_settled(store.record(c["key"]), c, watch.payload)]
    if not lost or (watch.payload["fit_only"] and answers[job.id].state == "COMPLETED"):
        return
    reason = explain(job, answers, jobs)
    for cell in lost:
        folder = store.job_folder(watch.payload["artefact"]) / cell["key"]
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder / "work.lock", blocking=False):
                if not is_settled(store.record(cell["key"]), cell, watch.payload):
                    watch.record_lost([cell["key"]], reason, _tail(Path(job.log)))
        except Timeout:
            continue


def explain(job: Submitted, answers: Mapping[str, Answer], jobs: Mapping[str, Submitted]) -> str:
    """Why the job ended, in one line."""
    answer = answers[job.id]
    if answer.reason == "DependencyNeverSatisfied" and job.after in jobs:
        before = explain(jobs[job.after], answers, jobs) if jobs[job.after].id in answers else "it did not end well"
        return f"not started, as its training is missing: {before}"
    state = answer.state
    if state in ("FAILED", "CANCELLED") and _MEMORY.search(_tail(Path(job.log))):
        state = "OUT_OF_MEMORY"  # where SLURM kills the step and lets the script go on, its state does not tell
    words = _WORDS.get(state, "it failed, see its log").format(time=job.time, memory=job.memory)
    return f"{words} (SLURM job {job.id}: {answer.state or 'unknown'})"


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-_LOG_TAIL:] if log.exists() else ""
