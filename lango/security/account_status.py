"""Who calls: by a valid token, of an account that is active, in a session that has not ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from enum import StrEnum
from uuid import UUID

from lango.actor import NOBODY, STAFF_ROLES, Actor, DatabaseRole, Role
from lango.db.pipeline import Pipeline
from lango.lru import Lru
from lango.observability.request_log import RequestLog
from lango.security import api_keys
from lango.security.api_key_status import KeyCallers, KeyClaims
from lango.security.authentication import ROLE_NAMES, Authenticator, Claims, InvalidToken, bearer_token

# Seconds for which a caller who was found to be active is taken to be so: whoever is no longer is refused within as
# many, on every worker. Within them, a read takes one round trip.
REMEMBERED = 1.0
MAX_REMEMBERED = 10_000
# Seconds for which a server that does not answer is waited for before open connections are looked at over another.
LONGEST_LOOK = 5.0
LONGEST_USER_AGENT = 500

STANDING = """
    SELECT (lango.standings(ARRAY[$1::uuid], ARRAY[$2::uuid]))[1] || ' '
        || array_to_string(lango.confirmed_roles($1::uuid, $3::text[]), ',')
"""
STANDINGS = "SELECT array_to_string(lango.standings($1::uuid[], $2::uuid[]), ',')"

# The user, and the session if the token names one.
Subject = tuple[UUID, UUID | None]
# A subject with the roles that its token claims.
Claimed = tuple[Subject, frozenset[Role]]


class Standing(StrEnum):
    """What the function `lango.standings` says of a user and a session."""

    ACTIVE = "active"
    UNKNOWN = "unknown"
    INACTIVE = "inactive"
    ENDED = "ended"


class UnknownAccount(InvalidToken):
    """There is no account for this access token: sign in again."""


class InactiveAccount(InvalidToken):
    """This account is not active: it has been suspended or closed."""


class SessionEnded(InvalidToken):
    """The session has ended: sign in again."""


class KeyWithdrawn(InvalidToken):
    """The key of this access token has been withdrawn: sign in again."""


REFUSALS: dict[Standing, type[InvalidToken]] = {
    Standing.UNKNOWN: UnknownAccount,
    Standing.INACTIVE: InactiveAccount,
    Standing.ENDED: SessionEnded,
}


async def standing_of(
    pipeline: Pipeline, subject: Subject, claimed: Collection[Role], request_id: str
) -> tuple[Standing, frozenset[Role]]:
    """How the user and the session stand, and those of the claimed roles that the database has for the user."""
    user_id, session_id = subject
    names = sorted(role.value for role in claimed)
    caller = Actor(user_id=user_id, request_id=request_id)
    found = await pipeline.run(caller, STANDING, [user_id, session_id, names])
    standing, _, roles = found.decode().partition(" ")
    return Standing(standing), frozenset(Role(role) for role in roles.split(",") if role in ROLE_NAMES)


async def standings_of(pipeline: Pipeline, subjects: Sequence[Subject]) -> list[Standing]:
    """How each of them stands, in their order."""
    users, sessions = [user for user, _ in subjects], [session for _, session in subjects]
    found = await pipeline.run(NOBODY, STANDINGS, [users, sessions], role=DatabaseRole.MEMBER)
    return [Standing(standing) for standing in found.decode().split(",")]


def nobody(request_log: RequestLog, user_agent: str | None) -> Actor:
    """Who calls before it is known who does."""
    return Actor(
        request_id=request_log.request_id, ip=request_log.client, user_agent=user_agent, country=request_log.country
    )


class Callers:
    """Turns the Authorization headers of a request into its caller."""

    def __init__(self, authenticator: Authenticator, pipeline: Pipeline, timeout: float) -> None:
        """`timeout` are the seconds that looking them up in the database may take."""
        self._authenticator = authenticator
        self._pipeline = pipeline
        self._timeout = timeout
        self._keys = KeyCallers(pipeline, authenticator.settings.api_key_environment, timeout)
        # When those who were found to be active were looked at.
        self._active: Lru[Subject, float] = Lru(MAX_REMEMBERED)
        self._looking: dict[Subject, asyncio.Task[None]] = {}
        # The looks at what staff claim: those under way, and those that begin when they end.
        self._confirming: dict[Claimed, asyncio.Task[frozenset[Role]]] = {}
        self._next: dict[Claimed, asyncio.Task[frozenset[Role]]] = {}

    async def actor(self, authorization: Sequence[str], request_log: RequestLog) -> Actor:
        """The caller: nobody without a header. Raises InvalidToken."""
        return (await self.identify(authorization, request_log))[0]

    async def identify(
        self, authorization: Sequence[str], request_log: RequestLog
    ) -> tuple[Actor, Claims | KeyClaims | None]:
        """The caller, and what the token or the API key says, if there is one. Raises InvalidToken, TimeoutError, what
        a database that cannot be reached raises, and for a key AddressNotAllowed and TooManyFailures."""
        agent = (request_log.user_agent or "")[:LONGEST_USER_AGENT] or None
        if not authorization:
            return nobody(request_log, agent), None
        token = bearer_token(authorization)
        if token.startswith(api_keys.PREFIX):
            return await self._keys.identify(token, nobody(request_log, agent))
        claims = await self._authenticator.verify(token)
        actor = Actor(
            claims.user_id,
            claims.roles,
            claims.session_id,
            request_log.request_id,
            request_log.client,
            user_agent=agent,
            authenticated_at=claims.authenticated_at,
            assurance_level=claims.assurance_level,
            country=request_log.country,
        )
        return await self.still(actor), claims

    async def still(self, actor: Actor) -> Actor:
        """The caller as the database has them now: a connection may outlive what a caller may do.

        Raises InvalidToken for somebody whose account is not active, whose session has ended, or whose API key is
        accepted no more.
        """
        if actor.user_id is None:
            return actor
        if actor.api_key is not None:
            return await self._keys.still(actor)
        subject = actor.user_id, actor.session_id
        # Roles grant something to staff alone; whether somebody is a partner's member the policies find out themselves.
        if actor.roles & STAFF_ROLES:
            return replace(actor, roles=await self._confirm((subject, actor.roles), actor.request_id))
        came = time.monotonic()
        # A look that is under way is shared; one that began too long ago says how things were then.
        while (looked := self._active.get(subject)) is None or came - looked >= REMEMBERED:
            await self._look_once(subject, actor.request_id)
        return replace(actor, roles=frozenset()) if actor.roles else actor

    async def refusals(self, listed: Sequence[Claims | KeyClaims]) -> list[InvalidToken | None]:
        """Why these are no longer served, in their order; None for those who are."""
        withdrawn = [isinstance(each, Claims) and not await self._authenticator.trusts(each) for each in listed]
        subjects = [(each.user_id, each.session_id) for each in listed if isinstance(each, Claims)]
        key_ids = [each.key_id for each in listed if isinstance(each, KeyClaims)]
        of_subjects = iter(await self._refusals_of_subjects(subjects) if subjects else ())
        of_keys = iter(await self._keys.refusals(key_ids) if key_ids else ())
        found = [next(of_subjects) if isinstance(each, Claims) else next(of_keys) for each in listed]
        return [KeyWithdrawn() if gone else refusal for gone, refusal in zip(withdrawn, found, strict=True)]

    async def _refusals_of_subjects(self, subjects: Sequence[Subject]) -> list[InvalidToken | None]:
        async with asyncio.timeout(min(self._timeout, LONGEST_LOOK)):
            found = await standings_of(self._pipeline, list(dict.fromkeys(subjects)))
        standings = dict(zip(dict.fromkeys(subjects), found, strict=True))
        return [refusal() if (refusal := REFUSALS.get(standings[each])) else None for each in subjects]

    async def _confirm(self, claimed: Claimed, request_id: str) -> frozenset[Role]:
        """Those of the claimed roles that the database has, by a look that begins after this call. Raises InvalidToken.

        One look is under way for a caller; all that come meanwhile share the next one.
        """
        task = self._next.get(claimed)
        if task is None:
            task = self._next[claimed] = asyncio.create_task(self._look_next(claimed, request_id))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    async def _look_next(self, claimed: Claimed, request_id: str) -> frozenset[Role]:
        if before := self._confirming.get(claimed):
            await asyncio.wait([before])
        # Whoever comes from here on has come after it began.
        this = self._confirming[claimed] = self._next.pop(claimed)
        try:
            return await self._look(*claimed, request_id)
        finally:
            if self._confirming.get(claimed) is this:
                del self._confirming[claimed]

    async def _look_once(self, subject: Subject, request_id: str) -> None:
        """Many requests of one caller at once are one look; one of them that is cancelled does not end it."""
        task = self._looking.get(subject)
        if task is None:
            task = self._looking[subject] = asyncio.create_task(self._remember(subject, request_id))
            task.add_done_callback(lambda done: self._finish(subject, done))
        await asyncio.shield(task)

    async def _remember(self, subject: Subject, request_id: str) -> None:
        await self._look(subject, (), request_id)

    def _finish(self, subject: Subject, task: asyncio.Task[None]) -> None:
        del self._looking[subject]
        if not task.cancelled():
            # Those who wait raise it; where all have been cancelled, nobody does.
            task.exception()

    async def _look(self, subject: Subject, claimed: Collection[Role], request_id: str) -> frozenset[Role]:
        """The confirmed roles. Raises InvalidToken."""
        began = time.monotonic()
        async with asyncio.timeout(self._timeout):
            standing, roles = await standing_of(self._pipeline, subject, claimed, request_id)
        if standing in REFUSALS:
            self._active.drop(subject)
            raise REFUSALS[standing]
        self._active.put(subject, began)
        return roles & frozenset(claimed)
