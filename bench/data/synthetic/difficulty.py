"""How hard is a data set? Linear classifiers on pixels and on principal components, and a ResNet-18 trained on it.

If pixels were enough it would be too easy; if not even a supervised network could do it, too hard. Scores are on the
test part and on the out-of-distribution steps; what is chosen (regularisation, best epoch) is chosen on the
validation part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.api import DataSet

COMPONENTS = 128  # principal components
PENALTIES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)  # weights of the linear classifier's squared norm
BATCH, RATE, DECAY, SMOOTHING, SHIFT = 64, 3e-3, 0.05, 0.1, 4  # the network's training; SHIFT in pixels
LEAST = 2560  # training parts of fewer pictures are gone through more often, up to four times as often
CLASS_LABELS = ("emotion", "body_type", "identity", "instance")  # measured where a data set has them
MAIN = ("emotion", "body_type")  # measured on the out-of-distribution steps too

Predict = Callable[[np.ndarray], Tensor]
"""Rows of a data set -> logits (n, heads)."""


@dataclass(frozen=True)
class Difficulty:
    """Accuracy of `model` ("pixels", "components", "resnet18") on one target and part of a split."""

    target: str  # a class label, or an attribute's name
    model: str
    part: str  # "test", "ood_lighting step_1", ...
    accuracy: float
    chance: float  # always answering the most frequent class of the training part
    n: int

    def __str__(self) -> str:
        """One line of a table."""
        scores = f"{self.accuracy:6.1%}  (chance {self.chance:6.1%}, {self.n} pictures)"
        return f"{self.target:20} {self.model:10} {self.part:21} {scores}"


@dataclass(frozen=True)
class Problem:
    """What is to be predicted: one class label (heads = classes), or all attributes at once (heads = attributes)."""

    name: str
    answers: Tensor  # (N,) class numbers, or (N, A) 0 and 1
    heads: int

    def loss(self, logits: Tensor, rows: np.ndarray, smoothing: float = 0.0) -> Tensor:
        """Mean over examples; summed over attributes. `smoothing` is that of class labels."""
        answers = self.answers[rows]
        if answers.dim() == 1:
            return F.cross_entropy(logits, answers, label_smoothing=smoothing)
        return F.binary_cross_entropy_with_logits(logits, answers.float()) * self.heads

    def correct(self, logits: Tensor, rows: np.ndarray) -> Tensor:
        """(n, 1) or (n, A) bool."""
        answers = self.answers[rows]
        return (logits.argmax(1) == answers)[:, None] if answers.dim() == 1 else (logits > 0) == answers.bool()

    def chance(self, train: np.ndarray, rows: np.ndarray) -> Tensor:
        """(1,) or (A,): the accuracy on `rows` of the most frequent answer in `train`."""
        answers = self.answers.reshape(len(self.answers), -1)
        return (answers[rows] == answers[train].mode(0).values).float().mean(0)


def measure(data: DataSet, epochs: int, seed: int = 0) -> Iterator[Difficulty]:
    """All class labels and attributes of `data`; the network is trained for `epochs` (0: left out), on each anew."""
    for problem in problems(data):
        split = data.split(problem.name)
        for model, predict in _models(data, problem, epochs, seed):
            parts = {"test": split["test"]}
            if problem.name in MAIN:
                for target in ("ood_lighting", "ood_viewpoint"):
                    ood = data.splits.get(target, {})
                    parts |= {f"{target} {part}": rows for part, rows in ood.items() if part not in ("train", "val")}
            for part, rows in parts.items():
                accuracy = problem.correct(predict(rows), rows).float().mean(0)
                chance = problem.chance(split["train"], rows)
                names = data.classes["attributes"] if problem.name == "attributes" else [problem.name]
                for name, value, guess in zip(names, accuracy.tolist(), chance.tolist(), strict=True):
                    yield Difficulty(name, model, part, value, guess, len(rows))


def problems(data: DataSet) -> list[Problem]:
    """What can be measured on `data`; class numbers outside the problem's own split count from 0 within it."""
    out = []
    for name in CLASS_LABELS:
        if name not in data.labels or name not in (*data.classes, *data.splits):
            continue
        known = np.unique(data.labels[name][np.concatenate(list(data.split(name).values()))])
        answers = np.searchsorted(known, data.labels[name]).clip(max=len(known) - 1)
        out.append(Problem(name, torch.from_numpy(answers), len(known)))
    if "attributes" in data.labels:
        attributes = torch.from_numpy(data.labels["attributes"].astype(np.int64))
        out.append(Problem("attributes", attributes, attributes.shape[1]))
    return out


def _models(data: DataSet, problem: Problem, epochs: int, seed: int) -> Iterator[tuple[str, Predict]]:
    train, val = data.split(problem.name)["train"], data.split(problem.name)["val"]
    rotate = _principal_axes(data, train)
    yield "pixels", _linear(rotate, problem, train, val)
    yield "components", _linear(lambda rows: rotate(rows)[:, :COMPONENTS], problem, train, val)
    if epochs:
        yield "resnet18", _network(data, problem, epochs, seed)


def _principal_axes(data: DataSet, train: np.ndarray) -> Predict:
    """Pixels in the principal axes of the training pictures, most variance first, scaled to variance 1 on average.

    All axes are kept, so a linear classifier on them, penalised by its norm, is one on the pixels themselves.
    """
    x = _flat(data, train)
    mean = x.mean(0)
    x -= mean
    values, vectors = torch.linalg.eigh(x @ x.T)
    kept = values.flip(0) > values[-1] * 1e-7
    values, vectors = values.flip(0)[kept], vectors.flip(1)[:, kept]
    axes = x.T @ (vectors / values.sqrt())
    scale = (values.mean() / len(train)).sqrt()
    return lambda rows: (_flat(data, rows) - mean) @ axes / scale


def _flat(data: DataSet, rows: np.ndarray) -> Tensor:
    return torch.from_numpy(data.images[rows].reshape(len(rows), -1)).float() / 255


def _linear(features: Predict, problem: Problem, train: np.ndarray, val: np.ndarray) -> Predict:
    """Multinomial or per-attribute logistic regression; the penalty that is best on `val`."""
    x, x_val = features(train), features(val)
    best, chosen = -1.0, (torch.zeros(0), torch.zeros(0))
    for penalty in PENALTIES:
        weight, bias = _fit_logistic(x, problem, train, penalty)
        right = problem.correct(x_val @ weight + bias, val).float().mean().item()
        if right > best:
            best, chosen = right, (weight, bias)
    weight, bias = chosen
    return lambda rows: features(rows) @ weight + bias


def _fit_logistic(x: Tensor, problem: Problem, rows: np.ndarray, penalty: float) -> tuple[Tensor, Tensor]:
    weight = torch.zeros(x.shape[1], problem.heads, requires_grad=True)
    bias = torch.zeros(problem.heads, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=150, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = problem.loss(x @ weight + bias, rows) + penalty * weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return weight.detach(), bias.detach()


def _network(data: DataSet, problem: Problem, epochs: int, seed: int) -> Predict:
    """ResNet-18 (timm) from scratch, AdamW, one cycle, shifts and mirroring; the epoch best on the validation part.

    In bfloat16, which halves the time on processors that know it: a yardstick needs no more.
    """
    import timm

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    train, val = data.split(problem.name)["train"], data.split(problem.name)["val"]
    network = timm.create_model("resnet18", num_classes=problem.heads).to(device)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=DECAY)
    batches = max(len(train) // BATCH, 1)
    epochs = round(epochs * min(max(LEAST / len(train), 1), 4))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=epochs * batches)
    best, kept = -1.0, network.state_dict()
    for _ in range(epochs):
        network.train()
        for rows in np.array_split(rng.permutation(train), batches):
            x = _moved(data.subset(rows)[:], rng).to(device)
            loss = problem.loss(_run(network, x).cpu(), rows, SMOOTHING)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        right_now = problem.correct(_logits(network, data, val, device), val).float().mean().item()
        if right_now >= best:
            best, kept = right_now, {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(kept)
    return lambda rows: _logits(network, data, rows, device)


def _moved(x: Tensor, rng: np.random.Generator) -> Tensor:
    """(B, 3, H, W), each picture shifted by up to `SHIFT` pixels either way (edges repeated), half of them mirrored."""
    count, size = len(x), x.shape[-1]
    shift = torch.from_numpy(rng.integers(-SHIFT, SHIFT + 1, (count, 2, 1)))
    rows, columns = (torch.arange(size) + shift).clamp(0, size - 1).unbind(1)
    mirrored = torch.from_numpy(rng.random((count, 1)) < 0.5)
    columns = torch.where(mirrored, columns.flip(1), columns)
    return x[torch.arange(count)[:, None, None], :, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)


def _run(network: nn.Module, x: Tensor) -> Tensor:
    """Logits (B, heads) float32 of pictures (B, 3, H, W) in [0, 1]."""
    with torch.autocast(x.device.type, torch.bfloat16):
        logits: Tensor = network((x - 0.5).contiguous(memory_format=torch.channels_last))
    return logits.float()


@torch.no_grad()
def _logits(network: nn.Module, data: DataSet, rows: np.ndarray, device: torch.device) -> Tensor:
    network.eval()
    return torch.cat([_run(network, x.to(device)).cpu() for x in data.subset(rows).batches(4 * BATCH)])
