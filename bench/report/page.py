"""One HTML page that holds everything: no network, no other file. All text from records is escaped."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.report import compare, formats
from bench.report.claims import Claim
from bench.report.collect import Cell, Results
from bench.report.diagrams import picture_folders
from bench.report.figures import FIGURES, Plot
from bench.report.tables import Table
from bench.store import read_json

POINTS = 60  # of a learning curve
PICTURE_BYTES = 3_000_000  # of all reconstruction pictures together
LOG_LINES = 30  # of a failed cell's log
KINDS = {
    "bars": "Main scores",
    "ranks": "Mean ranks and critical differences",
    "cost": "Score against training cost",
    "curve": "Out-of-range and few-label curves",
    "leakage": "Leakage between blocks and factors",
    "dots": "By attribute or class",
    "confusion": "Confusion matrices",
    "reconstructions": "Reconstructions",
}


@dataclass(frozen=True)
class Content:
    """What goes on the page."""

    results: Results
    overview: list[Table]
    tables: list[Table]
    claims: list[Claim]
    plots: list[Plot]
    compared_with: str = ""
    changes: list[compare.Change] = field(default_factory=list)


def render(content: Content) -> str:
    """The page as HTML."""
    import jinja2

    results = content.results
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bench", "report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    figures = {title: [p for p in content.plots if p.name.startswith(f"{kind}_")] for kind, title in KINDS.items()}
    return environment.get_template("page.html.jinja").render(
        counts=_counts(results),
        problems=_problems(results),
        footnote=results.footnote(),
        claims=content.claims,
        overview=[_html(table) for table in content.overview],
        tables=[(table.title, _html(table)) for table in content.tables],
        rows=_rows(content.overview, results),
        figures={
            title: [(p.name, p.caption, _embedded(p.png)) for p in plots] for title, plots in figures.items() if plots
        },
        pictures=_pictures(results),
        compared_with=content.compared_with,
        changes=[change for change in content.changes if change.kind != "within"],
        unchanged=sum(change.kind == "within" for change in content.changes),
        most=FIGURES,
        show=compare,
        data=_script_json(_data(results)),
    )


def _html(table: Table) -> str:
    import markupsafe

    return markupsafe.Markup(formats.html_table(table, []))  # escapes every text itself


def _counts(results: Results) -> dict[str, int]:
    counts = Counter(cell.status for cell in results.cells)
    return {status: counts[status] for status in ("failed", "pending", "skipped", "ok") if counts[status]}


def _problems(results: Results) -> list[tuple[str, str, str, list[str]]]:
    """Status, method, reason and where: every reason once; failures first."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for status in ("failed", "pending", "skipped"):
        for cell in results.cells:
            if cell.status == status:
                found.setdefault((status, cell.method, cell.reason), []).append(f"{cell.task}, seed {cell.seed}")
    return [(*key, where) for key, where in found.items()]


def _rows(overview: Sequence[Table], results: Results) -> list[dict[str, Any]]:
    """One row of the big table for every method x task."""
    rows, ids = [], _ids(results)
    for table in overview:
        for (i, j), entry in sorted(table.entries.items()):
            row, column = table.rows[i], table.columns[j]
            cells = results.grid.get((row.label, column.task))
            if not cells:
                continue
            about = results.tasks[column.task]
            rows.append(
                {
                    "id": ids[row.label, column.task],
                    "method": row.label,
                    "family": row.family or "unknown",
                    "domain": about.get("domain", "unknown"),
                    "task": column.task,
                    "data": next((c.record["dataset"]["label"] for c in cells if c.record), ""),
                    "score": column.score,
                    "shown": formats.shown(entry, column),
                    "sort": column.shown(entry.value) if entry.value is not None else None,
                    "entry": entry,
                }
            )
    return rows


def _ids(results: Results) -> dict[tuple[str, str], str]:
    """(method, task) -> the name under which the page keeps its records."""
    methods, tasks = ({name: i for i, name in enumerate(names)} for names in (results.methods, results.tasks))
    return {(method, task): f"{methods[method]}-{tasks[task]}" for method, task in results.grid}


# ---------------------------------------------------------------------------------------------------------- pictures


@dataclass(frozen=True)
class Embedded:
    """An image as a data URI."""

    uri: str
    width: int
    height: int


def _embedded(path: Path, photograph: bool = False) -> Embedded:
    """A chart in 64 colours (a third of the size, and no visible difference), or a photograph as JPEG."""
    from PIL import Image

    stream = io.BytesIO()
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    if photograph:
        image.save(stream, "JPEG", quality=88)
    else:
        few = image.quantize(64, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        few.save(stream, "PNG")
    kind = "jpeg" if photograph else "png"
    return Embedded(f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}", *image.size)


def _pictures(results: Results) -> list[tuple[str, str, list[tuple[str, Embedded]]]]:
    """Domain, method, and named strips of what its first seed's model sees; as many as fit `PICTURE_BYTES`."""
    found = []
    left = PICTURE_BYTES
    for domain in dict.fromkeys(about.get("domain", "") for about in results.tasks.values()):
        for method, folder in picture_folders(results, domain).items():
            strips = []
            order = {"input": 0, "reconstruction": 1}
            for path in sorted(folder.glob("*.png"), key=lambda p: (order.get(p.stem, 2), p.stem)):
                image = _embedded(path, photograph=True)
                left -= len(image.uri)
                if left >= 0:
                    strips.append((path.stem.replace("_", " "), image))
            if strips:
                found.append((domain, method, strips))
    return found


# -------------------------------------------------------------------------------------------------------------- data


def _data(results: Results) -> dict[str, Any]:
    """Every record in a compact form for the drill-down: what many records share stands once, in "shared"."""
    shared: dict[str, int] = {}
    names: dict[str, int] = {}

    def index(table: dict[str, int], content: Any) -> int:
        return table.setdefault(json.dumps(content, sort_keys=True), len(table))

    cells: dict[str, list[dict[str, Any]]] = {}
    ids = _ids(results)
    for cell in results.cells:
        record = cell.record
        item: dict[str, Any] = {"key": cell.key, "seed": cell.seed, "status": cell.status, "reason": cell.reason}
        if record:
            item["shared"] = {part: index(shared, record[part]) for part in _SHARED if record.get(part)}
            item["facts"] = {name: record[name] for name in _PLAIN if record.get(name) not in (None, "", {})}
            item["scores"] = [
                [
                    index(names, score["name"]),
                    *(_short(score[x]) for x in ("value", "low", "high", "chance")),
                    score["n"],
                ]
                for score in cell.scores.values()
            ]
        if cell.status == "failed":
            item["log"] = _log(results, cell)
        cells.setdefault(ids[cell.method, cell.task], []).append(item)
    artefacts = {cell.record["artefact"] for cell in results.cells if cell.record.get("artefact")}
    return {
        "cells": cells,
        "methods": list(results.methods),
        "tasks": list(results.tasks),
        "names": [json.loads(name) for name in names],
        "shared": [json.loads(content) for content in shared],
        "curves": {key: curves for key in sorted(artefacts) if (curves := _curves(results, key))},
    }


_SHARED = ("method", "task", "dataset", "pretrain", "versions", "git", "facts")
_PLAIN = (
    "profile", "image_size", "threads", "seconds", "fit_from", "evaluation_facts", "parameters", "feature_dim",
    "peak_memory_mb", "device", "source", "time", "artefact",
)  # fmt: skip


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _curves(results: Results, artefact: str) -> dict[str, list[list[float | None]]]:
    """Learning curves, at most `POINTS` points each."""
    folder = results.store.find_artefact(artefact)
    curves = (read_json(folder / "curves.json") if folder else None) or {}
    thinned = {name: points[:: -(-len(points) // POINTS)] for name, points in curves.items() if points}
    return {name: [[step, _short(value)] for step, value in points] for name, points in thinned.items()}


def _log(results: Results, cell: Cell) -> str:
    """The traceback and the end of the job's log."""
    path = results.store.out / "jobs" / str(cell.record.get("artefact", "")) / "log.txt"
    lines = path.read_text(errors="replace").splitlines()[-LOG_LINES:] if path.is_file() else []
    return "\n".join([cell.record.get("traceback", "")[-4000:], *lines])[-8000:]


def _script_json(data: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    import markupsafe

    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c").replace("\u2028", "\\u2028")
    return markupsafe.Markup(text)
