"""Names to plug-ins: `pdr[loocc=off,blocks=depth+albedo]` -> a `Spec`, and a spec -> the object.

Nothing is imported to list, check or plan (see `bench.static`); the class is imported when a job builds the object.
Plug-ins come from the dictionaries in `methods`, `tasks` and `bench.data`, from the entry points `bench.methods`,
`bench.tasks` and `bench.datasets`, and from single files (`--plugin file.py`).
"""

from __future__ import annotations

import ast
import fnmatch
import importlib
import importlib.util
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from bench.errors import UsageError
from bench.static import MISSING, ClassInfo, Field, StaticError, module_file, read_class
from bench.values import check_value, format_value, nearest, parse_value, split_top

Kind = Literal["method", "task", "dataset"]
KINDS: tuple[Kind, ...] = ("method", "task", "dataset")
_HOME: dict[Kind, tuple[str, str]] = {
    "method": ("methods", "METHODS"),
    "task": ("tasks", "TASKS"),
    "dataset": ("bench.data", "SOURCES"),
}
_ENTRY_POINTS: dict[Kind, str] = {"method": "bench.methods", "task": "bench.tasks", "dataset": "bench.datasets"}
_BASES: dict[str, Kind] = {"Method": "method", "Task": "task", "Source": "dataset"}


@dataclass(frozen=True)
class Entry:
    """A registered name. `error` is set where the plug-in cannot be read: it breaks only itself."""

    kind: Kind
    name: str
    module: str
    cls: str
    file: Path | None = None  # a single-file plug-in
    presets: tuple[tuple[str, str], ...] = ()
    info: ClassInfo = field(default_factory=ClassInfo, compare=False)
    error: str = ""


@dataclass(frozen=True)
class Spec:
    """A name with every setting filled in. `explicit` are those the user wrote: they make up the label."""

    kind: Kind
    name: str
    settings: tuple[tuple[str, Any], ...]
    explicit: tuple[tuple[str, Any], ...] = ()

    @property
    def label(self) -> str:
        """The name with the settings the user wrote, canonically: `pdr[blocks=depth,loocc=off]`."""
        inner = ",".join(f"{key}={format_value(value)}" for key, value in sorted(self.explicit))
        return f"{self.name}[{inner}]" if inner else self.name

    @property
    def values(self) -> dict[str, Any]:
        """All settings, by name."""
        return dict(self.settings)


# ---------------------------------------------------------------------------------------------------------- registry


def _split_spec(text: str) -> tuple[str, list[tuple[str, str]]]:
    match = re.fullmatch(r"\s*([^\[\]]+?)\s*(?:\[(.*)\])?\s*", text)
    if not match:
        raise UsageError(f"{text!r} is not of the form name[setting=value,...]")
    pairs = []
    for part in split_top(match[2] or ""):
        key, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"{text!r}: {part!r} is not of the form setting=value")
        pairs.append((key.strip(), value.strip()))
    return match[1], pairs


class Registry:
    """All plug-ins of the three kinds. Build it once per command with the `--plugin` files."""

    def __init__(self, plugins: Iterable[Path] = ()) -> None:
        self.plugins = tuple(Path(p).resolve() for p in plugins)
        self._entries: dict[Kind, dict[str, Entry]] = {}
        for kind, (module, attribute) in _HOME.items():
            table: dict[str, str] = getattr(importlib.import_module(module), attribute)
            self._entries[kind] = {name: _entry(kind, name, target) for name, target in table.items()}
        self._add_entry_points()
        for path in self.plugins:
            self._add_file(path)

    def _add_entry_points(self) -> None:
        from importlib.metadata import entry_points

        for kind, group in _ENTRY_POINTS.items():
            for point in entry_points(group=group):
                self._entries[kind][point.name] = _entry(kind, point.name, point.value)

    def _add_file(self, path: Path) -> None:
        """Register every class in the file that derives from Method, Task or Source, under its name in snake case."""
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (OSError, SyntaxError, UnicodeDecodeError) as error:
            raise UsageError(f"--plugin {path}: {error}") from error
        found = 0
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                kind = _kind_of(node, path)
                if kind is not None:
                    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", node.name).lower()
                    self._entries[kind][name] = _entry(kind, name, f"{_plugin_module(path)}:{node.name}", file=path)
                    found += 1
        if not found:
            raise UsageError(f"--plugin {path}: no class in it derives from Method, Task or Source of bench.api")

    def names(self, kind: Kind) -> list[str]:
        return list(self._entries[kind])

    def entry(self, kind: Kind, name: str) -> Entry:
        """The entry of a name; unknown names answer with the nearest ones."""
        try:
            return self._entries[kind][name]
        except KeyError:
            raise UsageError(f"unknown {kind} {name!r}{nearest(name, self.names(kind))}") from None

    def kinds_of(self, name: str) -> list[Kind]:
        """Which kinds have a plug-in of this name."""
        return [kind for kind, entries in self._entries.items() if name in entries]

    def select(self, kind: Kind, texts: Iterable[str], defaults: Mapping[str, Mapping[str, Any]]) -> list[Spec]:
        """The specs of a list like `all`, `pdr,pca`, `face_*`, `pdr[loocc=off|both]`, each once, in order.

        `defaults` are the profile's settings by name. `a|b` in brackets stands for one spec per value.
        """
        chosen: dict[Spec, None] = {}
        for text in texts:
            for part in split_top(text):
                name, pairs = _split_spec(part)
                for match in self._match(kind, name):
                    for settings in _sweep(pairs):
                        chosen[self.spec(kind, match, settings, defaults.get(match, {}))] = None
        if not chosen:
            raise UsageError(f"no {kind} chosen: name some of {', '.join(self.names(kind))}, or all")
        return list(chosen)

    def _match(self, kind: Kind, name: str) -> list[str]:
        if name == "all":
            return [match for match in self.names(kind) if kind != "task" or not self._needs_data_root(match)]
        if any(c in name for c in "*?"):
            matches = fnmatch.filter(self.names(kind), name)
            if not matches:
                raise UsageError(f"no {kind} matches {name!r}; there are {', '.join(self.names(kind))}")
            return matches
        return [self.entry(kind, name).name]

    def _needs_data_root(self, task: str) -> bool:
        """Whether a task's own data set lies outside this project: such tasks are run when they are named."""
        entry = self.entry("task", task)
        own = entry.info.fields.get("dataset")
        dataset = dict(entry.presets).get("dataset", own.default if own else "")
        known = self._entries["dataset"].get(str(dataset).partition("[")[0])
        return known is not None and bool(known.info.facts.get("folder"))

    def parse(self, kind: Kind, text: str, defaults: Mapping[str, Mapping[str, Any]]) -> Spec:
        """One spec from one text."""
        specs = self.select(kind, [text], defaults)
        if len(specs) != 1:
            raise UsageError(f"{text!r} stands for {len(specs)} {kind}s; one is wanted here")
        return specs[0]

    def spec(self, kind: Kind, name: str, explicit: Iterable[tuple[str, str]], profile: Mapping[str, Any]) -> Spec:
        """Fill in every setting: the class's default, the variant's preset, the profile, then what the user wrote."""
        entry = self.entry(kind, name)
        if entry.error:
            raise UsageError(f"{kind} {name!r} cannot be read: {entry.error}")
        fields = entry.info.fields
        values = {key: f.default for key, f in fields.items()}
        written = []
        for key, text in entry.presets:
            values[key] = parse_value(text, self._field(entry, key).annotation, f"{name}.{key}")
        for key, value in profile.items():
            values[key] = check_value(value, self._field(entry, key), f"{name}.{key}")
        for key, text in explicit:
            values[key] = parse_value(text, self._field(entry, key).annotation, f"{name}.{key}")
            written.append((key, values[key]))
        for key, value in values.items():
            if value is MISSING:
                raise UsageError(f"{name} needs a value for {key!r}: write {name}[{key}=...]")
        return Spec(kind, name, tuple(values.items()), tuple(dict(written).items()))

    def _field(self, entry: Entry, key: str) -> Field:
        fields = entry.info.fields
        if key not in fields:
            raise UsageError(f"{entry.kind} {entry.name!r} has no setting {key!r}{nearest(key, list(fields))}")
        return fields[key]

    def modules(self, specs: Iterable[Spec]) -> list[str]:
        """The modules of those plug-ins that come with this project, each once."""
        entries = [self.entry(spec.kind, spec.name) for spec in specs]
        own = tuple(f"{package}." for package, _ in _HOME.values())
        return list(dict.fromkeys(entry.module for entry in entries if entry.module.startswith(own)))

    def make(self, kind: Kind, name: str, settings: Mapping[str, Any]) -> Any:
        """Import the plug-in's class and build the object."""
        entry = self.entry(kind, name)
        module = _import_file(entry.file) if entry.file else importlib.import_module(entry.module)
        typed = {
            key: tuple(value) if isinstance(value, list) else value  # JSON knows no tuples
            for key, value in settings.items()
        }
        return getattr(module, entry.cls)(**typed)


def _kind_of(node: ast.ClassDef, path: Path) -> Kind | None:
    """Whether a class in a plug-in file is a method, a task or a data set; None for everything else (encoders, say)."""
    try:
        ancestors = read_class(path, _plugin_module(path), node.name).ancestors
    except StaticError:
        ancestors = {ast.unparse(base) for base in node.bases}
    return next((kind for base, kind in _BASES.items() if base in ancestors), None)


def _entry(kind: Kind, name: str, target: str, file: Path | None = None) -> Entry:
    plain, pairs = _split_spec(target)
    module, _, cls = plain.partition(":")
    try:
        info = read_class(file or module_file(module), module, cls)
        error = ""
    except StaticError as problem:
        info, error = _introspect(module, cls, problem) if file is None else (ClassInfo(), str(problem))
    return Entry(kind, name, module, cls, file, tuple(pairs), info, error)


def _introspect(module: str, cls: str, problem: StaticError) -> tuple[ClassInfo, str]:
    """The slow way, for plug-ins whose source does not tell: import the class and ask it."""
    import dataclasses

    try:
        loaded = getattr(importlib.import_module(module), cls)
        fields = {
            f.name: Field(
                f.name,
                f.type if isinstance(f.type, str) else f.type.__name__,
                MISSING if f.default is dataclasses.MISSING else f.default,
            )
            for f in dataclasses.fields(loaded)
        }
    except Exception as error:
        return ClassInfo(), f"{problem}; importing it fails too: {type(error).__name__}: {error}"
    facts = {
        key: getattr(loaded, key)
        for key in dir(loaded)
        if not key.startswith("_") and key not in fields and isinstance(getattr(loaded, key), (str, bool, int, tuple))
    }
    return ClassInfo(fields, facts, (loaded.__doc__ or "").partition("\n")[0]), ""


def _sweep(pairs: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """`a=1|2,b=3` -> [a=1,b=3], [a=2,b=3]."""
    combinations: list[list[tuple[str, str]]] = [[]]
    for key, text in pairs:
        combinations = [[*c, (key, value)] for c in combinations for value in split_top(text, "|")]
    return combinations


def _plugin_module(path: Path) -> str:
    return f"bench_plugin_{path.stem}"


@cache
def _import_file(path: Path) -> Any:
    name = _plugin_module(path)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"--plugin {path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
