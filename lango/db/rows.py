"""What rules do with single rows: find them, lock them, save them.

The rows are models that no session keeps: what a rule changes in them is written by `save`, when the rule says so, and
nothing is written behind its back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ARRAY, Executable, any_, bindparam, case, func, insert, literal_column, select, update
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm.attributes import instance_state

from lango.db.prepared import Connected, Lookup, Prepared, Query
from lango.libraries.sqlalchemy import changes_in, forget_changes

NO_DATA_FOUND = "P0002"
Row = TypeVar("Row", bound=DeclarativeBase)


class RowGone(Exception):
    """The row that was to be locked is not there: it was deleted after it was seen."""


async def find(tx: Connected, model: type[Row], key: UUID) -> Row | None:
    """The row with that id, if the role of the moment sees it."""
    found = await _by_id(model, lock=False).one(tx, id=key)
    return found[0] if found else None


def locking(model: type[Row], key: UUID) -> Query:
    """The look-up by which `lock` finds its row, to be sent together with others."""
    return _by_id(model, lock=True).query(id=key)


def finding(model: type[Row], key: UUID) -> Query:
    """The look-up by which `find` finds its row, to be sent together with others."""
    return _by_id(model, lock=False).query(id=key)


def locking_all(model: type[Row], keys: Iterable[UUID]) -> Query:
    """The look-up by which `lock_all` finds its rows, to be sent together with others."""
    return _by_ids(model).query(ids=sorted(set(keys)))


async def lock(tx: Connected, model: type[Row], key: UUID) -> Row:
    """The row with that id, which nobody else changes until the transaction ends. See it first.

    Others may go on writing rows that refer to it: `FOR NO KEY UPDATE`, because no rule changes a key. Raises RowGone.
    """
    found = await _by_id(model, lock=True).one(tx, id=key)
    if found is None:
        raise RowGone(f"There is no {model.__name__} of that id, or no more.")
    row: Row = found[0]
    return row


async def lock_all(tx: Connected, model: type[Row], keys: Iterable[UUID]) -> dict[UUID, Row]:
    """Those rows by their ids, locked in the order of the ids, so that no two callers cross."""
    (found,) = await tx.fetch(locking_all(model, keys))
    return {row.id: row for (row,) in found}


def save(tx: Connected, *rows: DeclarativeBase) -> None:
    """Write rows in their order, with the next look-up or at the end: those that were read as they were changed since,
    others as new ones. A row that is there no longer is an error, NO_DATA_FOUND, which ends the transaction.
    """
    for row in rows:
        state: Any = instance_state(row)
        model, mapper = type(row), state.mapper
        if state.key is None:
            names, given = _column_names(model), state.dict
            held = tuple([name for name in names if name in given])
            statement = _insert(model, held)
            tx.send(statement.sql, statement.values({names[name]: given[name] for name in held}))
            state.key = mapper.identity_key_from_primary_key([given.get(name) for name in _key_names(model)])
        elif changed := tuple(sorted(_column_names(model).keys() & changes_in(state))):
            given = {f"to {name}": state.dict[name] for name in changed}
            given.update(zip(_key(model), state.key[1], strict=True))
            statement = _update(model, changed)
            tx.send(statement.sql, statement.values(given))
        if state.modified:
            # What is written is no change any more.
            forget_changes(state)


@cache
def _by_id(model: type[DeclarativeBase], *, lock: bool) -> Lookup:
    (key,) = model.__mapper__.primary_key
    same = key == bindparam("id", type_=key.type)
    return Lookup([model], lambda rows: rows.where(same).with_for_update(key_share=True) if lock else rows.where(same))


@cache
def _by_ids(model: type[DeclarativeBase]) -> Lookup:
    (key,) = model.__mapper__.primary_key
    among = key == any_(bindparam("ids", type_=ARRAY(key.type)))
    return Lookup([model], lambda rows: rows.where(among).order_by(key).with_for_update(key_share=True))


@cache
def _insert(model: type[DeclarativeBase], names: tuple[str, ...]) -> Prepared:
    columns = model.__mapper__.columns
    return Prepared(insert(model.__table__).inline(), [columns[name].name for name in names])  # type: ignore[arg-type]


@cache
def _update(model: type[DeclarativeBase], names: tuple[str, ...]) -> Prepared:
    columns, keys = model.__mapper__.columns, model.__mapper__.primary_key
    changed = {columns[name].name: (f"to {name}", columns[name].type) for name in names}
    key = {column: (name, column.type) for name, column in zip(_key(model), keys, strict=True)}

    def changing(value: Callable[[str, Any], Any], count: Any) -> Executable:
        same = [column == value(*given) for column, given in key.items()]
        values = {name: value(*given) for name, given in changed.items()}
        made = update(model.__table__).where(*same).values(values).returning(literal_column("1")).cte("changed")  # type: ignore[arg-type]
        message: Any = literal_column(f"'There is no such {model.__name__} any more.'")
        gone = func.lango.fail(literal_column(f"'{NO_DATA_FOUND}'"), message, literal_column("0"))
        # The row may not be there, or not be seen by the role: PostgreSQL then changes nothing and says nothing.
        return select(case((func.count() < count, gone))).select_from(made)

    return Prepared(
        changing(lambda name, kind: bindparam(name, type_=kind), literal_column("1")),
        several=lambda given: changing(lambda name, _: given[name], given.count),
    )


@cache
def _column_names(model: type[DeclarativeBase]) -> dict[str, str]:
    """The columns by their attributes."""
    return {name: column.name for name, column in model.__mapper__.columns.items()}


@cache
def _key_names(model: type[DeclarativeBase]) -> tuple[str, ...]:
    """The attributes that are its key."""
    mapper = model.__mapper__
    return tuple(mapper.get_property_by_column(column).key for column in mapper.primary_key)


@cache
def _key(model: type[DeclarativeBase]) -> tuple[str, ...]:
    return tuple(f"key {column.name}" for column in model.__mapper__.primary_key)
