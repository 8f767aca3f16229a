"""The committed reference run: its tables follow from its records, and the README shows them."""

import shutil
from pathlib import Path

import pytest

from bench.report import formats, paper
from bench.report.collect import collect
from bench.report.comparison import Comparisons
from bench.store import Store

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "results" / "reference"
README = (ROOT / "README.md").read_text(encoding="utf-8")


def rebuilt(committed, folder):
    """The tables of a committed run, made again in `folder` from its records."""
    shutil.copytree(committed / "records", folder / "records")
    shutil.copy(committed / "plan.json", folder)
    results = collect(Store(folder))
    comparisons = Comparisons(results)
    for table in [*paper.result_tables(comparisons), *paper.paper_tables(comparisons)]:
        formats.write_table(table, folder / "tables", results.footnote())
    return folder / "tables"


@pytest.mark.parametrize("run", [REFERENCE, REFERENCE / "loocc"], ids=lambda path: path.name)
def test_committed_tables_follow_from_the_committed_records(run, tmp_path):
    committed = sorted((run / "tables").iterdir())
    assert committed
    again = rebuilt(run, tmp_path)
    for path in committed:
        assert path.read_text(encoding="utf-8") == (again / path.name).read_text(encoding="utf-8"), path.name


@pytest.mark.parametrize("name", ["linear.md", "ood.md"])
def test_the_readme_shows_the_reference_tables(name):
    rows = [line for line in (REFERENCE / "tables" / name).read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    assert len(rows) > 10 and "\n".join(rows) in README


def test_the_readme_names_the_command_and_shows_pictures_that_are_there():
    import re

    links = re.findall(r"\]\((results/reference/[^)#]+)(?:#([^)]+))?\)", README)
    assert len([path for path, _ in links if path.endswith(".png")]) >= 2
    assert all((ROOT / path).exists() for path, _ in links)
    for path, anchor in links:
        headings = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(), re.M) if anchor else []
        assert not anchor or anchor in {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}
    assert "python -m bench run --methods all --tasks all" in README


def test_the_default_run_finds_every_trained_model_that_comes_along(tmp_path):
    """The keys of profile `reference` are those of the shipped models: its settings and generators are unchanged."""
    from bench.config import load_profile
    from bench.plan import Settings, make_cells
    from bench.registry import Registry
    from bench.store import SHIPPED
    from bench.weights import check_files

    registry = Registry(())
    settings = Settings(registry, load_profile("reference", (), registry), tmp_path, tmp_path, None, None, (SHIPPED,))
    shipped = {path.name for path in SHIPPED.iterdir()}
    cells = make_cells(("all",), ("all",), settings.profile.seeds, settings)
    assert shipped <= {cell.artefact for cell in cells}
    records = [Store(REFERENCE).record(cell.key) for cell in cells]
    assert {record["artefact"] for record in records if record["fit_from"] == "shipped"} == shipped
    assert all(check.ok for check in check_files(SHIPPED))
