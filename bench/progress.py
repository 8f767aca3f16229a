"""What a running job tells whoever watches, by small files in its folder: that it lives, what it is at, how far it is.

alive.json      host, process and time, renewed while the process lives
doing.json      the cells that would be lost if it died now
progress.json   done, total, what, and the seconds left of it
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from bench.store import Store, read_json, write_json

_BEAT_SECONDS = 10.0
_DEAD_SECONDS = 60.0
_REPORT_SECONDS = 0.5


class Reporter:
    """The writing side. Use as a context: the job counts as alive inside."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last = 0.0
        self._stage = ("", 0)
        self._since = (0.0, 0)  # when the present stage began, and how much of it was done by then
        self._gone = threading.Event()

    def __enter__(self) -> Reporter:
        self._beat()
        threading.Thread(target=self._beat_on, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gone.set()
        (self._folder / "alive.json").unlink(missing_ok=True)

    def _beat_on(self) -> None:
        while not self._gone.wait(_BEAT_SECONDS):
            self._beat()

    def _beat(self) -> None:
        self._leave("alive", {"host": socket.gethostname(), "pid": os.getpid(), "time": time.time()})

    def doing(self, keys: list[str], what: str) -> None:
        """Remember which cells would be lost if this process died now."""
        write_json(self._folder / "doing.json", {"cells": keys, "what": what})
        self.progress(0, 1, what)

    def progress(self, done: int, total: int, what: str) -> None:
        """Leave a line for whoever watches, twice a second at most."""
        now = time.monotonic()
        if (what, total) != self._stage:  # a resumed training begins in its midst
            self._stage, self._since = (what, total), (now, done)
        elif done < total and now - self._last < _REPORT_SECONDS:
            return
        self._last = now
        began, first = self._since
        left = (now - began) * (total - done) / (done - first) if done > first else None
        self._leave("progress", {"done": done, "total": total, "what": what, "left": left, "time": time.time()})

    def _leave(self, name: str, content: dict[str, Any]) -> None:
        """Write a file whole, but neither wait for the disk nor stop over a full one, as it is only a sign."""
        with contextlib.suppress(OSError):
            temporary = self._folder / f"{name}.tmp"
            temporary.write_text(json.dumps(content))
            temporary.replace(self._folder / f"{name}.json")


def is_alive(folder: Path) -> bool:
    """Whether the job of this folder lives: asked of the process itself on this host, by its last sign elsewhere."""
    sign = read_json(folder / "alive.json")
    if sign is None or time.time() - sign["time"] > _DEAD_SECONDS:
        return False
    return process_lives(sign["pid"]) if sign["host"] == socket.gethostname() else True


def process_lives(pid: int) -> bool:
    """Whether there is such a process on this host; one that has ended and that nobody has asked for counts as gone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _stat(pid)[:1] != ["Z"]


def read_progress(folder: Path) -> dict[str, Any]:
    """The job's last line: "done", "total", "what", "left" (seconds or None)."""
    return read_json(folder / "progress.json") or {"done": 0, "total": 1, "what": "starting", "left": None}


# ------------------------------------------------------------------------------------------- the `run` command itself


@contextlib.contextmanager
def announced(store: Store, attempt: str) -> Iterator[None]:
    """Say, while the block runs, that a `run` of this machine is at work on the folder: <out>/active/<attempt>.json."""
    path = store.out / "active" / f"{attempt}.json"
    write_json(path, {"host": socket.gethostname(), "pid": os.getpid(), "started": _birth(os.getpid())})
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def active(store: Store) -> list[dict[str, Any]]:
    """The `run` commands at work on the folder: "host", "pid". Of other hosts, all that have not said goodbye."""
    found = [read_json(path) for path in sorted((store.out / "active").glob("*.json"))]
    here = socket.gethostname()
    return [run for run in found if run and (run["host"] != here or _birth(run["pid"]) == run["started"] != 0)]


def _birth(pid: int) -> int:
    """When a process of this host began, in ticks since the machine did: a number used again belongs to another."""
    return int((_stat(pid)[19:20] or ["0"])[0])


def _stat(pid: int) -> list[str]:
    """What Linux knows of a process, from its state on (see proc(5)); empty where it is gone, or on other systems."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
