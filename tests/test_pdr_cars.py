"""Cars: they turn on the ground, under a light that does not turn with them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from pdr_small import SIZE as SMALL
from pdr_small import small
from torch import Tensor
from training import pretraining

from bench.render.camera import rotation
from bench.run import Run
from methods.pdr import cycle
from methods.pdr.dome import CAR_SEEN_FROM, car_outline, dome, turned_on_the_ground
from methods.pdr.factors import Factors
from methods.pdr.model import ROTATION, Model

SIZE = 64


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(SIZE, "car", nf=4, nf_pose=4, zdim=8, bump=1.0, template=True)


@pytest.fixture
def truth(model) -> Factors:
    """Four cars with symmetric, smooth albedo, turned to either side, under light from the right."""
    coarse = torch.rand(4, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    albedo = torch.nn.functional.interpolate(coarse, (SIZE, SIZE), mode="bilinear", align_corners=True)
    turned = torch.zeros(4, 6)
    turned[:, 1] = torch.tensor([0.6, -0.6, 0.4, -0.4])
    light = torch.tensor([[0.4, 0.5, 0.6, 0.0, 0.8]]).expand(4, 5)
    depth = model.canonical_depth(torch.zeros(4, SIZE, SIZE)).detach()
    return Factors(depth, albedo + albedo.flip(3) - 1, light, turned_on_the_ground(turned))


def shown(rendering) -> Tensor:
    return torch.where(rendering.valid[:, None], rendering.image / 2 + 0.5, 0.5)


def test_cars_turn_on_the_ground():
    given = torch.randn(20, 6, generator=torch.Generator().manual_seed(0)) * 0.4
    given[:, 2] = 0
    found, none = turned_on_the_ground(given), torch.zeros(20)

    def turns(*angles):
        return rotation(torch.stack(angles, 1))

    from_above = turns(given[:, 0] + CAR_SEEN_FROM, none, none)
    expected = from_above @ turns(none, given[:, 1], none) @ turns(none - CAR_SEEN_FROM, none, none)
    torch.testing.assert_close(rotation(found[:, :3]), expected, atol=1e-5, rtol=0)
    assert torch.equal(found[:, 3:], given[:, 3:])
    assert (found[:, 1] * found[:, 2] > 0)[given[:, 0] > -CAR_SEEN_FROM].all()  # upright axes stay upright
    number, dome_only = torch.zeros(1, 6), Model(SIZE, "car", nf=4, nf_pose=4, zdim=8, bump=1.0)
    assert dome_only.scaled_view(number).abs().max() < 1e-6
    number[0, 2] = 1
    dome_only.blend.fill_(0)
    assert dome_only.scaled_view(number).abs().max() < 1e-6  # no roll yet
    published = Model(SIZE, "car", nf=4, nf_pose=4, zdim=8)
    assert torch.equal(published.scaled_view(number), number * ROTATION)


@pytest.mark.parametrize("size", [16, 64, 128])
def test_the_cars_dome_goes_back_from_bumper_to_roof_and_to_both_sides(size):
    car = dome(size, "car")
    torch.testing.assert_close(car, car.flip(1), atol=1e-5, rtol=0)
    middle, across = car[:, size // 2], car[round(0.65 * size)]
    bumper, bonnet, roof = (middle[round(share * size)] for share in (0.7, 0.6, 0.4))
    assert bumper < bonnet < roof < car[0, size // 2]
    bonnet_here, flank = across[size // 2], across[round(0.75 * size)]
    assert flank > bonnet_here + 0.5
    assert (across > bonnet_here - 0.05).all()


def test_the_outline_is_the_mean_car_and_its_rim():
    car = car_outline(SIZE)
    assert torch.equal(car, car.flip(1))
    assert car[SIZE // 2, SIZE // 2]
    assert not car[:, :8].any()
    assert not car[round(0.85 * SIZE) :].any()
    assert 0.1 < car.float().mean() < 0.3


def test_light_is_stated_in_the_cameras_frame(model, truth):
    turned = model.light_on_object(truth)
    torch.testing.assert_close(turned[:, :2], truth.light[:, :2])
    back = torch.einsum("bij,bj->bi", rotation(truth.view[:, :3]), turned[:, 2:])
    torch.testing.assert_close(back, truth.light[:, 2:])
    assert torch.equal(model.light_in_view(truth.light, truth.view), truth.light)
    # A car that is turned away from the light is darker than one turned to it, though the lamp has not moved.
    brightness = model.render(truth).shading[:, model.outline].mean(1)
    assert (brightness[0] - brightness[1]).abs() > 0.02
    face = Model(SIZE, "face", nf=4, nf_pose=4, zdim=8, bump=1.0)
    assert torch.equal(face.light_on_object(truth), truth.light)
    torch.testing.assert_close(face.light_in_view(turned, truth.view), truth.light)


def test_ground_teaches_neither_view_nor_light(model, truth):
    for on_car in (False, True):
        view, light = truth.view.clone().requires_grad_(), truth.light.clone().requires_grad_()
        rendering = model.render(replace(truth, view=view, light=light))
        pixels = (model.on_object(rendering.grid) == on_car) & rendering.valid
        if not on_car:  # well away from the car: between pixels, the canonical image mixes both
            near = torch.nn.functional.max_pool2d((~pixels)[:, None].float(), 5, 1, 2)[:, 0] > 0
            pixels = pixels & ~near
        assert pixels.any()
        (rendering.image * pixels[:, None]).square().sum().backward()
        assert (view.grad.abs().sum() > 1e-3) == on_car
        assert (light.grad.abs().sum() > 1e-3) == on_car


def test_a_hidden_side_has_the_colours_of_the_side_that_is_seen(model, truth):
    seen = model.render(truth)
    albedo = cycle.textured(model, shown(seen), truth, seen).albedo
    flanks = model.outline & ~model.outline.roll(8, 1) | model.outline & ~model.outline.roll(-8, 1)
    flanks[: SIZE // 3] = False
    error = (albedo - truth.albedo).abs()[:, :, flanks].mean()
    assert error < 0.15
    unturned = replace(truth, albedo=torch.roll(truth.albedo, 1, 0))
    assert (albedo - unturned.albedo).abs()[:, :, flanks].mean() > 2 * error


def test_ground_stays_where_it_is_when_a_car_is_seen_from_elsewhere(model, truth):
    x = shown(model.render(truth))
    x[..., :6], x[..., -6:] = 0.2, 0.6
    torch.manual_seed(0)
    image, view, _ = cycle.changed_images(model, x, truth, model.render(truth))
    assert (view[:, 1] - truth.view[:, 1]).abs().min() > 0.01
    ground = torch.linspace(0.2, 0.6, SIZE).expand_as(image)
    torch.testing.assert_close(image[..., :8, :], ground[..., :8, :])
    torch.testing.assert_close(cycle.emptied(x), ground)
    assert ((image - ground).abs().amax(1) > 0.05).flatten(1).float().mean(1).min() > 0.05  # the cars


@pytest.mark.parametrize(("domain", "hold", "kept"), [("car", 0.5, True), ("car", 0.0, False), ("face", 0.5, False)])
def test_views_of_cars_are_kept_once_the_mean_car_no_longer_is(domain, hold, kept, tmp_path, monkeypatch):
    seen = []
    step = torch.optim.Adam.step

    def noted(optimiser, *given):
        step(optimiser, *given)
        seen.append([tensor.detach().clone() for tensor in encoder.model.netV.parameters()])

    monkeypatch.setattr(torch.optim.Adam, "step", noted)
    method, data = (
        small(steps=4, hold=hold, blend=0.75, loocc="off", decay="constant"),
        replace(pretraining(16, SMALL), domain=domain),
    )
    torch.manual_seed(0)
    encoder = method.build(SMALL, domain)
    method.fit(encoder, data, Run(seed=0, scratch=tmp_path))
    changed = [any(not torch.equal(a, b) for a, b in zip(*pair, strict=True)) for pair in pairwise(seen)]
    assert changed[0]
    assert changed[1:] == [not kept] * 2


def test_cars_are_drawn_from_all_sides_wherever_they_were_found(model):
    torch.manual_seed(0)
    found = turned_on_the_ground(torch.zeros(2000, 6))
    found[:, 1] = 1.0
    drawn = cycle.drawn_view(model, found)
    assert drawn[:, 1].mean().abs() < 0.05
    assert 0.3 < drawn[:, 1].std() < 0.6
    assert drawn[:, 1].abs().max() < ROTATION
    assert (drawn[:, 3:] == 0).all()
