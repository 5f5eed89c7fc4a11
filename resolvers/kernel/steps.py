"""Steps of state machines: the model declares them, and the database refuses any other."""

from __future__ import annotations

from typing import Any

from lango.rules.rule import InvalidState
from models.base import Base
from models.columns import Choice


def step(row: Base, following: Choice, *, field: str) -> None:
    """Bring a locked row into its next state. Raises InvalidState, with the state it is in.

    `field` is the input that names the row, by which the message calls it: `settlement_id`.
    """
    steps = type(row).__transitions__
    assert steps is not None
    current: Any = getattr(row, steps.column)
    if not steps.allows(current, following):
        name = field.removesuffix("_id").replace("_", " ")
        raise InvalidState(f"The {name} is {current}.", field=field, state=current)
    setattr(row, steps.column, following)
