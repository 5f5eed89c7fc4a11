"""Contributions: what members give to their DAO."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from lango.db import rows
from lango.rules.inputs import Seen, Text, Value
from lango.rules.rule import rule
from lango.rules.transaction import RuleTransaction
from models.ledger import LedgerKind
from models.topics import Topic
from models.treasury import Dao, DaoTreasury, UserBalance, WalletTransaction, WalletTransactionType
from resolvers.kernel import ages
from resolvers.kernel.ages import NotOfAge, check_is_adult, minors_in
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange
from resolvers.kernel.currencies import check_money
from resolvers.kernel.outbox import publish
from resolvers.ledger import ledger
from resolvers.ledger.balances import InsufficientFunds, check_funds, lock_balance
from resolvers.treasury import movements
from resolvers.treasury.members import DaoNotActive, NotAMember, check_dao, demand_role, members_in, standing
from resolvers.treasury.treasuries import locking_treasury, treasury_in

LONGEST_TEXT = 500


@dataclass(frozen=True, slots=True)
class Contributed:
    """A movement, and the treasury that it went into."""

    wallet_transaction: WalletTransaction
    treasury: DaoTreasury


@rule(NotAMember, DaoNotActive, NotOfAge, AmountNotPositive, AmountOutOfRange, InsufficientFunds)
async def contribute_to_dao(
    tx: RuleTransaction,
    dao: Annotated[Dao, Seen("The DAO, whose approved member one is.")],
    amount: Annotated[Decimal, Value("How much, in the currency of the DAO's treasury.")],
    description: Annotated[str | None, Text("What it is for, as the members read it.", LONGEST_TEXT)] = None,
) -> Contributed:
    """Give a DAO some of what one has available. Its approved members; adults alone."""
    # After the treasury's lock, without which nobody is banned and no DAO is stopped.
    held, ((current,),), members, minors = await tx.fetch(
        locking_treasury(dao.id), rows.finding(Dao, dao.id), standing(dao.id, tx.user_id), ages.aging(tx.user_id)
    )
    treasury = treasury_in(held, field="dao_id")
    demand_role(members_in(members), tx.user_id, field="dao_id")
    check_dao(current, field="dao_id")
    check_is_adult(tx.user_id, minors_in(minors))
    check_money(amount, treasury.currency, WalletTransaction.amount, field="amount")
    balance = await lock_balance(tx, treasury.currency, tx.user_id)
    check_funds(balance, amount, field="amount")
    return Contributed(contribute(tx, balance, treasury, amount, description=description), treasury)


def contribute(
    tx: RuleTransaction,
    balance: UserBalance,
    treasury: DaoTreasury,
    amount: Decimal,
    *,
    description: str | None = None,
) -> WalletTransaction:
    """Move an amount from a user to a DAO: both rows are locked, the funds are there, and the user is a member.

    Raises AmountOutOfRange where the treasury would not hold the sum.
    """
    made = movements.record(
        tx, WalletTransactionType.CONTRIBUTION, amount, treasury.currency, sender=balance.user_id,
        dao=treasury.dao_id, description=description, touched=[balance],
    )  # fmt: skip
    available, held = ledger.available(balance), ledger.dao_available(treasury)
    ledger.transfer(tx, LedgerKind.DAO_CONTRIBUTION, available, held, amount, of=made)
    publish(tx, Topic.DAO_CONTRIBUTED, treasury.dao_id, wallet_transaction_id=made.id, user_id=balance.user_id)
    return made
