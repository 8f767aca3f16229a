"""The principal axes of features: where penalised linear models of all targets and strengths are solved cheaply."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

LEAST = 1e-6  # share of the largest variance below which an axis counts as none
KEPT = 5  # results: of the training part, and of the shares that few-label tasks take of it
_latest: dict[tuple[tuple[int, ...], bytes], tuple[Tensor, Tensor]] = {}


def principal_axes(x: Tensor) -> tuple[Tensor, Tensor]:
    """Variances (r,) ascending and axes (D, r), orthonormal columns, of centred features x (n, D) float32.

    Axes of no variance are dropped: a penalised solution never uses them. The latest results are kept: the tasks of a
    job have most of their training images in common, and with thousands of features this is what takes their time.
    """
    key = (tuple(x.shape), hashlib.blake2b(x.cpu().numpy().tobytes()).digest())
    _latest[key] = _latest.pop(key) if key in _latest else _decompose(x)
    if len(_latest) > KEPT:
        del _latest[next(iter(_latest))]
    variances, axes = _latest[key]
    return variances.to(x.device), axes.to(x.device)


def _decompose(x: Tensor) -> tuple[Tensor, Tensor]:
    """Dimensions that do not vary, of which some representations have most, are left out and get zeros in the axes."""
    varies = x.any(0)
    if not varies.any() or varies.all():
        return _decompose_varying(x)
    variances, vectors = _decompose_varying(x[:, varies])
    axes = vectors.new_zeros(x.shape[1], len(variances))
    axes[varies] = vectors
    return variances, axes


def _decompose_varying(x: Tensor) -> tuple[Tensor, Tensor]:
    n, dims = x.shape
    short = dims <= n
    wide = x if short else x.T.contiguous()
    gram = _squared(wide) / n
    try:
        variances, vectors = torch.linalg.eigh(gram)
    except torch.linalg.LinAlgError:  # LAPACK may not converge in float32 where eigenvalues nearly coincide
        variances, vectors = (part.float() for part in torch.linalg.eigh(gram.double()))
    keep = variances > LEAST * variances[-1].clamp_min(1e-12)
    variances, vectors = variances[keep], vectors[:, keep]
    return variances, vectors if short else (x.T @ vectors) / (variances * n).sqrt()


def _squared(x: Tensor) -> Tensor:
    """x.T @ x. NumPy sees that the product is symmetric and does half of the work, PyTorch does not."""
    if x.device.type != "cpu":
        return x.T @ x
    array = x.numpy()
    return torch.from_numpy(array.T @ array)
