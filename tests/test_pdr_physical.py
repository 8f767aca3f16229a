"""Physical accuracy and the leakage matrix: published numbers, and models whose accuracy is known."""

from __future__ import annotations

from pathlib import Path

import golden
import numpy as np
import pytest
import torch

from bench.api import DataSet, Encoder
from bench.render.camera import Camera
from bench.render.shading import normals
from bench.run import Run
from tasks.protocols import leakage, physical

SIZE = 16


def test_scale_invariant_error_as_published():
    expected = golden.load("pdr_maths")["sc_inv_err"]["outputs"]
    predicted, truth = (golden.draw(seed, (2, 16, 16)) * 0.2 + 0.9 for seed in (30, 31))
    mask = golden.draw(32, (2, 16, 16)) > 0.3
    found = physical.scale_invariant_error(predicted, truth, mask)
    np.testing.assert_allclose(found, expected["sie_masked"], rtol=1e-5)
    everywhere = physical.scale_invariant_error(predicted, truth, torch.ones_like(mask))
    np.testing.assert_allclose(everywhere, expected["sie"], rtol=1e-5)
    np.testing.assert_allclose(physical.scale_invariant_error(3 * predicted, truth, mask), found, rtol=1e-4)


def test_angles_as_published():
    expected = golden.load("pdr_maths")["angular_distance"]["outputs"]

    def unit(v: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(v / np.linalg.norm(v, axis=-1, keepdims=True))

    def normal(seed: int) -> np.ndarray:
        return np.random.default_rng(seed).standard_normal((2, 8, 8, 3)).astype(np.float32)

    first = unit(normal(40))
    golden.check(physical.angle(first, unit(first.numpy() + np.float32(0.3) * normal(41))), expected["deg"], 1e-4)


def test_erosion_takes_one_pixel_off():
    mask = torch.zeros(1, 6, 6, dtype=torch.bool)
    mask[:, 1:6, 2:5] = True
    expected = torch.zeros_like(mask)
    expected[:, 2:6, 3:4] = True
    assert torch.equal(physical.eroded(mask), expected)


def scenes(count: int = 60) -> DataSet:
    """Bumps of random height and place, with their truth; the images carry the row number in their first pixel."""
    rng = np.random.default_rng(0)
    at = np.linspace(-1, 1, SIZE)
    height, place = rng.uniform(0.02, 0.08, (count, 1, 1)), rng.uniform(-0.3, 0.3, (count, 1, 1))
    depth = (1 - height * np.exp(-3 * ((at - place) ** 2 + at[:, None] ** 2))).astype(np.float32)
    images = rng.integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(count)
    slope = rng.uniform(-0.5, 0.5, (count, 2))
    direction = np.column_stack([slope, np.ones(count)])
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    parts = np.split(np.arange(count), [count // 2, 2 * count // 3])
    split = dict(zip(("train", "val", "test"), parts, strict=True))
    return DataSet(
        name="scenes",
        domain="face",
        fingerprint="",
        images=images,
        labels={
            "light": np.column_stack([rng.uniform(0.2, 0.8, (count, 2)), direction]).astype(np.float32),
            "view": rng.uniform(-0.5, 0.5, (count, 6)).astype(np.float32),
            "shape": np.column_stack([height.ravel(), place.ravel()]).astype(np.float32),
            "albedo": rng.random((count, 3)).astype(np.float32),
        },
        splits={"default": split},
        maps={
            "depth": depth,
            "normals": normals(torch.from_numpy(depth), Camera(SIZE)).numpy(),
            "foreground": np.broadcast_to(np.hypot(at, at[:, None]) < 0.9, depth.shape).copy(),
        },
    )


class Oracle(Encoder):
    """Knows the truth, up to what `spoil` changes."""

    def __init__(self, data: DataSet, spoil: dict[str, torch.Tensor] | None = None, shared: float = 0.0) -> None:
        super().__init__()
        self.data, self.spoil, self.shared = data, spoil or {}, shared

    def rows(self, x: torch.Tensor) -> np.ndarray:
        return (x[:, 0, 0, 0] * 255).round().long().numpy()

    def physical(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        rows = self.rows(x)
        truth = {name: torch.from_numpy(self.data.maps[name][rows]) for name in ("depth", "normals")}
        truth |= {name: torch.from_numpy(self.data.labels[name][rows]) for name in ("light", "view")}
        truth |= {"reconstruction": x * 0.9, "valid": torch.ones(len(x), SIZE, SIZE, dtype=torch.bool)}
        return {name: value + self.spoil.get(name, 0) if name != "valid" else value for name, value in truth.items()}

    def encode(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        rows = self.rows(x)
        factors = {block: torch.from_numpy(self.data.labels[name][rows]) for block, name in leakage.OWN.items()}
        everything = torch.cat(list(factors.values()), 1)
        return {name: torch.cat([factor, self.shared * everything], 1) for name, factor in factors.items()}


def rate(encoder: Encoder, data: DataSet, protocol, scratch: Path):
    split = data.splits["default"]
    groups = np.arange(len(split["test"]))
    run = Run(seed=0, scratch=scratch)
    return protocol.evaluate(encoder, data, split["train"], split["val"], split["test"], groups, run)


def test_the_truth_scores_perfectly_and_beats_the_trivial_predictors(tmp_path):
    data = scenes()
    scores = {score.name: score for score in rate(Oracle(data), data, physical, tmp_path)}
    assert scores["side"].value < 1e-3
    assert scores["side"].value < scores["side_average_depth"].value < scores["side"].chance
    assert scores["normal_error"].value < 0.1
    assert scores["normal_error"].value < scores["normal_error_average_depth"].value < scores["normal_error"].chance
    assert scores["light_error"].value < 0.1 < scores["light_error"].chance
    assert scores["yaw_error"].value < 1e-3 < scores["yaw_error"].chance
    for name in ("yaw", "pitch", "roll", "light_x", "light_y", "ambient", "diffuse"):
        assert scores[f"{name}_correlation"].value == pytest.approx(1, abs=1e-4)
    assert scores["seen"].value == 1
    assert 20 < scores["psnr"].value < 30


def test_a_pose_convention_is_forgiven_and_a_hollow_face_is_not(tmp_path):
    data = scenes()
    turned = Oracle(data, {"view": torch.tensor([0.1, -0.2, 0, 0, 0, 0])})
    scores = {score.name: score.value for score in rate(turned, data, physical, tmp_path)}
    assert scores["yaw_error"] < 1e-3
    hollow = Oracle(data)
    hollow.physical = lambda x: {**(p := Oracle.physical(hollow, x)), "depth": 2 - p["depth"], "view": -p["view"]}
    scores = {score.name: score for score in rate(hollow, data, physical, tmp_path)}
    assert scores["side"].value > scores["side"].chance
    assert scores["yaw_correlation"].value == pytest.approx(-1, abs=1e-4)


def test_leakage_of_separate_and_of_shared_blocks(tmp_path):
    data = scenes(200)
    separate = rate(Oracle(data), data, leakage, tmp_path)
    assert np.diag(separate.matrix).min() > 0.95
    assert (separate.matrix - np.diag(np.diag(separate.matrix))).max() < 0.2
    assert separate.disentanglement > 0.85
    shared = rate(Oracle(data, shared=1.0), data, leakage, tmp_path)
    assert shared.matrix.min() > 0.95
    assert abs(shared.disentanglement) < 0.05
    own = next(score for score in separate.scores if score.name == "disentanglement")
    assert own.value == pytest.approx(separate.disentanglement)
    assert own.low <= own.value <= own.high


def test_only_where_the_truth_and_the_statement_exist(tmp_path):
    data = scenes()
    run = Run(seed=0, scratch=tmp_path)
    assert physical.states_physics(Oracle(data), data)
    assert not physical.states_physics(Encoder(), data)
    assert leakage.has_blocks(Oracle(data), data, run)
    del data.maps["depth"], data.labels["shape"]
    assert not physical.states_physics(Oracle(data), data)
    assert not leakage.has_blocks(Oracle(data), data, run)
