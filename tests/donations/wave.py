"""Wave at the network's edge: checkouts in memory, and the events that it would send."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from lango.providers.wave.client import Checkout
from lango.providers.wave.errors import WaveRefused, WaveUnavailable, WaveUndecided


class FakeWave:
    """Does what the protocol promises, and remembers what it was asked."""

    def __init__(self) -> None:
        self.sessions: dict[str, Checkout] = {}
        self.keys: dict[str, str] = {}
        self.refunds: dict[str, tuple[str, int]] = {}
        self.payouts: dict[str, tuple[str, int, str]] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.numbers = itertools.count(1)
        self.down = False
        # Answers are lost on their way; what was asked is done.
        self.deaf = False
        # Payouts are taken, and not finished.
        self.slow = False
        self.refuses: set[str] = set()
        # Checkouts about which it never answers.
        self.fails: set[str] = set()

    async def open_checkout(self, *, amount: int, reference: str, key: str) -> Checkout:
        await self._called("open_checkout", amount, reference, key)
        if key not in self.keys:
            found = f"cos-{next(self.numbers)}-{reference[:8]}"
            self.keys[key] = found
            self.sessions[found] = Checkout(
                id=found, url=f"https://pay.wave.example/{found}", expires_at=datetime.now(UTC) + timedelta(minutes=30),
                status="open", payment_status="processing", amount=amount, reference=reference,
            )  # fmt: skip
        return self._answer(self.sessions[self.keys[key]])

    async def checkout(self, checkout_id: str) -> Checkout:
        await self._called("checkout", checkout_id)
        if checkout_id not in self.sessions:
            raise WaveRefused("not-found", "no such checkout")
        return self._answer(self.sessions[checkout_id])

    async def checkouts(self, reference: str) -> list[Checkout]:
        await self._called("checkouts", reference)
        return self._answer([found for found in self.sessions.values() if found.reference == reference])

    async def expire(self, checkout_id: str) -> None:
        await self._called("expire", checkout_id)
        if self.sessions[checkout_id].payment_status == "succeeded":
            raise WaveRefused("already-paid", "it has been paid")
        self.change(checkout_id, status="expired")
        self._answer(None)

    async def refund(self, checkout_id: str, *, amount: int, key: str) -> str:
        await self._called("refund", checkout_id, amount, key)
        if amount != self.sessions[checkout_id].amount:
            raise WaveRefused("partial-refund", "a checkout is given back whole or not at all")
        if key not in self.refunds:
            self.refunds[key] = (checkout_id, amount)
        return self._answer(f"R-{checkout_id}")

    async def pay_out(self, *, amount: int, mobile: str, reference: str, key: str) -> str:
        await self._called("pay_out", amount, mobile, reference, key)
        request = (mobile, amount, reference)
        if self.payouts.setdefault(key, request) != request:
            raise WaveUndecided("the key came with another payout before")
        if self.slow:
            raise WaveUndecided("the payout is processing")
        return self._answer(f"pt-{reference[:8]}")

    def change(self, checkout_id: str, **changes: Any) -> None:
        given = self.sessions[checkout_id]
        names = Checkout.__slots__
        self.sessions[checkout_id] = Checkout(**{name: getattr(given, name) for name in names} | changes)

    def paid(self, checkout_id: str, **changes: Any) -> dict[str, Any]:
        """Have a checkout paid; gives the event that Wave sends of it."""
        self.change(checkout_id, status="complete", payment_status="succeeded", transaction_id=f"T-{checkout_id}")
        return self.event("checkout.session.completed", checkout_id, **changes)

    def failed(self, checkout_id: str) -> dict[str, Any]:
        return self.event("checkout.session.payment_failed", checkout_id, payment_status="cancelled")

    def event(self, kind: str, checkout_id: str, **changes: Any) -> dict[str, Any]:
        checkout = self.sessions[checkout_id]
        data = {
            "id": checkout.id, "amount": str(checkout.amount), "currency": "XOF",
            "client_reference": checkout.reference, "checkout_status": checkout.status,
            "payment_status": checkout.payment_status, "transaction_id": checkout.transaction_id,
        } | changes  # fmt: skip
        return {"id": f"EV_{next(self.numbers)}_{checkout_id}", "type": kind, "data": data}

    def given_back(self, checkout_id: str) -> list[int]:
        return [amount for checkout, amount in self.refunds.values() if checkout == checkout_id]

    def paid_out(self, mobile: str) -> list[int]:
        return [amount for to, amount, _ in self.payouts.values() if to == mobile]

    async def _called(self, *call: Any) -> None:
        self.calls.append(call)
        await asyncio.sleep(0)
        if self.down or not self.fails.isdisjoint(call):
            raise WaveUnavailable("it is down")
        if call[0] in self.refuses:
            raise WaveRefused("refused", "it will not")

    def _answer(self, value: Any) -> Any:
        if self.deaf:
            raise WaveUnavailable("the answer was lost")
        return value
