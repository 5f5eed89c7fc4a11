"""The base of every model, and the naming of what PostgreSQL wants named."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from functools import cache
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Boolean,
    CheckConstraint,
    Date,
    DateTime,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    Time,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase

from lango.db.postgres import RawJson
from models.access import Access, Face
from models.columns import ChoiceType
from models.locks import LockRank
from models.transitions import Transitions

NAMING = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}


def implied_checks(table: Table) -> Iterator[CheckConstraint]:
    """What a column's type says and PostgreSQL's does not: the allowed values, and that time and numbers are real."""
    for column in table.columns:
        kind = column.type
        if isinstance(kind, ChoiceType):
            yield CheckConstraint(f"{column.name} IN ({kind.choice.sql_list()})", name=f"{column.name}_is_known")
        elif isinstance(kind, ARRAY) and isinstance(kind.item_type, ChoiceType):
            values = kind.item_type.choice.sql_list()
            yield CheckConstraint(f"{column.name}::text[] <@ ARRAY[{values}]", name=f"{column.name}_are_known")
    # The calendar of every client ends before PostgreSQL's: no infinity, no year before Christ, none of five digits.
    times = [column for column in table.columns if isinstance(column.type, Date | DateTime)]
    if times:
        ranges = " AND ".join(f"{column.name} >= '0001-01-01' AND {column.name} < '9999-01-01'" for column in times)
        yield CheckConstraint(ranges, name="times_are_finite")
    numbers = [column for column in table.columns if isinstance(column.type, Numeric)]
    if numbers:
        yield CheckConstraint(" AND ".join(f"{column.name} <> 'NaN'" for column in numbers), name="numbers_are_real")


class Base(DeclarativeBase):
    """A table. Its docstring and its columns' docs are the API's documentation and the SQL comments."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar = {
        str: Text(),
        int: Integer(),
        bool: Boolean(),
        Decimal: Numeric(),
        UUID: Uuid(),
        date: Date(),
        datetime: DateTime(timezone=True),
        time: Time(),
        RawJson: JSONB(),
    }

    # Who may read which rows. An internal table has none: no request role is granted anything on it.
    __access__: ClassVar[Access | None] = None
    # The view a face is; None for a table.
    __face__: ClassVar[Face | None] = None
    __transitions__: ClassVar[Transitions | None] = None
    # Why changes are not written to the audit log; None for a table whose changes are.
    __unaudited__: ClassVar[str | None] = None
    # Rows are written once: UPDATE and DELETE are refused, whoever asks.
    __append_only__: ClassVar[bool] = False
    # The column whose month decides a row's partition.
    __partitioned_by__: ClassVar[str | None] = None
    # Where its rows stand in the one order in which rules lock; None for what no rule locks.
    __lock_rank__: ClassVar[LockRank | None] = None
    # The plural, where it is not the regular one.
    __plural__: ClassVar[str | None] = None

    def __init__(self, **values: Any) -> None:
        """A new row. Unlike SQLAlchemy's own, it notes no changes: all of it is new. Raises TypeError for what is no
        column."""
        unknown = values.keys() - attributes(type(self))
        if unknown:
            raise TypeError(f"{type(self).__name__} has no column {min(unknown)!r}.")
        self.__dict__.update(values)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__face__ is None:
            for constraint in implied_checks(cls.table()):
                cls.table().append_constraint(constraint)

    @classmethod
    def table(cls) -> Table:
        """The table, typed as one (SQLAlchemy says FromClause)."""
        assert isinstance(cls.__table__, Table)
        return cls.__table__


@cache
def attributes(model: type[Base]) -> frozenset[str]:
    """What a model calls its columns."""
    return frozenset(model.__mapper__.columns.keys())


def models() -> list[type[Base]]:
    """Every model, tables and faces, in the order of declaration."""
    classes = {mapper.local_table: mapper.class_ for mapper in Base.registry.mappers}
    return [classes[table] for table in Base.metadata.tables.values()]
