"""A planned statement: its SQL, and how its parameters are read from a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select
from sqlalchemy.dialects.postgresql.asyncpg import PGCompiler_asyncpg, dialect

from gql.kit.deferred_values import DeferredValue, Read, RequestValues
from gql.kit.planner.builder import Builder, Placeholder
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
    # Whether rows that staff are shown are marked in the text.
    marked: bool
    # Whether it also writes to the audit log which people's rows those are.
    writes: bool
    # Whether it reads lists or groups, which may take long.
    has_lists: bool
    # The share token that goes into the context; None without one, or where the request brings none.
    presented: Read | None = None

    def values(self, given: RequestValues) -> list[Any]:
        """The parameters, as the driver takes them. Raises BadUserInput for a value that the field does not take."""
        return [read(given) for read in self.readers]


def compiled(statement: Select[Any], role: DatabaseRole, builder: Builder, *, audits: bool) -> Statement:
    """The statement as it is sent. The role stands in it, because PostgreSQL plans a prepared statement again for each
    role: sharing one between two would have it planned at each turn.

    One that shows staff people's rows gives its text through the function that `audits` them: there is no answer
    without its entry in the audit log, for they are of one transaction (docs/adr/0032).
    """
    made = statement.compile(dialect=PAUSING)
    readers = [_reader(made.params[name], processor_of(made, name)) for name in made.positiontup or ()]
    writes = audits and builder.shows_persons
    sql = f"SELECT lango.audit_shown(answer.text) FROM ({made}) AS answer (text)" if writes else str(made)
    presented = None if builder.presented is None else _reader(builder.presented, None)
    return Statement(
        f"/* {role.value} */ {sql}",
        tuple(readers),
        tuple(builder.placeholders),
        builder.marked,
        writes,
        builder.has_lists,
        presented,
    )


def _reader(value: Any, process: Any) -> Read:
    if isinstance(value, DeferredValue):
        read = value.read
        return read if process is None else lambda given: process(read(given))
    fixed = value if process is None else process(value)
    return lambda _: fixed
