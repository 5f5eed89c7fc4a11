"""Purchases at kiosks: decided while the kiosk waits."""

from __future__ import annotations

from sqlalchemy import text

from lango.providers.kiosk import KIOSK
from lango.providers.kiosk.gateway import PURCHASES
from lango.providers.webhook import Delivery, Handled, Reply
from lango.rules.handlers import handles
from lango.rules.services import Services


@handles(PURCHASES)
async def decide(services: Services, delivery: Delivery[dict[str, str]]) -> Handled:
    """Whether a purchase may go on the account."""
    sells = services.client(KIOSK).sells(int(delivery.payload["francs"]))
    async with services.work() as session:
        role = (await session.execute(text("SELECT current_user"))).scalar_one()
    answer = f"{'sell' if sells else 'refuse'} at {delivery.request.parameters['place']} as {role}"
    return Handled(Reply(answer.encode(), 200 if sells else 402, "text/plain", {"x-kiosk": "1"}))
