"""What the commands use of the layers above, which only the door may import: each is imported when it is called for."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from lango.actor import Actor
from lango.graphql.documents import Document
from lango.settings import Settings

# The step's name, how much is done, how much there is to do.
Progress = Callable[[str, int, int], None]


class DemoCaller(Protocol):
    """Somebody of the demo data as whom one may try things out."""

    @property
    def name(self) -> str:
        """What `lango token` calls them: `cashier`."""

    @property
    def title(self) -> str:
        """Who they are: `a partner's cashier`."""

    @property
    def email(self) -> str: ...


class Seeds(Protocol):
    """The demo data."""

    @property
    def DEMO_CALLERS(self) -> Sequence[DemoCaller]:  # noqa: N802 - a module's constant
        ...

    async def load(self, owner_url: str, size: str, progress: Progress) -> None: ...


class Difference(Protocol):
    """A figure that the ledger does not bear out."""

    @property
    def what(self) -> str: ...

    @property
    def key(self) -> str: ...

    @property
    def stored(self) -> Decimal: ...

    @property
    def proved(self) -> Decimal: ...


class PlannedField(Protocol):
    """How a root field of a query is answered."""

    @property
    def key(self) -> str:
        """Its key in the answer."""

    @property
    def sql(self) -> str | None:
        """Its statement; null where there is none, for the `reason`."""

    @property
    def values(self) -> Sequence[Any]:
        """The statement's parameters."""

    @property
    def lines(self) -> str:
        """The statement in lines that a person can read."""

    @property
    def in_python(self) -> Sequence[str]:
        """The fields that Python fills in: `QrCode.svg`."""

    @property
    def share_token(self) -> str | None:
        """What goes into the context with it, where a share link is shown."""

    @property
    def reason(self) -> str: ...


# The plan of an operation of the document, with these variables, as the caller. Raises CallerError.
PlanOf = Callable[[Settings, Document, str | None, Mapping[str, Any], Actor], Sequence[PlannedField]]


@dataclass(frozen=True)
class Above:
    """`schema` gives the strawberry schema, `verify_ledger` what does not add up, as the session sees it; `jobs`
    the names of the modules that have any, for a process of its own to import."""

    schema: Callable[[], Any]
    seeds: Callable[[], Seeds]
    verify_ledger: Callable[[AsyncSession], Coroutine[Any, Any, Sequence[Difference]]]
    jobs: Callable[[], Sequence[str]]
    plan_of: PlanOf

    @classmethod
    def of(cls, context: typer.Context) -> Above:
        found = context.find_object(cls)
        assert found is not None
        return found
