"""What a pot is given, and what of it goes back: its balance, what it has raised and whether it is funded, as one."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from lango.rules.transaction import RuleTransaction
from models.base import Base
from models.ledger import LedgerKind
from models.pots import Pot, PotStatus
from models.topics import Topic
from resolvers.kernel.amounts import AmountOutOfRange, fits
from resolvers.kernel.outbox import publish
from resolvers.ledger import ledger
from resolvers.pots.lifecycle import TAKES_DONATIONS


@dataclass(frozen=True, slots=True)
class Gifts(ledger.Projection):
    """What a locked pot may spend of what it was given, and with it what it has raised: at its target it is funded,
    and open again when so much goes back that it is below."""

    def add(self, amount: Decimal) -> None:
        pot = self.row
        assert isinstance(pot, Pot)
        if not holds(pot, int(amount)):
            raise AmountOutOfRange("The pot cannot hold so much.")
        pot.raised_cfa += int(amount)
        pot.balance_cfa += int(amount)
        if pot.status == PotStatus.OPEN and pot.raised_cfa >= pot.target_amount_cfa:
            pot.status = PotStatus.FUNDED
        elif pot.status == PotStatus.FUNDED and amount < 0 and pot.raised_cfa < pot.target_amount_cfa:
            pot.status = PotStatus.OPEN


def account(pot: Pot) -> ledger.Account:
    """The account of a locked pot's balance, for what counts as raised."""
    return ledger.pot_balance(pot)._replace(projection=Gifts(pot, Pot.balance_cfa))


def give(tx: RuleTransaction, kind: LedgerKind, pot: Pot, source: ledger.Account, amount_cfa: int, *, of: Base) -> None:
    """Give a locked pot money out of `source`; `of` is the row that the posting is about.

    Raises AmountOutOfRange where the pot's sums would not fit.
    """
    before = pot.status
    ledger.transfer(tx, kind, source, account(pot), amount_cfa, of=of)
    if pot.status != before:
        publish(tx, Topic.POT_FUNDED, pot.id)


def take_back(
    tx: RuleTransaction, kind: LedgerKind, pot: Pot, into: ledger.Account, amount_cfa: int, *, of: Base
) -> None:
    """Take from a locked pot what goes back to who gave it; it must have so much to spend."""
    before = pot.status
    ledger.transfer(tx, kind, account(pot), into, amount_cfa, of=of)
    if pot.status != before:
        publish(tx, Topic.POT_REOPENED, pot.id)


def holds(pot: Pot, amount_cfa: int) -> bool:
    """Whether a pot can hold so much more."""
    return fits(pot.raised_cfa + amount_cfa, Pot.raised_cfa) and fits(pot.balance_cfa + amount_cfa, Pot.balance_cfa)


def takes(pot: Pot, amount_cfa: int) -> bool:
    """Whether a pot takes a donation of so much now."""
    return pot.status in TAKES_DONATIONS and pot.deleted_at is None and holds(pot, amount_cfa)
