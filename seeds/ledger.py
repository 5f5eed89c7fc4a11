"""The ledger of the demo data: each movement by the chart of accounts, and the balances that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from models.ledger import LedgerAccount, LedgerEntry, LedgerTransaction
from models.treasury import UserBalance
from resolvers.ledger.ledger import Account, Movement, user_account
from seeds.world import World, named


def card_account(account_id: UUID, part: str, currency: str = "USD") -> Account:
    """A card account's `available` or `held` money."""
    return Account(f"card_account:{account_id}:{part}:{currency}", "liability", "card_account", account_id, currency)


PROMOTION = Account("platform:promotion:XOF", "expense", "platform")


class Books:
    """Posts transactions and remembers what each account of users, DAOs and cards holds."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._dice = world.dice("ledger")
        self._accounts: dict[str, UUID] = {}
        # Since when which users hold a currency.
        self._holders: dict[tuple[UUID, str], datetime] = {}
        self._owed: dict[str, Decimal] = {}

    def post(
        self, kind: str, when: datetime, movements: Sequence[Movement], *, of: tuple[str, UUID], by: UUID | None = None
    ) -> None:
        """Post one transaction, as `resolvers.ledger.ledger.post` would have at that time."""
        rows, dice = self._world.rows, self._dice
        transaction = dice.id()
        rows.put(
            LedgerTransaction, id=transaction, kind=kind, reference_type=of[0], reference_id=of[1], created_by=by,
            created_at=when,
        )  # fmt: skip
        sums: dict[UUID, Decimal | int] = {}
        for movement in movements:
            if not movement.amount:
                continue
            debit, credit = self._account(movement.debit, when), self._account(movement.credit, when)
            sums[debit] = sums.get(debit, 0) + movement.amount
            sums[credit] = sums.get(credit, 0) - movement.amount
        for account, amount in sums.items():
            if amount:
                rows.put(
                    LedgerEntry, id=dice.id(), transaction_id=transaction, account_id=account, amount=amount,
                    created_at=when,
                )  # fmt: skip
        for movement in movements:
            self._remember(movement.debit, -movement.amount)
            self._remember(movement.credit, movement.amount)

    def held(self, account: Account) -> Decimal:
        """What a user's, DAO's or card account's account holds."""
        return self._owed.get(account.code, Decimal())

    def put_balances(self) -> None:
        """The users' balances, as the ledger proves them."""
        for (user, currency), since in self._holders.items():
            available, pending, locked = (
                self.held(user_account(user, part, currency)) for part in ("available", "pending", "locked")
            )
            self._world.rows.put(
                UserBalance, id=named(f"balance {user} {currency}"), user_id=user, dao_id=None, currency=currency,
                available_balance=available, pending_balance=pending, locked_balance=locked,
                total_balance=available + pending + locked, last_updated=self._world.today, created_at=since,
            )  # fmt: skip

    def _account(self, account: Account, when: datetime) -> UUID:
        found = self._accounts.get(account.code)
        if found is None:
            found = self._accounts[account.code] = named(account.code)
            self._world.rows.put(
                LedgerAccount, id=found, code=account.code, kind=account.kind, owner_type=account.owner_type,
                owner_id=account.owner_id, currency=account.currency, created_at=when,
            )  # fmt: skip
        return found

    def _remember(self, account: Account, amount: Decimal | int) -> None:
        if account.owner_type in ("user", "dao", "card_account"):
            self._owed[account.code] = self._owed.get(account.code, Decimal()) + amount
            if account.owner_type == "user" and account.owner_id is not None:
                self._holders.setdefault((account.owner_id, account.currency), when_first(self._world))


def when_first(world: World) -> datetime:
    """When balances began to be kept."""
    return min(world.today, world.people[0].joined)
