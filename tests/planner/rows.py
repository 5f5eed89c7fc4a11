"""The data that both ways are asked about: the world of `tests/access`, and many more rows with awkward values."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import ARRAY, CheckConstraint, Column
from sqlalchemy import types as sql
from sqlalchemy.dialects.postgresql import INET, JSONB

from gql.kit.node import MIRRORED
from models.base import Base, models
from models.columns import ChoiceType
from tests.access.expected import TABLES
from tests.factories import DEFAULTS, Factory

SEED = 20260731
FEW, MANY = 7, 40
# Lists of these are long under one parent: more rows than a page of 20 has.
LONG_LISTS = frozenset(
    {"Pot", "Donation", "QrCode", "Pack", "Notification", "CryptoTransaction", "CardTransaction", "WalletTransaction"}
)
# Their sums must be zero, or their rows are written by triggers alone.
KEPT = frozenset({"LedgerAccount", "LedgerTransaction", "LedgerEntry", "SubscriptionLimit"})
# Those of the world call, for which an account must be active.
CALLING = {"User": {"is_active": True, "deleted_at": None}}
# What a QR code is drawn of must fit into one, and what people sign in with must be one of a kind.
TAME = {("QrCode", "code"), ("User", "email"), ("User", "roles"), ("Pot", "share_token")}

TEXTS = [
    "", " ", "It's \"quoted\" \\ and \\\\ back", "tab\tline\nreturn\r", "\x01\x02\x1f\x7f", "😀 👩‍👩‍👧 𝒳", "a\u2028b\u2029c",
    "\u202e\ufeff\uffff\ufffd", "</script><!-- & -->", "null", "NULL", "{}", '{"a": 1.10}', "[]", "1.10", "true", "%_\\%",
    "É è é ñ ß İ ı", "日本語", "\\u0041\\n", "$1 :a %s {0}", "'; --", "x" * 3000, "ordinary", "Ordinary", "ordinary ",
]  # fmt: skip
JSONS = [
    '{"a": 1.10, "A": 1.1, "a ": 1.100}', "[]", "{}", "null", '"text"', "0", "-0.0", "1e400", "12345678901234567890.10",
    "true", '{"": {"": [null, {}]}}', '["\\u2028", "\\\\", "\\"", "\\u0001", "😀", "/"]', '{"b": 1, "a": 2, "aa": [1, 2.0]}',
    '{"' + "k" * 200 + '": "' + "v" * 2000 + '"}', "[1, [2, [3, [4, [5]]]]]", '{"key": "value"}',
]  # fmt: skip
NUMBERS = [
    "0", "1", "-1", "1.10", "100", "100.00", "0.00000001", "-0.5", "99999999999.12345678", "-12345678.9", "1000000", "2.50",
    "12345678901234567890.12345678", "7",
]  # fmt: skip
WHOLE = [0, 1, -1, 7, 100, 5000, 2**31 - 1, -(2**31), 2**53 + 1, 2**63 - 1, -(2**63)]
ADDRESSES = [
    "192.0.2.1", "10.0.0.0/8", "10.1.2.3/8", "0.0.0.0/0", "255.255.255.255", "2001:db8::1", "2001:db8::/32", "::1", "::",
    "::ffff:1.2.3.4", "::1.2.3.4", "fe80::1/64", "2001:0:0:1::1",
]  # fmt: skip
DAYS = [date(1, 1, 1), date(9998, 12, 31), date(2024, 2, 29), date(1999, 12, 31), date(2026, 3, 29)]
CLOCKS = [
    time(0),
    time(8, 30),
    time(12, 0, 0, 500_000),
    time(23, 59, 59, 999_999),
    time(1, 2, 3, 123_456),
    time(6, 0, 1),
]
MOMENTS = [
    datetime(1, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, 23, 59, 59, 999_999, UTC), datetime(2026, 3, 29, 0, 59, 59, 500_000, UTC),
    datetime(2026, 3, 29, 1, 0, tzinfo=UTC), datetime(2024, 2, 29, 12, 30, 15, 123_456, UTC), datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2025, 12, 31, 23, 30, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 0, 1, UTC),
]  # fmt: skip
# How daring a value is: what the schema allows at all, what is plausible, and the factory's own.
AWKWARD, MILD, REQUIRED = 0, 1, 2


class Rows:
    """Writes the rows, and remembers them by type: `rows["Pot"]`, and by name those of the world: `named["Pot"]`."""

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self.connection = connection
        self.random = Random(SEED)
        self.rows: dict[str, list[SimpleNamespace]] = {name: [] for name in TABLES}
        self.named: dict[str, dict[str, SimpleNamespace]] = {name: {} for name in TABLES}
        self._make = Factory(None)  # type: ignore[arg-type]
        self._daring: dict[tuple[str, str], int] = {}
        self._models = {model.table(): model.__name__ for model in models() if model.__face__ is None}

    async def write(self) -> None:
        """All of them, in one transaction, in which parents come before their children."""
        await self.connection.execute("SET LOCAL ROLE lango_owner; SET LOCAL timezone = 'UTC'")
        for name, world in TABLES.items():
            model = MIRRORED[name]
            if model.__face__ is not None:
                continue
            if name == "AuditLog":
                await self.connection.execute("TRUNCATE admin.audit_logs")
            for called, row in world.items():
                given = {column: self._value(value) for column, value in row.values.items()}
                self.named[name][called] = await self._named(model, given)
            if name not in KEPT:
                for number in range(MANY if name in LONG_LISTS else FEW):
                    await self._another(model, number)
        await self._share_a_pot()

    async def _share_a_pot(self) -> None:
        private = self.named["Pot"]["private"]
        private.share_token = "a-token-of-the-test"
        await self.connection.execute(
            "UPDATE pots.pots SET share_token = $2 WHERE id = $1", private.id, private.share_token
        )

    async def _named(self, model: type[Base], given: dict[str, Any]) -> SimpleNamespace:
        """A row of the world: what it says, and plausible values beside it."""
        name = model.__name__
        for daring in (MILD, REQUIRED):
            values = self._usual(model) | CALLING.get(name, {}) | given
            written = await self._try(model, self._complete(model, values, daring, sparse=True))
            if isinstance(written, SimpleNamespace):
                return self._keep(name, written)
        raise ValueError(f"{name}: {values} {written}")

    async def _another(self, model: type[Base], number: int) -> None:
        """One row more, as awkward as the table's constraints let it be: they teach which columns must be tame."""
        for attempt in range(12):
            daring = AWKWARD if attempt < 9 else REQUIRED
            usual = self._usual(model)
            dared = {} if daring == AWKWARD and number % 3 else usual
            # What is usual for one row only (a state that the triggers demand) may stand in the way of nothing else.
            values = self._complete(model, usual | dared, daring, sparse=number % 2 == 0)
            written = await self._try(model, values)
            if isinstance(written, SimpleNamespace):
                self._keep(model.__name__, written)
                return
            self._learn(model, written)

    def _keep(self, name: str, row: SimpleNamespace) -> SimpleNamespace:
        self.rows[name].append(row)
        return row

    async def _try(self, model: type[Base], values: dict[str, Any]) -> Any:
        try:
            async with self.connection.transaction():
                row = await self._make.insert(self.connection, model, values)
                if model.__name__ not in KEPT:
                    await self.connection.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
                return row
        except (asyncpg.PostgresError, asyncpg.DataError) as refused:
            return refused

    def _learn(self, model: type[Base], refused: Exception) -> None:
        """The columns that the refusal names are made tamer."""
        table = model.table()
        text = str(getattr(refused, "detail", "") or "") + str(refused)
        constraint = getattr(refused, "constraint_name", None)
        if not isinstance(refused, asyncpg.UniqueViolationError):
            for each in table.constraints:
                if isinstance(each, CheckConstraint) and str(each.name) == constraint:
                    text = str(each.sqltext)
        named = [column.name for column in table.columns if re.search(rf"\b{column.name}\b", text)]
        if isinstance(refused, asyncpg.UniqueViolationError):
            named = [name for name in named if not table.columns[name].foreign_keys]
        if constraint is None and not named:
            named = [column.name for column in table.columns]
        for name in named:
            key = (model.__name__, name)
            self._daring[key] = min(self._daring.get(key, AWKWARD) + 1, REQUIRED)

    def _usual(self, model: type[Base]) -> dict[str, Any]:
        usual = DEFAULTS.get(model.__name__, {})
        made = {
            key: value(len(self.rows[model.__name__])) if callable(value) else value for key, value in usual.items()
        }
        for key in made.keys() & {"email", "code"}:
            if made[key] is None:
                continue
            # The factory's own are random: here the same rows come every time.
            made[key] = f"{key}{len(self.rows[model.__name__])}@test.example"
        return made

    def _complete(self, model: type[Base], values: dict[str, Any], daring: int, *, sparse: bool) -> dict[str, Any]:
        made = dict(values)
        for column in model.table().columns:
            if column.name in made or column.identity is not None or column.computed is not None:
                continue
            required = not column.nullable and (not column.server_default or bool(column.foreign_keys))
            if column.primary_key and isinstance(column.type, sql.Uuid) and not column.foreign_keys:
                made[column.name] = self._uuid()
            elif required or (daring != REQUIRED and self._wanted(column, sparse)):
                level = max(daring, self._daring.get((model.__name__, column.name), AWKWARD))
                value = self._parent(column) if column.foreign_keys else self._sample(model, column, level)
                if value is not None or required:
                    made[column.name] = value
        return made

    def _wanted(self, column: Column[Any], sparse: bool) -> bool:
        if column.name in ("deleted_at", "updated_at"):
            return self.random.random() < 0.1
        return self.random.random() < (0.25 if sparse else 0.85)

    def _parent(self, column: Column[Any]) -> Any:
        """The key of a row that is there: the first ones have many children, most have few."""
        (key,) = column.foreign_keys
        name = self._models[key.column.table]
        rows = self.rows.get(name) or []
        return getattr(rows[int(len(rows) * self.random.random() ** 3)], key.column.name) if rows else None

    def _sample(self, model: type[Base], column: Column[Any], level: int) -> Any:
        number = len(self.rows[model.__name__])
        if (model.__name__, column.name) in TAME:
            level = REQUIRED
        if isinstance(column.type, ARRAY):
            count = self.random.choice([0, 1, 3]) if level == AWKWARD else 0
            return [self._of_kind(column.type.item_type, column, number, level) for _ in range(count)]
        return self._of_kind(column.type, column, number, level)

    def _of_kind(self, kind: Any, column: Column[Any], number: int, level: int) -> Any:
        one = self.random.choice
        if isinstance(kind, ChoiceType):
            choices = [member.value for member in kind.choice]
            return choices[0] if level == REQUIRED else one(choices)
        if isinstance(kind, sql.Uuid):
            return self._uuid()
        if isinstance(kind, JSONB):
            return one(JSONS) if level == AWKWARD else one(['{"a": 1.10}', "{}"])
        if isinstance(kind, INET):
            return one(ADDRESSES)
        if isinstance(kind, sql.Boolean):
            return one([True, False])
        if isinstance(kind, sql.String):
            return self._text(kind, column, number, level)
        if isinstance(kind, sql.Integer):
            bits = 63 if isinstance(kind, sql.BigInteger) else 15 if isinstance(kind, sql.SmallInteger) else 31
            fitting = [value for value in WHOLE if -(2**bits) <= value < 2**bits]
            return one(fitting) if level == AWKWARD else number + 1
        if isinstance(kind, sql.Numeric):
            return self._decimal(kind, number, level)
        if isinstance(kind, sql.DateTime):
            return self._moment(column, level)
        if isinstance(kind, sql.Date):
            return one(DAYS) if level == AWKWARD else date(2026, 1, 1) + timedelta(days=number)
        if isinstance(kind, sql.Time):
            return one(CLOCKS)
        assert isinstance(kind, sql.LargeBinary)
        return bytes([number % 256])

    def _text(self, kind: Any, column: Column[Any], number: int, level: int) -> str:
        text = f"{column.name}-{number}"
        if level == AWKWARD:
            text = self.random.choice(TEXTS)
        elif level == MILD:
            text = self.random.choice([text, f"{text} 😀", f'{text} "\\'])
        if kind.length is not None and len(text) > kind.length:
            text = text[: kind.length] if level == AWKWARD else f"{number % 10**kind.length:0{kind.length}d}"
        return text

    def _decimal(self, kind: Any, number: int, level: int) -> Decimal:
        if level != AWKWARD:
            return Decimal(number + 1)
        value = Decimal(self.random.choice(NUMBERS))
        if kind.precision is not None:
            whole = kind.precision - (kind.scale or 0)
            if abs(value) >= 10**whole:
                value = Decimal(9) * (10 ** (whole - 1) if whole else Decimal("0.1"))
            value = round(value, kind.scale or 0)
        return value

    def _moment(self, column: Column[Any], level: int) -> datetime:
        if column.name in ("created_at", "occurred_at", "updated_at", "deleted_at"):
            # Few, so that the key has to decide between rows of the same moment.
            start = datetime(2026, 7, 1, 23, 59, 58, tzinfo=UTC)
            return start + timedelta(microseconds=self.random.choice([0, 0, 500_000, 1_500_000, 123_456, 4 * 10**9]))
        if level == AWKWARD:
            return self.random.choice(MOMENTS)
        return datetime.now(UTC).replace(microsecond=0) + timedelta(days=self.random.choice([-30, -1, 1, 30]))

    def _uuid(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)

    def _value(self, value: Any) -> Any:
        if not isinstance(value, str) or not value.startswith("@"):
            return value
        table, _, called = value[1:].partition(".") if "." in value else ("User", "", value[1:])
        return self.named[table][called].id
