"""What the audit triggers cannot see: that somebody's rows were read, or a secret was revealed."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert, inspect

from lango.actor import Actor, DatabaseRole
from lango.db.pipeline import Pipeline
from lango.db.postgres import RawJson
from lango.db.prepared import Prepared
from lango.rules.transaction import RuleTransaction
from models.admin import AuditLog, AuditLogActorType
from models.base import Base
from models.reads import MOST_ROWS

COLUMNS = (
    "id", "actor_user_id", "actor_type", "action", "actor_ip", "resource_type", "request_id", "user_agent", "metadata",
)  # fmt: skip
INSERT = Prepared(insert(AuditLog.table()).inline(), COLUMNS)
INSERT_OF_ONE = Prepared(insert(AuditLog.table()).inline(), (*COLUMNS, "resource_id"))
DECIDED = Prepared(insert(AuditLog.table()).inline(), (*COLUMNS, "resource_id", "reason"))


def written(part: Any) -> str:
    """A part of a key as it stands in a global id."""
    return part.isoformat() if isinstance(part, datetime) else str(part)


async def staff_read(pipeline: Pipeline, actor: Actor, rows: list[object]) -> None:
    """Write down which people's rows were loaded for staff, in a transaction of its own, before they get them.

    Its metadata lists the rows as `Type:key`. Whose own rows they were is left to the reader, who has the keys. What a
    planned statement shows it writes down itself, by `lango.audit_shown`.
    """
    # Each once: what is shown a thousand times must not hide what is shown beside it.
    read = list(
        dict.fromkeys(
            f"{type(row).__name__}:{','.join(map(written, inspect(row).identity or ()))}"
            for row in rows
            if isinstance(row, Base) and row.__access__ is not None and row.__access__.of_person
        )
    )
    if not read:
        return
    more = {"not listed": len(read) - MOST_ROWS} if len(read) > MOST_ROWS else {}
    metadata = RawJson.of({"rows": read[:MOST_ROWS]} | more)
    values = _by(actor) | {"action": "staff_read", "resource_type": "rows", "metadata": metadata}
    await pipeline.run(actor, INSERT.sql, INSERT.values(values), role=DatabaseRole.RULES)


def revealed(tx: RuleTransaction, kind: str, key: UUID, *, of: UUID) -> None:
    """Write down that a secret of somebody's row was shown, in the transaction that shows it. In the rules' role."""
    about = {"action": f"{kind}_revealed", "resource_type": kind, "resource_id": key}
    INSERT_OF_ONE.send(tx, **_by(tx.actor), **about, metadata=RawJson.of({"user_id": str(of)}))


def decided(tx: RuleTransaction, action: str, kind: str, key: UUID, reason: str, **facts: Any) -> None:
    """Write down why staff did what they do, in the transaction that does it."""
    about = {"action": action, "resource_type": kind, "resource_id": key, "reason": reason}
    DECIDED.send(tx, **_by(tx.actor), **about, metadata=RawJson.of(facts) if facts else None)


def _by(actor: Actor) -> dict[str, Any]:
    return {
        "id": uuid4(), "actor_user_id": actor.user_id, "actor_type": AuditLogActorType.USER,
        "actor_ip": str(actor.ip) if actor.ip else None, "request_id": actor.request_id,
        "user_agent": actor.user_agent,
    }  # fmt: skip
