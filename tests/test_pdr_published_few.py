"""A few numbers of the published implementation, kept here for where the whole golden files are not at hand."""

from __future__ import annotations

import json
from pathlib import Path

import golden
import numpy as np
import pytest
import torch

from bench.render.camera import Camera, move, rotation
from bench.render.shading import light_direction, normals, shade
from methods.pdr.loocc import contrastive
from methods.pdr.losses import photometric
from methods.pdr.networks import Encoder

NUMBERS = json.loads(Path(__file__).with_name("published_numbers.json").read_text())
CAMERA = Camera(64)


def depth_map() -> torch.Tensor:
    x = -1 + 2 * np.arange(64) / 63
    y = x[:, None]
    depth = 1.02 - 0.08 * np.exp(-2 * (x**2 + 1.5 * (y - 0.1) ** 2)) + 0.01 * np.sin(3 * x) * np.cos(2 * y)
    return torch.from_numpy(depth.astype(np.float32))[None]


@pytest.mark.parametrize(("name", "cout"), [("encoder_light", 4), ("encoder_view", 6)])
def test_encoder(name, cout):
    expected = NUMBERS[name]
    network = Encoder(64, cout, 32, bounded=False).eval()
    assert {key: list(tensor.shape) for key, tensor in network.state_dict().items()} == expected["state_dict"]
    golden.fill(network)
    with torch.no_grad():
        golden.check(network(golden.inputs(expected))[0], expected["output"])


def test_camera_and_views():
    np.testing.assert_allclose(CAMERA.matrix(), NUMBERS["camera"]["K"], rtol=1e-5)
    view = torch.tensor(NUMBERS["views"])
    np.testing.assert_allclose(rotation(view[:, :3]), NUMBERS["rotations"], atol=1e-5)
    points = CAMERA.back_project(depth_map().expand(3, 64, 64)).flatten(1, 2)
    seen = CAMERA.project(move(points, view))[..., :2] / CAMERA.centre - 1
    golden.check(seen.reshape(3, 64, 64, 2), NUMBERS["warped_2d_grid"], 1e-5)


def test_normals_and_shading():
    normal = normals(depth_map(), CAMERA)
    for spot in NUMBERS["normals"]:
        np.testing.assert_allclose(normal[0, spot["row"], spot["col"]], spot["normal"], atol=1e-5)
    light = torch.cat((torch.tensor([[0.3, 0.6]]), light_direction(torch.tensor([[0.3, -0.2]]))), 1)
    golden.check(shade(normal, light)[:, None], NUMBERS["shading"], 1e-5)


def test_losses():
    image, target = (golden.draw(seed, (2, 3, 16, 16), signed=True) for seed in (10, 11))
    mask, sigma = (golden.draw(12, (2, 1, 16, 16)) > 0.3).float(), golden.draw(13, (2, 1, 16, 16)) + 0.1
    assert photometric(image, target, mask).item() == pytest.approx(NUMBERS["photometric"]["mask"], rel=1e-5)
    assert photometric(image, target, mask, sigma).item() == pytest.approx(
        NUMBERS["photometric"]["mask_conf"], rel=1e-5
    )
    features = torch.from_numpy(np.random.default_rng(20).standard_normal((8, 2, 16)).astype(np.float32))
    for normalise, name in ((False, "raw_base_temperature_0.5"), (True, "l2_normalised_base_temperature_0.5")):
        found = contrastive(features[:, 0], features[:, 1], 0.5, normalise).item()
        assert found == pytest.approx(NUMBERS["contrastive"][name], rel=1e-5)
