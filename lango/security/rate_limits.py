"""Rate limits: how often something may be done, counted in the database across all workers (docs/adr/0038).

    SIGN_IN_BY_ADDRESS = RateLimit("sign_in_address", most=30, seconds=900)

    await take(tx.services.pipeline, (SIGN_IN_BY_ADDRESS, address_of(tx.actor)), (SIGN_IN_BY_CONTACT, identifier))

A rule takes them first, before its transaction has begun: what is counted stays counted, whatever becomes of the rule,
and no connection is held meanwhile.
"""

from __future__ import annotations

import hashlib
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Any

import orjson

from lango.actor import NOBODY, Actor, DatabaseRole
from lango.db.connection import ConnectionLost
from lango.db.fair_queue import network_of
from lango.db.pipeline import Pipeline
from lango.errors import RateLimited

TAKE = "SELECT lango.take_rate_limits($1::text[], $2::integer[], $3::integer[])::text"
KEY_LENGTH = 32
# One connection after another may have been lost with the server.
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most so many in so many seconds, which begin with the first. Its name is shown to callers: letters, digits
    and underscores."""

    name: str
    most: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of a limit, and in how many seconds all of it is there again."""

    limit: RateLimit
    left: int
    seconds: int

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Of an answer, as https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ (10) has them."""
        limit = self.limit
        return [
            (b"ratelimit-policy", f'"{limit.name}";q={limit.most};w={limit.seconds}'.encode()),
            (b"ratelimit", f'"{limit.name}";r={self.left};t={self.seconds}'.encode()),
        ]


# What was taken in the request that is being answered: whoever answers it puts a list there.
quotas_taken: ContextVar[list[Quota] | None] = ContextVar("quotas_taken", default=None)


async def take(pipeline: Pipeline, *taken: tuple[RateLimit, str]) -> None:
    """Count one more under each limit, for the one whose count the text names (an address, a contact, a user), or
    under none of them where one is exhausted: then RateLimited is raised, with `retryAfter` in seconds.

    It is one statement, in a transaction of its own.
    """
    wanted = {key_of(limit, whose): limit for limit, whose in taken}
    limits = [*wanted.values()]
    note_taken(limits, orjson.loads(await _taken(pipeline, [*wanted], limits)))


def note_taken(limits: list[RateLimit], found: dict[str, Any]) -> None:
    """Note what `lango.take_rate_limits` has said of these limits, for the answer's headers. Raises RateLimited."""
    quotas = [Quota(limit, left, max(1, end)) for limit, (left, end) in zip(limits, found["windows"], strict=True)]
    exhausted = [quota for quota in quotas if not quota.left] if found["refused"] else []
    # Of several that are exhausted the one that stays so the longest.
    decisive = max(exhausted, key=lambda each: each.seconds) if exhausted else tightest(quotas)
    if (noted := quotas_taken.get()) is not None:
        noted.append(decisive)
    if found["refused"]:
        raise RateLimited(retryAfter=decisive.seconds)


def tightest(quotas: list[Quota]) -> Quota:
    """The one of which the least is left; of two alike the one that takes longer to be whole again."""
    return min(quotas, key=lambda each: (each.left, -each.seconds))


def key_of(limit: RateLimit, whose: str) -> str:
    """Under what it is counted: no contact or address is kept."""
    return hashlib.sha256(f"{limit.name}\0{whose}".encode()).hexdigest()[:KEY_LENGTH]


def address_of(actor: Actor) -> str:
    """Whose count an address is: whoever has one of IPv6 has all that share its first half."""
    return str(network_of(actor.ip) if isinstance(actor.ip, IPv6Address) else actor.ip)


async def _taken(pipeline: Pipeline, keys: list[str], limits: list[RateLimit]) -> bytes:
    values = [keys, [limit.most for limit in limits], [limit.seconds for limit in limits]]
    attempt = 0
    while True:
        attempt += 1
        try:
            found: bytes = await pipeline.run(NOBODY, TAKE, values, role=DatabaseRole.RULES)
        except ConnectionLost:
            # Perhaps it was counted; to count twice does no harm.
            if attempt == ATTEMPTS:
                raise
        else:
            return found
