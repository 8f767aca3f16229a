"""What became of a cell, in the words of a record: scores that can be trusted, or why there are none."""

from __future__ import annotations

import errno
import math
import traceback
from typing import Any

from bench.api import Score
from bench.errors import BadInput, NotFinite, Unavailable


def check_scores(scores: list[Score]) -> None:
    """Exactly one main score, and every number finite; otherwise the task is wrong and its cell fails."""
    mains = [score for score in scores if score.main]
    if len(mains) != 1:
        raise ValueError(f"a task has exactly one main score; this one returned {len(mains)}")
    for score in scores:
        for name in ("value", "low", "high", "chance"):
            number = getattr(score, name)
            if number is not None and not math.isfinite(number):
                raise NotFinite(f"{name} of the score {score.name!r} is {number}")


def spelled(content: Any) -> Any:
    """The same with infinite and undefined numbers as words, as JSON has none ("inf": weights shrunk to nothing)."""
    if isinstance(content, dict):
        return {key: spelled(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [spelled(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return str(content)
    return content


def explain(error: Exception, stage: str) -> tuple[str, str, str]:
    """Status, reason in one line, and traceback where it helps."""
    text = " ".join(str(error).split())
    if isinstance(error, Unavailable):
        return "skipped", text, ""
    if isinstance(error, (BadInput, NotFinite)):
        return "failed", text, ""
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, MemoryError) or "out of memory" in text.lower():
        return "failed", f"out of memory during {stage}: use a smaller batch or a bigger machine", trace
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "failed", f"the disk is full ({error.filename}): free some space and run again", trace
    return "failed", f"{type(error).__name__} during {stage}: {text}", trace
