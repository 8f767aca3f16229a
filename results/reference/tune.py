"""Equal tuning for every method: python results/reference/tune.py METHOD DATASET CACHE [TRIALS [SHARE]]

Trial 0 has the settings of profile `reference`; the others draw those named in `SPACES` at random. All are trained on
the data set's pre-training images with SHARE (a quarter) of the profile's steps and scored on *validation* people or
cars, who stand in for the test part: nothing here sees a test image. One line a trial is added to trials.csv beside
this file, and a trial that stands there already is not done again. What wins is the mean of the scores, decided
beforehand. What stands in trials.csv set today's profile, and was tried with the steps and batches of the profile
before (lab.md): move it away to begin another round. CACHE: where `python -m bench data prepare` put the pictures.
Eight trials by default.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.api import DataSet, Encoder, Place
from bench.config import load_profile
from bench.registry import Registry
from bench.run import Run

SPACES: dict[str, dict[str, list[Any]]] = {
    "pdr": {
        "lr": [0.0005, 0.001, 0.0015],
        "loocc_weight": [0.03, 0.1, 0.3],
        "loocc_temperature": [0.2, 0.5, 1.0],
        "smoothness": [0.002, 0.005, 0.02],
        "flat_albedo": [0.005, 0.02, 0.05],
        "cycle": [1.0, 2.0, 4.0],
    },
    "beta_vae": {
        "lr": [0.001, 0.002, 0.003, 0.005],
        "latent": [64, 128, 256],
        "capacity": [50.0, 100.0, 150.0, 250.0],
        "gamma": [0.05, 0.2, 1.0],
    },
    "dip_vae": {
        "lr": [0.001, 0.002, 0.003, 0.005],
        "latent": [64, 128, 256],
        "off_diagonal": [1.0, 3.0, 10.0],
        "diagonal": [1.0, 3.0, 10.0],
        "noise": [0.05, 0.1, 0.2],
    },
    "vq_vae": {
        "lr": [0.001, 0.002, 0.003, 0.005],
        "channels": [16, 32, 48],
        "codes": [128, 256, 512],
        "pool": [4, 8],
        "commitment": [0.25, 0.5, 1.0],
    },
    "simclr": {
        "lr": [0.001, 0.003, 0.006],
        "temperature": [0.1, 0.2, 0.5],
        "smallest_crop": [0.2, 0.4, 0.6],
        "jitter": [0.1, 0.25, 0.5],
    },
    "stylegan_inversion": {
        "gan_lr": [0.002, 0.003, 0.004],
        "r1": [0.01, 0.05, 0.2],
        "encoder_lr": [0.001, 0.002, 0.004],
        "latent_weight": [0.0, 0.002, 0.02],
        "features": ["W+", "style"],
    },
}
STEPS = ("steps", "gan_steps", "encoder_steps", "capacity_steps")
TASKS = {  # without those that change light and view: they do so to test scenes
    "synfaces": ("emotion", "face_attributes", "identity", "scene_parameters"),
    "syncars": ("car_classification", "car_scene_parameters"),
}
HELD_OUT = 7  # every so many people of the training part do what validation people otherwise do
FILE = Path(__file__).with_name("trials.csv")


def trial_settings(method: str, trial: int, share: float) -> dict[str, Any]:
    """The profile's settings with `share` of its steps; from trial 1 on, those in `SPACES` drawn at random."""
    settings = dict(load_profile("reference", [], Registry(())).settings("method")[method])
    if trial:
        draws = np.random.default_rng(trial)
        settings |= {name: values[draws.integers(len(values))] for name, values in SPACES[method].items()}
    for name in set(STEPS) & set(settings):
        settings[name] = max(round(settings[name] * share), 1)
    return settings


def without_test(data: DataSet) -> None:
    """Validation takes the place of test, and some of the training people (cars) that of validation."""
    group = data.labels["identity" if data.domain == "face" else "instance"]
    for name, split in list(data.splits.items()):
        if "test" not in split:
            continue
        train = np.asarray(split["train"])
        if name == "identity":  # the same people in every part
            held = np.arange(len(train)) % HELD_OUT == 0
        else:
            held = np.isin(group[train], np.unique(group[train])[::HELD_OUT])
        steps = {step: rows for step, rows in split.items() if step not in ("train", "val", "test")}
        data.splits[name] = {**steps, "train": train[~held], "val": train[held], "test": split["val"]}


def main_scores(encoder: Encoder, data: DataSet, tasks: tuple[str, ...]) -> dict[str, float]:
    """The main score of each task."""
    registry, scores = Registry(()), {}
    with tempfile.TemporaryDirectory() as scratch:
        run = Run(seed=0, scratch=Path(scratch))
        for name in tasks:
            torch.manual_seed(0)
            evaluation = registry.make("task", name, {}).evaluate(encoder, data, run)
            scores[name] = next(float(score.value) for score in evaluation.scores if score.main)
    return scores


def main(method: str, dataset: str, cache: Path, trials: int, share: float) -> None:
    torch.set_num_threads(1)
    registry = Registry(())
    data = registry.make("dataset", dataset, {}).load(Place(64, cache, None))
    images = data.pretraining()
    without_test(data)
    done = set()
    if FILE.exists():
        with FILE.open(newline="") as file:
            done = {(row["method"], row["dataset"], row["trial"], row["share"]) for row in csv.DictReader(file)}
    for trial in range(trials):
        if (method, dataset, str(trial), str(share)) in done:
            continue
        settings, began = trial_settings(method, trial, share), time.monotonic()
        if settings in [trial_settings(method, earlier, share) for earlier in range(trial)]:
            continue  # the same draw twice
        learner = registry.make("method", method, settings)
        torch.manual_seed(0)
        encoder = learner.build(64, data.domain)
        with tempfile.TemporaryDirectory() as scratch:
            learner.fit(encoder, images, Run(seed=0, scratch=Path(scratch)))
        seconds = round(time.monotonic() - began)
        scores = main_scores(encoder.eval().requires_grad_(False), data, TASKS[dataset])
        row = {"method": method, "dataset": dataset, "trial": trial, "share": share, "seconds": seconds}
        row |= {"mean": round(sum(scores.values()) / len(scores), 4)}
        row["scores"] = json.dumps({name: round(score, 4) for name, score in scores.items()})
        row["settings"] = json.dumps({name: settings[name] for name in SPACES[method] if name in settings})
        print(*row.values(), flush=True)
        new = not FILE.exists()
        with FILE.open("a", newline="") as file:
            writer = csv.DictWriter(file, row)
            if new:
                writer.writeheader()
            writer.writerow(row)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", choices=SPACES)
    parser.add_argument("dataset", choices=TASKS)
    parser.add_argument("cache", type=Path)
    parser.add_argument("trials", type=int, nargs="?", default=8)
    parser.add_argument("share", type=float, nargs="?", default=0.25)
    main(**vars(parser.parse_args()))
