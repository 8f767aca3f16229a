"""The physical model against the numbers of the published implementation: networks, losses, forward pass."""

from __future__ import annotations

import golden
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bench.render.camera import move
from bench.render.raster import rasterize
from bench.render.warp import grid_faces
from methods.pdr import model as pdr_model
from methods.pdr.factors import LossWeights
from methods.pdr.loocc import contrastive
from methods.pdr.losses import Perceptual, photometric, smoothness
from methods.pdr.model import Model
from methods.pdr.networks import ConfNet, EDDeconv, Encoder, UNetEDDeconv

PUBLISHED = {
    "pdr_encoder_light": lambda: Encoder(64, 4, 32, bounded=False),
    "pdr_encoder_view": lambda: Encoder(64, 6, 32, bounded=False),
    "pdr_eddeconv_depth": lambda: EDDeconv(64, 1, 64),
    "pdr_eddeconv_albedo": lambda: EDDeconv(64, 3, 64, activation=nn.Tanh()),
    "pdr_unet_eddeconv_depth": lambda: UNetEDDeconv(64, 1, 64),
}


def shapes(module: nn.Module) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize("name", PUBLISHED)
def test_network(name):
    expected = golden.load(name)
    network = PUBLISHED[name]().eval()
    assert shapes(network) == expected["state_dict"]
    golden.fill(network)
    with torch.no_grad():
        out, features = network(golden.inputs(expected))
    golden.check(out, expected["outputs"]["output"])
    golden.check(features[:, :, None, None], expected["outputs"]["features"])


def test_confidence_network():
    expected = golden.load("pdr_confnet")
    network = ConfNet(64, 64).eval()
    assert shapes(network) == expected["state_dict"]
    golden.fill(network)
    with torch.no_grad():
        colours, features = network(golden.inputs(expected))
    golden.check(colours, expected["outputs"]["sigma_l1"])
    golden.check(features, expected["outputs"]["sigma_percl"])


def test_perceptual_loss():
    expected = golden.load("pdr_perceptual_loss")
    network = Perceptual().eval()
    assert shapes(network).items() <= expected["state_dict"].items()
    fill_but_colours(network)
    image, target = (golden.draw(seed, (2, 3, 64, 64), signed=True) for seed in (0, 1))
    mask, sigma = (golden.draw(2, (2, 1, 64, 64)) > 0.3).float(), golden.draw(3, (2, 1, 16, 16)) + 0.1
    with torch.no_grad():
        golden.check(network.features(image), expected["outputs"]["relu3_3_im1"])
        for name, arguments in {
            "plain": (torch.ones_like(mask), None),
            "mask": (mask, None),
            "conf": (torch.ones_like(mask), sigma),
            "mask_conf": (mask, sigma),
        }.items():
            loss = network(image, target, *arguments).item()
            assert loss == pytest.approx(expected["outputs"][name]["value"], rel=1e-4), name


def fill_but_colours(network: Perceptual, prefix: str = "") -> None:
    constants = {"mean_rgb": network.mean_rgb.clone(), "std_rgb": network.std_rgb.clone()}
    golden.fill(network, prefix)
    network.load_state_dict(constants, strict=False)


def test_photometric_loss():
    expected = golden.load("pdr_maths")["photometric_loss"]["outputs"]
    image, target = (golden.draw(seed, (2, 3, 16, 16), signed=True) for seed in (10, 11))
    mask, sigma = (golden.draw(12, (2, 1, 16, 16)) > 0.3).float(), golden.draw(13, (2, 1, 16, 16)) + 0.1
    everywhere = torch.ones_like(mask)
    assert mask.sum() == expected["mask_sum"]
    found = [photometric(image, target, m, s).item() for m in (everywhere, mask) for s in (None, sigma)]
    assert found == pytest.approx([expected[name] for name in ("plain", "conf", "mask", "mask_conf")], rel=1e-5)


def test_canonical_depth():
    expected = golden.load("pdr_maths")["canonical_depth"]["outputs"]
    raw = torch.from_numpy(np.random.default_rng(4).standard_normal((2, 64, 64)).astype(np.float32))
    model = Model(64, "face", nf=16, confidence=False)
    depth = model.canonical_depth(raw)
    assert smoothness(depth, 0.2).item() == pytest.approx(expected["loss_depth_sm"], rel=1e-5)
    factors = pdr_model.Factors(depth, torch.zeros(2, 3, 64, 64), torch.ones(2, 5), torch.zeros(2, 6))
    golden.check(model.render(factors.with_mirrored()).depth, expected["canon_depth"], 1e-5)


def test_contrastive_loss():
    """SupCon without labels; the published base temperature only scales it by 0.5 / 0.07."""
    expected = golden.load("pdr_maths")["supcon"]["outputs"]
    features = torch.from_numpy(np.random.default_rng(20).standard_normal((8, 2, 16)).astype(np.float32))
    raw, normalised = (contrastive(features[:, 0], features[:, 1], 0.5, flag).item() for flag in (False, True))
    assert raw == pytest.approx(expected["raw_base_temperature_0.5"], rel=1e-5)
    assert normalised == pytest.approx(expected["l2_normalised_base_temperature_0.5"], rel=1e-5)
    assert raw * 0.5 / 0.07 == pytest.approx(expected["raw"], rel=1e-5)


def published_warp(depth, view, camera, rasterizer, stride):
    """The published renderer: half a pixel off, and 2 x 2 pixels averaged with the background's depth of 100."""
    points = camera.project(move(camera.back_project(depth).flatten(1, 2), view))
    fine = points * points.new_tensor([2, 2, 1]) - points.new_tensor([0.5, 0.5, 0])
    drawn = rasterize(fine, grid_faces(camera.size), 2 * camera.size, 2 * camera.size, rasterizer).depth
    return F.avg_pool2d(drawn.clamp(max=100), 2)


def published_sample(image, grid):
    """The published code passes no align_corners, although its grid is made for True."""
    return F.grid_sample(image, grid, mode="bilinear", align_corners=False)


def test_forward_pass(monkeypatch):
    """Everything that PDR.forward computes, with the slips of its renderer put back in."""
    expected = golden.load("pdr_forward")
    monkeypatch.setattr(pdr_model, "warp_depth", published_warp)
    monkeypatch.setattr(pdr_model, "sample", published_sample)
    model = Model(64, "face", bounded=False).eval()
    for name in ("netD", "netA", "netL", "netV", "netC"):
        assert len(getattr(model, name).state_dict()) == expected["n_entries_per_net"][name]
        golden.fill(getattr(model, name), name + ".")
    perceptual = Perceptual()
    fill_but_colours(perceptual, "PerceptualLoss.")
    x, out = golden.inputs(expected), expected["outputs"]
    with torch.no_grad():
        model.netD.network_up[-1].weight.mul_(0.1)
        factors, features = model.decompose(x)
        sigmas = model.netC(x * 2 - 1)
        rendering = model.render_both(factors)
        terms = model.losses(rendering, factors, x, sigmas, LossWeights(), perceptual)
        axis = torch.zeros(4, 1, 64, 64)
        axis[..., 31:33] = 1
        axis = published_sample(axis, rendering.grid)
    both = factors.with_mirrored()
    found = {
        "canon_depth": rendering.depth,
        "canon_albedo": both.albedo,
        "conf_sigma_l1": sigmas[0][:, :1],
        "conf_sigma_l1_flip": sigmas[0][:, 1:],
        "conf_sigma_percl": sigmas[1][:, :1],
        "conf_sigma_percl_flip": sigmas[1][:, 1:],
        "canon_light_a": both.light[:, :1],
        "canon_light_b": both.light[:, 1:2],
        "canon_light_d": both.light[:, 2:],
        "view": both.view,
        "canon_normal": rendering.normals,
        "canon_im": rendering.canonical,
        "recon_depth": rendering.view_depth,
        "recon_normal": pdr_model.normals(rendering.view_depth, model.camera),
        "recon_im": rendering.image,
        "recon_sym_axis": axis,
        **{f"features_{name}": block[:, :, None, None] for name, block in features.items()},
    }
    assert set(out) - set(found) == {"canon_diffuse_shading"}  # follows from normals and light: canon_im contains it
    for name, tensor in found.items():
        golden.check(tensor, out[name], 2e-4 if "normal" in name else 1e-4)
    names = {"loss_total": "loss", "loss_l1_im": "l1", "loss_l1_im_flip": "l1_flip", "loss_perc_im": "structure"}
    names |= {"loss_perc_im_flip": "structure_flip", "loss_depth_sm": "smoothness"}
    for published, ours in names.items():
        assert terms[ours].item() == pytest.approx(expected["losses"][published]["value"], rel=1e-4), published
