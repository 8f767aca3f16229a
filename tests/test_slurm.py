"""Sweeps on a real SLURM: the one that runs, else `slurm/one-node`, which root can start where SLURM is installed."""

import json
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from sweep import PLUGIN, ROOT, bench, lines, records, score_bytes, start, sweep, wait_until

from bench.store import Store

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]
ONE_NODE = ROOT / "slurm" / "one-node"
SLURM = ["--slurm", "one-node"]  # with its cap of two jobs at once
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"


def answer(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


@pytest.fixture(scope="module", autouse=True)
def cluster(tmp_path_factory):
    """SLURM_CONF of a SLURM that answers."""
    if shutil.which("scontrol") and "UP" in answer("scontrol", "ping"):
        yield
        return
    missing = [p for p in ("munged", "slurmctld", "slurmd", "sbatch") if not shutil.which(p, path=PATH)]
    if missing:
        pytest.skip(f"no SLURM here ({', '.join(missing)} missing): `.ci/run` installs it; see slurm/README.md")
    if os.geteuid() != 0:
        pytest.skip("SLURM is installed but none is running, and only root can start slurm/one-node")
    home = Path("/tmp") / f"slurm-one-node-tests-{os.getpid()}"  # short: it holds a socket
    patch = pytest.MonkeyPatch()
    patch.setenv("SLURM_ONE_NODE", str(home))
    patch.setenv("SLURM_ONE_NODE_CPUS", "4")
    patch.setenv("SLURM_CONF", str(home / "slurm.conf"))
    subprocess.run([ONE_NODE, "up"], check=True)
    yield
    subprocess.run([ONE_NODE, "down"], check=True)
    assert not home.exists()
    patch.undo()


def jobs_of(out, label):
    """Ids of the submitted jobs whose label begins so."""
    return [
        job["id"]
        for path in (out / "slurm").glob("*.json")
        for job in json.loads(path.read_text())
        if job["label"].startswith(label)
    ]


def job_of(out, label):
    return wait_until(lambda: jobs_of(out, label), 60, f"{label} is submitted")[0]


def state_of(job):
    return answer("squeue", "-h", "-r", "-t", "all", "-j", job, "-o", "%T").strip()


def test_everything_that_can_happen_to_a_job(tmp_path):
    """One sweep: jobs that end well, one requeued, one preempted, one cancelled, one too slow, one too hungry."""
    requeued, preempted, cancelled = (
        f"slowly_trained[diary={tmp_path}/{name},pause=0.1,steps={steps}]"
        for name, steps in (("requeued", 60), ("preempted", 61), ("cancelled", 100000))
    )
    methods = ",".join(["planted", "noise", requeued, preempted, cancelled, "endless", "hungry"])
    # a limit of one minute, of which the warning leaves 30 s; more memory than it gets
    needs = ["--slurm-set", "endless.time=1", "--slurm-set", "hungry.memory=1"]
    settings = tmp_path / "no-second-chance.yaml"
    settings.write_text("{time: 30, memory: 2, restarts: 0, warning: 30}")
    run = start(tmp_path, *sweep(tmp_path, methods, "--slurm", settings, *needs, cluster="slurm"))
    out = tmp_path / "out"
    assert "_" in job_of(out, "planted"), "jobs that ask for the same are one array"
    assert "_" not in job_of(out, "hungry")

    wait_until(lambda: len(lines(tmp_path / "requeued")) > 10, 120, "the training is under way")
    subprocess.run(["scontrol", "requeue", job_of(out, requeued)], check=True)
    wait_until(lambda: len(lines(tmp_path / "preempted")) > 10, 120, "the training is under way")
    subprocess.run(["scancel", "--signal=USR2", job_of(out, preempted)], check=True)
    wait_until(lambda: lines(tmp_path / "cancelled"), 120, "the training is under way")
    subprocess.run(["scancel", job_of(out, cancelled)], check=True)

    output, _ = run.communicate(timeout=300)
    assert run.returncode == 1, output
    found = records(tmp_path)
    assert len(found) == 14, "every cell has a record"
    reasons = {key[0]: r["reason"] for key, r in found.items() if r["status"] == "failed"}
    assert set(reasons) == {cancelled, "endless", "hungry"}
    assert "cancelled" in reasons[cancelled]
    assert "over its time limit of 1 minutes" in reasons["endless"]
    assert "out of memory" in reasons["hungry"] and "1 GB" in reasons["hungry"]
    for label, steps in ((requeued, 60), (preempted, 61)):
        diary = tmp_path / ("requeued" if label == requeued else "preempted")
        done = [int(line) for line in lines(diary)]
        assert set(done) == set(range(steps)) and len(done) < steps + 5, "it went on from its checkpoint"

    for name in ("requeued", "preempted"):
        (tmp_path / f"{name}.txt").unlink()
    fine = ",".join(["planted", "noise", requeued, preempted])
    bench(tmp_path, *sweep(tmp_path, fine, out="here"), check=0)
    here = records(tmp_path, "here")
    assert score_bytes(here) == {key: s for key, s in score_bytes(found).items() if key in here}
    for record in here.values():
        ours, theirs = Store(out).outcomes(record["key"]), Store(tmp_path / "here").outcomes(record["key"])
        assert {k: v.tobytes() for k, v in ours.items()} == {k: v.tobytes() for k, v in theirs.items()}


def test_detached_a_job_a_cell_under_a_cap(tmp_path):
    out = tmp_path / "out"
    needs = ["--slurm-set", "hungry.memory=1", "--grouping", "cell"]
    output = bench(tmp_path, *sweep(tmp_path, "planted,raising,hungry", *SLURM, *needs, "--detach", cluster="slurm"))
    assert "9 jobs" in output and not records(tmp_path), output
    status = bench(tmp_path, "status", "--out", out, check=0)
    assert "6 cells: 6 waiting" in status or "running" in status
    fit, cells = jobs_of(out, "planted · painted_faces · seed 0 · training")[0], jobs_of(out, "planted")
    assert len(cells) == 3
    depends = answer("squeue", "-h", "-o", "%i %E")
    assert f"afterok:{fit}" in depends and "afterany:" in depends

    most = 0

    def ended():
        nonlocal most
        running = answer("squeue", "-h", "-r", "-t", "running", "-o", "%o").splitlines()
        most = max(most, len([job for job in running if str(out) in job]))
        return not answer("squeue", "-h")

    wait_until(ended, 240, "all jobs have ended")
    assert 0 < most <= 2, "the cap holds for trainings and cells together"
    found = records(tmp_path)
    assert len(found) == 6
    reasons = {key[0]: r["reason"] for key, r in found.items() if r["status"] == "failed"}
    assert set(reasons) == {"raising", "hungry"}
    assert "never works" in reasons["raising"] and "out of memory" in reasons["hungry"]
    assert (out / "report" / "index.html").exists(), "the last job writes the report"
    status = bench(tmp_path, "status", "--out", out, check=0)
    assert "6 cells: 4 failed, 2 ok" in status and "out of memory" in status
    assert "never works" in bench(tmp_path, "logs", "raising/identity[dataset=painted_faces]", "--out", out, check=0)


def pull_the_plug(job):
    """What a power failure does to the node: its daemon and the job's processes are gone, and nobody could save."""
    (number,) = answer("squeue", "-h", "-j", job, "-o", "%A").split()
    pids = [int(line.split()[0]) for line in answer("scontrol", "listpids", number).splitlines()[1:]]
    steps = {int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for pid in pids if pid > 0}
    assert len(pids) >= 3, "the script, the watcher and the job"
    daemon = int((Path(os.environ["SLURM_CONF"]).parent / "slurmd.pid").read_text())
    for pid in {daemon, *steps, *pids} - {os.getpid(), 1}:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    subprocess.run(["scontrol", "update", "nodename=localhost", "state=down", "reason=power"], check=True)


def test_a_node_that_fails(tmp_path):
    home = Path(os.environ["SLURM_CONF"]).parent
    if not (home / "slurmd.pid").exists():
        pytest.skip("only a node of slurm/one-node is made to fail")
    diary, out = tmp_path / "diary", tmp_path / "out"
    method = f"slowly_trained[diary={diary},steps=60,pause=0.1]"
    bench(tmp_path, *sweep(tmp_path, method, *SLURM, "--detach", cluster="slurm"), check=0)
    wait_until(lambda: len(lines(diary)) > 10, 120, "the training is under way")
    job = job_of(out, "slowly_trained")
    pull_the_plug(job)
    told = f"seed 0  SLURM job {job}: "  # that it waits, once the dead are buried
    wait_until(lambda: told in bench(tmp_path, "status", "--out", out, check=0), 60, "status tells that it waits")
    subprocess.run(["slurmd", "-N", "localhost"], check=True, env=os.environ | {"PATH": PATH})
    wait_until(lambda: not answer("squeue", "-h"), 240, "all jobs have ended")
    assert "Restarts=1 " in answer("scontrol", "show", "job", "-o", job)
    assert [r["status"] for r in records(tmp_path).values()] == ["ok"] * 2
    done = [int(line) for line in lines(diary)]
    assert set(done) == set(range(60)) and 60 <= len(done) < 70, "it went on from its last checkpoint"


def test_cancel_ends_this_sweep_and_nothing_else(tmp_path, request):
    other = answer("sbatch", "--parsable", "--mem=10", "--output=/dev/null", "--wrap", "sleep 600").strip()
    request.addfinalizer(lambda: subprocess.run(["scancel", other], check=True))
    diary, out = tmp_path / "diary", tmp_path / "out"
    method = f"slowly_trained[diary={diary},steps=100000],planted"
    bench(tmp_path, *sweep(tmp_path, method, *SLURM, "--jobs", 1, "--detach", cluster="slurm"), check=0)
    wait_until(lambda: len(lines(diary)) > 50, 120, "the training is under way")
    status = bench(tmp_path, "status", "--out", out, check=0)
    assert "4 cells: 2 running, 2 waiting" in status and " left" in status
    assert "cancelled" in bench(tmp_path, "cancel", "--out", out, check=0)
    assert state_of(other) == "RUNNING"
    assert {r["reason"].partition(" ")[0] for r in records(tmp_path).values()} == {"cancelled"}
    assert "nothing runs" in bench(tmp_path, "cancel", "--out", out, check=0)


def test_what_slurm_refuses_is_one_line(tmp_path):
    arguments = sweep(tmp_path, "planted", *SLURM, "--slurm-set", "partition=nowhere", cluster="slurm")
    output = bench(tmp_path, *arguments, check=2)
    assert "nowhere" in output and "Traceback" not in output
    assert not jobs_of(tmp_path / "out", "planted")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--slurm-set", "memry=3"], "did you mean memory"),
        (["--slurm-set", "plantd.memory=3"], "did you mean planted"),
        (["--slurm-set", "memory=much"], "expected a number"),
        (["--slurm", "one-nod"], "did you mean one-node"),
    ],
)
def test_misspelt_settings(tmp_path, arguments, message):
    output = bench(tmp_path, "run", "-m", "planted", "--plugin", PLUGIN, "--cluster", "slurm", *arguments, check=2)
    assert message in output and "Traceback" not in output
