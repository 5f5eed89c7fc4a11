"""Each change of a business table is in the audit log: who, what, from what to what, and nothing that is secret."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import Table

from models import ddl
from models.base import Base, models
from models.cards import CardAccount, CardAccountMember, ProfileCategory
from models.columns import ENCRYPTED, PERSONAL, SECRET, WITHHELD
from models.identity import User
from models.pots import Pot
from models.usage import SubscriptionLimit
from tests.factories import Factory, sample

TABLES = [model for model in models() if model.__face__ is None]
AUDITED = [model for model in TABLES if model.__unaudited__ is None]
UNAUDITED = [model for model in TABLES if model.__unaudited__ is not None]


async def log(db: asyncpg.Connection[Any], kind: str) -> list[dict[str, Any]]:
    """The audit rows of one kind of thing, their JSON parsed."""
    rows = await db.fetch("SELECT * FROM admin.audit_logs WHERE resource_type = $1 ORDER BY action", kind)
    json_columns = ("old_values", "new_values", "metadata")
    return [
        {key: json.loads(value) if key in json_columns and value else value for key, value in row.items()}
        for row in rows
    ]


async def last(db: asyncpg.Connection[Any], kind: str, action: str) -> dict[str, Any]:
    (row,) = [row for row in await log(db, kind) if row["action"] == f"{kind}_{action}"]
    return row


async def act_as(db: asyncpg.Connection[Any], **context: str) -> None:
    for name, value in context.items():
        await db.execute("SELECT set_config($1, $2, true)", f"lango.{name}", value)


# Columns that have no value where the factory's has one: who is invited has one contact.
EXCLUDED = {("partner_invitations", "email")}


async def full_row(make: Factory, model: type[Base]) -> Any:
    """A row in which every secret and personal column has a value."""
    columns = [column for column in model.table().columns if not column.foreign_keys]
    telling = [column for column in columns if not {SECRET, ENCRYPTED, PERSONAL, WITHHELD}.isdisjoint(column.info)]
    left = {*await make.values(model), *(column for table, column in EXCLUDED if table == model.__tablename__)}
    return await make(model, **{c.name: sample(c, 7) for c in telling if c.name not in left})


@pytest.mark.parametrize("model", AUDITED, ids=lambda model: model.__name__)
async def test_an_insert_is_audited_once_without_withheld_values(
    model: type[Base], db: asyncpg.Connection[Any], make: Factory
) -> None:
    kind, *_ = ddl.audit_arguments(model)
    row = await full_row(make, model)

    (entry,) = [one for one in await log(db, kind) if is_about(one, row, model.table())]

    columns = model.table().columns
    hidden = {c.name for c in columns if not {SECRET, ENCRYPTED, WITHHELD}.isdisjoint(c.info)}
    assert entry["action"] == f"{kind}_created"
    assert entry["old_values"] is None
    assert entry["new_values"].keys() == {column.name for column in columns} - hidden
    assert {
        entry["new_values"][c.name]
        for c in columns
        if c.info.get(PERSONAL) and c.name not in hidden and getattr(row, c.name) is not None
    } <= {"(personal)"}


def is_about(entry: dict[str, Any], row: Any, table: Table) -> bool:
    keys = {column.name: str(getattr(row, column.name)) for column in table.primary_key.columns}
    if entry["resource_id"]:
        return [str(entry["resource_id"])] == list(keys.values())
    return bool(entry["metadata"]["pk"] == keys)


@pytest.mark.parametrize("model", UNAUDITED, ids=lambda model: model.__name__)
async def test_a_table_with_a_reason_is_not_audited(
    model: type[Base], db: asyncpg.Connection[Any], make: Factory
) -> None:
    kind, *_ = ddl.audit_arguments(model)
    if model.__name__ != "AuditLog":
        await make(model)

    assert await log(db, kind) == []
    assert str(model.__unaudited__).endswith(".")


async def test_an_update_is_audited_with_what_changed_alone(db: asyncpg.Connection[Any], make: Factory) -> None:
    pot = await make(Pot, view_count=1)

    await db.execute("UPDATE pots.pots SET view_count = 2, share_token = 'not to be logged' WHERE id = $1", pot.id)

    entry = await last(db, "pot", "updated")
    assert entry["old_values"] == {"view_count": 1}
    assert entry["new_values"] == {"view_count": 2}
    assert entry["resource_id"] == pot.id
    assert "not to be logged" not in repr(entry)


async def test_a_personal_value_is_audited_without_its_content(db: asyncpg.Connection[Any], make: Factory) -> None:
    user = await make(User, phone="+221770000001")

    await db.execute("UPDATE identity.users SET phone = '+221770000002', password_hash = 'h' WHERE id = $1", user.id)

    entry = await last(db, "user", "updated")
    assert entry["old_values"] == entry["new_values"] == {"phone": "(personal)"}


async def test_an_update_of_withheld_columns_alone_is_audited_without_them(
    db: asyncpg.Connection[Any], make: Factory
) -> None:
    user = await make(User, password_hash="before")

    await db.execute("UPDATE identity.users SET password_hash = 'after', updated_at = now() WHERE id = $1", user.id)

    entry = await last(db, "user", "updated")
    assert "password_hash" not in entry["new_values"]
    assert entry["old_values"].keys() == entry["new_values"].keys() <= {"updated_at"}


async def test_a_statement_that_changes_many_rows_is_audited_once_a_row(
    db: asyncpg.Connection[Any], make: Factory
) -> None:
    pots = [await make(Pot, view_count=count) for count in range(5)]

    await db.execute("UPDATE pots.pots SET view_count = greatest(view_count, 3)")

    changed = [row for row in await log(db, "pot") if row["action"] == "pot_updated"]
    assert {row["resource_id"]: (row["old_values"], row["new_values"]) for row in changed} == {
        pot.id: ({"view_count": count}, {"view_count": 3}) for count, pot in enumerate(pots[:3])
    }
    assert len(changed) == 3


async def test_an_upsert_is_audited_as_what_it_did(db: asyncpg.Connection[Any], make: Factory) -> None:
    there = await make(SubscriptionLimit, monthly_api_calls=1)

    await db.execute(
        "INSERT INTO usage.subscription_limits SELECT (l).* FROM (SELECT l FROM usage.subscription_limits l) rows"
        " ON CONFLICT (plan) DO UPDATE SET monthly_api_calls = 2"
    )

    entry = await last(db, "subscription_limit", "updated")
    assert entry["metadata"] == {"pk": {"plan": there.plan}}
    assert entry["new_values"]["monthly_api_calls"] == 2
    assert len(await log(db, "subscription_limit")) == 2


async def test_what_is_copied_in_is_audited(db: asyncpg.Connection[Any]) -> None:
    key = uuid4()

    await db.copy_records_to_table("users", schema_name="identity", columns=["id", "email"], records=[(key, "c@d.ee")])

    assert (await last(db, "user", "created"))["resource_id"] == key


@pytest.mark.parametrize(
    "change", ["TRUNCATE usage.subscription_limits CASCADE", "SET LOCAL session_replication_role = replica; {delete}"]
)
async def test_what_no_trigger_sees_is_not_audited(change: str, db: asyncpg.Connection[Any], make: Factory) -> None:
    await make(SubscriptionLimit)
    await db.execute("RESET ROLE")

    await db.execute(change.format(delete="DELETE FROM usage.subscription_limits"))

    assert [row["action"] for row in await log(db, "subscription_limit")] == ["subscription_limit_created"]


async def test_a_delete_is_audited_with_the_old_values(db: asyncpg.Connection[Any], make: Factory) -> None:
    limit = await make(SubscriptionLimit, monthly_api_calls=77)

    await db.execute("DELETE FROM usage.subscription_limits WHERE plan = $1", limit.plan)

    entry = await last(db, "subscription_limit", "deleted")
    assert entry["old_values"]["monthly_api_calls"] == 77
    assert entry["new_values"] is None


async def test_an_update_that_changes_nothing_is_not_audited(db: asyncpg.Connection[Any], make: Factory) -> None:
    pot = await make(Pot, updated_at=await db.fetchval("SELECT now() - interval '1 day'"))

    await db.execute("UPDATE pots.pots SET title = title, status = status WHERE id = $1", pot.id)

    assert [row["action"] for row in await log(db, "pot")] == ["pot_created"]


async def test_who_did_it_from_where_and_in_which_request(db: asyncpg.Connection[Any], make: Factory) -> None:
    user = await make(User)
    context = {"user_id": str(user.id), "ip": "2001:db8::7", "request_id": "request-1", "user_agent": "tests/1"}
    await act_as(db, **context)

    await make(Pot, owner_user_id=user.id)

    entry = await last(db, "pot", "created")
    assert entry["actor_user_id"] == user.id
    assert entry["actor_type"] == "user"
    assert str(entry["actor_ip"]) == "2001:db8::7"
    assert (entry["request_id"], entry["user_agent"]) == ("request-1", "tests/1")


async def test_without_a_caller_it_is_the_system(db: asyncpg.Connection[Any], make: Factory) -> None:
    await act_as(db, user_id="", ip="", request_id="", user_agent="")

    await make(Pot)

    entry = await last(db, "pot", "created")
    assert entry["actor_type"] == "system"
    assert {entry[name] for name in ("actor_user_id", "actor_ip", "request_id", "user_agent")} == {None}


async def test_a_caller_with_an_api_key_is_audited_as_api(db: asyncpg.Connection[Any], make: Factory) -> None:
    await act_as(db, actor_type="api")

    await make(Pot)

    assert (await last(db, "pot", "created"))["actor_type"] == "api"


async def test_a_key_that_is_a_text_is_in_the_metadata(db: asyncpg.Connection[Any], make: Factory) -> None:
    limit = await make(SubscriptionLimit)

    entry = await last(db, "subscription_limit", "created")

    assert entry["resource_id"] is None
    assert entry["metadata"] == {"pk": {"plan": limit.plan}}


async def test_a_key_of_two_columns_is_in_the_metadata(db: asyncpg.Connection[Any], make: Factory) -> None:
    row = await make(ProfileCategory)

    entry = await last(db, "profile_category", "created")

    keys = {"spending_profile_id": row.spending_profile_id, "spending_category_id": row.spending_category_id}
    assert entry["resource_id"] is None
    assert entry["metadata"] == {"pk": {name: str(value) for name, value in keys.items()}}


async def test_rows_of_a_card_account_are_audited_under_it(db: asyncpg.Connection[Any], make: Factory) -> None:
    account = await make(CardAccount)
    await make(CardAccountMember, account_id=account.id)
    await make(Pot)

    assert (await last(db, "card_account", "created"))["account_id"] == account.id
    assert (await last(db, "card_account_member", "created"))["account_id"] == account.id
    assert (await last(db, "pot", "created"))["account_id"] is None


@pytest.mark.parametrize("role", ["lango_rules", "lango_worker"])
async def test_auditing_needs_no_right_of_the_rule(role: str, db: asyncpg.Connection[Any]) -> None:
    await db.execute(f"SET LOCAL ROLE {role}")

    await db.execute("INSERT INTO identity.users (id, email) VALUES ($1, $2)", uuid4(), f"{uuid4()}@test.example")

    assert (await last(db, "user", "created"))["new_values"]["email"] == "(personal)"
