"""Two runs compared, and records exported: known changes are found, and nothing else."""

import numpy as np
import pandas as pd
import pytest
from records import cell_key, fake_run, record, score, write_run

from bench.errors import UsageError
from bench.report.collect import collect
from bench.report.compare import compare_runs
from bench.report.export import export, tidy

N = 400


def run_of(out, right, **statuses):
    """A run of one task whose methods got the first `right[method]` of N examples right."""
    records, outcomes = [], {}
    for method, count in right.items():
        status = statuses.get(method, "ok")
        records.append(record(method, "emotion", 0, [score("accuracy", count / N, main=True, n=N)], status=status))
        if status == "ok":
            main = (np.arange(N) < count).astype(float)
            outcomes[cell_key(method, "emotion", 0)] = {"example": np.arange(N), "group": np.arange(N), "main": main}
    return write_run(out, records, outcomes)


def test_what_changed_beyond_its_interval(tmp_path):
    a = run_of(tmp_path / "a", {"pdr": 300, "beta_vae": 300, "vq_vae": 300, "pca": 200})
    b = run_of(tmp_path / "b", {"pdr": 360, "beta_vae": 240, "vq_vae": 300, "pca": 0, "supervised": 390}, pca="failed")
    changes = compare_runs(collect(a), collect(b))
    assert [(change.method, change.kind) for change in changes] == [
        ("pca", "broken in B"),
        ("beta_vae", "worse"),
        ("pdr", "better"),
        ("supervised", "only in B"),
        ("vq_vae", "within"),
    ]
    assert changes[2].difference.value == pytest.approx(0.15)
    assert changes[2].difference.paired


def test_a_run_does_not_differ_from_itself(tmp_path):
    results = collect(fake_run(tmp_path, ["pdr", "pca"], ["emotion", "face_attributes"], 2))
    assert {change.kind for change in compare_runs(results, results)} == {"within"}


def test_tidy_table_has_every_score_and_every_failure(tmp_path):
    store = write_run(
        tmp_path,
        [
            record("pdr", "emotion", 0, [score("accuracy", 0.8, main=True), score("recall:fear", 0.5)]),
            record("pca", "emotion", 0, status="failed", reason="killed"),
        ],
        pending=[("pca", "emotion", 1)],
    )
    table = tidy(store)
    assert list(zip(table.method, table.status, table.score.fillna(""), strict=True)) == [
        ("pdr", "ok", "accuracy"),
        ("pdr", "ok", "recall:fear"),
        ("pca", "failed", ""),
        ("pca", "pending", ""),
    ]
    assert export(store, tmp_path / "all.csv") == 4
    again = pd.read_csv(tmp_path / "all.csv")
    assert again.value.tolist()[:2] == [0.8, 0.5]
    assert again.reason[2] == "killed"
    with pytest.raises(UsageError, match=r"\.csv or \.parquet"):
        export(store, tmp_path / "all.xls")


def test_parquet_says_the_same_as_the_table(tmp_path):
    pytest.importorskip("pyarrow")
    store = fake_run(tmp_path, ["pdr", "pca"], ["emotion", "ood_lighting"], 2)
    assert export(store, tmp_path / "all.parquet") == len(tidy(store))
    again = pd.read_parquet(tmp_path / "all.parquet")
    assert again.key.tolist() == tidy(store).key.tolist()
    assert again.value.tolist() == tidy(store).value.tolist()
