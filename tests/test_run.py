"""The main job through the real command line: records, resuming, crashes and their reasons."""

import os
import signal
import time

import pytest
from sweep import PLUGIN, PROFILE, TASKS, bench, records, start, sweep

from bench.progress import Reporter, read_progress


def run(tmp_path, methods, *more, check=0, wait=True, out="out", cluster="debug", tasks=TASKS):
    arguments = sweep(tmp_path, methods, *more, out=out, cluster=cluster, tasks=tasks)
    return bench(tmp_path, *arguments, check=check) if wait else start(tmp_path, *arguments)


def main_scores(found):
    return {key: [(s["name"], s["value"], s["low"], s["high"]) for s in r["scores"]] for key, r in found.items()}


def main_score(record):
    return next(s for s in record["scores"] if s["main"])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of three methods on two tasks."""
    folder = tmp_path_factory.mktemp("finished")
    output = run(folder, "planted,noise,slowly_trained[pause=0]")
    return folder, output


def test_planted_features_win_and_noise_is_at_chance(finished):
    folder, output = finished
    found = records(folder)
    assert len(found) == 6 and {r["status"] for r in found.values()} == {"ok"}
    for task in ("identity", "face_attributes"):
        assert main_score(found["planted", task])["value"] == 1.0
        noise = main_score(found["noise", task])
        assert noise["low"] <= noise["chance"] <= noise["high"]
    assert "planted" in output and "noise" in output
    report = folder / "out" / "report"
    tables = {path.name for path in (report / "tables").iterdir()}
    assert {"results_face.md", "results_face.csv", "results_face.tex"} <= tables
    assert (report / "index.html").is_file()


def test_nothing_to_do_is_quick_and_shows_the_same_table(finished):
    folder, output = finished
    before = {p: p.stat().st_mtime_ns for p in (folder / "out" / "records").iterdir()}
    start = time.monotonic()
    again = run(folder, "planted,noise,slowly_trained[pause=0]")
    assert time.monotonic() - start < 10  # under 3 s on an idle machine; the tests share the cores
    assert "0 jobs to run" in again
    assert {p: p.stat().st_mtime_ns for p in (folder / "out" / "records").iterdir()} == before
    table = output[output.index("planted", output.index("seed 0")) :].splitlines()[-3:]
    assert all(line in again for line in table if line.strip())


def test_deleting_a_record_runs_just_that_cell(finished):
    folder, _ = finished
    found = records(folder)
    victim = folder / "out" / "records" / f"{found['noise', 'identity']['key']}.json"
    before = {p: p.stat().st_mtime_ns for p in (folder / "out" / "records").glob("*.json") if p != victim}
    victim.unlink()
    run(folder, "planted,noise,slowly_trained[pause=0]")
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert main_scores(records(folder)) == main_scores(found)


def test_local_processes_give_the_same_scores(finished, tmp_path):
    folder, _ = finished
    run(tmp_path, "planted,noise,slowly_trained[pause=0]", "--jobs", 2, cluster="local")
    assert main_scores(records(tmp_path)) == main_scores(records(folder))


def test_failures_cost_their_own_cells_and_say_why(tmp_path):
    output = run(tmp_path, "raising,undefined,suicidal,planted", "--jobs", 2, cluster="local", check=1)
    found = records(tmp_path)
    assert main_score(found["planted", "identity"])["value"] == 1.0
    reasons = {method: found[method, "identity"]["reason"] for method in ("raising", "undefined", "suicidal")}
    assert "this method never works" in reasons["raising"]
    assert "NaN" in reasons["undefined"]
    assert "SIGKILL" in reasons["suicidal"]
    assert all(found[key]["status"] == "failed" for key in found if key[0] != "planted")
    assert "never works" in output
    # the failures are tried again, what is done is not
    again = run(tmp_path, "raising,planted", check=1)
    assert "1 jobs to run" in again


def test_a_killed_run_resumes_to_the_same_result(tmp_path):
    method = f"slowly_trained[steps=80,pause=0.05,diary={tmp_path}/diary]"
    process = run(tmp_path, method, wait=False, cluster="local")
    diary = tmp_path / "diary.txt"
    deadline = time.monotonic() + 120
    while not diary.exists() or len(diary.read_text().split()) < 30:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(1.5)  # whatever outlived the kill must notice that its owner is gone
    killed_at = len(diary.read_text().split())
    time.sleep(0.5)
    assert len(diary.read_text().split()) == killed_at, "a job went on after its run was killed"
    run(tmp_path, method, cluster="local")
    steps = [int(line) for line in diary.read_text().split()]
    assert set(steps) == set(range(80)) and len(steps) < 80 + killed_at - 10, "it started over instead of resuming"
    assert all(r["seconds"]["fit"] >= 80 * 0.05 for r in records(tmp_path).values()), "the first life was not counted"
    diary.unlink()
    run(tmp_path, method, out="whole")
    assert main_scores(records(tmp_path)) == main_scores(records(tmp_path, "whole"))


def test_ctrl_c_stops_cleanly(tmp_path):
    process = run(tmp_path, "slowly_trained[steps=5000]", wait=False)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "out").glob("jobs/*/training.checkpoint")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130 and "stopped" in output and "Traceback" not in output


def test_changed_code_makes_a_record_stale(finished, tmp_path):
    folder, _ = finished
    changed = tmp_path / "planted.py"
    changed.write_text(PLUGIN.read_text() + "\n# changed\n")
    arguments = ["-m", "planted", "-t", TASKS, "--profile", PROFILE, "--out", folder / "out", "--plugin"]
    assert "2 ok" in bench(folder, "plan", *arguments, PLUGIN, check=0)
    assert "2 stale" in bench(folder, "plan", *arguments, changed, check=0)
    assert "2 ok" in bench(folder, "plan", *arguments, changed, "--keep-stale", check=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "-m", "plantd", "--plugin", PLUGIN], "did you mean planted"),
        (["run", "-m", "pca[component=3]"], "did you mean components"),
        (["run", "--set", "pca.components=many"], "expected a whole number"),
        (["run", "--set", "pcaa.components=3"], "did you mean pca"),
        (["run", "--profile", "laptob"], "did you mean laptop"),
        (["run", "--seeds", "a"], "expected numbers"),
        (["run", "--data-root", "/nowhere"], "no such folder"),
        (["status", "--out", "nothing"], "holds no run"),
    ],
)
def test_usage_errors_are_one_line_and_exit_2(tmp_path, arguments, message):
    output = bench(tmp_path, *arguments, check=2)
    assert message in output and "Traceback" not in output and len(output.strip().splitlines()) == 1


def test_status_lists_every_cell(finished):
    folder, _ = finished
    output = bench(folder, "status", "--out", folder / "out", check=0)
    assert output.count("ok ") >= 6 and "6 cells: 6 ok" in output


def test_missing_real_data_is_skipped_with_the_way_to_get_it(tmp_path):
    output = run(tmp_path, "pca", tasks="identity[dataset=att_orl]")
    assert "--data-root" in output
    assert {r["status"] for r in records(tmp_path).values()} == {"skipped"}


def test_time_left_of_a_resumed_training_counts_what_was_done_since(tmp_path, monkeypatch):
    clock = iter([0.0, 0.0, 100.0])
    monkeypatch.setattr("bench.progress.time.monotonic", lambda: next(clock))
    reporter = Reporter(tmp_path)
    reporter.doing(["cell"], "training")
    reporter.progress(500, 1000, "training")
    reporter.progress(600, 1000, "training")
    assert read_progress(tmp_path)["left"] == 400
