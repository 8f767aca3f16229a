"""Watches over one job: runs it in a process of its own and, if that dies, records why and goes on with the rest.

This is the function handed to submitit. It needs next to no memory, so that it outlives what it watches.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.store import Store, read_json

POLL_SECONDS = 0.2


def supervise(payload_path: str) -> str:
    """Run the job until each of its cells has a record. Returns "" or, where even that failed, the reason."""
    path = Path(payload_path)
    payload = read_json(path)
    if payload is None:
        return f"{path} is no job payload"
    store = Store(Path(payload["out"]))
    for _ in range(len(payload["cells"]) + 1):  # each death costs at least one cell, so this ends
        code = _run_child(path, payload.get("owner"))
        if code == 0:
            return ""
        lost = [key for key in (read_json(path.parent / "doing.json") or {}).get("cells", []) if key]
        if not lost:
            return f"the job died before it began ({_why(code)}); its log is {path.parent / 'log.txt'}"
        what = (read_json(path.parent / "doing.json") or {}).get("what", "")
        try:
            _record_lost(store, payload, lost, f"{_why(code)} while it was at: {what}", path.parent / "log.txt")
        except OSError as error:
            return f"the job died ({_why(code)}) and nothing can be recorded: {error}"
    return "the job died again and again"


def _run_child(path: Path, owner: int | None) -> int:
    """Run `python -m bench.job` and return its exit code; stop it when `owner`, the `run` command, is gone."""
    (path.parent / "doing.json").unlink(missing_ok=True)
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[1]), environment.get("PYTHONPATH", "")])
    with (path.parent / "log.txt").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "bench.job", str(path)], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            env=environment,
        )  # fmt: skip
        try:
            while (code := child.poll()) is None:
                if owner is not None and not _alive(owner):
                    raise KeyboardInterrupt("the run command is gone")
                time.sleep(POLL_SECONDS)
            return code
        except BaseException:
            child.terminate()
            raise


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _why(code: int) -> str:
    if code >= 0:
        return f"the process left with exit code {code}"
    name = signal.Signals(-code).name
    hint = ", which is what running out of memory looks like" if name == "SIGKILL" else ""
    return f"the process was killed by {name}{hint}"


def _record_lost(store: Store, payload: dict[str, Any], keys: list[str], reason: str, log: Path) -> None:
    from bench.record import base_record

    tail = log.read_text(errors="replace")[-4000:] if log.exists() else ""
    for cell in payload["cells"]:
        if cell["key"] in keys:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            store.write_record(
                {**base_record(payload, cell), "status": "failed", "reason": reason, "traceback": tail, "time": now}
            )
