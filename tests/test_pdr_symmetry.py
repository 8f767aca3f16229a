"""The likeness of an object's halves, read off images, tells turn and light without any albedo network."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from methods.pdr.factors import Factors
from methods.pdr.model import Model
from methods.pdr.symmetry import symmetry_loss

SIZE = 64


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(SIZE, "face", nf=4, nf_pose=4, zdim=8, bump=1.0)


@pytest.fixture(scope="module")
def truth(model) -> Factors:
    """A symmetric dome with symmetric, detailed albedo, turned and lit from the side."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 12, 12, generator=generator)
    albedo = torch.nn.functional.interpolate(coarse, (SIZE, SIZE), mode="bilinear", align_corners=True)
    albedo = (albedo + albedo.flip(3)) / 2
    light = torch.tensor([[0.4, 0.5, 0.45, 0.1, 0.89]])
    view = torch.tensor([[0.05, 0.25, 0.0, 0.0, 0.0, 0.0]])
    return Factors(model.canonical_depth(torch.zeros(1, SIZE, SIZE)), albedo * 2 - 1, light, view)


def loss_of(model: Model, x: Tensor, factors: Factors) -> float:
    return symmetry_loss(model, x, factors, model.render(factors)).item()


@pytest.mark.parametrize("change", ["yaw", "depth", "light"])
def test_is_least_for_the_true_factors(model, truth, change):
    seen = model.render(truth)
    x = torch.where(seen.valid[:, None], seen.image / 2 + 0.5, 0.5)
    view, light = truth.view.clone(), truth.light.clone()
    view[:, 1] = 0
    light[:, 2:] = torch.tensor([0.0, 0.1, 0.995])
    wrong = {
        "yaw": replace(truth, view=view),
        "depth": replace(truth, depth=torch.full_like(truth.depth, 1.0)),
        "light": replace(truth, light=light),
    }
    assert loss_of(model, x, truth) < 0.02 < 0.6 * loss_of(model, x, wrong[change])


def test_its_gradient_turns_the_view_the_right_way(model, truth):
    seen = model.render(truth)
    x = torch.where(seen.valid[:, None], seen.image / 2 + 0.5, 0.5)
    view = (truth.view * 0.8).requires_grad_()
    factors = replace(truth, view=view)
    symmetry_loss(model, x, factors, model.render(factors)).backward()
    assert view.grad[0, 1] < 0  # more yaw


def test_brighter_light_makes_nothing_more_alike(model, truth):
    x = torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    brighter = replace(truth, light=truth.light * torch.tensor([1.5, 1.5, 1, 1, 1]))
    assert loss_of(model, x, brighter) == pytest.approx(loss_of(model, x, truth), rel=1e-3)
