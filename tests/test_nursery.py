"""Jobs that are forked where everything is imported already. `test_run.py` and `test_crash.py` have them killed."""

import os
import signal
from pathlib import Path

import pytest
from sweep import records, start, sweep, wait_until

from bench.nursery import Born, nursery

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="forks on Linux only")


@pytest.fixture(scope="module")
def name():
    with nursery([], os.environ) as name:
        yield name


def test_a_job_that_cannot_begin_says_why_in_its_log(name, tmp_path):
    jobs = [Born(name, tmp_path / f"nothing-{i}.json", tmp_path / f"{i}.txt", os.environ) for i in range(2)]
    assert len({job.pid for job in jobs}) == 2
    for i, job in enumerate(jobs):
        assert wait_until(lambda job=job: job.poll() is not None, 60, "it ends") and job.poll() == 1
        assert f"nothing-{i}.json is no job payload" in (tmp_path / f"{i}.txt").read_text()


def test_there_is_none_after_the_block(tmp_path):
    with nursery([], os.environ) as name:
        pass
    with pytest.raises(OSError):
        Born(name, tmp_path / "payload.json", tmp_path / "log.txt", os.environ)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_others_are_not_served(name, tmp_path):
    pid = os.fork()
    if pid == 0:
        os.setuid(65534)
        try:
            Born(name, tmp_path / "payload.json", tmp_path / "log.txt", os.environ)
        except OSError:
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_without_it_jobs_are_started_afresh(tmp_path):
    run = start(tmp_path, *sweep(tmp_path, "planted,noise", "--jobs", 2, cluster="local"))

    def nurseries():
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        return [pid for pid in children if b"bench.nursery" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    os.kill(int(wait_until(nurseries, 60, "there is one")[0]), signal.SIGKILL)
    output, _ = run.communicate(timeout=300)
    assert run.returncode == 0, output
    assert [record["status"] for record in records(tmp_path).values()] == ["ok"] * 4
