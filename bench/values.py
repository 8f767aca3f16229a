"""Settings as text: typed by the field they set, written back canonically, and near misses of names."""

from __future__ import annotations

import ast
import difflib
from typing import Any

from bench.errors import UsageError
from bench.static import Field


def format_value(value: Any) -> str:
    """A setting as it is written in brackets."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return "+".join(format_value(v) for v in value)
    return "none" if value is None else str(value)


def parse_value(text: str, annotation: str, what: str) -> Any:
    """`text` as a value of the annotated type; `what` names the setting in errors."""
    options = _union(ast.parse(annotation, mode="eval").body)
    if text.lower() == "none" and "None" in options:
        return None
    for option in options:
        if option == "None":
            continue
        try:
            return _parse_one(text, option)
        except ValueError:
            continue
    expected = " or ".join(_describe(option) for option in options)
    raise UsageError(f"{what}={text!r}: expected {expected}")


def _union(node: ast.expr) -> list[str]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _union(node.left) + _union(node.right)
    return [ast.unparse(node)]


def _literal_choices(annotation: str) -> list[Any]:
    inner = ast.literal_eval(annotation.removeprefix("Literal"))
    return list(inner)


def _describe(annotation: str) -> str:
    if annotation.startswith("Literal["):
        return " | ".join(str(choice) for choice in _literal_choices(annotation))
    return {"bool": "on | off", "int": "a whole number", "float": "a number", "str": "text"}.get(annotation, annotation)


def _parse_one(text: str, annotation: str) -> Any:
    if annotation == "bool":
        if text.lower() in ("on", "true", "yes", "1"):
            return True
        if text.lower() in ("off", "false", "no", "0"):
            return False
        raise ValueError(text)
    if annotation == "int":
        return int(text)
    if annotation == "float":
        return float(text)
    if annotation == "str":
        return text
    if annotation.startswith("Literal["):
        for choice in _literal_choices(annotation):
            if str(choice) == text:
                return choice
        raise ValueError(text)
    if annotation.startswith("tuple["):
        element = annotation[len("tuple[") : -1].split(",")[0].strip()
        return tuple(_parse_one(part, element) for part in text.split("+") if part)
    raise ValueError(f"settings of type {annotation} are not supported")


def check_value(value: Any, spec_field: Field, what: str) -> Any:
    """A value from YAML, checked against the field's type and returned in that type."""
    if isinstance(value, (list, tuple)):
        return parse_value("+".join(format_value(v) for v in value), spec_field.annotation, what)
    if isinstance(value, bool) and "bool" not in spec_field.annotation:  # YAML reads on/off as booleans
        value = format_value(value)
    return parse_value(format_value(value), spec_field.annotation, what)


def split_top(text: str, separator: str = ",") -> list[str]:
    """Split at separators that stand outside all brackets."""
    parts, depth, current = [], 0, ""
    for character in text:
        depth += (character == "[") - (character == "]")
        if character == separator and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += character
    if depth:
        raise UsageError(f"{text!r}: the brackets do not match")
    return [part.strip() for part in [*parts, current] if part.strip()]


def nearest(name: str, known: list[str]) -> str:
    matches = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if matches:
        return f"; did you mean {' or '.join(matches)}?"
    return f"; there are {', '.join(known)}" if known else ""
