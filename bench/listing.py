"""`list methods|tasks|datasets`: one line each, without importing any of them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from bench.registry import Entry, Kind, Registry
from bench.static import MISSING
from bench.values import format_value

_KINDS: dict[str, Kind] = {"methods": "method", "tasks": "task", "datasets": "dataset"}


def list_plugins(registry: Registry, kind: str, data_root: Path | None) -> Iterator[str]:
    """Name, domain, whether it can run here, summary and settings of every plug-in of a kind."""
    for name in registry.names(_KINDS[kind]):
        entry = registry.entry(_KINDS[kind], name)
        domains = entry.info.facts.get("domains") or (entry.info.facts.get("domain", "face"),)
        ready = _ready(entry, data_root)
        yield f"{name:28} {'/'.join(domains):9} {ready:8} {entry.error or entry.info.summary}"
        presets = dict(entry.presets)
        fields = [
            f"{f.name}={presets.get(f.name) or ('?' if f.default is MISSING else format_value(f.default))}"
            for f in entry.info.fields.values()
        ]
        if fields:
            yield f"{'':28} {', '.join(fields)}"
        if ready not in ("ready", "broken"):
            yield f"{'':28} needs {_needs(entry, data_root)}"


def _ready(entry: Entry, data_root: Path | None) -> str:
    if entry.error:
        return "broken"
    return "missing" if _needs(entry, data_root) else "ready"


def _needs(entry: Entry, data_root: Path | None) -> str:
    """What is not at hand, in words; empty where nothing is missing."""
    packages = [p for p in entry.info.facts.get("requires", ()) if find_spec(p) is None]
    if packages:
        return f"pip install {' '.join(packages)}"
    if entry.kind != "dataset" or entry.info.facts.get("embedded"):
        return ""
    if data_root is None:
        return "--data-root (or PDR_BENCH_DATA), the folder of your data sets"
    folder, others = entry.info.facts.get("folder", ""), entry.info.facts.get("folders", ())
    wanted = {name.lower() for name in (folder, *others)}
    if folder and not any(path.name.lower() in wanted for path in (data_root, *data_root.iterdir())):
        return f"the folder {folder} in {data_root}"
    return ""
