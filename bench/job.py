"""What runs inside one job: fit a method once (or find it trained), then evaluate every cell that uses it.

`python -m bench.job PAYLOAD` is a process of its own (see `bench.supervise`): whatever happens to it, each cell ends
with a record that tells the truth. The payload is JSON made by `bench.payload`. Several jobs may be at the same cells:
locks make sure that one trains and that each cell is evaluated once.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import signal
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from filelock import FileLock, Timeout
from threadpoolctl import threadpool_limits

from bench.api import BadInput, DataSet, Encoder, Method, Place, Pretraining, Source, Target, Task, Unavailable
from bench.artefact import load_module, save_encoder
from bench.memory import keep_freed_memory
from bench.outcome import check_scores, explain, spelled
from bench.progress import Reporter
from bench.record import base_record, is_settled
from bench.registry import Registry
from bench.run import FeatureCache, Interrupted, Requests, Run
from bench.sharing import Shelf
from bench.store import Store, read_json

INTERRUPTED = 75  # exit code: try again later (EX_TEMPFAIL)
_PACKAGES = ("torch", "torchvision", "timm", "numpy", "scipy", "scikit-learn")


class Job:
    """One payload at work."""

    def __init__(self, payload: dict[str, Any], folder: Path) -> None:
        self.payload = payload
        self.folder = folder
        self.registry = Registry(payload["plugins"])
        self.store = Store(Path(payload["out"]), tuple(Path(p) for p in payload["layers"]))
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.data: dict[str, DataSet] = {}
        self.features: FeatureCache = {}
        self.home = self.store.job_folder(payload["artefact"])  # locks and checkpoints, shared with other jobs
        self.reporter = Reporter(folder)
        self.requests = Requests()

    # --------------------------------------------------------------------------------------------------------- cells

    def open_cells(self) -> list[dict[str, Any]]:
        """The cells without a current record: another run may have done some of them meanwhile."""
        return [cell for cell in self.payload["cells"] if not self._is_done(cell)]

    def _is_done(self, cell: dict[str, Any]) -> bool:
        return is_settled(self.store.record(cell["key"]), cell, self.payload)

    def run(self) -> None:
        """Do everything that is still to do."""
        self.reporter.progress(0, 1, "waiting for another run")
        self.home.mkdir(parents=True, exist_ok=True)
        with FileLock(self.home / "training.lock"):  # one trains, the others find what it has left
            cells = self.open_cells()
            if not cells:
                return
            self.reporter.doing([c["key"] for c in cells], "preparing")
            try:
                encoder, manifest = self._obtain(cells)
            except Exception as error:
                for cell in cells:
                    self._write(cell, explain(error, "training"), {})
                return
        if self.payload["fit_only"]:
            return
        for cell in self._in_turn(cells):
            self.reporter.doing([cell["key"]], cell["task"]["label"])
            self._evaluate(cell, encoder, manifest)

    def _in_turn(self, cells: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Each cell that is open, under its lock; those that another job is at come last."""
        waiting = list(cells)
        for wait in (False, True):
            for cell in list(waiting):
                scratch = self._scratch(cell)
                scratch.mkdir(parents=True, exist_ok=True)
                try:
                    lock = FileLock(scratch / "work.lock").acquire(blocking=wait)
                except Timeout:
                    continue
                with lock:
                    waiting.remove(cell)
                    if not self._is_done(cell):
                        yield cell

    def _scratch(self, cell: dict[str, Any]) -> Path:
        return self.home / cell["key"]

    def _obtain(self, cells: list[dict[str, Any]]) -> tuple[Encoder, dict[str, Any]]:
        """The trained encoder: found under its key, or fitted now and kept."""
        payload = self.payload
        method: Method = self.registry.make("method", payload["method"]["name"], payload["method"]["settings"])
        missing = [p for p in method.requires if not _installed(p)]
        if missing:
            raise Unavailable(f"needs {', '.join(missing)}: pip install {' '.join(missing)}")
        key, size, domain = payload["artefact"], payload["image_size"], payload["domain"]
        torch.manual_seed(payload["seed"])
        encoder = method.build(size, domain).to(self.device)
        folder = self._trained_before(key)
        if folder is None:
            pretraining, target = self._training_data(method, cells)
            run = self._new_run(self.home)
            run.target = target
            self.reporter.doing([c["key"] for c in cells], "training")
            torch.manual_seed(payload["seed"])
            run.began = time.monotonic()
            method.fit(encoder, pretraining, run)
            manifest = {
                "key": key,
                "source": payload["fit_source"],
                "method": payload["method"],
                "pretrain": {**payload["pretrain"], "images": len(pretraining.train)},
                "image_size": size,
                "seed": payload["seed"],
                "seconds": run.seconds_before + time.monotonic() - run.began,
                "facts": spelled(run.facts),
                "parameters": sum(p.numel() for p in encoder.parameters()),
                **self._provenance(),
            }
            encoder.eval()
            save_encoder(self.store.artefact_path(key), encoder, manifest, run.curves, pretraining.val[:8])
            _remove_checkpoints(self.home)
            manifest["from"] = "trained"
        else:
            manifest = load_module(folder, encoder)
            manifest["from"] = "found" if folder == self.store.artefact_path(key) else "shipped"
        encoder.eval().requires_grad_(False)
        return encoder, manifest

    def _trained_before(self, key: str) -> Path | None:
        """The folder of the trained method, unless it lies in the output folder and was made by code since changed."""
        folder = self.store.find_artefact(key)
        if folder != self.store.artefact_path(key) or self.payload["keep_stale"]:
            return folder  # shipped models are believed: they come with this version
        manifest = read_json(folder / "manifest.json") or {}
        return folder if manifest.get("source") == self.payload["fit_source"] else None

    def _training_data(self, method: Method, cells: list[dict[str, Any]]) -> tuple[Pretraining, Target | None]:
        """Unlabelled images; for a supervised method the task's own, with their labels."""
        if not method.supervised:
            return self._load(self.payload["pretrain"]).pretraining(), None
        task: Task = self.registry.make("task", cells[0]["task"]["name"], cells[0]["task"]["settings"])
        target = task.training_target(self._load(cells[0]["dataset"]))
        return target.images, target

    def _load(self, dataset: dict[str, Any]) -> DataSet:
        """A data set, loaded once per job."""
        name = json.dumps(dataset, sort_keys=True)
        if name not in self.data:
            source: Source = self.registry.make("dataset", dataset["name"], dataset["settings"])
            root = self.payload["data_root"]
            place = Place(
                self.payload["image_size"],
                Path(self.payload["cache"]),
                Path(root) if root else None,
                self.reporter.progress,
            )
            self.data[name] = source.load(place)
        return self.data[name]

    def _new_run(self, scratch: Path) -> Run:
        return Run(
            seed=self.payload["seed"],
            scratch=scratch,
            device=self.device,
            report=self.reporter.progress,
            checkpoint_every=self.payload["checkpoint_every"],
            requests=self.requests,
            source=self.payload["fit_source"],
            shelf=Shelf(self.store.out / "shared", self.payload["data"]),
        )

    def _evaluate(self, cell: dict[str, Any], encoder: Encoder, manifest: dict[str, Any]) -> None:
        """One cell: scores, or the reason why there are none, into its record."""
        start = time.monotonic()
        run = self._new_run(self._scratch(cell))
        run.feature_cache = self.features
        try:
            data = self._load(cell["dataset"])
            task: Task = self.registry.make("task", cell["task"]["name"], cell["task"]["settings"])
            torch.manual_seed(self.payload["seed"])
            evaluation = task.evaluate(encoder, data, run)
            check_scores(evaluation.scores)
            evaluating = time.monotonic() - start - run.encode_seconds
            record = {
                "scores": [vars(score) for score in evaluation.scores],
                "seconds": {"fit": manifest["seconds"], "encode": run.encode_seconds, "evaluate": evaluating},
                "evaluation_facts": spelled(run.facts),
                "feature_dim": run.feature_dim,
                "dataset": {**cell["dataset"], "fingerprint": data.fingerprint, "notes": data.notes},
            }
            self._write(cell, ("ok", "", ""), manifest, record, evaluation.outcomes)
            _remove_checkpoints(run.scratch)
        except Exception as error:  # recorded with its reason; the other cells go on
            self._write(cell, explain(error, "evaluation"), manifest)

    def _provenance(self) -> dict[str, Any]:
        return {
            "device": f"cuda: {torch.cuda.get_device_name()}" if self.device.type == "cuda" else "cpu",
            "versions": {"python": platform.python_version(), **{p: v for p in _PACKAGES if (v := _version(p))}},
            "git": self.payload["git"],
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }

    def _write(
        self,
        cell: dict[str, Any],
        outcome: tuple[str, str, str],
        manifest: dict[str, Any],
        more: dict[str, Any] | None = None,
        arrays: dict[str, Any] | None = None,
    ) -> None:
        status, reason, trace = outcome
        record = {
            **base_record(self.payload, cell),
            "status": status,
            "reason": reason,
            "traceback": trace,
            "seconds": {},
            "fit_from": manifest.get("from", ""),
            "facts": manifest.get("facts", {}),
            "parameters": manifest.get("parameters"),
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            **self._provenance(),
            **(more or {}),
        }
        record["pretrain"]["images"] = manifest.get("pretrain", {}).get("images")
        self.store.write_record(record, arrays)


def _installed(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _remove_checkpoints(folder: Path) -> None:
    for checkpoint in folder.glob("*.checkpoint"):
        checkpoint.unlink()


def load_job(path: Path) -> Job:
    """The job whose payload lies at `path`."""
    payload = read_json(path)
    if payload is None:
        raise BadInput(f"{path} is no job payload")
    return Job(payload, path.parent)


def run_job(job: Job) -> None:
    """Run it in this process, with the number of threads it asks for."""
    keep_freed_memory()
    torch.set_num_threads(job.payload["threads"])
    with threadpool_limits(job.payload["threads"]), job.reporter:
        job.run()


def heed_signals(requests: Requests) -> None:
    """SIGUSR2 (SLURM's warning) and SIGTERM: keep the training and leave, for the job to be taken up again.

    Under SLURM a SIGTERM only saves: the end follows it, or does not, and that is for SLURM to say.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        requests.leave = True
        if not requests.in_training:
            raise Interrupted

    def save(number: int, frame: FrameType | None) -> None:
        requests.save = True

    signal.signal(signal.SIGUSR2, leave)
    signal.signal(signal.SIGTERM, save if "SLURM_JOB_ID" in os.environ else leave)


def main(path: Path) -> int:
    """All that a process of its own does with the payload at `path`. Returns its exit code."""
    job = load_job(path)
    heed_signals(job.requests)
    try:
        run_job(job)
    except Interrupted:
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
