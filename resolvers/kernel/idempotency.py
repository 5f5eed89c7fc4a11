"""Idempotency keys: a retried mutation answers as the first call did, also while the first is still running."""

from __future__ import annotations

import hashlib
import re
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

import asyncpg
import orjson
from sqlalchemy import and_, bindparam, func, literal_column, select, text, update
from sqlalchemy.dialects.postgresql import insert

from lango.actor import Actor
from lango.db.connection import Command
from lango.db.prepared import Prepared
from lango.errors import BadUserInput
from lango.jobs.job import scheduled
from lango.rules.rule import IDEMPOTENCY_KEY_FORM, IdempotencyKeyReused, is_idempotency_key
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from models.platform import IdempotencyKey

KEPT = text("now() + interval '24 hours'")
# Whoever has no token must bring a key that nobody guesses: a UUIDv4, or 22 letters of base64url.
UNGUESSABLE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}|[A-Za-z0-9_-]{22,}", re.IGNORECASE
)
PRIMARY_KEY = "pk_idempotency_keys"
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
TABLE = IdempotencyKey.table()
NAMED = ("scope", "operation", "key")
SAME = and_(*(TABLE.c[name] == bindparam(name) for name in NAMED))
CLAIM = Prepared(insert(TABLE).inline().values(expires_at=KEPT), [*NAMED, "request_hash", "expires_at"])
CLAIM_EXPIRED = Prepared(
    insert(TABLE)
    .values({name: bindparam(name) for name in (*NAMED, "request_hash")} | {"expires_at": KEPT})
    .on_conflict_do_update(
        index_elements=NAMED,
        set_={"request_hash": bindparam("request_hash"), "outcome": None, "created_at": func.now(), "expires_at": KEPT},
        where=TABLE.c.expires_at <= func.now(),
    )
    .returning(literal_column("true"))
)
FOUND = Prepared(select(TABLE.c.request_hash, TABLE.c.outcome).where(SAME))
STORE = Prepared(update(TABLE).where(SAME).values(outcome=bindparam("outcome")))


class Claim(NamedTuple):
    """A key that a call has claimed, or whose outcome it finds."""

    scope: str
    operation: str
    key: str
    request_hash: str
    outcome: dict[str, Any] | None = None

    def columns(self) -> dict[str, str]:
        """Its row, but for its outcome."""
        return {
            "scope": self.scope, "operation": self.operation, "key": self.key, "request_hash": self.request_hash
        }  # fmt: skip

    def command(self) -> Command:
        """The statement that claims it. It fails where the key is there, so that nothing after it is done."""
        return Command(CLAIM.sql, CLAIM.values(self.columns()))


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
    if actor.api_key is not None:
        return f"api_key:{actor.api_key.id}"
    if actor.user_id is not None:
        return f"user:{actor.user_id}"
    if not UNGUESSABLE.fullmatch(key):
        raise BadUserInput(
            "Without a token, the idempotency key must be a UUIDv4 or 22 or more characters of base64url."
        )
    return "anonymous"


def claim(actor: Actor, operation: str, key: str, request_hash: str) -> Claim:
    """What claims a key in the rule's own transaction, before anything of the rule.

    A second call waits for the first one's end, as long as for any lock. Raises BadUserInput for what is no key.
    """
    return Claim(scope_of(actor, key), operation, key, request_hash)


async def found(tx: RuleTransaction, claim: Claim) -> Claim:
    """A key that could not be claimed, because it is there: with the outcome of the call that has it; or claimed now,
    where it has expired meanwhile. Raises IdempotencyKeyReused for another input.
    """
    claimed, ((request_hash, outcome),) = await tx.fetch(
        CLAIM_EXPIRED.query(**claim.columns()), FOUND.query(**claim.columns())
    )
    if claimed:
        return claim
    if request_hash != claim.request_hash:
        raise IdempotencyKeyReused
    return claim._replace(outcome=outcome.parsed() if outcome else {})


def store(tx: RuleTransaction, claimed: Claim, outcome: dict[str, Any]) -> None:
    """Keep what the call answered: refusals, or type and id of what it made."""
    STORE.send(tx, **claimed.columns(), outcome=outcome)


def claims(statement: str | None) -> bool:
    """Whether that statement is one by which a key is claimed."""
    return statement in (CLAIM.sql, CLAIM_EXPIRED.sql)


def is_taken(error: BaseException) -> bool:
    """Whether a claim failed because the key is there."""
    return isinstance(error, asyncpg.UniqueViolationError) and error.constraint_name == PRIMARY_KEY


@scheduled("idempotency.delete_expired_keys", "27 * * * *", timeout=300)
async def delete_expired_keys(services: Services) -> None:
    """Delete the keys that may be used anew; those of calls that still run are left alone."""
    deleted = AT_ONCE
    while deleted == AT_ONCE:
        async with services.work() as tx:
            deleted = len(await DELETE_EXPIRED.run(tx))
