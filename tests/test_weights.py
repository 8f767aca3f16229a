"""Trained models that come along: served by key, verified, refused when tampered with, trained anew on request."""

import dataclasses
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from bench.config import load_profile
from bench.errors import BadInput
from bench.main_job import Execution, run_benchmark
from bench.plan import Settings, make_cells, states
from bench.registry import Registry
from bench.store import Store
from bench.weights import check_files, check_scores, ship

METHODS, TASKS = ("pca", "beta_vae"), ("identity", "face_attributes")


def settings_for(folder: Path, name: str, layers: tuple[Path, ...]) -> Settings:
    registry = Registry()
    profile = load_profile("smoke", (), registry)
    return Settings(registry, profile, folder / name, folder / "cache", None, layers=layers)


def run(settings: Settings, cells) -> dict:
    how = Execution("debug", 1, "method", None, False, False, False, "test")
    run_benchmark(Console(quiet=True), settings, cells, how)
    return {record["key"]: record for record in Store(settings.out).records()}


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """(folder, cells): models trained, shipped to <folder>/reference/artefacts, and evaluated from there."""
    folder = tmp_path_factory.mktemp("weights")
    weights = folder / "reference" / "artefacts"
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr("bench.weights.WORTH_SHIPPING", 0.0)  # models of the smoke profile
    trained = settings_for(folder, "trained", ())
    cells = make_cells(METHODS, TASKS, (0,), trained)
    assert all(record["fit_from"] in ("trained", "found") for record in run(trained, cells).values())
    assert 0 < ship(Store(trained.out), weights) < 10e6
    records = run(settings_for(folder, "served", (weights,)), cells)
    assert len(records) == 4 and all(record["fit_from"] == "shipped" for record in records.values())
    shutil.copytree(folder / "served" / "records", weights.parent / "records")
    monkeypatch.undo()
    return folder, cells


def test_half_precision_is_half_the_size_and_scores_the_same(shipped):
    folder, cells = shipped
    for cell in cells:
        size = {name: (folder / name / cell.artefact / "model.safetensors").stat().st_size for name in
                ("trained/artefacts", "reference/artefacts")}  # fmt: skip
        assert size["reference/artefacts"] < 0.6 * size["trained/artefacts"]
        before, after = (Store(folder / name).record(cell.key) for name in ("trained", "served"))
        assert after["scores"][0]["value"] == pytest.approx(before["scores"][0]["value"], abs=0.05)


def test_what_was_shipped_passes_verification(shipped):
    folder, _ = shipped
    weights = folder / "reference" / "artefacts"
    assert [check.ok for check in check_files(weights)] == [True, True]
    again = settings_for(folder, "verified", (weights,))
    checks = list(check_scores(again, Console(quiet=True), weights))
    assert len(checks) == 2 and all(check.ok for check in checks), checks


def test_another_score_than_the_shipped_one_does_not_pass(shipped, tmp_path):
    import json

    folder, _ = shipped
    shutil.copytree(folder / "reference", tmp_path / "reference")
    for path in (tmp_path / "reference" / "records").glob("*.json"):
        record = json.loads(path.read_text())
        for score in record["scores"]:
            score["value"] -= 0.01
        path.write_text(json.dumps(record))
    weights = tmp_path / "reference" / "artefacts"
    settings = dataclasses.replace(settings_for(folder, "", (weights,)), out=tmp_path / "verified")
    assert not any(check.ok for check in check_scores(settings, Console(quiet=True), weights))


def test_a_model_without_a_record_or_with_another_key_than_todays_does_not_pass(shipped, tmp_path):
    folder, cells = shipped
    shutil.copytree(folder / "reference", tmp_path / "reference")
    weights = tmp_path / "reference" / "artefacts"
    for cell in cells:
        if cell.method.name == "pca":
            (tmp_path / "reference" / "records" / f"{cell.key}.json").unlink()
    settings = settings_for(tmp_path, "verified", (weights,))
    other = dataclasses.replace(settings, profile=dataclasses.replace(settings.profile, image_size=16))
    checks = list(check_scores(other, Console(quiet=True), weights))
    assert [check.ok for check in checks] == [False, False]
    assert sorted(check.line.split(": ")[1].split()[0] for check in checks) == ["no", "today's"]


def test_a_tampered_file_is_refused_and_trained_anew_only_on_request(shipped, tmp_path):
    folder, cells = shipped
    shutil.copytree(folder / "reference", tmp_path / "reference")
    weights = tmp_path / "reference" / "artefacts"
    file = weights / cells[0].artefact / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert [check.ok for check in check_files(weights)].count(False) == 1

    refused = dataclasses.replace(settings_for(folder, "", (weights,)), out=tmp_path / "out")
    records = run(refused, cells[:1])
    assert [record["status"] for record in records.values()] == ["failed"]
    assert "is not the one its manifest describes" in records[cells[0].key]["reason"]

    trained = run(dataclasses.replace(refused, layers=()), cells[:1])
    assert trained[cells[0].key]["fit_from"] == "trained"


def test_from_scratch_makes_results_of_shipped_models_stale(shipped):
    folder, cells = shipped
    out = folder / "served"
    assert set(states(cells, Store(out, (folder,))).values()) == {"ok"}
    assert set(states(cells, Store(out)).values()) == {"stale"}


def test_what_trains_in_a_moment_is_not_shipped(shipped, tmp_path, monkeypatch):
    folder, _ = shipped
    monkeypatch.setattr("bench.weights.WORTH_SHIPPING", 3600.0)
    assert ship(Store(folder / "trained"), tmp_path / "artefacts") == 0
    monkeypatch.setattr("bench.weights.MANY_STEPS", 1)  # parts taken over from another method cost steps, no seconds
    assert ship(Store(folder / "trained"), tmp_path / "artefacts") > 0


def test_files_too_large_for_a_repository_are_refused(shipped, tmp_path, monkeypatch):
    folder, _ = shipped
    monkeypatch.setattr("bench.weights.WORTH_SHIPPING", 0.0)
    monkeypatch.setattr("bench.weights.LARGEST", 1000)
    with pytest.raises(BadInput, match="more than"):
        ship(Store(folder / "trained"), tmp_path / "artefacts")
