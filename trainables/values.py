"""Values normalised by their annotations: checked, and independent of how they were written."""

from __future__ import annotations

import ast
import functools
import math
from typing import Any

from trainables.errors import ConfigurationError
from trainables.texts import closest

GREATEST = 2**63 - 1
MOST_LISTED = 12
"""Of more choices only the nearest one is named."""

WORDS = {
    "int": ("a whole number", "whole numbers"),
    "float": ("a number", "numbers"),
    "bool": ("true or false", "true or false"),
    "str": ("text", "texts"),
    "None": ("null", "null"),
}
"""Descriptions of annotations in messages: singular, plural."""


def coerced(value: Any, annotation: str, where: str) -> Any:
    """`value` normalised by the annotation (1 -> 1.0, lists -> tuples), so that equal settings are equal.

    Understands int, float, bool, str, None, Literal, tuple and their unions. With any other annotation the
    value is unchanged, but it must be plain data: text, a number, true, false, null, or a list of these.

    Raises ConfigurationError for a value of another type, and for a number that is not finite.
    """
    alternatives = _alternatives(annotation)
    for alternative in alternatives:
        fits, result = _fitted(value, alternative, where)
        if fits:
            return result
    choices = [
        str(choice)
        for alternative in alternatives
        if _name(alternative) == "Literal"
        for choice in _choices(alternative)
    ]
    if len(choices) > MOST_LISTED:
        raise ConfigurationError(f"{where}: unknown value {value!r}.{closest(str(value), choices)}")
    words = " or ".join(_words(alternative) for alternative in alternatives)
    raise ConfigurationError(f"{where} must be {words}, not {value!r}.")


@functools.cache
def _alternatives(annotation: str) -> tuple[ast.expr, ...]:
    """The members of a union. float comes before int: if both are allowed, 1 and 1.0 are one setting."""

    def members(node: ast.expr) -> list[ast.expr]:
        if isinstance(node, ast.BinOp):
            return members(node.left) + members(node.right)
        return [node]

    found = members(ast.parse(annotation or "object", mode="eval").body)
    return tuple(sorted(found, key=lambda node: ast.unparse(node) != "float"))


def _fitted(value: Any, kind: ast.expr, where: str) -> tuple[bool, Any]:
    """Whether `value` is of this kind, and its normalised form."""
    name = _name(kind)
    if name == "None":
        return value is None, None
    if name in ("bool", "str"):
        return isinstance(value, bool if name == "bool" else str), value
    if name in ("int", "float"):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False, None
        if isinstance(value, int) and not -GREATEST <= value <= GREATEST:
            raise ConfigurationError(f"{where} must fit into 64 bits, not {value!r}.")
        if not math.isfinite(value):
            raise ConfigurationError(f"{where} must be finite, not {value!r}.")
        # Adding zero turns -0.0 into 0.0, which is equal but prints differently.
        return (True, float(value) + 0.0) if name == "float" else (float(value).is_integer(), int(value))
    if name == "Literal":
        return any(type(value) is type(choice) and value == choice for choice in _choices(kind)), value
    if name == "tuple" and isinstance(kind, ast.Subscript):
        if not isinstance(value, list | tuple):
            return False, None
        members = list(_member_annotations(kind))
        if members[-1] == "...":
            members = members[:1] * len(value)
        if len(members) != len(value):
            return False, None
        pairs = enumerate(zip(value, members, strict=True))
        return True, tuple(coerced(item, member, f"{where}[{i}]") for i, (item, member) in pairs)
    if isinstance(value, list | tuple):
        return True, tuple(coerced(item, "", f"{where}[{i}]") for i, item in enumerate(value))
    return value is None or isinstance(value, str | bool | int | float), value


@functools.cache
def _name(kind: ast.expr) -> str:
    """'int' of int, 'tuple' of tuple[int, ...], 'Literal' of typing.Literal["a"]."""
    return ast.unparse(kind.value if isinstance(kind, ast.Subscript) else kind).rpartition(".")[2]


def _members(kind: ast.Subscript) -> list[ast.expr]:
    return kind.slice.elts if isinstance(kind.slice, ast.Tuple) else [kind.slice]


@functools.cache
def _member_annotations(kind: ast.Subscript) -> tuple[str, ...]:
    return tuple(ast.unparse(member) for member in _members(kind))


@functools.cache
def _choices(kind: ast.expr) -> tuple[Any, ...]:
    assert isinstance(kind, ast.Subscript)
    return tuple(ast.literal_eval(member) for member in _members(kind))


def _words(kind: ast.expr) -> str:
    name = _name(kind)
    if name == "Literal":
        return " or ".join(repr(choice) for choice in _choices(kind))
    if name == "tuple" and isinstance(kind, ast.Subscript):
        first, *others = _members(kind)
        many = WORDS.get(_name(first), ("", "values"))[1]
        variadic = [ast.unparse(member) for member in others] == ["..."]
        return f"a list of {many}" if variadic else f"a list of {1 + len(others)} {many}"
    return WORDS.get(name, ("text, a number, true, false, null or a list of these", ""))[0]
