"""Weights from outside: read without executing anything in them, and matched name by name, shape by shape."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.api import BadInput


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The dictionary stored in a `.safetensors`, `.pt`, `.pth`, `.bin` or `.ckpt` file, on the CPU.

    Raises `BadInput` where there is no such file, where it holds anything that would have to be executed, and for
    NVIDIA's `.pkl` files, which are programs.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInput(f"{path}: no such file of weights")
    if path.suffix == ".pkl":
        raise BadInput(
            f"{path}: NVIDIA's .pkl files run code when opened; turn it into a .pt with convert_weight.py of "
            "https://github.com/rosinality/stylegan2-pytorch, where you trust it, and give that"
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise BadInput(f"{path}: holds more than tensors and plain values, so it is not opened") from error
    except Exception as error:  # damaged archives raise whatever the parser stumbles on
        raise BadInput(f"{path}: not a readable file of weights ({type(error).__name__})") from error
    if not isinstance(content, Mapping):
        raise BadInput(f"{path}: holds a {type(content).__name__}, not a dictionary of weights")
    return dict(content)


def part(content: Mapping[str, Any], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names start with `prefix`, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in content.items() if name.startswith(prefix)}


def load_matching(
    module: nn.Module, state: Mapping[str, Any], source: str | Path, may_lack: tuple[str, ...] = ()
) -> None:
    """Load `state` where it has exactly the module's names and shapes, else name the first tensor that differs.

    Tensors with one of `may_lack` in their name may be missing and keep their values; so may batch normalisation's
    count of batches, which nothing here uses and old files do not have.
    """
    own = module.state_dict()
    for name, tensor in own.items():
        if name not in state and any(text in name for text in ("num_batches_tracked", *may_lack)):
            continue
        if name not in state:
            raise BadInput(f"{source}: has no tensor {name!r} (wanted: {tuple(tensor.shape)})")
        if not isinstance(state[name], Tensor) or state[name].shape != tensor.shape:
            found = tuple(state[name].shape) if isinstance(state[name], Tensor) else type(state[name]).__name__
            raise BadInput(f"{source}: tensor {name!r} is {found}, wanted {tuple(tensor.shape)}")
    for name in state:
        if name not in own:
            raise BadInput(f"{source}: tensor {name!r} has no place in this network")
    module.load_state_dict(own | dict(state))
