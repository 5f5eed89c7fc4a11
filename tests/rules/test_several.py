"""What a prepared statement is for several rows at once: each is one that PostgreSQL takes, and does the same."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import date
from functools import partial
from importlib import import_module
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import Integer, bindparam

from lango.cli.work import modules_with_jobs
from lango.db import rows
from lango.db.postgres import RawJson
from lango.db.prepared import LOCKING, PREPARED, Lookup
from lango.db.several import several
from lango.rules.services import Services
from lango.rules.together import NotIndependent, do_together
from lango.rules.transaction import RuleTransaction
from models.base import Base
from models.identity import User
from models.notifications import Notification
from models.pots import Pot, PotStatus
from models.profiles import Profile
from resolvers.kernel import clock, guardianship, notifications, outbox, system_config
from resolvers.points import points
from resolvers.pots import lifecycle
from tests.factories import Factory
from tests.rules.conftest import services_over
from tests.rules.trials import pot_of

for each in modules_with_jobs():
    import_module(each)
# Those that are made when they are first needed.
MADE = [
    rows.locking(Pot, uuid4()).sql,
    rows.locking_all(Pot, []).sql,
    rows._insert(Notification, ("body", "channel", "id", "template_data", "recipient_identifier")).sql,
    rows._update(Pot, ("gallery_images", "status", "title")).sql,
]
# Tests of other folders have tables of their own.
FORMS = {one.sql: several(one.sql) for one in list(PREPARED.values()) if ".trial" not in one.sql}


@pytest.fixture
def services(pool: Any) -> Services:
    return services_over(pool)


async def test_postgresql_takes_each(owner: asyncpg.Pool[Any]) -> None:
    forms = [form for form in FORMS.values() if form is not None]
    assert len(forms) > 100
    async with owner.acquire() as connection:
        for form in forms:
            await connection.execute(f"PREPARE form AS {form.sql}")
            await connection.execute("DEALLOCATE form")


@pytest.mark.parametrize("sql", [*MADE, lifecycle.OPENING._statement.sql, outbox.PUBLISH.sql, points.EARN.sql])
def test_what_goes_with_many_rows_has_one(sql: str) -> None:
    assert FORMS[sql] is not None


async def test_locks_are_taken_in_the_order_of_ids(owner: asyncpg.Pool[Any]) -> None:
    locking = [form.sql for sql, form in FORMS.items() if form is not None and LOCKING in sql]
    assert len(locking) > 5
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        for sql in locking:
            await connection.execute(f"PREPARE form AS {sql}")
            nulls = ", ".join(["NULL"] * len(set(re.findall(r"\$\d+", sql))))
            plan = [line for (line,) in await connection.fetch(f"EXPLAIN (COSTS off) EXECUTE form({nulls})")]
            await connection.execute("DEALLOCATE form")
            nodes = [line.strip() for line in plan if line.strip() != "->  Result"]
            assert nodes[:2] == ["LockRows", "->  Sort"], plan
            assert re.fullmatch(r"Sort Key: \w+\.(user_)?id", nodes[2]), plan


# What goes together


async def together(services: Services, *acts: Any, sent: list[Sequence[str]] | None = None) -> None:
    """Do it together, over connections whose batches are noted."""
    if sent is not None:
        services.pipeline.listeners.append(sent.append)
    await do_together(services, acts, 1.0)


LOOKUPS: list[tuple[Lookup, Any]] = [
    (guardianship.WARDS, lambda each: {"user_id": each}),
    (guardianship.NAME, lambda each: {"user_id": each}),
    (notifications.RECIPIENT, lambda each: {"user_id": each, "template": "tried"}),
    (clock.CLOCK, lambda _: {}),
    # A list for each, of which the second is empty and the third has what must be quoted.
    (system_config.ROWS, lambda each: {"keys": {0: ["a", "b"], 1: [], 2: ['"{,\\', "b"]}.get(each.int % 4, ["b"])}),
    # The order of each, and how many of them.
    (
        Lookup(
            [Pot.title],
            lambda rows: (
                rows.where(Pot.owner_user_id == bindparam("user_id"))
                .order_by(Pot.title.desc())
                .limit(bindparam("most", type_=Integer))
            ),
        ),
        lambda each: {"user_id": each, "most": 2},
    ),
]


@pytest.mark.parametrize("place", range(len(LOOKUPS)))
async def test_each_gets_what_it_would_have_got_alone(
    services: Services, make: Factory, owner: asyncpg.Pool[Any], place: int
) -> None:
    lookup, parameters = LOOKUPS[place]
    users = [await make(User, id=UUID(int=uuid4().int & ~3 | number)) for number in range(4)]
    for user in users[:3]:
        guardian = users[3].id if user is users[0] else None
        born = date(2020, 1, 1) if guardian else date(1990, 1, 1)
        values = {
            "full_name": f"Awa {user.id}",
            "date_of_birth": born,
            "guardian_user_id": guardian,
            "relationship_type": "parent" if guardian else None,
        }
        await make(Profile, user_id=user.id, **values)
        for title in ("b", "a", "c"):
            await make(Pot, owner_user_id=user.id, title=title)
    await owner.execute(
        "INSERT INTO notifications.notification_templates (template_key, name, body_text) VALUES ('tried', 't', 't')"
        " ON CONFLICT DO NOTHING"
    )
    for key in ("a", "b", '"{,\\'):
        await owner.execute(
            "INSERT INTO admin.system_config (config_key, config_value, data_type) VALUES ($1, '1', 'number')"
            " ON CONFLICT DO NOTHING",
            key,
        )
    found: dict[UUID, Any] = {}

    async def look(tx: RuleTransaction, user: UUID) -> None:
        found[user] = plain(await lookup.all(tx, **parameters(user)))

    sent: list[Sequence[str]] = []
    await together(services, *(partial(look, user=user.id) for user in users), sent=sent)

    statements = [sql for batch in sent for sql in batch]
    assert len(statements) == len({"BEGIN", "context", "look-up", "COMMIT"})
    async with services.work() as tx:
        for user in users:
            alone = plain(await lookup.all(tx, **parameters(user.id)))
            assert len(found[user.id]) == len(alone)
            if lookup is not clock.CLOCK:
                assert found[user.id] == alone


def plain(found: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Rows without the models' own identity."""
    return [
        [
            {key: value for key, value in vars(item).items() if key[0] != "_"} if isinstance(item, Base) else item
            for item in row
        ]
        for row in found
    ]


async def test_what_is_written_goes_in_a_statement_for_all_and_is_what_each_wrote(
    services: Services, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    users = [(await make(User)).id for _ in range(12)]
    given = ['"quoted"', "{1,2}", "back\\slash", "", "NULL", "l'été\n", *"abcdef"]
    pots = [pot_of(user, title) for user, title in zip(users, given, strict=True)]
    for pot, title in zip(pots, given, strict=True):
        pot.description = title or None

    async def plan(tx: RuleTransaction, pot: Pot) -> None:
        tx.save(pot)
        await tx.flush()
        pot.status, pot.gallery_images = PotStatus.OPEN, RawJson.of([pot.title])
        tx.save(pot)

    sent: list[Sequence[str]] = []
    await together(services, *(partial(plan, pot=pot) for pot in pots), sent=sent)

    assert [len(batch) for batch in sent] == [len({"BEGIN", "context", "INSERT"}), len({"UPDATE", "COMMIT"})]
    stored = await owner.fetch("SELECT * FROM pots.pots WHERE owner_user_id = ANY ($1)", users)
    assert sorted((row["title"], row["description"], row["status"], row["gallery_images"]) for row in stored) == sorted(
        (title, title or None, "open", json.dumps([title], ensure_ascii=False)) for title in given
    )


async def test_a_text_that_is_too_long_is_refused_and_not_cut_off(services: Services, make: Factory) -> None:
    users = [(await make(User)).id for _ in range(2)]

    async def plan(tx: RuleTransaction, user: UUID) -> None:
        tx.save(pot_of(user, "x" * 300))

    with pytest.raises(asyncpg.StringDataRightTruncationError):
        await together(services, *(partial(plan, user=user) for user in users))


async def test_a_row_that_is_gone_undoes_all(services: Services, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    pots = [await make(Pot, title="before") for _ in range(3)]

    async def rename(tx: RuleTransaction, key: UUID) -> None:
        pot = await tx.find(Pot, key)
        assert pot is not None
        if key == pots[2].id:
            await owner.execute("DELETE FROM pots.pots WHERE id = $1", key)
        pot.title = "after"
        tx.save(pot)

    with pytest.raises(asyncpg.NoDataFoundError):
        await together(services, *(partial(rename, key=pot.id) for pot in pots))

    titles = await owner.fetch("SELECT title FROM pots.pots WHERE id = ANY ($1)", [pot.id for pot in pots])
    assert [row["title"] for row in titles] == ["before"] * 2


async def test_rules_that_lock_the_same_row_do_not_share_a_transaction(
    services: Services, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    pot = await make(Pot, share_count=0)

    async def share(tx: RuleTransaction) -> None:
        locked = await tx.lock(Pot, pot.id)
        locked.share_count = (locked.share_count or 0) + 1
        tx.save(locked)

    with pytest.raises(NotIndependent):
        await together(services, share, share)

    assert await owner.fetchval("SELECT share_count FROM pots.pots WHERE id = $1", pot.id) == 0


async def test_a_rule_that_looks_up_more_than_others_keeps_none_of_them_from_the_end(
    services: Services, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    pots = [await make(Pot, title="before") for _ in range(3)]

    async def rename(tx: RuleTransaction, place: int) -> None:
        for each in range(place):
            await tx.find(Pot, pots[each].id)
        pot = await tx.lock(Pot, pots[place].id)
        pot.title = f"after {place}"
        tx.save(pot)

    await together(services, *(partial(rename, place=place) for place in range(3)))

    titles = await owner.fetch("SELECT title FROM pots.pots WHERE id = ANY ($1)", [pot.id for pot in pots])
    assert sorted(row["title"] for row in titles) == ["after 0", "after 1", "after 2"]
