"""A planned statement: its SQL, and how its parameters are read from a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select
from sqlalchemy.dialects.postgresql.asyncpg import PGCompiler_asyncpg, dialect

from gql.kit.deferred_values import DeferredValue, Read, RequestValues
from gql.kit.planner.builder import Placeholder
from lango.actor import DatabaseRole
from lango.db.postgres import dump_json
from lango.db.prepared import processor_of
from lango.graphql.time_slices import pause


class Compiler(PGCompiler_asyncpg):
    """Writes SQL; each SELECT is a place to pause."""

    def visit_select(self, *arguments: Any, **options: Any) -> str:
        pause()
        written: str = super().visit_select(*arguments, **options)  # type: ignore[no-untyped-call]
        return written


PAUSING = dialect(json_serializer=dump_json)  # type: ignore[no-untyped-call]
PAUSING.statement_compiler = Compiler


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement that gives one JSON text, or none where there is no row."""

    sql: str
    readers: tuple[Read, ...]
    placeholders: tuple[Placeholder, ...]
    # Whether the text tells which rows staff are shown.
    marked: bool
    # The share token that goes into the context; None without one, or where the request brings none.
    presented: Read | None = None

    def values(self, given: RequestValues) -> list[Any]:
        """The parameters, as the driver takes them. Raises BadUserInput for a value that the field does not take."""
        return [read(given) for read in self.readers]


def compiled(
    statement: Select[Any], role: DatabaseRole, placeholders: Sequence[Placeholder], presented: Any = None
) -> Statement:
    """The statement as it is sent. The role stands in it, because PostgreSQL plans a prepared statement again for each
    role: sharing one between two would have it planned at each turn."""
    made = statement.compile(dialect=PAUSING)
    readers = [_reader(made.params[name], processor_of(made, name)) for name in made.positiontup or ()]
    sql, token = f"/* {role.value} */ {made}", None if presented is None else _reader(presented, None)
    return Statement(sql, tuple(readers), tuple(placeholders), role is DatabaseRole.STAFF, token)


def _reader(value: Any, process: Any) -> Read:
    if isinstance(value, DeferredValue):
        read = value.read
        return read if process is None else lambda given: process(read(given))
    fixed = value if process is None else process(value)
    return lambda _: fixed
