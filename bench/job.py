"""What runs inside one job: fit a method once (or find it trained), then evaluate every cell that uses it.

`python -m bench.job PAYLOAD` is a process of its own (see `bench.supervise`): whatever happens to it, each cell ends
with
a record that tells the truth. The payload is JSON made by `bench.schedule`.
"""

from __future__ import annotations

import errno
import json
import math
import platform
import resource
import sys
import time
import traceback
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from bench.api import BadInput, DataSet, Encoder, Method, Place, Pretraining, Score, Source, Target, Task, Unavailable
from bench.artefact import load_encoder, save_encoder
from bench.plan import state_of
from bench.record import base_record
from bench.registry import Registry
from bench.run import FeatureCache, NotFinite, Run
from bench.store import Store, read_json, write_json

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
        self._last_report = 0.0
        self._started = time.monotonic()

    # ------------------------------------------------------------------------------------------------------ progress

    def progress(self, done: int, total: int, what: str) -> None:
        """Leave a line for whoever watches, twice a second at most."""
        now = time.monotonic()
        if done < total and now - self._last_report < 0.5:
            return
        self._last_report = now
        content = {"done": done, "total": total, "what": what, "time": time.time(), "elapsed": now - self._started}
        try:
            (self.folder / "progress.tmp").write_text(json.dumps(content))
            (self.folder / "progress.tmp").replace(self.folder / "progress.json")
        except OSError:  # a full disk must not stop the work over a progress line
            pass

    def doing(self, keys: list[str], what: str) -> None:
        """Remember which cells would be lost if this process died now."""
        write_json(self.folder / "doing.json", {"cells": keys, "what": what})
        self.progress(0, 1, what)

    # --------------------------------------------------------------------------------------------------------- cells

    def open_cells(self) -> list[dict[str, Any]]:
        """The cells without a current record: another run may have done some of them meanwhile."""
        return [cell for cell in self.payload["cells"] if not self._is_done(cell)]

    def _is_done(self, cell: dict[str, Any]) -> bool:
        record = self.store.record(cell["key"])
        if record is None:
            return False
        if record["status"] != "ok":  # a failure of this very attempt counts, one of an earlier run is tried again
            return record.get("attempt") == self.payload["attempt"]
        return state_of(record, cell["source"], self.payload["keep_stale"]) == "ok"

    def run(self) -> None:
        """Do everything that is still to do."""
        self.progress(0, 1, "waiting for another run")
        with FileLock(self.folder / "work.lock"):
            cells = self.open_cells()
            if not cells:
                return
            self.doing([c["key"] for c in cells], "preparing")
            try:
                encoder, manifest = self._obtain(cells)
            except Exception as error:
                for cell in cells:
                    self._write(cell, explain(error, "training"), {})
                return
            for cell in cells:
                self.doing([cell["key"]], cell["task"]["label"])
                self._evaluate(cell, encoder, manifest)

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
        folder = self.store.find_artefact(key)
        if folder is None:
            pretraining, target = self._training_data(method, cells)
            run = self._new_run(self.folder)
            run.target = target
            start = time.monotonic()
            torch.manual_seed(payload["seed"])
            method.fit(encoder, pretraining, run)
            manifest = {
                "key": key,
                "method": payload["method"],
                "pretrain": {**payload["pretrain"], "images": len(pretraining.train)},
                "image_size": size,
                "seed": payload["seed"],
                "seconds": time.monotonic() - start,
                "facts": spelled(run.facts),
                "parameters": sum(p.numel() for p in encoder.parameters()),
                **self._provenance(),
            }
            encoder.eval()
            save_encoder(self.store.artefact_path(key), encoder, manifest, run.curves, pretraining.val[:8])
            for checkpoint in self.folder.glob("*.checkpoint"):
                checkpoint.unlink()
            manifest["from"] = "trained"
        else:
            manifest = load_encoder(folder, encoder)
            manifest["from"] = "found" if folder == self.store.artefact_path(key) else "shipped"
        encoder.eval().requires_grad_(False)
        return encoder, manifest

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
                self.payload["image_size"], Path(self.payload["cache"]), Path(root) if root else None, self.progress
            )
            self.data[name] = source.load(place)
        return self.data[name]

    def _new_run(self, scratch: Path) -> Run:
        scratch.mkdir(parents=True, exist_ok=True)
        return Run(
            seed=self.payload["seed"],
            scratch=scratch,
            device=self.device,
            report=self.progress,
            checkpoint_every=self.payload["checkpoint_every"],
        )

    def _evaluate(self, cell: dict[str, Any], encoder: Encoder, manifest: dict[str, Any]) -> None:
        """One cell: scores, or the reason why there are none, into its record."""
        start = time.monotonic()
        run = self._new_run(self.folder / cell["key"])
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
        except Exception as error:  # recorded with its reason; the other cells go on
            self._write(cell, explain(error, "evaluation"), manifest)

    def _provenance(self) -> dict[str, Any]:
        return {
            "device": str(self.device),
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


def check_scores(scores: list[Score]) -> None:
    """Exactly one main score, and every number finite; otherwise the task is wrong and its cell fails."""
    mains = [score for score in scores if score.main]
    if len(mains) != 1:
        raise ValueError(f"a task has exactly one main score; this one returned {len(mains)}")
    for score in scores:
        for name in ("value", "low", "high", "chance"):
            number = getattr(score, name)
            if number is not None and not math.isfinite(number):
                raise NotFinite(f"{name} of the score {score.name!r} is {number}")


def spelled(content: Any) -> Any:
    """The same with infinite and undefined numbers as words, as JSON has none ("inf": weights shrunk to nothing)."""
    if isinstance(content, dict):
        return {key: spelled(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [spelled(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return str(content)
    return content


def explain(error: Exception, stage: str) -> tuple[str, str, str]:
    """Status, reason in one line, and traceback where it helps."""
    text = " ".join(str(error).split())
    if isinstance(error, Unavailable):
        return "skipped", text, ""
    if isinstance(error, (BadInput, NotFinite)):
        return "failed", text, ""
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, MemoryError) or "out of memory" in text.lower():
        return "failed", f"out of memory during {stage}: use a smaller batch or a bigger machine", trace
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "failed", f"the disk is full ({error.filename}): free some space and run again", trace
    return "failed", f"{type(error).__name__} during {stage}: {text}", trace


def _installed(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def run_payload(path: Path) -> None:
    """Run the job whose payload lies at `path`, in this process."""
    payload = read_json(path)
    if payload is None:
        raise BadInput(f"{path} is no job payload")
    torch.set_num_threads(payload["threads"])
    Job(payload, path.parent).run()


if __name__ == "__main__":
    run_payload(Path(sys.argv[1]))
