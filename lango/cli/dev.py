"""`lango dev`: everything, from nothing to a served demo, in one command."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from shlex import quote

import orjson
from rich.markup import escape

from lango.cli import work
from lango.cli.console import Counting, err, out, step
from lango.cli.database import as_owner, database, make_roles, owner_url, person, sandbox
from lango.cli.seed import is_empty, load
from lango.cli.serve import demand_port, demand_safety, run, set_place
from lango.cli.sizes import Size
from lango.db import migrate
from lango.http import demo
from lango.http.allowed_hosts import LOOPBACK
from lango.http.demo import DemoCaller
from lango.http.graphiql import FIRST_QUERY
from lango.providers import mailbox_page
from lango.settings import Settings, settings


def dev(host: str | None, port: int | None, workers: int | None) -> None:
    """Make the database, fill it once, serve and run jobs."""
    begun = time.monotonic()
    # No balancer has to notice that we are going.
    os.environ.setdefault("LANGO_SHUTDOWN_DELAY", "0")
    if not settings().allowed_hosts:
        # Also where it listens for a whole network: a page of the web must not reach the demo by a name of its own.
        os.environ["LANGO_ALLOWED_HOSTS"] = ",".join(LOOPBACK)
    os.environ.update(sandbox(settings()))
    set_place(host, port, workers)
    demand_port(settings())
    try:
        with database() as current:
            prepare(current)
            demand_safety(current)
            callers = asyncio.run(demo_callers(current))
            os.environ[demo.VARIABLE] = demo.written(callers)
            if current.workers == 1:
                with step("schema"):
                    import gql.schema  # noqa: F401 - it is made here, where the step says how long it takes
            greet(current, callers, time.monotonic() - begun)
            with work.beside(current, work.modules_with_jobs()):
                run(current, "lango.asgi_dev:app")
    except KeyboardInterrupt:
        pass
    err.print("stopped")


def prepare(current: Settings) -> None:
    """Roles, migrations, demo data: each only as far as it is missing."""
    with step("roles"):
        asyncio.run(make_roles(current))
    with step("migrations"):
        asyncio.run(migrate.upgrade(owner_url(current), progress=Counting()))
    if asyncio.run(is_empty(current)):
        with step("demo data"):
            asyncio.run(load(current, Size.SMALL))


async def demo_callers(current: Settings) -> list[DemoCaller]:
    """Those of the demo callers whom the database has."""
    from seeds import DEMO_CALLERS

    found = []
    async with as_owner(current) as connection:
        known = {
            row["email"] for row in await connection.fetch("SELECT email FROM identity.users WHERE email IS NOT NULL")
        }
        for caller in DEMO_CALLERS:
            if caller.email in known:
                user = await person(connection, caller.email)
                found.append(DemoCaller(caller.name, caller.title, user.id, tuple(user.roles), caller.email))
    return found


def greet(current: Settings, callers: Sequence[DemoCaller], seconds: float) -> None:
    place = f"http://{current.host}:{current.port}"
    address = f"{place}/graphql"
    if callers:
        show_people(address, callers)
    owner = next((caller for caller in callers if "pot" in caller.name), next(iter(callers), None))
    body = orjson.dumps({"query": " ".join(FIRST_QUERY.split())}).decode()
    header = f" \\\n  -H 'Authorization: Bearer {owner.token(current)}'" if owner else ""
    out.print(f"\n[bold]A first query[/] (GraphiQL opens with it)\n{escape(FIRST_QUERY)}")
    out.print(
        f"\n[bold]The same from a shell[/]\ncurl -s {address} \\\n  -H 'Content-Type: application/json'"
        f"{header} \\\n  -d {escape(quote(body))}"
    )
    if mailbox_page.PATH in sandbox_pages(current):
        out.print(f"\n[bold]Codes and messages[/] (none leaves this machine)\n{place}{mailbox_page.PATH}")
    out.print(f"\n[bold green]GraphiQL: {address}[/]  [dim]ready after {seconds:.1f} s; Ctrl-C stops it[/]\n")


def sandbox_pages(current: Settings) -> set[str]:
    """The paths of the sandboxes' own pages."""
    from lango.providers.registry import PROVIDERS

    return {str(getattr(route, "path", "")) for provider in PROVIDERS for route in provider.routes(current)}


def show_people(address: str, callers: Sequence[DemoCaller]) -> None:
    """How to sign in as each of the people, in GraphQL."""
    from seeds import DEMO_PASSWORD

    out.print(f"\n[bold]Sign in[/] by one of these, and the password [bold]{DEMO_PASSWORD}[/]\n")
    width = max(len(caller.email) for caller in callers)
    for caller in callers:
        out.print(f"  {caller.email:{width}}  [bold]{escape(caller.name)}[/], {escape(caller.title)}")
    input_ = f'identifier: "{callers[0].email}", password: "{DEMO_PASSWORD}"'
    body = {"query": f"mutation {{ signInWithPassword(input: {{ {input_} }}) {{ accessToken refreshToken }} }}"}
    out.print(
        f"\n[bold]The same from a shell[/] (`lango token NAME` makes a token without)\ncurl -s {address} \\\n"
        f"  -H 'Content-Type: application/json' \\\n  -d {escape(quote(orjson.dumps(body).decode()))}"
    )
