"""Who gets a connection next: nobody more than a share of them, and those who wait take turns.

Whoever asks for much then waits for their own queries, and nobody else does. Callers who have not signed in share one
share, in which their addresses take turns.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from ipaddress import IPv6Address, IPv6Network
from typing import NamedTuple

from sqlalchemy import exc

from lango.actor import Actor

NOBODY_KNOWN = "anonymous"
# Who has one address of IPv6 has all that share its first half.
IPV6_PREFIX = 64


class Caller(NamedTuple):
    """Whose turn it is: a user; or an address, among all that have not signed in."""

    group: Hashable
    member: Hashable = None


# The gateway itself: what it must know before it can answer anybody.
SYSTEM = Caller(None)


def caller_of(actor: Actor) -> Caller:
    """Whose share the actor's queries take."""
    if actor.user_id is not None:
        return Caller(actor.user_id)
    address = actor.ip
    if isinstance(address, IPv6Address):
        return Caller(NOBODY_KNOWN, network_of(address))
    return Caller(NOBODY_KNOWN, address)


def network_of(address: IPv6Address) -> IPv6Network:
    """All addresses that whoever has this one has."""
    return IPv6Network((int(address), IPV6_PREFIX), strict=False)


class NoConnectionFree(exc.TimeoutError):
    """No connection to the database became free, or could be made, in time."""


class Shares:
    """As many turns at once as there are connections: `await take(caller)`, and `give_back(caller)` at the end."""

    def __init__(self, size: int, share: float, timeout: float) -> None:
        """`share` is the part of the turns that one caller may have at once, as a fraction; `timeout` are the seconds
        that a caller waits for a turn."""
        self._free = size
        self._timeout = timeout
        # One turn is left for the others, where there is one to leave.
        self._most = size if share >= 1 or size == 1 else max(1, int(size * share))
        self._most_of_address = max(1, self._most - 1) if share < 1 else size
        self._held: Counter[Hashable] = Counter()
        # Until when, and for what, in the order in which they began to wait; and what ends the first one's time.
        self._deadlines: deque[tuple[float, asyncio.Future[None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        # Who waits, by groups in the order of their turns; in a group, by its members in the order of theirs.
        self._waiting: OrderedDict[Hashable, OrderedDict[Hashable, deque[asyncio.Future[None]]]] = OrderedDict()

    def waiting(self) -> int:
        """How many wait for a turn."""
        return sum(len(queue) for members in self._waiting.values() for queue in members.values())

    @asynccontextmanager
    async def turn(self, caller: Caller) -> AsyncIterator[None]:
        """A turn for as long as the block runs. Raises NoConnectionFree when it does not come in time."""
        await self.take(caller)
        try:
            yield
        finally:
            self.give_back(caller)

    async def take(self, caller: Caller) -> None:
        """Wait for a turn. Raises NoConnectionFree when it does not come in time."""
        if self._free and self._may_have(caller):
            # Whoever waits while turns are free has a whole share already.
            self._hold(caller)
            return
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.setdefault(caller.group, OrderedDict()).setdefault(caller.member, deque()).append(turn)
        if caller.group is None:
            self._waiting.move_to_end(None, last=False)
        self._deadlines.append((loop.time() + self._timeout, turn))
        self._watch(loop)
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                # The turn came at the very moment in which its waiter gave up.
                self.give_back(caller)
            else:
                self._forget(caller, turn)
            raise

    def give_back(self, caller: Caller) -> None:
        """End a turn: the next of those who may have one begins theirs."""
        self._free += 1
        for key in (caller.group, caller):
            self._held[key] -= 1
            if not self._held[key]:
                del self._held[key]
        while self._free and (found := self._next()) is not None:
            following, turn = found
            if not turn.done():
                # One that has given up just now takes no turn.
                self._hold(following)
                turn.set_result(None)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the time of those who have waited long enough: one timer is for all, because all wait as long."""
        while self._deadlines and self._deadlines[0][1].done():
            self._deadlines.popleft()
        if self._timer is None and self._deadlines:
            self._timer = loop.call_at(self._deadlines[0][0], self._expire, loop)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        while self._deadlines and (self._deadlines[0][0] <= loop.time() or self._deadlines[0][1].done()):
            deadline, turn = self._deadlines.popleft()
            if not turn.done():
                seconds = loop.time() - deadline + self._timeout
                turn.set_exception(NoConnectionFree(f"No connection to the database became free in {seconds:.1f} s."))
        self._watch(loop)

    def _may_have(self, caller: Caller) -> bool:
        if caller.group is None:
            return True
        if self._held[caller.group] >= self._most:
            return False
        return caller.group != NOBODY_KNOWN or self._held[caller] < self._most_of_address

    def _hold(self, caller: Caller) -> None:
        self._free -= 1
        self._held[caller.group] += 1
        self._held[caller] += 1

    def _next(self) -> tuple[Caller, asyncio.Future[None]] | None:
        """Who is next, taken out of the queue; their group and they themselves go to its end."""
        for group, members in self._waiting.items():
            for member, queue in members.items():
                caller = Caller(group, member)
                if not self._may_have(caller):
                    continue
                turn = queue.popleft()
                if queue:
                    members.move_to_end(member)
                    self._waiting.move_to_end(group, last=group is not None)
                else:
                    self._drop(group, member)
                return caller, turn
        return None

    def _forget(self, caller: Caller, turn: asyncio.Future[None]) -> None:
        members = self._waiting.get(caller.group)
        queue = members.get(caller.member) if members is not None else None
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                self._drop(caller.group, caller.member)

    def _drop(self, group: Hashable, member: Hashable) -> None:
        members = self._waiting[group]
        del members[member]
        if members:
            self._waiting.move_to_end(group, last=group is not None)
        else:
            del self._waiting[group]
