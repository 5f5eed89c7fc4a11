"""A status takes the steps that its model declares, and no other."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest
from sqlalchemy import Table

from models.base import Base, models
from models.columns import ChoiceType
from tests.factories import Factory
from tests.triggers.refusals import CHECK, TRANSITION, refusal

MACHINES = [model for model in models() if model.__transitions__ is not None]
# Without transitions, because nothing ever follows what was written.
STATELESS = {"SystemHealthCheck": "a check is measured once, and never again looked at"}


def states(model: type[Base]) -> list[str | None]:
    """Every state of a model's machine; None where the column may be null."""
    assert model.__transitions__ is not None
    column = model.table().c[model.__transitions__.column]
    assert isinstance(column.type, ChoiceType)
    return [*(choice.value for choice in column.type.choice), *([None] if column.nullable else [])]


@pytest.mark.parametrize("model", MACHINES, ids=lambda model: model.__name__)
async def test_each_step_is_allowed_or_refused_as_declared(
    model: type[Base], db: asyncpg.Connection[Any], make: Factory
) -> None:
    machine, table = model.__transitions__, model.table()
    assert machine is not None
    expected, found = {}, {}
    for before in states(model):
        row = await make(model, **{machine.column: before})
        for after in states(model):
            allowed = before == after or (before is not None and after in machine.after(before))
            expected[before, after] = None if allowed else TRANSITION
            found[before, after] = await step(db, table, row, machine.column, after)

    # Which other columns a state demands is the rules' to know: a CHECK says no after the machine has said yes.
    assert {pair: None if said == CHECK else said for pair, said in found.items()} == expected


async def step(db: asyncpg.Connection[Any], table: Table, row: Any, column: str, after: str | None) -> str | None:
    keys = [key.name for key in table.primary_key.columns]
    where = " AND ".join(f"{key} = ${place}" for place, key in enumerate(keys, 2))
    values = [getattr(row, key) for key in keys]
    return await refusal(db, f"UPDATE {table} SET {column} = $1 WHERE {where}", after, *values)


async def test_a_refusal_names_the_table_the_step_and_what_is_allowed(
    db: asyncpg.Connection[Any], make: Factory
) -> None:
    from models.redemption import QrCode

    code = await make(QrCode, status="redeemed")

    with pytest.raises(asyncpg.PostgresError) as refused:
        async with db.transaction():
            await db.execute("UPDATE redemption.qr_codes SET status = 'expired' WHERE id = $1", code.id)

    assert refused.value.args[0] == "invalid transition of qr_codes.status from redeemed to expired"
    assert refused.value.hint == "Allowed are: issued>cancelled, issued>expired, issued>redeemed, redeemed>issued"


@pytest.mark.parametrize("role", ["lango_rules", "lango_worker"])
async def test_the_roles_that_write_are_held_to_it_too(
    role: str, db: asyncpg.Connection[Any], make: Factory, connection: asyncpg.Connection[Any]
) -> None:
    from models.redemption import QrCode

    code = await make(QrCode, status="cancelled")

    await connection.execute(f"SET LOCAL ROLE {role}")

    assert await refusal(db, "UPDATE redemption.qr_codes SET status = 'issued' WHERE id = $1", code.id) == TRANSITION


@pytest.mark.parametrize("model", MACHINES, ids=lambda model: model.__name__)
def test_a_machine_knows_only_states_that_exist(model: type[Base]) -> None:
    machine = model.__transitions__
    assert machine is not None
    named = set(machine.allowed).union(*machine.allowed.values())
    assert named <= set(states(model))


def test_every_status_is_a_machine_or_has_a_reason_why_not() -> None:
    without = {
        model.__name__
        for model in models()
        if model.__face__ is None and model.__transitions__ is None and not model.__append_only__
        if "status" in model.table().c and isinstance(model.table().c.status.type, ChoiceType)
    }
    assert without == set(STATELESS)
