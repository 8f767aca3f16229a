"""Every record as one tidy table, a row a score, for people's own notebooks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import Unavailable, UsageError
from bench.report.collect import Cell, collect
from bench.store import Store

if TYPE_CHECKING:
    import pandas as pd

_PLAIN = (
    "profile",
    "image_size",
    "fit_from",
    "parameters",
    "feature_dim",
    "peak_memory_mb",
    "device",
    "source",
    "time",
)


def tidy(store: Store) -> pd.DataFrame:
    """A row for each score of each cell; cells without any (failed, skipped, pending) have one row, `score` empty."""
    import pandas as pd

    rows = []
    for cell in collect(store).cells:
        described = _describe(cell)
        rows += [{**described, "score": None}] if not cell.scores else []
        rows += [{**described, "score": score["name"], **_without_name(score)} for score in cell.scores.values()]
    return pd.DataFrame(rows)


def export(store: Store, path: Path) -> int:
    """Write `tidy` as .csv or .parquet, by the file's ending; returns the number of rows.

    Raises `UsageError` for any other ending and `Unavailable` where Parquet is asked for and pyarrow is not installed.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise UsageError(f"{path}: the file's name must end in .csv or .parquet")
    table = tidy(store)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
        return len(table)
    try:
        table.to_parquet(path, index=False)
    except ImportError:
        raise Unavailable("Parquet needs pyarrow (pip install pyarrow), or export to a .csv file") from None
    return len(table)


def _describe(cell: Cell) -> dict[str, Any]:
    record = cell.record
    method, task, dataset = (record.get(name, {}) for name in ("method", "task", "dataset"))
    return {
        "key": cell.key,
        "status": cell.status,
        "reason": cell.reason,
        "method": cell.method,
        "method_name": method.get("name"),
        "method_settings": json.dumps(method.get("settings", {}), sort_keys=True),
        "family": method.get("family"),
        "supervised": method.get("supervised"),
        "task": cell.task,
        "task_name": task.get("name"),
        "task_settings": json.dumps(task.get("settings", {}), sort_keys=True),
        "protocol": task.get("settings", {}).get("protocol"),
        "domain": task.get("domain"),
        "dataset": dataset.get("label"),
        "dataset_fingerprint": dataset.get("fingerprint"),
        "embedded": dataset.get("embedded"),
        "pretrain": record.get("pretrain", {}).get("label"),
        "seed": cell.seed,
        **{name: record.get(name) for name in _PLAIN},
        **{f"seconds_{name}": record.get("seconds", {}).get(name) for name in ("fit", "encode", "evaluate")},
        "git_commit": record.get("git", {}).get("commit"),
        "git_dirty": record.get("git", {}).get("dirty"),
    }


def _without_name(score: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in score.items() if name != "name"}
