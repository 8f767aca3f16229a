"""Linear classification of frozen features: logistic regression, every label at once.

Two recipes. "tuned": L2-regularised logistic regression on standardised features, solved by full-batch L-BFGS; the
strength of the regularisation and the number of iterations are chosen on the validation part, per head.
"paper": one linear layer on the raw features, Adam at 2e-4 for 50 epochs, nothing tuned (Klinghoffer et al. 2022).
"""

from __future__ import annotations

import copy
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
from tasks.protocols.axes import principal_axes
from tasks.protocols.examples import Examples, scaled, scaling

Recipe = Literal["tuned", "paper"]

STRENGTHS = (1e1, 1e0, 1e-1, 1e-2, 1e-3, 1e-4)  # of the L2 penalty, per example: scikit-learn's C = 1 / (strength * n)
ITERATIONS = 200  # at most, at each strength
PATIENCE = 2  # iterations in which a head gets no better on validation: then it is done with a strength
LONGEST_STEP = 100.0
MEMORY = 5  # steps that the next one is bent by
TOLERANCE = 1e-8  # converged once a safe step would lower a head's loss by less than half of this
LEAST_GAIN = 1e-6  # in validation loss: less is none, and where it is looked at, training need not go on for less

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
    divided by that diagonal never overshoots, whatever the head and the strength.
    """

    def __init__(self, features: np.ndarray, labels: np.ndarray, classes: int, device: torch.device) -> None:
        """`features` (n, D) standardised; `labels` (n,) class numbers or (n, A) in {0, 1, -1 = unknown}."""
        x = torch.from_numpy(features).to(device)
        n = len(x)
        variances, self.axes = principal_axes(x)
        self.x = self.turned(x)
        self.variances = torch.cat([variances, variances.new_ones(1)])[:, None]
        y = torch.from_numpy(labels.astype(np.int64)).to(device)
        self.softmax = y.ndim == 1
        self.known = None if self.softmax or bool((y >= 0).all()) else (y >= 0).float()
        self.y = F.one_hot(y, classes).float() if self.softmax else y.clamp_min(0).float()  # (n, K)
        self.share = y.new_ones(1, self.y.shape[1]).float() if self.known is None else self.known.sum(0) / n
        self.share = self.share.reshape(-1).clamp_min(1 / n)  # (K,) of the examples whose label is known

    def turned(self, x: Tensor) -> Tensor:
        """Standardised features (n, D) on the axes, and a column of ones that carries the biases: (n, r + 1)."""
        return torch.cat([x @ self.axes, x.new_ones(len(x), 1)], 1)

    def only(self, heads: Tensor) -> Problem:
        """The same problem for some of the heads (their positions)."""
        part = copy.copy(self)
        part.y, part.share = self.y[:, heads], self.share[heads]
        part.known = None if self.known is None else self.known[:, heads]
        return part

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
        residual = (logits.softmax(1) if self.softmax else logits.sigmoid_()).sub_(self.y)
        if self.known is not None:
            residual *= self.known
        return self.x.T @ residual / (len(self.x) * self.share)

    def per_head(self, values: Tensor) -> Tensor:
        """Sums over the weights (r + 1, K) -> (K,); the heads of a softmax are one function and share one sum."""
        sums = values.sum(0)
        return sums.sum().repeat(len(sums)) if self.softmax else sums

    def descend(self, w: Tensor, strength: float, look: Look | None = None) -> Tensor:
        """Minimise mean loss + strength / 2 * |weights|^2, starting from `w` (r + 1, K).

        `look` is shown the weights after each iteration, the heads (positions) they are of, and the iteration's number;
        it says which of these heads (bool) may stop. No head's way depends on other heads.

        Preconditioned L-BFGS (Liu & Nocedal 1989) with steps of length one, each head with a memory of its own.
        """
        solution, tolerance = w.clone(), TOLERANCE if look is None else LEAST_GAIN
        live, part = torch.arange(w.shape[1], device=w.device), self
        pairs: list[tuple[Tensor, Tensor]] = []
        move, before = torch.zeros_like(w), torch.zeros_like(w)
        # scikit-learn penalises the one function that tells two classes apart; here two heads share it
        penalty = torch.full_like(self.variances, 2 * strength if self.softmax and w.shape[1] == 2 else strength)
        penalty[-1] = 0  # the bias is free
        for iteration in range(1, ITERATIONS + 1):
            diagonal = self.variances * (0.5 if self.softmax else 0.25) / part.share + penalty
            gradient = part.gradient(w) + penalty * w
            if iteration > 1:
                pairs = [*pairs, (move, gradient - before)][-MEMORY:]
            done = self.per_head(gradient**2 / diagonal) < tolerance
            move, before = -self.bent(gradient, diagonal, pairs), gradient
            w = w + move
            if look is not None:
                done = done | look(w, live, iteration)
            if bool(done.any()):
                solution[:, live[done]] = w[:, done]
                w, move, before = (each[:, ~done] for each in (w, move, before))
                pairs = [(s[:, ~done], y[:, ~done]) for s, y in pairs]
                live = live[~done]
                if not len(live):
                    return solution
                part = self.only(live)
        solution[:, live] = w
        return solution

    def bent(self, gradient: Tensor, diagonal: Tensor, pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
        """The gradient times the inverse Hessian that `diagonal` and the last (move, change of gradient) suggest."""
        q, shares = gradient, []
        for move, change in reversed(pairs):
            curvature = self.per_head(move * change)
            inverse = torch.where(curvature > 0, 1 / curvature, 0)
            shares.append((inverse, inverse * self.per_head(move * q)))
            q = q - shares[-1][1] * change
        q = q / diagonal
        if pairs:  # the diagonal is an upper bound: by how much too large it was on the last step
            move, change = pairs[-1]
            length = self.per_head(move * change) / self.per_head(change**2 / diagonal).clamp_min(1e-30)
            q = q * length.clamp(1, LONGEST_STEP)
        for (move, change), (inverse, share) in zip(pairs, reversed(shares), strict=True):
            q = q + move * (share - inverse * self.per_head(change * q))
        return q


Look = Callable[[Tensor, Tensor, int], Tensor]


def losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean loss of every head over its known examples: (K,) for attributes (n, K), (1,) for class numbers (n,)."""
    if labels.ndim == 1:
        return F.cross_entropy(logits, labels)[None]
    known = (labels >= 0).float()
    each = F.binary_cross_entropy_with_logits(logits, labels.clamp_min(0).float(), reduction="none")
    return (each * known).sum(0) / known.sum(0).clamp_min(1)


def fit_at(features: np.ndarray, labels: np.ndarray, classes: int, strength: float, device: torch.device) -> Heads:
    """Heads at one given strength; features are standardised inside."""
    mean, scale = scaling(features)
    problem = Problem(scaled(features, mean, scale), labels, classes, device)
    return _heads(problem, problem.descend(problem.start(), strength), mean, scale)


def fit_tuned(train: Examples, val: Examples, classes: int, run: Run) -> Heads:
    """Heads whose strength and number of iterations have the lowest validation loss, each head for itself.

    Goes from strong to weak regularisation, each solution starting from the last. A head is done with a strength once
    it has converged or has not become better on validation for `PATIENCE` iterations, and done altogether after the
    first strength that has not made it better. What was chosen goes into `run.facts["linear"]`.
    """
    mean, scale = scaling(train.features)
    problem = Problem(scaled(train.features, mean, scale), train.labels, classes, run.device)
    x_val = problem.turned(torch.from_numpy(scaled(val.features, mean, scale)).to(run.device))
    y_val = torch.from_numpy(val.labels.astype(np.int64)).to(run.device)
    w, heads = problem.start(), torch.arange(classes, device=run.device)
    best, lowest = w.clone(), losses(x_val @ w, y_val).expand(classes).clone()
    chosen = {"strength": np.full(classes, np.inf), "iterations": np.zeros(classes, dtype=np.int64)}
    idle = torch.zeros_like(heads)  # iterations in which nothing was gained, by head

    def look(w: Tensor, live: Tensor, iteration: int) -> Tensor:
        of = heads[live]
        loss = losses(x_val @ w, y_val if problem.softmax else y_val[:, of]).expand(len(of))
        better = loss < lowest[of] - LEAST_GAIN
        best[:, of[better]], lowest[of[better]] = w[:, better], loss[better]
        idle[of] = torch.where(better, 0, idle[of] + 1)
        for name, value in (("strength", strength), ("iterations", iteration)):
            chosen[name][of[better].cpu().numpy()] = value
        return idle[of] >= PATIENCE

    for strength in STRENGTHS:
        before = lowest[heads]
        idle.zero_()
        w = problem.only(heads).descend(w, strength, look)
        better = lowest[heads] < before
        if strength < STRENGTHS[0]:
            w, heads = w[:, better], heads[better]
        if not len(heads):
            break
    moved = np.isfinite(chosen["strength"])  # the others stay with the frequencies
    run.facts["linear"] = {name: np.unique(values[moved]).tolist() for name, values in chosen.items()}
    return _heads(problem, best, mean, scale)


def _heads(problem: Problem, w: Tensor, mean: np.ndarray, scale: np.ndarray) -> Heads:
    """Weights on the problem's axes as weights on the raw features."""
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
