"""The transaction of a rule: first as the caller, then in the rules' role, and from its beginning to its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar
from uuid import UUID

import asyncpg
from sqlalchemy.orm import DeclarativeBase

from lango.actor import Actor, DatabaseRole
from lango.db import rows
from lango.db.connection import UNLIMITED, Command, Connection, Result, Values
from lango.db.fair_queue import SYSTEM
from lango.db.prepared import Query
from lango.db.rows import Row
from lango.db.transaction import COMMIT, OPEN_ROWS, SET_ROLE, OpenTransaction, Transaction, text_of
from lango.errors import AnswerTooLarge

if TYPE_CHECKING:
    from lango.rules.services import Services

Thing = TypeVar("Thing")
# Where a model stands in the one order of locks, and the key that is locked in it.
Place = tuple[int, str, UUID]
SAVEPOINT, ROLLBACK_TO_SAVEPOINT = Command("SAVEPOINT rule"), Command("ROLLBACK TO SAVEPOINT rule")
PAYLOAD, ROLLBACK_TO_PAYLOAD = Command("SAVEPOINT payload"), Command("ROLLBACK TO SAVEPOINT payload")
IMMEDIATE = Command("SET CONSTRAINTS ALL IMMEDIATE")


class Call(NamedTuple):
    """An outside call: the name of the job that makes it, and with what it is run (lango/jobs/calls.py)."""

    job: str
    arguments: dict[str, Any]


class CallerTransaction(Transaction):
    """A rule's transaction while it reads as the caller: what row-level security hides from them does not exist."""

    def __init__(self, rules: RuleTransaction) -> None:
        self.actor = rules.actor
        self.services = rules.services
        self._rules = rules

    async def fetch(self, *queries: Query) -> list[list[Any]]:
        return await self._rules.fetch(*queries)

    def send(self, sql: str, values: Values = ()) -> None:
        self._rules.send(sql, values)

    def note_lock(self, model: type[Any], key: Any, *, in_order: bool = True) -> None:
        self._rules.note_lock(model, key, in_order=in_order)

    async def fetch_and_lock(self, seen: Sequence[Query], locked: Sequence[Query]) -> list[list[Any]]:
        """What these look-ups give as the caller, and those after them in the rules' role, all in one round trip."""
        return await self._rules.fetch_and_lock(seen, locked)

    def as_rules(self) -> RuleTransaction:
        """Take the rules' role, which sees and writes everything, until the rule ends."""
        self._rules.set_role(DatabaseRole.RULES)
        return self._rules

    def open_to_caller(self, *keys: UUID) -> None:
        """As `RuleTransaction.open_to_caller`."""
        self._rules.open_to_caller(*keys)


class RuleTransaction(OpenTransaction):
    """A transaction in the rules' role: what a rule writes, posts, publishes, and has called when it is committed.

    Its life, of which `resolvers.kernel.running` takes the steps:

        new ── begin ──> running ── finish ──> ended
                            └── undo ──> refused ── finish ──> ended       `rollback` leads to the end from everywhere

    Nothing is sent by `begin`: BEGIN, role, context and the claim of the idempotency key travel with the rule's first
    look-up. What the rule writes is taken back by `undo`, as if it had not run: most of it has then not been sent, and
    before what is sent earlier, because a look-up comes after it, stands a savepoint. What a refusal keeps is written
    after that.
    """

    # What becomes of a lock that is out of order; tests raise it.
    out_of_order: ClassVar[Callable[[str], None]] = staticmethod(lambda _: None)

    def __init__(self, services: Services, actor: Actor, *, system: bool = False) -> None:
        """`system`: what the system does by itself, which takes no caller's share of the connections."""
        super().__init__(services.pipeline, actor, role=DatabaseRole.RULES, caller=SYSTEM if system else None)
        self.services = services
        # Outside services to be called after the commit, and the ids of rows that the payload shows to the caller.
        self.calls: list[Call] = []
        self.opened: list[str] = []
        # Whether it is a dry run, of which nothing is kept and for which nothing is called outside.
        self.validates_only = False
        # What is done with the things of a kind at the end, together.
        self._endings: dict[Callable[..., Awaitable[None]], list[Any]] = {}
        # What goes before all that the rule does, and is not taken back with it.
        self._claim: Command | None = None
        # Whether the rule may be taken back, and whether there is a savepoint for that.
        self._may_be_undone = self._has_savepoint = False
        # In the order in which they were locked; and how many of them before the savepoint.
        self._locked: dict[Place, None] = {}
        self._locked_before = 0

    def begin(self, role: DatabaseRole, claim: Command | None = None) -> None:
        """Begin a rule in that role. Where the claim fails, nothing of the rule is done."""
        self._may_be_undone = True
        self._claim = claim
        if claim is None:
            self.role, self._context = role, self._context._replace(role=role.value)
        else:
            self.set_role(role)

    def undo(self, *, counted_under: Any = None) -> None:
        """Take back what the rule wrote, and continue in the rules' role.

        What was locked after the savepoint is free again before the commit. What a refusal keeps is `counted_under` the
        lock of that row, which must have been there before.
        """
        self._pending = [ROLLBACK_TO_SAVEPOINT] if self._has_savepoint else []
        if self._has_savepoint:
            self._locked = dict.fromkeys([*self._locked][: self._locked_before])
        if counted_under is not None and _place(type(counted_under), counted_under.id) not in self._locked:
            type(self).out_of_order(f"{type(counted_under).__name__}, under which is counted, is locked after a write.")
        self._pending.append(SET_ROLE[DatabaseRole.RULES])
        self.role = DatabaseRole.RULES
        self.calls.clear()
        self.opened.clear()
        self._endings.clear()

    def at_end(self, act: Callable[[RuleTransaction, Sequence[Thing]], Awaitable[None]], thing: Thing) -> None:
        """Have `act` called before the end, once, with all things that it was to be called with."""
        self._endings.setdefault(act, []).append(thing)

    async def _conclude(self) -> None:
        endings, self._endings = self._endings, {}
        for act, things in endings.items():
            await act(self, things)

    async def fetch_and_lock(self, seen: Sequence[Query], locked: Sequence[Query]) -> list[list[Any]]:
        """What these look-ups give in the role of the moment, and those after them in the rules' role, all in one
        round trip."""
        commands = [self._command(each) for each in seen]
        if self.role is not DatabaseRole.RULES:
            self.role = DatabaseRole.RULES
            commands.append(SET_ROLE[self.role])
        switched = len(commands) - len(seen)
        commands += [self._command(each) for each in locked]
        results = await self._sent(commands)
        return self._read([*seen, *locked], results[: len(seen)] + results[len(seen) + switched :])

    async def check(self) -> None:
        """Have all done that waits, and what constraints say at the end said now."""
        await self._conclude()
        await self._sent([IMMEDIATE])

    async def fetch_last(self, *queries: Query) -> list[list[Any]]:
        assert not self._endings, "what is done at the end goes with `commit`"
        return await super().fetch_last(*queries)

    async def commit(self) -> None:
        await self._conclude()
        await super().commit()

    async def finish(
        self, payload: Sequence[tuple[str, Values]] = (), *, limit: int = UNLIMITED
    ) -> list[bytes | None] | Exception | None:
        """Have all done that waits, and the constraints checked that wait for the end; read the payload as the caller,
        with no more than `limit` bytes; and commit: in one round trip.

        Gives the payload's texts, or why it cannot be read: that takes nothing back. Raises what a constraint says, and
        OutcomeUnknown.
        """
        await self._conclude()
        if not self._begun and not any(each.writes for each in self._pending):
            # The rule has neither looked nor written.
            self._pending.clear()
            self._end()
            return None
        self._pending.append(IMMEDIATE)
        reading = self._reading(payload) if payload else []
        try:
            results = await self._sent([*reading, COMMIT], ends=True, limit=limit)
        except asyncpg.PostgresError as error:
            if self._connection is None or not 1 < self._undone <= len(reading) + 1:
                raise
            await self._sent([ROLLBACK_TO_PAYLOAD, COMMIT], ends=True)
            self._end()
            return error
        self._end()
        try:
            return [text_of(result) for result in results[len(results) - 1 - len(payload) : -1]]
        except AnswerTooLarge as error:
            return error

    def _reading(self, payload: Sequence[tuple[str, Values]]) -> list[Command]:
        role = SET_ROLE[self.actor.database_role]
        opened = [Command(OPEN_ROWS, [",".join(self.opened)])] if self.opened else []
        return [PAYLOAD, role, *opened, *(Command(sql, values) for sql, values in payload)]

    def _opening(self, connection: Connection) -> list[Command]:
        opening = super()._opening(connection)
        return opening if self._claim is None else [*opening, self._claim]

    async def _sent(self, commands: Sequence[Command], *, ends: bool = False, limit: int = UNLIMITED) -> list[Result]:
        # What only goes with the end is not taken back any more.
        needed = self._may_be_undone and not self._has_savepoint and not ends
        if needed and any(each.writes for each in (*self._pending, *commands)):
            self._has_savepoint, self._locked_before = True, len(self._locked)
            self._pending.insert(0, SAVEPOINT)
        return await super()._sent(commands, ends=ends, limit=limit)

    async def __aenter__(self) -> RuleTransaction:
        return self

    async def __aexit__(self, _: Any, error: BaseException | None, __: Any) -> None:
        if error is not None:
            await self.rollback(error)
            return
        try:
            await self.commit()
        except BaseException as failed:
            await self.rollback(failed)
            raise

    async def lock(self, model: type[Row], key: UUID) -> Row:
        """The row with that id, which nobody else changes until the transaction ends: see it first. Raises RowGone."""
        self._check_order(model, key)
        return await rows.lock(self, model, key)

    async def lock_all(self, model: type[Row], keys: Iterable[UUID]) -> dict[UUID, Row]:
        """Those rows by their ids, locked in the order of the ids, so that no two callers cross."""
        wanted = sorted(set(keys))
        for key in wanted:
            self._check_order(model, key)
        return await rows.lock_all(self, model, wanted)

    def save(self, *changed: DeclarativeBase) -> None:
        """Write rows in their order, with the next look-up or at the end: those that were read as they were changed
        since, others as new ones.

        What the database says against one is raised there; `flush` has it raised at once.
        """
        rows.save(self, *changed)

    def open_to_caller(self, *keys: UUID) -> None:
        """Let the payload show the rows of these ids, of any table that says so in its access, whoever may read them
        otherwise: a donor without an account gives by a share link, a receipt's token gives a donation back
        (docs/adr/0021)."""
        self.opened += [str(key) for key in keys]

    def note_lock(self, model: type[Any], key: UUID, *, in_order: bool = True) -> None:
        """Check the one order of locks: a row of that model was locked."""
        if in_order:
            self._check_order(model, key)
            self._locked[_place(model, key)] = None

    def _check_order(self, model: type[Any], key: UUID) -> None:
        place = _place(model, key)
        # One that is locked again waits for nobody.
        if self._locked and place not in self._locked and place < next(reversed(self._locked)):
            type(self).out_of_order(f"{model.__name__} is locked after what comes later in the order of locks.")


def _place(model: type[Any], key: UUID) -> Place:
    rank: int | None = model.__lock_rank__
    if rank is None:
        raise TypeError(f"{model.__name__} is locked and has no place in the order of locks: give it a rank.")
    return rank, model.__name__, key
