"""What is drawn for a synthetic face, from what distribution, and which labels follow: people, then pictures of them.

Everything is a table of named columns, one row per person or picture. Shape factors are numbers in about [-1, 1], 0
being average; colours are albedo in [0, 1]; expression is made of action units in [0, 1] (Facial Action Coding System,
Ekman and Friesen 1978). An attribute is a stated threshold on the factors (`ATTRIBUTES`), so its label is exact, also
where it is hidden.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from bench.data.synthetic.shifts import Table

SHAPE = ("head_width", "head_length", "jaw_width", "chin_length", "forehead", "cheekbones", "fat", "eye_distance",
         "eye_size", "eye_opening", "eye_slant", "brow_height", "brow_arch", "nose_length", "nose_width", "nose_bridge",
         "nose_tip", "mouth_width", "lip_thickness", "mouth_height", "ear_size", "neck_width", "hair_length",
         "hair_volume", "hair_wave", "hairline", "bangs", "bald")  # fmt: skip
ALBEDO = ("skin", "hair", "iris", "lips", "brow_thickness", "brow_density", "stubble", "moustache", "goatee",
          "sideburns", "wrinkles", "bags", "freckles", "lipstick", "eye_shadow", "blush")  # fmt: skip
UNITS = ("inner_brow", "outer_brow", "brow_lower", "lid_raise", "cheek_raise", "lid_tight", "nose_wrinkle", "lip_raise",
         "corner_pull", "corner_drop", "chin_raise", "lip_stretch", "lip_press", "lips_part", "jaw_drop")  # fmt: skip
COLOURS = ("skin", "hair", "iris", "lips")
ALBEDO_COLUMNS = tuple(f"{n}_{c}" for n in COLOURS for c in "rgb") + tuple(n for n in ALBEDO if n not in COLOURS)

EMOTIONS = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")  # RAF-DB's names and order
PROTOTYPES: dict[str, dict[str, float]] = {  # action units of the basic emotions at full intensity (EMFACS)
    "surprise": {"inner_brow": 1, "outer_brow": 1, "lid_raise": 0.9, "lips_part": 0.8, "jaw_drop": 1},
    "fear": {"inner_brow": 1, "outer_brow": 0.4, "brow_lower": 0.3, "lid_raise": 1, "lip_stretch": 1, "lips_part": 0.7,
             "jaw_drop": 0.2},
    "disgust": {"brow_lower": 0.5, "nose_wrinkle": 1, "lip_raise": 1, "cheek_raise": 0.5, "lid_tight": 0.6,
                "corner_drop": 0.4, "lips_part": 0.15},
    "happiness": {"cheek_raise": 0.8, "corner_pull": 1, "lips_part": 0.6, "lid_tight": 0.2},
    "sadness": {"inner_brow": 1, "brow_lower": 0.35, "corner_drop": 1, "chin_raise": 0.6, "lid_tight": 0.3},
    "anger": {"brow_lower": 1, "lid_raise": 0.5, "lid_tight": 0.5, "lip_press": 1, "chin_raise": 0.4},
    "neutral": {},
}  # fmt: skip

# Training ranges, and the steps beyond them. Angles in degrees.
LIGHT_ANGLE = 30.0  # between the light and the camera's axis: uniform up to this
LIGHT_STEPS = ((30.0, 41.0), (41.0, 52.0), (52.0, 63.0), (63.0, 74.0), (74.0, 85.0))
YAW, PITCH, ROLL = 15.0, 6.0, 4.0  # uniform within +- these
YAW_STEPS = ((15.0, 25.0), (25.0, 35.0), (35.0, 45.0), (45.0, 55.0), (55.0, 65.0))
AMBIENT, DIFFUSE = (0.25, 0.4), (0.5, 0.6)  # uniform; their sum stays <= 1, so no pixel is clipped
SHIFT = 0.003  # translations x and y, uniform within +- this (the picture is 0.175 wide); z within +- four times this
LEAST_INTENSITY = 0.7  # of an emotion; uniform from here to 1

SKIN = np.array([[0.93, 0.76, 0.66], [0.85, 0.64, 0.50], [0.70, 0.49, 0.36], [0.52, 0.34, 0.24], [0.36, 0.23, 0.17]])
HAIR = {
    "black": (0.07, 0.06, 0.06),
    "brown": (0.30, 0.18, 0.10),
    "blond": (0.78, 0.62, 0.34),
    "grey": (0.66, 0.66, 0.67),
}
IRIS = np.array([[0.25, 0.15, 0.08], [0.20, 0.12, 0.06], [0.30, 0.42, 0.55], [0.28, 0.38, 0.24]])

# Added for men, taken off for women.
SEX_SHIFT = {"jaw_width": 0.35, "brow_height": -0.3, "neck_width": 0.5, "eye_size": -0.25, "chin_length": 0.2}

# Traits of which people have much or little, nothing between, so that a label is not decided by a tenth of a pixel:
# share of women and of men who have much of it, range of much, range of little.
TRAITS = {
    "nose_width": (0.2, 0.42, (0.55, 1.0), (-1.0, 0.0)),
    "lip_thickness": (0.45, 0.25, (0.55, 1.0), (-1.0, 0.0)),
    "brow_arch": (0.5, 0.2, (0.6, 1.0), (-1.0, 0.0)),
    "eye_opening": (0.7, 0.66, (0.0, 1.0), (-1.0, -0.7)),
    "fat": (0.35, 0.35, (0.6, 1.0), (-1.0, 0.0)),
    "brow_thickness": (0.2, 0.5, (0.6, 1.0), (-1.0, -0.1)),
    "hairline": (0.2, 0.6, (0.6, 1.0), (-1.0, 0.0)),
}

Rule = Callable[[Table], np.ndarray]
ATTRIBUTES: dict[str, Rule] = {  # CelebA's names -> the rows for which it holds
    "5_o_Clock_Shadow": lambda t: t["stubble"] > 0.3,
    "Bags_Under_Eyes": lambda t: t["bags"] > 0.5,
    "Bald": lambda t: t["bald"] > 0.5,
    "Bangs": lambda t: (t["bangs"] > 0.5) & (t["bald"] < 0.5),
    "Big_Lips": lambda t: t["lip_thickness"] > 0.3,
    "Big_Nose": lambda t: t["nose_width"] > 0.3,
    "Black_Hair": lambda t: (t["hair_colour"] == 0) & (t["bald"] < 0.5),
    "Blond_Hair": lambda t: (t["hair_colour"] == 2) & (t["bald"] < 0.5),
    "Brown_Hair": lambda t: (t["hair_colour"] == 1) & (t["bald"] < 0.5),
    "Chubby": lambda t: t["fat"] > 0.35,
    "Eyeglasses": lambda t: t["glasses"] > 0.5,
    "Goatee": lambda t: t["goatee"] > 0.3,
    "Gray_Hair": lambda t: (t["hair_colour"] == 3) & (t["bald"] < 0.5),
    "Heavy_Makeup": lambda t: t["eye_shadow"] > 0.4,
    "Male": lambda t: t["male"] > 0.5,
    "Mouth_Slightly_Open": lambda t: mouth_opening(t) > 0.3,
    "Mustache": lambda t: t["moustache"] > 0.3,
    "Narrow_Eyes": lambda t: t["eye_opening"] < -0.35,
    "No_Beard": lambda t: np.maximum.reduce([t["stubble"], t["moustache"], t["goatee"], t["sideburns"]]) <= 0.3,
    "Pale_Skin": lambda t: t["tone"] < 0.22,
    "Receding_Hairline": lambda t: (t["hairline"] > 0.3) & (t["bald"] < 0.5) & (t["bangs"] < 0.5),
    "Rosy_Cheeks": lambda t: t["blush"] > 0.4,
    "Sideburns": lambda t: t["sideburns"] > 0.3,
    "Smiling": lambda t: t["corner_pull"] > 0.3,
    "Straight_Hair": lambda t: (t["hair_wave"] < 0.3) & (t["bald"] < 0.5),
    "Wavy_Hair": lambda t: (t["hair_wave"] > 0.5) & (t["bald"] < 0.5),
    "Wearing_Earrings": lambda t: t["earrings"] > 0.5,
    "Wearing_Hat": lambda t: t["hat"] > 0.5,
    "Wearing_Lipstick": lambda t: t["lipstick"] > 0.4,
    "Wearing_Necklace": lambda t: t["necklace"] > 0.5,
    "Wearing_Necktie": lambda t: t["tie"] > 0.5,
    "Young": lambda t: t["age"] < 0.5,
}


def mouth_opening(t: Table) -> np.ndarray:
    """How far the lips are apart, 0 to about 1."""
    return 0.45 * t["lips_part"] + 0.75 * t["jaw_drop"]


def draw_people(count: int, seed: int) -> Table:
    """The factors that make a person: one row each. Half are men; sex and age shift other factors a little."""
    rng = np.random.default_rng([seed, 1])
    people: Table = {"male": rng.permutation(np.arange(count) % 2).astype(float), "age": rng.random(count)}
    male, age = people["male"], people["age"]
    sex = 2 * male - 1
    for name in SHAPE:
        people[name] = rng.uniform(-1, 1, count)
    for name, shift in SEX_SHIFT.items():
        people[name] = (people[name] * 0.85 + shift * sex).clip(-1, 1)
    for name, (women, men, much, little) in TRAITS.items():
        has = rng.random(count) < np.where(male > 0, men, women)
        people[name] = np.where(has, rng.uniform(*much, count), rng.uniform(*little, count))
    people["bald"] = (rng.random(count) < np.where(male > 0, 0.28, 0.04)).astype(float)
    people["hair_length"] = np.where(male > 0, rng.beta(1.2, 4, count), rng.beta(3, 1.4, count))
    people["bangs"] = (rng.random(count) < np.where(male > 0, 0.25, 0.45)).astype(float)
    people["hair_wave"] = np.where(rng.random(count) < 0.45, rng.uniform(0.6, 1, count), rng.uniform(0, 0.25, count))
    people["parting"] = rng.uniform(-1, 1, count)
    _draw_colours(people, rng)
    for name, share in {"stubble": 0.45, "moustache": 0.42, "goatee": 0.42, "sideburns": 0.4}.items():
        people[name] = male * (rng.random(count) < share) * rng.uniform(0.55, 1, count)
    people["brow_density"] = rng.uniform(0.6, 0.95, count)
    people["wrinkles"] = (1.6 * age - 0.6).clip(0, 1) * rng.uniform(0.7, 1, count)
    bags = rng.random(count) < 0.1 + 0.5 * age
    people["bags"] = np.where(bags, rng.uniform(0.75, 1, count), rng.uniform(0, 0.2, count))
    people["freckles"] = (rng.random(count) < 0.2) * rng.uniform(0.5, 1, count)
    people["freckle_phase"] = rng.uniform(0, 2 * math.pi, count)
    people["likes_glasses"] = rng.random(count) < 0.4
    people["likes_makeup"] = np.where(male > 0, 0.03, rng.uniform(0.3, 1, count))
    people["likes_jewellery"] = np.where(male > 0, 0.15, rng.uniform(0.3, 0.8, count))
    return people


def _draw_colours(people: Table, rng: np.random.Generator) -> None:
    count = len(people["male"])
    people["tone"] = rng.beta(1.0, 1.5, count)  # 0 palest, 1 darkest
    place = people["tone"] * (len(SKIN) - 1)
    skin = np.stack([np.interp(place, np.arange(len(SKIN)), channel) for channel in SKIN.T], -1)
    people["skin"] = (skin * (1 + rng.normal(0, 0.03, (count, 3)))).clip(0.05, 0.97)
    grey = rng.random(count) < 0.75 * (people["age"] - 0.4).clip(0, 0.6) / 0.4 * 0.8
    chance = np.where(people["tone"][:, None] < 0.5, [0.22, 0.56], [0.45, 0.88])  # up to black, up to brown; then blond
    people["hair_colour"] = np.where(grey, 3, (rng.random((count, 1)) > chance).sum(1))
    hair = np.array(list(HAIR.values()))[people["hair_colour"]]
    people["hair"] = (hair * rng.uniform(0.8, 1.2, (count, 1)) * (1 + rng.normal(0, 0.05, (count, 3)))).clip(0.03, 0.95)
    people["iris"] = IRIS[rng.integers(0, len(IRIS), count)] * rng.uniform(0.8, 1.25, (count, 1))
    tint = np.array([0.80, 0.50, 0.48]) * rng.uniform(0.85, 1.1, (count, 1))
    people["lips"] = 0.5 * people["skin"] * [1.0, 0.75, 0.78] + 0.5 * tint * people["skin"].mean(1, keepdims=True) * 1.4


def draw_pictures(people: Table, images_per_person: int | np.ndarray, seed: int) -> Table:
    """`images_per_person` pictures of each person, in order of the people. Emotions are dealt out evenly.

    `images_per_person`: a number for all, or (people,) one for each.
    """
    pictures = np.broadcast_to(images_per_person, len(people["male"]))
    identity = np.repeat(np.arange(len(pictures)), pictures)
    count, rng = len(identity), np.random.default_rng([seed, 2])
    table = {name: column[identity] for name, column in people.items()}
    table["identity"] = identity
    deal = [rng.permutation(np.arange(number) + start) for start, number in enumerate(pictures)]
    table["emotion"] = np.concatenate(deal) % len(EMOTIONS)
    intensity = rng.uniform(LEAST_INTENSITY, 1, count)
    table["emotion_intensity"] = np.where(table["emotion"] == EMOTIONS.index("neutral"), 0, intensity)
    strength = np.array([[PROTOTYPES[emotion].get(unit, 0) for unit in UNITS] for emotion in EMOTIONS])
    for k, unit in enumerate(UNITS):
        posed = strength[table["emotion"], k] * table["emotion_intensity"] * rng.uniform(0.85, 1.1, count)
        stray = (rng.random(count) < 0.12) * rng.uniform(0, 0.25, count)
        table[unit] = np.maximum(posed, stray).clip(0, 1)
    talking = (rng.random(count) < 0.2) * rng.uniform(0.2, 0.6, count)  # lips part without meaning anything
    table["lips_part"] = np.maximum(table["lips_part"], talking)
    table["gaze_x"], table["gaze_y"] = rng.uniform(-1, 1, count), rng.uniform(-0.6, 0.6, count)
    _draw_outfit(table, rng)
    _draw_camera_and_light(table, rng)
    return table


def _draw_outfit(table: Table, rng: np.random.Generator) -> None:
    count, male = len(table["identity"]), table["male"]

    def happens(share: np.ndarray | float) -> np.ndarray:
        return (rng.random(count) < share).astype(float)

    table["glasses"] = happens(np.where(table["likes_glasses"], 0.65, 0.06))
    table["sunglasses"] = table["glasses"] * happens(0.1)
    table["glasses_shape"] = rng.uniform(2, 4, count)  # exponent of the rim's superellipse: round to square
    table["frame"] = rng.uniform(0.03, 0.35, (count, 1)) * rng.uniform(0.6, 1.4, (count, 3))
    table["hat"] = happens(0.2)
    table["hat_brim"] = rng.integers(0, 3, count).astype(float)  # none, in front, all round
    table["hat_colour"] = rng.uniform(0.05, 0.85, (count, 3))
    made_up = happens(table["likes_makeup"])
    table["lipstick"] = made_up * rng.uniform(0.6, 1, count)
    table["lipstick_colour"] = np.array([0.72, 0.10, 0.18]) * rng.uniform(0.7, 1.2, (count, 1)) + rng.uniform(
        0, 0.1, (count, 3)
    )
    table["eye_shadow"] = made_up * happens(0.7) * rng.uniform(0.6, 1, count)
    table["eye_shadow_colour"] = np.array([[0.30, 0.22, 0.42], [0.20, 0.32, 0.45], [0.36, 0.2, 0.16]])[
        rng.integers(0, 3, count)
    ]
    table["blush"] = np.maximum(made_up * happens(0.5), happens(0.12)) * rng.uniform(0.55, 1, count)
    table["earrings"], table["necklace"] = happens(table["likes_jewellery"]), happens(table["likes_jewellery"])
    table["metal"] = np.where(happens(0.5)[:, None] > 0, [0.92, 0.74, 0.25], [0.85, 0.87, 0.92])
    table["tie"] = happens(np.where(male > 0, 0.4, 0.05))
    table["tie_colour"], table["cloth"] = rng.uniform(0.05, 0.9, (count, 3)), rng.uniform(0.05, 0.95, (count, 3))
    table["hair_volume"] = (table["hair_volume"] + rng.uniform(-0.2, 0.2, count)).clip(-1, 1)


def _draw_camera_and_light(table: Table, rng: np.random.Generator) -> None:
    count = len(table["identity"])
    table["ambient"], table["diffuse"] = rng.uniform(*AMBIENT, count), rng.uniform(*DIFFUSE, count)
    table["light_angle"] = rng.uniform(0, LIGHT_ANGLE, count)
    table["light_turn"] = rng.uniform(-30, 210, count)  # about the camera's axis; 90: from straight above
    table["yaw"], table["pitch"], table["roll"] = (rng.uniform(-top, top, count) for top in (YAW, PITCH, ROLL))
    table["shift"] = rng.uniform(-1, 1, (count, 3)) * SHIFT * np.array([1, 1, 4])


def light_of(table: Table) -> np.ndarray:
    """(N, 5) float32: ambient, diffuse, unit direction in which the light travels."""
    angle, turn = np.radians(table["light_angle"]), np.radians(table["light_turn"])
    direction = (np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn), np.cos(angle))
    return np.stack([table["ambient"], table["diffuse"], *direction], -1).astype(np.float32)


def view_of(table: Table) -> np.ndarray:
    """(N, 6) float32: rotations about x, y, z in radians, translations."""
    angles = np.radians(np.stack([table["pitch"], table["yaw"], table["roll"]], -1))
    return np.concatenate([angles, table["shift"]], 1).astype(np.float32)


def labels_of(table: Table) -> Table:
    """All labels of the pictures, as `bench.api.DataSet` names them."""
    attributes = np.stack([rule(table) for rule in ATTRIBUTES.values()], -1)
    albedo = [table[name].reshape(len(attributes), -1) for name in ALBEDO]
    return {
        "attributes": attributes.astype(np.int8),
        "emotion": table["emotion"].astype(np.int64),
        "emotion_intensity": table["emotion_intensity"].astype(np.float32),
        "identity": table["identity"].astype(np.int64),
        "shape": np.stack([table[name] for name in SHAPE], -1).astype(np.float32),
        "albedo": np.concatenate(albedo, 1).astype(np.float32),
        "expression": np.stack([table[unit] for unit in UNITS], -1).astype(np.float32),
        "light": light_of(table),
        "view": view_of(table),
    }
