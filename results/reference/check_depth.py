"""Where a trained pdr's depth stands, and what it lacks: python results/reference/check_depth.py ARTEFACT CACHE

Prints the paired differences to the average depth on the test part; and on the validation part, depth with a share of
what was learned on top of the mean shape, and with true views in place of those found. ARTEFACT: a folder under
results/reference/artefacts; CACHE: where `python -m bench data prepare` put the pictures. A minute on one core.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from fit_dome import trained, true_views
from torch import Tensor

from bench.api import DataSet
from bench.render.shading import normals
from bench.stats import mean_intervals
from methods.pdr.factors import Factors
from methods.pdr.model import MAX_DEPTH, MIN_DEPTH, Model
from tasks.protocols.physical import ROTATIONS, angle, average_depth, eroded, masked_mean, scale_invariant_error

BATCH = 64


def errors(model: Model, data: DataSet, rows: np.ndarray, change: Callable[[Factors, Tensor], Factors]) -> np.ndarray:
    """(n, 4): SIDE x 100 and normals' deviation in degrees, then those of the average depth, where pdr sees the object.

    `change` makes what is rendered of the factors found and the true views (B, 6).
    """
    average = average_depth(data, np.asarray(data.split("default")["train"]))
    views, table = true_views(data, rows), []
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        depth, normal, mask = (
            torch.from_numpy(np.asarray(data.maps[name][part])) for name in ("depth", "normals", "foreground")
        )
        factors = model.decompose(data.subset(part)[:])[0]
        rendering = model.render(change(factors, views[start : start + BATCH]))
        seen, columns = eroded((mask > 0) & rendering.valid), []
        for stated in (rendering.view_depth, average.expand_as(depth)):
            columns.append(100 * scale_invariant_error(stated, depth.float(), seen))
            columns.append(masked_mean(angle(normals(stated, model.camera), normal.float()), seen))
        table.append(torch.stack(columns, 1))
    return torch.cat(table).double().numpy()


def main(artefact: Path, cache: Path) -> None:
    model, data = trained(artefact, cache)
    split = {part: np.asarray(rows) for part, rows in data.split("default").items()}
    people = data.labels["identity" if data.domain == "face" else "instance"][split["test"]]
    found = errors(model, data, split["test"], lambda factors, _: factors)
    for name, interval in zip(("SIDE", "normals"), mean_intervals(found[:, :2] - found[:, 2:], people), strict=True):
        print(f"test, pdr less average depth, {name}: {interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]")

    def with_share(share: float) -> Callable[[Factors, Tensor], Factors]:
        def change(factors: Factors, _: Tensor) -> Factors:
            unit = (model.relief + share * model.added_to_dome(factors.depth)).tanh()
            return replace(factors, depth=(unit + 1) / 2 * (MAX_DEPTH - MIN_DEPTH) + MIN_DEPTH)

        return change

    def with_true(columns: list[int]) -> Callable[[Factors, Tensor], Factors]:
        def change(factors: Factors, views: Tensor) -> Factors:
            view = factors.view.clone()
            view[:, columns] = views[:, columns]
            return replace(factors, view=view)

        return change

    changes = {f"{share} of what was learned": with_share(share) for share in (0.0, 0.5, 1.0, 1.5)}
    changes |= {f"true {name}": with_true([column]) for column, name in enumerate(ROTATIONS)}
    changes["true views"] = with_true(list(range(6)))
    for name, change in changes.items():
        side, deviation, *_ = errors(model, data, split["val"], change).mean(0)
        print(f"validation, {name}: SIDE {side:.3f}, normals {deviation:.1f} degrees")
    truth = true_views(data, split["val"])
    stated = torch.cat([model.decompose(x)[0].view for x in data.subset(split["val"]).batches(BATCH)])
    for column, name in enumerate(ROTATIONS):
        a, b = truth[:, column] - truth[:, column].mean(), stated[:, column] - stated[:, column].mean()
        print(f"validation, found {name} per true {name}: {(a * b).mean() / (a * a).mean():.2f}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
