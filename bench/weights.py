"""Trained models that come with the project: taken from a run, and checked against the records they came with.

results/reference/artefacts/<key>/      manifest.json, model.safetensors, curves.json
results/reference/records/              what these very files scored
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.errors import BadInput
from bench.plan import Cell, Settings, make_cells
from bench.store import SHIPPED, Store, file_hash, read_json

WORTH_SHIPPING = 10.0  # seconds of training: what takes less is trained anew
MANY_STEPS = 500  # of an optimiser: worth it however fast, as parts taken over from another method cost no seconds
LARGEST, ALL_TOGETHER = 20_000_000, 80_000_000  # bytes: of one file, of all files
TOLERANCE = 0.002  # of a score, which is a share: rounding differs between processors


@dataclass(frozen=True)
class Check:
    """One line of `verify-weights`."""

    ok: bool
    line: str


def ship(run: Store, to: Path = SHIPPED) -> int:
    """Copy every artefact of a run's plan to `to`, floating-point tensors in half precision; the bytes of all there.

    What took less than `WORTH_SHIPPING` and fewer than `MANY_STEPS` stays behind.
    Raises `BadInput` where the run lacks one, or a file would be larger than a repository should hold.
    """
    plan = read_json(run.out / "plan.json") or {"cells": []}
    trained = {cell["artefact"] for cell in plan["cells"] if (run.record(cell["key"]) or {}).get("status") == "ok"}
    for key in sorted(trained):
        folder = run.artefact_path(key)
        manifest = read_json(folder / "manifest.json")
        if manifest is None:
            raise BadInput(f"{folder}: the trained model is missing; `run` it there first")
        if manifest["seconds"] >= WORTH_SHIPPING or manifest["facts"].get("optimiser_steps", 0) >= MANY_STEPS:
            _ship_one(folder, manifest, to / key)
    total = sum(path.stat().st_size for path in to.rglob("*") if path.is_file())
    if total > ALL_TOGETHER:
        raise BadInput(f"{to}: {total / 1e6:.1f} MB, more than the {ALL_TOGETHER / 1e6:.0f} MB that may come along")
    return total


def _ship_one(source: Path, manifest: dict[str, Any], target: Path) -> None:
    from safetensors.torch import load_file

    from bench.artefact import WEIGHTS, save_state

    if file_hash(source / WEIGHTS) != manifest["sha256"]:
        raise BadInput(f"{source / WEIGHTS}: the file is not the one its manifest describes")
    state = load_file(source / WEIGHTS)
    half = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    size = sum(tensor.nbytes for tensor in half.values())
    if size > LARGEST:
        raise BadInput(f"{source}: {size / 1e6:.1f} MB in half precision, more than {LARGEST / 1e6:.0f} MB")
    curves = source / "curves.json"
    save_state(target, half, {**manifest, "precision": "half"}, lambda folder: shutil.copy(curves, folder))


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
    """Evaluate each shipped model once more, on its quickest task, and hold the score against the shipped record."""
    from bench.main_job import Execution, run_benchmark

    quickest = _quickest(Store(shipped.parent))
    cells: dict[str, Cell] = {}
    for record in quickest.values():
        of = make_cells((record["method"]["label"],), (record["task"]["label"],), (record["seed"],), settings)
        cells |= {cell.key: cell for cell in of if cell.key == record["key"]}
    if cells:
        how = Execution("local", None, "method", None, False, False, False, "verify-weights")
        run_benchmark(console, settings, list(cells.values()), how)
    for folder in sorted(path for path in shipped.glob("*") if path.is_dir()):
        yield _compare(folder.name, quickest.get(folder.name), Store(settings.out))


def _quickest(reference: Store) -> dict[str, dict[str, Any]]:
    """For each shipped model, by its key: the record of its cell that was evaluated fastest."""
    best: dict[str, dict[str, Any]] = {}
    for record in reference.records():
        if record["status"] != "ok" or record["fit_from"] != "shipped":
            continue
        known = best.setdefault(record["artefact"], record)
        if record["seconds"]["evaluate"] < known["seconds"]["evaluate"]:
            best[record["artefact"]] = record
    return best


def _compare(artefact: str, record: dict[str, Any] | None, again: Store) -> Check:
    if record is None:
        return Check(False, f"{artefact}: no record of what it scored came along")
    name = f"{record['method']['label']}, {record['task']['label']}, seed {record['seed']}"
    found = again.record(record["key"])
    if found is None:
        return Check(False, f"{name}: today's settings or data give other keys than its record's")
    if found["status"] != "ok":
        return Check(False, f"{name}: {found['reason']}")
    if found["fit_from"] != "shipped":
        return Check(False, f"{name}: no shipped model was found under its key")
    before, after = _main_score(record), _main_score(found)
    return Check(abs(after - before) <= TOLERANCE, f"{name}: {after:.4f}, shipped record {before:.4f}")


def _main_score(record: dict[str, Any]) -> float:
    return next(score["value"] for score in record["scores"] if score["main"])
