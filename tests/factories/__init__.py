"""Rows for tests: any model, with the parents it needs, and whatever the test says of it."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg
from sqlalchemy import ARRAY, Column
from sqlalchemy import types as sql
from sqlalchemy.dialects.postgresql import INET, JSONB

from models.base import Base, models
from models.columns import ChoiceType
from models.donations import Donation
from models.identity import User
from models.packs import Pack, Partner
from models.pots import Pot
from models.redemption import QrCode
from models.referrals import PointsConversion

NUMBER = itertools.count(1)
# What a row of a model needs beyond its required columns, so that its CHECKs hold and the ordinary case is made.
DEFAULTS: dict[str, dict[str, Any]] = {
    "User": {"email": lambda n: f"user{n}-{uuid4().hex[:8]}@test.example"},
    "Profile": {"date_of_birth": date(1990, 1, 1)},
    "Pot": {"birthday_date": lambda _: date.today() + timedelta(days=30), "scheduled_open_at": lambda _: now(),
            "status": "open", "visibility": "private"},
    "Pack": {"base_price_cfa": 5000},
    "Partner": {"status": "active", "revenue_split_percentage": Decimal("80.00")},
    "Referral": {"invited_phone": "+221770000000"},
    "PartnerInvitation": {"phone": "+221770000000", "email": None},
    "QrCode": {"redeemable_from": lambda _: now() - timedelta(days=1), "expires_at": lambda _: now() + timedelta(days=30),
               "code": lambda _: uuid4().hex, "price_cfa": 5000},
    "SponsorContactBatch": {"start_position": 0, "end_position": 50},
    "Donation": {"status": "succeeded"},
    "Card": {"last_four": "4242"},
    "Address": {"state": "CA", "country": "US"},
    "MpesaReceipt": {"status": "held"},
    "TransactionFee": {"fee_amount": Decimal(1), "platform_revenue": Decimal(1)},
    # treasury: orders
    "RecurringOccurrence": {"outcome": "skipped"},
}  # fmt: skip

# Parents that a row may have none of, and has in the ordinary case.
PARENTS = {"MpesaReceipt": {"mpesa_transaction_id"}}


def now() -> datetime:
    return datetime.now(UTC)


class Factory:
    """`await make(Pot, visibility="public")` gives the row that was written; it was written by the database's owner."""

    def __init__(self, owner: asyncpg.Pool[Any]) -> None:
        self.owner = owner

    async def __call__(self, model: type[Base], **given: Any) -> SimpleNamespace:
        values = await self.values(model, **given)
        async with self.owner.acquire() as connection:
            return await self.insert(connection, model, values)

    async def insert(
        self, connection: asyncpg.Connection[Any], model: type[Base], values: dict[str, Any]
    ) -> SimpleNamespace:
        """Write a row whose `values` are complete, in the transaction of the connection."""
        columns, places = ", ".join(values), ", ".join(f"${index + 1}" for index in range(len(values)))
        table = model.table()
        statement = f"INSERT INTO {table.schema}.{table.name} ({columns}) VALUES ({places}) RETURNING *"
        return SimpleNamespace(**await connection.fetchrow(statement, *values.values()))

    async def values(self, model: type[Base], **given: Any) -> dict[str, Any]:
        """The columns of a row: what is given, what is usual, and what is required; missing parents are made."""
        number = next(NUMBER)
        usual = {
            key: value(number) if callable(value) else value for key, value in DEFAULTS.get(model.__name__, {}).items()
        }
        values = usual | given
        for column in model.table().columns:
            # A default that names a parent needs the parent all the same.
            given_by_the_database = column.identity is not None or (column.server_default and not column.foreign_keys)
            needed = not column.nullable or column.name in PARENTS.get(model.__name__, ())
            required = needed and not given_by_the_database
            if required and column.name not in values:
                values[column.name] = await self._required(column, number)
        return values

    async def _required(self, column: Column[Any], number: int) -> Any:
        for key in column.foreign_keys:
            (parent,) = (model for model in models() if model.table() is key.column.table)
            return getattr(await self(parent), key.column.name)
        return sample(column, number)

    async def code_at_the_till(self, **given: Any) -> SimpleNamespace:
        """A pot with money, a pack of a partner with a cashier, and a code that may be redeemed now.

        The ledger is posted to as the rules would have. Gives pot, owner, partner, pack, cashier and code.
        """
        owner, cashier = await self(User), await self(User)
        partner = await self(Partner, **given.pop("partner", {}))
        pack = await self(Pack, partner_id=partner.id, base_price_cfa=5000, **given.pop("pack", {}))
        pot = await self.funded_pot(20_000, owner_user_id=owner.id, birthday_date=date.today() - timedelta(days=1),
                                    scheduled_open_at=now() - timedelta(days=30), **given.pop("pot", {}))  # fmt: skip
        await self.member(partner, cashier)
        code = await self(QrCode, pot_id=pot.id, pack_id=pack.id, price_cfa=5000, **given)
        await self.issued(code)
        async with self.owner.acquire() as connection:
            await connection.execute("UPDATE pots.pots SET balance_cfa = balance_cfa - 5000 WHERE id = $1", pot.id)
        return SimpleNamespace(owner=owner, cashier=cashier, partner=partner, pack=pack, pot=pot, code=code)

    async def staff(self, **given: Any) -> SimpleNamespace:
        """Somebody who is staff, for whoever shows that role in a token."""
        return await self(User, roles=["user", "admin"], **given)

    async def member(self, partner: SimpleNamespace, user: SimpleNamespace, role: str = "cashier") -> SimpleNamespace:
        from models.packs import PartnerMember

        return await self(PartnerMember, partner_id=partner.id, user_id=user.id, role=role)

    async def funded_pot(self, amount: int, **given: Any) -> SimpleNamespace:
        """A pot that was given so much."""
        pot = await self(Pot, raised_cfa=amount, balance_cfa=amount, **given)
        await self.move("provider:wave:XOF", f"pot:{pot.id}:balance", amount, "donation")
        return pot

    async def donation(self, **given: Any) -> SimpleNamespace:
        """A donation, posted where it was paid: its money is in no pot."""
        row = await self(Donation, **given)
        if row.status != "succeeded":
            return row
        entries = {"provider:wave:XOF": row.amount_cfa, "platform:elsewhere:XOF": -row.amount_cfa}
        await self.post("donation", entries, of=("donation", row.id))
        return row

    async def conversion(self, pot: SimpleNamespace, amount: int, **given: Any) -> SimpleNamespace:
        """Points that were turned into money for that pot, posted."""
        row = await self(PointsConversion, applied_to_pot_id=pot.id, credits_issued=amount, **given)
        of = "points_conversion", row.id
        await self.move("platform:promotion:XOF", f"pot:{pot.id}:balance", amount, "points_conversion", of=of)
        async with self.owner.acquire() as connection:
            await connection.execute(
                "UPDATE pots.pots SET raised_cfa = raised_cfa + $2, balance_cfa = balance_cfa + $2 WHERE id = $1",
                pot.id, amount,
            )  # fmt: skip
        return row

    async def issued(self, code: SimpleNamespace) -> None:
        """Post what issuing that code would have."""
        balance, reserved = (f"pot:{code.pot_id}:{part}" for part in ("balance", "reserved"))
        await self.move(balance, reserved, code.price_cfa, "qr_issue", of=("qr_code", code.id))

    async def move(
        self, debit: str, credit: str, amount: int, kind: str, currency: str = "XOF", of: tuple[str, Any] | None = None
    ) -> None:
        """One balanced ledger transaction between two accounts, which are made where they are missing."""
        await self.post(kind, {debit: amount, credit: -amount}, currency, of)

    async def post(
        self, kind: str, entries: dict[str, int], currency: str = "XOF", of: tuple[str, Any] | None = None
    ) -> None:
        """One balanced ledger transaction; where it is of no row, of nothing that there is."""
        about, about_id = of or ("test", uuid4())
        async with self.owner.acquire() as connection, connection.transaction():
            transaction = await connection.fetchval(
                "INSERT INTO ledger.ledger_transactions (kind, reference_type, reference_id)"
                " VALUES ($1, $2, $3) RETURNING id",
                kind, about, about_id,
            )  # fmt: skip
            for code, signed in entries.items():
                owner_type, _, rest = code.partition(":")
                owner_id = rest.partition(":")[0] if owner_type in ("pot", "partner", "user") else None
                account = await connection.fetchval(
                    "INSERT INTO ledger.ledger_accounts (code, kind, owner_type, owner_id, currency)"
                    " VALUES ($1, $2, $3, $4::uuid, $5) ON CONFLICT (code) DO UPDATE SET code = excluded.code RETURNING id",
                    code, "asset" if owner_type == "provider" else "liability", owner_type, owner_id, currency,
                )  # fmt: skip
                await connection.execute(
                    "INSERT INTO ledger.ledger_entries (transaction_id, account_id, amount) VALUES ($1, $2, $3)",
                    transaction, account, signed,
                )  # fmt: skip

    async def redeemed_code(
        self, partner: SimpleNamespace, price: int = 5000, share: int = 4000, at: datetime | None = None, **given: Any
    ) -> SimpleNamespace:
        """A code that was redeemed at a partner, which is owed its share."""
        at = at or now()
        pot = await self.funded_pot(price)
        if "pack_id" not in given:
            given["pack_id"] = (await self(Pack, partner_id=partner.id)).id
        code = await self(QrCode, pot_id=pot.id, price_cfa=price, partner_share_cfa=share, status="redeemed",
                          redeemed_at=at, redeemed_by_partner_id=partner.id, redeemable_from=at - timedelta(days=1),
                          expires_at=at + timedelta(days=30), **given)  # fmt: skip
        await self.issued(code)
        entries = {f"pot:{pot.id}:reserved": price, f"partner:{partner.id}:payable": -share,
                   "platform:commission:XOF": share - price}  # fmt: skip
        await self.post(
            "qr_redeem", {account: amount for account, amount in entries.items() if amount}, of=("qr_code", code.id)
        )
        async with self.owner.acquire() as connection:
            await connection.execute("UPDATE pots.pots SET balance_cfa = 0 WHERE id = $1", pot.id)
        return code


def sample(column: Column[Any], number: int) -> Any:
    """A value that a column takes, different for each row where it is a text."""
    kind = column.type
    if isinstance(kind, ARRAY):
        return []
    if isinstance(kind, ChoiceType):
        return next(iter(kind.choice)).value
    if isinstance(kind, sql.String):
        text = f"{column.name}-{number}"
        return (
            text if kind.length is None or kind.length >= len(text) else f"{number % 10**kind.length:0{kind.length}d}"
        )
    plain: list[tuple[type[Any], Any]] = [
        (sql.Uuid, uuid4()), (JSONB, "{}"), (INET, "192.0.2.1"), (sql.Boolean, False), (sql.Numeric, Decimal(1)),
        (sql.Integer, 1), (sql.DateTime, now() + timedelta(days=1)), (sql.Date, date.today()), (sql.Time, time(8)),
        (sql.LargeBinary, b"\0"),
    ]  # fmt: skip
    return next(value for known, value in plain if isinstance(kind, known))
