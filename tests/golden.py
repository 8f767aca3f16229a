"""Golden numbers of the reference implementations: how weights are filled, and how outputs are compared.

A golden file holds the outputs of a published network whose every tensor is filled from a hash of its state-dict key,
so equal numbers prove equal names, shapes and arithmetic. The files lie outside the repository; tests skip without
them.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

FOLDER = Path(__file__).parents[2] / "shared" / "golden"


def load(name: str) -> dict[str, Any]:
    """The golden file `name` (without .json); skips the test where it is not at hand."""
    path = FOLDER / f"{name}.json"
    if not path.exists():
        pytest.skip(f"golden numbers not at hand: {path}")
    return json.loads(path.read_text())


def fill(module: nn.Module, prefix: str = "") -> None:
    """Fill every entry of the state dict by rule golden-fill-v1; `prefix` stands before each key in its seed string."""
    state = module.state_dict()
    filled = {key: torch.from_numpy(_values(key, tensor, state, prefix)) for key, tensor in state.items()}
    module.load_state_dict(filled)


def _values(key: str, tensor: Tensor, state: dict[str, Tensor], prefix: str) -> np.ndarray:
    if tensor.dim() == 0 or key.endswith(("num_batches_tracked", "kernel")):
        return tensor.cpu().numpy()
    seed = int.from_bytes(hashlib.sha256((prefix + key).encode()).digest()[:4], "little")
    z = np.random.default_rng(seed).standard_normal(tuple(tensor.shape)).astype(np.float32)
    tenth, one = np.float32(0.1), np.float32(1)
    if z.ndim == 1 and key.endswith("running_var"):
        return one + tenth * np.abs(z)
    if z.ndim == 1 and key.endswith(".weight") and key.removesuffix("weight") + "bias" in state:
        return one + tenth * z
    if z.ndim == 1:
        return tenth * z
    if re.search(r"(^|\.)style\.\d+\.weight$", key):
        return np.float32(100) * z
    run_time_scaled = r"(^|\.)((modulation|linear)\.weight|input\.input|noises\.noise_\d+)$"
    if z.ndim == 5 or re.search(run_time_scaled, key):
        return z
    return z * np.float32(1 / np.sqrt(np.prod(z.shape[1:])))


def draw(seed: int, shape: list[int] | tuple[int, ...], signed: bool = False) -> Tensor:
    """The inputs of the golden files: float32(default_rng(seed).random(shape)), times 2 minus 1 if `signed`."""
    values = np.random.default_rng(seed).random(tuple(shape)).astype(np.float32)
    return torch.from_numpy(values * 2 - 1 if signed else values)


def inputs(golden: dict[str, Any]) -> Tensor:
    """The image batch described by a network file's "input" entry, checked against its first four numbers."""
    spec = golden["input"]
    x = draw(spec["seed"], spec["shape"], signed=spec["range"] == "[-1,1]")
    if "first4" in spec:
        np.testing.assert_allclose(x.flatten()[:4].numpy(), spec["first4"], rtol=1e-6)
    return x


def check(tensor: Tensor | np.ndarray, expected: dict[str, Any], tolerance: float = 1e-4) -> None:
    """Compare a tensor with its golden summary; deviations may be `tolerance` times the largest absolute value."""
    array = tensor.detach().cpu().numpy() if isinstance(tensor, Tensor) else np.asarray(tensor)
    assert list(array.shape) == expected["shape"], f"shape {list(array.shape)}, expected {expected['shape']}"
    exact = np.issubdtype(array.dtype, np.integer)
    flat = array.ravel().astype(np.float64)
    picked = np.random.default_rng(1).integers(0, flat.size, 16)
    np.testing.assert_array_equal(picked, expected["idx16"])
    found = {
        "mean": flat.mean(),
        "std": flat.std(),
        "min": flat.min(),
        "max": flat.max(),
        "first16": flat[:16],
        "val16": flat[picked],
        "values": flat,
    }
    scale = max(abs(expected["min"]), abs(expected["max"]))
    for name, value in found.items():
        if name in expected:
            allowed = 0 if exact and name not in ("mean", "std") else tolerance * scale
            np.testing.assert_allclose(value, np.ravel(expected[name]), rtol=0, atol=allowed, err_msg=name)
