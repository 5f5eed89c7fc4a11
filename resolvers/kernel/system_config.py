"""Numbers that staff may change while the system runs: read anew by every rule that needs one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Generic, TypeVar

import structlog
from jsonschema import Draft202012Validator
from sqlalchemy import ARRAY, Text, any_, bindparam

from lango.db.postgres import RawJson
from lango.db.prepared import Lookup, Query
from lango.db.transaction import Transaction
from models.admin import SystemConfig

Value = TypeVar("Value", int, Decimal)
log = structlog.get_logger("lango.config")


@dataclass(frozen=True, slots=True)
class Configured(Generic[Value]):
    """A number of `admin.system_config`, and what holds where there is no such row or its value is not valid."""

    key: str
    default: Value


ROWS = Lookup(
    [SystemConfig.config_key, SystemConfig.config_value, SystemConfig.validation_rules],
    lambda rows: rows.where(SystemConfig.config_key == any_(bindparam("keys", type_=ARRAY(Text)))),
)


async def number(tx: Transaction, what: Configured[Value]) -> Value:
    """The number as it stands now. Reads as a role that sees the configuration: the rules' own."""
    return (await numbers(tx, what))[0]


async def numbers(tx: Transaction, *what: Configured[Value]) -> list[Value]:
    """Several numbers, in their order, by one statement."""
    return numbers_in((await tx.fetch(reading(*what)))[0], *what)


def reading(*what: Configured[Any]) -> Query:
    """The look-up of `numbers`, to be sent together with others; `numbers_in` reads it."""
    return ROWS.query(keys=[each.key for each in what])


def numbers_in(found: Sequence[tuple[Any, ...]], *what: Configured[Value]) -> list[Value]:
    stored = {key: (value, rules) for key, value, rules in found}
    return [_valid(each, *stored.get(each.key, (None, None))) for each in what]


def _valid(what: Configured[Value], value: RawJson | None, rules: RawJson | None) -> Value:
    if value is None:
        return what.default
    kind = type(what.default)
    read = _read(str(value), None if rules is None else str(rules))
    if read is None or kind(read) != read:
        log.warning("config_not_valid", key=what.key)
        return what.default
    return kind(read)


@lru_cache(maxsize=500)
def _read(value: str, rules: str | None) -> int | Decimal | None:
    """The value, if it is a number and its rules allow it. The same text is looked at once."""
    parsed: Any = json.loads(value, parse_float=Decimal)
    if isinstance(parsed, bool) or not isinstance(parsed, int | Decimal):
        return None
    if rules is not None and not Draft202012Validator(json.loads(rules)).is_valid(parsed):
        return None
    return parsed
