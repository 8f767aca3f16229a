"""The result tables: known winners, ties and incomplete rows give exactly the expected bold, marks and ranks."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from records import record, score, write_run
from rich.console import Console

from bench import report
from bench.report import formats, paper
from bench.report.collect import collect
from bench.report.comparison import Comparisons
from bench.store import Store


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
    assert "Each cell: 2 or 3 seeds" in formats.notes_of(table)


def test_seeds_are_averaged_and_their_number_and_spread_are_in_the_table(tmp_path):
    """Three seeds of 0.70, 0.72 and 0.74 without intervals of their own: Student's t, 2 degrees of freedom."""
    records = [
        record(method, "identity", seed, accuracy(value + 0.02 * seed, half=None))
        for method, value in (("pdr", 0.70), ("pca", 0.95))
        for seed in (0, 1, 2)
    ]
    (table,) = paper.result_tables(Comparisons(collect(write_run(tmp_path, records))))
    entry, half = table.entry(0, 0), 4.302653 * 0.02 / 3**0.5
    assert (entry.value, entry.low, entry.high) == pytest.approx((0.72, 0.72 - half, 0.72 + half))
    assert (entry.state, entry.seeds, entry.planned) == ("complete", 3, 3)
    assert formats.markdown(table, []).splitlines()[4] == "| pdr | <u>72.0</u> [67.0, 77.0] | 2.00 |"
    assert formats.markdown(table, []).splitlines()[5] == "| pca | **97.0** [92.0, 100.0] | 1.00 |", "no more than all"
    assert "Each cell: 3 seeds" in formats.notes_of(table)


def test_written_files(tmp_path):
    store = small_run(tmp_path / "run")
    page = report.write_report(store, tmp_path / "report")
    written = [path for path in page.parent.rglob("*") if path.is_file()]
    assert {path.suffix for path in written} == {".md", ".csv", ".tex", ".html", ".png", ".pdf", ".txt"}
    first = {path: path.read_bytes() for path in written}
    report.write_report(store, tmp_path / "report")
    assert first == {path: path.read_bytes() for path in written}, "same records, same bytes"


def test_wide_latex_tables_go_on_below(tmp_path):
    tasks = [f"emotion[p={k}]" for k in range(15)]
    store = write_run(tmp_path, [record("pdr", task, 0, accuracy(0.5 + k / 100)) for k, task in enumerate(tasks)])
    (table,) = paper.result_tables(Comparisons(collect(store)))
    text = formats.latex(table, [])
    assert re.findall(r"begin{tabular}{l(c+)}", text) == ["c" * 5, "c" * 5, "c" * 6], "15 tasks and the mean rank"
    assert text.count(r"\begin{table}") == 2, "two panels a page"
    assert [float(value) for value in re.findall(r"textbf{([0-9.]+)}", text)] == [50.0 + k for k in range(15)]


HOSTILE = "50 % of \\x_y & {z} #1 ~^ <b> $x$ --mode 'a' \"b\" [c] | é\n2"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine")
def test_latex_compiles_whatever_records_say(tmp_path):
    store = write_run(
        tmp_path,
        [
            record("pdr", "identity", 0, accuracy(0.9)),
            record("beta_vae", "identity", 0, accuracy(0.5)),
            record("pca", "identity", 0, status="failed", reason=HOSTILE),
        ],
    )
    results = collect(store)
    (table,) = paper.result_tables(Comparisons(results))
    formats.write_table(table, tmp_path, [*results.footnote(), HOSTILE])
    packages = r"\documentclass{article}\usepackage{booktabs,graphicx}"
    (tmp_path / "main.tex").write_text(rf"{packages}\begin{{document}}\input{{{table.name}}}\end{{document}}")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout


def test_a_ceiling_is_shown_but_not_ranked(tmp_path):
    store = write_run(
        tmp_path,
        [record(method, "identity", 0, accuracy(value)) for method, value in (("pdr", 0.6), ("supervised", 0.9))],
    )
    (table,) = paper.result_tables(Comparisons(collect(store)))
    assert [(row.label, row.ceiling, row.mean_rank) for row in table.rows] == [
        ("pdr", False, 1.0),
        ("supervised", True, None),
    ]
    assert "Fitted on the task's own labels, shown as a ceiling and not ranked: supervised" in formats.notes_of(table)


def test_lower_is_better(tmp_path):
    errors = (("pdr", 1.5), ("pca", 3.25))
    scores = {method: [score("side", value, main=True, higher=False)] for method, value in errors}
    store = write_run(tmp_path, [record(method, "depth", 0, its) for method, its in scores.items()])
    (table,) = paper.result_tables(Comparisons(collect(store)))
    assert [(table.entry(i, 0).rank, formats.body(table)[i][1][0].text) for i in range(2)] == [(1, "1.5"), (2, "3.25")]
    assert formats.heading(table)[0] == ("depth", "side ↓")


def test_marks_are_paired_and_corrected(tmp_path):
    """60 of 400 examples differ between pdr and beta_vae, all in pdr's favour: significant though intervals overlap."""
    n, outcomes, records = 400, {}, []
    for method, right in (("pdr", 260), ("beta_vae", 200), ("vq_vae", 198), ("pca", 199)):
        records.append(record(method, "identity", 0, accuracy(right / n, half=0.1, n=n)))
        main = (np.arange(n) < right).astype(float)
        outcomes[records[-1]["key"]] = {"example": np.arange(n), "group": np.arange(n), "main": main}
    (table,) = paper.result_tables(Comparisons(collect(write_run(tmp_path, records, outcomes))))
    assert table.columns[0].reference == "beta_vae"
    assert [table.entry(i, 0).mark for i in range(4)] == ["*", "", "", ""]


def test_ablation_and_detail_tables(tmp_path):
    scores = [*accuracy(0.8), score("nmi", 0.4), score("recall:fear", 0.1)]
    labels = ("pdr", "pdr[loocc=off]", "pdr[loocc=off,blocks=all]")
    store = write_run(tmp_path, [record(label, "emotion", 0, scores) for label in labels])
    tables = {table.name: table for table in paper.paper_tables(Comparisons(collect(store)))}
    assert set(tables) == {"ablation_pdr_loocc", "detail_emotion"}
    assert [row.label for row in tables["ablation_pdr_loocc"].rows] == ["pdr", "pdr[loocc=off]"]
    assert tables["ablation_pdr_loocc"].notes == ["pdr has loocc=both"]
    assert [column.score for column in tables["detail_emotion"].columns] == ["accuracy", "nmi"]


def test_records_outside_the_plan(tmp_path):
    """Another seed belongs to the run; another profile and a superseded record do not, and that is said."""
    store = write_run(tmp_path, [record("pdr", "emotion", 0, accuracy(0.8))])
    store.write_record(record("pdr", "emotion", 1, accuracy(0.7)))
    store.write_record(record("pdr", "emotion", 2, accuracy(0.1), profile="smoke"))
    store.write_record(record("pdr", "emotion", 0, accuracy(0.2), key="0123456789abcdef0123"))
    results = collect(store)
    assert [(cell.seed, cell.main["value"]) for cell in results.cells] == [(0, 0.8), (1, 0.7)]
    assert "1 records of another profile or image size are not shown" in results.notes
    assert "1 superseded records (same method, task and seed) are not shown" in results.notes


def test_an_empty_folder_is_no_error(tmp_path):
    assert report.print_summary(Console(record=True), Store(tmp_path)) == 0
    assert report.write_report(Store(tmp_path), tmp_path / "report").is_file()


def test_an_unchanged_run_is_known_to_be_reported(tmp_path):
    store = small_run(tmp_path / "run")
    assert not report.up_to_date(store, tmp_path / "report")
    report.write_report(store, tmp_path / "report")
    assert report.up_to_date(store, tmp_path / "report")
    store.write_record(record("pca", "emotion", 0, accuracy(0.3)))
    assert not report.up_to_date(store, tmp_path / "report")
