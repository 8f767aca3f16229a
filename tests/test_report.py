"""The result tables: known winners, ties and incomplete rows give exactly the expected bold, marks and ranks."""

from pathlib import Path

from records import record, score, write_run
from rich.console import Console

from bench import report
from bench.report import formats, paper
from bench.report.collect import collect
from bench.report.comparison import Comparisons


def accuracy(value, **more):
    return [score("accuracy", value, main=True, chance=0.1, **more)]


def small_run(out: Path):
    """a: pdr best, vq_vae and beta_vae tied at the precision shown; b: beta_vae best, vq_vae failed, pca is running."""
    values = {"pdr": (0.9, 0.6), "beta_vae": (0.80004, 0.7), "vq_vae": (0.8, None), "pca": (0.3, None)}
    records = []
    for method, (a, b) in values.items():
        records.append(record(method, "identity", 0, accuracy(a)))
        if b is not None:
            records.append(record(method, "emotion", 0, accuracy(b)))
    records.append(record("vq_vae", "emotion", 0, status="failed", reason="loss became nan at step 3"))
    return write_run(out, records, pending=[("pca", "emotion", 0)])


def test_known_winner_tie_and_incomplete_rows(tmp_path):
    (table,) = paper.result_tables(Comparisons(collect(small_run(tmp_path))))
    assert [row.label for row in table.rows] == ["pdr", "beta_vae", "vq_vae", "pca"]
    assert [[table.entry(i, j).rank for j in range(2)] for i in range(4)] == [[1, 2], [2, 1], [2, None], [4, None]]
    assert [row.mean_rank for row in table.rows] == [1.5, 1.5, None, None]
    lines = formats.markdown(table, []).splitlines()
    assert lines[4] == "| pdr | **90.0**\\* [88.0, 92.0] | <u>60.0</u>† [58.0, 62.0] | 1.50 |"
    assert lines[6] == "| vq\\_vae | <u>80.0</u> [78.0, 82.0] | failed | - |"
    assert lines[7] == "| pca | 30.0† [28.0, 32.0] | pending | - |"
    assert "- vq\\_vae on emotion: failed: loss became nan at step 3" in lines


def test_terminal_names_every_failure(tmp_path):
    console = Console(width=120, record=True)
    assert report.print_summary(console, small_run(tmp_path)) == 2
    text = console.export_text()
    assert "failed vq_vae on emotion (seed 0): loss became nan at step 3" in text
    assert "pending pca on emotion" in text


def test_partial_seeds_are_shown_but_not_ranked(tmp_path):
    records = [record("pdr", "identity", seed, accuracy(0.9)) for seed in (0, 1)] + [
        record("pca", "identity", seed, accuracy(0.5)) for seed in (0, 1, 2)
    ]
    store = write_run(tmp_path, records, pending=[("pdr", "identity", 2)])
    (table,) = paper.result_tables(Comparisons(collect(store)))
    assert (table.entry(0, 0).state, table.entry(0, 0).rank, table.entry(0, 0).flag) == (
        "partial",
        None,
        "2 of 3 seeds",
    )
    assert table.entry(1, 0).rank == 1


def test_written_files(tmp_path):
    store = small_run(tmp_path / "run")
    page = report.write_report(store, tmp_path / "report")
    written = [path for path in page.parent.rglob("*") if path.is_file()]
    assert {path.suffix for path in written} == {".md", ".csv", ".tex", ".html", ".png", ".pdf"}
    first = {path: path.read_bytes() for path in written}
    report.write_report(store, tmp_path / "report")
    assert first == {path: path.read_bytes() for path in written}, "same records, same bytes"
