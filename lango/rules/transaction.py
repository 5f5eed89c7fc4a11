"""The transaction of a rule: first as the caller, then in the rules' role, and from its beginning to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from uuid import UUID

from sqlalchemy.orm import DeclarativeBase

from lango.actor import Actor, DatabaseRole
from lango.db import rows
from lango.db.fair_queue import SYSTEM
from lango.db.rows import Row
from lango.db.session import Transaction, acting_as, set_role

if TYPE_CHECKING:
    from lango.rules.services import Services

# Where a model stands in the one order of locks, and the key that is locked in it.
Place = tuple[int, str, UUID]


class Call(NamedTuple):
    """An outside call: the name of the job that makes it, and with what it is run (lango/jobs/calls.py)."""

    job: str
    arguments: dict[str, Any]


class CallerTransaction(Transaction):
    """A rule's transaction while it reads as the caller: what row-level security hides from them does not exist."""

    def __init__(self, rules: RuleTransaction) -> None:
        super().__init__(rules.session, rules.driver, rules.actor)
        self._rules = rules
        self.services = rules.services

    async def as_rules(self) -> RuleTransaction:
        """Take the rules' role, which sees and writes everything, until the rule ends."""
        await set_role(self, DatabaseRole.RULES)
        return self._rules

    def open_to_caller(self, *keys: UUID) -> None:
        """As `RuleTransaction.open_to_caller`."""
        self._rules.open_to_caller(*keys)


class RuleTransaction(Transaction):
    """A transaction in the rules' role: what a rule writes, posts, publishes, and has called when it is committed.

    Its life, of which `resolvers.kernel.running` takes the steps:

        new ── begin ──> open ── start ──> running ── keep ──> kept ── commit ──> ended
                          │                   └────── undo ──> refused ── commit ──> ended
                          └── commit ──> ended            `fail` leads there from everywhere

    `open` is in the rules' role, and claims or finds the idempotency key. `running` is the rule itself, in a savepoint,
    as the caller or in the rules' role. `undo` takes back all that it wrote; what a refusal keeps is written after it.
    """

    # What becomes of a lock that is out of order; tests raise it.
    out_of_order: ClassVar[Callable[[str], None]] = staticmethod(lambda _: None)

    def __init__(self, services: Services, actor: Actor, *, system: bool = False) -> None:
        """`system`: what the system does by itself, which takes no caller's share of the connections."""
        self.services = services
        self.actor = actor
        # Outside services to be called after the commit, and the ids of rows that the payload shows to the caller.
        self.calls: list[Call] = []
        self.opened: list[str] = []
        self._system = system
        self._held: AbstractAsyncContextManager[Transaction] | None = None
        # In the order in which they were locked.
        self._locked: dict[Place, None] = {}

    async def begin(self, *, role_of_rule: DatabaseRole | None = None) -> None:
        """Open the transaction in the rules' role; with a role, start the rule by the same round trip."""
        then = f"; {_starting(role_of_rule)}" if role_of_rule else ""
        caller = SYSTEM if self._system else None
        opened = acting_as(self.services.engine, self.actor, role=DatabaseRole.RULES, then=then, caller=caller)
        entered = await opened.__aenter__()
        self._held = opened
        super().__init__(entered.session, entered.driver, self.actor)

    async def start(self, role: DatabaseRole) -> None:
        """Begin the rule in that role: what is written from here on can be undone alone."""
        await self.run(_starting(role))

    async def keep(self) -> None:
        """Continue in the rules' role, with what the rule has written."""
        await set_role(self, DatabaseRole.RULES)

    async def undo(self) -> None:
        """Take back what the rule wrote; the role is again the one before it."""
        await self.run("ROLLBACK TO SAVEPOINT rule")
        self.calls.clear()
        self.opened.clear()

    async def commit(self) -> None:
        """Raises what a deferred constraint says, and OutcomeUnknown."""
        held, self._held = self._held, None
        assert held is not None
        await held.__aexit__(None, None, None)

    async def fail(self, error: BaseException) -> None:
        """Roll back because of `error`; a cancelled request ends the connection."""
        if self._held is None:
            return
        held, self._held = self._held, None
        try:
            await held.__aexit__(type(error), error, error.__traceback__)
        except BaseException as same:
            if same is not error:
                raise

    async def __aenter__(self) -> RuleTransaction:
        await self.begin()
        return self

    async def __aexit__(self, _: Any, error: BaseException | None, __: Any) -> None:
        if error is None:
            await self.commit()
        else:
            await self.fail(error)

    async def lock(self, model: type[Row], key: UUID) -> Row:
        """The row with that id, which nobody else changes until the transaction ends: see it first. Raises RowGone."""
        self.note_lock(model, key)
        return await rows.lock(self, model, key)

    async def lock_all(self, model: type[Row], keys: Iterable[UUID]) -> dict[UUID, Row]:
        """Those rows by their ids, locked in the order of the ids, so that no two callers cross."""
        wanted = sorted(set(keys))
        for key in wanted:
            self.note_lock(model, key)
        return await rows.lock_all(self, model, wanted)

    async def save(self, *changed: DeclarativeBase) -> None:
        """Write rows in their order: those that were read as they were changed since, others as new ones.

        Raises DBAPIError, and RuntimeError for a row that is there no longer.
        """
        await rows.save(self, *changed)

    def open_to_caller(self, *keys: UUID) -> None:
        """Let the payload show the rows of these ids, of any table that says so in its access, whoever may read them
        otherwise: a donor without an account gives by a share link, a receipt's token gives a donation back
        (docs/adr/0021)."""
        self.opened += [str(key) for key in keys]

    def note_lock(self, model: type[Any], key: UUID) -> None:
        """Check the one order of locks: a row of that model is about to be locked, or was."""
        rank: int | None = model.__lock_rank__
        if rank is None:
            raise TypeError(f"{model.__name__} is locked and has no place in the order of locks: give it a rank.")
        place = rank, model.__name__, key
        # One that is locked again waits for nobody.
        if place in self._locked:
            return
        if self._locked and place < next(reversed(self._locked)):
            type(self).out_of_order(f"{model.__name__} is locked after what comes later in the order of locks.")
        self._locked[place] = None


class DryRunOver(Exception):
    """What a dry run ends with."""


class RolledBack:
    """A rule's transaction that ends without a commit, whatever was done in it."""

    def __init__(self, tx: RuleTransaction) -> None:
        self._tx = tx

    async def __aenter__(self) -> Transaction:
        return self._tx

    async def __aexit__(self, _: Any, error: BaseException | None, __: Any) -> None:
        await self._tx.fail(error or DryRunOver())


def _starting(role: DatabaseRole) -> str:
    return f"SAVEPOINT rule; SET LOCAL ROLE {role.value}"
