"""Who calls by an API key: looked up by the key's hash, and remembered for as long as any caller (docs/adr/0040)."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from uuid import UUID

import orjson

from lango.actor import NOBODY, Actor, ApiKeyUse, DatabaseRole, Role
from lango.db.pipeline import Pipeline
from lango.errors import Forbidden, RateLimited
from lango.lru import Lru
from lango.security.api_keys import ApiKey, recognised
from lango.security.authentication import ROLE_NAMES, InvalidToken
from lango.security.rate_limits import RateLimit, address_of, take

# As long as an active account is taken to be so (docs/adr/0020).
REMEMBERED = 1.0
MAX_REMEMBERED = 10_000
STANDINGS = "SELECT lango.api_keys($1::uuid[], $2::text[])"
# Keys that do not exist, of one address: how many are looked for.
FAILURES = RateLimit("invalid_api_keys", 20, 300)

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


class InvalidApiKey(InvalidToken):
    """The API key is not valid."""


class ApiKeyRevoked(InvalidToken):
    """The API key has been revoked."""


class ApiKeyExpired(InvalidToken):
    """The API key has expired."""


class OwnerInactive(InvalidToken):
    """The account of this API key is not active: it has been suspended or closed."""


class AddressNotAllowed(Forbidden):
    """This API key is not used from your address."""


class TooManyFailures(RateLimited):
    """Too many API keys that are not valid came from your address: wait a few minutes, then try again."""


class KeyStanding(StrEnum):
    """What the function `lango.api_keys` says of a key."""

    ACTIVE = "active"
    REVOKED = "revoked"
    EXPIRED = "expired"
    INACTIVE = "inactive"


REFUSALS: dict[KeyStanding, type[InvalidToken]] = {
    KeyStanding.REVOKED: ApiKeyRevoked,
    KeyStanding.EXPIRED: ApiKeyExpired,
    KeyStanding.INACTIVE: OwnerInactive,
}


@dataclass(frozen=True, slots=True)
class KeyClaims:
    """What a caller's key says, for a connection that stays open."""

    user_id: UUID
    key_id: UUID
    # None for a key that does not end by itself.
    expires_at: float | None


@dataclass(frozen=True, slots=True)
class Found:
    """A key that is accepted now, as the database had it."""

    user_id: UUID
    roles: frozenset[Role]
    use: ApiKeyUse
    # None: it is used from anywhere.
    networks: tuple[Network, ...] | None
    expires_at: float | None
    looked_at: float = field(compare=False)


def networks_of(listed: Sequence[str]) -> tuple[Network, ...]:
    """Addresses and networks; those of IPv4 that are written as of IPv6 (`::ffff:192.0.2.1`) are of IPv4.

    Raises ValueError for what is neither, and for a network with bits behind its mask.
    """
    return tuple(_plain(ip_network(each.strip())) for each in listed)


def _plain(network: Network) -> Network:
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    return network if mapped is None or network.prefixlen < 96 else ip_network(f"{mapped}/{network.prefixlen - 96}")


def is_within(address: Address | None, networks: Sequence[Network]) -> bool:
    """Whether the address is in one of them."""
    if address is None:
        return False
    plain = ip_address(str(address).partition("%")[0])
    mapped = plain.ipv4_mapped if isinstance(plain, IPv6Address) else None
    return any((mapped or plain) in network for network in networks)


def _stored_networks(listed: Sequence[Any] | None) -> tuple[Network, ...] | None:
    """What a key's row says; an entry that is no network lets nobody in."""
    found: list[Network] = []
    for each in listed or ():
        with suppress(ValueError, AttributeError):
            found += networks_of([each])
    return tuple(found) if listed else None


class KeyCallers:
    """Turns API keys into their owners, who call within what the key may do."""

    def __init__(self, pipeline: Pipeline, environment: str, timeout: float) -> None:
        """`timeout` are the seconds that looking a key up may take."""
        self._pipeline = pipeline
        self._environment = environment
        self._timeout = timeout
        self._found: Lru[tuple[UUID, str | None], Found] = Lru(MAX_REMEMBERED)
        self._looking: dict[tuple[UUID, str | None], asyncio.Task[None]] = {}
        # The addresses from which too many keys came that do not exist, until when no other is looked for.
        self._refused: Lru[str, float] = Lru(MAX_REMEMBERED)

    async def identify(self, text: str, actor: Actor) -> tuple[Actor, KeyClaims]:
        """The key's owner, in the place of nobody who calls from the same address.

        Raises InvalidToken, AddressNotAllowed, TooManyFailures, TimeoutError, and what a database that cannot be
        reached raises.
        """
        key = recognised(text, self._environment)
        if key is None:
            raise InvalidApiKey
        found = await self._accepted(key, actor)
        return _as_owner(actor, found), KeyClaims(found.user_id, key.id, found.expires_at)

    async def still(self, actor: Actor) -> Actor:
        """The same caller as the database has key and owner now. Raises as `identify` does."""
        assert actor.api_key is not None
        found = await self._standing(actor.api_key.id, None)
        return _as_owner(actor, found)

    async def refusals(self, key_ids: Sequence[UUID]) -> list[InvalidToken | None]:
        """Why these keys are no longer accepted, in their order; None for those that are."""
        async with asyncio.timeout(self._timeout):
            found = await self._look_up(key_ids, [None] * len(key_ids))
        return [_refusal(each) for each in found]

    async def _accepted(self, key: ApiKey, actor: Actor) -> Found:
        # Whoever has a key that is remembered does not suffer from others at their address.
        address = address_of(actor)
        refused_for = (self._refused.get(address) or 0.0) - time.monotonic()
        if refused_for > 0 and not self._is_remembered((key.id, key.digest)):
            raise TooManyFailures(retryAfter=math.ceil(refused_for))
        try:
            return await self._standing(key.id, key.digest)
        except InvalidApiKey:
            await self._count_failure(address)
            raise

    async def _count_failure(self, address: str) -> None:
        """Count a key that does not exist, across all workers. Raises TooManyFailures."""
        try:
            await take(self._pipeline, (FAILURES, address))
        except RateLimited as error:
            seconds = (error.extensions or {}).get("retryAfter", FAILURES.seconds)
            self._refused.put(address, time.monotonic() + seconds)
            raise TooManyFailures(retryAfter=seconds) from None

    def _is_remembered(self, key: tuple[UUID, str | None]) -> bool:
        found = self._found.get(key)
        return found is not None and time.monotonic() - found.looked_at < REMEMBERED

    async def _standing(self, key_id: UUID, digest: str | None) -> Found:
        """How that key stands, from memory or by one look for all that ask at once. Raises InvalidToken."""
        key, came = (key_id, digest), time.monotonic()
        # A look that is under way is shared; one that began too long ago says how things were then.
        while (found := self._found.get(key)) is None or came - found.looked_at >= REMEMBERED:
            task = self._looking.get(key)
            if task is None:
                task = self._looking[key] = asyncio.create_task(self._look(key))
                task.add_done_callback(lambda done: self._finish(key, done))
            await asyncio.shield(task)
        if found.expires_at is not None and found.expires_at <= time.time():
            raise ApiKeyExpired
        return found

    def _finish(self, key: tuple[UUID, str | None], task: asyncio.Task[None]) -> None:
        del self._looking[key]
        if not task.cancelled():
            # Those who wait raise it; where all have been cancelled, nobody does.
            task.exception()

    async def _look(self, key: tuple[UUID, str | None]) -> None:
        began = time.monotonic()
        async with asyncio.timeout(self._timeout):
            (row,) = await self._look_up([key[0]], [key[1]])
        refusal = _refusal(row)
        if refusal is not None:
            self._found.drop(key)
            raise refusal
        assert row is not None
        self._found.put(key, _found(key[0], row, began))

    async def _look_up(self, key_ids: Sequence[UUID], digests: Sequence[str | None]) -> list[dict[str, Any] | None]:
        found = await self._pipeline.run(NOBODY, STANDINGS, [[*key_ids], [*digests]], role=DatabaseRole.MEMBER)
        listed: list[dict[str, Any] | None] = orjson.loads(found)
        return listed


def _refusal(row: dict[str, Any] | None) -> InvalidToken | None:
    if row is None:
        return InvalidApiKey()
    refusal = REFUSALS.get(KeyStanding(row["standing"]))
    return None if refusal is None else refusal()


def _found(key_id: UUID, row: dict[str, Any], looked_at: float) -> Found:
    permissions = frozenset(each for each in row["permissions"] or () if isinstance(each, str))
    return Found(
        user_id=UUID(row["user_id"]),
        roles=frozenset(Role(role) for role in row["roles"] or () if role in ROLE_NAMES),
        use=ApiKeyUse(key_id, permissions, row["rate_limit"], row["requests_per_minute"]),
        networks=_stored_networks(row["addresses"]),
        expires_at=None if row["expires_at"] is None else float(row["expires_at"]),
        looked_at=looked_at,
    )


def _as_owner(actor: Actor, found: Found) -> Actor:
    """The owner, who calls by the key. Raises AddressNotAllowed."""
    if found.networks is not None and not is_within(actor.ip, found.networks):
        raise AddressNotAllowed
    return Actor(
        found.user_id,
        found.roles,
        None,
        actor.request_id,
        actor.ip,
        user_agent=actor.user_agent,
        api_key=found.use,
    )
