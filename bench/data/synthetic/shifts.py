"""Graded shifts beyond the training range: test scenes rendered again with nothing changed but one angle."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bench.api import Split

Table = dict[str, np.ndarray]
"""Factors by name, one row per picture."""

Steps = tuple[tuple[float, float], ...]
"""Ranges of an angle in degrees, nearest to the training range first."""


def add_shifts(
    table: Table, default: Split, per_step: int, shifts: Mapping[str, tuple[str, Steps]], seed: int
) -> tuple[Table, dict[str, Split]]:
    """`table` with further rows for every step of every shift, and a split for each shift.

    `shifts`: split name -> (column of the table, its steps). `per_step` test scenes, spread over `default`'s test part,
    are taken at every step; the angle is uniform within the step, on the side on which it was. A split has the default
    train and val, those scenes unshifted as "test", and "step_1", "step_2", ... in the same order of scenes.
    """
    chosen = np.linspace(0, len(default["test"]) - 1, min(per_step, len(default["test"]))).astype(int)
    base = default["test"][chosen]
    scenes = {name: column[base] for name, column in table.items()}
    start, pieces = len(next(iter(table.values()))), [table]
    splits: dict[str, Split] = {}
    for stream, (target, (column, steps)) in enumerate(shifts.items(), 3):
        parts = {"train": default["train"], "val": default["val"], "test": base}
        for number, (low, high) in enumerate(steps, 1):
            angle = np.random.default_rng([seed, stream, int(low)]).uniform(low, high, len(base))
            pieces.append({**scenes, column: np.copysign(angle, scenes[column])})
            parts[f"step_{number}"] = np.arange(start, start + len(base))
            start += len(base)
        splits[target] = parts
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in table}, splits
