"""What kind of value a column holds: its type outside, and what may be asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Column
from sqlalchemy import types as sql
from sqlalchemy.dialects.postgresql import INET, JSONB

from gql.kit.scalars import BigInt, Inet, Json
from lango.libraries.strawberry import EnumValue, StrawberryEnumDefinition, keep_definition
from models.base import Base, models
from models.columns import Choice, ChoiceType, Documented


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value: `outer` is its type outside; `many` says that it is an array."""

    name: str
    outer: Any
    many: bool = False
    choice: type[Choice] | None = None

    @property
    def annotation(self) -> Any:
        return list[self.outer] if self.many else self.outer  # type: ignore[name-defined]


PLAIN: list[tuple[type[Any], Kind]] = [
    (sql.Uuid, Kind("uuid", UUID)),
    (JSONB, Kind("json", Json)),
    (INET, Kind("inet", Inet)),
    (sql.Boolean, Kind("boolean", bool)),
    (BigInteger, Kind("big_int", BigInt)),
    (sql.Integer, Kind("int", int)),
    (sql.Numeric, Kind("decimal", Decimal)),
    (sql.DateTime, Kind("moment", datetime)),
    (sql.Date, Kind("date", date)),
    (sql.Time, Kind("time", time)),
    (sql.String, Kind("text", str)),
]


# The characters of a value, as its cost is counted, where its column says nothing of its length: few are as long. JSON
# is written out longer than it was sent.
LONGEST_TEXT = 1_000
LONGEST = {"texts": 1_000, "json": 16_000}


@cache
def enum_of(choice: type[Documented]) -> type[Documented]:
    """A list of words as a GraphQL enum: the stored values in upper case, each with its meaning."""
    values = [EnumValue(member.name, member.value, description=member.doc) for member in choice]
    description = " ".join((choice.__doc__ or "").split())
    definition = StrawberryEnumDefinition(
        wrapped_cls=choice, name=choice.__name__, values=values, description=description
    )
    keep_definition(choice, definition)
    return choice


@cache
def kind_of(column: Column[Any]) -> Kind:
    """The kind of a column's value."""
    if isinstance(column.type, ARRAY):
        inner = _kind(column.type.item_type)
        return Kind(f"{inner.name}s", inner.outer, many=True, choice=inner.choice)
    return _kind(column.type)


def _kind(kind: Any) -> Kind:
    if isinstance(kind, ChoiceType):
        return Kind("choice", enum_of(kind.choice), choice=kind.choice)
    for known, plain in PLAIN:
        if isinstance(kind, known):
            return plain
    raise TypeError(f"No kind for {kind!r}")


@cache
def longest_of(column: Column[Any]) -> int:
    """The characters that a value of the column may have, as a price is counted; 0 for what is always short.

    Where the column says nothing, it is what people and programs write there in fact.
    """
    kind = kind_of(column).name
    return (getattr(column.type, "length", None) or LONGEST_TEXT) if kind == "text" else LONGEST.get(kind, 0)


@cache
def target_of(column: Column[Any]) -> type[Base] | None:
    """The model whose key a column holds: its foreign key's; in a face, that of a table's column of the same name."""
    known = _models_by_table()
    for key in column.foreign_keys:
        if key.column.primary_key and (model := known.get(key.column.table)) is not None:
            return model
    shown = known.get(column.table)
    if shown is not None and shown.__face__ is not None:
        tables = (table for table, model in known.items() if model.__face__ is None)
        same = (table.columns[column.name] for table in tables if column.name in table.columns)
        return next((target for other in same if (target := target_of(other)) is not None), None)
    return None


@cache
def _models_by_table() -> dict[Any, type[Base]]:
    return {model.table(): model for model in models()}
