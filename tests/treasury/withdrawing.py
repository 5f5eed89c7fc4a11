"""What users, staff and M-Pesa do with payouts and reversals, in one line each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from resolvers.treasury.outgoing import query_payouts, send_payout, send_reversal
from tests.client import STAFF, Answer
from tests.treasury.daraja import FakeMpesa
from tests.treasury.depositing import Depositing
from tests.treasury.house import House, key_of, plain

WITHDRAW, CANCEL, SETTLE = "withdrawByMpesa", "cancelMpesaWithdrawal", "settleMpesaPayout"


@dataclass
class Withdrawing:
    """The ways of a payout."""

    house: House
    daraja: FakeMpesa
    depositing: Depositing

    async def withdraw(self, person: Any, amount: Any = "1000", **more: Any) -> Answer:
        return await self.house.call(WITHDRAW, person, amount=amount, **more)

    async def begun(self, person: Any, amount: Any = "1000", **more: Any) -> SimpleNamespace:
        """A withdrawal that M-Pesa has taken, unless the test has it down."""
        given = (await self.withdraw(person, amount, **more))[WITHDRAW]
        assert given["userErrors"] == []
        return SimpleNamespace(id=UUID(given["mpesaTransaction"]["rowId"]), person=person, given=given)

    async def refused(self, person: Any, amount: Any = "1000", **more: Any) -> list[str]:
        return (await self.withdraw(person, amount, **more)).refusals(WITHDRAW)

    async def settle(self, payout: Any, paid: bool, staff: Any = None, **more: Any) -> Answer:
        given = {"mpesaTransactionId": key_of(payout), "paid": paid, "reason": "as the portal shows"} | more
        return await self.house.call(SETTLE, staff or await self.house.make.staff(), STAFF, **given)

    # What M-Pesa posts about it.

    def result(self, payout: Any, code: Any = 0, receipt: str | None = None, **more: Any) -> dict[str, Any]:
        """What became of it. `amount` as M-Pesa says, `key` as it names the request."""
        values = {
            "TransactionAmount": more.pop("amount", None), "TransactionReceipt": receipt,
            "ReceiverPartyPublicName": "2547***126 - A Name", "TransactionCompletedDateTime": "30.11.2026 17:02:15",
        }  # fmt: skip
        listed = [{"Key": name, "Value": value} for name, value in values.items() if value is not None]
        found = {
            "ResultType": 0, "ResultCode": code, "ResultDesc": "Done." if code in (0, "0") else f"Failed by {code}.",
            "OriginatorConversationID": more.pop("key", str(key_of(payout))),
            "ConversationID": more.pop("conversation", "AG_20261130_0000"), "TransactionID": receipt or "",
            "ResultParameters": {"ResultParameter": listed},
        } | more  # fmt: skip
        return {"Result": found}

    def status(self, payout: Any, receipt: str, amount: Any, state: str = "Completed", **more: Any) -> dict[str, Any]:
        """The answer to a query about it."""
        named = {"Originator Conversation ID": more.pop("key", str(key_of(payout)))}
        return self.daraja.status(receipt, amount, state, **(named | more))

    async def hear(self, payload: Any, kind: str = "b2c") -> None:
        await self.depositing.hear_result(payload, kind)

    async def paid(self, payout: Any, receipt: str | None = None) -> str:
        """M-Pesa has sent it; gives the receipt."""
        receipt = receipt or self.daraja.receipt()
        await self.hear(self.result(payout, receipt=receipt))
        return receipt

    async def problem(self, payload: Any) -> str | None:
        """Why a message is left to staff; None where it is done."""
        message = await self.depositing.message(payload)
        assert (message["processed_at"] is None) == (message["processing_error"] is not None)
        found: str | None = message["processing_error"]
        return found

    # What the worker does, and what passes.

    async def send(self, payout: Any) -> None:
        await send_payout(self.house.services, payment_id=key_of(payout))

    async def send_reversal(self, reversal: Any) -> None:
        await send_reversal(self.house.services, payment_id=key_of(reversal))

    async def query(self) -> None:
        await query_payouts(self.house.services)

    async def later(self, payout: Any, **passed: float) -> None:
        await self.house.owner.execute(
            "UPDATE treasury.mpesa_transactions SET created_at = created_at - $2::interval,"
            " last_retry_at = last_retry_at - $2::interval, next_query_at = next_query_at - $2::interval WHERE id = $1",
            key_of(payout), timedelta(**passed),
        )  # fmt: skip

    # What became of it.

    async def row(self, payout: Any) -> Any:
        return await self.depositing.row(key_of(payout))

    async def status_of(self, payout: Any) -> str:
        return str((await self.row(payout))["status"])

    async def money(self, person: Any) -> tuple[str, str]:
        """What somebody has available and pending, in shillings."""
        return await self.house.balance(person, "KES"), await self.house.balance(person, "KES", "pending")

    async def movements(self, person: Any) -> list[tuple[str, str, str]]:
        """Kind, state and amount of what somebody sees of the movements of their money."""
        found = await self.house.owner.fetch(
            "SELECT type, status, amount FROM treasury.wallet_transactions WHERE from_user_id = $1 OR to_user_id = $1"
            " ORDER BY created_at",
            person.id,
        )
        return [(each["type"], each["status"], plain(each["amount"])) for each in found]

    async def fees(self, person: Any) -> list[tuple[str, str, bool]]:
        """Category and amount of what somebody was charged, and whether it was given back."""
        found = await self.house.owner.fetch(
            "SELECT fee_category, fee_amount, reversed_at FROM treasury.transaction_fees WHERE paid_by = $1"
            " ORDER BY created_at",
            person.id,
        )
        return [(each["fee_category"], plain(each["fee_amount"]), each["reversed_at"] is not None) for each in found]
