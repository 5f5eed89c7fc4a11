"""JSON in which a number keeps its spelling: `1.10` and 23 digits come out as they went in."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any

import orjson

# Levels of containers that a value of a request may have.
DEEPEST = 100
NOT_ZERO = re.compile(r"-?[0.]*[1-9]")
# A text, in which nothing is a number, or a number with an exponent.
TEXT_OR_POWER = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]+')


class Number(float):
    """A JSON number with a fraction or an exponent, and how it was written."""

    __slots__ = ("spelling",)
    spelling: str

    def __new__(cls, spelling: str) -> Number:
        made = super().__new__(cls, spelling)
        made.spelling = spelling
        return made


def loads(text: bytes | str) -> Any:
    """The value of a JSON text, whose whole numbers are ints and whose other numbers are `Number`s.

    Raises orjson.JSONDecodeError.
    """
    value = orjson.loads(text)
    # To orjson, a whole number beyond 64 bits is a float as well.
    if not holds_float(value):
        return value
    try:
        return json.loads(text, parse_float=Number)
    except (RecursionError, ValueError):
        # orjson takes some hundred levels more; nobody takes as many.
        raise orjson.JSONDecodeError("nested to a depth that is too large", "", 0) from None


def dumps(value: Any) -> str:
    """The value as JSON text, without white space.

    Raises ValueError for a number beyond what a double reaches: PostgreSQL would write out each of its zeros.
    """
    if isinstance(value, Number):
        if math.isinf(value) or (not value and NOT_ZERO.match(value.spelling)):
            raise ValueError(value.spelling)
        return value.spelling
    if isinstance(value, dict):
        return (
            "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{dumps(item)}" for key, item in value.items()) + "}"
        )
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(dumps, value)) + "]"
    return json.dumps(value, allow_nan=False, ensure_ascii=False)


def written_length(text: str) -> int:
    """The characters of a JSON text as PostgreSQL writes it from jsonb: without exponents, so that `1e308` has 309."""
    return len(text) + sum(
        len(format(Decimal(found), "f")) - len(found) for found in TEXT_OR_POWER.findall(text) if found[0] != '"'
    )


def fault(error: orjson.JSONDecodeError) -> str:
    """What is wrong with a text: "is not JSON in UTF-8 (line 1, column 2)"."""
    reasons = {"depth": "is nested too deeply", "infinity": "holds a number that is too large"}
    reason = next((reason for word, reason in reasons.items() if word in str(error)), "is not JSON in UTF-8")
    return f"{reason} (line {error.lineno}, column {error.colno})"


def holds_float(value: Any) -> bool:
    """Whether a float is in it, however deep."""
    met = [value]
    for each in met:
        if isinstance(each, dict):
            met.extend(each.values())
        elif isinstance(each, list):
            met.extend(each)
        elif isinstance(each, float):
            return True
    return False


def nests_deeper(value: Any, limit: int) -> bool:
    """Whether containers stand inside one another more than `limit` times."""
    level = [value]
    for _ in range(limit):
        level = [
            inner
            for container in level
            for inner in (container.values() if isinstance(container, dict) else container)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def plain(value: Any) -> Any:
    """What orjson does not write by itself, as its `default`."""
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
