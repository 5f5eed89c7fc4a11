"""One request's transaction and its dataloaders."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from typing import Any
from uuid import UUID

from aiodataloader import DataLoader
from sqlalchemy import ARRAY, Select, Uuid, column, func, inspect, literal, select, text, true
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import aliased

from lango.actor import Actor
from lango.rules.services import Services

SETTINGS = ("user_id", "roles", "session_id", "request_id", "ip")
CONTEXT = text(
    "SELECT set_config('role', :role, true), set_config('transaction_read_only', 'on', true), "
    + ", ".join(f"set_config('lango.{name}', :{name}, true)" for name in SETTINGS)
)


def context_of(actor: Actor) -> dict[str, str]:
    """Role and context, for the statement that begins a transaction."""
    return {
        "role": actor.database_role.value,
        "user_id": str(actor.user_id or ""),
        "roles": ",".join(sorted(actor.roles)),
        "session_id": str(actor.session_id or ""),
        "request_id": actor.request_id,
        "ip": str(actor.ip or ""),
    }


class Reading:
    """What a resolver finds in its context: the caller, and one read-only transaction that the first read opens."""

    def __init__(self, engine: AsyncEngine, services: Services, actor: Actor) -> None:
        """`services` are what lango's rules run with."""
        self.engine = engine
        self.services = services
        self.actor = actor
        self._session: AsyncSession | None = None
        # Loaders dispatch side by side; a session runs one statement at a time.
        self._lock = asyncio.Lock()
        self._loaders: dict[Hashable, DataLoader[UUID, Any]] = {}

    async def rows(self, statement: Select[Any]) -> Sequence[Any]:
        async with self._lock:
            if self._session is None:
                self._session = AsyncSession(self.engine, expire_on_commit=False, autoflush=False)
                await self._session.execute(CONTEXT, context_of(self.actor))
            found: Sequence[Any] = (await self._session.execute(statement)).all()
            return found

    async def close(self) -> None:
        # Where an error ended the operation, a loader may still be reading.
        async with self._lock:
            if self._session is not None:
                await self._session.close()

    async def one(self, model: Any, key: str, value: UUID | None) -> Any:
        """The row behind a foreign key; those that are requested at once are one statement."""

        async def load(values: list[UUID]) -> list[Any]:
            statement = select(model).where(getattr(model, key).in_(values))
            found = {getattr(row, key): row for (row,) in await self.rows(statement)}
            return [found.get(each) for each in values]

        return None if value is None else await self._loader((model, key), load).load(value)

    async def of_pot(self, model: Any, pot_id: UUID, first: int, *order: Any) -> Any:
        """The first children of a pot; for all the pots of a page by one lateral join, with a limit for each."""

        async def load(values: list[UUID]) -> list[Any]:
            listed = func.unnest(literal(values, ARRAY(Uuid))).table_valued(column("id", Uuid()), name="pot")
            pot = listed.render_derived()
            # Secret columns are deferred, and no request role may name them.
            columns = [each.class_attribute for each in inspect(model).column_attrs if not each.deferred]
            children = select(*columns).where(model.pot_id == pot.c.id).order_by(*order).limit(first).correlate(pot)
            child = children.lateral("child")
            row = aliased(model, child)
            found: dict[UUID, list[Any]] = {each: [] for each in values}
            for parent, each in await self.rows(select(pot.c.id, row).select_from(pot).join(child, true())):
                found[parent].append(each)
            return [found[each] for each in values]

        return await self._loader((model, first), load).load(pot_id)

    def _loader(self, key: Hashable, load: Any) -> DataLoader[UUID, Any]:
        if key not in self._loaders:
            self._loaders[key] = DataLoader(load)
        return self._loaders[key]
