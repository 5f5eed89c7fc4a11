"""`orderBy` and cursors: keyset pagination over any columns, null-safe, with the key last."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from functools import cache, partial
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import strawberry
from sqlalchemy import Column, ColumnElement, Text, and_, bindparam, cast, false, func, literal_column, or_, tuple_

from gql.kit.deferred_values import DeferredValue, decided
from gql.kit.filters import Alias, the_one
from gql.kit.kinds import kind_of
from gql.kit.naming import camel
from gql.kit.relations import attributes, is_staff_only
from gql.kit.type_registry import register
from gql.kit.types import Field, input_type
from lango.errors import BadUserInput
from models.base import Base

ORDERED = frozenset({"uuid", "text", "choice", "boolean", "int", "big_int", "decimal", "moment", "date", "time"})
MAX_KEYS = 8


@strawberry.enum(description="A direction. Null comes last, unless told to come first.")
class SortDirection(Enum):
    ASC = strawberry.enum_value("asc", description="From the least to the greatest; null last.")
    DESC = strawberry.enum_value("desc", description="From the greatest to the least; null last.")
    ASC_NULLS_FIRST = strawberry.enum_value(
        "asc_nulls_first", description="From the least to the greatest; null first."
    )
    DESC_NULLS_FIRST = strawberry.enum_value(
        "desc_nulls_first", description="From the greatest to the least; null first."
    )


@dataclass(frozen=True, slots=True)
class Key:
    """One key of an ordering."""

    attribute: str
    column: Column[Any]
    descending: bool
    nulls_first: bool = False

    @property
    def nullable(self) -> bool:
        return bool(self.column.nullable)

    def reversed(self) -> Key:
        return Key(self.attribute, self.column, not self.descending, not self.nulls_first)

    def term(self, row: Alias) -> ColumnElement[Any]:
        expression = getattr(row, self.attribute)
        ordered: ColumnElement[Any] = expression.desc() if self.descending else expression.asc()
        # Only where it differs from what PostgreSQL does by itself, so that an index of the plain order serves.
        if self.nullable and self.nulls_first != self.descending:
            return ordered.nulls_first() if self.nulls_first else ordered.nulls_last()
        return ordered


class Position(NamedTuple):
    """Where a cursor stands: the values of the ordering's keys."""

    values: tuple[Any, ...]


def order_of(model: type[Base]) -> type[Any]:
    """The input that orders a model's rows by one of its columns."""
    fields = [
        Field(attribute, SortDirection | None, name=camel(attribute), description=column.doc)
        for attribute, column in attributes(model).items()
        if kind_of(column).name in ORDERED and not is_staff_only(column)
    ]
    name = f"{model.__name__}Order"
    description = f"One key by which {model.__name__} rows are ordered; the list's first key counts most."
    return register(name, input_type(name, fields, description=description, one_of=True))


def keys_of(model: type[Base], order: list[Any] | None) -> tuple[Key, ...]:
    """The ordering's keys, ending in the primary key. By default the newest come first, where rows have an age."""
    columns = attributes(model)
    keys: list[Key] = []
    if order is not None and len(order) > MAX_KEYS:
        raise BadUserInput(f"A list is ordered by at most {MAX_KEYS} keys.")
    for item in order or ():
        attribute, value = the_one(item)
        direction = decided(value)
        if all(key.attribute != attribute for key in keys):
            descending, nulls_first = direction.value.startswith("desc"), direction.value.endswith("nulls_first")
            keys.append(Key(attribute, columns[attribute], descending, nulls_first))
    if not keys and "created_at" in columns:
        keys.append(Key("created_at", columns["created_at"], descending=True))
    descending = keys[-1].descending if keys else False
    for attribute in _key_attributes(model):
        if all(key.attribute != attribute for key in keys):
            keys.append(Key(attribute, columns[attribute], descending))
    return tuple(keys)


@cache
def _key_attributes(model: type[Base]) -> tuple[str, ...]:
    mapper = model.__mapper__
    return tuple(mapper.get_property_by_column(column).key for column in mapper.primary_key)


def terms(row: Alias, keys: tuple[Key, ...]) -> list[ColumnElement[Any]]:
    return [key.term(row) for key in keys]


def backwards(keys: tuple[Key, ...]) -> tuple[Key, ...]:
    return tuple(key.reversed() for key in keys)


def fingerprint(model: type[Base], keys: tuple[Key, ...]) -> str:
    """Binds a cursor to its ordering: a cursor of another one would point to nowhere."""
    text = ",".join(f"{key.attribute}{'-' if key.descending else '+'}{'n' if key.nulls_first else ''}" for key in keys)
    return hashlib.sha256(f"{model.__name__}:{text}".encode()).hexdigest()[:8]


def cursor(row: Alias, model: type[Base], keys: tuple[Key, ...]) -> ColumnElement[str]:
    """The opaque text of a row's place: made by the database, so that every way of reading gives the same."""
    parts = [cast(getattr(row, key.attribute), Text) for key in keys]
    text = cast(func.json_build_array(literal_column(f"'{fingerprint(model, keys)}'"), *parts), Text)
    constants: list[ColumnElement[str]] = [literal_column(part) for part in ("'UTF8'", "'base64'", "E'\\n'", "''")]
    utf8, base64_, newline, nothing = constants
    # Not translate(), which takes four times as long.
    return func.replace(func.encode(func.convert_to(text, utf8), base64_), newline, nothing)


def position(model: type[Base], keys: tuple[Key, ...], cursor: Any) -> Position:
    """What a cursor says, whose text may be deferred. Raises BadUserInput for one of another ordering, or none at
    all."""
    if not isinstance(cursor, DeferredValue):
        return _position(model, keys, cursor)
    place = cursor.then(partial(_position, model, keys))
    # Where a key is null decides how the rows beyond it are found.
    nullable = any(key.nullable for key in keys)
    nulls = place.decide(lambda found: tuple(value is None for value in found.values)) if nullable else None
    values = [place.then(partial(_value, index)) for index in range(len(keys))]
    return Position(tuple(None if nulls and nulls[index] else value for index, value in enumerate(values)))


def _value(index: int, place: Position) -> Any:
    return place.values[index]


def _position(model: type[Base], keys: tuple[Key, ...], text: str) -> Position:
    try:
        ordering, *values = orjson.loads(base64.b64decode(text, validate=True))
        if ordering == fingerprint(model, keys) and len(values) == len(keys):
            return Position(tuple(_parse(key, value) for key, value in zip(keys, values, strict=True)))
    except (binascii.Error, ValueError, TypeError, KeyError):
        pass
    raise BadUserInput("This cursor is not of this list in this order: start again without it.")


def _parse(key: Key, value: Any) -> Any:
    if value is None:
        if not key.nullable:
            raise ValueError(key.attribute)
        return None
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(value)
    kind = kind_of(key.column)
    return kind.choice(value) if kind.choice is not None else READERS[kind.name](value)


def _number(text: str) -> Decimal:
    """A bounded one: the driver would write out every zero of 1e999999999."""
    if not NUMBER.fullmatch(text):
        raise ValueError(text)
    return Decimal(text)


def _whole(text: str) -> int:
    if "." in text or not -(2**63) <= (number := int(_number(text))) < 2**63:
        raise ValueError(text)
    return number


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(text)
    return found


NUMBER = re.compile(r"-?\d{1,40}(\.\d{1,40})?", re.ASCII)
READERS: dict[str, Callable[[str], Any]] = {
    "uuid": UUID, "text": str, "boolean": {"true": True, "false": False}.__getitem__, "int": _whole, "big_int": _whole,
    "decimal": _number, "moment": _moment, "date": date.fromisoformat, "time": time.fromisoformat,
}  # fmt: skip


def beyond(row: Alias, keys: tuple[Key, ...], place: Position) -> ColumnElement[bool]:
    """The rows strictly after a place in the ordering.

    Keys that are never null and run one way compare as a row, which is one range of an index. Others expand, with a
    redundant bound on the first key where there can be one: without it the scan starts at the beginning of the list.
    """
    columns = [getattr(row, key.attribute) for key in keys]
    values = [bindparam(None, value, type_=key.column.type) for key, value in zip(keys, place.values, strict=True)]
    if not any(key.nullable for key in keys) and len({key.descending for key in keys}) == 1:
        left, right = tuple_(*columns), tuple_(*values)
        return left < right if keys[0].descending else left > right
    condition: ColumnElement[bool] = _after(keys[-1], columns[-1], values[-1], place.values[-1])
    for key, column, bound, value in reversed(
        list(zip(keys[:-1], columns[:-1], values[:-1], place.values[:-1], strict=True))
    ):
        same = column.is_(None) if value is None else column == bound
        condition = or_(_after(key, column, bound, value), and_(same, condition))
    if keys[0].nullable:
        return condition
    return and_(columns[0] <= values[0] if keys[0].descending else columns[0] >= values[0], condition)


def _after(key: Key, column: Any, bound: Any, value: Any) -> ColumnElement[bool]:
    if value is None:
        return column.is_not(None) if key.nulls_first else false()
    further = column < bound if key.descending else column > bound
    return or_(further, column.is_(None)) if key.nullable and not key.nulls_first else further


def page_limit(size: int) -> ColumnElement[int]:
    """A literal LIMIT: a generic plan can see it."""
    return literal_column(str(int(size)))
