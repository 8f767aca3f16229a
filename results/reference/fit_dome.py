"""Fits a dome of `methods/pdr/dome.py` anew, from where it is:

    python results/reference/fit_dome.py found|true ARTEFACT CACHE

Prints the table. It is fitted to the true depth and normals of 1,600 pictures of *training* people or cars, placed
under their true views or under those that a trained pdr finds for them (ARTEFACT, a folder under
results/reference/artefacts), its learned depth left out; and scored on all validation pictures under the same. CACHE:
where `python -m bench data prepare` put the pictures. Some three minutes on one core. The head's table was made with
found views, the car's with true ones.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.api import DataSet, Place
from bench.artefact import load_module
from bench.registry import Registry
from bench.render.shading import normals
from bench.render.warp import warp_depth
from methods.pdr.dome import drawn
from methods.pdr.model import MARGIN, MAX_DEPTH, MIN_DEPTH, Model
from tasks.protocols.physical import angle, average_depth, eroded, masked_mean, scale_invariant_error

PICTURES, STEPS, BATCH, RATE = 1600, 300, 32, 0.02
ROWS, COLUMNS = 17, 9
DEGREE = {"face": 0.04, "car": 0.034}  # what a degree weighs against 0.01 of SIDE: each makes about half of the loss
SMOOTH = 10.0  # weight of squared steps: holds what few pictures show


@dataclass
class Seen:
    """Pictures' true maps, and their views: the true ones, or those that a model finds."""

    model: Model
    views: Tensor  # (N, 6)
    depth: Tensor  # (N, H, W)
    normals: Tensor  # (N, H, W, 3)
    foreground: Tensor  # (N, H, W) bool

    @classmethod
    def of(cls, model: Model, data: DataSet, rows: np.ndarray, found: bool) -> Seen:
        """Those of some rows of a data set."""
        if found:
            views = torch.cat([model.decompose(x)[0].view for x in data.subset(rows).batches(100)])
        else:
            views = true_views(data, rows)
        depth, normal, mask = (
            torch.from_numpy(np.asarray(data.maps[n][rows])) for n in ("depth", "normals", "foreground")
        )
        return cls(model, views, depth.float(), normal.float(), mask > 0)

    def errors(self, relief: Tensor, rows: np.ndarray) -> Tensor:
        """(2,): SIDE x 100 and normals' mean deviation in degrees, where these rows show a dome (H, W)."""
        model = self.model
        depth = ((relief.tanh() + 1) / 2 * (MAX_DEPTH - MIN_DEPTH) + MIN_DEPTH).expand(len(rows), -1, -1)
        bordered = F.pad(depth[:, :, 2:-2], (2, 2), value=model.border)
        seen = warp_depth(bordered, self.views[rows], model.camera).clamp(MIN_DEPTH - MARGIN, MAX_DEPTH + MARGIN)
        mask = eroded(self.foreground[rows] & (seen < MAX_DEPTH + MARGIN))
        side = 100 * scale_invariant_error(seen, self.depth[rows], mask)
        deviation = masked_mean(angle(normals(seen, model.camera), self.normals[rows]), mask)
        return torch.stack((side.mean(), deviation.mean()))

    def of_average(self, average: Tensor) -> float:
        """SIDE x 100 of the average depth map (H, W)."""
        average = average.expand_as(self.depth)
        return float(100 * scale_invariant_error(average, self.depth, eroded(self.foreground)).mean())


def true_views(data: DataSet, rows: np.ndarray) -> Tensor:
    """(n, 6), about their mean pitch: cars are seen from above, and so is their dome."""
    views = torch.from_numpy(np.array(data.labels["view"][rows])).float()
    views[:, 0] -= views[:, 0].mean()
    views[:, 5] = 0  # the model moves nothing towards the camera
    return views


def trained(artefact: Path, cache: Path) -> tuple[Model, DataSet]:
    """A trained pdr, and the data set that it was trained on."""
    torch.manual_seed(0)
    made, registry = json.loads((artefact / "manifest.json").read_text()), Registry(())
    data = registry.make("dataset", made["pretrain"]["name"], {}).load(Place(64, cache, None))
    encoder = registry.make("method", "pdr", made["method"]["settings"]).build(64, data.domain)
    load_module(artefact, encoder)
    return encoder.eval().requires_grad_(False).model, data


def fitted(seen: Seen, degree: float) -> Tensor:
    """The left half of the dome (ROWS, COLUMNS)."""
    start = F.interpolate(seen.model.relief[None, None], (ROWS, 2 * COLUMNS - 1), mode="area")[0, 0, :, :COLUMNS]
    half = start.clone().requires_grad_()
    adam, draws = torch.optim.Adam([half]), np.random.default_rng(0)
    for step in range(STEPS):
        adam.param_groups[0]["lr"] = RATE * (1.01 - step / STEPS)
        relief = drawn(half, seen.model.camera.size)
        side, deviation = seen.errors(relief, np.sort(draws.choice(len(seen.views), BATCH, replace=False)))
        loss = side + degree * deviation + SMOOTH * (relief.diff(dim=0) ** 2).mean()
        loss = loss + SMOOTH * (relief.diff(dim=1) ** 2).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    return half.detach()


def main(found: bool, artefact: Path, cache: Path) -> None:
    model, data = trained(artefact, cache)
    split = {part: np.asarray(rows) for part, rows in data.split("default").items()}
    drawn_rows = np.sort(np.random.default_rng(1).permutation(split["train"])[:PICTURES])
    train, val = (Seen.of(model, data, rows, found) for rows in (drawn_rows, split["val"]))
    half, everything = fitted(train, DEGREE[data.domain]), np.arange(len(split["val"]))
    for row in half:
        print(" ".join(f"{number:5.2f}" for number in row))
    print(f"validation SIDE of the average depth: {val.of_average(average_depth(data, split['train'])):.3f}")
    for name, relief in (("the dome that is", model.relief), ("this one", drawn(half, model.camera.size))):
        side, deviation = val.errors(relief, everything)
        print(f"of {name}: SIDE {side:.3f}, normals {deviation:.1f} degrees")


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("found", "true"):
        sys.exit(__doc__)
    main(sys.argv[1] == "found", Path(sys.argv[2]), Path(sys.argv[3]))
