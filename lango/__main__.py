"""The door to the command line: puts the commands together and gives them what they use of the layers above."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping, Sequence
from pkgutil import walk_packages
from typing import Any, cast

import asyncpg
import typer
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from lango.actor import Actor
from lango.cli import accounts, dev, doctor, explain, ledger, migrate, schema, seed, serve, work
from lango.cli.composition import Above, Difference, PlannedField, Seeds
from lango.cli.console import err
from lango.db.migrate import MigrationError
from lango.db.postgres import BadAddressError, InsecureDatabase, SharedSessionError, UnreachableDatabaseError
from lango.db.roles import UnsupportedServerError
from lango.embedded import EmbeddedError
from lango.graphql.documents import Document
from lango.observability.metrics import Metrics
from lango.providers import BadProvider
from lango.security.keys import BadKey, NoSigningKey
from lango.settings import Settings

app = typer.Typer(
    name="lango",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="markdown",
    help="lango, a GraphQL gateway over PostgreSQL. Begin with `lango dev`; when something is wrong, `lango doctor`.",
)
app.command()(dev.dev)
app.command()(serve.serve)
app.command()(work.work)
app.add_typer(migrate.app, name="migrate")
app.command()(schema.schema)
app.command()(seed.seed)
app.command()(accounts.token)
app.command()(accounts.grant)
app.command()(explain.explain)
app.add_typer(ledger.app, name="ledger")
app.command()(doctor.doctor)

# What the user can mend: told in a line, without a traceback.
MENDABLE = (
    EmbeddedError,
    MigrationError,
    BadAddressError,
    InsecureDatabase,
    UnsupportedServerError,
    NoSigningKey,
    BadKey,
    BadProvider,
    SharedSessionError,
    UnreachableDatabaseError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.CannotConnectNowError,
)


def graphql_schema() -> Any:
    from gql.schema import schema

    return schema


def demo_data() -> Seeds:
    import seeds

    return cast(Seeds, seeds)


async def verify_ledger(session: AsyncSession) -> Sequence[Difference]:
    from resolvers.ledger.ledger import verify

    return await verify(session)


def modules_with_jobs() -> Sequence[str]:
    import resolvers

    return [module.name for module in walk_packages(resolvers.__path__, "resolvers.")]


def plan_of(
    settings: Settings, document: Document, operation: str | None, variables: Mapping[str, Any], actor: Actor
) -> Sequence[PlannedField]:
    from gql.kit.planner.explain import planned
    from gql.schema import make_planner

    return planned(make_planner(settings, Metrics()), document, operation, variables, actor)


@app.callback()
def door(context: typer.Context) -> None:
    context.obj = Above(
        schema=graphql_schema, seeds=demo_data, verify_ledger=verify_ledger, jobs=modules_with_jobs, plan_of=plan_of
    )


def end(_number: int, _frame: object) -> None:
    """As Ctrl-C does: so that what was started is stopped."""
    raise KeyboardInterrupt


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    try:
        app()
    except ValidationError as error:
        for wrong in error.errors():
            name = ".".join(str(part) for part in wrong["loc"])
            err.print(f"[bold red]Error:[/] the setting {name}: {wrong['msg']}", markup=True)
        sys.exit(1)
    except MENDABLE as error:
        err.print("[bold red]Error:[/]", end=" ")
        err.print(str(error), markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
