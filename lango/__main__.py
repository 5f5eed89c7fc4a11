"""The command line: puts the commands together, and says in a line what the user can mend."""

from __future__ import annotations

import signal
import sys

import asyncpg
import typer
from pydantic import ValidationError

from lango.cli import accounts, dev, doctor, explain, ledger, migrate, schema, seed, serve, work
from lango.cli.console import err
from lango.db.migrate import MigrationError
from lango.db.postgres import BadAddressError, InsecureDatabase, SharedSessionError, UnreachableDatabaseError
from lango.db.roles import UnsupportedServerError
from lango.embedded import EmbeddedError
from lango.providers import BadProvider
from lango.security.keys import BadKey, NoSigningKey

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
