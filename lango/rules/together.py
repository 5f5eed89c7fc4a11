"""Several rows in one transaction, each by its own rule: what their rules look up and write goes together.

The rules run at once, and each has a transaction that looks like its own. What all of them wait for is one batch, in
which the same statement of several rules is one statement for several rows (lango/db/several.py); what they write goes
with the COMMIT. So the locks, the look-ups and the writes of all rows are two round trips, as those of one row are.

No rule sees what the others write. They must therefore have nothing in common that they change: where two of them lock
the same row, nothing is done.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, NamedTuple, cast
from uuid import UUID

from lango.actor import DatabaseRole
from lango.db.connection import UNLIMITED, Command, Result
from lango.db.several import several
from lango.db.wire import Parameters, last_in
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction

NO_ROWS = Result((), (), None)
# Acts on one row.
Act = Callable[[RuleTransaction], Awaitable[None]]


class NotIndependent(Exception):
    """Two rules that share a transaction lock the same row: they are to be done one after the other."""


class Part(NamedTuple):
    """A statement of one of the rules, and where its outcome goes."""

    command: Command
    results: list[Result]
    place: int


async def do_together(services: Services, acts: Sequence[Act], lock_timeout: float) -> None:
    """Do all of it in one transaction of the system's, or nothing.

    Raises what any of it raises, NotIndependent, and an error where a lock is waited for longer than `lock_timeout`
    seconds.
    """
    async with services.work() as tx:
        tx.lock_timeout = min(lock_timeout, tx.lock_timeout)
        shared = _Shared(tx, len(acts))
        running = [asyncio.ensure_future(shared.run(act)) for act in acts]
        try:
            await asyncio.gather(*running)
        finally:
            for each in running:
                each.cancel()
            await asyncio.wait(running)
        shared.send_writes()


class RowTransaction(RuleTransaction):
    """The part that the rule of one row has in a transaction of several: it ends with the others."""

    def __init__(self, shared: _Shared) -> None:
        super().__init__(shared.tx.services, shared.tx.actor, system=True)
        self._shared = shared

    def set_role(self, role: DatabaseRole) -> None:
        """The role is that of all."""
        if role is not self.role:
            raise TypeError("A rule that shares a transaction stays in the rules' role.")

    def note_lock(self, model: type[Any], key: UUID, *, in_order: bool = True) -> None:
        super().note_lock(model, key, in_order=in_order)
        self._shared.note_lock(self, model, key)

    async def commit(self) -> None:
        await self._conclude()
        self._shared.written.append(self._pending)
        self.is_open = False

    async def _sent(self, commands: Sequence[Command], *, ends: bool = False, limit: int = UNLIMITED) -> list[Result]:
        assert self.is_open, "the transaction has ended"
        assert not ends, "it ends with the others"
        assert limit == UNLIMITED, "all that comes is kept"
        pending, self._pending = self._pending, []
        results = await self._shared.fetch([*pending, *commands])
        return results[len(pending) :]


class _Shared:
    """The transaction that several rules share."""

    def __init__(self, tx: RuleTransaction, rules: int) -> None:
        self.tx = tx
        # What those that have ended wrote since their last look-up.
        self.written: list[list[Command]] = []
        # How many rules neither have ended nor wait for a look-up; and what the others wait for.
        self._busy = rules
        self._waiting: list[tuple[Sequence[Command], asyncio.Future[list[Result]]]] = []
        self._locked: dict[tuple[type[Any], Any], RowTransaction] = {}

    async def run(self, act: Act) -> None:
        tx = RowTransaction(self)
        await act(tx)
        await tx.commit()
        await self._leave()

    async def fetch(self, commands: Sequence[Command]) -> list[Result]:
        """What these statements give, which go with those of the others."""
        results: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()
        self._waiting.append((commands, results))
        await self._leave()
        return await results

    def note_lock(self, tx: RowTransaction, model: type[Any], key: Any) -> None:
        if self._locked.setdefault((model, key), tx) is not tx:
            raise NotIndependent(f"{model.__name__} {key} is locked for two rows.")

    def send_writes(self) -> None:
        """Have all done that waits for the end."""
        for parts in _merged([_parts(commands, []) for commands in self.written]):
            for command, _ in _commands(parts):
                self.tx.send(command.sql, command.values)

    async def _leave(self) -> None:
        """The last rule that comes to wait sends what all wait for."""
        self._busy -= 1
        if self._busy or not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        outcomes: list[list[Result]] = [[NO_ROWS] * len(commands) for commands, _ in waiting]
        queues = [_parts(commands, results) for (commands, _), results in zip(waiting, outcomes, strict=True)]
        sent = [one for parts in _merged(queues) for one in _commands(parts)]
        found = await self.tx.exchange([command for command, _ in sent])
        for (_, give), result in zip(sent, found, strict=True):
            give(result)
        self._busy = len(waiting)
        for (_, future), results in zip(waiting, outcomes, strict=True):
            future.set_result(results)


def _parts(commands: Sequence[Command], results: list[Result]) -> deque[Part]:
    return deque([Part(command, results, place) for place, command in enumerate(commands)])


def _merged(queues: Sequence[deque[Part]]) -> Iterator[list[Part]]:
    """The same statements together, as far as each rule keeps the order of its own."""
    while True:
        # Whoever has most before them goes on first: the others wait for them with what they have in common.
        longest = max(queues, key=len, default=())
        if not longest:
            return
        sql = longest[0].command.sql
        yield [queue.popleft() for queue in queues if queue and queue[0].command.sql == sql]


def _commands(parts: Sequence[Part]) -> Iterator[tuple[Command, Callable[[Result], None]]]:
    """What is sent for the same statement of several rules, and what hands out its outcome."""
    command = parts[0].command
    if not command.writes and all(each.command.values == command.values for each in parts):
        # What all ask for is looked up once.
        yield command, lambda result: _give_to_all(parts, result)
        return
    form = several(command.sql) if len(parts) > 1 else None
    if form is None or (command.decodes and not form.gives_rows):
        for part in parts:
            yield part.command, lambda result, part=part: _give_to_all([part], result)  # type: ignore[misc]
        return
    # What is prepared is sent by its parameters as they were written.
    values = form.values([cast(Parameters, each.command.values) for each in parts])
    yield Command(form.sql, values, command.decodes, command.writes), lambda result: _give_to_each(parts, result)


def _give_to_all(parts: Sequence[Part], result: Result) -> None:
    for part in parts:
        part.results[part.place] = result


def _give_to_each(parts: Sequence[Part], result: Result) -> None:
    """Rows have their rule's number, from one on, in their last column."""
    if not result.decoders:
        return
    own: list[list[bytes]] = [[] for _ in parts]
    for row in result.rows:
        own[int(last_in(row) or 0) - 1].append(row)
    for part, rows in zip(parts, own, strict=True):
        # Who reads a row reads as many columns as there are decoders.
        part.results[part.place] = Result(rows, result.decoders[:-1], None)
