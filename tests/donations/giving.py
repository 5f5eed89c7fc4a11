"""What donors, staff and Wave do with donations, in one line each."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import asyncpg
import orjson
from starlette.datastructures import Headers

from lango.providers import ProviderRefused
from lango.providers.wave import EVENTS
from lango.providers.webhook import Delivery, Finish, WebhookRequest
from lango.rules.services import Services
from resolvers.donations.refunds import send_refund
from resolvers.donations.wave_events import receive_wave_event
from tests.client import STAFF, Answer, Api
from tests.donations.wave import FakeWave
from tests.factories import Factory

RECEIPT = """
  query ($token: String!) {
    donationReceipt(token: $token) { reference status amountCfa refundedCfa confirmedAt paymentUrl }
  }
"""


@dataclass
class Giving:
    """The ways of a donation."""

    api: Api
    wave: FakeWave
    services: Services
    make: Factory

    @property
    def owner(self) -> asyncpg.Pool[Any]:
        return self.make.owner

    async def donate(self, pot: Any, amount: Any = 5000, as_: Any = None, **more: Any) -> Answer:
        where = {} if "shareToken" in more else {"potId": pot.id}
        return await self.api.mutate("donate", as_, amountCfa=amount, **where, **more)

    async def begun(self, pot: Any, amount: int = 5000, as_: Any = None, **more: Any) -> SimpleNamespace:
        """A donation that waits to be paid, with its checkout."""
        given = (await self.donate(pot, amount, as_, **more))["donate"]
        assert given["userErrors"] == []
        return SimpleNamespace(
            id=given["reference"], url=given["paymentUrl"], token=given["receiptToken"],
            checkout=(given["paymentUrl"] or "").rpartition("/")[2],
        )  # fmt: skip

    async def given(self, pot: Any, amount: int = 5000, as_: Any = None, **more: Any) -> SimpleNamespace:
        """A donation that was paid, as Wave has reported."""
        begun = await self.begun(pot, amount, as_, **more)
        await self.hear(self.wave.paid(begun.checkout))
        return begun

    async def hear(self, event: dict[str, Any]) -> None:
        """Take a webhook in as its route does, and process it."""
        finish = await self.store(event)
        if finish is not None:
            await finish()

    async def store(self, event: dict[str, Any]) -> Finish | None:
        """Take a webhook in; gives what is still to be done about it."""
        request = WebhookRequest("a-test", EVENTS.path, {}, "", Headers(), None, orjson.dumps(event))
        return (await receive_wave_event(self.services, Delivery(event, request))).finish

    async def retry(self, as_: Any = None, **given: Any) -> Answer:
        return await self.api.mutate("retryDonation", as_, **given)

    async def refund(self, as_: Any = None, roles: tuple[str, ...] = (), **given: Any) -> Answer:
        return await self.api.mutate("refundDonation", as_, roles, **given)

    async def receipt(self, token: str) -> Any:
        return (await self.api(RECEIPT, {"token": token}))["donationReceipt"]

    async def as_staff(self, name: str, **given: Any) -> Answer:
        staff = await self.make.staff()
        return await self.api.mutate(name, staff, STAFF, **given)

    async def row(self, key: Any) -> Any:
        return await self.owner.fetchrow("SELECT * FROM donations.donations WHERE id = $1", key)

    async def status(self, key: Any) -> str:
        return str((await self.row(key))["status"])

    async def pot(self, pot: Any) -> Any:
        return await self.owner.fetchrow("SELECT * FROM pots.pots WHERE id = $1", pot.id)

    async def money(self, pot: Any) -> tuple[int, int]:
        """What a pot raised, and what it may spend."""
        row = await self.pot(pot)
        return row["raised_cfa"], row["balance_cfa"]

    async def event_of(self, event: dict[str, Any]) -> Any:
        return await self.owner.fetchrow(
            "SELECT * FROM donations.wave_webhook_events WHERE wave_event_id = $1", event["id"]
        )

    async def refunds(self, key: Any) -> list[tuple[int, str, str]]:
        rows = await self.owner.fetch(
            "SELECT amount_cfa, wave_refund_status, reason FROM donations.refunds WHERE donation_id = $1"
            " ORDER BY created_at",
            key,
        )
        return [tuple(row) for row in rows]

    async def send_refunds(self, key: Any) -> None:
        """Send what is still to be sent of a donation's refunds, as the worker does."""
        rows = await self.owner.fetch("SELECT id FROM donations.refunds WHERE donation_id = $1", key)
        for row in rows:
            # One that is refused keeps the worker from no other.
            with suppress(ProviderRefused):
                await send_refund(self.services, refund_id=row["id"])

    async def owner_of(self, pot: Any) -> SimpleNamespace:
        return SimpleNamespace(id=pot.owner_user_id)
