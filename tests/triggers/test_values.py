"""What no column holds: a time without end or before Christ, a number that is none, a value nobody knows."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest
from sqlalchemy import ARRAY, Column, Date, DateTime, Numeric

from models.base import Base, models
from models.columns import ChoiceType
from tests.factories import Factory
from tests.triggers.refusals import CHECK, OUT_OF_RANGE, inserting, refusal

TABLES = [model for model in models() if model.__face__ is None]
NEVER = ("infinity", "-infinity", "0044-03-15 BC", "9999-01-01", "10000-01-01")


def impossible(column: Column[Any]) -> tuple[str, ...]:
    """What a column must refuse, as SQL writes it."""
    kind = column.type
    if isinstance(kind, Date | DateTime):
        return tuple(f"'{moment}'" for moment in NEVER)
    if isinstance(kind, Numeric):
        return "'NaN'", "'Infinity'", "'-Infinity'"
    if isinstance(kind, ChoiceType):
        return "'nonsense'", "''", f"'{next(iter(kind.choice)).value.swapcase()}'"
    if isinstance(kind, ARRAY) and isinstance(kind.item_type, ChoiceType):
        return "ARRAY['nonsense']", "ARRAY[NULL, 'nonsense']"
    return ()


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model.__name__)
async def test_no_column_takes_the_impossible(model: type[Base], db: asyncpg.Connection[Any], make: Factory) -> None:
    values = await make.values(model)
    taken = []
    for column in model.table().columns:
        statement, parameters = inserting(model.table(), {k: v for k, v in values.items() if k != column.name})
        head, _, places = statement.partition(") VALUES (")
        for value in impossible(column):
            names, given = (f'{head}, "{column.name}"', f"{places[:-1]}, {value})") if parameters else (
                f'{head}"{column.name}"', f"{value})")  # fmt: skip
            if await refusal(db, f"{names}) VALUES ({given}", *parameters) not in {CHECK, *OUT_OF_RANGE}:
                taken.append(f"{column.name} = {value}")

    assert taken == []


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model.__name__)
async def test_and_takes_the_ordinary(model: type[Base], db: asyncpg.Connection[Any], make: Factory) -> None:
    statement, parameters = inserting(model.table(), await make.values(model))
    assert await refusal(db, statement, *parameters) is None
