"""Trained models that come with the project: taken from a run, and checked against the records they came with.

results/reference/artefacts/<key>/      manifest.json, model.safetensors, curves.json
results/reference/records/              what these very files scored
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.errors import BadInput, UsageError
from bench.plan import Cell, Settings, make_cells
from bench.store import SHIPPED, Store, file_hash, read_json, write_json

WORTH_SHIPPING = 10.0  # seconds of training: what takes less is trained anew
LARGEST, ALL_TOGETHER = 20_000_000, 80_000_000  # bytes: of one file, of all files
TOLERANCE = 0.002  # of a score, which is a share: rounding differs between processors


@dataclass(frozen=True)
class Check:
    """One line of `verify-weights`."""

    ok: bool
    line: str


def ship(run: Store, to: Path = SHIPPED) -> int:
    """Copy every artefact of a run's plan to `to`, floating-point tensors in half precision; the bytes of all there.

    What was trained in less than `WORTH_SHIPPING` stays behind.
    Raises `BadInput` where the run lacks one, or a file would be larger than a repository should hold.
    """
    plan = read_json(run.out / "plan.json") or {"cells": []}
    trained = {cell["artefact"] for cell in plan["cells"] if (run.record(cell["key"]) or {}).get("status") == "ok"}
    for key in sorted(trained):
        folder = run.artefact_path(key)
        manifest = read_json(folder / "manifest.json")
        if manifest is None:
            raise BadInput(f"{folder}: the trained model is missing; `run` it there first")
        if manifest["seconds"] >= WORTH_SHIPPING:
            _halve(folder, to / key)
    total = sum(path.stat().st_size for path in to.rglob("*") if path.is_file())
    if total > ALL_TOGETHER:
        raise BadInput(f"{to}: {total / 1e6:.1f} MB, more than the {ALL_TOGETHER / 1e6:.0f} MB that may come along")
    return total


def _halve(source: Path, target: Path) -> None:
    from safetensors.torch import load_file, save_file

    from bench.artefact import WEIGHTS

    manifest: dict[str, Any] = read_json(source / "manifest.json") or {}
    if file_hash(source / WEIGHTS) != manifest.get("sha256"):
        raise BadInput(f"{source / WEIGHTS}: the file is not the one its manifest describes")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as name:
        folder = Path(name) / target.name
        folder.mkdir()
        state = load_file(source / WEIGHTS)
        half = {key: tensor.half() if tensor.is_floating_point() else tensor for key, tensor in state.items()}
        save_file(half, folder / WEIGHTS)
        size = (folder / WEIGHTS).stat().st_size
        if size > LARGEST:
            raise BadInput(f"{source}: {size / 1e6:.1f} MB in half precision, more than {LARGEST / 1e6:.0f} MB")
        write_json(folder / "manifest.json", {**manifest, "sha256": file_hash(folder / WEIGHTS), "precision": "half"})
        shutil.copy(source / "curves.json", folder)
        shutil.rmtree(target, ignore_errors=True)
        folder.rename(target)


def check_files(shipped: Path = SHIPPED) -> Iterator[Check]:
    """Whether every shipped file is the one its manifest describes."""
    from bench.artefact import WEIGHTS

    for folder in sorted(path for path in shipped.glob("*") if path.is_dir()):
        manifest, weights = read_json(folder / "manifest.json"), folder / WEIGHTS
        if not isinstance(manifest, dict) or manifest.get("key") != folder.name:
            yield Check(
                False, f"{folder.name}: its manifest is missing or another's; restore it: git checkout {folder}"
            )
        elif not weights.is_file() or file_hash(weights) != manifest["sha256"]:
            yield Check(False, f"{folder.name}: {WEIGHTS} is not the file that was shipped; git checkout {folder}")
        else:
            yield Check(True, f"{folder.name}: {manifest['method']['label']}, seed {manifest['seed']}")


def check_scores(settings: Settings, console: Console, shipped: Path = SHIPPED) -> Iterator[Check]:
    """Evaluate each shipped method once more, on its quickest task, and hold the score against the shipped record."""
    from bench.main_job import Execution, run_benchmark

    reference = Store(shipped.parent)
    chosen = _quickest(reference, settings)
    if not chosen:
        raise UsageError(f"{shipped.parent} holds no records of shipped models to check against")
    how = Execution("local", None, "method", None, False, False, False, "verify-weights")
    run_benchmark(console, settings, [cell for cell, _ in chosen], how)
    again = Store(settings.out)
    for cell, record in chosen:
        before, found = _main_score(record), again.record(cell.key)
        name = f"{cell.method.label}, {cell.task.label}, seed {cell.seed}"
        if found is None or found["status"] != "ok":
            yield Check(False, f"{name}: {found['reason'] if found else 'no result'}")
        elif found["fit_from"] != "shipped":
            yield Check(False, f"{name}: no shipped model was found under its key")
        else:
            after = _main_score(found)
            yield Check(abs(after - before) <= TOLERANCE, f"{name}: {after:.4f}, shipped record {before:.4f}")


def _quickest(reference: Store, settings: Settings) -> list[tuple[Cell, dict[str, Any]]]:
    """For each method, seed and data set with a shipped model: the cell that was evaluated fastest, and its record."""
    best: dict[tuple[str, int, str], dict[str, Any]] = {}
    for record in reference.records():
        if record["status"] != "ok" or record.get("fit_from") != "shipped":
            continue
        place = record["method"]["label"], record["seed"], record["dataset"]["label"]
        if place not in best or record["seconds"]["evaluate"] < best[place]["seconds"]["evaluate"]:
            best[place] = record
    cells: dict[str, Cell] = {}
    for record in best.values():
        of = make_cells((record["method"]["label"],), (record["task"]["label"],), (record["seed"],), settings)
        cells |= {cell.key: cell for cell in of}
    return [(cells[record["key"]], record) for record in best.values() if record["key"] in cells]


def _main_score(record: dict[str, Any]) -> float:
    return next(score["value"] for score in record["scores"] if score["main"])
