"""`lango migrate`: bring the database to a version, or tell where it is."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.table import Table

from lango.cli.console import Counting, err, fail, out, step
from lango.cli.database import database, make_roles, owner_url
from lango.db import migrate

app = typer.Typer(no_args_is_help=True, help="Bring the database up to date, or back, or tell where it is.")


@app.command()
def up(target: Annotated[str, typer.Argument(help="A revision (0007), or +1 for the next, or head.")] = "head") -> None:
    """Run the migrations that are missing, each in its own transaction, as lango_owner.

    Roles that are missing are made first, partitions of the coming year afterwards. Two of these at once are safe:
    the second waits, then has nothing to do.

    Examples:

        lango migrate up
        lango migrate up 0007
        DATABASE_OWNER_URL=postgresql://admin@db.example.org/lango lango migrate up
    """
    with database(serving=False) as current:
        with step("roles"):
            asyncio.run(make_roles(current))
        names = asyncio.run(migrate.upgrade(owner_url(current), target, progress=Counting()))
    err.print(f"[green]✓[/] {len(names)} migrations run" if names else "[green]✓[/] nothing to do: up to date")


@app.command()
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
    if (target is None) == (steps is None):
        fail("Say how far: a revision to go back to, or `base`, or `--steps 1`. `lango migrate status` lists them.")
    target = target or f"-{steps}"
    with database(serving=False) as current:
        address = owner_url(current)
        undone = migrate.planned(asyncio.run(migrate.status(address)), "downgrade", target)
        if not undone:
            err.print("[green]✓[/] nothing to undo")
            return
        names = ", ".join(version.name for version in undone)
        if not yes and not typer.confirm(f"Undo {names}, and lose the data in what they made?", err=True):
            fail("Nothing was undone.")
        asyncio.run(migrate.downgrade(address, target, progress=Counting()))
    err.print(f"[green]✓[/] {len(undone)} migrations undone")


@app.command()
def status() -> None:
    """List the versions: which have been run, when, in what time, and whether their files have changed since."""
    with database(serving=False) as current:
        versions = asyncio.run(migrate.status(owner_url(current)))
    table = Table("version", "run at", "ms", "", box=None, header_style="dim")
    for version in versions:
        state = "[red]changed since[/]" if version.changed else "" if version.applied else "[yellow]missing[/]"
        ran = f"{version.applied_at:%Y-%m-%d %H:%M}" if version.applied_at else "-"
        table.add_row(version.name, ran, str(version.execution_ms or "-"), state)
    out.print(table)
    if any(version.changed for version in versions):
        raise typer.Exit(1)
