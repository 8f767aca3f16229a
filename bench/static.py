"""Reads a plug-in class without importing its file, so that listing and planning stay instant.

Importing a method means importing torch (seconds); its settings are plain text in the source. This module parses them:
annotated fields with literal defaults, `ClassVar` facts, the docstring's first line, and the same of its base classes.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

MISSING = object()


class StaticError(Exception):
    """The source cannot be read this way: a syntax error, a default that is no literal, a base class out of sight."""


@dataclass(frozen=True)
class Field:
    """One setting: its annotation as written, and its default."""

    name: str
    annotation: str
    default: Any


@dataclass
class ClassInfo:
    """What the source says about a plug-in class."""

    fields: dict[str, Field] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)  # ClassVars with literal values
    summary: str = ""
    ancestors: set[str] = field(default_factory=set)  # names of all base classes, direct or not


@cache
def module_file(module: str) -> Path:
    """The source file of a dotted module name; no package on the way is imported but the outermost one's finder."""
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None:
        raise StaticError(f"there is no module {top!r}")
    if not rest:
        if spec.origin is None:
            raise StaticError(f"{module} has no source file")
        return Path(spec.origin)
    for base in spec.submodule_search_locations or []:
        stem = Path(base).joinpath(*rest)
        for path in (stem.with_suffix(".py"), stem / "__init__.py"):
            if path.is_file():
                return path
    raise StaticError(f"there is no module {module!r}")


@cache
def _tree(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except (SyntaxError, UnicodeDecodeError, OSError) as error:
        raise StaticError(f"{path}: {error}") from error


def _imports(tree: ast.Module, package: str) -> dict[str, tuple[str, str]]:
    """Local name -> (module, name there), for every `from x import y` at the top level of a file."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            prefix = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            module = ".".join(p for p in (prefix, node.module or "") if p)
            for alias in node.names:
                found[alias.asname or alias.name] = (module, alias.name)
    return found


def read_class(path: Path, module: str, name: str) -> ClassInfo:
    """The fields, facts and summary of class `name` in the file `path`, which is the source of `module`."""
    tree = _tree(path)
    imports = _imports(tree, module if path.name == "__init__.py" else module.rpartition(".")[0])
    node = next((n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name), None)
    if node is None:
        if name in imports:
            there, original = imports[name]
            return read_class(module_file(there), there, original)
        raise StaticError(f"{path} has no class {name}")
    info = ClassInfo()
    for base in reversed(node.bases):
        inherited = _base(base, tree, imports, path, module)
        info.fields.update(inherited.fields)
        info.facts.update(inherited.facts)
        info.ancestors |= inherited.ancestors | {ast.unparse(base)}
    info.summary = (ast.get_docstring(node) or "").partition("\n")[0]
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            _read_annotated(statement, statement.target.id, info, path)
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            key = statement.targets[0].id  # a plain re-assignment overrides an inherited default
            if key in info.fields:
                info.fields[key] = Field(key, info.fields[key].annotation, _literal(statement.value, path))
    return info


def _base(base: ast.expr, tree: ast.Module, imports: dict[str, tuple[str, str]], path: Path, module: str) -> ClassInfo:
    if isinstance(base, ast.Name):
        if base.id == "object":
            return ClassInfo()
        if base.id in imports:
            there, original = imports[base.id]
            return read_class(module_file(there), there, original)
        if any(isinstance(n, ast.ClassDef) and n.name == base.id for n in tree.body):
            return read_class(path, module, base.id)
    raise StaticError(f"{path}: the base class {ast.unparse(base)} is out of sight")


def _read_annotated(statement: ast.AnnAssign, name: str, info: ClassInfo, path: Path) -> None:
    annotation = ast.unparse(statement.annotation)
    if annotation.startswith("ClassVar"):
        if statement.value is not None:
            info.facts[name] = _literal(statement.value, path)
        return
    default = MISSING if statement.value is None else _literal(statement.value, path)
    info.fields[name] = Field(name, annotation, default)
    if name in info.facts:  # what the base class holds as a fact is a setting here
        info.facts[name] = default


def _literal(node: ast.expr, path: Path) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise StaticError(f"{path}:{node.lineno}: the default {ast.unparse(node)} is no literal") from error


# ----------------------------------------------------------------------------------------------- source fingerprints

_IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+import\s+([^\n#]+)|import\s+([\w.]+))", re.MULTILINE)
_OURS = ("bench", "methods", "tasks")
_NO_NUMBERS = (
    "bench.cli",
    "bench.schedule",
    "bench.report",
    "bench.registry",
    "bench.static",
    "bench.plan",
    "bench.progress",
    "bench.store",
)


def source_fingerprint(modules: tuple[str, ...], files: tuple[Path, ...] = ()) -> str:
    """A hash over these modules, these files, and every module of this project that they import, directly or not.

    Modules that cannot change a number (command line, scheduling, reporting) are left out.
    """
    seen: dict[str, bytes] = {}
    todo = list(modules)
    for path in files:
        content = path.read_bytes()
        seen[str(path.name)] = content
        todo += _imported(content.decode("utf-8", "replace"), "")
    while todo:
        module = todo.pop()
        if module in seen or not module.startswith(_OURS) or module.startswith(_NO_NUMBERS):
            continue
        try:
            path = module_file(module)
        except StaticError:
            continue
        content, imported = _source(path, module)
        seen[module] = content
        todo += imported
    hasher = hashlib.sha256()
    for name in sorted(seen):
        hasher.update(name.encode() + b"\0" + seen[name] + b"\0")
    return hasher.hexdigest()[:20]


@cache
def _source(path: Path, module: str) -> tuple[bytes, tuple[str, ...]]:
    content = path.read_bytes()
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return hashlib.sha256(content).digest(), tuple(_imported(content.decode("utf-8", "replace"), package))


def _imported(text: str, package: str) -> list[str]:
    found = []
    for from_module, names, plain in _IMPORT.findall(text):
        module = from_module or plain
        if module.startswith("."):
            level = len(module) - len(module.lstrip("."))
            parts = package.split(".")
            module = ".".join([*parts[: len(parts) - level + 1], module.lstrip(".")]).rstrip(".")
        found.append(module)
        found += [f"{module}.{name.strip(' ()').split(' ')[0]}" for name in names.split(",") if name.strip(" ()")]
    return found
