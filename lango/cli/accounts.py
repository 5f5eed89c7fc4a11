"""`lango token` and `lango grant`: sign in as somebody, and what they may do."""

from __future__ import annotations

import asyncio

import typer

from lango.actor import Role
from lango.cli.console import err, fail
from lango.cli.database import Person, as_owner, database, person
from lango.security import authentication
from lango.settings import Settings


def token(user: str, roles: str | None, minutes: float | None) -> None:
    claimed = None if roles is None else [role.strip() for role in roles.split(",") if role.strip()]
    with database() as current:
        found = asyncio.run(look_up(current, user))
        lifetime = minutes * 60 if minutes else current.token_lifetime
        minted = authentication.mint(current, found.id, found.roles if claimed is None else claimed, lifetime=lifetime)
    typer.echo(minted)
    err.print(f"[dim]{found.contact}, {found.id}, for {lifetime / 60:g} minutes[/]")


def grant(role: Role, user: str, *, remove: bool) -> None:
    with database() as current:
        had, has = asyncio.run(change_role(current, role, user, remove=remove))
    now = ", ".join(has.roles) or "no roles"
    err.print(f"[green]✓[/] {has.contact} {'has' if had.roles != has.roles else 'already has'}: {now}")


async def look_up(current: Settings, user: str) -> Person:
    async with as_owner(current) as connection:
        return await person(connection, user)


async def change_role(current: Settings, role: Role, user: str, *, remove: bool) -> tuple[Person, Person]:
    """The user before and after."""
    async with as_owner(current) as connection, connection.transaction():
        before = await person(connection, user)
        # Decided in the statement: of two grants at once, neither is lost.
        change = "array_remove(coalesce(roles, '{}'), $2)" if remove else "array_append(coalesce(roles, '{}'), $2)"
        changed = await connection.fetchval(
            f"UPDATE identity.users SET roles = {change} WHERE id = $1"
            " AND ($2 = ANY (coalesce(roles, '{}'))) = $3 RETURNING roles",
            before.id, role.value, remove,
        )  # fmt: skip
    if remove and changed is None:
        fail(f"{before.contact} does not have the role {role.value}.")
    return before, Person(before.id, before.contact, before.roles if changed is None else list(changed))
