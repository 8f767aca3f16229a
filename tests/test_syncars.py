"""SynCars: the physical truth agrees with the pictures, labels with the geometry, and splits keep what they promise."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from bench.api import BadInput, Place
from bench.data.synthetic import cars_draw as draw
from bench.data.synthetic import syncars
from bench.data.synthetic.cars_background import draw_background
from bench.data.synthetic.cars_mesh import PARTS
from bench.data.synthetic.cars_parts import build
from bench.data.synthetic.cars_types import BODY_TYPES, SHAPE, draw_albedos, draw_shapes
from bench.data.synthetic.syncars import SynCars, render_cars
from bench.render.camera import rotation

SEEDS = st.integers(0, 2**31)
SMALL = SynCars(cars=24, images_per_car=5, ood_per_step=8)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return SMALL.load(Place(32, tmp_path_factory.mktemp("cache"), None))


@pytest.fixture
def plain(monkeypatch):
    """Rendering without sensor noise before a background of one grey level: `plain(table, size, grey)`."""
    monkeypatch.setattr(syncars, "NOISE", 0.0)

    def render(table, size, grey=0.5):
        background = np.full((len(table["scene"]), size, size, 3), grey, np.float32)
        monkeypatch.setattr(syncars, "draw_background", lambda *_: background)
        return render_cars(table, size, seed=0)

    return render


def cars_of_all_types(seed):
    rng = np.random.default_rng(seed)
    types = np.arange(len(BODY_TYPES))
    return draw_shapes(rng, types), draw_albedos(rng, len(types))


# ------------------------------------------------------------------------------------------------------ pictures


def test_albedo_times_shading_is_the_image(plain):
    table = draw.draw_pictures(16, 1, seed=3)
    dark, bright = plain(table, 64, 0.0), plain(table, 64, 1.0)
    inside = (dark["images"] == bright["images"]).all(-1) & dark["foreground"]
    assert inside.mean() > 0.1
    colour = dark["albedo"].astype(np.float32) * dark["shading"].astype(np.float32)[..., None]
    assert np.abs(colour * 255 - dark["images"])[inside].max() <= 1


def test_shading_follows_the_light_and_the_normals(plain):
    table = draw.draw_pictures(16, 1, seed=4)
    maps, light = plain(table, 64), draw.light_of(table)[:, None, None]
    toward = (maps["normals"].astype(np.float32) * light[..., 2:]).sum(-1).clip(min=0)
    difference = np.abs(light[..., 0] + light[..., 1] * toward - maps["shading"])[maps["foreground"]]
    assert np.median(difference) < 0.002  # pixels across an edge average two normals
    assert (difference < 0.05).mean() > 0.9


def test_normals_agree_with_depth(plain):
    maps = plain(draw.draw_pictures(16, 1, seed=5), 128)
    depth, normals = maps["depth"], maps["normals"].astype(np.float32)
    focal = 127 / 2 / math.tan(math.radians(10) / 2)  # a field of view of 10 degrees
    rows, columns = np.meshgrid(np.arange(128) - 63.5, np.arange(128) - 63.5, indexing="ij")
    points = np.stack([columns * depth / focal, rows * depth / focal, depth], -1)
    across, down = points[:, 1:-1, 2:] - points[:, 1:-1, :-2], points[:, 2:, 1:-1] - points[:, :-2, 1:-1]
    expected = np.cross(across, down)
    expected /= np.linalg.norm(expected, axis=-1, keepdims=True) + 1e-12
    shown, middle = maps["foreground"], np.s_[:, 1:-1, 1:-1]
    inside = shown[middle] & shown[:, 1:-1, 2:] & shown[:, 1:-1, :-2] & shown[:, 2:, 1:-1] & shown[:, :-2, 1:-1]
    smooth = inside & (np.abs(across[..., 2]) < 0.01) & (np.abs(down[..., 2]) < 0.01)
    angle = np.degrees(np.arccos((expected * normals[middle]).sum(-1).clip(-1, 1)))[smooth]
    assert smooth.sum() > 0.7 * inside.sum()
    assert np.median(angle) < 4
    assert np.quantile(angle, 0.8) < 20  # smooth shading rounds what the mesh folds


def test_maps_are_aligned(data):
    foreground, mask, depth = data.maps["foreground"], data.maps["mask"], data.maps["depth"]
    assert np.array_equal(foreground, mask > 0)
    assert np.array_equal(foreground, depth > 0)
    assert np.array_equal(foreground, data.maps["shading"] > 0)
    assert (depth[foreground] > 0.9).all() and (depth[foreground] < 1.1).all()
    length = np.linalg.norm(data.maps["normals"].astype(np.float32), axis=-1)
    assert np.allclose(length[foreground], 1, atol=2e-3) and (length[~foreground] == 0).all()
    assert set(np.unique(mask)) == set(range(len(PARTS)))
    red = data.maps["albedo"][mask == PARTS.index("tail lamp")].astype(np.float32)
    assert (red[:, 0] > red[:, 1]).mean() > 0.95
    rows = np.arange(32)[None, :, None]
    wheels = mask == PARTS.index("wheel")
    low = (rows * wheels).sum((1, 2)) / wheels.sum((1, 2)).clip(1)
    middle = (rows * foreground).sum((1, 2)) / foreground.sum((1, 2))
    assert (low > middle)[wheels.any((1, 2))].mean() > 0.98  # a van seen from above and ahead shows its long roof


def test_only_open_cars_show_their_inside(data):
    shown = (data.maps["mask"] == PARTS.index("interior")).any((1, 2))
    has_well = np.isin(data.labels["body_type"], [BODY_TYPES.index("pickup"), BODY_TYPES.index("convertible")])
    assert not shown[~has_well].any()
    assert shown[has_well].mean() > 0.5  # hidden where the camera is low


def test_a_mirrored_scene_is_the_mirrored_image(plain):
    table = draw.draw_pictures(16, 1, seed=6)
    mirrored = {**table, "yaw": -table["yaw"], "roll": -table["roll"], "light_turn": 180 - table["light_turn"]}
    mirrored["shift"] = table["shift"] * [-1, 1, 1]
    maps, other = plain(table, 64), plain(mirrored, 64)
    difference = np.abs(maps["images"].astype(int) - other["images"][:, :, ::-1])
    assert (difference <= 3).mean() > 0.99 and difference.mean() < 0.3
    assert (maps["foreground"] == other["foreground"][:, :, ::-1]).mean() > 0.999


def test_the_background_lies_behind_and_stays_in_range(data):
    table = draw.draw_pictures(16, 1, seed=7)
    background = draw_background(table, 32, syncars.SCALE)
    assert background.shape == (16, 32, 32, 3) and background.min() >= 0 and background.max() <= 1
    shadowless = draw_background({**table, "shadow": 0 * table["shadow"]}, 32, syncars.SCALE)
    darker = (shadowless - background).max(-1)
    assert (darker >= -1e-6).all() and (darker.max((1, 2)) > 0.02).all()


def test_the_same_seed_gives_the_same_bytes(data, tmp_path):
    again = SMALL.load(Place(32, tmp_path, None))
    assert data.fingerprint == again.fingerprint
    assert np.array_equal(data.images, again.images)
    assert all(np.array_equal(data.maps[name], again.maps[name]) for name in data.maps)
    assert all(np.array_equal(data.labels[name], again.labels[name]) for name in data.labels)


# ------------------------------------------------------------------------------------------------------ geometry


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_the_mesh_has_the_measures_of_its_labels(seed):
    shape, albedo = cars_of_all_types(seed)
    vertices, colours, faces, parts = build(shape, albedo)
    assert np.isfinite(vertices).all() and colours.min() >= 0 and colours.max() <= 1
    assert faces.min() == 0 and faces.max() == vertices.shape[1] - 1 and len(parts) == len(faces)
    measures = dict(zip(SHAPE, shape.T, strict=True))
    assert np.allclose(vertices[..., 1].max(1), measures["height"] / 2, atol=0.01)  # the wheels stand on the ground
    assert np.allclose(
        np.ptp(vertices[..., 2], axis=1), measures["length"], atol=0.15
    )  # bumpers bulge, spoilers stick out
    wheel = np.unique(faces[parts == PARTS.index("wheel")])
    assert np.allclose(np.ptp(vertices[:, wheel, 1], axis=1), 2 * measures["wheel_radius"], atol=1e-6)
    top = -vertices[..., 1].min(1) + measures["height"] / 2 - np.maximum(measures["rails"], 0)
    assert np.allclose(top, measures["height"], atol=0.08)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_cars_are_symmetric(seed):
    for car in build(*cars_of_all_types(seed))[0]:
        distance, _ = cKDTree(car).query(car * (-1, 1, 1))
        assert distance.max() < 1e-9


def test_measures_lie_in_their_order():
    shape = np.concatenate([cars_of_all_types(seed)[0] for seed in range(50)])
    m = dict(zip(SHAPE, shape.T, strict=True))
    assert (m["screen_base"] < m["screen_top"]).all() and (m["screen_top"] < m["roof_end"]).all()
    assert (m["pillar_b"] + 0.02 <= m["pillar_c"]).all()
    assert (m["front_overhang"] > m["wheel_radius"]).all()
    assert (m["length"] - m["rear_overhang"] - m["front_overhang"] > 3 * m["wheel_radius"]).all()


@settings(max_examples=50, deadline=None)
@given(
    st.floats(-draw.YAW_STEPS[-1][1], draw.YAW_STEPS[-1][1]),
    st.floats(*draw.ELEVATION),
    st.floats(-draw.ROLL, draw.ROLL),
)
def test_the_view_is_a_turntable_under_a_tilted_camera(yaw, elevation, roll):
    columns = {"yaw": yaw, "elevation": elevation, "roll": roll}
    table = {name: np.array([value]) for name, value in columns.items()} | {"shift": np.zeros((1, 3))}
    view = torch.from_numpy(draw.view_of(table))
    angles = torch.tensor([[yaw, elevation, roll]]).deg2rad().float()
    about = [rotation(angles[:, [k]] * torch.eye(3)[[axis]]) for k, axis in ((0, 1), (1, 0), (2, 2))]
    assert torch.allclose(rotation(view[:, :3]), about[2] @ about[1] @ about[0], atol=1e-5)
    if abs(yaw) <= draw.YAW:
        assert view[:, :3].abs().max() <= math.radians(60)


# -------------------------------------------------------------------------------------------------------- splits


def test_splits_keep_cars_apart_and_know_all_types(data):
    parts = [data.splits["default"][part] for part in ("train", "val", "test")]
    cars = [set(data.labels["instance"][rows]) for rows in parts]
    assert not (cars[0] & cars[1] or cars[0] & cars[2] or cars[1] & cars[2])
    assert sum(len(rows) for rows in parts) == SMALL.cars * SMALL.images_per_car
    for rows in parts:
        counts = np.bincount(data.labels["body_type"][rows], minlength=len(BODY_TYPES))
        assert counts.min() == counts.max() > 0
    closed = data.splits["instance"]
    assert set(data.labels["instance"][closed["train"]]) == set(data.labels["instance"][closed["test"]]) == cars[2]
    assert not set(closed["train"]) & set(closed["test"])


@pytest.mark.parametrize(("target", "steps"), [("ood_lighting", draw.LIGHT_STEPS), ("ood_viewpoint", draw.YAW_STEPS)])
def test_steps_shift_one_factor_alone(data, target, steps):
    split, labels = data.splits[target], data.labels
    yaw, light = np.abs(labels["turn"][:, 0]), np.degrees(np.arccos(labels["light"][:, 4].clip(-1, 1)))
    moved, training = (light, draw.LIGHT_ANGLE) if target == "ood_lighting" else (yaw, draw.YAW)
    assert moved[split["train"]].max() <= training + 1e-3
    for number, (low, high) in enumerate(steps, 1):
        rows = split[f"step_{number}"]
        assert low - 1e-3 <= moved[rows].min() and moved[rows].max() <= high + 1e-3
        kept = ["body_type", "instance", "shape", "albedo"]
        kept += ["view", "turn"] if target == "ood_lighting" else ["light"]
        assert all(np.array_equal(labels[name][rows], labels[name][split["test"]]) for name in kept)
        assert np.array_equal(labels["turn"][rows][:, 1:], labels["turn"][split["test"]][:, 1:])
        assert not np.array_equal(data.images[rows], data.images[split["test"]])


def test_paint_and_surroundings_say_nothing_of_the_type():
    table = draw.draw_pictures(4000, 1, seed=0)
    for name in ("albedo", "ground", "sky", "light_angle", "yaw", "elevation", "shadow"):
        column = table[name].reshape(4000, -1)
        means = np.stack([column[table["body_type"] == k].mean(0) for k in range(len(BODY_TYPES))])
        error = column.std(0) / math.sqrt(4000 / len(BODY_TYPES))
        assert (np.abs(means - column.mean(0)) < 4.5 * error + 1e-9).all(), name


def test_too_small_a_set_is_refused():
    with pytest.raises(BadInput, match="at least cars=24"):
        SynCars(cars=8).load(Place(32, Path("unused"), None))
