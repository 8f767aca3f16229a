"""Few-label curves: linear heads fitted on 1 %, 5 %, 10 % and all of the training labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.api import Evaluation, Score
from bench.run import Run
from bench.stats import mean_interval
from tasks.protocols import linear
from tasks.protocols.accuracy import score_predictions
from tasks.protocols.examples import Examples

FRACTIONS = (0.01, 0.05, 0.1, 1.0)
LEAST = 2  # examples, however small the fraction


def evaluate(
    train: Examples, val: Examples, test: Examples, names: list[str], recipe: linear.Recipe, run: Run
) -> Evaluation:
    """Accuracy at each fraction ("accuracy@1%", ...); the main score is their mean.

    Validation labels are labels too: the same fraction of them is used. Smaller sets lie inside larger ones.
    """
    order, order_val = (
        run.rng(f"few_label {part}").permutation(n) for part, n in (("train", len(train)), ("val", len(val)))
    )
    shares: list[np.ndarray] = []
    curve: list[Score] = []
    for fraction in FRACTIONS:
        few = train.take(np.sort(order[: max(round(fraction * len(train)), LEAST)]))
        few_val = val.take(np.sort(order_val[: max(round(fraction * len(val)), LEAST)]))
        heads = linear.fit(few, few_val, len(names), recipe, run)
        at = score_predictions(linear.predict(heads, test.features, test.labels.ndim == 2), test, names)
        accuracy = at.scores[0]
        curve.append(replace(accuracy, name=f"accuracy@{fraction:.0%}", main=False))
        shares.append(at.outcomes["main"])
    mean = mean_interval(share := np.mean(shares, axis=0), test.groups)
    main = Score("mean_accuracy", mean.value, len(test), True, True, mean.low, mean.high, curve[0].chance)
    outcomes = {
        "example": test.rows,
        "group": test.groups,
        "main": share,
        "curve": np.stack(shares),
        "fractions": np.array(FRACTIONS),
    }
    return Evaluation([main, *curve], outcomes)
