"""What jobs ask for on a cluster: merged from a file's general settings, its settings of a method, the command line."""

import pytest

from bench.config import load_profile
from bench.errors import UsageError
from bench.registry import Registry
from bench.resources import load_slurm


@pytest.fixture(scope="module")
def registry():
    return Registry()


@pytest.fixture
def written(tmp_path):
    """Writes a file of settings; its path."""

    def write(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return str(path)

    return write


def test_later_settings_win(written, registry):
    path = written("{time: 60, memory: 4, grouping: cell, jobs: 3, methods: {pdr: {time: 600, gpus: 1, setup: a}}}")
    settings = load_slurm(path, ["memory=5", "pdr.memory=32", "pca.gpus=2", "partition=fast"], None, registry)
    asked = {method: settings.of(method) for method in ("pdr", "pca", "pixels")}
    assert [r.time for r in asked.values()] == [600, 60, 60]
    assert [r.memory for r in asked.values()] == [32, 5, 5]
    assert [r.gpus for r in asked.values()] == [1, 2, 0]
    assert {r.partition for r in asked.values()} == {"fast"}
    assert asked["pdr"].setup == ("a",) and asked["pca"].setup == ()
    assert (settings.grouping, settings.jobs) == ("cell", 3)
    assert load_slurm(path, [], 7, registry).jobs == 7, "--jobs wins"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- time", "expected settings"),
        ("methods: [pca]", "expected names with settings"),
        ("methods: {pca: 3}", "expected names with settings"),
        ("methods: {pcaa: {time: 3}}", "did you mean pca"),
        ("methods: {pca: {tme: 3}}", "did you mean time"),
        ("time: 0", "time=0: too small"),
        ("memory: 0", "memory=0.0: too small"),
        ("jobs: 0", "jobs=0: too small"),
        ("setup: {module: cuda}", "a list of shell lines"),
        ("a: b: c", "mapping values"),
    ],
)
def test_what_cannot_be_meant_is_one_line(written, registry, text, message):
    with pytest.raises(UsageError, match=message) as caught:
        load_slurm(written(text), [], None, registry)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["- image_size", "methods: [pca]", "tasks: {identity: 3}"])
def test_a_profile_that_is_none_is_one_line(written, registry, text):
    with pytest.raises(UsageError, match=r"mine\.yaml.*expected"):
        load_profile(written(text), [], registry)
