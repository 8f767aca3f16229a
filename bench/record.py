"""The part of a record that is the same whatever became of the cell."""

from __future__ import annotations

from typing import Any


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
