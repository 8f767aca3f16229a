"""A trained encoder on disk: safetensors and JSON, never pickle; written whole or not at all, checked when read."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from bench.api import BadInput, Encoder
from bench.store import UMASK, file_hash, read_json, write_json

WEIGHTS = "model.safetensors"


def save_encoder(
    folder: Path, encoder: Encoder, manifest: dict[str, Any], curves: dict[str, Any], images: Tensor
) -> None:
    """Write the encoder's state_dict, its manifest, its learning curves and pictures of `images` (B, 3, H, W)."""

    def extras(temporary: Path) -> None:
        save_pictures(temporary / "pictures", encoder, images)
        write_json(temporary / "curves.json", curves)

    save_module(folder, encoder, manifest, extras)


def save_module(
    folder: Path, module: nn.Module, manifest: dict[str, Any], extras: Callable[[Path], object] | None = None
) -> None:
    """Write a module's state_dict and manifest, and what `extras` adds, as one folder that is whole or absent."""
    # clone: safetensors refuses tensors that share memory
    state = {name: value.detach().cpu().contiguous().clone() for name, value in module.state_dict().items()}
    save_state(folder, state, manifest, extras)


def save_state(
    folder: Path, state: dict[str, Tensor], manifest: dict[str, Any], extras: Callable[[Path], object] | None = None
) -> None:
    """Write tensors and their manifest, and what `extras` adds, as one folder that is whole or absent."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        temporary.chmod(0o777 & ~UMASK)  # both are made for their owner alone, and colleagues share results
        save_file(state, temporary / WEIGHTS)
        (temporary / WEIGHTS).chmod(0o666 & ~UMASK)
        if extras is not None:
            extras(temporary)
        write_json(temporary / "manifest.json", {**manifest, "sha256": file_hash(temporary / WEIGHTS)})
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def load_module(folder: Path, module: nn.Module) -> dict[str, Any]:
    """Fill `module` from the folder and return the manifest. A file that is not what its manifest says: BadInput."""
    manifest = read_json(folder / "manifest.json")
    path = folder / WEIGHTS
    if manifest is None or not path.is_file():
        raise BadInput(f"{folder}: the trained model is incomplete; delete the folder to train it again")
    if file_hash(path) != manifest["sha256"]:
        raise BadInput(f"{path}: the file is not the one its manifest describes; delete {folder} to train it again")
    try:
        state = load_file(path)
    except SafetensorError as error:
        raise BadInput(f"{path}: {error}; delete {folder} to train it again") from error
    check_state(module, state, path)
    module.load_state_dict(state)
    return manifest


def check_state(module: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Raise BadInput naming the first tensor that differs between `state` and `module` (missing, shape, surplus)."""
    wanted = module.state_dict()
    for name, value in wanted.items():
        if name not in state:
            raise BadInput(f"{path}: the tensor {name!r} is missing")
        if state[name].shape != value.shape:
            raise BadInput(f"{path}: {name!r} has shape {tuple(state[name].shape)}, expected {tuple(value.shape)}")
    for name in state:
        if name not in wanted:
            raise BadInput(f"{path}: {name!r} does not belong to this model")


def save_pictures(folder: Path, encoder: Encoder, images: Tensor) -> None:
    """PNG strips of what the model sees, one a kind, below the input: input.png, reconstruction.png, ..."""
    from PIL import Image

    device = next(iter(encoder.state_dict().values()), images).device
    with torch.no_grad():
        pictures = {"input": images, **encoder.pictures(images.to(device))}
    if len(pictures) == 1:
        return
    folder.mkdir(parents=True)
    for name, batch in pictures.items():
        strip = torch.cat(list(batch.detach().cpu().clamp(0, 1)), dim=2)
        pixels = (strip.permute(1, 2, 0) * 255).round().byte().numpy()
        Image.fromarray(pixels).save(folder / f"{name}.png")
