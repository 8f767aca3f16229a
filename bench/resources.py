"""What a job may use on a cluster: YAML files in `slurm` (or a path), merged global -> method -> command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.config import by_name, read_mapping
from bench.errors import UsageError
from bench.payload import Grouping
from bench.registry import Registry
from bench.static import Field
from bench.values import check_value, nearest, parse_value

FOLDER = Path(__file__).parents[1] / "slurm"


@dataclass(frozen=True)
class Resources:
    """What one job asks for. None: leave it to the cluster."""

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    time: int = 240  # minutes; a job that meets the limit keeps its training and is requeued
    memory: float = 8.0  # GB
    cpus: int = 1
    gpus: int = 0
    setup: tuple[str, ...] = ()  # shell lines before the job: load modules, activate an environment


@dataclass(frozen=True)
class SlurmSettings:
    """A file of settings: resources for all jobs and, under `methods`, those of one method."""

    grouping: Grouping = "method"  # see `bench.payload.make_units`
    jobs: int | None = None  # at most so many run at once
    restarts: int = 10  # how often a job may meet its time limit and go on from its checkpoint
    warning: int = 90  # seconds before the limit at which a job is told to keep its training
    resources: Resources = Resources()
    methods: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # of the command line; "": of all methods

    def of(self, method: str) -> Resources:
        """What a job of this method asks for."""
        changes = {**self.methods.get(method, {}), **self.overrides.get("", {}), **self.overrides.get(method, {})}
        return dataclasses.replace(self.resources, **changes)


_RESOURCES = {f.name: str(f.type) for f in dataclasses.fields(Resources)}
_GENERAL = {"grouping": "Literal['method', 'cell']", "jobs": "int | None", "restarts": "int", "warning": "int"}
_LEAST = {"time": 1, "cpus": 1, "gpus": 0, "jobs": 1, "restarts": 0, "warning": 0}


def load_slurm(name: str, overrides: Iterable[str], jobs: int | None, registry: Registry) -> SlurmSettings:
    """Read a file by name or path; apply `time=30` or `method.memory=16`, and `jobs`. Unknown keys: UsageError."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
    if not path.is_file():
        raise UsageError(f"--slurm {name}: no such file{nearest(name, sorted(p.stem for p in FOLDER.glob('*.yaml')))}")
    content = read_mapping(path)
    methods = by_name(content.pop("methods", None), f"{path}: methods")
    general: dict[str, Any] = {key: content.pop(key) for key in list(content) if key in _GENERAL}
    for key, value in general.items():
        general[key] = _in_range(key, check_value(value, Field(key, _GENERAL[key], None), f"{path}: {key}"), str(path))
    if jobs is not None:
        general["jobs"] = jobs
    by_method = {}
    for method, values in methods.items():
        registry.entry("method", method)  # a misspelt name is an error
        by_method[method] = _checked(values, f"{path}: methods: {method}")
    return SlurmSettings(
        **general,
        resources=Resources(**_checked(content, str(path))),
        methods=by_method,
        overrides=_overrides(overrides, registry),
    )


def _checked(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The values in the types of `Resources`."""
    checked = {}
    for key, value in values.items():
        if key not in _RESOURCES:
            raise UsageError(f"{where}: unknown key {key!r}{nearest(str(key), [*_RESOURCES, *_GENERAL])}")
        if key == "setup":  # shell lines: taken as they are
            lines = [value] if isinstance(value, str) else value or []
            if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
                raise UsageError(f"{where}: setup: expected a list of shell lines")
            checked[key] = tuple(lines)
        else:
            checked[key] = _in_range(
                key, check_value(value, Field(key, _RESOURCES[key], None), f"{where}: {key}"), where
            )
    return checked


def _in_range(key: str, value: Any, where: str) -> Any:
    """The value, unless it is too small to mean anything."""
    if value is not None and (value < _LEAST.get(key, value) or (key == "memory" and value <= 0)):
        raise UsageError(f"{where}: {key}={value}: too small")
    return value


def _overrides(texts: Iterable[str], registry: Registry) -> dict[str, dict[str, Any]]:
    """`time=30` and `pdr.memory=16` -> by method, "" for all."""
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        target, equals, value = text.partition("=")
        method, _, key = target.strip().rpartition(".")
        if not equals or key not in _RESOURCES or key == "setup":
            known = [name for name in _RESOURCES if name != "setup"]
            raise UsageError(f"--slurm-set {text!r}: expected [method.]setting=value{nearest(key, known)}")
        if method:
            registry.entry("method", method)
        parsed = parse_value(value.strip(), _RESOURCES[key], f"--slurm-set {target}")
        found.setdefault(method, {})[key] = _in_range(key, parsed, "--slurm-set")
    return found
