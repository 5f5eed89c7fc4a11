"""The outbox: what happened, written in the transaction in which it happened."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Insert, Integer, Text, bindparam, cast, delete, func, insert, select, tuple_

from lango.db.prepared import Prepared
from lango.jobs.job import scheduled
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from models.platform import OutboxEvent
from models.topics import Topic
from resolvers.kernel import system_config
from resolvers.kernel.system_config import Configured

RETENTION_HOURS = Configured("events.retention_hours", 72)
AT_ONCE = 5_000
EVENT = OutboxEvent.table().c
OLD = (
    select(EVENT.created_at, EVENT.id)
    .where(EVENT.created_at < func.now() - func.make_interval(0, 0, 0, 0, bindparam("hours", type_=Integer)))
    .limit(AT_ONCE)
)
DELETE = Prepared(delete(OutboxEvent.table()).where(tuple_(EVENT.created_at, EVENT.id).in_(OLD)).returning(EVENT.id))
PUBLISH = Prepared(insert(OutboxEvent.table()).inline(), ["topic", "key", "payload"])


def publish(tx: RuleTransaction, topic: Topic, key: UUID, **payload: Any) -> None:
    """Publish that something happened to the object `key`. The payload holds ids only: subscribers read the rest."""
    ids = {name: str(value) for name, value in payload.items() if value is not None}
    PUBLISH.send(tx, topic=topic, key=str(key), payload=ids)


def published(topic: Topic, rows: CTE, key: ColumnElement[UUID], **payload: ColumnElement[UUID]) -> Insert:
    """As part of a statement: publish it of each row that the statement has written. Ids only, as in `publish`."""
    ids = func.jsonb_build_object(*(part for name, value in payload.items() for part in (name, cast(value, Text))))
    events = select(bindparam(None, topic, Text), cast(key, Text), ids).select_from(rows)
    return insert(OutboxEvent.table()).from_select(["topic", "key", "payload"], events, include_defaults=False)


@scheduled("events.delete_old_events", "17 * * * *")
async def delete_old_events(services: Services) -> None:
    """Delete the events that nobody may resume from any more."""
    deleted = AT_ONCE
    while deleted == AT_ONCE:
        async with services.work() as tx:
            hours = await system_config.number(tx, RETENTION_HOURS)
            deleted = len(await DELETE.run(tx, hours=hours))
