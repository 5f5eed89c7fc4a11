"""Statements that are compiled once and then go straight to the driver, for what rules do again and again.

SQLAlchemy's session takes three times as long for a statement of the same effect. What runs here is not the session's:
flush before, or load again after, where both touch the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Executable, bindparam, insert, inspect, update
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.sql.elements import CompilerElement

from lango.postgres import dump_json
from lango.session import driver_of

DIALECT = dialect(json_serializer=dump_json)  # type: ignore[no-untyped-call]


class Prepared:
    """A statement with named parameters."""

    def __init__(self, statement: Executable, columns: Sequence[str] | None = None) -> None:
        """`columns` are those that an INSERT without values of its own writes."""
        assert isinstance(statement, CompilerElement)
        made: Any = statement.compile(dialect=DIALECT, column_keys=columns)
        self.sql = str(made)
        processors = made._bind_processors  # noqa: SLF001 - SQLAlchemy has no public name for it
        self._parameters = [(name, processors.get(name), made.params.get(name)) for name in made.positiontup or ()]

    def values(self, given: dict[str, Any]) -> list[Any]:
        """The parameters in their order; those that are not given as the statement itself has them."""
        told = [(given.get(name, default), process) for name, process, default in self._parameters]
        return [value if process is None else process(value) for value, process in told]

    async def run(self, session: AsyncSession, **given: Any) -> list[Any]:
        """The rows. Raises DBAPIError as the session would."""
        driver = await driver_of(await session.connection())
        values = self.values(given)
        try:
            found: list[Any] = await driver.fetch(self.sql, *values)
        except Exception as error:
            if getattr(error, "sqlstate", None) is None:
                raise
            raise DBAPIError(self.sql, None, error, hide_parameters=True) from error
        return found


async def save(session: AsyncSession, *rows: DeclarativeBase) -> None:
    """Write rows in their order: those that the session has loaded as they were changed, others as new ones.

    New ones do not become the session's. Raises DBAPIError, and RuntimeError for a row that is there no longer.
    """
    for row in rows:
        state: Any = inspect(row)
        model, mapper = type(row), state.mapper
        if state.persistent:
            changed = tuple(sorted(state.committed_state.keys() & mapper.columns.keys()))
            if not changed:
                continue
            given = {f"to {name}": getattr(row, name) for name in changed}
            found = await _update(model, changed).run(
                session, **given, **dict(zip(_key(model), state.identity, strict=True))
            )
            if not found:
                raise RuntimeError(f"A {model.__name__} that was to be changed is there no longer.")
            for name in changed:
                set_committed_value(row, name, getattr(row, name))
        else:
            held = {name: state.dict[name] for name in mapper.columns.keys() if name in state.dict}  # noqa: SIM118
            await _insert(model, tuple(held)).run(
                session, **{mapper.columns[name].name: value for name, value in held.items()}
            )


@cache
def _insert(model: type[DeclarativeBase], names: tuple[str, ...]) -> Prepared:
    columns = model.__mapper__.columns
    return Prepared(insert(model.__table__).inline(), [columns[name].name for name in names])  # type: ignore[arg-type]


@cache
def _update(model: type[DeclarativeBase], names: tuple[str, ...]) -> Prepared:
    columns, key = model.__mapper__.columns, model.__mapper__.primary_key
    values = {columns[name].name: bindparam(f"to {name}", type_=columns[name].type) for name in names}
    same = [column == bindparam(name, type_=column.type) for name, column in zip(_key(model), key, strict=True)]
    return Prepared(update(model.__table__).where(*same).values(values).returning(*key))  # type: ignore[arg-type]


@cache
def _key(model: type[DeclarativeBase]) -> tuple[str, ...]:
    return tuple(f"key {column.name}" for column in model.__mapper__.primary_key)
