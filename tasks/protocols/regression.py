"""Ridge regression of several numbers from frozen features, all at once."""

from __future__ import annotations

import numpy as np
import torch

from bench.run import Run
from tasks.protocols.axes import principal_axes
from tasks.protocols.examples import standardise

STRENGTHS = tuple(10.0**power for power in range(-4, 5))  # of the L2 penalty, per example


def fit_predict(
    x: np.ndarray, y: np.ndarray, x_val: np.ndarray, y_val: np.ndarray, x_test: np.ndarray, run: Run
) -> np.ndarray:
    """Predictions (n_test, F) of ridge regressions from features (n, D) to targets (n, F).

    Features and targets are standardised by the training part. Each target takes the strength with the lowest squared
    error on the validation part. One eigendecomposition serves all targets and strengths. Features beyond their range
    in training are taken to its end: a unit that was all but silent in training is scaled up a hundredfold, and one
    test picture that wakes it would outweigh all others.
    """
    low, high = x.min(0), x.max(0)
    x_val, x_test = x_val.clip(low, high), x_test.clip(low, high)
    x, x_val, x_test = standardise(x, x_val, x_test)
    mean, std = y.mean(0), np.maximum(y.std(0), 1e-12)
    known, seen, wanted = (torch.from_numpy(part).to(run.device) for part in (x, x_val, x_test))
    truth = torch.from_numpy(((y - mean) / std).astype(np.float32)).to(run.device)
    truth_val = torch.from_numpy(((y_val - mean) / std).astype(np.float32)).to(run.device)
    variances, axes = principal_axes(known)
    variances = variances[:, None]
    covariance = (known @ axes).T @ truth / len(x)  # (r, F)
    weights = torch.stack([covariance / (variances + strength) for strength in STRENGTHS])  # (S, r, F)
    errors = ((seen @ axes @ weights - truth_val) ** 2).mean(1)  # (S, F)
    best = weights[errors.argmin(0), :, torch.arange(weights.shape[2], device=run.device)].T
    return (wanted @ axes @ best).double().cpu().numpy() * std + mean
