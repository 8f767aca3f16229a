"""A process that has everything imported and forks for each job of a `run` on this machine.

Importing torch and what methods and tasks need takes seconds, longer than many a small job. Each job is still a process
of its own, which may die of anything: a second process waits for it and tells how it ended. Where forking is not safe
(macOS), or the nursery is gone, jobs are started afresh (see `bench.supervise`).
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import socketserver
import struct
import subprocess
import sys
import traceback
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

# ------------------------------------------------------------------------------------------------- for `run`, a watcher


@contextlib.contextmanager
def nursery(modules: Iterable[str], environment: Mapping[str, str]) -> Iterator[str | None]:
    """The name of a nursery with these modules, which lives as long as the block; None where there can be none."""
    if sys.platform != "linux":
        yield None
        return
    name = f"pdr-bench-{uuid.uuid4().hex}"
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(_address(name))
        door.listen()
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.nursery", str(door.fileno()), *modules],
            pass_fds=[door.fileno()], env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        yield name
    finally:
        process.terminate()
        process.communicate()


def _address(name: str) -> str:
    return f"\0{name}"  # Linux: no file, so that nothing is left behind


class Born:
    """A job that was forked: as much of `subprocess.Popen` as it takes to watch over it.

    Raises OSError where there is no nursery of this name any more.
    """

    def __init__(self, name: str, payload: Path, log: Path, environment: Mapping[str, str]) -> None:
        request = {"payload": str(payload), "log": str(log), "environment": dict(environment)}
        self._code: int | None = None
        self._socket = socket.socket(socket.AF_UNIX)
        self._answers = self._socket.makefile("r")
        try:
            self._socket.connect(_address(name))
            self._socket.sendall(json.dumps(request).encode() + b"\n")
            pid = self._answers.readline()
        except BaseException:
            self._close()
            raise
        if not pid:
            self._close()
            raise ConnectionResetError("the nursery is gone")
        self.pid = int(pid)

    def poll(self) -> int | None:
        """Its exit code, or minus the signal that killed it; None while it lives."""
        if self._code is None and select.select([self._socket], [], [], 0)[0]:
            code = self._answers.readline()
            if not code:  # nobody is left who could tell how it ends
                self.send_signal(signal.SIGKILL)
            self._code = int(code or -signal.SIGKILL)
            self._close()
        return self._code

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it lives."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def _close(self) -> None:
        self._answers.close()
        self._socket.close()


# --------------------------------------------------------------------------------------------------- the process itself


class _Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    max_children = sys.maxsize

    def verify_request(self, request: Any, client_address: object) -> bool:
        """Only this user's processes are served."""
        credentials = request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return struct.unpack("3i", credentials)[1] == os.getuid()

    def service_actions(self) -> None:
        super().service_actions()
        if select.select([0], [], [], 0)[0]:  # its standard input is closed when the `run` command is gone
            os._exit(0)


class _Birth(socketserver.StreamRequestHandler):
    """In a process forked for it: fork the job, say its number, wait for its end, say how it ended."""

    server: _Server

    def handle(self) -> None:
        request = json.loads(self.rfile.readline())
        pid = os.fork()
        if pid == 0:
            os.close(self.connection.fileno())  # the watcher is to notice when this process's parent is gone
            os.close(self.server.socket.fileno())
            _live(request)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # even where a whole process group is told to leave
        try:
            self._say(pid)
        except OSError:  # whoever asked for it has left meanwhile
            os.kill(pid, signal.SIGKILL)
        self._say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    def _say(self, number: int) -> None:
        self.wfile.write(f"{number}\n".encode())


def _live(request: dict[str, Any]) -> NoReturn:
    """Become the job, as if started by `python -m bench.job`."""
    code = 1
    try:
        os.environ.clear()
        os.environ.update(request["environment"])
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with Path(os.devnull).open() as nothing, Path(request["log"]).open("ab") as log:
            for number, file in enumerate((nothing, log, log)):
                os.dup2(file.fileno(), number)
        from bench.job import main

        code = main(Path(request["payload"]))
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve(door: int, modules: Iterable[str]) -> NoReturn:
    """Import the modules, then fork for everyone who asks at the socket `door`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for `run`, which stops the jobs
    for module in modules:
        with contextlib.suppress(Exception):  # the job that needs it meets the same error and records it
            importlib.import_module(module)
    server = _Server("", _Birth, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=door)
    server.serve_forever()
    raise AssertionError


if __name__ == "__main__":
    serve(int(sys.argv[1]), ("bench.job", *sys.argv[2:]))
