"""Idempotency keys: a retried mutation answers as the first call did, also while the first is still running."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import orjson
from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from lango.actor import Actor
from lango.db.prepared import Prepared
from lango.errors import BadUserInput
from lango.jobs.job import scheduled
from lango.rules.rule import IDEMPOTENCY_KEY_FORM, IdempotencyKeyReused, InProgress, is_idempotency_key
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from models.platform import IdempotencyKey

KEPT = text("now() + interval '24 hours'")
# Whoever has no token must bring a key that nobody guesses: a UUIDv4, or 22 letters of base64url.
UNGUESSABLE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}|[A-Za-z0-9_-]{22,}", re.IGNORECASE
)
LOCK_NOT_AVAILABLE = "55P03"
AT_ONCE = 5_000
# One that is being claimed anew is locked by the call that claims it. An hour later than need be: clocks differ.
DELETE_EXPIRED = Prepared(
    text(f"""
    DELETE FROM platform.idempotency_keys k USING (
        SELECT scope, operation, key FROM platform.idempotency_keys WHERE expires_at < now() - interval '1 hour'
        ORDER BY expires_at LIMIT {AT_ONCE} FOR UPDATE SKIP LOCKED
    ) expired
    WHERE (k.scope, k.operation, k.key) = (expired.scope, expired.operation, expired.key) RETURNING true
    """)
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A key that a call has claimed, or whose outcome it finds."""

    scope: str
    operation: str
    key: str
    request_hash: str
    outcome: dict[str, Any] | None = None


def hash_of(arguments: dict[str, Any]) -> str:
    """SHA-256 of an input, whatever the order of its fields."""
    written = orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS, default=_given)
    return hashlib.sha256(written).hexdigest()


def _given(value: Any) -> Any:
    """Of a dataclass what was given: a field that gets its default may come with another release."""
    if not is_dataclass(value):
        return str(value)
    return {each.name: given for each in fields(value) if (given := getattr(value, each.name)) != each.default}


def scope_of(actor: Actor, key: str) -> str:
    """Whose key it is. Raises BadUserInput for what is no key, or that somebody else might bring."""
    if not is_idempotency_key(key):
        raise BadUserInput(f"The idempotency key {IDEMPOTENCY_KEY_FORM}")
    if actor.user_id is not None:
        return f"user:{actor.user_id}"
    if not UNGUESSABLE.fullmatch(key):
        raise BadUserInput(
            "Without a token, the idempotency key must be a UUIDv4 or 22 or more characters of base64url."
        )
    return "anonymous"


async def claim(tx: RuleTransaction, operation: str, key: str, request_hash: str) -> Claim:
    """Claim a key in the rule's own transaction. A second call waits for the first one's end, as long as for any lock.

    The outcome is None for a fresh key. Raises IdempotencyKeyReused for another input, InProgress after the wait.
    """
    scope = scope_of(tx.actor, key)
    values = {"scope": scope, "operation": operation, "key": key, "request_hash": request_hash, "expires_at": KEPT}
    fresh = insert(IdempotencyKey).values(**values)
    # An expired key begins anew; a living one conflicts, and waits here until its transaction has ended.
    fresh = fresh.on_conflict_do_update(
        index_elements=["scope", "operation", "key"],
        set_={"request_hash": request_hash, "outcome": None, "created_at": func.now(), "expires_at": KEPT},
        where=IdempotencyKey.expires_at <= func.now(),
    )
    try:
        claimed = (await tx.execute(fresh.returning(IdempotencyKey.key))).first()
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE:
            raise InProgress from None
        raise
    if claimed is not None:
        return Claim(scope, operation, key, request_hash)
    found = (
        await tx.execute(
            select(IdempotencyKey.request_hash, IdempotencyKey.outcome).where(
                IdempotencyKey.scope == scope, IdempotencyKey.operation == operation, IdempotencyKey.key == key
            )
        )
    ).one()
    if found.request_hash != request_hash:
        raise IdempotencyKeyReused
    return Claim(scope, operation, key, request_hash, found.outcome.parsed() if found.outcome else {})


async def store(tx: RuleTransaction, claimed: Claim, outcome: dict[str, Any]) -> None:
    """Keep what the call answered: refusals, or type and id of what it made."""
    await tx.execute(
        update(IdempotencyKey)
        .where(
            IdempotencyKey.scope == claimed.scope,
            IdempotencyKey.operation == claimed.operation,
            IdempotencyKey.key == claimed.key,
        )
        .values(outcome=outcome)
    )


@scheduled("idempotency.delete_expired_keys", "27 * * * *", timeout=300)
async def delete_expired_keys(services: Services) -> None:
    """Delete the keys that may be used anew; those of calls that still run are left alone."""
    deleted = AT_ONCE
    while deleted == AT_ONCE:
        async with services.work() as tx:
            deleted = len(await DELETE_EXPIRED.run(tx))
