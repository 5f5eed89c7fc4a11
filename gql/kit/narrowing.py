"""Which filters an index can answer, and which must stand beside one that does (docs/adr/0003)."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Column, PrimaryKeyConstraint, UniqueConstraint

from gql.kit.filters import BY_NAME, given
from gql.kit.kinds import kind_of
from gql.kit.naming import camel
from gql.kit.relations import attributes
from gql.kit.types import Input
from lango.errors import BadUserInput
from models.base import Base

MAX_CONDITIONS = 100
MAX_NESTING = 20
# PostgreSQL marks the comparison of numeric and inet as one that may tell what it sees.
NOT_LEAKPROOF = frozenset({"decimal", "inet"})


def check_size(where: Any) -> None:
    """Refuses a filter of too many conditions."""
    if where is not None and _count(where) > MAX_CONDITIONS:
        raise BadUserInput(f"A filter may have at most {MAX_CONDITIONS} conditions.")


def check_narrow(model: type[Base], where: Any, *, staff: bool) -> None:
    """Refuses a slow question about a table of which the caller sees without bound.

    Under policies only a leakproof operator on an indexed column can use the index; without one, the others would read
    every row there is. Staff may: they answer for the load.
    """
    check_size(where)
    if where is None or staff or not _unbounded(model) or not _slow(model, where) or _narrows(model, where):
        return
    offered = ", ".join(
        sorted(camel(key) for key, column in attributes(model).items() if column.name in leading(model))
    )
    raise BadUserInput(
        f"This filter on {model.__name__} rows needs one more that narrows them first: add one of {offered} with "
        "`eq`, `in` or a range."
    )


def _unbounded(model: type[Base]) -> bool:
    """Whether the rows a member sees grow with the table, not with what is the member's own."""
    return model.__face__ is not None or (model.__access__ is not None and model.__access__.unbounded)


@cache
def leading(model: type[Base]) -> frozenset[str]:
    """The columns by which an index finds rows."""
    table = model.table()
    indexes = (index.columns for index in table.indexes if not _is_gin(index))
    keys = (key.columns for key in table.constraints if isinstance(key, PrimaryKeyConstraint | UniqueConstraint))
    return frozenset(str(next(iter(columns)).name) for columns in (*indexes, *keys) if len(columns))


def _is_gin(index: Any) -> bool:
    return bool(index.dialect_options["postgresql"]["using"])


def _count(where: Any, depth: int = 0) -> int:
    """The conditions of a filter; an empty one is one too, because there is no end to `and: [{}, {}, {}]`."""
    if depth > MAX_NESTING:
        raise BadUserInput(f"A filter may be nested at most {MAX_NESTING} levels deep.")
    total = 0
    for value in given(where).values():
        inner = [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, Input)]
        total += sum(_count(item, depth + 1) for item in inner) if inner else 1
    return max(total, 1)


def _slow(model: type[Base], where: Any) -> bool:
    columns = attributes(model)
    for key, value in given(where).items():
        if key in ("and_", "or_"):
            if any(_slow(model, item) for item in value or ()):
                return True
        elif (
            key == "not_"
            or key not in columns
            or (value is not None and not _leakproof(columns[key], value, all_of=True))
        ):
            return True
    return False


def _narrows(model: type[Base], where: Any) -> bool:
    columns = attributes(model)
    for key, value in given(where).items():
        if key == "and_" and any(_narrows(model, item) for item in value or ()):
            return True
        if key == "or_" and value and all(_narrows(model, item) for item in value):
            return True
        found = key in columns and columns[key].name in leading(model) and value is not None
        if found and _leakproof(columns[key], value, all_of=False):
            return True
    return False


def _leakproof(column: Column[Any], filter_: Any, *, all_of: bool) -> bool:
    kind = kind_of(column)
    usable = [
        kind.name not in NOT_LEAKPROOF and name != "is_null" and BY_NAME[kind.name][name.rstrip("_")].leakproof
        for name in given(filter_)
        if not (all_of and name == "is_null")
    ]
    return all(usable) if all_of else any(usable)
