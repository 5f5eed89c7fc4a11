"""Rules are run by one function, whoever runs them: a webhook, a job, the command line or a test, without GraphQL."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from lango.actor import Actor, DatabaseRole
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from models.packs import Pack
from models.pots import Pot
from resolvers.kernel.running import run
from resolvers.redemption.codes import cancel_qr_code, issue_qr_code
from resolvers.redemption.till import redeem_qr_code
from tests.books import Books
from tests.changes import Changes
from tests.factories import Factory


async def test_a_rule_runs_and_returns_what_it_made(services: Services, till: Any, books: Books) -> None:
    outcome = await run(services, Actor(till.cashier.id), redeem_qr_code, {"code": till.code.code})

    assert outcome.refusals == []
    assert outcome.values == {"qr_code": [str(till.code.id)]}
    assert (await books.code(till.code.id))["status"] == "redeemed"


async def test_the_same_key_answers_the_same(services: Services, make: Factory, till: Any, books: Books) -> None:
    pack = await make(Pack, partner_id=till.partner.id, base_price_cfa=5000)
    actor, arguments = Actor(till.owner.id), {"pot_id": till.pot.id, "pack_id": pack.id}
    key = str(uuid4())

    outcomes = await asyncio.gather(*(run(services, actor, issue_qr_code, arguments, key=key) for _ in range(8)))

    made = {outcome.values["qr_code"][0] for outcome in outcomes}
    assert len(made) == 1
    assert (await books.code(made.pop()))["status"] == "issued"


async def test_a_row_that_the_caller_does_not_see_is_not_found(services: Services, till: Any, changes: Changes) -> None:
    before = await changes.mark()

    outcome = await run(services, Actor(uuid4()), cancel_qr_code, {"qr_code_id": till.code.id})

    assert [refusal["code"] for refusal in outcome.refusals] == ["NOT_FOUND"]
    assert outcome.refusals[0]["field"] == "qr_code_id"
    assert await changes.since(before) == []


async def test_a_dry_run_is_left_open_for_its_payload(services: Services, till: Any, changes: Changes) -> None:
    before = await changes.mark()
    arguments = {"code": till.code.code}

    outcome = await run(services, Actor(till.cashier.id), redeem_qr_code, arguments, validate_only=True)

    assert outcome.dry_run is not None
    await outcome.dry_run.rollback()
    assert await changes.since(before) == []


async def test_locks_out_of_order_are_found(services: Services, till: Any) -> None:
    async with services.work() as tx:
        await tx.lock(Pack, till.pack.id)
        with pytest.raises(AssertionError, match="Pot is locked after"):
            await tx.lock(Pot, till.pot.id)


async def test_counting_under_a_lock_that_a_refusal_frees_is_found(services: Services, till: Any) -> None:
    async with RuleTransaction(services, Actor(till.cashier.id)) as tx:
        tx.begin(DatabaseRole.RULES)
        pot = await tx.lock(Pot, till.pot.id)
        tx.send("SELECT 'a write'")
        pack = await tx.lock(Pack, till.pack.id)
        tx.undo(counted_under=pot)
        with pytest.raises(AssertionError, match="Pack, under which is counted"):
            tx.undo(counted_under=pack)
