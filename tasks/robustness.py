"""What the two robustness tasks share: a label predicted where light or view leave the range seen in training."""

from __future__ import annotations

from dataclasses import dataclass

from bench.api import BadInput, DataSet, Encoder, Evaluation, Target, Task
from bench.run import Run
from tasks.classification import labels_to_train_on
from tasks.protocols import ood
from tasks.protocols.examples import class_names, gather


@dataclass(frozen=True)
class Robustness(Task):
    """Linear heads for `label`, fitted and tuned in range, tested on the split's parts step_1, step_2, ... beyond."""

    dataset: str = "synfaces"
    label: str = "attributes"
    max_examples: int = 6000

    def training_target(self, data: DataSet) -> Target:
        """Train and val labels of this task's split, all in range."""
        return labels_to_train_on(data, self.label, self.target, self.max_examples)

    def evaluate(self, encoder: Encoder, data: DataSet, run: Run) -> Evaluation:
        """The curve of accuracy over the steps. Raises `BadInput` where the data set has no such steps."""
        count = sum(part.startswith("step_") for part in data.split(self.target))
        if not count:
            raise BadInput(f"data set {data.name} has no steps out of range for {self.target}: choose another data set")
        parts = ["train", "val", "test", *(f"step_{number}" for number in range(1, count + 1))]
        train, val, test, *steps = gather(encoder, data, run, self.label, parts, self.max_examples, split=self.target)
        return ood.evaluate(train, val, test, steps, class_names(data, self.label), run)
