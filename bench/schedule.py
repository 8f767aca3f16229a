"""Units -> submitit on this machine: in this process (`debug`) or in a few processes beside each other (`local`).

One failed, killed or interrupted unit costs its own cells; everything else goes on. What a unit did is read from its
records. `bench.cluster` does the same by SLURM.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from bench.display import Display
from bench.payload import Payloads, Unit
from bench.record import is_settled
from bench.supervise import supervise

Cluster = Literal["debug", "local", "slurm"]
_FOREVER_MINUTES = 60 * 24 * 14
_POLL_SECONDS = 0.2


@dataclass
class Schedule:
    """The units still to do, and what becomes of them."""

    payloads: Payloads
    units: list[Unit]
    cluster: Cluster
    parallel: int
    console: Console
    problems: list[str] = field(default_factory=list)  # of units that could not even record their failure

    def run(self) -> None:
        """Run every unit. Ctrl-C raises KeyboardInterrupt; what is done stays, and running jobs keep their training."""
        display = Display(self.console, self.units, self.payloads)
        with display.live():
            if self.cluster == "debug":
                for unit in self.units:
                    self._run_here(unit, display)
            else:
                self._run_processes(display)

    def _run_here(self, unit: Unit, display: Display) -> None:
        import submitit

        display.running = [unit]
        if not self._is_settled(unit):
            executor = submitit.AutoExecutor(folder=self.payloads.folder(unit) / "submitit", cluster="debug")
            problem = executor.submit(_run_in_process, str(self.payloads.write(unit))).result()
            self._note(unit, problem)
        display.finished(unit)

    def _run_processes(self, display: Display) -> None:
        waiting = list(self.units)
        running: dict[Any, Unit] = {}
        while waiting or running:  # when this process ends, however it does, the jobs leave (see `bench.supervise`)
            under_way = {*waiting, *running.values()}
            ready = [unit for unit in waiting if unit.after not in under_way]
            for unit in ready[: self.parallel - len(running)]:
                waiting.remove(unit)
                if self._is_settled(unit):
                    display.finished(unit)
                else:
                    running[self._submit(unit)] = unit
            display.running = list(running.values())
            time.sleep(_POLL_SECONDS)
            for handle in [h for h in running if h.done()]:
                unit = running.pop(handle)
                self._note(unit, _result(handle))
                display.finished(unit)

    def _submit(self, unit: Unit) -> Any:
        import submitit

        executor = submitit.AutoExecutor(folder=self.payloads.folder(unit) / "submitit", cluster="local")
        executor.update_parameters(timeout_min=_FOREVER_MINUTES, gpus_per_node=_gpus())
        path = str(self.payloads.write(unit))
        # Ctrl-C is for this process alone: submitit's own would each answer it by a traceback
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return executor.submit(supervise, path)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _is_settled(self, unit: Unit) -> bool:
        """Whether the training before has left a failure for each of the unit's cells."""
        if unit.after is None:
            return False
        store, payloads = self.payloads.store, self.payloads
        payload = {
            "attempt": payloads.attempt,
            "started": payloads.started,
            "keep_stale": False,
            "layers": store.layers,
        }
        return all(is_settled(store.record(cell.key), {"source": cell.source}, payload) for cell in unit.cells)

    def _note(self, unit: Unit, problem: str) -> None:
        if problem:
            self.problems.append(f"{unit.label}: {problem}")


def _result(handle: Any) -> str:
    """What `supervise` returned, or why it could not."""
    try:
        return handle.result() or ""
    except Exception as error:
        return " ".join(str(error).split())[:400]


def _run_in_process(path: str) -> str:
    """The whole job in this process; its printed output goes to the job's log."""
    import traceback

    from bench.job import load_job, run_job

    log = io.StringIO()
    try:
        with contextlib.redirect_stdout(log):
            run_job(load_job(Path(path)))
        return ""
    except Exception:
        return traceback.format_exc()
    finally:
        with contextlib.suppress(OSError):
            (Path(path).parent / "log.txt").write_text(log.getvalue())


def _gpus() -> int:
    """1 where this machine has a GPU (submitit hides them all from a local job that asks for none)."""
    return 1 if Path("/dev/nvidia0").exists() else 0


def default_parallel(threads: int) -> int:
    """How many jobs this machine can run side by side."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, cores // threads)
