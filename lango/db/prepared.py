"""Statements that are compiled once and then go straight to the connection, for what rules do again and again.

SQLAlchemy's session takes three times as long for the same effect. The models that are read here are no session's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Executable, Select, select
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.sql.elements import CompilerElement

from lango.db.postgres import dump_json

# PostgreSQL's number of the type `numeric`; types of other kinds do not ask for it.
NUMERIC = 1700
# As a SELECT says that its rows are changed next.
LOCKING = "FOR NO KEY UPDATE"
# What changes rows, wherever in a statement it stands.
WRITES = re.compile(r"INSERT INTO|DELETE FROM|UPDATE \w+\.\w+")
DIALECT = dialect(json_serializer=dump_json)  # type: ignore[no-untyped-call]


class Connected(Protocol):
    """What statements are sent through: a transaction."""

    async def fetch(self, *queries: Query) -> list[list[Any]]: ...

    def send(self, sql: str, values: Sequence[Any] = ()) -> None: ...

    def note_lock(self, model: type[Any], key: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Query:
    """A look-up with its parameters. `read` makes of its rows what it gives; `writes`: it changes rows as well."""

    sql: str
    values: Sequence[Any]
    writes: bool
    read: Callable[[Connected, list[tuple[Any, ...]]], list[Any]]


class Prepared:
    """A statement with named parameters."""

    def __init__(self, statement: Executable, columns: Sequence[str] | None = None) -> None:
        """`columns` are those that an INSERT without values of its own writes."""
        assert isinstance(statement, CompilerElement)
        made: Any = statement.compile(dialect=DIALECT, column_keys=columns)
        self.sql = str(made)
        self._parameters = [(name, processor_of(made, name), made.params.get(name)) for name in made.positiontup or ()]
        self._writes = WRITES.search(self.sql) is not None

    def values(self, given: dict[str, Any]) -> list[Any]:
        """The parameters in their order; those that are not given as the statement itself has them."""
        values = [(given.get(name, default), process) for name, process, default in self._parameters]
        return [value if process is None else process(value) for value, process in values]

    def send(self, tx: Connected, **given: Any) -> None:
        """Have it done with the next look-up, or at the end."""
        tx.send(self.sql, self.values(given))

    def query(self, **given: Any) -> Query:
        """It and its parameters, to be done together with others: `await tx.fetch(ONE.query(…), OTHER.query(…))`."""
        return Query(self.sql, self.values(given), self._writes, as_it_is)

    async def run(self, tx: Connected, **given: Any) -> list[tuple[Any, ...]]:
        """The rows. Raises asyncpg.PostgresError."""
        return (await tx.fetch(self.query(**given)))[0]


class Lookup:
    """A SELECT of models and values: `Lookup((Pack, func.now()), lambda rows: rows.where(Pack.id == bindparam("id")))`.

    A model that an outer join did not find is None. Where rows of the first model are locked, a rule's transaction
    minds the order of its locks; not `in_order` are those for which nobody can wait in another order.
    """

    def __init__(
        self, what: Sequence[Any], how: Callable[[Select[Any]], Select[Any]], *, in_order: bool = True
    ) -> None:
        self._parts: list[ModelColumns | _Value] = []
        columns: list[Any] = []
        for item in what:
            part = _part(item, len(columns))
            self._parts.append(part)
            columns += part.columns
        self._statement = Prepared(how(select(*columns)))
        # The model whose rows are locked, which is the first.
        first = self._parts[0]
        locks = in_order and LOCKING in self._statement.sql
        self._locked = first if locks and isinstance(first, ModelColumns) else None

    def query(self, **given: Any) -> Query:
        """It and its parameters, to be sent together with others: `await tx.fetch(ONE.query(…), OTHER.query(…))`."""
        return Query(self._statement.sql, self._statement.values(given), writes=False, read=self._read)

    async def all(self, tx: Connected, **given: Any) -> list[tuple[Any, ...]]:
        return (await tx.fetch(self.query(**given)))[0]

    async def one(self, tx: Connected, **given: Any) -> tuple[Any, ...] | None:
        """The first row; None where there is none."""
        found = await self.all(tx, **given)
        return found[0] if found else None

    def _read(self, tx: Connected, found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        if self._locked is not None:
            for row in found:
                tx.note_lock(self._locked.model, self._locked.key_in(row))
        return [tuple([part.read(row) for part in self._parts]) for row in found]


def as_it_is(_: Connected, found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows of a look-up that makes nothing else of them."""
    return found


@dataclass(frozen=True, slots=True)
class Partly:
    """Some columns of a model: the others are not read, and asking for one is an error."""

    model: type[DeclarativeBase]
    keys: frozenset[str]


def partly(model: type[DeclarativeBase], *columns: Any) -> Partly:
    """A model of which a look-up reads no more than these columns, its key among them."""
    return Partly(model, frozenset(column.key for column in columns))


def _part(item: Any, place: int) -> ModelColumns | _Value:
    if isinstance(item, Partly):
        return ModelColumns(item.model, place, only=item.keys)
    return ModelColumns(item, place) if isinstance(item, type) else _Value(item, place)


class _Value:
    def __init__(self, expression: ColumnElement[Any], place: int) -> None:
        self.columns = [expression]
        self._place = place
        self._process = result_processor_of(expression.type)

    def read(self, row: Any) -> Any:
        value = row[self._place]
        return value if self._process is None else self._process(value)


class ModelColumns:
    """The columns of a model that are read with it, from a place on in the row. Those that are deferred are not, but
    for what is `undeferred`."""

    def __init__(
        self,
        model: type[DeclarativeBase],
        place: int,
        *,
        of: Any = None,
        undeferred: Sequence[str] = (),
        only: Collection[str] = (),
    ) -> None:
        """`of`: the alias of the model that is read; `only`: the columns, where those are not all."""
        self.model = model
        mapper = model.__mapper__
        held = [each for each in mapper.column_attrs if not each.deferred or each.key in undeferred]
        held = [each for each in held if not only or each.key in only]
        self.columns = [getattr(of or model, attribute.key) for attribute in held]
        self._mapper = mapper
        self._read = [
            (attribute.key, position, result_processor_of(attribute.columns[0].type))
            for position, attribute in enumerate(held, place)
        ]
        keys = [mapper.get_property_by_column(column).key for column in mapper.primary_key]
        self._key = [position for wanted in keys for key, position, _ in self._read if key == wanted]

    def key_in(self, row: Any) -> Any:
        """The first part of a row's key."""
        return row[self._key[0]]

    def read(self, row: Any) -> Any:
        key = tuple([row[position] for position in self._key])
        if key[0] is None:
            return None
        made = self._mapper.class_manager.new_instance()
        state: Any = instance_state(made)
        state.dict.update(
            {
                name: row[position] if process is None else process(row[position])
                for name, position, process in self._read
            }
        )
        state.key = self._mapper.identity_key_from_primary_key(key)
        return made


def processor_of(compiled: Any, parameter: str) -> Callable[[Any], Any] | None:
    """What makes of a parameter of a compiled statement what the driver takes; None where it takes it as it is."""
    kind, dialect = compiled.binds[parameter].type, compiled.dialect
    process: Callable[[Any], Any] | None = kind.dialect_impl(dialect).bind_processor(dialect)
    return process


def result_processor_of(kind: Any) -> Callable[[Any], Any] | None:
    """What makes of a value of that type, as the driver gives it, what a model has; None where it has it as it is."""
    process: Callable[[Any], Any] | None = kind.dialect_impl(DIALECT).result_processor(DIALECT, NUMERIC)
    return process
