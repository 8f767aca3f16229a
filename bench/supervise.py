"""Watches over one job: runs it in a process of its own and, if that dies, records why and goes on with the rest.

`supervise`, or `Requeued` under SLURM, is what is handed to submitit. It needs next to no memory, so that it outlives
what it watches.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.nursery import Born
from bench.progress import process_lives
from bench.record import base_record, is_settled
from bench.store import Store, read_json

POLL_SECONDS = 0.2
INTERRUPTED = 75  # exit code of a job that was asked to leave: EX_TEMPFAIL
_LOG_TAIL = 4000  # characters of the log that go into a record


def supervise(payload_path: str) -> str:
    """Run the job until each of its cells has a record. Returns "" or, where even that failed, the reason."""
    return Watch(Path(payload_path)).run()


@dataclass
class Requeued:
    """`supervise` for SLURM: when SLURM warns (time limit, preemption), the job keeps its training and is requeued."""

    grace_seconds: float  # for the job to leave, before SLURM ends it
    minutes: int  # the time limit, for the reason in a record
    _watch: Watch | None = field(default=None, repr=False)

    def __call__(self, payload_path: str) -> str:
        from submitit.core.utils import UncompletedJobError

        self._watch = Watch(Path(payload_path))
        try:
            problem = self._watch.run()
        except UncompletedJobError as end:  # submitit gives up: the limit was met too often
            reason = f"over its time limit of {self.minutes} minutes ({end}): give it more time, or more restarts"
            self._watch.record_open(reason)
            raise
        if problem:
            raise RuntimeError(problem)
        if self._watch.payload["fit_only"] and not self._watch.is_trained():
            raise RuntimeError("not trained: the records say why")  # so that what depends on it is not started
        return ""

    def checkpoint(self, payload_path: str) -> Any:
        """Called by submitit in its signal handler: what to run after the requeue."""
        from submitit.helpers import DelayedSubmission

        if self._watch is not None:
            self._watch.stop(self.grace_seconds)
        return DelayedSubmission(Requeued(self.grace_seconds, self.minutes), payload_path)


class Watch:
    """One payload, and the process at work on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = path.parent
        self.payload: dict[str, Any] = read_json(path) or {"cells": [], "fit_only": False}
        self.store = Store(Path(self.payload.get("out", "")), tuple(map(Path, self.payload.get("layers", ()))))
        self.child: subprocess.Popen[bytes] | Born | None = None

    def run(self) -> str:
        if not self.payload["cells"]:
            return f"{self.path} is no job payload"
        while True:  # each death costs at least one cell, or comes later in the training than the one before: this ends
            before = self._checkpoints()
            code = self._run_child()
            if code == 0:
                return ""
            if code == INTERRUPTED:
                time.sleep(2 * POLL_SECONDS)  # under SLURM the same signal is about to reach this process
                return "the job was told to stop; its training is kept"
            if self._checkpoints() != before:
                continue
            doing = read_json(self.folder / "doing.json") or {"cells": [], "what": ""}
            if not doing["cells"]:
                return f"the job died before it began ({_why(code)}); its log is {self.folder / 'log.txt'}"
            try:
                self.record_lost(doing["cells"], f"{_why(code)} while it was at: {doing['what']}")
            except OSError as error:
                return f"the job died ({_why(code)}) and nothing can be recorded: {error}"

    def _run_child(self) -> int:
        """Run the job in a process and return its exit code; stop it when the owner, the `run` command, is gone."""
        (self.folder / "doing.json").unlink(missing_ok=True)
        owner = self.payload.get("owner")
        self.child = self._start_child()
        try:
            while (code := self.child.poll()) is None:
                if owner is not None and not process_lives(owner):
                    raise KeyboardInterrupt("the run command is gone")
                time.sleep(POLL_SECONDS)
            return code
        except BaseException:
            self.child.send_signal(signal.SIGTERM)
            raise

    def _start_child(self) -> subprocess.Popen[bytes] | Born:
        """The job, forked in the nursery where there is one (see `bench.nursery`), else `python -m bench.job`."""
        log, environment = self.folder / "log.txt", job_environment(self.payload["threads"])
        if self.payload.get("nursery"):
            with contextlib.suppress(OSError):
                return Born(self.payload["nursery"], self.path, log, environment)
        with log.open("ab") as stream:
            return subprocess.Popen(
                [sys.executable, "-m", "bench.job", str(self.path)],
                stdout=stream, stderr=stream, stdin=subprocess.DEVNULL, env=environment,
            )  # fmt: skip

    def stop(self, seconds: float) -> None:
        """Ask the job to keep its training and leave; after `seconds` end it."""
        if self.child is None or self.child.poll() is not None:
            return
        self.child.send_signal(signal.SIGUSR2)
        deadline = time.monotonic() + seconds
        while self.child.poll() is None:
            if time.monotonic() > deadline:
                self.child.send_signal(signal.SIGKILL)
                return
            time.sleep(POLL_SECONDS)

    def is_trained(self) -> bool:
        return self.store.find_artefact(self.payload["artefact"]) is not None

    def _checkpoints(self) -> dict[str, int]:
        """Which checkpoints the training has left, and when."""
        home = self.store.job_folder(self.payload["artefact"])
        return {path.name: path.stat().st_mtime_ns for path in home.glob("*.checkpoint")}

    def record_open(self, reason: str) -> None:
        """Record this reason for every cell that has neither a result nor a reason yet."""
        cells = self.payload["cells"]
        keys = [c["key"] for c in cells if not is_settled(self.store.record(c["key"]), c, self.payload)]
        self.record_lost(keys, reason)

    def record_lost(self, keys: list[str], reason: str, log: str = "") -> None:
        """Record these cells as failed, with the end of the job's log and of a further one."""
        own = self.folder / "log.txt"
        tail = (own.read_text(errors="replace")[-_LOG_TAIL:] if own.exists() else "") + log
        for cell in self.payload["cells"]:
            if cell["key"] in keys:
                lost = {"status": "failed", "reason": reason, "traceback": tail}
                time_now = datetime.now(UTC).isoformat(timespec="seconds")
                self.store.write_record({**base_record(self.payload, cell), **lost, "time": time_now})


def job_environment(threads: int) -> dict[str, str]:
    """This project on the path, and as many threads as the profile says, whatever the machine offers."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, **dict.fromkeys(names, str(threads)), "PYTHONPATH": path}


def _why(code: int) -> str:
    if code >= 0:
        return f"the process left with exit code {code}"
    name = signal.Signals(-code).name
    hint = ", which is what running out of memory looks like" if name == "SIGKILL" else ""
    return f"the process was killed by {name}{hint}"
