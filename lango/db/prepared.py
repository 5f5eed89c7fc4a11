"""Statements that are compiled once and then go straight to the connection, for what rules do again and again.

SQLAlchemy's session takes three times as long for the same effect. The models that are read here are no session's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol
from weakref import WeakValueDictionary

from sqlalchemy import ARRAY, ColumnElement, Executable, Select, select
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.sql.elements import CompilerElement

from lango.db.connection import Values
from lango.db.postgres import dump_json
from lango.db.wire import Decoder, Parameters, parameters, values_in

# PostgreSQL's number of the type `numeric`; types of other kinds do not ask for it.
NUMERIC = 1700
# As a SELECT says that its rows are changed next.
LOCKING = "FOR NO KEY UPDATE"
# What changes rows, wherever in a statement it stands.
WRITES = re.compile(r"INSERT INTO|DELETE FROM|UPDATE \w+\.\w+")
DIALECT = dialect(json_serializer=dump_json)  # type: ignore[no-untyped-call]

# What makes a value of another, on its way in or out; None where it is right as it is. It gives None for None.
Process = Callable[[Any], Any] | None
# What has been prepared, by its SQL.
PREPARED: WeakValueDictionary[str, Prepared] = WeakValueDictionary()


class Connected(Protocol):
    """What statements are sent through: a transaction."""

    async def fetch(self, *queries: Query) -> list[list[Any]]: ...

    def send(self, sql: str, values: Values = ()) -> None: ...

    def note_lock(self, model: type[Any], key: Any, *, in_order: bool = True) -> None: ...


class Query(NamedTuple):
    """A look-up with its parameters. `read` makes of its rows, by the decoders of their columns, what it gives;
    `writes`: it changes rows as well."""

    sql: str
    values: Values
    writes: bool
    read: Callable[[Connected, Sequence[bytes], Sequence[Decoder]], list[Any]]


class Prepared:
    """A statement with named parameters."""

    def __init__(
        self,
        statement: Executable,
        columns: Sequence[str] | None = None,
        *,
        several: Callable[[Any], Executable] | None = None,
    ) -> None:
        """`columns` are those that an INSERT without values of its own writes.

        `several` gives the same for several rows at once, of whose parameters it reads a table
        (`lango.db.several.Given`); of a look-up, and an INSERT of `columns`, that is made by itself.
        """
        assert isinstance(statement, CompilerElement)
        made: Any = statement.compile(dialect=DIALECT, column_keys=columns)
        self.sql = str(made)
        self._parameters = [(name, processor_of(made, name), made.params.get(name)) for name in made.positiontup or ()]
        self.writes = WRITES.search(self.sql) is not None
        self.statement, self.columns, self.several = statement, columns, several
        # The parameters in their order; and the types of those that are given.
        self.names = tuple(made.positiontup or ())
        self.types = {name: made.binds[name].type for name in self.names if made.binds[name].required}
        PREPARED[self.sql] = self

    def values(self, given: Mapping[str, Any]) -> Parameters:
        """The parameters as they are sent, in their order; those that are not given as the statement has them."""
        values = [
            given.get(name, default) if process is None else process(given.get(name, default))
            for name, process, default in self._parameters
        ]
        return parameters(values)

    def send(self, tx: Connected, **given: Any) -> None:
        """Have it done with the next look-up, or at the end."""
        tx.send(self.sql, self.values(given))

    def query(self, **given: Any) -> Query:
        """It and its parameters, to be done together with others: `await tx.fetch(ONE.query(…), OTHER.query(…))`."""
        return Query(self.sql, self.values(given), self.writes, as_it_is)

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
        processes = [process for part in self._parts for process in part.processes]
        self._readers = Readers(processes)
        # The model whose rows are locked, which is the first.
        first = self._parts[0]
        self._locked = first if LOCKING in self._statement.sql and isinstance(first, ModelColumns) else None
        self._in_order = in_order

    def query(self, **given: Any) -> Query:
        """It and its parameters, to be sent together with others: `await tx.fetch(ONE.query(…), OTHER.query(…))`."""
        return Query(self._statement.sql, self._statement.values(given), writes=False, read=self._read)

    async def all(self, tx: Connected, **given: Any) -> list[tuple[Any, ...]]:
        return (await tx.fetch(self.query(**given)))[0]

    async def one(self, tx: Connected, **given: Any) -> tuple[Any, ...] | None:
        """The first row; None where there is none."""
        found = await self.all(tx, **given)
        return found[0] if found else None

    def _read(self, tx: Connected, rows: Sequence[bytes], decoders: Sequence[Decoder]) -> list[tuple[Any, ...]]:
        readers = self._readers.of(decoders) if rows else ()
        made: list[tuple[Any, ...]] = []
        for row in rows:
            found = values_in(row, readers)
            if self._locked is not None:
                tx.note_lock(self._locked.model, self._locked.key_in(found), in_order=self._in_order)
            made.append(tuple([part.read(found) for part in self._parts]))
        return made


class Readers:
    """How the columns of one statement are read: each by the decoder of its type in PostgreSQL, and then by what makes
    of that what SQLAlchemy's type says."""

    def __init__(self, processes: Sequence[Process]) -> None:
        self._processes = processes
        # As they were made last, and from what.
        self._decoders: Sequence[Decoder] = ()
        self._readers: Sequence[Decoder] = ()

    def of(self, decoders: Sequence[Decoder]) -> Sequence[Decoder]:
        if decoders is not self._decoders:
            pairs = zip(decoders, self._processes, strict=True)
            self._readers = [decode if process is None else _after(decode, process) for decode, process in pairs]
            self._decoders = decoders
        return self._readers


def _after(decode: Decoder, process: Callable[[Any], Any]) -> Decoder:
    return lambda value: process(decode(value))


def as_it_is(_: Connected, rows: Sequence[bytes], decoders: Sequence[Decoder]) -> list[tuple[Any, ...]]:
    """The rows of a look-up that makes nothing else of them."""
    return [tuple(values_in(row, decoders)) for row in rows]


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
        self.processes = [result_processor_of(expression.type)]
        self._place = place

    def read(self, row: Sequence[Any]) -> Any:
        return row[self._place]


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
        self.processes = [result_processor_of(attribute.columns[0].type) for attribute in held]
        self._manager, self._key_of = mapper.class_manager, mapper.identity_key_from_primary_key
        self._names = [attribute.key for attribute in held]
        self._row = slice(place, place + len(held))
        keys = [mapper.get_property_by_column(column).key for column in mapper.primary_key]
        self._key = [place + self._names.index(key) for key in keys]

    def key_in(self, row: Sequence[Any]) -> Any:
        """The first part of a row's key."""
        return row[self._key[0]]

    def read(self, row: Sequence[Any]) -> Any:
        """The model, of a row whose values have been read; None where its key is null."""
        key = tuple([row[position] for position in self._key])
        if key[0] is None:
            return None
        made: Any = self._manager.new_instance()
        made.__dict__.update(zip(self._names, row[self._row], strict=True))
        instance_state(made).key = self._key_of(key)
        return made


def processor_of(compiled: Any, parameter: str) -> Process:
    """What makes of a parameter of a compiled statement what is sent; None where it is sent as it is."""
    kind, dialect = compiled.binds[parameter].type, compiled.dialect
    process: Process = kind.dialect_impl(dialect).bind_processor(dialect)
    if isinstance(kind, ARRAY) and kind.item_type.dialect_impl(dialect).bind_processor(dialect) is None:
        # SQLAlchemy's would walk through the items for nothing.
        return _listed
    return process


def _listed(value: Any) -> Any:
    return value if value is None or isinstance(value, list) else list(value)


def result_processor_of(kind: Any) -> Process:
    """What makes of a value of that type, as it was decoded, what a model has; None where it has it as it is."""
    if isinstance(kind, ARRAY) and result_processor_of(kind.item_type) is None:
        return None
    process: Process = kind.dialect_impl(DIALECT).result_processor(DIALECT, NUMERIC)
    return process
