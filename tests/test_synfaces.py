"""Rendered faces: the image model, the geometry, the labels and splits."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.synthetic import faces_draw as draw
from bench.data.synthetic import synfaces
from bench.data.synthetic.faces_features import ID, MASK_CLASSES
from bench.data.synthetic.faces_mesh import HEAD, closed, coordinates, faces, head_vertices, parts
from bench.data.synthetic.faces_paint import painter
from bench.data.synthetic.faces_shape import features
from bench.data.synthetic.scene import place, project, render
from bench.data.synthetic.synfaces import SynFaces, render_faces

SIZE = 64
seeds = st.integers(0, 10_000)


def scenes(seed: int, count: int = 2) -> draw.Table:
    """`count` scenes of as many random people."""
    return draw.draw_pictures(draw.draw_people(count, seed), 1, seed) | {"scene": np.arange(count)}


def rendered(
    table: draw.Table,
    view: np.ndarray | None = None,
    light: np.ndarray | None = None,
    mirror: bool = False,
    background=0.0,
):
    """Images and maps without sensor noise, on a plain background, seen and lit as given."""
    factors = {name: torch.as_tensor(column, dtype=torch.float32) for name, column in table.items()}
    heads = (head_vertices(factors) + torch.tensor([0, synfaces.LIFT, 0])) * synfaces.SCALE
    vertices = place(heads, torch.as_tensor(draw.view_of(table) if view is None else view))
    if mirror:
        vertices = vertices * torch.tensor([-1.0, 1, 1])
    lights = torch.as_tensor(draw.light_of(table) if light is None else light)
    behind = torch.full((len(vertices), SIZE, SIZE, 3), background)
    return render(vertices, faces(), painter(factors), torch.zeros(0, dtype=torch.uint8), lights, behind, SIZE)


# ------------------------------------------------------------------------------------------------- pictures and maps


@settings(max_examples=5, deadline=None)
@given(seeds)
def test_albedo_times_shading_is_the_image(seed):
    out, on_white = rendered(scenes(seed)), rendered(scenes(seed), background=1.0)
    product = out["albedo"].astype(np.float32) * out["shading"].astype(np.float32)[..., None]
    whole = (out["images"] == on_white["images"]).all(-1)  # no sub-pixel sees the background
    off = np.abs(product - out["images"] / 255.0)[whole]
    assert off.max() <= 1 / 255
    assert whole.mean() > 0.2


@settings(max_examples=5, deadline=None)
@given(seeds)
def test_shading_is_ambient_plus_diffuse_times_cosine(seed):
    table = scenes(seed)
    out, light = rendered(table), draw.light_of(table)
    cosine = np.einsum("bhwc,bc->bhw", out["normals"].astype(np.float32), light[:, 2:]).clip(0)
    wanted = light[:, 0, None, None] + light[:, 1, None, None] * cosine
    off = np.abs(wanted - out["shading"])[eroded(out["foreground"])]
    assert np.median(off) < 0.01  # where sub-pixels see differing normals, as in curls, the mean shading is another
    assert np.quantile(off, 0.9) < 0.06


@settings(max_examples=5, deadline=None)
@given(seeds)
def test_normals_agree_with_depth(seed):
    out = rendered(scenes(seed))
    depth, inside = out["depth"].astype(np.float64), eroded(out["foreground"], 2)
    slant = normals_from_depth(depth)
    cosine = (slant * out["normals"].astype(np.float64)).sum(-1)
    steps = np.abs(np.diff(depth, axis=2, prepend=depth[:, :, :1])) + np.abs(
        np.diff(depth, axis=1, prepend=depth[:, :1])
    )
    smooth = inside & (steps < 0.004)  # not across an edge where one part hides another
    angle = np.degrees(np.arccos(cosine[smooth].clip(-1, 1)))
    assert smooth.sum() > 1000
    assert np.median(angle) < 8
    assert (out["normals"][out["foreground"]][:, 2] > 0).mean() > 0.98  # away from the camera


@settings(max_examples=5, deadline=None)
@given(seeds)
def test_mask_depth_and_image_are_aligned(seed):
    out, on_white = rendered(scenes(seed)), rendered(scenes(seed), background=1.0)
    assert ((out["mask"] > 0) == out["foreground"]).all()
    assert ((out["depth"] > 0) == out["foreground"]).all()
    assert (out["depth"][out["foreground"]] > 0.9).all()
    assert (out["depth"][out["foreground"]] < 1.1).all()
    assert (np.abs(np.linalg.norm(out["normals"][out["foreground"]].astype(float), axis=-1) - 1) < 2e-3).all()
    ring = ~eroded(out["foreground"]) & out["foreground"]
    coverage = 1 - (on_white["images"].astype(float) - out["images"]).mean(-1) / 255  # of a pixel, in quarters
    assert np.abs(coverage * 4 - np.round(coverage * 4)).max() < 0.02
    assert ((np.round(coverage * 4) >= 2) == out["foreground"]).all()
    assert (out["images"][np.round(coverage * 4) == 0] == 0).all()  # black background
    assert (out["images"][eroded(out["foreground"])].max(-1) > 0).all()
    assert ring.any()


@settings(max_examples=4, deadline=None)
@given(seeds)
def test_mirrored_scene_is_the_mirrored_image(seed):
    table = scenes(seed)
    flipped = draw.light_of(table) * np.array([1, 1, -1, 1, 1], dtype=np.float32)
    plain, mirrored = rendered(table), rendered(table, light=flipped, mirror=True)
    for name, tolerance in {"images": 2, "depth": 1e-4, "shading": 0.01}.items():
        off = np.abs(plain[name].astype(float) - mirrored[name][:, :, ::-1].astype(float))
        assert (off > tolerance).mean() < 0.002, name  # rounding decides a few sub-pixels on edges
    turned = mirrored["normals"][:, :, ::-1].astype(float) * [-1, 1, 1]
    assert (np.abs(plain["normals"] - turned) > 0.02).mean() < 0.002


def test_leaving_out_the_far_side_of_the_head_changes_nothing():
    table = scenes(6, 8)
    table["yaw"] = np.linspace(-65, 65, 8)
    factors = {name: torch.as_tensor(column, dtype=torch.float32) for name, column in table.items()}
    heads = (head_vertices(factors) + torch.tensor([0, synfaces.LIFT, 0])) * synfaces.SCALE
    vertices, light = place(heads, torch.as_tensor(draw.view_of(table))), torch.as_tensor(draw.light_of(table))
    scene = (vertices, faces(), painter(factors), torch.zeros(0, dtype=torch.uint8), light, torch.zeros(8, 32, 32, 3))
    whole, culled = render(*scene, 32), render(*scene, 32, closed=closed())
    assert all(np.array_equal(whole[name], culled[name]) for name in whole)


def test_light_comes_from_where_the_label_says():
    table = scenes(3)
    view = np.zeros((2, 6), dtype=np.float32)
    rightwards = np.array([[0.2, 0.6, math.sin(1), 0, math.cos(1)]] * 2, dtype=np.float32)  # travels to the right
    shading = rendered(table, view, rightwards)["shading"].astype(float)
    assert shading[:, 24:40, :32].sum() > 1.2 * shading[:, 24:40, 32:].sum()


def test_positive_yaw_and_translation_move_the_face_as_the_view_says():
    table = scenes(4)
    moved = np.zeros((2, 6), dtype=np.float32)
    moved[:, 3] = 0.02  # to the right
    columns = np.arange(SIZE)
    centre = [(rendered(table, v)["foreground"].sum(1) * columns).sum(1) / rendered(table, v)["foreground"].sum((1, 2))
              for v in (0 * moved, moved)]  # fmt: skip
    pixels = 0.02 * (SIZE - 1) / 2 / math.tan(math.radians(5))
    assert np.allclose(centre[1] - centre[0], pixels, atol=0.3 * pixels)  # the shoulders leave the picture


def test_vertices_project_into_the_mask_of_their_part():
    """An independent check of camera and mask: the tip of the nose lies in the nose, eyes in their eyes."""
    table = scenes(5, 8)
    for name in ("glasses", "hat", "bangs"):
        table[name] = table[name] * 0
    out = rendered(table)
    factors = {name: torch.as_tensor(column, dtype=torch.float32) for name, column in table.items()}
    heads = (head_vertices(factors) + torch.tensor([0, synfaces.LIFT, 0])) * synfaces.SCALE
    screen = project(place(heads, torch.as_tensor(draw.view_of(table))), SIZE)
    assert parts()[0].kind == HEAD
    places = coordinates()[: len(parts()[0].row)]
    for u, v, part in ((0.0, 0.36, "nose"), (0.31, 0.02, "l_eye"), (-0.31, 0.02, "r_eye")):
        front = places[:, 2] > 0
        vertex = ((places[:, 0] - u) ** 2 + (places[:, 1] - v) ** 2 + 9.0 * ~front).argmin()
        x, y = screen[:, vertex, :2].round().long().unbind(-1)
        near = [(out["mask"][i, y[i] - 2 : y[i] + 3, x[i] - 2 : x[i] + 3] == ID[part]).any() for i in range(8)]
        assert np.mean(near) >= 0.8, part


def test_the_painted_mouth_is_as_wide_as_the_geometry_has_it():
    """Texture and geometry share where features lie: the lips end where the projected corners of the mouth are."""
    table = scenes(8, 8)
    for name in (*draw.UNITS, "yaw", "pitch", "roll", "moustache", "goatee", "hat", "glasses"):
        table[name] = table[name] * 0
    table["mouth_width"] = np.linspace(-1, 1, 8)
    masks, columns = rendered(table)["mask"], np.arange(SIZE)
    factors = {name: torch.as_tensor(column, dtype=torch.float32) for name, column in table.items()}
    heads = (head_vertices(factors) + torch.tensor([0, synfaces.LIFT, 0])) * synfaces.SCALE
    screen = project(place(heads, torch.as_tensor(draw.view_of(table))), SIZE)
    places, at = coordinates()[: len(parts()[0].row)], features(factors)
    for i in range(8):
        lips = np.isin(masks[i], (ID["u_lip"], ID["l_lip"])).any(0)
        assert lips.sum() > 4
        for side, end in ((-1, columns[lips].min()), (1, columns[lips].max())):
            off = (places[:, 0] - side * at["mouth_width"][i]) ** 2 + (places[:, 1] - at["mouth_y"][i]) ** 2
            corner = screen[i, (off + 9.0 * (places[:, 2] < 0)).argmin(), 0]
            assert abs(end - corner) < 3.5


# ------------------------------------------------------------------------------------------------------------ factors


def test_emotions_differ_from_neutral_in_the_picture():
    table = {name: np.repeat(column[:1], 7, 0) for name, column in scenes(7).items()}
    for unit in draw.UNITS:
        table[unit] = np.array([draw.PROTOTYPES[emotion].get(unit, 0) for emotion in draw.EMOTIONS], dtype=float)
    images = rendered(table)["images"].astype(float)
    apart = np.abs(images[:, None] - images[None]).mean((2, 3, 4))
    assert (apart[~np.eye(7, dtype=bool)] > 0.3).all()


def test_attributes_are_balanced_and_follow_the_factors():
    table, splits = SynFaces().tables()
    labels = draw.labels_of(table)
    ordinary = np.concatenate(list(splits["default"].values()))
    share = labels["attributes"][ordinary].mean(0)
    assert len(draw.ATTRIBUTES) >= 24
    assert {n: s for n, s in zip(draw.ATTRIBUTES, share, strict=True) if not 0.1 <= s <= 0.9} == {}
    glasses = labels["attributes"][:, list(draw.ATTRIBUTES).index("Eyeglasses")]
    assert (glasses == table["glasses"]).all()
    assert np.bincount(labels["emotion"][ordinary]).min() >= len(ordinary) // 7 - 200  # dealt out evenly


def test_eyeglasses_and_hats_are_seen_where_labelled():
    table = scenes(9, 8)
    table["hat"], table["glasses"] = np.arange(8) % 2, np.arange(8) // 4
    table["sunglasses"] = table["sunglasses"] * table["glasses"]
    masks = rendered(table)["mask"]
    assert ((masks == ID["hat"]).sum((1, 2)) > 30).tolist() == (np.arange(8) % 2 == 1).tolist()
    assert ((masks == ID["eye_g"]).sum((1, 2)) > 20).tolist() == (np.arange(8) >= 4).tolist()


def test_all_nineteen_mask_classes_occur():
    masks = render_faces(scenes(1, 40), SIZE, 0)["mask"]
    assert set(np.unique(masks)) == set(range(len(MASK_CLASSES)))


# ------------------------------------------------------------------------------------------------------------- splits


def test_splits_are_disjoint_in_people_and_cover_the_set():
    table, splits = SynFaces(people=30, images_per_person=6, ood_per_step=10).tables()
    people = {part: set(table["identity"][rows]) for part, rows in splits["default"].items()}
    assert not people["train"] & people["test"]
    assert not people["train"] & people["val"]
    assert not people["val"] & people["test"]
    assert sum(map(len, splits["default"].values())) == 30 * 6 + 2 * 30  # the further people have one picture each
    assert people["train"] >= set(range(30, 90))
    assert [len(people[part]) for part in ("train", "val", "test")] == [21 + 60, 3, 6]
    assert set(table["identity"][splits["identity"]["train"]]) == people["test"]
    assert set(table["identity"][splits["identity"]["test"]]) == people["test"]
    assert not set(splits["identity"]["train"]) & set(splits["identity"]["test"])
    assert set(splits["pretrain"]) == {"train", "val"}


@pytest.mark.parametrize(
    ("target", "column", "limit", "steps"),
    [
        ("ood_lighting", "light_angle", draw.LIGHT_ANGLE, draw.LIGHT_STEPS),
        ("ood_viewpoint", "yaw", draw.YAW, draw.YAW_STEPS),
    ],
)
def test_steps_move_one_factor_beyond_training_and_nothing_else(target, column, limit, steps):
    table, splits = SynFaces(people=30, images_per_person=6, ood_per_step=10).tables()
    split = splits[target]
    assert np.abs(table[column][split["train"]]).max() <= limit
    for number, (low, high) in enumerate(steps, 1):
        rows = split[f"step_{number}"]
        moved = np.abs(table[column][rows])
        assert ((moved >= low) & (moved <= high)).all()
        for name in table:
            same = (table[name][rows] == table[name][split["test"]]).all()
            assert same != (name == column), name


# ------------------------------------------------------------------------------------------------------------- helpers


def eroded(mask: np.ndarray, times: int = 1) -> np.ndarray:
    """(B, H, W) without its outermost pixels (8-neighbourhood)."""
    for _ in range(times):
        padded = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
        near = [padded[:, i : i + mask.shape[1], j : j + mask.shape[2]] for i in range(3) for j in range(3)]
        mask = np.logical_and.reduce(near)
    return mask


def normals_from_depth(depth: np.ndarray) -> np.ndarray:
    """(B, H, W, 3): cross product of central differences of the back-projected pixel grid (borders are wrong)."""
    size = depth.shape[1]
    focal = (size - 1) / 2 / math.tan(math.radians(5))
    line = (np.arange(size) - (size - 1) / 2) / focal
    points = np.stack([line * depth, line[:, None] * depth, depth], -1)
    across, down = np.gradient(points, axis=2), np.gradient(points, axis=1)
    normal = np.cross(across, down)
    return normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
