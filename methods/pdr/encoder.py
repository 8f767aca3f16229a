"""The trained model as a representation: feature blocks and maps, physical quantities, pictures of what it sees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.api import BadInput, Encoder
from bench.render.shading import light_direction, normals
from bench.render.warp import sample
from methods.checkpoints import load_matching, part, read_checkpoint
from methods.pdr.dome import turned_on_the_ground
from methods.pdr.factors import Factors
from methods.pdr.model import BLOCKS, MAX_DEPTH, MIN_DEPTH, Model
from methods.pdr.networks import authors_names

TURN = 0.6  # radians of yaw of the turned cameras, and slope of the moved light


def parse_blocks(text: str) -> tuple[str, ...]:
    """ "depth+albedo" -> its names, in order; "all" -> the four."""
    names = BLOCKS if text == "all" else tuple(text.split("+"))
    if unknown := [name for name in names if name not in BLOCKS]:
        raise BadInput(
            f"pdr: there is no block {unknown[0]!r} in blocks={text}: join some of {BLOCKS} by +, or say all"
        )
    return names


class PDREncoder(Encoder):
    """`blocks`: those handed to ordinary tasks, by name."""

    def __init__(self, model: Model, blocks: tuple[str, ...]) -> None:
        super().__init__()
        self.model, self.represented = model, blocks

    def encode(self, x: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) in [0, 1] -> the bottleneck features of the four networks, each (B, zdim) or (B, 8 nf)."""
        return self.model.features(x)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """The maps of the depth and albedo encoders, as far as chosen (both if neither is), H/2 down to 4 pixels."""
        networks = {"depth": self.model.netD, "albedo": self.model.netA}
        chosen = [name for name in self.represented if name in networks] or list(networks)
        levels = zip(*(networks[name].feature_maps(x * 2 - 1) for name in chosen), strict=True)
        return [torch.cat(maps, dim=1) for maps in levels]

    def physical(self, x: Tensor) -> dict[str, Tensor]:
        """What the model holds true of each image, in the image's own view. `x`: (B, 3, H, W) in [0, 1].

        "depth" (B, H, W); "normals" (B, H, W, 3), pointing away from the camera; "valid" (B, H, W) bool: pixels that
        see the object; "albedo" (B, 3, H, W), "shading" (B, H, W), "reconstruction" (B, 3, H, W) in [0, 1]; "light"
        (B, 5) ambient, diffuse, unit direction in the camera's frame; "view" (B, 6) rotations in radians, translations.
        """
        factors, _ = self.model.decompose(x)
        seen = self.model.render(factors)
        return {
            "depth": seen.view_depth,
            "normals": normals(seen.view_depth, self.model.camera),
            "valid": seen.valid,
            "albedo": sample(factors.albedo / 2 + 0.5, seen.grid),
            "shading": sample(seen.shading[:, None], seen.grid)[:, 0],
            "reconstruction": (seen.image / 2 + 0.5).clamp(0, 1),
            "light": self.model.light_in_view(factors.light, factors.view),
            "view": factors.view,
        }

    def pose(self, x: Tensor) -> dict[str, Tensor]:
        """The "light" and "view" of `physical`, without rendering anything."""
        light, view = (network(x * 2 - 1)[0].float() for network in (self.model.netL, self.model.netV))
        scaled = self.model.scaled_view(view)
        return {"light": self.model.light_in_view(self.model.canonical_light(light), scaled), "view": scaled}

    def pictures(self, x: Tensor) -> dict[str, Tensor]:
        """The image put together again, its canonical factors, relit from both sides, and from turned cameras."""
        factors, _ = self.model.decompose(x)
        seen = self.model.render(factors)
        nearness = (MAX_DEPTH - seen.depth) / (MAX_DEPTH - MIN_DEPTH)
        brightest = seen.shading.amax((1, 2), keepdim=True).clamp(min=1)  # ambient and diffuse may exceed 1 together
        shown = {
            "reconstruction": seen.image / 2 + 0.5,
            "canonical": seen.canonical / 2 + 0.5,
            "depth": nearness[:, None].expand(-1, 3, -1, -1),
            "normals": (seen.normals * x.new_tensor([1, 1, -1])).permute(0, 3, 1, 2) / 2 + 0.5,
            "albedo": factors.albedo / 2 + 0.5,
            "shading": (seen.shading / brightest)[:, None].expand(-1, 3, -1, -1),
        }
        for name, slope in (("relit_left", -TURN), ("relit_right", TURN)):
            shown[name] = self.model.relight(seen, relit(factors, slope)).image / 2 + 0.5
        for name, yaw in (("turned_left", -TURN), ("turned_right", TURN)):
            view = F.pad(factors.view.new_full((len(x), 1), yaw), (1, 4))
            view = turned_on_the_ground(view) if self.model.upright else view
            shown[name] = self.model.render(replace(factors, view=view)).image / 2 + 0.5
        return {name: picture.clamp(0, 1) for name, picture in shown.items()}


def relit(factors: Factors, slope: float) -> Factors:
    """The same under light that falls sideways: `slope` (x per z) to the right, in the frame of `Factors`' light."""
    direction = light_direction(factors.light.new_tensor([[slope, 0.0]]).expand(len(factors.light), 2))
    return replace(factors, light=torch.cat((factors.light[:, :2], direction), 1))


def load_published(model: Model, path: str | Path) -> None:
    """Take the networks from a checkpoint that unsup3d or the authors released: `netD`, `netA`, `netL`, `netV`, `netC`.

    Raises `BadInput`, naming the first tensor that does not fit. The confidence network may be missing.
    """
    content = read_checkpoint(path)
    for name in ("netD", "netA", "netL", "netV", "netC"):
        network = getattr(model, name)
        state = content.get(name) or part(content, f"{name}.")
        if network is None or (name == "netC" and not state):
            continue
        if not isinstance(state, dict) or not state:
            raise BadInput(f"{path}: has no network {name!r}: not a checkpoint of this model")
        load_matching(network, authors_names(state, network), f"{path}, {name}")
