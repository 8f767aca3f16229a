"""`check` finds what is missing and broken before any training, `prepare` fills the cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from pictures import picture, place, text

import bench.data
from bench.api import Source
from bench.data import SOURCES
from bench.data.att_orl import AttOrl
from bench.data.check import check, prepare
from bench.data.image_folder import ImageFolder
from bench.registry import Registry

SHARED = Path(__file__).parents[2] / "shared" / "data"


def people(root: Path) -> Path:
    for person in range(1, 4):
        for number in range(1, 11):
            picture(root / "att_orl" / f"s{person}" / f"{number}.pgm", 20 * number, (92, 112))
    return root / "att_orl"


def test_check_tells_what_is_there_and_what_is_not(tmp_path):
    root = people(tmp_path)
    whole = (root / "s1" / "1.pgm").read_bytes()
    (root / "s1" / "1.pgm").write_bytes(whole[:500])
    (root / "s2" / "3.pgm").unlink()
    text(root / "s2" / "Thumbs.db", "x")
    calls = []
    report = check(AttOrl(), place(tmp_path, tmp_path, progress=lambda *call: calls.append(call)))
    assert not report.problem and (report.pictures, report.readable) == (29, 28)
    assert [file for file, _ in report.unreadable] == ["s1/1.pgm"]
    assert report.missing[0] == "s2/3.pgm" and len(report.missing) == 371
    assert report.others == {".db": 1} and calls[-1] == (29, 29, "opening att_orl")
    assert "identity: s1 9, s2 9, s3 10" in report.labels
    assert "identity: train 13, val 3, test 12" in report.splits
    assert not (tmp_path / "cache").exists()
    lines = report.text().splitlines()
    assert lines[0] == "att_orl: can be used" and all(len(line) < 200 for line in lines)
    prepare(AttOrl(), place(tmp_path, tmp_path))
    assert check(AttOrl(), place(tmp_path, tmp_path)).unreadable == report.unreadable


def test_check_says_in_one_line_why_a_set_cannot_be_used(tmp_path):
    absent = check(AttOrl(), place(tmp_path, tmp_path / "nowhere"))
    assert absent.text().count("\n") == 0 and "--data-root" in absent.text()
    picture(tmp_path / "image_folder" / "a" / "1.png")
    little = check(ImageFolder(), place(tmp_path, tmp_path))
    assert "leave none for val and test" in little.problem and little.readable == 1


def test_prepare_decodes_once(tmp_path):
    people(tmp_path)
    calls = []
    shown = place(tmp_path, tmp_path, progress=lambda *call: calls.append(call))
    assert prepare(AttOrl(), shown).startswith("att_orl: 30 pictures of 16 x 16 pixels lie in ")
    assert calls
    calls.clear()
    prepare(AttOrl(), shown)
    assert not calls


def test_embedded_data_need_no_check(tmp_path):
    @dataclass(frozen=True)
    class Rendered(Source):
        pass

    assert "nothing to check" in check(Rendered(), place(tmp_path, None)).text()


@pytest.mark.skipif(not (SHARED / "att_orl").is_dir(), reason="no shared/data beside the project")
def test_check_of_photographs(tmp_path):
    report = check(AttOrl(), place(tmp_path, SHARED))
    assert not report.problem and report.readable == 390 and report.missing[:1] == ["s1/1.pgm"]


REAL = [name for name, target in SOURCES.items() if ".synthetic." not in target]


@pytest.mark.parametrize("name", REAL)
def test_every_real_set_says_where_it_is_looked_for(tmp_path, name):
    registry = Registry()
    source = registry.make("dataset", name, registry.parse("dataset", name, {}).values)
    problem = check(source, place(tmp_path, tmp_path)).problem
    assert source.folder in problem and "--data-root" in problem and "\n" not in problem
    assert f"`{name}`" in (Path(bench.data.__file__).parent / "DATASETS.md").read_text()
