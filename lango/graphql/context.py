"""What a resolver finds in `info.context`: the caller, the operation's reads and its dataloaders."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Sequence
from typing import Any, Literal

from aiodataloader import DataLoader

from lango.actor import Actor
from lango.db.connection import Outcome, Query
from lango.db.pipeline import Pipeline
from lango.db.reads import Reads
from lango.graphql.answers import NOTHING, Answered
from lango.graphql.cookie_session import CookieSession
from lango.graphql.documents import Document
from lango.graphql.limits import HIGHEST
from lango.graphql.response_size import ResponseSize
from lango.observability.metrics import Metrics
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction

Batch = Callable[[list[Any]], Coroutine[Any, Any, list[Any]]]


class Loader(DataLoader[Any, Any]):
    """A dataloader whose keys may be waited for by several fields.

    A field is cancelled when its sibling's error ends the answer; what it waits for is not, because others may wait
    for the same.
    """

    def load(self, key: Any) -> asyncio.Future[Any]:
        return asyncio.shield(super().load(key))


class Context:
    """One GraphQL operation. Made by the HTTP layer, closed by it when the answer is ready or the client has gone."""

    def __init__(
        self,
        pipeline: Pipeline,
        actor: Actor,
        *,
        idempotency_key: str | None = None,
        planner: object | None = None,
        document: Document | None = None,
        services: Services | None = None,
        metrics: Metrics | None = None,
        max_answer_bytes: int = HIGHEST,
        cookie_session: CookieSession | None = None,
    ) -> None:
        self.actor = actor
        # Where the client keeps its tokens in cookies; None where it keeps them itself.
        self.cookie_session = cookie_session
        self.idempotency_key = idempotency_key
        self.pipeline = pipeline
        # What plans single objects too, for the executor, which knows its type.
        self.planner = planner
        self.document = document
        self.metrics = metrics
        self._services = services
        self.response_size = ResponseSize(max_answer_bytes)
        # What the planner has answered already: the executor takes it as it is.
        self.answered: Answered = NOTHING
        # What came of a mutation that was performed before the executor, or its error, by its path.
        self.performed: dict[tuple[str | int, ...], Any] = {}
        # Objects of a payload that were read with the mutation, as they go into the answer, by their paths.
        self.read_objects: dict[tuple[str | int, ...], Any] = {}
        # The event that a reader has seen last, where the transport says it.
        self.last_event_id: str | None = None
        # Whether the caller may see what an event is about; None before it has been looked at.
        self.sees: bool | None = None
        # Every row that was loaded to be shown to staff: somebody may have to answer for it.
        self.shown: list[object] = []
        self.reads = Reads(pipeline, actor, self.shown)
        # How many mutations have answered as the first call with their idempotency key did.
        self.replayed = 0
        # Whether a mutation was done, should its answer fail: None where nothing has been committed.
        self.outcome: Literal["DONE", "UNKNOWN"] | None = None
        self._outcome_before: Literal["DONE", "UNKNOWN"] | None = None
        self._loaders: dict[Hashable, DataLoader[Any, Any]] = {}

    @property
    def services(self) -> Services:
        """What a rule may use besides its transaction; every context of the endpoint has them."""
        assert self._services is not None
        return self._services

    def loader(self, key: Hashable, batch: Batch) -> DataLoader[Any, Any]:
        """The operation's dataloader of that key; `batch` takes the keys and returns a value for each, in order."""
        found = self._loaders.get(key)
        if found is None:
            found = self._loaders[key] = Loader(batch)
        return found

    async def texts(
        self, queries: Sequence[Query], share_tokens: Sequence[str] = (), *, writes: bool = False
    ) -> list[Outcome]:
        """What planned statements return, in one round trip, as the caller; `writes`: also to the audit log."""
        if self.reads.is_open and not writes:
            for token in share_tokens:
                await self.reads.present(token)
            return await self.reads.texts(queries)
        return await self.pipeline.fetch(self.actor, queries, share_tokens, self.reads.opened_rows, writes=writes)

    def show(self, keys: Sequence[str], dry_run: RuleTransaction | None) -> None:
        """Have the payload of a rule read: the caller sees the rows of these ids too, and what a dry run made in its
        own transaction."""
        self.reads.opened_rows = tuple(keys)
        if dry_run is not None:
            self.reads.read_within(dry_run)

    def note_commit(self, state: Literal["DONE", "UNKNOWN"] | None) -> None:
        """What is known of the commit of a mutation; of several, of the last that may have been done."""
        if state is None:
            self.outcome, self._outcome_before = self._outcome_before, None
        elif state == "UNKNOWN":
            self._outcome_before, self.outcome = self.outcome, state
        else:
            self.outcome = state

    def count_call(self, job: str, result: str) -> None:
        if self.metrics is not None:
            self.metrics.outside_calls.labels(job, result).inc()

    async def restart_reads(self) -> None:
        """Read again from here on: a rule is about to change what was read, and needs a connection itself."""
        await self.reads.close()
        self.reads = Reads(self.pipeline, self.actor, self.shown)
        self._loaders.clear()

    async def close(self) -> None:
        await self.reads.close()

    async def abandon(self) -> None:
        """End at once, without waiting for what is being read."""
        await self.reads.abandon()
