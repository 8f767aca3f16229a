"""The part of a record that is the same whatever became of the cell."""

from __future__ import annotations

from typing import Any

from bench.plan import state_of


def base_record(payload: dict[str, Any], cell: dict[str, Any]) -> dict[str, Any]:
    """What a record says whatever became of the cell."""
    return {
        "key": cell["key"],
        "attempt": payload["attempt"],
        "method": dict(payload["method"]),
        "task": dict(cell["task"]),
        "dataset": dict(cell["dataset"]),
        "pretrain": dict(payload["pretrain"]),
        "profile": payload["profile"],
        "image_size": payload["image_size"],
        "threads": payload["threads"],
        "seed": payload["seed"],
        "artefact": payload["artefact"],
        "source": cell["source"],
        "git": payload["git"],
        "scores": [],
    }


def is_settled(record: dict[str, Any] | None, cell: dict[str, Any], payload: dict[str, Any]) -> bool:
    """Whether nothing is left to do for a cell in this run: a current result is there, or a failure that is as new.

    A failure of an earlier run is tried again; one left since this run began, by itself or by another, counts.
    """
    if record is None:
        return False
    if record["status"] != "ok":
        return record.get("attempt") == payload["attempt"] or record["time"] > payload["started"]
    return state_of(record, cell["source"], payload["keep_stale"], bool(payload["layers"])) == "ok"
