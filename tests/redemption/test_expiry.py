"""When a code's time runs out its price goes back to the pot: once, whoever else wants the code, a sentence a test."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from lango.rules.services import Services
from models.redemption import QrCode
from resolvers.redemption import codes
from resolvers.redemption.codes import expire_due_codes
from tests.books import Books
from tests.client import Api
from tests.factories import Factory, now
from tests.redemption.test_rules import cancel


async def due_code(make: Factory, **given: Any) -> SimpleNamespace:
    """A till whose code's time ran out a minute ago."""
    times = {"redeemable_from": now() - timedelta(days=90), "expires_at": now() - timedelta(minutes=1)}
    return await make.code_at_the_till(**{**times, **given})


async def status(books: Books, code: Any) -> str:
    return str((await books.code(code.id))["status"])


async def given_back(owner: asyncpg.Pool[Any], code: Any) -> int:
    """How often the ledger gave the price of a code back."""
    return int(
        await owner.fetchval(
            "SELECT count(*) FROM ledger.ledger_transactions WHERE kind IN ('qr_expire', 'qr_cancel') AND reference_id = $1",
            code.id,
        )
    )


async def test_the_price_of_a_code_whose_time_ran_out_goes_back_to_the_pot(
    services: Services, make: Factory, books: Books, owner: asyncpg.Pool[Any]
) -> None:
    till = await due_code(make)

    await expire_due_codes(services)

    assert await status(books, till.code) == "expired"
    assert await owner.fetchval("SELECT balance_cfa FROM pots.pots WHERE id = $1", till.pot.id) == 20_000
    assert await books.owed(f"pot:{till.pot.id}:reserved") == 0
    assert await books.owed(f"pot:{till.pot.id}:balance") == 20_000
    assert await books.events(till.code.id) == ["qr_code.expired"]
    kinds = "SELECT array_agg(kind ORDER BY created_at) FROM ledger.ledger_transactions WHERE reference_id = $1"
    assert await owner.fetchval(kinds, till.code.id) == ["qr_issue", "qr_expire"]


async def test_a_code_that_has_time_left_and_one_that_was_used_are_left_alone(
    api: Api, services: Services, make: Factory, books: Books, owner: asyncpg.Pool[Any]
) -> None:
    fresh, used = await make.code_at_the_till(), await make.code_at_the_till()
    await api.redeem(used.code.code, as_=used.cashier)
    await owner.execute("UPDATE redemption.qr_codes SET expires_at = now() WHERE id = $1", used.code.id)

    await expire_due_codes(services)

    assert (await status(books, fresh.code), await status(books, used.code)) == ("issued", "redeemed")


async def test_a_code_that_expired_is_refused_at_the_till_and_not_given_back_again(
    api: Api, services: Services, make: Factory, books: Books, owner: asyncpg.Pool[Any]
) -> None:
    till = await due_code(make)
    await expire_due_codes(services)

    redeemed = await api.redeem(till.code.code, as_=till.cashier)
    cancelled = await cancel(api, till.code, till.owner)

    assert redeemed.refusals("redeemQrCode") == ["EXPIRED"]
    assert await books.attempts(till.code.code) == ["expired"]
    assert cancelled["cancelQrCode"]["userErrors"][0]["details"] == {"state": "expired"}
    assert await given_back(owner, till.code) == 1


async def test_several_workers_at_once_and_a_second_run_give_each_price_back_once(
    services: Services, make: Factory, books: Books, owner: asyncpg.Pool[Any]
) -> None:
    tills = [await due_code(make) for _ in range(10)]
    for till in tills:
        more = await make(
            QrCode, pot_id=till.pot.id, pack_id=till.pack.id, price_cfa=5000,
            redeemable_from=till.code.redeemable_from, expires_at=till.code.expires_at,
        )  # fmt: skip
        await make.issued(more)
        await owner.execute("UPDATE pots.pots SET balance_cfa = balance_cfa - 5000 WHERE id = $1", till.pot.id)
        till.more = more

    await asyncio.gather(*(expire_due_codes(services) for _ in range(5)))
    await expire_due_codes(services)

    for till in tills:
        assert await owner.fetchval("SELECT balance_cfa FROM pots.pots WHERE id = $1", till.pot.id) == 20_000
        for code in (till.code, till.more):
            assert await status(books, code) == "expired"
            assert await given_back(owner, code) == 1
            assert await books.events(code.id) == ["qr_code.expired"]


async def test_a_worker_killed_half_way_loses_and_doubles_nothing(
    services: Services, make: Factory, books: Books, owner: asyncpg.Pool[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await expire_due_codes(services)
    tills = [await due_code(make) for _ in range(4)]
    publish, published = codes.publish, list[Any]()

    def die_at_the_third(tx: Any, topic: str, key: Any, **payload: Any) -> None:
        published.append(key)
        if len(published) == 3:
            raise asyncio.CancelledError
        publish(tx, topic, key, **payload)

    monkeypatch.setattr(codes, "publish", die_at_the_third)
    with pytest.raises(asyncio.CancelledError):
        await expire_due_codes(services)
    monkeypatch.setattr(codes, "publish", publish)

    # Those beside the third may have been done, or died with it.
    half_way = [await status(books, till.code) for till in tills if till.code.id in published[2:3]]
    assert half_way == ["issued"]
    await expire_due_codes(services)
    assert [await given_back(owner, till.code) for till in tills] == [1, 1, 1, 1]
    assert [await status(books, till.code) for till in tills] == ["expired"] * 4


async def test_a_code_that_cannot_be_given_back_stops_no_other_also_of_the_same_pot(
    services: Services, make: Factory, books: Books, owner: asyncpg.Pool[Any]
) -> None:
    tills = [await due_code(make) for _ in range(6)]
    broken = await make(
        QrCode, pot_id=tills[2].pot.id, pack_id=tills[2].pack.id, price_cfa=2_000_000_000,
        redeemable_from=tills[2].code.redeemable_from, expires_at=tills[2].code.expires_at,
    )  # fmt: skip
    # More than the pot's balance can hold comes back to it.
    await owner.execute("UPDATE pots.pots SET balance_cfa = 2_000_000_000 WHERE id = $1", tills[2].pot.id)
    try:
        await expire_due_codes(services)

        assert [await status(books, till.code) for till in tills] == ["expired"] * 6
        assert await status(books, broken) == "issued"
        failure = await owner.fetchrow("SELECT * FROM platform.due_failures WHERE row_key = $1", broken.id)
        assert (failure["job"], failure["attempts"]) == ("redemption.expire_due_codes", 1)
    finally:
        await owner.execute("DELETE FROM redemption.qr_codes WHERE id = $1", broken.id)
        await owner.execute("DELETE FROM platform.due_failures")
        await owner.execute("UPDATE pots.pots SET balance_cfa = 20_000 WHERE id = $1", tills[2].pot.id)


@pytest.mark.parametrize("held", ["pots.pots", "redemption.qr_codes"])
async def test_expiry_does_not_wait_for_locked_rows(
    services: Services, make: Factory, books: Books, owner: asyncpg.Pool[Any], held: str
) -> None:
    busy, free = await due_code(make), await due_code(make)
    key = busy.pot.id if held == "pots.pots" else busy.code.id
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute(f"SELECT FROM {held} WHERE id = $1 FOR UPDATE", key)
        async with asyncio.timeout(20):
            await expire_due_codes(services)
        assert (await status(books, busy.code), await status(books, free.code)) == ("issued", "expired")

    await expire_due_codes(services)

    assert await status(books, busy.code) == "expired"


async def test_expiry_redemption_and_cancellation_at_once_exactly_one_wins(
    api: Api, services: Services, make: Factory, books: Books, owner: asyncpg.Pool[Any]
) -> None:
    outcomes = set()
    for turn in range(12):
        till = await make.code_at_the_till()
        await owner.execute(
            "UPDATE redemption.qr_codes SET expires_at = clock_timestamp() + $2 WHERE id = $1",
            till.code.id, timedelta(milliseconds=(0, 20, 60, 200)[turn % 4]),
        )  # fmt: skip

        async def expire(after: float) -> None:
            await asyncio.sleep(after)
            await expire_due_codes(services)

        wanted = [
            api.redeem(till.code.code, as_=till.cashier),
            cancel(api, till.code, till.owner),
            *(expire(0.004 * step) for step in range(6)),
        ]
        # Who is first is another one each turn.
        answers = await asyncio.gather(*(wanted[turn % 3 :] + wanted[: turn % 3]))
        await expire(0.03)

        answered = [answer for answer in answers if answer is not None]
        winners = [name for answer in answered for name, what in answer.data.items() if not what["userErrors"]]
        final = await status(books, till.code)
        assert winners == {"redeemed": ["redeemQrCode"], "cancelled": ["cancelQrCode"], "expired": []}[final]
        back = await given_back(owner, till.code)
        assert back == (0 if final == "redeemed" else 1)
        assert await books.owed(f"pot:{till.pot.id}:reserved") == 0
        assert await books.owed(f"partner:{till.partner.id}:payable") == (4000 if final == "redeemed" else 0)
        outcomes.add(final)
    assert len(outcomes) > 1
