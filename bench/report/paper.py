"""Which tables there are: the overview of every domain, the paper's tables, and one in detail for every task."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from bench.report.collect import Results
from bench.report.comparison import Comparisons
from bench.report.tables import Column, Table, build

DOMAINS = {"face": "faces", "car": "cars", "": "of unknown domain"}


def result_tables(comparisons: Comparisons) -> list[Table]:
    """One table a domain, in plan order: methods x tasks, each task by its main score."""
    results = comparisons.results
    tables = []
    for domain, called in DOMAINS.items():
        tasks = [task for task, about in results.tasks.items() if about.get("domain", "") == domain]
        if tasks:
            tables.append(_overview(comparisons, f"results_{domain or 'unknown'}", f"All tasks, {called}", tasks))
    return tables


def paper_tables(comparisons: Comparisons) -> list[Table]:
    """The paper's tables, as far as there are records for them: linear classification, clustering, segmentation,
    out-of-distribution light and view, cars; then every ablation, and every task with all its scores."""
    results = comparisons.results
    faces = {task: about for task, about in results.tasks.items() if about.get("domain") == "face"}
    by_protocol = {
        protocol: [task for task, about in faces.items() if about["settings"].get("protocol") == protocol]
        for protocol in ("linear", "clustering")
    }
    named = {
        name: [task for task, about in faces.items() if about["name"].startswith(name)] for name in ("face_seg", "ood_")
    }
    wanted = [
        ("linear", "Linear classification of frozen features, faces", by_protocol["linear"]),
        ("clustering", "Ward clustering of frozen features, faces", by_protocol["clustering"]),
        ("segmentation", "Face segmentation", named["face_seg"]),
        ("ood", "Light and viewpoint outside the range seen in training", named["ood_"]),
        ("cars", "Cars", [task for task, about in results.tasks.items() if about.get("domain") == "car"]),
    ]
    tables = [_overview(comparisons, name, title, tasks) for name, title, tasks in wanted if tasks]
    return tables + ablation_tables(comparisons) + [detail_table(comparisons, task) for task in results.tasks]


def detail_table(comparisons: Comparisons, task: str) -> Table:
    """All scores of one task, but for those per class or attribute ("recall:hair")."""
    results = comparisons.results
    names = dict.fromkeys(
        name for cell in results.cells if cell.task == task for name in cell.scores if ":" not in name
    )
    columns = [Column(name, task, name) for name in names]
    return build(f"detail_{slug(task)}", f"{task}, all scores", comparisons, columns, _methods(results, [task]), False)


def ablation_tables(comparisons: Comparisons) -> list[Table]:
    """For every setting by which variants of one method differ: those variants on every task."""
    results = comparisons.results
    variants: dict[str, list[str]] = {}
    for label, about in results.methods.items():
        if about:
            variants.setdefault(about["name"], []).append(label)
    tables = []
    for name, labels in variants.items():
        base = name if name in labels else labels[0]
        settings = {label: results.methods[label]["settings"] for label in labels}
        for key, value in settings[base].items():
            others = [label for label in labels if _differs_only_in(key, settings[base], settings[label])]
            if others:
                methods = [base, *others]
                tasks = [task for task in results.tasks if any((method, task) in results.grid for method in methods)]
                table = _overview(comparisons, f"ablation_{name}_{key}", f"{name}: effect of {key}", tasks, methods)
                tables.append(replace(table, notes=[f"{base} has {key}={value}"]))
    return tables


def slug(label: str) -> str:
    """A label as part of a file name."""
    return re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")


def _differs_only_in(key: str, a: dict[str, object], b: dict[str, object]) -> bool:
    return a.keys() == b.keys() and [name for name in a if a[name] != b[name]] == [key]


def _overview(
    comparisons: Comparisons, name: str, title: str, tasks: Sequence[str], methods: Sequence[str] | None = None
) -> Table:
    results = comparisons.results
    columns = [Column(task, task, results.main_scores[task]) for task in tasks]
    return build(name, title, comparisons, columns, methods or _methods(results, tasks))


def _methods(results: Results, tasks: Sequence[str]) -> list[str]:
    """The methods planned on any of these tasks."""
    return [method for method in results.methods if any((method, task) in results.grid for task in tasks)]
