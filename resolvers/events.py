"""The outbox: what happened, written in the transaction in which it happened."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from lango.prepared import Prepared
from models.platform import OutboxEvent

PUBLISH = Prepared(insert(OutboxEvent.table()).inline(), ["topic", "key", "payload"])


async def publish(session: AsyncSession, topic: str, key: UUID, **payload: Any) -> None:
    """Tell that something happened to the object `key`. The payload holds ids only: who watches reads the rest."""
    told = {name: str(value) for name, value in payload.items() if value is not None}
    await PUBLISH.run(session, topic=topic, key=str(key), payload=told)
