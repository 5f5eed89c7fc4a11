"""What the commands use of the layers above, which only the door may import: each is imported when it is called for."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

import typer
from sqlalchemy.ext.asyncio import AsyncSession

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


@dataclass(frozen=True)
class Above:
    """`schema` gives the strawberry schema, `verify_ledger` what does not add up, as the session sees it."""

    schema: Callable[[], Any]
    seeds: Callable[[], Seeds]
    verify_ledger: Callable[[AsyncSession], Coroutine[Any, Any, Sequence[Difference]]]

    @classmethod
    def of(cls, context: typer.Context) -> Above:
        found = context.find_object(cls)
        assert found is not None
        return found
