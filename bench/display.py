"""The live display of a `run`: cells done of all, failures so far, time left, and a line for each running job."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.payload import Payloads, Unit
from bench.plan import states
from bench.progress import read_progress

_MOST_LINES = 12


class Display:
    """Tell it what runs (`running`) and what has ended (`finished`)."""

    def __init__(self, console: Console, units: list[Unit], payloads: Payloads) -> None:
        self.running: list[Unit] = []
        self._console = console
        self._payloads = payloads
        self._done: Counter[str] = Counter()
        self._started = time.monotonic()
        self._total = sum(len(unit.cells) for unit in units if not unit.fit_only)
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
        )  # fmt: skip
        self._task = self._bar.add_task("cells", total=self._total, left="")

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show it while the block runs."""
        with Live(get_renderable=self._render, console=self._console, refresh_per_second=4, transient=True):
            yield

    def finished(self, unit: Unit) -> None:
        """Count a unit's cells and say so in a line, for those who watch no live display."""
        if unit.fit_only:
            return
        found = Counter(states(unit.cells, self._payloads.store, keep_stale=True).values())
        self._done += found
        words = ", ".join(f"{count} {state}" for state, count in sorted(found.items()))
        self._console.print(f"[dim]{self._clock()}[/] {unit.label}: {words}", highlight=False)

    def _clock(self) -> str:
        seconds = int(time.monotonic() - self._started)
        return f"{seconds // 60:3d}:{seconds % 60:02d}"

    def _render(self) -> Group:
        lines = Table.grid(padding=(0, 1))
        part = 0.0
        running = list(self.running)
        for unit in running[:_MOST_LINES]:
            state = read_progress(self._payloads.folder(unit))
            lines.add_row("  ", unit.label, state["what"], f"{state['done'] / max(state['total'], 1):4.0%}")
            if not unit.fit_only:
                records = states(unit.cells, self._payloads.store, keep_stale=True)
                part += sum(state != "missing" for state in records.values())
        if len(running) > _MOST_LINES:
            lines.add_row("  ", f"and {len(running) - _MOST_LINES} more", "", "")
        done = sum(self._done.values())
        elapsed = time.monotonic() - self._started
        left = f"about {(elapsed / done * (self._total - done)) / 60:.0f} min left" if done else ""
        if self._done["failed"]:
            left += f"  [red]{self._done['failed']} failed[/]"
        self._bar.update(self._task, completed=min(done + part, self._total), left=left)
        return Group(self._bar, lines)
