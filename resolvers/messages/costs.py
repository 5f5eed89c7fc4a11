"""What an SMS cost, where its provider says so only after it was sent."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from lango.db.postgres import RawJson
from lango.jobs.job import enqueue, job
from lango.providers.twilio import TWILIO
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from models.security import SmsDelivery
from resolvers.messages.sending import known_of

# Twilio knows the price when the network has told it, minutes or hours later.
PAUSES = (timedelta(minutes=1), timedelta(hours=1), timedelta(hours=12))


def look_up_later(tx: RuleTransaction, row: SmsDelivery, tried: int = 0) -> None:
    """Have the cost of a message looked up in a while, where it is not known and Twilio has sent it."""
    if row.cost is None and row.provider == TWILIO.name and row.provider_message_id and tried < len(PAUSES):
        enqueue(tx, look_up_cost, after=PAUSES[tried], key=f"cost {row.id}", delivery_id=row.id, tried=tried + 1)


@job("messages.look_up_cost")
async def look_up_cost(services: Services, *, delivery_id: UUID, tried: int) -> None:
    """Ask Twilio what a message cost, and again later while it does not know. Raises ProviderUnavailable."""
    async with services.work() as tx:
        row = await tx.lock(SmsDelivery, delivery_id)
    if row.cost is not None or row.provider_message_id is None:
        return
    found = await services.client(TWILIO).cost(row.provider_message_id)
    async with services.work() as tx:
        row = await tx.lock(SmsDelivery, delivery_id)
        if found is None:
            look_up_later(tx, row, tried)
            return
        row.cost, currency = found
        row.metadata_ = RawJson.of(known_of(row) | {"currency": currency})
        tx.save(row)
