"""`lango dev`: everything, from nothing to a served demo, in one command."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from shlex import quote

import orjson
import typer
from rich.markup import escape

from lango import auth, migrate
from lango.commands import work
from lango.commands.above import Above
from lango.commands.database import as_owner, database, make_roles, owner_url, person, sandbox
from lango.commands.screen import Counting, err, out, step
from lango.commands.seed import Size, is_empty, load
from lango.commands.serve import Host, Port, Workers, demand_port, demand_safety, run, set_place
from lango.hosts import LOOPBACK
from lango.settings import Settings, settings

A_DAY = 24 * 60 * 60.0
FIRST_QUERY = """\
{
  viewer { email profile { fullName } }
  pots(first: 3, where: { status: { in: [OPEN, FUNDED] } }, orderBy: [{ birthdayDate: ASC }]) {
    totalCount
    nodes {
      title targetAmountCfa raisedCfa ownerProfile { fullName }
      contributions(first: 3) { nodes { donorName amountCfa message } }
    }
  }
}"""


def dev(context: typer.Context, host: Host = None, port: Port = None, workers: Workers = None) -> None:
    """Make the database, fill it with demo data once, serve and run jobs, with tokens to try it as several people.

    Without DATABASE_URL an embedded PostgreSQL is used, its data in .lango. Ctrl-C stops everything.

    Examples:

        lango dev
        lango dev --port 8001
    """
    begun = time.monotonic()
    # No balancer has to notice that we are going.
    os.environ.setdefault("LANGO_SHUTDOWN_DELAY", "0")
    if not settings().allowed_hosts:
        # Also where it listens for a whole network: a page of the web must not reach the demo by a name of its own.
        os.environ["LANGO_ALLOWED_HOSTS"] = ",".join(LOOPBACK)
    above = Above.of(context)
    os.environ.update(sandbox(settings()))
    set_place(host, port, workers)
    demand_port(settings())
    try:
        with database() as current:
            prepare(above, current)
            demand_safety(current)
            callers = asyncio.run(tokens(above, current))
            with step("schema"):
                above.schema()
            greet(current, callers, time.monotonic() - begun)
            with work.beside(current, above.jobs()):
                run(current)
    except KeyboardInterrupt:
        pass
    err.print("stopped")


def prepare(above: Above, current: Settings) -> None:
    """Roles, migrations, demo data: each only as far as it is missing."""
    with step("roles"):
        asyncio.run(make_roles(current))
    with step("migrations"):
        asyncio.run(migrate.upgrade(owner_url(current), progress=Counting()))
    if asyncio.run(is_empty(current)):
        with step("demo data"):
            asyncio.run(load(above, current, Size.SMALL))


async def tokens(above: Above, current: Settings) -> list[tuple[str, str, str]]:
    """Demo name, title and a day's token of each demo caller that the database has."""
    made = []
    async with as_owner(current) as connection:
        known = {
            row["email"] for row in await connection.fetch("SELECT email FROM identity.users WHERE email IS NOT NULL")
        }
        for caller in above.seeds().DEMO_CALLERS:
            if caller.email in known:
                found = await person(connection, above, caller.email)
                made.append((caller.name, caller.title, auth.mint(current, found.id, found.roles, lifetime=A_DAY)))
    return made


def greet(current: Settings, callers: Sequence[tuple[str, str, str]], seconds: float) -> None:
    address = f"http://{current.host}:{current.port}/graphql"
    out.print("\n[bold]Tokens[/] (for a day; `lango token NAME` makes another)")
    for name, title, token in callers:
        out.print(f"\n[bold]{escape(name)}[/], {escape(title)}\n{token}")
    owner = next((token for name, _, token in callers if "pot" in name), callers[0][2] if callers else None)
    body = orjson.dumps({"query": " ".join(FIRST_QUERY.split())}).decode()
    header = f" \\\n  -H 'Authorization: Bearer {owner}'" if owner else ""
    out.print(f"\n[bold]A first query[/] (paste it into GraphiQL)\n{escape(FIRST_QUERY)}")
    out.print(
        f"\n[bold]The same from a shell[/]\ncurl -s {address} \\\n  -H 'Content-Type: application/json'"
        f"{header} \\\n  -d {escape(quote(body))}"
    )
    out.print(f"\n[bold green]GraphiQL: {address}[/]  [dim]ready after {seconds:.1f} s; Ctrl-C stops it[/]\n")
