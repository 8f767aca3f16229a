"""`doctor`: is this machine ready? One line a check, with the fix where something is wrong."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.listing import list_plugins
from bench.registry import Registry


def checks(data_root: Path | None, cache: Path) -> Iterator[tuple[bool, str]]:
    """(fine, line) for every check."""
    supported = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield supported, f"Python {platform.python_version()}" + ("" if supported else ": install Python 3.11 to 3.13")
    for package in ("torch", "torchvision", "timm", "submitit", "numpy", "scikit-learn"):
        yield _package(package)
    yield _device()
    yield _pytorch3d()
    yield True, _slurm()
    yield _writable(cache, "cache of rendered images")
    yield _writable(Path.cwd() / "results", "output folder")
    if data_root is None:
        yield True, "data root: none given; embedded data needs none (--data-root or PDR_BENCH_DATA for real data sets)"
    elif not data_root.is_dir():
        yield False, f"data root {data_root}: there is no such folder"
    else:
        lines = [line for line in list_plugins(Registry(), "datasets", data_root) if not line.startswith(" ")]
        ready = [line.split()[0] for line in lines if line.split()[2] == "ready"]
        yield True, f"data root {data_root}: {', '.join(ready)} can be used"


def _package(name: str) -> tuple[bool, str]:
    try:
        return True, f"{name} {version(name)}"
    except PackageNotFoundError:
        return False, f"{name} is not installed: pip install ."


def _device() -> tuple[bool, str]:
    try:
        import torch
    except ImportError as error:
        return False, f"torch does not load ({error}): pip install 'torch==2.12.*' 'torchvision==0.27.*'"
    cores = f"{os.cpu_count()} cores"
    if torch.cuda.is_available():
        return True, f"GPU: {torch.cuda.get_device_name()}; {cores}"
    return True, f"no GPU: everything runs on the CPU ({cores}); the profile `paper` wants a GPU"


def _pytorch3d() -> tuple[bool, str]:
    try:
        import pytorch3d
        from pytorch3d import _C  # noqa: F401
    except ImportError as error:
        fix = "not needed on a CPU; for CUDA: pip install 'pdr-bench[pytorch3d]'"
        return True, f"PyTorch3D does not load ({str(error).splitlines()[0]}): {fix}"
    return True, f"PyTorch3D {pytorch3d.__version__}"


def _slurm() -> str:
    if shutil.which("sbatch") is None:
        return "cluster: no SLURM here; --cluster local uses this machine's processes"
    return "cluster: sbatch is on the PATH"


def _writable(folder: Path, what: str) -> tuple[bool, str]:
    parent = next(p for p in (folder, *folder.parents) if p.exists())
    if not os.access(parent, os.W_OK):
        return False, f"{what} {folder}: {parent} cannot be written to; choose another place"
    free = shutil.disk_usage(parent).free / 2**30
    line = f"{what} {folder}: {free:.0f} GB free"
    return free > 1, line if free > 1 else f"{line}: free some space"
