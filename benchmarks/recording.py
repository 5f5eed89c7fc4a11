"""What lango sends for a mutation, by PostgreSQL's own log: pgbench is given that, and nothing written by hand."""

from __future__ import annotations

import asyncio
import difflib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain

from benchmarks.database import Database
from benchmarks.places import stop
from lango.db.postgres import connect

# As `log_line_prefix` of the embedded server begins a line; what goes on in the next one begins with a tab.
LINE = re.compile(r"\S+ \S+ UTC \[(\d+)\] (\S*)@(\S*) (\w+):  (.*)", re.DOTALL)
SENT = re.compile(r"(?:statement|execute [^:]*): (.*)", re.DOTALL)
VALUE = re.compile(r"\$\d+ = (NULL|'((?:[^']|'')*)')", re.DOTALL)
# A semicolon that is in no literal ends a statement.
PARTS = re.compile(r"((?:'(?:[^']|'')*'|[^';])+)")
LITERAL = re.compile(r"'(?:[^']|'')*'")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Of rows: a SELECT of settings alone reads none.
READS = re.compile(r"(?:/\*.*?\*/\s*)?SELECT\b.*\bFROM\b", re.DOTALL | re.IGNORECASE)
WRITES = re.compile(r"(?:WITH\s+\w+\s+AS\s*\(\s*)?(?:INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
GATEWAY = "lango_gateway"
# Seconds until every process has the settings, and has written its lines.
SETTLING = 0.3


@dataclass(slots=True)
class Sent:
    """A statement, its parameters as texts, and their types, which say what an expression in their place is cast to."""

    sql: str
    values: list[str | None] = field(default_factory=list)
    types: list[str] = field(default_factory=list)


def record(database: Database, calls: Sequence[Callable[[], object]]) -> list[list[Sent]]:
    """The statements that the gateways send for each of the calls."""
    log = database.server.home / "postgres.log"
    recorded = []
    with logged(database):
        for call in calls:
            begin = log.stat().st_size
            call()
            time.sleep(SETTLING)
            recorded.append(statements(log.read_bytes()[begin:].decode(), database.name))
    if not all(recorded):
        stop("PostgreSQL's log shows no statement of lango's.")
    asyncio.run(_add_types(database.owner_url, recorded))
    return recorded


@contextmanager
def logged(database: Database) -> Iterator[None]:
    """Have every statement logged."""
    asyncio.run(_set_logging(database.owner_url, "ALTER SYSTEM SET log_statement = 'all'"))
    try:
        yield
    finally:
        asyncio.run(_set_logging(database.owner_url, "ALTER SYSTEM RESET log_statement"))


async def _set_logging(url: str, command: str) -> None:
    connection = await connect(url)
    try:
        await connection.execute(command)
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()
    await asyncio.sleep(SETTLING)


async def _add_types(url: str, recorded: Sequence[Sequence[Sent]]) -> None:
    connection = await connect(url)
    try:
        for each in chain.from_iterable(recorded):
            if each.values:
                prepared = await connection.prepare(each.sql)
                each.types = [f"{kind.schema}.{kind.name}" for kind in prepared.get_parameters()]
    finally:
        await connection.close()


def statements(log: str, database: str) -> list[Sent]:
    """The statements in a log that the gateways have sent to a database. Several in one query are several here."""
    found: list[Sent] = []
    for line in re.split(r"\n(?!\t)", log):
        known = LINE.fullmatch(line.replace("\n\t", "\n").strip())
        if known is None or (known[2], known[3]) != (GATEWAY, database):
            continue
        level, text = known[4], known[5]
        if level == "LOG" and (sent := SENT.fullmatch(text)):
            found += [Sent(part.strip()) for part in PARTS.findall(sent[1]) if part.strip()]
        elif level == "DETAIL" and "arameters:" in text and found:
            found[-1].values = [
                None if value == "NULL" else inner.replace("''", "'") for value, inner in VALUE.findall(text)
            ]
    return found


def expressions(sent: Sequence[Sent], again: Sequence[Sent], known: dict[str, str], key: str) -> list[list[str | None]]:
    """For each parameter what pgbench writes in its place; None for one that stays as it was recorded.

    `known` are the expressions of the call's own values. An id that another call (`again`) has otherwise was made for
    the call alone: pgbench makes one from `key`.
    """
    # What is written into a statement, as the request's id, may differ.
    texts, others = ([LITERAL.sub("''", each.sql) for each in recorded] for recorded in (sent, again))
    if texts != others:
        lines = difflib.unified_diff(texts, others, lineterm="", n=1)
        stop("lango sends other statements for the next call, so that pgbench cannot repeat them:\n" + "\n".join(lines))
    made = dict(known)
    for one, other in zip(sent, again, strict=True):
        for value, changed in zip(one.values, other.values, strict=True):
            ids = zip(UUID.findall(value or ""), UUID.findall(changed or ""), strict=True)
            for mine, others in ids:
                if mine != others and mine not in made:
                    made[mine] = f"md5({key} || '{len(made)}')::uuid"
    return [
        [
            None if value is None else expression(value, made, kind)
            for value, kind in zip(each.values, each.types, strict=True)
        ]
        for each in sent
    ]


def expression(value: str, known: dict[str, str], kind: str) -> str | None:
    """A value in which known ones stand, as SQL; None where none does."""
    parts = re.split(f"({'|'.join(map(re.escape, known))})", value)
    if len(parts) == 1:
        return None
    written = [known[part] if part in known else literal(part) for part in parts if part]
    return f"({' || '.join(written)})::{kind}" if len(written) > 1 else f"({written[0]})::{kind}"


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def round_trips(sent: Sequence[Sent]) -> list[list[int]]:
    """Which statements travel together: a transaction in one round trip, but what is written has to wait for what was
    read before it."""
    trips: list[list[int]] = []
    ended, has_read = True, False
    for number, each in enumerate(sent):
        if ended or (has_read and WRITES.match(each.sql)):
            trips.append([])
            has_read = False
        trips[-1].append(number)
        has_read = has_read or READS.match(each.sql) is not None
        ended = each.sql.upper().startswith("COMMIT")
    return trips
