"""How much is saved by serving all attributes at once: one tree and one fit against one at a time, side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.run import Run
from tasks.protocols import clustering, linear
from tasks.protocols.examples import Examples, standardise

TIMED = 5  # attributes done one at a time; the time for all is reckoned from the fastest


@dataclass(frozen=True)
class Timing:
    """Processor seconds for all attributes together, and one at a time by `what` (reckoned from `timed` of them)."""

    what: str
    together: float
    one_by_one: float
    timed: int

    @property
    def ratio(self) -> float:
        """How many times faster together is."""
        return self.one_by_one / self.together


def measure(run: Run, examples: int = 6000, dims: int = 1024, attributes: int = 40, timed: int = TIMED) -> list[Timing]:
    """Time Ward clustering and tuned linear heads on made-up features that tell something of every attribute.

    One at a time: scikit-learn's Ward clustering for each attribute, as published; for the heads, this program's solver
    with a single head, and scikit-learn's LogisticRegression at the same strengths.
    """
    train, val = _made_up(examples, dims, attributes, run)
    facts = Run(run.seed, run.scratch, run.device)  # what is chosen here concerns nobody

    from sklearn.cluster import AgglomerativeClustering

    def heads(columns: list[int]) -> None:
        linear.fit_tuned(_only(train, columns), _only(val, columns), len(columns), facts)

    tree, one_tree = _seconds(
        1,
        lambda _: clustering.cut(clustering.ward_tree(train.features), 2),
        lambda _: AgglomerativeClustering(2, linkage="ward").fit(train.features),
    )
    together, own, usual = _seconds(
        timed,
        lambda _: heads(list(range(attributes))),
        lambda i: heads([i]),
        lambda i: _scikit_learn_head(_only(train, [i]), _only(val, [i])),
    )
    return [
        Timing("Ward clustering, scikit-learn", tree, one_tree * attributes, 1),
        Timing("linear heads, same solver", together, own * attributes, timed),
        Timing("linear heads, scikit-learn", together, usual * attributes, timed),
    ]


def _only(part: Examples, columns: list[int]) -> Examples:
    return replace(part, labels=part.labels[:, columns])


def _scikit_learn_head(train: Examples, val: Examples) -> None:
    """One attribute's logistic regression at every strength, the best on validation kept."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    x, x_val = standardise(train.features, val.features)
    y, y_val = train.labels[:, 0], val.labels[:, 0]
    models = (LogisticRegression(C=1 / (s * len(x)), max_iter=linear.ITERATIONS).fit(x, y) for s in linear.STRENGTHS)
    min(models, key=lambda model: log_loss(y_val, model.predict_proba(x_val)))


def _seconds(rounds: int, *functions: Callable[[int], object]) -> list[float]:
    """Processor seconds of one call of each function: the least over the rounds, whose numbers they are called with.

    The functions take turns, so that whatever else the machine is doing slows them all down alike.
    """
    least = [float("inf")] * len(functions)
    for number in range(rounds):
        for i, function in enumerate(functions):
            start = time.process_time()
            function(number)
            least[i] = min(least[i], time.process_time() - start)
    return least


def _made_up(n: int, dims: int, attributes: int, run: Run) -> tuple[Examples, Examples]:
    """Train and val: features of 64 hidden causes in noise; attributes depend on the causes, not without error."""
    rng = run.rng("speed")
    causes = rng.standard_normal((n + n // 4, 64))
    features = causes @ rng.standard_normal((64, dims)) / 8 + rng.standard_normal((len(causes), dims))
    logits = causes @ rng.standard_normal((64, attributes)) / 4 + rng.standard_normal(attributes)
    labels = (logits > rng.logistic(size=logits.shape)).astype(np.int8)
    rows = np.arange(len(causes))
    whole = Examples(rows, features.astype(np.float32), labels, rows)
    return whole.take(rows[:n]), whole.take(rows[n:])


def report() -> Iterator[str]:
    """The comparison on 6,000 x 1,024 features with 40 attributes, line by line."""
    import tempfile

    yield "6,000 x 1,024 features, 40 attributes      together   one at a time   times faster   (processor seconds)"
    with tempfile.TemporaryDirectory() as folder:
        timings = measure(Run(seed=0, scratch=Path(folder)))
    for t in timings:
        note = "" if t.timed == 40 else f"   (from {t.timed} of 40)"
        yield f"{t.what:<40}{t.together:>9.2f} s{t.one_by_one:>14.1f} s{t.ratio:>13.0f} x{note}"
