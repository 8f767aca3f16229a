"""Parts that methods have in common are trained once, whoever comes first."""

import torch

from bench.run import Run
from bench.sharing import Shelf


def shared_part(folder, seed=0, settings=None, counts=0):
    """Train (or find) a little part, as a method would; returns module, run and how often it was trained."""
    run = Run(seed=seed, scratch=folder, shelf=Shelf(folder / "shared", "these images"))
    run.facts.update(images_seen=counts)
    module, trainings = torch.nn.Linear(2, 2), []

    def train():
        trainings.append(1)
        with torch.no_grad():
            module.weight.copy_(torch.randn(2, 2))
        run.facts.update(images_seen=run.facts["images_seen"] + 64, note="as trained")
        run.log("part", 0, 0.5)

    run.shared("part", settings or {"width": 2}, module, train)
    return module, run, len(trainings)


def test_a_part_is_trained_once_and_counted_by_everyone(tmp_path):
    first, run, trainings = shared_part(tmp_path)
    assert trainings == 1
    again, other, trainings = shared_part(tmp_path, counts=100)
    assert trainings == 0
    assert torch.equal(first.weight, again.weight)
    assert run.facts["images_seen"] == 64 and other.facts["images_seen"] == 164
    assert other.facts["note"] == "as trained" and other.facts["shared_seconds"] > 0
    assert other.curves == run.curves == {"part": [(0, 0.5)]}


def test_other_settings_or_seeds_are_other_parts(tmp_path):
    shared_part(tmp_path)
    assert shared_part(tmp_path, seed=1)[2] == 1
    assert shared_part(tmp_path, settings={"width": 3})[2] == 1


def test_training_does_not_depend_on_who_comes_first(tmp_path):
    torch.manual_seed(1)
    one = shared_part(tmp_path / "a")[0]
    torch.manual_seed(2)
    other = shared_part(tmp_path / "b")[0]
    assert torch.equal(one.weight, other.weight)
