"""The database is killed in the midst of payments: made again, each has been made exactly once, and M-Pesa was called
once for each."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

from lango.embedded import Server, embedded
from lango.settings import Settings
from tests.factories import now
from tests.invariants.mobile_money import MobileMoney
from tests.invariants.story import wrong
from tests.invariants.test_killed import Call, living, until_killed
from tests.invariants.test_killed import server as server
from tests.keys import having_keys
from tests.planner.conftest import no_logs

TRANSFERS, GIFTS, PAYMENTS, SWAPS, PAYOUTS, REPORTS = 15, 15, 8, 8, 8, 6
PERIOD = {
    "periodStart": (now() - timedelta(days=30)).isoformat(), "periodEnd": (now() - timedelta(days=1)).isoformat(),
    "reportType": "MONTHLY",
}  # fmt: skip
# What is compared afterwards: the world's own memory of it.
REMEMBERED = (
    "people",
    "daos",
    "staff",
    "transfers",
    "changes",
    "reports",
    "deposits",
    "payouts",
    "daraja",
    "providers",
)


async def calls_to_make(world: MobileMoney) -> list[Call]:
    """Calls of many rules; each would be answered well, once, and brings a key."""
    one, other, third = world.people[:3]
    dao = world.daos[1]
    calls: list[Call] = [
        (
            "transferFunds",
            one,
            "walletTransaction { rowId }",
            {"amount": "1", "currency": "KES", "recipientId": str(other.id)},
        )
        for _ in range(TRANSFERS)
    ]
    calls += [
        ("contributeToDao", other, "walletTransaction { rowId }", {"amount": "2", "daoId": str(world.daos[0].id)})
        for _ in range(GIFTS)
    ]
    for _ in range(PAYMENTS):
        given = {"daoId": str(dao.id), "recipientId": str(dao.members[0].id), "amount": "10", "purpose": "seeds"}
        payload = await world.call("proposeTreasuryTransfer", dao.members[1], "transfer { rowId }", **given)
        approving = {"transferId": payload["transfer"]["rowId"]}
        calls.append(("approveTreasuryTransfer", dao.members[0], "transfer { status }", approving))
    for _ in range(SWAPS):
        given = {"fromCurrency": "KES", "toCurrency": "cUSD", "amount": "100"}
        payload = await world.call("quoteSwap", third, "quote { rowId }", **given)
        calls.append(("swapCurrency", third, "swap { rowId }", {"quoteId": payload["quote"]["rowId"]}))
    await world.owner.execute("UPDATE treasury.swap_quotes SET expires_at = now() + interval '1 hour'")
    calls += [("withdrawByMpesa", third, "mpesaTransaction { rowId }", {"amount": "10"}) for _ in range(PAYOUTS)]
    calls += [("generateFinancialReport", one, "report { version }", dict(PERIOD)) for _ in range(REPORTS)]
    keyed = [(name, who, shown, given | {"idempotencyKey": uuid4().hex}) for name, who, shown, given in calls]
    # Of all kinds in turn, so that the end comes in the midst of each.
    return sorted(keyed, key=lambda call: call[3]["idempotencyKey"])


async def check(world: MobileMoney) -> None:
    """Each call has been done, and none of them twice."""
    count = world.owner.fetchval
    wallet = "SELECT count(*) FROM treasury.wallet_transactions WHERE type = $1 AND amount = $2"
    assert await count(wallet, "transfer", 1) == TRANSFERS
    assert await count(wallet, "contribution", 2) == GIFTS
    assert await count("SELECT count(*) FROM treasury.treasury_transfers WHERE status = 'executed'") == PAYMENTS
    assert await count("SELECT count(*) FROM treasury.currency_swaps WHERE status = 'completed'") == SWAPS
    payouts = await world.owner.fetch("SELECT id FROM treasury.mpesa_transactions WHERE transaction_type = 'b2c'")
    assert len(payouts) == PAYOUTS
    assert {world.daraja.called("pay_phone", str(row["id"])) for row in payouts} <= {0, 1}
    versions = await world.owner.fetch(
        "SELECT version FROM treasury.financial_reports WHERE user_id = $1 ORDER BY version", world.people[0].id
    )
    assert [row["version"] for row in versions] == list(range(1, REPORTS + 1))
    assert await world.wrong() == {}
    assert await wrong(world.owner) == {}
    assert await world.differences() == []


def test_the_database_is_killed_in_the_midst_of_payments(server: Server, settings: Settings) -> None:
    with having_keys(), living(server, settings, MobileMoney) as world:
        calls = world.run(calls_to_make(world))
        assert 0 < world.run(until_killed(world, calls, [], server)) < len(calls)
    with having_keys(), embedded(server.home.parent, "dev") as again, asyncio.Runner() as runner, no_logs():
        back = MobileMoney(runner, again.owner_url(), again.gateway_url(), settings)
        back.__dict__ |= {name: value for name, value in world.__dict__.items() if name in REMEMBERED}
        back.run(back.connect())
        try:
            for name, who, shown, given in calls:
                payload = back.run(back.call(name, who, shown, **given))
                assert payload["userErrors"] == []
            back.run(check(back))
        finally:
            back.run(back.stack.aclose())
