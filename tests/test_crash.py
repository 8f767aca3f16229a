"""Sweeps that are killed, and sweeps that meet on one folder."""

import json
import os
import random
import signal
import time
from collections import Counter

import crash_drill
from sweep import bench, lines, records, start, sweep, wait_until


def test_killed_at_random_moments(tmp_path):
    whole = crash_drill.uninterrupted(tmp_path)
    rng = random.Random(1)
    crash_drill.drill(tmp_path, "killed", [rng.uniform(0.15, 0.5) * whole for _ in range(5)])


def test_four_runs_on_one_folder_compute_each_cell_once(tmp_path):
    diary = tmp_path / "diary"
    tasks = f"tallied[dataset=painted_faces,number=1|2|3,diary={diary}]"
    training = f"slowly_trained[steps=40,pause=0.02,diary={tmp_path}/training]"
    arguments = [
        sweep(tmp_path, f"planted,raising,{training}", "--jobs", 2, cluster=cluster, tasks=tasks)
        for cluster in ("debug", "local", "debug", "debug")
    ]
    arguments[1] += ["--grouping", "cell"]
    runs = [start(tmp_path, *a) for a in arguments]
    outputs = [run.communicate(timeout=300)[0] for run in runs]
    assert [run.returncode for run in runs] == [1] * 4, outputs  # as one method always fails
    tally = Counter(lines(diary))
    assert len(tally) == 6 and set(tally.values()) == {1}
    assert [int(step) for step in lines(tmp_path / "training")] == list(range(40)), "it was trained once"
    found = records(tmp_path)
    assert Counter(r["status"] for r in found.values()) == {"ok": 2, "failed": 1}  # by method and name of the task


def test_a_job_a_cell_gives_the_same(tmp_path):
    methods = "planted,raising,slowly_trained[steps=20,pause=0]"
    bench(tmp_path, *sweep(tmp_path, methods, out="by-method"), check=1)
    bench(tmp_path, *sweep(tmp_path, methods, "--grouping", "cell", out="by-cell"), check=1)
    by_method, by_cell = records(tmp_path, "by-method"), records(tmp_path, "by-cell")
    assert {k: (r["status"], r["scores"]) for k, r in by_cell.items()} == {
        k: (r["status"], r["scores"]) for k, r in by_method.items()
    }
    assert all("never works" in r["reason"] for r in by_cell.values() if r["status"] == "failed")


def test_told_to_stop_it_keeps_its_training(tmp_path):
    diary = tmp_path / "diary"
    method = f"slowly_trained[steps=200,pause=0.05,diary={diary}]"
    profile = tmp_path / "seldom.yaml"
    profile.write_text("{image_size: 16, checkpoint_every: 1000}")  # so that what is kept is kept for the signal
    run = start(tmp_path, *sweep(tmp_path, method, "--profile", profile, cluster="local"))
    wait_until(lambda: len(lines(diary)) > 20, 120, "the training is under way")
    running = bench(tmp_path, "status", "--out", tmp_path / "out", check=0)
    assert "2 running" in running and "training" in running
    bench(tmp_path, "cancel", "--out", tmp_path / "out", check=0)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 130 and "stopped" in output and "Traceback" not in output
    checkpoint = wait_until(lambda: list((tmp_path / "out").glob("jobs/*/training.checkpoint")), 30, "it is kept")
    assert checkpoint and not records(tmp_path)
    time.sleep(1)
    kept = len(lines(diary))
    assert "2 missing" in bench(tmp_path, "status", "--out", tmp_path / "out", check=0)
    bench(tmp_path, *sweep(tmp_path, method, "--profile", profile, cluster="local"), check=0)
    assert [int(step) for step in lines(diary)] == list(range(200)) and kept < 200


def test_a_lost_process_goes_on_from_its_checkpoint(tmp_path):
    """The job's process alone is killed once: its watcher starts it again, and it resumes."""
    diary = tmp_path / "diary"
    run = start(tmp_path, *sweep(tmp_path, f"slowly_trained[steps=100,pause=0.05,diary={diary}]", cluster="local"))
    wait_until(lambda: len(lines(diary)) > 20, 120, "the training is under way")

    (sign,) = (tmp_path / "out").glob("jobs/*/runs/*/alive.json")
    os.kill(json.loads(sign.read_text())["pid"], signal.SIGKILL)
    output, _ = run.communicate(timeout=120)
    assert run.returncode == 0, output
    steps = [int(step) for step in lines(diary)]
    assert set(steps) == set(range(100)) and len(steps) < 115
