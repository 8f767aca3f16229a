"""Plans of 100,000 cells and folders of 10,000 records, measured in processor time: the machine may be busy."""

import json
import os
import subprocess
import sys

import pytest
from sweep import PLUGIN, PROFILE, ROOT, TASKS

MEASURE = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "bench", *sys.argv[1:]], capture_output=True, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(done.stdout[-500:], done.stderr[-500:])
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
sys.exit(done.returncode)
"""


def measured(folder, *arguments):
    """What `python -m bench` prints in the end, its processor seconds and its largest memory in MB."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    *output, numbers = done.stdout.strip().splitlines()
    seconds, memory = map(float, numbers.split())
    return "\n".join(output), seconds, memory


def test_a_plan_of_100000_cells(tmp_path):
    steps = "|".join(map(str, range(1, 501)))
    output, seconds, memory = measured(
        tmp_path, "plan", "-m", f"slowly_trained[steps={steps}]", "-t", TASKS, "--seeds", "0..99",
        "--plugin", PLUGIN, "--profile", PROFILE, "--out", tmp_path / "out",
    )  # fmt: skip
    assert "100000 cells: 100000 missing" in output
    assert seconds < 5 and memory < 1000


def test_status_of_10000_records(tmp_path):
    out, number = tmp_path / "out", 10_000
    (out / "records").mkdir(parents=True)
    score = {"name": "accuracy", "value": 0.5, "n": 100, "higher_is_better": True, "low": 0.4, "high": 0.6}
    record = {
        "schema": 1,
        "status": "ok",
        "source": "here",
        "scores": [{**score, "name": f"accuracy:{i}", "main": i == 0} for i in range(20)],  # as long as real ones
    }
    cells = []
    for seed in range(number):
        key = f"{seed:020x}"
        failed = {"status": "failed", "reason": "by lot", "time": "2026-01-01T00:00:00+00:00"} if seed % 10 == 0 else {}
        (out / "records" / f"{key}.json").write_text(json.dumps({**record, **failed, "key": key, "seed": seed}))
        names = {"method": "pca", "task": "identity", "dataset": "synfaces"}
        cells.append({"key": key, "artefact": key, "source": "here", "seed": seed, **names})
    (out / "plan.json").write_text(json.dumps({"command": "", "profile": "", "started": "", "cells": cells}))
    output, seconds, memory = measured(tmp_path, "status", "--out", out)
    assert "10000 cells: 1000 failed, 9000 ok" in output
    assert seconds < 3 and memory < 1000


@pytest.mark.parametrize("parts", [2, 3])
def test_shards_share_a_plan_out(tmp_path, parts):
    shown = []
    for part in range(1, parts + 1):
        output = subprocess.run(
            [
                sys.executable, "-m", "bench", "plan", "-m", "planted,noise", "-t", TASKS, "--seeds", "0..3",
                "--plugin", PLUGIN, "--profile", PROFILE, "--out", tmp_path / "out", "--shard", f"{part}/{parts}",
            ],
            cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        cells = [line for line in output.splitlines() if line.startswith("missing")]
        methods = {(line.split()[1], line.split()[-1]) for line in cells}
        assert len(cells) == 2 * len(methods), "the cells of one fit stay together"
        shown += cells
    assert len(shown) == len(set(shown)) == 16
