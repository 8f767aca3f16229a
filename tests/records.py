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


# ------------------------------------------------------------------------------------------------------- a whole run

EMOTIONS = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
ATTRIBUTES = ("Bald", "Smiling", "Male", "Young", "Eyeglasses", "Wearing_Hat", "Mustache", "Big_Nose")
STRENGTH = {"pdr": 0.8, "beta_vae": 0.7, "vq_vae": 0.72, "pca": 0.6, "supervised": 0.92}


def fake_cell(method: str, task: str, seed: int, n: int = 200) -> tuple[dict, dict[str, np.ndarray]]:
    """A plausible record with outcomes: classes, attributes or curves, by the task's name. Deterministic."""
    rng = np.random.default_rng([*f"{method} {task} {seed}".encode()])
    level = STRENGTH[name_of(method)] - 0.05 * ("off" in method) + 0.01 * rng.normal()
    label = np.arange(n) % len(EMOTIONS)
    right = rng.random(n) < level
    predicted = np.where(right, label, (label + rng.integers(1, len(EMOTIONS), n)) % len(EMOTIONS))
    scores = [score("accuracy", float(right.mean()), main=True, chance=1 / 7, n=n)]
    if name_of(task).startswith("face_attr"):
        scores += [score(f"accuracy:{a}", min(0.99, level + 0.1 * rng.normal()), chance=0.6) for a in ATTRIBUTES]
    elif name_of(task).startswith("ood"):
        scores += [score(f"accuracy@{k}", level - 0.08 * k, chance=1 / 7) for k in range(6)]
    else:
        scores += [score(f"recall:{e}", float(right[label == k].mean())) for k, e in enumerate(EMOTIONS)]
    outcomes = {"example": np.arange(n), "group": np.arange(n) // 2, "main": right.astype(float)}
    return record(method, task, seed, scores), {**outcomes, "label": label, "predicted": predicted}


def fake_artefact(store: Store, method: str, seed: int) -> None:
    """A trained method's folder: manifest, learning curve and strips of eight pictures."""
    from PIL import Image

    folder = store.artefact_path(digest(["artefact", method, seed]))
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps({"key": folder.name}))
    curve = [[step, 1 / (1 + step / 50)] for step in range(0, 1000, 10)]
    (folder / "curves.json").write_text(
        json.dumps({"loss": curve, "validation": [[s, v + 0.05] for s, v in curve[::5]]})
    )
    y, x = np.mgrid[0:64, 0:64] / 63
    faces = [np.stack([0.5 + 0.5 * np.sin(6 * x + k), y, 0.5 + 0 * x], -1) for k in range(8)]
    strip = (255 * np.concatenate(faces, axis=1)).astype(np.uint8)
    for name in ("input", "reconstruction", "depth") if name_of(method) == "pdr" else ("input", "reconstruction"):
        Image.fromarray(strip if name != "depth" else 255 - strip).save(folder / "pictures" / f"{name}.png")


def fake_run(out: Path, methods: list[str], tasks: list[str], seeds: int) -> Store:
    """A whole run with outcomes and artefacts."""
    cells = [(method, task, seed) for method in methods for task in tasks for seed in range(seeds)]
    made = [fake_cell(*cell) for cell in cells]
    store = write_run(out, [item for item, _ in made], {item["key"]: outcomes for item, outcomes in made})
    for method in methods:
        for seed in range(seeds):
            fake_artefact(store, method, seed)
    return store
