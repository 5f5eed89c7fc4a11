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
from lango.graphql.context import Shown
from lango.rules.transaction import RuleTransaction
from models.admin import AuditLog, AuditLogActorType
from models.base import Base

# An operation shows at most some thousand rows; beyond this the log says how many more there were.
MOST_KEYS = 1000
COLUMNS = (
    "id", "actor_user_id", "actor_type", "action", "actor_ip", "resource_type", "request_id", "user_agent", "metadata",
)  # fmt: skip
INSERT = Prepared(insert(AuditLog.table()).inline(), COLUMNS)
INSERT_OF_ONE = Prepared(insert(AuditLog.table()).inline(), (*COLUMNS, "resource_id"))


def written(part: Any) -> str:
    """A part of a key as it stands in a global id."""
    return part.isoformat() if isinstance(part, datetime) else str(part)


async def staff_read(pipeline: Pipeline, actor: Actor, rows: list[object]) -> None:
    """Write down which people's rows staff were shown, in a transaction of its own, before they get them.

    One audit row an operation; its metadata has the keys of the rows by their type. Whose own rows they were is left
    to the reader, who has the keys.
    """
    # Each once: what is shown a thousand times must not hide what is shown beside it.
    seen: dict[str, dict[str, None]] = {}
    for row in rows:
        if isinstance(row, Shown):
            seen.setdefault(row.type_name, {})[row.key] = None
        elif isinstance(row, Base) and row.__access__ is not None and row.__access__.of_person:
            seen.setdefault(type(row).__name__, {})[",".join(map(written, inspect(row).identity or ()))] = None
    read = {name: list(keys) for name, keys in seen.items()}
    if not read:
        return
    more = {f"{name} not listed": len(keys) - MOST_KEYS for name, keys in read.items() if len(keys) > MOST_KEYS}
    metadata = RawJson.of({name: keys[:MOST_KEYS] for name, keys in read.items()} | more)
    values = _by(actor) | {"action": "staff_read", "resource_type": "rows", "metadata": metadata}
    await pipeline.run(actor, INSERT.sql, INSERT.values(values), role=DatabaseRole.RULES)


def revealed(tx: RuleTransaction, kind: str, key: UUID, *, of: UUID) -> None:
    """Write down that a secret of somebody's row was shown, in the transaction that shows it. In the rules' role."""
    about = {"action": f"{kind}_revealed", "resource_type": kind, "resource_id": key}
    INSERT_OF_ONE.send(tx, **_by(tx.actor), **about, metadata=RawJson.of({"user_id": str(of)}))


def _by(actor: Actor) -> dict[str, Any]:
    return {
        "id": uuid4(), "actor_user_id": actor.user_id, "actor_type": AuditLogActorType.USER,
        "actor_ip": str(actor.ip) if actor.ip else None, "request_id": actor.request_id,
        "user_agent": actor.user_agent,
    }  # fmt: skip
