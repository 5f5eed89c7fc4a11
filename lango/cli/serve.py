"""`lango serve`: the gateway, over a database that is ready."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

import uvicorn
from rich.markup import escape

from lango.cli.console import err, fail
from lango.cli.database import database
from lango.cli.forking import modules_served, workers_forked_after
from lango.db.postgres import connect
from lango.doctor import Finding, Level, refusals, refusals_of_poolers
from lango.doctor.machine import encryption, port_trouble, token_keys
from lango.observability.metrics import share_metrics
from lango.rules.services import try_clients
from lango.security.keys import signing_keys
from lango.settings import Settings, settings


def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Serve over a database that is ready; what is None comes from the settings."""
    set_place(host, port, workers)
    demand_port(settings())
    demand_keys(settings())
    with database() as current:
        demand_safety(current)
        run(current)


def set_place(host: str | None, port: int | None, workers: int | None) -> None:
    """Through the environment, because the worker processes read it."""
    for name, value in (("LANGO_HOST", host), ("LANGO_PORT", port), ("LANGO_WORKERS", workers)):
        if value is not None:
            os.environ[name] = str(value)
    settings.cache_clear()


def demand_port(current: Settings) -> None:
    """Before the long steps, not after them."""
    if trouble := port_trouble(current.host, current.port):
        fail(f"{trouble} Is lango running there already? Choose another with --port.")


def demand_keys(current: Settings) -> None:
    """Refuse to serve with a key for access tokens that others may have, or can find out."""
    demand([each for each in token_keys(current, serving=True) if each.level is Level.ERROR])


def demand_safety(current: Settings) -> None:
    """Refuse to serve as a login that could read around the policies."""
    assert current.database_url is not None
    address = current.database_url.get_secret_value()
    demand(asyncio.run(reasons_against(address, current)))


def demand(reasons: Sequence[Finding]) -> None:
    """End where there is a reason not to begin."""
    if not reasons:
        return
    for reason in reasons:
        show(reason, "[red]✗[/]")
    fail("lango does not serve like this. `lango doctor` tells more.")


def show(finding: Finding, mark: str) -> None:
    err.print(f"{mark} {escape(finding.says)}\n  [dim]→ {escape(finding.remedy)}[/]")


async def reasons_against(address: str, current: Settings) -> list[Finding]:
    # First, because what else there is to know cannot be read through an unfit pooler.
    if reasons := await refusals_of_poolers(current):
        return reasons
    connection = await connect(address, current)
    try:
        return await refusals(connection)
    finally:
        await connection.close()


def run(current: Settings, app: str = "lango.asgi:app") -> None:
    """Serve until a signal ends it; requests under way may finish. Workers are forked after the schema is made."""
    # Checked here once: without a key every worker would fail by itself, and be restarted.
    signing_keys(current)
    check_encryption(current)
    asyncio.run(try_clients(current))
    if current.workers > 1:
        share_metrics(current)
    from lango.http.app import server_options

    with workers_forked_after(modules_served()):
        uvicorn.run(app, **server_options(current))


def check_encryption(current: Settings) -> None:
    """Without keys all is served but what is encrypted, and this is said; with keys that cannot be used, nothing is."""
    found = list(encryption(current))
    demand([each for each in found if each.level is Level.ERROR])
    for each in found:
        if each.level is Level.WARNING:
            show(each, "[yellow]![/]")
