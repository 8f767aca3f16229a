"""Units -> SLURM, by submitit: arrays of what asks for the same, dependencies, a cap on what runs at once.

What a job did is read from its records; why one ended without any is asked of SLURM (see `bench.queue`).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.display import Display
from bench.errors import UsageError
from bench.payload import Payloads, Unit
from bench.queue import RUNNING, Submitted, ask, cancel, forget, save, settle, submitted
from bench.resources import Resources, SlurmSettings
from bench.store import Store
from bench.supervise import Requeued

_HOME = Path(__file__).parents[1]
_LONGEST_ARRAY = 1000  # SLURM's own default limit
_QUICKEST_POLL, _SLOWEST_POLL = 1.0, 15.0  # seconds


@dataclass(eq=False)
class _Batch:
    """What one `sbatch` takes: units with the same needs, after the same training."""

    resources: Resources
    units: list[Unit]
    after: Unit | None


@dataclass
class SlurmSchedule:
    """The units still to do, and what becomes of them on the cluster."""

    payloads: Payloads
    units: list[Unit]
    slurm: SlurmSettings
    console: Console
    problems: list[str] = field(default_factory=list)
    jobs: dict[Unit, Submitted] = field(default_factory=dict)

    def submit(self) -> None:
        """Hand everything to SLURM. Where it refuses something, what it has taken already is cancelled."""
        if shutil.which("sbatch") is None:
            raise UsageError("--cluster slurm: no sbatch here; start this on a login node, or try slurm/one-node")
        batches = self._batches()
        roots = [batch for batch in batches if batch.after is None]
        lanes = min(self.slurm.jobs or 0, len(roots))
        lane_of: dict[Unit | None, int] = {}
        try:
            for batch in batches:
                lane = lane_of[batch.after] if batch.after else roots.index(batch) % max(lanes, 1)
                lane_of.update(dict.fromkeys(batch.units, lane))
                self._submit_batch(batch, lane, lanes)
        except BaseException:
            cancel(self.jobs.values())
            raise
        arrays = {job.id.partition("_")[0] for job in self.jobs.values()}
        self.console.print(f"{len(self.jobs)} jobs in {len(arrays)} submissions handed to SLURM", highlight=False)

    def submit_conclusion(self) -> None:
        """A last job, after all others: record what was lost and why, and write the report."""
        arrays = sorted({job.id.partition("_")[0] for job in self.jobs.values()}, key=int)
        resources = Resources(**{**vars(self.slurm.of("")), "gpus": 0})
        executor = self._executor(resources, "conclusion", "afterany:" + ":".join(arrays), 1)
        handle = _refused(lambda: executor.submit(conclude, str(self.payloads.store.out)))
        log = str(handle.paths.stderr)
        save(self.payloads.store, [Submitted(handle.job_id, "conclusion", "", log, resources.time, resources.memory)])

    def wait(self) -> None:
        """Watch until all have ended. Ctrl-C cancels them; raises KeyboardInterrupt."""
        display = Display(self.console, self.units, self.payloads)
        store, started = self.payloads.store, time.monotonic()
        by_id = {job.id: job for job in self.jobs.values()}
        waiting = dict(self.jobs)
        try:
            with display.live():
                while waiting:
                    time.sleep(min(_SLOWEST_POLL, _QUICKEST_POLL + (time.monotonic() - started) / 60))
                    try:
                        answers = ask(by_id.values())
                    except UsageError:  # its controller restarts: the jobs go on meanwhile
                        continue
                    display.running = [unit for unit, job in waiting.items() if answers[job.id].state in RUNNING]
                    for unit, job in list(waiting.items()):
                        if answers[job.id].ended:
                            settle(store, job, answers, by_id)
                            del waiting[unit]
                            display.finished(unit)
        except BaseException:
            cancel(waiting.values())
            raise
        forget(store, by_id.values())

    # ---------------------------------------------------------------------------------------------------- submission

    def _batches(self) -> list[_Batch]:
        """Units by what they need. Under a cap, a training alone is a batch: its cells then follow it in its lane."""
        alike: dict[Any, _Batch] = {}
        for number, unit in enumerate(self.units):
            resources = self.slurm.of(unit.method)
            alone = number if unit.fit_only and self.slurm.jobs else None
            alike.setdefault((resources, unit.after, alone), _Batch(resources, [], unit.after)).units.append(unit)
        return [
            _Batch(batch.resources, batch.units[start : start + _LONGEST_ARRAY], batch.after)
            for batch in alike.values()
            for start in range(0, len(batch.units), _LONGEST_ARRAY)
        ]

    def _submit_batch(self, batch: _Batch, lane: int, lanes: int) -> None:
        """One array. The cap is kept by lanes: in a lane one array runs after another, each so many jobs wide."""
        dependency = [] if batch.after is None else [f"afterok:{self.jobs[batch.after].id}"]
        name, width = "", len(batch.units)
        if lanes and self.slurm.jobs:
            name = f"lane{lane}"
            width = self.slurm.jobs // lanes + (lane < self.slurm.jobs % lanes)
            dependency.append("singleton")
        executor = self._executor(batch.resources, name, ",".join(dependency), width)
        requeued = Requeued(grace_seconds=self.slurm.warning * 2 / 3, minutes=batch.resources.time)
        paths = [str(self.payloads.write(unit)) for unit in batch.units]
        handles = _refused(lambda: executor.map_array(requeued, paths))
        for unit, handle, path in zip(batch.units, handles, paths, strict=True):
            self.jobs[unit] = Submitted(
                id=handle.job_id,
                label=unit.label,
                payload=path,
                log=str(handle.paths.stderr),
                time=batch.resources.time,
                memory=batch.resources.memory,
                after=self.jobs[batch.after].id if batch.after is not None else "",
            )
        save(self.payloads.store, [self.jobs[unit] for unit in batch.units])

    def _executor(self, resources: Resources, part: str, dependency: str, width: int) -> Any:
        import submitit

        executor = submitit.AutoExecutor(
            folder=self.payloads.store.out / "slurm" / "submitit",
            cluster="slurm",
            slurm_max_num_timeout=self.slurm.restarts,
        )
        executor.update_parameters(
            name="-".join(filter(None, ("pdr-bench", self.payloads.attempt, part))),
            timeout_min=resources.time,
            mem_gb=resources.memory,
            cpus_per_task=resources.cpus,
            slurm_partition=resources.partition,
            slurm_account=resources.account,
            slurm_qos=resources.qos,
            slurm_constraint=resources.constraint,
            slurm_setup=[f"export PYTHONPATH={_HOME}:$PYTHONPATH", *resources.setup],
            slurm_dependency=dependency or None,
            slurm_array_parallelism=width,
            slurm_signal_delay_s=self.slurm.warning,
            slurm_additional_parameters={"requeue": True, "kill-on-invalid-dep": "yes"},
            **({"gpus_per_node": resources.gpus} if resources.gpus else {}),
        )
        return executor


def _refused(submission: Callable[[], Any]) -> Any:
    """The submission's result; where sbatch says no, its words in one line."""
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    try:
        return submission()
    except (FailedJobError, FailedSubmissionError) as error:
        raise UsageError(f"SLURM refused the job: {' '.join(str(error).split())[:400]}") from error


def conclude(out: str) -> None:
    """Record what was lost and why, and write the report."""
    from bench.report import write_report
    from bench.store import SHIPPED

    store = Store(Path(out), (SHIPPED,))
    settle_ended(store)
    write_report(store, store.out / "report")


def settle_ended(store: Store) -> int:
    """Record why jobs of this folder ended without a record; forget the arrays that are over. Returns how many run."""
    jobs = {job.id: job for job in submitted(store)}
    answers = ask(jobs.values())
    for job in jobs.values():
        if job.payload and answers[job.id].ended:
            settle(store, job, answers, jobs)
    still = [job for job in jobs.values() if not answers[job.id].ended]
    arrays = {job.id.partition("_")[0] for job in still}
    forget(store, [job for job in jobs.values() if job.id.partition("_")[0] not in arrays])
    return len(still)
