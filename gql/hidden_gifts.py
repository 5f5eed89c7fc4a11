"""What subscriptions to a pot, and to what it is given, have in common: strangers hear of hidden gifts later."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY, Uuid, any_, func, select

from lango.db.transaction import acting_as
from models.pots import Pot

LATER = (
    "Where a gift hides its amount, all but the pot's owner and staff get that change, and those that follow, when"
    " `limits.potTotalIntervalSeconds` are over: together, so that one total holds them all."
)


async def is_stranger(context: Any, key: Any) -> bool:
    """Whether the caller is neither staff nor the pot's owner, nor answers for the owner."""
    if context.actor.is_staff:
        return False
    own = select(Pot.id).where(Pot.id == key, Pot.owner_user_id == any_(func.lango.my_people(type_=ARRAY(Uuid))))
    # In a transaction of its own: the subscription that is about to begin keeps none.
    async with acting_as(context.pipeline, context.actor, read_only=True) as tx:
        return (await tx.execute(own)).scalars().first() is None
