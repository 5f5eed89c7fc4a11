"""The command line: each command with its options and its help. What it does is imported when it is called.

So help, completion and a mistyped option cost a tenth of a second, not the second in which the libraries are read.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from lango.actor import Role
from lango.cli.sizes import Size

app = typer.Typer(
    name="lango",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="markdown",
    help="lango, a GraphQL gateway over PostgreSQL. Begin with `lango dev`; when something is wrong, `lango doctor`.",
)
migrations = typer.Typer(no_args_is_help=True, help="Bring the database up to date, or back, or show its version.")
books = typer.Typer(no_args_is_help=True)
token_keys = typer.Typer(no_args_is_help=True)
statements = typer.Typer(no_args_is_help=True)
of_mpesa = typer.Typer(no_args_is_help=True)

Host = Annotated[str | None, typer.Option(help="The address to listen on.")]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="The port to listen on.")]
Workers = Annotated[int | None, typer.Option(min=1, max=256, help="How many processes serve.")]
Who = Annotated[str, typer.Argument(metavar="USER", help="An email address, a phone number, an id, or a demo name.")]
LONGEST_MINUTES = 7 * 24 * 60


@app.command()
def dev(host: Host = None, port: Port = None, workers: Workers = None) -> None:
    """Make the database, fill it with demo data once, serve and run jobs, with tokens to try it as several people.

    Without DATABASE_URL an embedded PostgreSQL is used, its data in .lango. Ctrl-C stops everything.

    Examples:

        lango dev
        lango dev --port 8001
    """
    from lango.cli import dev

    dev.dev(host, port, workers)


@app.command()
def serve(host: Host = None, port: Port = None, workers: Workers = None) -> None:
    """Serve the API. The database must have been migrated; its login must be bound by the policies.

    Options that are left out come from the settings (LANGO_HOST, LANGO_PORT, LANGO_WORKERS).

    Examples:

        DATABASE_URL=postgresql://lango_gateway:…@db.example.org/lango lango serve --workers 4
        lango serve --host 0.0.0.0 --port 8080
    """
    from lango.cli import serve

    serve.serve(host, port, workers)


@app.command()
def work(
    once: Annotated[bool, typer.Option("--once", help="Run what is due, and end.")] = False,
    concurrency: Annotated[int | None, typer.Option(min=2, max=500, help="How many jobs run at once.")] = None,
) -> None:
    """Run the jobs that rules enqueue and the scheduled ones. Any number of workers may run.

    SIGTERM and Ctrl-C let running jobs finish (LANGO_SHUTDOWN_TIMEOUT). `lango dev` has a worker of its own.

    Examples:

        DATABASE_WORKER_URL=postgresql://lango_worker:…@db.example.org/lango lango work --concurrency 20
        lango work --once
    """
    from lango.cli import work

    work.work(concurrency, once=once)


app.add_typer(migrations, name="migrate")


@migrations.command()
def up(target: Annotated[str, typer.Argument(help="A revision (0007), or +1 for the next, or head.")] = "head") -> None:
    """Run the migrations that are missing, each in its own transaction, as lango_owner.

    Roles that are missing are made first, partitions of the coming year afterwards. Two of these at once are safe:
    the second waits, then has nothing to do.

    Examples:

        lango migrate up
        lango migrate up 0007
        DATABASE_OWNER_URL=postgresql://admin@db.example.org/lango lango migrate up
    """
    from lango.cli import migrate

    migrate.up(target)


@migrations.command()
def down(
    target: Annotated[str | None, typer.Argument(help="The revision to go back to, which stays; or base.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="How many versions to undo.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Undo migrations.

    What the tables of the undone versions held is lost.

    Examples:

        lango migrate down --steps 1
        lango migrate down 0006
        lango migrate down base --yes
    """
    from lango.cli import migrate

    migrate.down(target, steps, yes=yes)


@migrations.command()
def status() -> None:
    """List the versions: which have been run, when, in what time, and whether their files have changed since."""
    from lango.cli import migrate

    migrate.status()


@app.command()
def schema(
    check: Annotated[bool, typer.Option("--check", help="Compare with the file and fail where they differ.")] = False,
    file: Annotated[Path, typer.Option(help="The file to compare with.")] = Path("schema.graphql"),
) -> None:
    """Print the GraphQL schema (SDL) that the code makes, or compare it with schema.graphql.

    A comparison that finds a difference fails.

    Examples:

        lango schema > schema.graphql
        lango schema --check
    """
    from lango.cli import schema

    schema.schema(file, check=check)


@app.command()
def seed(
    size: Annotated[Size, typer.Option(help="large is a million donations.")] = Size.SMALL,
) -> None:
    """Load demo data into an empty database.

    It is the same each time, and its ledger balances.

    Examples:

        lango seed
        lango seed --size large
    """
    from lango.cli import seed

    seed.seed(size)


@app.command()
def token(
    user: Who,
    roles: Annotated[str | None, typer.Option(help="Claim these, by commas, instead of all the user has.")] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.1, max=LONGEST_MINUTES, help="How long it serves; else the setting's time.")
    ] = None,
) -> None:
    """Mint an access token for a user. Only the token goes to standard output.

    A claimed role counts only while the database has it for this user too.

    Examples:

        lango token cashier
        lango token amina@example.org --minutes 60
        curl -H "Authorization: Bearer $(lango token member)" -H "Content-Type: application/json" \\
          -d '{"query":"{ __typename }"}' http://127.0.0.1:8000/graphql
    """
    from lango.cli import accounts

    accounts.token(user, roles, minutes)


@app.command()
def grant(
    role: Annotated[Role, typer.Argument(help="The role.")],
    user: Who,
    remove: Annotated[bool, typer.Option("--remove", help="Take the role away instead.")] = False,
) -> None:
    """Give a user a role, or take it away.

    It counts from the user's next request on.

    Examples:

        lango grant admin amina@example.org
        lango grant admin amina@example.org --remove
    """
    from lango.cli import accounts

    accounts.grant(role, user, remove=remove)


@app.command()
def explain(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="GraphQL text, @FILE, or - for standard input.")],
    as_: Annotated[
        str | None, typer.Option("--as", metavar="USER", help="Whom `lango token` would know; else nobody.")
    ] = None,
    variables: Annotated[str, typer.Option(metavar="JSON", help="The query's variables.")] = "{}",
    operation: Annotated[str | None, typer.Option(metavar="NAME", help="Which of several operations.")] = None,
    analyze: Annotated[bool, typer.Option("--analyze", help="Run the statements, to see rows, buffers, time.")] = False,
) -> None:
    """Print the statement of each field of a query, and PostgreSQL's plan of it.

    It is planned, and run with --analyze, as the gateway would for that user: under their policies, read only.

    Examples:

        lango explain '{ pots(first: 5) { nodes { title ownerProfile { fullName } } } }' --as member
        lango explain @query.graphql --as amina@example.org --variables '{"id": "…"}' --analyze
    """
    from lango.cli import explain

    explain.explain(query, as_, variables, operation, analyze=analyze)


app.add_typer(token_keys, name="keys")


@token_keys.callback()
def keys() -> None:
    """The keys that sign access tokens."""


@token_keys.command()
def new(
    directory: Annotated[Path | None, typer.Argument(help="Where to; else the directory of LANGO_TOKEN_KEYS.")] = None,
) -> None:
    """Write a new key that signs access tokens, and print where it is.

    A gateway that serves needs no restart: it publishes the key at once (/.well-known/jwks.json), and signs with it
    after LANGO_TOKEN_KEY_DELAY seconds. A key whose file is removed is withdrawn within a second.

    Examples:

        lango keys new keys && export LANGO_TOKEN_KEYS=keys
        lango keys new
    """
    from lango.cli import keys

    keys.new(directory)


app.add_typer(books, name="ledger")


@books.callback()
def ledger() -> None:
    """Whether the money adds up."""


@books.command()
def verify() -> None:
    """Recompute every balance from the entries and name each difference.

    Fails when there is one.

    Example:

        lango ledger verify
    """
    from lango.cli import ledger

    ledger.verify()


app.add_typer(statements, name="reconcile")


@statements.callback()
def reconcile() -> None:
    """Whether our books and a provider's statement agree."""


@statements.command("mpesa")
def reconcile_mpesa(
    day: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The day, in M-Pesa's zone.")],
    statement: Annotated[
        list[Path] | None, typer.Option(help="A file (CSV) that M-Pesa's portal has exported; may be repeated.")
    ] = None,
) -> None:
    """Compare a day's receipts and payouts with M-Pesa's statement, and list what only one side has.

    Without a file M-Pesa gives the statement itself, where LANGO_MPESA_PULL is on, of what came. Changes nothing, and
    fails where something is listed.

    Examples:

        lango reconcile mpesa --day 2026-11-30
        lango reconcile mpesa --day 2026-11-30 --statement paybill.csv --statement payouts.csv
    """
    from lango.cli import reconcile

    reconcile.mpesa(day.date(), statement or [])


app.add_typer(of_mpesa, name="mpesa")


@of_mpesa.callback()
def mpesa() -> None:
    """What M-Pesa must be told once."""


@of_mpesa.command()
def register(
    refuse_unanswered: Annotated[
        bool, typer.Option("--refuse-unanswered", help="Have M-Pesa refuse payments that we do not validate in time.")
    ] = False,
) -> None:
    """Have M-Pesa report payments from its own menu to this gateway, at LANGO_MPESA_CALLBACK_URL.

    Once for each Paybill number, and again when the address or its secret changes. A payment that we do not validate in
    time is made all the same, and waits for staff where it names no account.

    Example:

        lango mpesa register
    """
    from lango.cli import mpesa

    mpesa.register(refuse_unanswered=refuse_unanswered)


@app.command()
def doctor(
    print_roles: Annotated[bool, typer.Option("--print-roles", help="Print the SQL that makes the roles.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As a list of JSON objects.")] = False,
) -> None:
    """Examine the machine, the settings, the server, the roles, the policies and the migrations.

    Says what to do about each thing that is wrong, and ends with exit code 1 if anything is.

    Examples:

        lango doctor
        lango doctor --json
        lango doctor --print-roles | psql "$ADMIN_URL"    (a managed server, in lango's database)
    """
    from lango.cli import doctor

    doctor.doctor(print_roles=print_roles, as_json=as_json)
