"""What payers, staff and M-Pesa do with deposits, in one line each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import orjson
from starlette.datastructures import Headers

from lango.providers.mpesa.webhook import CALLBACKS, NOTICES, PAYMENT_CALLBACKS, RESULTS
from lango.providers.payloads import json_object
from lango.providers.webhook import Delivery, Finish, Handled, WebhookRequest
from resolvers.treasury.mpesa_messages import (
    process_message,
    receive_callback,
    receive_notice,
    receive_payment_callback,
    receive_result,
)
from resolvers.treasury.pushes import query_push
from tests.client import STAFF, Answer
from tests.treasury.daraja import FakeMpesa
from tests.treasury.house import House, plain


@dataclass
class Depositing:
    """The ways of a deposit."""

    house: House
    daraja: FakeMpesa

    async def deposit(self, person: Any, amount: Any = "1000", **more: Any) -> Answer:
        return await self.house.call("depositByMpesa", person, amount=amount, **more)

    async def begun(self, person: Any, amount: Any = "1000", **more: Any) -> SimpleNamespace:
        """A deposit that waits for the PIN."""
        given = (await self.deposit(person, amount, **more))["depositByMpesa"]
        assert given["userErrors"] == []
        row = await self.row(given["mpesaTransaction"]["rowId"])
        return SimpleNamespace(
            id=row["id"], reference=row["account_reference"], checkout=row["checkout_request_id"], person=person
        )

    async def paid(self, person: Any, amount: Any = "1000", **more: Any) -> SimpleNamespace:
        """A deposit that was paid and credited."""
        push = await self.begun(person, amount, **more)
        push.receipt = self.daraja.receipt()
        await self.hear_callback(self.daraja.paid(push.checkout, push.receipt))
        return push

    async def held(self, person: Any, amount: Any = "900") -> SimpleNamespace:
        """A deposit of 1,000 of which another amount was paid."""
        push = await self.begun(person)
        push.receipt = self.daraja.receipt()
        await self.hear_callback(self.daraja.paid(push.checkout, push.receipt, amount))
        return push

    # What M-Pesa posts: taken in as its route does.

    async def hear_callback(self, payload: Any, payment: Any = None) -> None:
        await finished(await self.callback(payload, payment))

    async def hear_notice(self, payload: Any) -> None:
        await finished(await self.notice(payload))

    async def hear_result(self, payload: Any, kind: str = "status") -> None:
        await finished(await self.result(payload, kind))

    async def hear_confirmed(self, reference: str, receipt: str, amount: Any) -> None:
        """A payment from M-Pesa's own menu, and M-Pesa's answer to our query about it."""
        await self.hear_notice(self.daraja.notice(reference, receipt, amount))
        await self.hear_result(self.daraja.status(receipt, amount))

    async def callback(self, payload: Any, payment: Any = None) -> Handled:
        if payment is None:
            return await receive_callback(self.house.services, delivery(CALLBACKS.path, payload))
        of_payment = delivery(PAYMENT_CALLBACKS.path, payload, payment=str(payment))
        return await receive_payment_callback(self.house.services, of_payment)

    async def notice(self, payload: Any, kind: str = "confirmation") -> Handled:
        return await receive_notice(self.house.services, delivery(NOTICES.path, payload, kind=kind))

    async def result(self, payload: Any, kind: str = "status") -> Handled:
        return await receive_result(self.house.services, delivery(RESULTS.path, payload, kind=kind))

    async def validated(self, payload: Any) -> str:
        """The code with which a payment from M-Pesa's own menu is let pass, or not."""
        reply = (await self.notice(payload, "validation")).reply
        assert reply is not None
        return str(orjson.loads(reply.body)["ResultCode"])

    # What became of it.

    async def row(self, key: Any) -> Any:
        return await self.house.owner.fetchrow("SELECT * FROM treasury.mpesa_transactions WHERE id = $1", _uuid(key))

    async def status(self, push: Any) -> str:
        return str((await self.row(push.id))["status"])

    async def payments(self, person: Any) -> list[tuple[str, str, str]]:
        """Kind, state and what came of all payments of somebody, in their order."""
        found = await self.house.owner.fetch(
            "SELECT transaction_type, status, paid_amount FROM treasury.mpesa_transactions WHERE user_id = $1"
            " ORDER BY created_at",
            person.id,
        )
        return [(each["transaction_type"], each["status"], plain(each["paid_amount"])) for each in found]

    async def receipt(self, number: str) -> Any:
        return await self.house.owner.fetchrow(
            "SELECT * FROM treasury.mpesa_receipts WHERE receipt_number = $1", number
        )

    async def message(self, payload: Any) -> Any:
        """What was stored of a message."""
        return await self.house.owner.fetchrow(
            "SELECT * FROM treasury.mpesa_messages WHERE raw_payload = $1::jsonb ORDER BY created_at DESC LIMIT 1",
            orjson.dumps(payload).decode(),
        )

    async def credits(self, *numbers: str) -> int:
        """How often these receipts were credited or held."""
        return int(
            await self.house.owner.fetchval(
                "SELECT count(*) FROM ledger.ledger_transactions t WHERE t.reference_id IN ("
                " SELECT mpesa_transaction_id FROM treasury.mpesa_receipts WHERE receipt_number = ANY ($1)"
                " UNION SELECT id FROM treasury.mpesa_receipts WHERE receipt_number = ANY ($1))"
                " AND t.kind IN ('mpesa_deposit', 'mpesa_held')",
                list(numbers),
            )
        )

    # What passes.

    async def later(self, push: Any, **passed: float) -> None:
        """So much time passes for a deposit, and for what was posted about it."""
        await self.house.owner.execute(
            "UPDATE treasury.mpesa_transactions SET created_at = created_at - $2::interval,"
            " next_query_at = next_query_at - $2::interval, expires_at = expires_at - $2::interval WHERE id = $1",
            push.id, timedelta(**passed),
        )  # fmt: skip
        await self.house.owner.execute(
            "UPDATE treasury.mpesa_messages SET created_at = created_at - $2::interval,"
            " next_query_at = next_query_at - $2::interval WHERE mpesa_transaction_id = $1",
            push.id, timedelta(**passed),
        )  # fmt: skip

    async def query(self, push: Any) -> None:
        await query_push(self.house.services, push.id)

    async def process(self, payload: Any) -> None:
        """Act on a stored message again, as the worker does."""
        await process_message(self.house.services, message_id=(await self.message(payload))["id"])

    async def as_staff(self, name: str, **given: Any) -> Answer:
        return await self.house.call(name, await self.house.make.staff(), STAFF, **given)


def delivery(path: str, payload: Any, **parameters: str) -> Delivery[Any]:
    body = orjson.dumps(payload)
    return Delivery(json_object(body), WebhookRequest("a-test", path, parameters, "", Headers(), None, body))


async def finished(handled: Handled) -> None:
    finish: Finish | None = handled.finish
    if finish is not None:
        await finish()


def _uuid(key: Any) -> UUID:
    return key if isinstance(key, UUID) else UUID(str(key))
