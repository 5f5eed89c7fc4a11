"""One statement for several rows: what a prepared one gives, or does, with the parameters of each of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Insert,
    Join,
    Select,
    Text,
    cast,
    column,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy import bindparam as parameter
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.visitors import replacement_traverse
from sqlalchemy.types import NullType

from lango.db.prepared import DIALECT, LOCKING, PREPARED, Prepared, processor_of
from lango.db.wire import Parameters, texts_in


class Given:
    """The parameters of several rows, as a table that a statement for all of them reads."""

    def __init__(self, types: dict[str, Any]) -> None:
        self._types = types
        sent = {name: _sent_as(kind) for name, kind in types.items()}
        arrays: list[Any] = [parameter(name, type_=ARRAY(kind)) for name, kind in sent.items()]
        columns = [column(name, kind) for name, kind in sent.items()]
        self.table = func.unnest(*arrays).table_valued(*columns, with_ordinality="place").render_derived("given")
        # The number of the row, from one on; and how many there are.
        self.place: ColumnElement[int] = self.table.c.place
        self.count: ColumnElement[int] = func.cardinality(arrays[0])

    def __getitem__(self, name: str) -> ColumnElement[Any]:
        """A parameter. A SELECT that reads it names the table in its FROM."""
        return self._typed(self.table.c[name], name)

    def in_subquery(self, name: str) -> ColumnElement[Any]:
        """A parameter by its name alone: no part of a statement that is inside of another gets a FROM by it."""
        return self._typed(literal_column(f'given."{name}"', self.table.c[name].type), name)

    def _typed(self, sent: ColumnElement[Any], name: str) -> ColumnElement[Any]:
        kind = self._types[name]
        return cast(sent, kind) if isinstance(kind, ARRAY) else sent


def _sent_as(kind: Any) -> Any:
    # An array of arrays would have two dimensions: each is sent as its text. And a cast to a text of some length cuts
    # off what is too long, where an INSERT refuses it.
    is_text = isinstance(kind, ARRAY) or kind.compile(dialect=DIALECT).startswith("VARCHAR")
    return Text() if is_text else kind


class Several:
    """How a prepared statement is done for several rows."""

    def __init__(self, one: Prepared, statement: Any, *, gives_rows: bool) -> None:
        """`gives_rows`: behind the columns of each row that it gives stands for which one it is."""
        made = statement.compile(dialect=DIALECT)
        self.sql = str(made)
        self.gives_rows = gives_rows
        # For each parameter where it stands among those of one row; else its value, the same for all.
        self._parameters: list[tuple[int | None, Any]] = []
        for name in made.positiontup or ():
            if name in one.types:
                self._parameters.append((one.names.index(name), None))
            else:
                process, value = processor_of(made, name), made.params[name]
                self._parameters.append((None, value if process is None else process(value)))

    def values(self, rows: Sequence[Parameters]) -> list[Any]:
        """Its parameters, made of those of the statement for each row."""
        texts = [texts_in(row) for row in rows]
        return [value if place is None else [row[place] for row in texts] for place, value in self._parameters]


@lru_cache(maxsize=500)
def several(sql: str) -> Several | None:
    """How this statement is done for several rows at once; None where it is done for each of them."""
    one = PREPARED.get(sql)
    if one is None or not one.types or any(isinstance(kind, NullType) for kind in one.types.values()):
        return None
    given, statement = Given(one.types), one.statement
    if one.several is not None:
        return Several(one, one.several(given), gives_rows=False)
    if isinstance(statement, Insert) and set(one.columns or ()) == set(one.types) and "RETURNING" not in one.sql:
        values = select(*(given[name] for name in one.columns or ()))
        return Several(one, statement.from_select(one.columns or (), values, include_defaults=False), gives_rows=False)
    if not isinstance(statement, Select) or one.writes:
        return None
    looked_up = _looking_up(one, statement, given)
    return None if looked_up is None else Several(one, looked_up, gives_rows=True)


def _looking_up(one: Prepared, statement: Select[Any], given: Given) -> Any:
    def of_row(element: Any, **_: Any) -> Any:
        is_given = isinstance(element, BindParameter) and element.key in one.types
        return given.in_subquery(element.key) if is_given else None

    each: Any = replacement_traverse(statement, {}, of_row)
    if LOCKING not in one.sql:
        if "OFFSET" in one.sql:
            return None
        # Behind an OFFSET it is planned by itself, as it is for one row.
        found = each.offset(literal_column("0")).lateral("found")
        return select(*found.c, given.place).select_from(given.table.join(found, true()))
    # All that is locked is locked in one order.
    table: Any = next(iter(statement.selected_columns)).table
    (key,) = table.primary_key
    in_order = "ORDER BY" not in one.sql or f"ORDER BY {table.fullname}.{key.name} {LOCKING}" in one.sql
    if not in_order or "LIMIT" in one.sql or any(isinstance(source, Join) for source in each.get_final_froms()):
        return None
    return each.add_columns(given.place).select_from(given.table).order_by(None).order_by(key)
