"""The data card of an embedded data set: a page of markdown that lies beside its generator."""

from __future__ import annotations

from pathlib import Path

from bench.api import BadInput


def card(name: str) -> str:
    """The data card of `name` ("synfaces", "syncars") as markdown. Raises `BadInput` where there is none."""
    cards = {path.stem: path for path in Path(__file__).parent.glob("*.md")}
    if name not in cards:
        raise BadInput(f"{name} has no data card: only {', '.join(sorted(cards))} do")
    return cards[name].read_text()
