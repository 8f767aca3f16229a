"""Profiles: how big a run is. YAML files in `bench/profiles` (or a path), read into a frozen dataclass.

A profile sets the image size, the seeds and any setting of any method, task or data set; `--set` overrides it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bench.errors import UsageError
from bench.registry import KINDS, Kind, Registry
from bench.values import check_value, nearest, parse_value

PROFILES = Path(__file__).parent / "profiles"


@dataclass(frozen=True)
class Profile:
    """How big a run is. `methods`, `tasks` and `datasets` map a registered name to the settings it gets."""

    name: str
    description: str = ""
    image_size: int = 64
    threads: int = 1  # a setting, as sums change in the last digit with the number of threads
    seeds: tuple[int, ...] = (0,)
    checkpoint_every: float = 30.0  # seconds
    methods: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    datasets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    minutes: Mapping[str, float] = field(
        default_factory=dict
    )  # measured time of a method's fit on 2 cores, for estimates

    def settings(self, kind: Kind) -> Mapping[str, Mapping[str, Any]]:
        """The settings by name for one kind of plug-in."""
        return getattr(self, f"{kind}s")


_SCALARS = {"image_size": "int", "threads": "int", "checkpoint_every": "float", "seeds": "tuple[int, ...]"}


def profile_names() -> list[str]:
    return sorted(path.stem for path in PROFILES.glob("*.yaml"))


def load_profile(name: str, overrides: Iterable[str], registry: Registry) -> Profile:
    """Read a profile by name or path and apply `method.setting=value` (or `image_size=32`) overrides. Unknown keys:
    UsageError.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else PROFILES / f"{name}.yaml"
    if not path.is_file():
        raise UsageError(f"unknown profile {name!r}{nearest(name, profile_names())}")
    content = read_mapping(path)
    known = [f.name for f in dataclasses.fields(Profile) if f.name != "name"]
    for key in content:
        if key not in known:
            raise UsageError(f"{path}: unknown key {key!r}{nearest(str(key), known)}")
    for key, annotation in _SCALARS.items():
        if key in content:
            content[key] = check_value(content[key], _field(key, annotation), f"{path.stem}: {key}")
    for key in ("methods", "tasks", "datasets"):
        content[key] = by_name(content.get(key), f"{path}: {key}")
    profile = Profile(name=path.stem, **content)
    for text in overrides:
        profile = _override(profile, text, registry)
    _check(profile, registry)
    return profile


def read_mapping(path: Path) -> dict[Any, Any]:
    """The settings in a YAML file; UsageError where it holds something else."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path}: expected settings, one `name: value` a line")
    return content


def by_name(content: Any, where: str) -> dict[str, dict[str, Any]]:
    """Settings under names, as `methods: {pca: {components: 8}}`; UsageError where they are something else."""
    sections = {} if content is None else content
    for section in (sections, *(sections.values() if isinstance(sections, dict) else ())):
        if not isinstance(section, dict | None):
            raise UsageError(f"{where}: {section!r}: expected names with settings, as `pca: {{setting: value}}`")
    return {str(name): dict(settings or {}) for name, settings in sections.items()}


def _field(name: str, annotation: str) -> Any:
    from bench.static import Field

    return Field(name, annotation, None)


def _override(profile: Profile, text: str, registry: Registry) -> Profile:
    target, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set {text!r} is not of the form name.setting=value")
    name, dot, key = target.strip().rpartition(".")
    if not dot:
        if key not in _SCALARS:
            raise UsageError(f"--set {text!r}: unknown setting {key!r}{nearest(key, list(_SCALARS))}")
        return dataclasses.replace(profile, **{key: parse_value(value, _SCALARS[key], key)})
    kinds = registry.kinds_of(name)
    if not kinds:
        everything = [n for kind in KINDS for n in registry.names(kind)]
        raise UsageError(f"--set {text!r}: there is no {name!r}{nearest(name, everything)}")
    table: Any = {k: dict(v) for k, v in profile.settings(kinds[0]).items()}
    table.setdefault(name, {})[key] = value.strip()
    return dataclasses.replace(profile, **{f"{kinds[0]}s": table})


def _check(profile: Profile, registry: Registry) -> None:
    """Every name and setting of the profile must exist: a misspelt key never passes in silence."""
    for kind in KINDS:
        for name, settings in profile.settings(kind).items():
            registry.spec(kind, name, (), settings)
    if profile.image_size < 16 or profile.image_size & (profile.image_size - 1):
        raise UsageError(f"image_size={profile.image_size}: a power of two from 16 up is expected")
