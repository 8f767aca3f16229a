"""Hand-made run folders for tests of the report: records with known numbers, outcomes, pictures and plan."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from bench.store import Store, digest

FAMILIES = {
    "pdr": "physical",
    "beta_vae": "semantic",
    "vq_vae": "semantic",
    "pca": "reference",
    "supervised": "reference",
}


def name_of(label: str) -> str:
    return label.split("[")[0]


def settings_of(label: str) -> dict:
    inside = label.partition("[")[2].rstrip("]")
    return dict(pair.split("=", 1) for pair in inside.split(",")) if inside else {}


def score(
    name: str,
    value: float,
    *,
    main: bool = False,
    half: float | None = 0.02,
    higher: bool = True,
    chance: float | None = None,
    n: int = 200,
) -> dict:
    """A score with a symmetric interval of +-`half`."""
    low, high = (None, None) if half is None else (value - half, value + half)
    return {
        "name": name,
        "value": value,
        "n": n,
        "higher_is_better": higher,
        "main": main,
        "low": low,
        "high": high,
        "chance": chance,
    }


def cell_key(method: str, task: str, seed: int) -> str:
    return digest(["test", method, task, seed])


def record(
    method: str,
    task: str,
    seed: int = 0,
    scores: list[dict] | None = None,
    *,
    status: str = "ok",
    reason: str = "",
    **more,
) -> dict:
    """A record of the given labels; `more` replaces top-level fields."""
    car = name_of(task).startswith("car")
    name = name_of(method)
    data = settings_of(task).get("dataset", "syncars" if car else "synfaces")
    settings = {"loocc": "both", **settings_of(method)} if name == "pdr" else settings_of(method)
    base = {
        "schema": 1,
        "key": cell_key(method, task, seed),
        "status": status,
        "reason": reason,
        "traceback": "Traceback (most recent call last): ..." if status == "failed" else "",
        "method": {"name": name, "label": method, "family": FAMILIES[name], "supervised": name == "supervised"},
        "task": {"name": name_of(task), "label": task, "domain": "car" if car else "face"},
        "dataset": {"name": data, "label": data, "settings": {}, "fingerprint": "f00d", "notes": []},
        "pretrain": {"name": data, "label": data, "fingerprint": "f00d", "images": 2800},
        "profile": "laptop",
        "image_size": 64,
        "threads": 1,
        "seed": seed,
        "scores": [] if status != "ok" else scores or [score("accuracy", 0.5, main=True)],
        "seconds": {"fit": 100.0, "encode": 1.0, "evaluate": 2.0},
        "fit_from": "trained",
        "facts": {"images_seen": 64000, "optimiser_steps": 1000},
        "evaluation_facts": {},
        "parameters": 123456,
        "feature_dim": 512,
        "peak_memory_mb": 900.0,
        "device": "cpu",
        "versions": {"python": "3.11.2", "torch": "2.12.0"},
        "git": {"commit": "0123456789abcdef", "dirty": False},
        "source": "5ource",
        "time": "2026-11-22T10:00:00Z",
        "artefact": digest(["artefact", method, seed]),
    }
    base["method"]["settings"] = settings
    base["task"]["settings"] = {"dataset": data, **settings_of(task)}
    base["dataset"]["embedded"] = data.startswith("syn")
    return {**base, **more}


def write_plan(
    store: Store, cells: list[tuple[str, str, int]], command: str = "python -m bench run --profile laptop"
) -> None:
    """plan.json with these (method, task, seed) cells."""
    entries = [{"key": cell_key(*cell), "method": cell[0], "task": cell[1], "seed": cell[2], "dataset": "synfaces",
                "artefact": digest(["artefact", cell[0], cell[2]])} for cell in cells]  # fmt: skip
    store.out.mkdir(parents=True, exist_ok=True)
    plan = {"command": command, "profile": "laptop", "started": "2026-11-22T09:00:00Z", "cells": entries}
    (store.out / "plan.json").write_text(json.dumps(plan))


def write_run(
    out: Path,
    records: list[dict],
    outcomes: dict[str, dict[str, np.ndarray]] | None = None,
    pending: list[tuple[str, str, int]] = (),
) -> Store:
    """A run folder holding these records (planned in this order) and further planned cells without a record."""
    store = Store(out)
    for item in records:
        store.write_record(item, (outcomes or {}).get(item["key"]))
    write_plan(store, [(r["method"]["label"], r["task"]["label"], r["seed"]) for r in records] + list(pending))
    return store
