"""What mutations spend is put there for each call, and afterwards nothing is left of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import make_url

from benchmarks.clients import body
from benchmarks.queries import BY_NAME, Query
from benchmarks.spending import BEGUN, CLEAR, CODES, FIRST_CODE, ISSUE, UNWATCHED, Spending, code_call
from lango.db.pipeline import make_pipeline
from lango.settings import Settings
from tests.changes import Changes
from tests.client import Api
from tests.databases import database
from tests.factories import Factory

MUTATIONS = [query for query in BY_NAME.values() if query.spends is not None]


class Prepared:
    """A database that is ready for mutations, and a gateway over it."""

    def __init__(self, owner: asyncpg.Pool[Any], api: Api, cashier: UUID) -> None:
        self.owner, self.api, self.cashier = owner, api, cashier

    async def call(self, query: Query, spending: Spending, many: int) -> list[Any]:
        """What so many calls are answered."""
        async with self.owner.acquire() as connection, connection.transaction():
            await connection.execute(UNWATCHED)
            calls = await spending.prepare(connection, many)
        answers = []
        for call in calls[:many]:
            user_id = call.caller if isinstance(call.caller, UUID) else self.cashier
            variables = query.variables("lango", call.variables)
            answers.append((await self.api(query.text("lango"), variables, as_=user_id)).data)
        return answers

    async def clear(self) -> None:
        async with self.owner.acquire() as connection, connection.transaction():
            await connection.execute(UNWATCHED)
            await connection.execute(CLEAR)


@pytest.fixture(scope="module")
async def prepared(template_url: str, settings: Settings) -> AsyncIterator[Prepared]:
    async with database(template_url, "spending") as url, asyncpg.create_pool(url, min_size=1, max_size=2) as owner:
        make = Factory(owner)
        code = await make.code_at_the_till()
        email = "cashier@example.org"
        await owner.execute("UPDATE identity.users SET email = $1 WHERE id = $2", email, code.cashier.id)
        async with owner.acquire() as connection, connection.transaction():
            await connection.execute(UNWATCHED)
            await connection.execute(ISSUE.format(cashier=email))
        gateway = make_url(url).set(username="lango_gateway").render_as_string(hide_password=False)
        own = settings.model_copy(update={"database_url": type(settings.database_url)(gateway)})
        pipeline = make_pipeline(gateway, own)
        async with Api.over(pipeline, own) as api:
            yield Prepared(owner, api, code.cashier.id)
        pipeline.close()


@pytest.mark.parametrize("query", MUTATIONS, ids=lambda query: query.name)
async def test_each_call_finds_what_it_spends_and_nothing_is_left_of_it(prepared: Prepared, query: Query):
    assert query.spends is not None
    before = await Changes(prepared.owner).mark()

    answers = await prepared.call(query, query.spends, 3)
    await prepared.clear()

    payloads = [payload for answer in answers for payload in answer.values()]
    assert [payload["userErrors"] for payload in payloads] == [[], [], []]
    left = await Changes(prepared.owner).since(before, but=("redemption.qr_codes",))
    assert left == []


async def test_a_redeemed_code_is_issued_again(prepared: Prepared):
    redeem = BY_NAME["redeem"]
    assert redeem.spends is not None

    await prepared.call(redeem, redeem.spends, 2)
    await prepared.clear()

    counted = await prepared.owner.fetchval(
        "SELECT count(*) FROM redemption.qr_codes WHERE status = 'issued' AND partner_share_cfa IS NULL"
        f" AND created_at < {BEGUN} AND length(code) = 10"
    )
    assert counted == CODES


def test_a_document_gets_the_values_that_it_takes():
    given = code_call(FIRST_CODE).variables

    assert b'"key"' not in body(BY_NAME["redeem"], "plain", given)
    assert b'"key"' in body(BY_NAME["redeem-keyed"], "plain", given)
