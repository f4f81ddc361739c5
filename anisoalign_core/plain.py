"""Plain values, as JSON has them, held to what a dataclass says of its fields."""

from __future__ import annotations

import types
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def from_plain(kind: type[T], body: Any) -> T:
    """Build a dataclass from a dictionary as ``dataclasses.asdict`` and JSON give it.

    Lists become tuples where a field is one. Types are those that fields of recipes have: texts,
    numbers, truth values, None, lists, dictionaries, alternatives, literals and dataclasses.

    Parameters
    ----------
    kind : type
        A dataclass.
    body : Any

    Raises
    ------
    ValueError
        If a field is missing, unknown, or of another type: which one.
    """
    return _built(kind, body, "it")  # type: ignore[no-any-return]


@cache
def hints_of(kind: type) -> dict[str, Any]:
    """Return the types of a dataclass's fields; asked of every row, found once."""
    return get_type_hints(kind)


def _built(kind: Any, body: Any, where: str) -> Any:
    if not isinstance(body, dict):
        raise ValueError(f"{where} is not an object")
    known = {each.name: each for each in fields(kind)}
    unknown = next((key for key in body if key not in known), None)
    if unknown is not None:
        raise ValueError(f"{where} has a field that is not known")
    for name, each in known.items():
        if name not in body and each.default is MISSING and each.default_factory is MISSING:
            raise ValueError(f"{where} has no {name}")
    hints = hints_of(kind)
    return kind(**{key: _value(hints[key], value, key) for key, value in body.items()})


def _value(hint: Any, value: Any, where: str) -> Any:
    """Return a value as its field wants it."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if is_dataclass(hint):
        return _built(hint, value, where)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        return _value(next(one for one in inner if one is not type(None)), value, where)
    if origin is Literal:
        if not isinstance(value, str) or value not in inner:
            raise ValueError(f"{where} is none of {', '.join(map(str, inner))}")
        return value
    if origin is dict:
        if not isinstance(value, dict):
            raise ValueError(f"{where} is not an object")
        return {_key(inner[0], k, where): _value(inner[1], v, where) for k, v in value.items()}
    if origin is tuple:
        if not isinstance(value, list | tuple) or (
            inner[-1] is not Ellipsis and len(value) != len(inner)
        ):
            raise ValueError(f"{where} is not a list of the right length")
        return tuple(_value(inner[0], one, where) for one in value)
    return _scalar(hint, value, where)


def _key(hint: type, key: Any, where: str) -> Any:
    """Return a key; JSON writes whole numbers as texts."""
    text = _text(key, where)
    if hint is not int:
        return text
    if not text.isdecimal() or len(text) > 9:
        raise ValueError(f"{where} has a key that is no whole number")
    return int(text)


def _scalar(hint: type, value: Any, where: str) -> Any:
    if hint is str:
        return _text(value, where)
    if hint is float and type(value) is int and abs(value) < 2**53:
        return float(value)
    if type(value) is not hint:
        raise ValueError(f"{where} is not of the type {hint.__name__}")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{where} is not a text")
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError(f"{where} is not valid text")
    return value
