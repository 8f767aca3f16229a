"""Whether a trained pdr relights pictures rightly: python results/reference/check_relight.py ARTEFACT CACHE

Every fourth validation picture is lit from the left and from the right, as in the pictures of `bench show pdr`, by the
model and by the truth: true normals, true ambient and diffuse light. Compared is, pixel by pixel of the object, the
logarithm of left over right, in which albedo cancels out. ARTEFACT: a folder under results/reference/artefacts; CACHE:
where `python -m bench data prepare` put the pictures. Some seconds on one core.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from fit_dome import trained
from torch import Tensor
from torch.nn import functional as F

from bench.render.shading import shade
from methods.pdr.encoder import TURN, relit

DARKEST = 0.02  # darker pixels count as this bright


@torch.no_grad()
def main(artefact: Path, cache: Path) -> None:
    model, data = trained(artefact, cache)
    rows = np.asarray(data.split("default")["val"])[::4]
    factors = model.decompose(data.subset(rows)[:])[0]
    rendering = model.render(factors)
    normal = F.normalize(torch.from_numpy(np.asarray(data.maps["normals"][rows])).float(), dim=-1)
    strengths = torch.from_numpy(data.labels["light"][rows]).float()[:, :2]

    def lit_by_model(slope: float) -> Tensor:
        return (model.relight(rendering, relit(factors, slope)).image / 2 + 0.5).mean(1)

    def lit_in_truth(slope: float) -> Tensor:
        direction = model.light_in_view(relit(factors, slope).light, factors.view)[:, 2:]
        return shade(normal, torch.cat((strengths, direction), 1))

    object_seen = torch.from_numpy(np.asarray(data.maps["foreground"][rows]) > 0) & rendering.valid
    ratios = []
    for lit in (lit_by_model, lit_in_truth):
        left, right = (lit(slope)[object_seen].clamp(min=DARKEST) for slope in (-TURN, TURN))
        ratios.append((left / right).log())
    model_ratio, truth = ratios
    correlation = torch.corrcoef(torch.stack(ratios))[0, 1]
    strength = correlation * model_ratio.std() / truth.std()
    print(f"validation, log of left over right: correlation {correlation:.2f}, model's per truth's {strength:.2f}")
    for number, name in enumerate(("ambient", "diffuse")):
        found, true = factors.light[:, number].mean(), strengths[:, number].mean()
        print(f"validation, {name}: found {found:.2f}, true {true:.2f}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
