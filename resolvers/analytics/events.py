"""Analytics events: what people look at and pass on, appended one by one, and counted later."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID, uuid4

from sqlalchemy import bindparam, delete, func, insert, literal_column, select, update

from lango.db.postgres import RawJson
from lango.db.prepared import Prepared
from lango.rules.inputs import Text
from lango.rules.transaction import RuleTransaction
from models.analytics import AnalyticsEvent, AnalyticsEventPlatform
from models.base import Base
from models.platform import UncountedEvent
from resolvers.kernel import due

Visitor = Annotated[
    str | None, Text("What joins the events of one visitor who is not signed in.", AnalyticsEvent.anonymous_id)
]


async def note(
    tx: RuleTransaction,
    name: str,
    category: str,
    *,
    subject: UUID,
    visitor: str | None,
    platform: AnalyticsEventPlatform | None,
    referrer: str | None = None,
    **properties: object,
) -> None:
    """Append an event, and have it counted for its `subject` later.

    `visitor` distinguishes callers without a token; `properties` are kept as texts. In the rules' role.
    """
    texts = {key: str(value) for key, value in properties.items() if value is not None}
    event = AnalyticsEvent(
        id=uuid4(), event_name=name, event_category=category, user_id=tx.actor.user_id,
        anonymous_id=visitor if tx.actor.user_id is None else None, properties=RawJson.of(texts),
        ip_address=str(tx.actor.ip) if tx.actor.ip else None, user_agent=tx.actor.user_agent, platform=platform,
        referrer=referrer,
    )  # fmt: skip
    tx.save(event)
    COUNT_LATER.send(tx, event_name=name, subject_id=subject)


class Counting:
    """Counts of a table that go up by events: by each event once, however late its transaction commits.

    What is counted is taken away in the same statement: no event is looked at twice, and none is missed.
    """

    def __init__(self, table: type[Base], **names: str) -> None:
        """`names` are the events by the columns that count them."""
        counted, waiting = table.table(), UncountedEvent.table()
        known: list[Any] = [literal_column(f"'{name}'") for name in names.values()]
        self.due = due.Due(
            UncountedEvent.subject_id, lambda rows: rows.where(UncountedEvent.event_name.in_(known)).distinct()
        )
        taken = (
            delete(waiting)
            .where(waiting.c.subject_id == bindparam("subject"), waiting.c.event_name.in_(known))
            .returning(waiting.c.event_name)
            .cte("taken")
        )
        sums = [func.count().filter(taken.c.event_name == name).label(column) for column, name in names.items()]
        new = select(*sums).select_from(taken).subquery("new")
        self._count = Prepared(
            update(counted)
            .where(counted.c.id == bindparam("subject"))
            .values({column: func.coalesce(counted.c[column], 0) + new.c[column] for column in names})
        )

    async def count(self, tx: RuleTransaction, subject: UUID) -> None:
        """Add what waits for one row. In the rules' role."""
        self._count.send(tx, subject=subject)


COUNT_LATER = Prepared(insert(UncountedEvent.table()).inline(), ["event_name", "subject_id"])
