"""A small sweep is killed (SIGKILL) at a random moment, then resumed: nothing lost, doubled or half-written.

    python tests/crash_drill.py --runs 50

`test_crash.py` does a few of these.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from sweep import bench, records, score_bytes, start, sweep

METHODS = "noise,slowly_trained[pause=0.02,steps=40]"
CLUSTER = ["--jobs", 2]


def tables(folder: Path, out: str) -> dict[str, bytes]:
    """The result tables, as files."""
    return {path.name: path.read_bytes() for path in sorted((folder / out / "report" / "tables").glob("*.csv"))}


def uninterrupted(folder: Path) -> float:
    """A sweep that is left alone, as the standard; the seconds it took."""
    before = time.monotonic()
    bench(folder, *sweep(folder, METHODS, *CLUSTER, out="standard", cluster="local"), check=0)
    assert len(records(folder, "standard")) == 4 and tables(folder, "standard")
    return time.monotonic() - before


def drill(folder: Path, out: str, moments: list[float]) -> list[int]:
    """Kill a sweep after so many seconds, again and again, then resume it and compare it with the standard.

    Returns how many cells were done at each kill; a sweep that had ended by itself before is none.
    """
    done: dict[Path, int] = {}
    counts = []
    for seconds in moments:
        process = start(folder, *sweep(folder, METHODS, *CLUSTER, out=out, cluster="local"))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        killed = process.poll() is None
        if killed:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        done = _left(folder / out, done)
        counts += [len(done)] * killed
    bench(folder, *sweep(folder, METHODS, *CLUSTER, out=out, cluster="local"), check=0)
    _left(folder / out, done)
    assert score_bytes(records(folder, out)) == score_bytes(records(folder, "standard"))
    assert tables(folder, out) == tables(folder, "standard")
    return counts


def _left(out: Path, before: dict[Path, int]) -> dict[Path, int]:
    """The records there are and when they were written: whole, and those of `before` not written again."""
    found = {path: path.stat().st_mtime_ns for path in sorted((out / "records").glob("*.json"))}
    for path in found:
        record = json.loads(path.read_text())
        assert record["status"] == "ok", record["reason"]
        assert path.with_suffix(".npz").exists()
    assert {path: found.get(path) for path in before} == before, "what was done was lost or done again"
    return found


def main() -> None:
    """Do `--runs` drills and say how far each sweep had come when it was killed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        latest, tried, killed = uninterrupted(folder), 0, 0
        while killed < options.runs:
            seconds = rng.uniform(0.3, latest)
            counts = drill(folder, f"run-{tried}", [seconds])
            tried += 1
            if not counts:  # the machine is less busy now, and the sweep had ended before
                latest = seconds
                continue
            killed += 1
            line = f"{killed:3d}: killed after {seconds:5.1f} s with {counts[0]} of 4 cells done; resumed, the same"
            print(line, flush=True)


if __name__ == "__main__":
    main()
