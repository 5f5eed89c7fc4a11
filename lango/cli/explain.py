"""`lango explain`: the statements of a query, and how PostgreSQL reads them for somebody."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
import typer

from lango.actor import NOBODY, Actor, Role
from lango.cli.accounts import look_up
from lango.cli.console import err, fail
from lango.cli.database import database
from lango.db.pipeline import Pipeline, make_pipeline
from lango.db.postgres import connect
from lango.db.prepared import Query, as_it_is
from lango.db.reads import PRESENT
from lango.db.transaction import OpenTransaction, acting_as
from lango.errors import CallerError
from lango.graphql.documents import Document, Documents, InvalidDocument
from lango.observability.metrics import Metrics
from lango.settings import Settings

if TYPE_CHECKING:
    from gql.kit.planner.explain import Planned

LONGEST_VALUE = 200
ANALYZE = "EXPLAIN (ANALYZE, BUFFERS) "


def explain(query: str, as_: str | None, variables: str, operation: str | None, *, analyze: bool) -> None:
    text, given = text_of(query), values_of(variables)
    with database() as current:
        document = document_of(current, text)
        if current.planner != "on":
            err.print("[yellow]LANGO_PLANNER is off: the gateway would leave all of this to its executor.[/]")
        asyncio.run(explained(current, document, operation, given, as_, analyze=analyze))


def text_of(query: str) -> str:
    if query == "-":
        return sys.stdin.read()
    if not query.startswith("@"):
        return query
    try:
        return Path(query[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{query[1:]} cannot be read: {error}.")


def values_of(text: str) -> dict[str, Any]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        fail(f"The variables are no JSON: {error}.")
    if not isinstance(found, dict):
        fail('The variables are a JSON object, as in {"id": "…"}.')
    return found


def document_of(current: Settings, text: str) -> Document:
    from gql.schema import schema

    try:
        return Documents(schema, current, Metrics()).get_at_once(text)
    except InvalidDocument as invalid:
        parts = [
            f"{error.message} (line {error.locations[0].line}, column {error.locations[0].column})"
            if error.locations
            else error.message
            for error in invalid.errors
        ]
        fail(" ".join(parts))
    except CallerError as error:
        fail(str(error))


async def explained(
    current: Settings,
    document: Document,
    operation: str | None,
    variables: dict[str, Any],
    user: str | None,
    *,
    analyze: bool,
) -> None:
    from gql.kit.planner.explain import planned
    from gql.schema import make_planner

    assert current.database_url is not None
    address = current.database_url.get_secret_value()
    # Names the address where nothing answers there.
    await (await connect(address, current)).close()
    pipeline = make_pipeline(address, current, pool_size=1)
    try:
        actor = await acting(current, user)
        try:
            fields = planned(make_planner(current, Metrics()), document, operation, variables, actor)
        except CallerError as error:
            fail(str(error))
        for field in fields:
            show(field)
            if field.sql is not None:
                for line in await plan(pipeline, actor, field, analyze=analyze):
                    typer.echo(f"  {line}")
                typer.echo()
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedObjectError, asyncpg.InvalidParameterValueError):
        fail("The database has no tables yet. Run `lango dev`, or `lango migrate up` and `lango seed`.")
    except asyncpg.PostgresError as error:
        fail(f"PostgreSQL refuses it: {error}.")
    finally:
        pipeline.close()


async def acting(current: Settings, user: str | None) -> Actor:
    """The caller as by a token that claims all they have."""
    if user is None:
        return NOBODY
    found = await look_up(current, user)
    err.print(f"[dim]as {found.contact}, {found.id}[/]")
    return Actor(found.id, frozenset(map(Role, found.roles)))


def show(field: Planned) -> None:
    if field.sql is None:
        typer.echo(f"{field.key}: {field.reason}\n")
        return
    typer.echo(f"{field.key}: one statement")
    typer.echo(f"\n{field.lines}\n")
    for number, value in enumerate(field.values, 1):
        text = repr(value)
        typer.echo(f"  ${number} = {text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + '…'}")
    if field.in_python:
        typer.echo(f"  Python fills in {', '.join(field.in_python)}, for each row by itself.")
    if field.values or field.in_python:
        typer.echo()


async def plan(pipeline: Pipeline, actor: Actor, field: Planned, *, analyze: bool) -> Sequence[str]:
    """What PostgreSQL says of the statement, each in a transaction of its own. Raises asyncpg.PostgresError."""
    async with acting_as(pipeline, actor, read_only=True) as tx:
        if field.share_token is not None:
            tx.send(PRESENT, [field.share_token])
        return await lines_of(tx, f"{ANALYZE if analyze else 'EXPLAIN '}{field.sql}", field.values)


async def lines_of(tx: OpenTransaction, statement: str, values: Sequence[Any]) -> Sequence[str]:
    (found,) = await tx.fetch(Query(statement, values, writes=False, read=as_it_is))
    return [str(line) for (line,) in found]
