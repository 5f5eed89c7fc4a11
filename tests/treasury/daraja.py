"""M-Pesa at the network's edge: pushes in memory, and the messages that it would post."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from lango.providers.mpesa.client import Accepted, Outcome, Push, StatementLine
from lango.providers.mpesa.errors import MpesaRefused, MpesaUnavailable, MpesaUndecided

SHORTCODE = "174379"
PAID, BALANCE, CANCELLED, UNREACHABLE, EXPIRED = "0", "1", "1032", "1037", "1019"


class FakeMpesa:
    """Does what the protocol promises, and remembers what it was called for."""

    def __init__(self) -> None:
        self.pushes: dict[str, dict[str, Any]] = {}
        self.outcomes: dict[str, str] = {}
        self.lines: list[StatementLine] = []
        self.calls: list[tuple[Any, ...]] = []
        self.numbers = itertools.count(1)
        self.restore()

    def restore(self) -> None:
        """As it is when nothing goes wrong."""
        self.calls.clear()
        self.lines.clear()
        # Not reached at all; or reached, and its answers are lost.
        self.down = self.deaf = False
        self.refuses: set[str] = set()
        # What happens while a call is under way.
        self.meanwhile: Callable[[], Any] | None = None

    async def push(self, *, amount: int, phone: str, reference: str, description: str, payment: UUID) -> Push:
        await self._called("push", payment)
        number = next(self.numbers)
        checkout = f"ws_CO_{number}_{payment.hex[:12]}"
        self.pushes[checkout] = {
            "amount": amount, "phone": phone, "reference": reference, "description": description, "payment": payment,
        }  # fmt: skip
        return self._answer(Push(f"{number}-{payment.hex[:8]}", checkout))

    async def push_outcome(self, checkout_request_id: str) -> Outcome:
        await self._called("push_outcome", checkout_request_id)
        code = self.outcomes.get(checkout_request_id)
        if code is None:
            raise MpesaUndecided("the push is being processed")
        return self._answer(Outcome(code, "as it was scripted"))

    async def pay_phone(self, *, amount: int, phone: str, key: str, remarks: str) -> Accepted:
        await self._called("pay_phone", amount, phone, key, remarks)
        return self._answer(self._accepted(key))

    async def reverse(self, *, receipt: str, amount: int, key: str, remarks: str) -> Accepted:
        await self._called("reverse", receipt, amount, key, remarks)
        return self._answer(self._accepted(key))

    async def ask_status(self, *, receipt: str | None = None, original_key: str | None = None, key: str) -> Accepted:
        await self._called("ask_status", receipt or original_key)
        return self._answer(self._accepted(key))

    async def statement(self, begin: datetime, end: datetime) -> list[StatementLine]:
        await self._called("statement")
        return self._answer([line for line in self.lines if begin <= line.at <= end])

    # What it posts.

    def receipt(self) -> str:
        """A receipt's number that no other payment has."""
        return f"T{next(self.numbers):09d}"

    def paid(self, checkout: str, receipt: str, amount: Any = None, **more: Any) -> dict[str, Any]:
        """The push was paid; gives its callback."""
        self.outcomes[checkout] = PAID
        amount = self.pushes[checkout]["amount"] if amount is None else amount
        items = {
            "Amount": amount, "MpesaReceiptNumber": receipt, "TransactionDate": 20261130170215,
            "PhoneNumber": int(self.pushes[checkout]["phone"].lstrip("+")),
        } | more  # fmt: skip
        metadata = {"Item": [{"Name": name, "Value": value} for name, value in items.items() if value is not None]}
        return self._callback(checkout, 0, CallbackMetadata=metadata)

    def failed(self, checkout: str, code: str = CANCELLED) -> dict[str, Any]:
        """The push was not paid; gives its callback."""
        self.outcomes[checkout] = code
        return self._callback(checkout, int(code))

    def notice(self, reference: str, receipt: str, amount: Any, shortcode: str = SHORTCODE) -> dict[str, Any]:
        """A payment from M-Pesa's own menu, and also what is posted of a push that was paid."""
        return {
            "TransactionType": "Pay Bill", "TransID": receipt, "TransTime": "20261130170215",
            "TransAmount": f"{Decimal(str(amount)):.2f}", "BusinessShortCode": shortcode, "BillRefNumber": reference,
            "InvoiceNumber": "", "OrgAccountBalance": "", "ThirdPartyTransID": "", "MSISDN": "2547*****126",
            "FirstName": "JOHN",
        }  # fmt: skip

    def status(self, receipt: str, amount: Any, state: str = "Completed", **more: Any) -> dict[str, Any]:
        """The answer to a query about a receipt."""
        values = {
            "ReceiptNo": receipt, "Amount": str(amount), "TransactionStatus": state, "FinalisedTime": 20261130170215,
            "CreditPartyName": f"{SHORTCODE} - Lango", "Conversation ID": f"AG_{next(self.numbers)}",
        } | more  # fmt: skip
        parameters = [{"Key": name, "Value": value} for name, value in values.items()]
        return {
            "Result": {
                "ResultType": 0, "ResultCode": 0, "ResultDesc": "The service request is processed successfully.",
                "OriginatorConversationID": f"{next(self.numbers)}-query", "ConversationID": f"AG_{receipt}",
                "TransactionID": "T000000000", "ResultParameters": {"ResultParameter": parameters},
            }
        }  # fmt: skip

    def line(self, receipt: str, amount: Any, reference: str, at: datetime) -> None:
        """A line of its statement."""
        self.lines.append(StatementLine(receipt, Decimal(str(amount)), at, reference, "Pay Bill"))

    def called(self, name: str, about: Any = None) -> int:
        """How often it was called so, about that."""
        return sum(call[0] == name and about in (None, *call[1:]) for call in self.calls)

    def _callback(self, checkout: str, code: int, **more: Any) -> dict[str, Any]:
        callback = {
            "MerchantRequestID": f"29115-{checkout[-6:]}", "CheckoutRequestID": checkout, "ResultCode": code,
            "ResultDesc": "The service request is processed successfully." if code == 0 else f"It failed by {code}.",
        }  # fmt: skip
        return {"Body": {"stkCallback": callback | more}}

    def _accepted(self, key: str) -> Accepted:
        return Accepted(f"AG_{next(self.numbers)}", key)

    async def _called(self, *call: Any) -> None:
        self.calls.append(call)
        await asyncio.sleep(0)
        if self.down:
            raise MpesaUnavailable("it is down")
        if call[0] in self.refuses:
            raise MpesaRefused("400.002.02", "it will not")

    def _answer(self, value: Any) -> Any:
        if self.meanwhile is not None:
            self.meanwhile()
        if self.deaf:
            raise MpesaUndecided("the answer was lost")
        return value
