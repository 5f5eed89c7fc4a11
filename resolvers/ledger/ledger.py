"""The ledger: every movement of money is one balanced transaction, and every balance can be proved from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Protocol, cast
from uuid import UUID

from sqlalchemy import ARRAY, Insert, Numeric, Text, Uuid, bindparam, func, insert, literal_column, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import InstrumentedAttribute

from lango.db.ids import new_id
from lango.db.prepared import Prepared
from lango.names import snake
from lango.rules.transaction import RuleTransaction
from models.base import Base
from models.ledger import LedgerAccount, LedgerEntry, LedgerKind, LedgerTransaction
from models.pots import Pot
from models.topics import Topic
from models.treasury import DaoTreasury, UserBalance
from resolvers.kernel.amounts import AmountOutOfRange, fits
from resolvers.kernel.outbox import publish
from resolvers.ledger import proofs

XOF = "XOF"


class Account(NamedTuple):
    """An account of the chart. Debits are positive; what the platform owes grows by credits."""

    code: str
    kind: str
    owner_type: str
    owner_id: UUID | None = None
    currency: str = XOF
    # The column that holds its balance, with the row, where there is one: what is posted is added to it.
    projection: Projection | None = None


@dataclass(frozen=True, slots=True)
class Projection:
    """A balance of a locked row, which grows by what its account is credited."""

    row: Base
    column: InstrumentedAttribute[Any]
    # The sum of all balances of the row, where it has such a column: it grows with each of them.
    total: InstrumentedAttribute[Any] | None = None

    def add(self, amount: Decimal) -> None:
        """Raises AmountOutOfRange where a column would not hold the sum."""
        for column in (self.column, self.total):
            if column is not None:
                current = getattr(self.row, column.key)
                grown = current + type(current)(amount)
                if not fits(grown, column):
                    raise AmountOutOfRange
                setattr(self.row, column.key, grown)


class Movement(NamedTuple):
    """An amount that leaves `credit` and arrives at `debit`."""

    debit: Account
    credit: Account
    amount: Decimal | int


def pot_account(pot_id: UUID) -> Account:
    """What a pot may still spend, where its row is not at hand: its column does not follow."""
    return Account(f"pot:{pot_id}:balance", "liability", "pot", pot_id)


def pot_balance(pot: Pot) -> Account:
    """What a locked pot may still spend."""
    return pot_account(pot.id)._replace(projection=Projection(pot, Pot.balance_cfa))


def pot_reserved(pot_id: UUID) -> Account:
    """What is set aside for codes that are not redeemed yet."""
    return Account(f"pot:{pot_id}:reserved", "liability", "pot", pot_id)


def partner_payable(partner_id: UUID) -> Account:
    """What a partner is owed."""
    return Account(f"partner:{partner_id}:payable", "liability", "partner", partner_id)


def user_account(user_id: UUID, part: Literal["available", "pending", "locked"], currency: str) -> Account:
    """What a user may spend, has on the way, or has set aside, in one currency, where its row is not at hand: its
    column does not follow."""
    return Account(f"user:{user_id}:{part}:{currency}", "liability", "user", user_id, currency)


def available(balance: UserBalance) -> Account:
    """What a user may spend, by their locked balance."""
    projection = Projection(balance, UserBalance.available_balance, UserBalance.total_balance)
    return user_account(balance.user_id, "available", balance.currency)._replace(projection=projection)


def pending(balance: UserBalance) -> Account:
    """What a user has on the way, by their locked balance."""
    projection = Projection(balance, UserBalance.pending_balance, UserBalance.total_balance)
    return user_account(balance.user_id, "pending", balance.currency)._replace(projection=projection)


def locked(balance: UserBalance) -> Account:
    """What a user has set aside, by their locked balance."""
    projection = Projection(balance, UserBalance.locked_balance, UserBalance.total_balance)
    return user_account(balance.user_id, "locked", balance.currency)._replace(projection=projection)


def dao_account(dao_id: UUID, part: Literal["available", "allocated", "reserve"], currency: str) -> Account:
    """What a DAO may spend, has promised, or has put by, where its treasury is not at hand: its column does not
    follow."""
    return Account(f"dao:{dao_id}:{part}:{currency}", "liability", "dao", dao_id, currency)


def dao_available(treasury: DaoTreasury) -> Account:
    """What a DAO may spend, by its locked treasury."""
    projection = Projection(treasury, DaoTreasury.available_balance, DaoTreasury.total_balance)
    return dao_account(treasury.dao_id, "available", treasury.currency)._replace(projection=projection)


def provider(name: str, currency: str = XOF) -> Account:
    """What is held at a provider: `wave`, `mpesa`, `lithic`, `bank` or `chain`."""
    return Account(f"provider:{name}:{currency}", "asset", "provider", None, currency)


def commission(currency: str = XOF) -> Account:
    """The platform's part of redemptions."""
    return Account(f"platform:commission:{currency}", "income", "platform", None, currency)


def promotion(currency: str = XOF) -> Account:
    """What the platform gives for points."""
    return Account(f"platform:promotion:{currency}", "expense", "platform", None, currency)


def fees(currency: str) -> Account:
    """What the platform charges."""
    return Account(f"platform:fees:{currency}", "income", "platform", None, currency)


def exchange(currency: str) -> Account:
    """The platform's own position in a currency that it exchanges."""
    return Account(f"platform:fx:{currency}", "equity", "platform", None, currency)


def suspense(currency: str = XOF) -> Account:
    """What came in and counts for nothing yet, or is on its way back to whoever paid it."""
    return Account(f"platform:suspense:{currency}", "liability", "platform", None, currency)


def transfer(
    tx: RuleTransaction, kind: LedgerKind, debit: Account, credit: Account, amount: Decimal | int, *, of: Base
) -> None:
    """Move an amount from one account to another: the balances of their rows change, and it is posted."""
    post(tx, kind, [Movement(debit, credit, amount)], of=of)


def post(tx: RuleTransaction, kind: LedgerKind, movements: Sequence[Movement], *, of: Base) -> None:
    """Post one transaction about the row `of`, and write the balances that its accounts have in rows.

    Movements of nothing are left out; an account that there is not yet is opened. Raises AmountOutOfRange where a
    balance would not fit its column.
    """
    accounts: dict[str, Account] = {}
    sums: dict[str, Decimal] = {}
    for debit, credit, moved in movements:
        for account, amount in ((debit, moved), (credit, -moved)):
            accounts.setdefault(account.code, account)
            sums[account.code] = sums.get(account.code, Decimal()) + amount
    changed: dict[Base, None] = {}
    for code, amount in sums.items():
        projection = accounts[code].projection
        if projection is not None and amount:
            # What is owed grows by credits, which are negative.
            projection.add(-amount)
            changed[projection.row] = None
    tx.save(*changed)
    _announce(tx, changed)
    about = cast(Any, of)
    # In the order of their codes, so that no two that open the same ones cross.
    codes = sorted([code for code, amount in sums.items() if amount])
    posted = [accounts[code] for code in codes]
    POST.send(
        tx,
        transaction_id=new_id(),
        kind=kind,
        reference_type=snake(type(of).__name__),
        reference_id=about.id,
        created_by=tx.actor.user_id,
        amounts=[sums[code] for code in codes],
        **{f"{name}s": [account[place] for account in posted] for place, name in enumerate(ACCOUNT)},
    )


def _announce(tx: RuleTransaction, changed: Iterable[Base]) -> None:
    for row in changed:
        match row:
            case UserBalance():
                publish(tx, Topic.BALANCE_CHANGED, row.id, user_id=row.user_id)
            case DaoTreasury():
                publish(tx, Topic.TREASURY_CHANGED, row.id, dao_id=row.dao_id)


# The columns of an account, in the order of its fields.
ACCOUNT: tuple[str, ...] = Account._fields[:5]


def _posting() -> Insert:
    """One statement: the header, the accounts that there are not yet, and the entries.

    An account that somebody else opened while the statement ran is seen by neither of its parts; the function looks
    again.
    """
    account, entry = LedgerAccount.table(), LedgerEntry.table()
    types = {"code": Text, "kind": Text, "owner_type": Text, "owner_id": Uuid, "currency": Text}
    parts = {f"{name}s": kind for name, kind in types.items()} | {"amounts": Numeric}
    listed: list[Any] = [bindparam(name, type_=ARRAY(kind)) for name, kind in parts.items()]
    wanted = func.unnest(*listed).table_valued(*ACCOUNT, "amount").render_derived("wanted")
    there: Any = select(literal_column("1")).where(account.c.code == wanted.c.code)
    opened = (
        upsert(account)
        .from_select(
            ACCOUNT, select(*(wanted.c[name] for name in ACCOUNT)).where(~there.exists()), include_defaults=False
        )
        .on_conflict_do_nothing(index_elements=["code"])
        .returning(account.c.id, account.c.code)
        .cte("opened")
    )
    named = ("kind", "reference_type", "reference_id", "created_by")
    transaction = bindparam("transaction_id", type_=Uuid)
    header = (
        insert(LedgerTransaction.table())
        .values({name: bindparam(name) for name in named} | {"id": transaction})
        .cte("header")
    )
    by_another = func.lango.account_of(wanted.c.code, type_=Uuid)
    found = func.coalesce(account.c.id, opened.c.id, by_another)
    rows = (
        select(func.gen_random_uuid(), transaction, found, wanted.c.amount)
        .select_from(wanted)
        .outerjoin(account, account.c.code == wanted.c.code)
        .outerjoin(opened, opened.c.code == wanted.c.code)
    )
    columns = [entry.c.id, entry.c.transaction_id, entry.c.account_id, entry.c.amount]
    return insert(entry).from_select(columns, rows, include_defaults=False).add_cte(header)


POST = Prepared(_posting())


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure that the ledger does not bear out."""

    what: str
    key: str
    stored: Decimal
    proved: Decimal


BALANCES = """
    SELECT a.code, a.owner_type, a.owner_id, a.currency, -sum(e.amount) AS owed
    FROM ledger.ledger_entries e JOIN ledger.ledger_accounts a ON a.id = e.account_id
    GROUP BY a.id
"""

# Each proof gives: what, whose, what is stored, what the entries say.
PROOFS = {
    "transactions balance": """
        SELECT 'transaction', t.id || ' in ' || a.currency, sum(e.amount), 0
        FROM ledger.ledger_transactions t
        JOIN ledger.ledger_entries e ON e.transaction_id = t.id JOIN ledger.ledger_accounts a ON a.id = e.account_id
        GROUP BY t.id, a.currency HAVING sum(e.amount) <> 0
    """,
    "pots may spend what their account holds": f"""
        SELECT 'pots.balance_cfa', p.id::text, p.balance_cfa, coalesce(b.owed, 0)
        FROM pots.pots p LEFT JOIN ({BALANCES}) b ON b.code = 'pot:' || p.id || ':balance'
        WHERE p.balance_cfa <> coalesce(b.owed, 0)
    """,
    "pots have raised what was given, less refunds": """
        SELECT 'pots.raised_cfa', p.id::text, p.raised_cfa, coalesce(r.raised, 0)
        FROM pots.pots p LEFT JOIN (
            SELECT a.owner_id, -sum(e.amount) AS raised
            FROM ledger.ledger_entries e JOIN ledger.ledger_accounts a ON a.id = e.account_id
            JOIN ledger.ledger_transactions t ON t.id = e.transaction_id
            WHERE a.code LIKE 'pot:%:balance'
              AND t.kind IN ('donation', 'donation_refund', 'points_conversion', 'points_conversion_reversal')
            GROUP BY a.owner_id
        ) r ON r.owner_id = p.id
        WHERE p.raised_cfa <> coalesce(r.raised, 0)
    """,
    "what is reserved is the price of the codes outstanding": f"""
        SELECT 'qr_codes.price_cfa outstanding', 'pot ' || p.id, coalesce(q.reserved, 0), coalesce(b.owed, 0)
        FROM pots.pots p LEFT JOIN ({BALANCES}) b ON b.code = 'pot:' || p.id || ':reserved'
        LEFT JOIN (
            SELECT pot_id, sum(price_cfa) AS reserved FROM redemption.qr_codes WHERE status = 'issued' GROUP BY pot_id
        ) q ON q.pot_id = p.id
        WHERE coalesce(q.reserved, 0) <> coalesce(b.owed, 0)
    """,
    "partners are owed their shares less what was paid": f"""
        SELECT 'qr_codes.partner_share_cfa unpaid', 'partner ' || p.id, coalesce(q.share, 0), coalesce(b.owed, 0)
        FROM packs.partners p LEFT JOIN ({BALANCES}) b ON b.code = 'partner:' || p.id || ':payable'
        LEFT JOIN (
            SELECT c.redeemed_by_partner_id, sum(c.partner_share_cfa) AS share
            FROM redemption.qr_codes c LEFT JOIN redemption.partner_settlements s ON s.id = c.settlement_id
            WHERE c.status = 'redeemed' AND coalesce(s.status, 'pending') <> 'paid'
            GROUP BY c.redeemed_by_partner_id
        ) q ON q.redeemed_by_partner_id = p.id
        WHERE coalesce(q.share, 0) <> coalesce(b.owed, 0)
    """,
    "settlements are the sums of their codes": """
        SELECT 'partner_settlements.' || part.name, s.id::text, coalesce(part.stored, 0), part.proved
        FROM redemption.partner_settlements s LEFT JOIN (
            SELECT settlement_id, redeemed_by_partner_id, count(*) AS codes, sum(price_cfa) AS revenue,
                   sum(partner_share_cfa) AS share
            FROM redemption.qr_codes WHERE settlement_id IS NOT NULL AND status = 'redeemed' GROUP BY 1, 2
        ) c ON c.settlement_id = s.id AND c.redeemed_by_partner_id = s.partner_id
        CROSS JOIN LATERAL (
            VALUES ('total_redemptions_count', s.total_redemptions_count, coalesce(c.codes, 0)),
                   ('total_revenue_cfa', s.total_revenue_cfa, coalesce(c.revenue, 0)),
                   ('partner_share_cfa', s.partner_share_cfa, coalesce(c.share, 0)),
                   ('wolo_commission_cfa', s.wolo_commission_cfa, coalesce(c.revenue - c.share, 0))
        ) part (name, stored, proved)
        WHERE coalesce(part.stored, 0) <> part.proved
    """,
    "what stands in a settlement was redeemed at its partner": """
        SELECT 'qr_codes.settlement_id', c.id::text, c.price_cfa, 0
        FROM redemption.qr_codes c JOIN redemption.partner_settlements s ON s.id = c.settlement_id
        WHERE c.status <> 'redeemed' OR c.redeemed_by_partner_id IS DISTINCT FROM s.partner_id
    """,
    # A code names one settlement; so one that is paid for twice shows here, as a settlement that was.
    "settlements are paid once": """
        SELECT 'partner_settlements paid', coalesce(s.id, p.reference_id)::text,
               CASE WHEN s.status = 'paid' THEN s.partner_share_cfa ELSE 0 END, coalesce(p.paid, 0)
        FROM redemption.partner_settlements s FULL JOIN (
            SELECT t.reference_id, sum(e.amount) AS paid
            FROM ledger.ledger_transactions t JOIN ledger.ledger_entries e ON e.transaction_id = t.id
            JOIN ledger.ledger_accounts a ON a.id = e.account_id
            WHERE t.kind = 'settlement_paid' AND a.owner_type = 'partner' GROUP BY t.reference_id
        ) p ON p.reference_id = s.id
        WHERE CASE WHEN s.status = 'paid' THEN s.partner_share_cfa ELSE 0 END <> coalesce(p.paid, 0)
    """,
    "users hold what their accounts hold": f"""
        SELECT 'user_balances.' || part.name, u.user_id || ' in ' || u.currency, part.stored, coalesce(b.owed, 0)
        FROM treasury.user_balances u
        CROSS JOIN LATERAL (VALUES ('available', u.available_balance), ('pending', u.pending_balance),
                                   ('locked', u.locked_balance)) part (name, stored)
        LEFT JOIN ({BALANCES}) b ON b.code = 'user:' || u.user_id || ':' || part.name || ':' || u.currency
        WHERE u.dao_id IS NULL AND part.stored <> coalesce(b.owed, 0)
    """,
    "treasuries hold what their accounts hold": f"""
        SELECT 'dao_treasuries.' || part.name, t.dao_id || ' in ' || t.currency, part.stored, coalesce(b.owed, 0)
        FROM treasury.dao_treasuries t
        CROSS JOIN LATERAL (VALUES ('available', t.available_balance), ('allocated', t.allocated_balance),
                                   ('reserve', t.reserve_balance)) part (name, stored)
        LEFT JOIN ({BALANCES}) b ON b.code = 'dao:' || t.dao_id || ':' || part.name || ':' || t.currency
        WHERE part.stored <> coalesce(b.owed, 0)
    """,
    "card accounts hold what their account holds": f"""
        SELECT 'accounts.balance', c.id || ' in ' || c.currency, c.balance, coalesce(b.owed, 0)
        FROM cards.accounts c
        LEFT JOIN ({BALANCES}) b ON b.code = 'card_account:' || c.id || ':available:' || c.currency
        WHERE c.balance <> coalesce(b.owed, 0)
    """,
    "nothing is held for whom no balance is kept": f"""
        SELECT 'user_balances', b.code, 0, b.owed FROM ({BALANCES}) b
        WHERE b.owner_type = 'user' AND b.owed <> 0 AND NOT EXISTS (
            SELECT FROM treasury.user_balances u
            WHERE u.user_id = b.owner_id AND u.dao_id IS NULL AND u.currency = b.currency)
    """,
} | proofs.proofs()


class Fetching(Protocol):
    """A connection, or a pool of them, that sees all rows."""

    async def fetch(self, query: str, /) -> Sequence[Any]: ...


async def verify(connection: Fetching) -> list[Difference]:
    """Recompute every balance from the entries, look for the posting of every row that moves money, and for the row of
    every posting; name each difference."""
    found = []
    for proof in PROOFS.values():
        rows = await connection.fetch(proof)
        found += [Difference(what, key, Decimal(stored), Decimal(proved)) for what, key, stored, proved in rows]
    return found
