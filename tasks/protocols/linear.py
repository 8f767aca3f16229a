"""Linear classification of frozen features: logistic regression, every label at once.

Two recipes. "tuned": L2-regularised logistic regression on standardised features, solved by full-batch gradient
descent; the strength of the regularisation and the number of iterations are chosen on the validation part, per head.
"paper": one linear layer on the raw features, Adam at 2e-4 for 50 epochs, nothing tuned (Klinghoffer et al. 2022).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.api import Evaluation
from bench.run import Run
from tasks.protocols.accuracy import score_predictions
from tasks.protocols.examples import Examples, scaling, standardise

Recipe = Literal["tuned", "paper"]

STRENGTHS = (1e1, 1e0, 1e-1, 1e-2, 1e-3, 1e-4)  # of the L2 penalty, per example: scikit-learn's C = 1 / (strength * n)
ITERATIONS = 200  # at most, at each strength
CHECK_EVERY = 5  # iterations between looks at the validation part
LONGEST_STEP = 100.0
TOLERANCE = 1e-4  # converged once no weight's preconditioned gradient is larger

PAPER_EPOCHS = 50
PAPER_BATCH = 64  # not stated
PAPER_RATE = 2e-4


@dataclass(frozen=True)
class Heads:
    """Linear functions of raw features: logits = features @ weight + bias, one column a head (class or attribute)."""

    weight: np.ndarray  # (D, K) float32
    bias: np.ndarray  # (K,) float32

    def logits(self, features: np.ndarray) -> np.ndarray:
        """(n, D) -> (n, K) float32."""
        return features @ self.weight + self.bias


class Problem:
    """The training part in the coordinates in which all heads and all strengths share one preconditioner.

    The features are standardised and turned onto their principal axes. There the Hessian of the mean logistic loss is
    at most bound * diag(variances) (Böhning 1992: bound 1/4 for sigmoid heads, 1/2 for softmax), so a gradient step
    divided by that diagonal never overshoots, whatever the head and the strength. Axes of no variance are dropped: a
    penalised solution never uses them.
    """

    def __init__(self, features: np.ndarray, labels: np.ndarray, classes: int, device: torch.device) -> None:
        """`features` (n, D) standardised; `labels` (n,) class numbers or (n, A) in {0, 1, -1 = unknown}."""
        x = torch.from_numpy(features).to(device)
        n, dims = x.shape
        short = dims <= n
        gram = (x.T @ x if short else x @ x.T) / n
        variances, vectors = torch.linalg.eigh(gram)
        keep = variances > 1e-6 * variances[-1].clamp_min(1e-12)
        variances, vectors = variances[keep], vectors[:, keep]
        self.axes = vectors if short else (x.T @ vectors) / (variances * n).sqrt()  # (D, r), orthonormal columns
        ones = torch.ones(n, 1, device=device)
        self.x = torch.cat([x @ self.axes, ones], 1)  # (n, r + 1): the last column carries the biases
        self.variances = torch.cat([variances, ones[:1, 0]])[:, None]
        y = torch.from_numpy(labels.astype(np.int64)).to(device)
        self.softmax = y.ndim == 1
        self.known = (y >= 0).float()
        self.y = F.one_hot(y, classes).float() if self.softmax else y.clamp_min(0).float()  # (n, K)
        self.share = torch.ones(1, device=device) if self.softmax else self.known.sum(0).clamp_min(1) / n

    def start(self) -> Tensor:
        """Weights (r + 1, K) that know nothing but how frequent each class or attribute is."""
        frequency = self.y.mean(0) / self.share
        frequency = frequency.clamp(1 / (2 * len(self.x)), 1 - 1 / (2 * len(self.x)))
        w = self.x.new_zeros(self.x.shape[1], self.y.shape[1])
        w[-1] = frequency.log() if self.softmax else frequency.logit()
        return w

    def gradient(self, w: Tensor) -> Tensor:
        """Of each head's mean loss over its known examples, at weights `w` (r + 1, K)."""
        logits = self.x @ w
        residual = logits.softmax(1) - self.y if self.softmax else (logits.sigmoid() - self.y) * self.known
        return self.x.T @ residual / (len(self.x) * self.share)

    def descend(self, w: Tensor, strength: float, check: Callable[[Tensor, int], None] | None = None) -> Tensor:
        """Minimise mean loss + strength / 2 * |weights|^2, starting from `w`.

        `check` is shown the weights and the iteration's number now and then, and at the end.

        Preconditioned gradient descent, each head with its own step length from the curvature it met on its last step
        (Barzilai & Borwein 1988, second formula, in the preconditioner's metric). Length 1 is always safe.
        """
        penalty = torch.full_like(self.variances, strength)
        penalty[-1] = 0  # the bias is free
        diagonal = self.variances * (0.5 if self.softmax else 0.25) / self.share + penalty
        move, before = torch.zeros_like(w), torch.zeros_like(w)
        for iteration in range(1, ITERATIONS + 1):
            gradient = self.gradient(w) + penalty * w
            bent = gradient - before
            along, across = (move * bent).sum(0), (bent**2 / diagonal).sum(0)
            if self.softmax:  # its heads are one function
                along, across = along.sum(), across.sum()
            length = (along / across.clamp_min(1e-30)).clamp(1, LONGEST_STEP)
            move, before = -length * gradient / diagonal, gradient
            w = w + move
            converged = float((gradient / diagonal.sqrt()).abs().max()) < TOLERANCE
            if check is not None and (converged or iteration % CHECK_EVERY == 0 or iteration == ITERATIONS):
                check(w, iteration)
            if converged:
                break
        return w


def losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean loss of every head over its known examples: (K,) for attributes (n, K), (1,) for class numbers (n,)."""
    if labels.ndim == 1:
        return F.cross_entropy(logits, labels)[None]
    known = (labels >= 0).float()
    each = F.binary_cross_entropy_with_logits(logits, labels.clamp_min(0).float(), reduction="none")
    return (each * known).sum(0) / known.sum(0).clamp_min(1)


def fit_at(features: np.ndarray, labels: np.ndarray, classes: int, strength: float, device: torch.device) -> Heads:
    """Heads at one given strength; features are standardised inside."""
    (x,) = standardise(features)
    problem = Problem(x, labels, classes, device)
    return _heads(problem, problem.descend(problem.start(), strength), features)


def fit_tuned(train: Examples, val: Examples, classes: int, run: Run) -> Heads:
    """Heads whose strength and number of iterations have the lowest validation loss, each head for itself.

    Goes from strong to weak regularisation, each solution starting from the last, and stops at the first strength at
    which no head improves on validation. What was chosen goes into `run.facts["linear"]`.
    """
    scaled, scaled_val = standardise(train.features, val.features)
    problem = Problem(scaled, train.labels, classes, run.device)
    x_val = torch.from_numpy(scaled_val).to(run.device) @ problem.axes
    x_val = torch.cat([x_val, x_val.new_ones(len(x_val), 1)], 1)
    y_val = torch.from_numpy(val.labels.astype(np.int64)).to(run.device)
    w = best = problem.start()
    lowest = losses(x_val @ w, y_val)
    chosen = {"strength": np.full(len(lowest), np.inf), "iterations": np.zeros(len(lowest), dtype=np.int64)}
    for strength in STRENGTHS:
        before = lowest

        def check(w: Tensor, iteration: int, strength: float = strength) -> None:
            nonlocal best, lowest
            loss = losses(x_val @ w, y_val)
            better = loss < lowest - 1e-6
            best, lowest = torch.where(better, w, best), torch.where(better, loss, lowest)
            chosen["strength"][better.cpu().numpy()] = strength
            chosen["iterations"][better.cpu().numpy()] = iteration

        w = problem.descend(w, strength, check)
        if bool((lowest == before).all()) and strength < STRENGTHS[0]:
            break
    moved = np.isfinite(chosen["strength"])  # the others stay with the frequencies
    run.facts["linear"] = {name: np.unique(values[moved]).tolist() for name, values in chosen.items()}
    return _heads(problem, best, train.features)


def _heads(problem: Problem, w: Tensor, raw: np.ndarray) -> Heads:
    """Weights on the problem's axes as weights on the raw features."""
    mean, scale = scaling(raw)
    weight = (problem.axes @ w[:-1]).double().cpu().numpy() * scale[:, None]
    bias = w[-1].double().cpu().numpy() - mean @ weight
    return Heads(weight.astype(np.float32), bias.astype(np.float32))


def fit_paper(train: Examples, classes: int, run: Run) -> Heads:
    """The paper's fixed recipe: one layer on raw features, Adam at 2e-4, 50 epochs, nothing tuned on any part."""
    x = torch.from_numpy(train.features).to(run.device)
    y = torch.from_numpy(train.labels.astype(np.int64)).to(run.device)
    generator = torch.Generator().manual_seed(run.seed)
    layer = nn.Linear(x.shape[1], classes)
    bound = x.shape[1] ** -0.5
    for parameter in layer.parameters():
        parameter.data.uniform_(-bound, bound, generator=generator)
    layer.to(run.device)
    optimiser = torch.optim.Adam(layer.parameters(), lr=PAPER_RATE)
    for epoch in range(PAPER_EPOCHS):
        run.progress(epoch, PAPER_EPOCHS, "linear heads")
        for batch in torch.randperm(len(x), generator=generator).split(PAPER_BATCH):
            optimiser.zero_grad()
            losses(layer(x[batch]), y[batch]).mean().backward()
            optimiser.step()
    return Heads(layer.weight.detach().T.cpu().numpy().copy(), layer.bias.detach().cpu().numpy())


def fit(train: Examples, val: Examples, classes: int, recipe: Recipe, run: Run) -> Heads:
    """Heads by either recipe; the validation part is not looked at by the paper's."""
    return fit_paper(train, classes, run) if recipe == "paper" else fit_tuned(train, val, classes, run)


def predict(heads: Heads, features: np.ndarray, multi_label: bool) -> np.ndarray:
    """(n,) class numbers, or (n, A) int8 in {0, 1}."""
    logits = heads.logits(features)
    return (logits > 0).astype(np.int8) if multi_label else logits.argmax(1)


def evaluate(train: Examples, val: Examples, test: Examples, names: list[str], recipe: Recipe, run: Run) -> Evaluation:
    """Fit the heads and score them on the test part: see `score_predictions`."""
    heads = fit(train, val, len(names), recipe, run)
    return score_predictions(predict(heads, test.features, test.labels.ndim == 2), test, names)
