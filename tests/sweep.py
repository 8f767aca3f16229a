"""Sweeps through the real command line, for tests: start them, wait for things, read what they left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PLUGIN = ROOT / "tests" / "plugins" / "planted.py"
PROFILE = ROOT / "tests" / "plugins" / "tiny.yaml"
TASKS = "identity[dataset=painted_faces],face_attributes[dataset=painted_faces]"


def start(folder: Path, *arguments: Any) -> subprocess.Popen[str]:
    """`python -m bench ...` in a process group of its own."""
    command = [sys.executable, "-m", "bench", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PDR_BENCH_CACHE": str(folder / "cache"), "COLUMNS": "160"}
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        text=True,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def bench(folder: Path, *arguments: Any, check: int | None = None, seconds: float = 300) -> str:
    """Run it to the end; what it printed. `check`: the exit code it must have."""
    process = start(folder, *arguments)
    output, _ = process.communicate(timeout=seconds)
    if check is not None:
        assert process.returncode == check, output
    return output


def sweep(folder: Path, methods: str, *more: Any, out: str = "out", cluster: str = "debug", tasks: str = TASKS) -> list:
    """The arguments of a `run` with the test plug-ins."""
    return [
        "run", "-m", methods, "-t", tasks, "--plugin", PLUGIN, "--profile", PROFILE, "--out", folder / out,
        "--cluster", cluster, *more,
    ]  # fmt: skip


def records(folder: Path, out: str = "out") -> dict[tuple[str, str], dict]:
    """Every record, by the labels of its method and name of its task."""
    found = [json.loads(path.read_text()) for path in sorted((folder / out / "records").glob("*.json"))]
    return {(r["method"]["label"], r["task"]["name"]): r for r in found}


def score_bytes(found: dict[tuple[str, str], dict]) -> dict[tuple[str, str], str]:
    """The scores of each record as they are written."""
    return {key: json.dumps(r["scores"], sort_keys=True) for key, r in found.items()}


def lines(diary: Path) -> list[str]:
    """What the test plug-ins have noted in a diary."""
    path = Path(f"{diary}.txt")
    return path.read_text().splitlines() if path.exists() else []


def wait_until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true answer of `condition`."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain until {what}"
        time.sleep(0.2)
    return answer
