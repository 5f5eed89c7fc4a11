"""`lango migrate`: bring the database to a version, or tell where it is."""

from __future__ import annotations

import asyncio

import typer
from rich.table import Table

from lango.cli.console import Counting, err, fail, out, step
from lango.cli.database import database, make_roles, owner_url
from lango.db import migrate


def up(target: str) -> None:
    with database(serving=False) as current:
        with step("roles"):
            asyncio.run(make_roles(current))
        names = asyncio.run(migrate.upgrade(owner_url(current), target, progress=Counting()))
    err.print(f"[green]✓[/] {len(names)} migrations run" if names else "[green]✓[/] nothing to do: up to date")


def down(target: str | None, steps: int | None, *, yes: bool) -> None:
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


def status() -> None:
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
