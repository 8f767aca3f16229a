"""What the classification tasks share: one label of the data set, scored by any of the protocols."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from bench.api import DataSet, Encoder, Evaluation, Pretraining, Target, Task
from bench.run import Run
from tasks.protocols import clustering, few_label, knn, linear, verification
from tasks.protocols.examples import class_names, gather, is_known, label_of, part_rows


@dataclass(frozen=True)
class Classification(Task):
    """Predict `target` from frozen features. At most `max_examples` of each part of the split are used.

    Protocols: "linear" heads (`recipe`: see `tasks.protocols.linear`), "knn" and "few_label" are fitted on train, tuned
    on val and scored on test; "clustering" sees the test part alone; "verification" tells same from different by
    distance.
    """

    evaluation_only: ClassVar[tuple[str, ...]] = (
        "recipe",
        "protocol=linear",
        "protocol=clustering",
        "protocol=knn",
        "protocol=few_label",
    )

    dataset: str = "synfaces"
    protocol: Literal["linear", "clustering", "knn", "few_label", "verification"] = "linear"
    recipe: Literal["tuned", "paper"] = "tuned"
    max_examples: int = 6000

    def training_target(self, data: DataSet) -> Target:
        """Train and val labels of this task's split; for verification those of other people than are verified."""
        split = "verification" if self.protocol == "verification" else self.target
        return labels_to_train_on(data, self.target, split, self.max_examples)

    def evaluate(self, encoder: Encoder, data: DataSet, run: Run) -> Evaluation:
        """By the chosen protocol. Raises `BadInput` where the label is missing or too few examples are left."""
        names = class_names(data, self.target)
        if self.protocol == "clustering":
            return clustering.evaluate(*gather(encoder, data, run, self.target, ["test"], self.max_examples))
        if self.protocol == "verification":
            parts = gather(encoder, data, run, self.target, ["train", "test"], self.max_examples, split="verification")
            return verification.evaluate(*parts)
        train, val, test = gather(encoder, data, run, self.target, ["train", "val", "test"], self.max_examples)
        if self.protocol == "knn":
            return knn.evaluate(train, val, test, names, run)
        if self.protocol == "few_label":
            return few_label.evaluate(train, val, test, names, self.recipe, run)
        return linear.evaluate(train, val, test, names, self.recipe, run)


def labels_to_train_on(data: DataSet, label: str, split: str, limit: int) -> Target:
    """Train and val labels of the split made for `split`, at most `limit` each: the examples linear heads get too."""
    labels = label_of(data, label)
    train, val = (part_rows(data, split, part, limit, is_known(labels)) for part in ("train", "val"))
    images = Pretraining(data.subset(train), data.subset(val), data.domain)
    kind: Literal["multi-label", "multi-class"] = "multi-label" if labels.ndim == 2 else "multi-class"
    return Target(kind, tuple(class_names(data, label)), images, labels[train], labels[val])
