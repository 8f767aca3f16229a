"""Tasks on any label of real data, from files to a score, and which tasks `all` stands for."""

from __future__ import annotations

import numpy as np
import planted
from pictures import picture, place
from PIL import Image

from bench.api import Evaluation
from bench.data.utkface import UtkFace
from bench.registry import Registry
from tasks.label import Label


def main_value(evaluation: Evaluation) -> float:
    return next(score.value for score in evaluation.scores if score.main)


def test_gender_from_files_to_score(tmp_path):
    gender, codes = planted.classes(2, 200)
    for row, image in enumerate(planted.painted(codes)):
        Image.fromarray(image).save(tmp_path / "face.png")  # lossless, whatever the official ending
        target = tmp_path / "utkface" / f"{20 + row % 60}_{gender[row]}_0_2017{row:013d}.jpg.chip.jpg"
        target.parent.mkdir(exist_ok=True)
        (tmp_path / "face.png").replace(target)
    picture(tmp_path / "utkface" / "61_1_20170109150557335.jpg.chip.jpg")  # gender unknown: pre-training alone
    data = UtkFace().load(place(tmp_path, tmp_path, size=planted.SIZE))
    assert main_value(Label().evaluate(planted.Planted(2), data, planted.run(tmp_path))) == 1.0
    assert 0.2 < main_value(Label().evaluate(planted.Noise(), data, planted.run(tmp_path))) < 0.8
    assert len(np.concatenate(list(data.split("gender").values()))) == 201


def test_all_stands_for_the_tasks_that_need_nothing_from_outside():
    registry = Registry()
    chosen = {spec.name for spec in registry.select("task", ["all"], {})}
    assert {"face_attributes", "car_classification"} <= chosen
    assert not chosen & {"gender", "race", "age_group", "car_model", "identity_ood_lighting"}
    named = registry.select("task", ["gender", "race", "car_model"], {})
    assert [spec.values["target"] for spec in named] == ["gender", "race", "model"]
