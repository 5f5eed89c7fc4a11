"""People with money, and DAOs with members, signers and money: what tests of the treasury are given, in one line each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pyotp
from sqlalchemy import bindparam

from lango.db.prepared import Lookup
from lango.rules.services import Services
from lango.security.authentication import mint
from models.identity import User
from models.ledger import LedgerKind
from models.profiles import Profile
from models.security import TwoFactorAuth
from models.treasury import Dao, DaoMember, DaoTreasury, UserBalance
from resolvers.ledger import ledger
from resolvers.ledger.balances import lock_balance
from tests.client import Answer, Api
from tests.factories import Factory, now

TREASURIES = Lookup(
    [DaoTreasury], lambda rows: rows.where(DaoTreasury.dao_id == bindparam("dao_id")).with_for_update(key_share=True)
)
# What is brought from a bank, each time by another payment, which is kept nowhere and for which no proof looks.
BROUGHT = LedgerKind.CRYPTO_DEPOSIT


@dataclass
class House:
    """Makes what a test is given, and calls the API as a user would."""

    api: Api
    make: Factory
    services: Services

    @property
    def owner(self) -> asyncpg.Pool[Any]:
        return self.make.owner

    async def call(self, mutation: str, as_: Any, roles: tuple[str, ...] = (), /, **given: Any) -> Answer:
        """`call("contributeToDao", person, daoId=dao, amount="100")`."""
        return await self.api.mutate(mutation, as_, roles, **given)

    async def refused(self, mutation: str, as_: Any, roles: tuple[str, ...] = (), /, **given: Any) -> list[str]:
        """The codes with which a mutation was refused; none where it was done."""
        return (await self.call(mutation, as_, roles, **given)).refusals(mutation)

    async def person(
        self, *, user: dict[str, Any] | None = None, profile: dict[str, Any] | None = None, **holds: str
    ) -> SimpleNamespace:
        """An adult whose Kenyan phone was verified days ago, and what they hold: `person(KES="5000", cUSD="2")`."""
        verified = {"phone": a_phone(), "phone_verified_at": now() - timedelta(days=3)}
        person = await self.make(User, **(verified | (user or {})))
        await self.make(Profile, user_id=person.id, **(profile or {}))
        for currency, amount in holds.items():
            await self.give(person, currency, amount)
        return person

    async def minor(self, **holds: str) -> SimpleNamespace:
        """Somebody of 17 years, and what they hold."""
        guardian = await self.person()
        guarded = {"guardian_user_id": guardian.id, "relationship_type": "parent"}
        return await self.person(profile={"date_of_birth": date.today() - timedelta(days=17 * 365)} | guarded, **holds)

    async def give(self, person: Any, currency: str, amount: str) -> None:
        """So much more for somebody."""
        async with self.services.work() as tx:
            balance = await lock_balance(tx, currency, person.id)
            source, target = ledger.provider("bank", currency), ledger.available(balance)
            ledger.transfer(tx, BROUGHT, source, target, Decimal(amount), of=UserBalance(id=uuid4()))

    async def second_factor(self, person: Any) -> dict[str, str]:
        """An authenticator app for somebody: the headers of a session in which it was shown just now."""
        key = uuid4()
        sealed = self.services.keyring.seal(pyotp.random_base32(), TwoFactorAuth.secret, key)
        await self.make(TwoFactorAuth, id=key, user_id=person.id, method="totp", enabled=True, secret=sealed)
        token = mint(self.api.settings, person.id, methods=["pwd", "totp"], assurance_level=2)
        return {"Authorization": f"Bearer {token}"}

    async def dao(
        self,
        members: int = 1,
        signers: int = 1,
        threshold: int = 1,
        *,
        dao: dict[str, Any] | None = None,
        treasury: dict[str, Any] | None = None,
        **holds: str,
    ) -> SimpleNamespace:
        """A DAO of so many approved members, the first of whom is its admin and the first few its signers; what it
        holds is in one currency: `dao(members=3, signers=2, threshold=2, KES="10000")`.

        Gives the row of the DAO, with `members`, `admin`, `signers` and `treasury` besides.
        """
        people = [await self.person() for _ in range(members)]
        given = {"creator_id": people[0].id, "invite_code": uuid4().hex, "member_count": members} | (dao or {})
        values = await self.make.values(Dao, **given)
        async with self.owner.acquire() as connection, connection.transaction():
            made = await self.make.insert(connection, Dao, values)
            for place, person in enumerate(people):
                role = "member" if place else "admin"
                row = await self.make.values(DaoMember, dao_id=made.id, user_id=person.id, role=role)
                await self.make.insert(connection, DaoMember, row | {"status": "approved"})
        made.members, made.admin, made.signers = people, people[0], people[:signers]
        signing = {"signers": [person.id for person in made.signers], "required_signatures": threshold}
        (currency,) = holds or ("KES",)
        made.treasury = await self.make(
            DaoTreasury, dao_id=made.id, **({"currency": currency} | signing | (treasury or {}))
        )
        if holds:
            await self.fill(made, holds[currency])
        return made

    async def fill(self, dao: Any, amount: str) -> None:
        """So much more for a DAO, in the currency of its treasury."""
        async with self.services.work() as tx:
            ((treasury,),) = await TREASURIES.all(tx, dao_id=dao.id)
            source, target = ledger.provider("bank", treasury.currency), ledger.dao_available(treasury)
            ledger.transfer(tx, BROUGHT, source, target, Decimal(amount), of=DaoTreasury(id=uuid4()))

    async def join(self, dao: Any, person: Any = None, role: str = "member", status: str = "approved") -> Any:
        """One more in a DAO: who it is, with the `membership`."""
        person = person or await self.person()
        person.membership = await self.make(DaoMember, dao_id=dao.id, user_id=person.id, role=role, status=status)
        if status == "approved":
            await self.owner.execute("UPDATE treasury.daos SET member_count = member_count + 1 WHERE id = $1", dao.id)
        return person

    async def balance(self, person: Any, currency: str, part: str = "available") -> str:
        """What somebody has `available`, `pending` or `locked`, without zeros at its end."""
        amount = await self.owner.fetchval(
            f"SELECT {part}_balance FROM treasury.user_balances WHERE user_id = $1 AND currency = $2 AND dao_id IS NULL",
            key_of(person), currency,
        )  # fmt: skip
        return plain(amount)

    async def holds(self, dao: Any, part: str = "available") -> str:
        """What a DAO has `available`, `allocated`, in `reserve` or in `total`."""
        amount = await self.owner.fetchval(
            f"SELECT {part}_balance FROM treasury.dao_treasuries WHERE dao_id = $1", key_of(dao)
        )
        return plain(amount)

    async def membership(self, dao: Any, person: Any) -> Any:
        """Somebody's row in a DAO; None where they never wished to join."""
        return await self.owner.fetchrow(
            "SELECT * FROM treasury.dao_members WHERE dao_id = $1 AND user_id = $2", key_of(dao), key_of(person)
        )

    async def posted(self, of: Any) -> list[tuple[str, str, str]]:
        """What was posted about a row: kind, account and amount of each entry; debits are positive."""
        entries = await self.owner.fetch(
            "SELECT t.kind, a.code, e.amount FROM ledger.ledger_transactions t"
            " JOIN ledger.ledger_entries e ON e.transaction_id = t.id JOIN ledger.ledger_accounts a ON a.id = e.account_id"
            " WHERE t.reference_id = $1 ORDER BY t.position, e.amount DESC",
            key_of(of),
        )
        return [(each["kind"], each["code"], plain(each["amount"])) for each in entries]

    async def messages(self, person: Any) -> list[str]:
        """What somebody was notified of: the texts, for which the fixture `templates` has put the wording."""
        rows = await self.owner.fetch(
            "SELECT body FROM notifications.notifications WHERE user_id = $1 ORDER BY created_at", key_of(person)
        )
        return [row["body"] for row in rows]


def key_of(row: Any) -> UUID:
    return row if isinstance(row, UUID) else UUID(row) if isinstance(row, str) else row.id


def plain(amount: Decimal | None) -> str:
    """The number without zeros at its end; nothing is 0."""
    return format((amount or Decimal()).normalize(), "f")


def a_phone() -> str:
    """A Kenyan number that nobody has."""
    return f"+2547{uuid4().int % 10**8:08d}"
