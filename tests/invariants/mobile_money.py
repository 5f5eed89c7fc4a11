"""The world of the treasury with a phone in each hand: what comes by M-Pesa and goes by it, and what is exchanged."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from lango.providers.mpesa import MPESA
from resolvers.treasury.mpesa_messages import query_messages
from resolvers.treasury.outgoing import query_payouts
from resolvers.treasury.pushes import query_pushes
from tests.client import STAFF
from tests.invariants.treasury import JOBS, TreasuryWorld
from tests.invariants.world import pick
from tests.treasury.daraja import FakeMpesa
from tests.treasury.depositing import Depositing
from tests.treasury.withdrawing import Withdrawing

# Each way costs something, and both ways a little more than that.
RATES = (("KES", "cUSD", "0.0077"), ("cUSD", "KES", "129.5"))
WRONG = {
    "quotes that were taken twice": """
        SELECT quote_id, count(*) FROM treasury.currency_swaps WHERE quote_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1
    """,
    "coins made or lost": """
        SELECT a.currency, sum(e.amount) FROM ledger.ledger_entries e JOIN ledger.ledger_accounts a ON a.id = e.account_id
        GROUP BY 1 HAVING sum(e.amount) <> 0
    """,
    "payments credited that nobody paid, or more than was paid": """
        SELECT p.id, p.status, p.paid_amount, sum(r.amount) FROM treasury.mpesa_transactions p
        LEFT JOIN treasury.mpesa_receipts r ON r.mpesa_transaction_id = p.id AND r.status = 'credited'
        WHERE p.transaction_type IN ('stk_push', 'c2b') AND p.status = 'completed'
        GROUP BY p.id HAVING p.paid_amount <> coalesce(sum(r.amount), 0)
    """,
}


class MobileMoney(TreasuryWorld):
    """As the treasury's world, over an M-Pesa in memory, which remembers what phones really did."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.daraja = FakeMpesa()
        self.providers[MPESA] = self.daraja

    async def open(self) -> None:
        await super().open()
        self.depositing = Depositing(self.house, self.daraja)
        self.withdrawing = Withdrawing(self.house, self.daraja, self.depositing)
        self.deposits: list[SimpleNamespace] = []
        self.payouts: list[SimpleNamespace] = []
        self.quotes: list[tuple[Any, str]] = []
        rates = [
            {"fromCurrency": one, "toCurrency": other, "rate": rate, "spread": "0.01", "source": "a bank"}
            for one, other, rate in RATES
        ]
        await self.call("upsertExchangeRates", self.staff, "rates { rowId }", STAFF, rates=rates)

    async def deposit(self, n: int) -> None:
        """A push, of which is known by `n` what the phone will do: pay, pay another amount, or decline."""
        who = pick(self.people, n)
        given: dict[str, Any] = {"amount": str(10 + n % 400)}
        if n % 4 == 0:
            given["daoId"] = str(pick(self.daos, n // 4).id)
        shown = "mpesaTransaction { rowId }"
        payload = await self.call("depositByMpesa", who, shown, **given)
        if payload and payload["mpesaTransaction"]:
            row = await self.depositing.row(payload["mpesaTransaction"]["rowId"])
            if row["checkout_request_id"] and row["id"] not in {each.id for each in self.deposits}:
                paid = None if n % 7 == 0 else row["amount"] + (n % 5 == 0)
                self.deposits.append(
                    SimpleNamespace(
                        id=row["id"], reference=row["account_reference"], checkout=row["checkout_request_id"], paid=paid,
                        receipt=self.daraja.receipt(),
                    )
                )  # fmt: skip

    async def phone(self, n: int) -> None:
        """M-Pesa reports a deposit: by callback, by C2B notice, by both in either order, once or twice."""
        if not self.deposits:
            return
        push = self.deposits[-1 - n % min(4, len(self.deposits))]
        if push.paid is None:
            await self.depositing.hear_callback(self.daraja.failed(push.checkout))
            return
        callback = self.daraja.paid(push.checkout, push.receipt, int(push.paid))
        ways = (
            lambda: self.depositing.hear_callback(callback),
            lambda: self.depositing.hear_confirmed(push.reference, push.receipt, push.paid),
            lambda: self.depositing.hear_callback(callback, push.id),
        )
        # The same way more than once as well.
        await asyncio.gather(*(pick(ways, n // 4 + n // 12 * number)() for number in range(1 + n // 36 % 3)))

    async def hold(self) -> None:
        """Another amount is paid than was requested, and a payout fails: chance alone seldom comes to it."""
        for step, n in ((self.deposit, 5), (self.phone, 0), (self.withdraw, 3), (self.result, 1)):
            await step(n)

    async def held(self, n: int) -> None:
        """Staff credit what is held, or send it back; and take back what was credited."""
        held = await self.owner.fetch(
            "SELECT id, mpesa_transaction_id AS payment FROM treasury.mpesa_receipts WHERE status = 'held' ORDER BY id"
        )
        receipt, shown = pick(held, n // 3) if held else None, "mpesaTransaction { status }"
        if n % 3 == 0 and receipt:
            given = {"receiptId": str(receipt["id"]), "reason": "as the payer wishes"}
            await self.call("releaseHeldPayment", self.staff, shown, STAFF, **given)
        elif self.deposits:
            payment = receipt["payment"] if n % 3 == 1 and receipt else pick(self.deposits, n // 3).id
            given = {"mpesaTransactionId": str(payment), "reason": "by mistake"}
            await self.call("reverseMpesaPayment", self.staff, shown, STAFF, **given)

    async def withdraw(self, n: int) -> None:
        payload = await self.call(
            "withdrawByMpesa", pick(self.people, n), "mpesaTransaction { rowId }", amount=str(10 + n % 600)
        )
        if payload and payload["mpesaTransaction"]:
            key = UUID(payload["mpesaTransaction"]["rowId"])
            self.payouts.append(SimpleNamespace(id=key, paid=n % 3 != 0, receipt=self.daraja.receipt()))

    async def result(self, n: int) -> None:
        """M-Pesa says what became of a payout, or of what was to go back: once or twice."""
        going_back = await self.owner.fetch(
            "SELECT id FROM treasury.mpesa_transactions WHERE transaction_type = 'reversal' ORDER BY created_at DESC LIMIT 3"
        )
        if n % 4 == 0 and going_back:
            row = pick(going_back, n // 4)
            # The same phone does the same, however often it is reported.
            code = row["id"].int % 2
            payload = self.withdrawing.result(row["id"], code, f"R{row['id'].hex[:9].upper()}" if code == 0 else None)
            await asyncio.gather(*(self.withdrawing.hear(payload, "reversal") for _ in range(1 + n // 8 % 2)))
        elif self.payouts:
            payout = self.payouts[-1 - n // 4 % min(4, len(self.payouts))]
            receipt = payout.receipt if payout.paid else None
            payload = self.withdrawing.result(payout.id, 0 if payout.paid else 1, receipt)
            await asyncio.gather(*(self.withdrawing.hear(payload) for _ in range(1 + n // 8 % 2)))

    async def give_up(self, n: int) -> None:
        """A withdrawal is taken back by whoever began it, or by somebody else."""
        if self.payouts:
            given = {"mpesaTransactionId": str(pick(self.payouts, n).id)}
            await self.call("cancelMpesaWithdrawal", pick(self.people, n // 3), "mpesaTransaction { status }", **given)

    async def quote(self, n: int) -> None:
        source, target = (("KES", "cUSD"), ("cUSD", "KES"))[n % 2]
        who = pick(self.people, n // 2)
        amount = f"{1 + n % 300}" if source == "KES" else f"{1 + n % 3}.00000001"
        payload = await self.call(
            "quoteSwap", who, "quote { rowId }", fromCurrency=source, toCurrency=target, amount=amount
        )
        if payload and payload["quote"]:
            self.quotes.append((who, payload["quote"]["rowId"]))

    async def swap(self, n: int) -> None:
        """A quote is taken; sometimes twice at once, and also by somebody else."""
        if self.quotes:
            who, quote = self.quotes[-1 - n % min(5, len(self.quotes))]
            who = pick(self.people, n) if n % 11 == 0 else who
            calls = (self.call("swapCurrency", who, "swap { rowId }", quoteId=quote) for _ in range(1 + n // 5 % 2))
            await asyncio.gather(*calls)

    async def time_passes(self, n: int) -> None:
        """As in the treasury; and a quote is too old, and a query about a payment is due."""
        await super().time_passes(n)
        # An hour is over for whoever called too often.
        await self.owner.execute("DELETE FROM security.rate_limits")
        if self.deposits:
            await self.depositing.later(pick(self.deposits, n), minutes=1 + n % 10)
        if self.payouts:
            await self.withdrawing.later(pick(self.payouts, n), minutes=1 + n % 10)
        if self.quotes:
            await self.owner.execute(
                "UPDATE treasury.swap_quotes SET expires_at = now() - interval '1 second' WHERE id = $1 AND used_at IS NULL",
                UUID(pick(self.quotes, n)[1]),
            )

    async def worker(self, n: int) -> None:
        job = pick((*JOBS, query_pushes, query_payouts, query_messages), n)
        await asyncio.gather(*(job(self.services) for _ in range(1 + n % 2)))

    async def wrong(self) -> dict[str, list[Any]]:
        found = await super().wrong()
        found |= {name: [tuple(row) for row in await self.owner.fetch(query)] for name, query in WRONG.items()}
        found["pushed twice"] = [each.id for each in self.deposits if self.daraja.called("push", each.id) > 1]
        found["paid out twice"] = [
            each.id for each in self.payouts if self.daraja.called("pay_phone", str(each.id)) > 1
        ]
        found["not what the phone did"] = await self._untrue()
        return {name: rows for name, rows in found.items() if rows}

    async def _untrue(self) -> list[Any]:
        """Deposits and payouts of which the books say what their phones never did."""
        wrong: list[Any] = []
        receipts = {
            row["receipt_number"]: row["amount"]
            for row in await self.owner.fetch("SELECT receipt_number, amount FROM treasury.mpesa_receipts")
        }
        truth = {each.receipt: Decimal(each.paid) for each in self.deposits if each.paid is not None}
        wrong += [(number, amount) for number, amount in receipts.items() if truth.get(number) != amount]
        states = {
            row["id"]: row["status"]
            for row in await self.owner.fetch("SELECT id, status FROM treasury.mpesa_transactions")
        }
        for each in self.payouts:
            if states[each.id] == ("failed" if each.paid else "completed"):
                wrong.append((each.id, states[each.id]))
        return wrong
