"""What a rule acts on, as its caller sees it."""

from __future__ import annotations

import re
from typing import TypeVar
from uuid import UUID

from lango.db.session import Transaction
from lango.rules.rule import NotFound
from models.base import Base

Row = TypeVar("Row", bound=Base)


async def see(tx: Transaction, model: type[Row], key: UUID, *, field: str) -> Row:
    """The row of that id, which the input names in `field`, as in `tradeId`. Raises NotFound."""
    seen = await tx.find(model, key)
    if seen is None:
        raise no_such(field)
    return seen


def no_such(field: str) -> NotFound:
    """There is no such trade, where the field is `tradeId`."""
    noun = re.sub("[A-Z]", lambda letter: f" {letter[0].lower()}", field.removesuffix("Id"))
    return NotFound(f"There is no such {noun}.", field=field)
