"""Which rows move money: each has its posting in the ledger, and no posting is without its row."""

from __future__ import annotations

from dataclasses import dataclass

from models.ledger import LedgerKind


@dataclass(frozen=True, slots=True)
class Posting:
    """A kind of ledger transaction, and the rows that it belongs to: one transaction a row, of the row's amount.

    Conditions and the amount are SQL over a row `r`. A row that `needs` it has one; one that `may` have it has one or
    none. An amount that is null is not compared, as where the amount paid differs from the amount requested.
    """

    kind: LedgerKind
    reference: str
    table: str
    needs: str
    amount: str = "NULL::numeric"
    may: str | None = None
    # Only those of its entries count that are on such accounts; of all, those that debit.
    account: str | None = None
    # The kind that takes one back: the row then has none, or one more.
    undone_by: LedgerKind | None = None

    @property
    def kinds(self) -> tuple[LedgerKind, ...]:
        return (self.kind,) if self.undone_by is None else (self.kind, self.undone_by)

    def proof(self) -> str:
        """SQL that gives what, whose, what the row says and what the entries say, of each that does not agree."""
        counted = "e.amount > 0" if self.account is None else f"a.code LIKE '{self.account}'"
        having = "" if self.account is None else "HAVING count(e.id) > 0"
        kinds = ", ".join(f"'{kind}'" for kind in self.kinds)
        return f"""
            SELECT '{self.kind} of {self.table}', coalesce(r.id, p.id)::text,
                   CASE WHEN r.needs OR r.may THEN coalesce(r.amount, 0) ELSE 0 END, coalesce(p.amount, 0)
            FROM (
                SELECT r.id, {self.amount} AS amount, ({self.needs}) AS needs, ({self.may or self.needs}) AS may
                FROM {self.table} r
            ) r
            FULL JOIN (
                SELECT t.id, sum(t.times) AS times, sum(t.times * t.amount) AS amount FROM (
                    SELECT t.reference_id AS id, abs(coalesce(sum(e.amount), 0)) AS amount,
                           CASE t.kind WHEN '{self.kind}' THEN 1 ELSE -1 END AS times
                    FROM ledger.ledger_transactions t LEFT JOIN (
                        ledger.ledger_entries e JOIN ledger.ledger_accounts a ON a.id = e.account_id AND {counted}
                    ) ON e.transaction_id = t.id
                    WHERE t.kind IN ({kinds}) AND t.reference_type = '{self.reference}'
                    GROUP BY t.id {having}
                ) t GROUP BY t.id HAVING sum(t.times) <> 0 OR sum(t.times * t.amount) <> 0
            ) p ON p.id = r.id
            WHERE CASE WHEN p.id IS NULL THEN r.needs
                       ELSE NOT coalesce(r.may, false) OR p.times <> 1 OR coalesce(p.amount <> r.amount, false) END
        """


CODES, DONATIONS, ESCROWS = "redemption.qr_codes", "donations.donations", "trading.crypto_escrows"
CHAIN = "trading.crypto_transactions"
WALLET = "treasury.wallet_transactions"
MPESA = "treasury.mpesa_transactions"
DEPOSITED = "r.transaction_type IN ('stk_push', 'c2b')"
WITHDRAWAL, REVERSAL = "r.transaction_type = 'b2c' AND r.purpose = 'withdrawal'", "r.transaction_type = 'reversal'"
FUNDED = "r.status IN ('funded', 'disputed', 'released', 'refunded', 'split')"
POSTINGS = (
    Posting(
        LedgerKind.DONATION, "donation", DONATIONS, "r.status = 'succeeded'", "r.amount_cfa",
        # One that was never counted goes back as well.
        may="r.status IN ('succeeded', 'refunded')",
    ),
    Posting(LedgerKind.DONATION_HELD, "donation", DONATIONS, "false", may="r.status <> 'pending'"),
    Posting(LedgerKind.DONATION_REFUND, "donation", DONATIONS, "false"),
    # When it has left: what leaves the pot before that is proved by what the pot has raised.
    Posting(
        LedgerKind.DONATION_REFUND, "refund", "donations.refunds", "r.wave_refund_status = 'succeeded'", "r.amount_cfa",
        account="provider:%",
    ),
    Posting(
        LedgerKind.DONATION_REFUND, "refund", "donations.refunds", "false", "r.amount_cfa", may="true", account="pot:%",
    ),
    Posting(
        LedgerKind.POINTS_CONVERSION, "points_conversion", "referrals.points_conversions", "true", "r.credits_issued"
    ),
    Posting(LedgerKind.POINTS_CONVERSION_REVERSAL, "pot", "pots.pots", "false", may="r.status = 'cancelled'"),
    Posting(LedgerKind.QR_ISSUE, "qr_code", CODES, "true", "r.price_cfa"),
    Posting(
        LedgerKind.QR_REDEEM, "qr_code", CODES, "r.status = 'redeemed'", "r.price_cfa",
        undone_by=LedgerKind.QR_REDEEM_REVERSAL,
    ),
    Posting(LedgerKind.QR_CANCEL, "qr_code", CODES, "r.status = 'cancelled'", "r.price_cfa"),
    Posting(LedgerKind.QR_EXPIRE, "qr_code", CODES, "r.status = 'expired'", "r.price_cfa"),
    # Nothing is posted for a partner whose part is nothing.
    Posting(
        LedgerKind.SETTLEMENT_PAID, "partner_settlement", "redemption.partner_settlements",
        "r.status = 'paid' AND r.partner_share_cfa <> 0", "r.partner_share_cfa",
    ),
    # Staff credit a deposit some time after it was confirmed.
    Posting(
        LedgerKind.CRYPTO_DEPOSIT, "crypto_transaction", CHAIN, "false", "r.amount",
        may="r.transaction_type = 'deposit' AND r.status = 'confirmed'",
    ),
    # One that was written down by hand, and has left our account by no rule, has none.
    Posting(
        LedgerKind.CRYPTO_WITHDRAWAL, "crypto_transaction", CHAIN, "false", "r.amount",
        may="r.transaction_type = 'withdrawal'",
    ),
    Posting(
        LedgerKind.CRYPTO_WITHDRAWAL_REVERSAL, "crypto_transaction", CHAIN,
        "r.transaction_type = 'withdrawal' AND r.status = 'failed' AND EXISTS (SELECT FROM ledger.ledger_transactions w"
        " WHERE w.kind = 'crypto_withdrawal' AND w.reference_id = r.id)",
        "r.amount",
    ),
    Posting(LedgerKind.ESCROW_FUND, "crypto_escrow", ESCROWS, FUNDED, "r.amount"),
    Posting(LedgerKind.ESCROW_RELEASE, "crypto_escrow", ESCROWS, "r.status = 'released'", "r.amount"),
    Posting(LedgerKind.ESCROW_REFUND, "crypto_escrow", ESCROWS, "r.status = 'refunded'", "r.amount"),
    Posting(LedgerKind.ESCROW_SPLIT, "crypto_escrow", ESCROWS, "r.status = 'split'", "r.amount"),
    # What the user gives, and what the platform gives for it.
    Posting(
        LedgerKind.SWAP, "currency_swap", "treasury.currency_swaps", "r.status = 'completed'",
        "r.from_amount + r.to_amount",
    ),
    Posting(
        LedgerKind.SWAP, "currency_swap", "treasury.currency_swaps", "r.status = 'completed' AND r.total_fee > 0",
        "r.total_fee", account="platform:fees:%",
    ),
    # What users give to each other and to DAOs.
    Posting(LedgerKind.TRANSFER, "wallet_transaction", WALLET, "r.type = 'transfer'", "r.amount"),
    Posting(LedgerKind.DAO_CONTRIBUTION, "wallet_transaction", WALLET, "r.type = 'contribution'", "r.amount"),
    Posting(
        LedgerKind.MPESA_DEPOSIT, "mpesa_transaction", MPESA, f"{DEPOSITED} AND r.status = 'completed'",
        "r.paid_amount", may=f"{DEPOSITED} AND r.status IN ('completed', 'reversed')",
    ),
    Posting(LedgerKind.MPESA_HELD, "mpesa_receipt", "treasury.mpesa_receipts", "r.held_reason IS NOT NULL", "r.amount"),
    Posting(LedgerKind.MPESA_WITHDRAWAL, "mpesa_transaction", MPESA, WITHDRAWAL, "r.amount + r.fee"),
    Posting(
        LedgerKind.MPESA_WITHDRAWAL_PAID, "mpesa_transaction", MPESA, f"{WITHDRAWAL} AND r.status = 'completed'",
        "r.amount + r.fee",
    ),
    Posting(
        LedgerKind.MPESA_WITHDRAWAL_REVERSAL, "mpesa_transaction", MPESA,
        f"{WITHDRAWAL} AND r.status IN ('failed', 'cancelled')", "r.amount + r.fee",
    ),
    # What goes back without having been credited was in suspense already.
    Posting(
        LedgerKind.MPESA_REVERSAL, "mpesa_transaction", MPESA, "false", "r.amount",
        may=f"{REVERSAL} AND r.status <> 'failed'", undone_by=LedgerKind.MPESA_REVERSAL_UNDONE,
    ),
    Posting(
        LedgerKind.MPESA_RETURN, "mpesa_transaction", MPESA, f"{REVERSAL} AND r.status = 'completed'", "r.amount"
    ),
    # One that failed and is tried again is posted anew.
    Posting(
        LedgerKind.REFERRAL_PAYOUT, "referral_payout", "treasury.referral_payouts",
        "r.status IN ('processing', 'completed')", "r.amount", undone_by=LedgerKind.REFERRAL_PAYOUT_REVERSAL,
    ),
    Posting(
        LedgerKind.REFERRAL_PAYOUT_PAID, "referral_payout", "treasury.referral_payouts",
        "r.status = 'completed' AND r.payout_method = 'mpesa'", "r.amount",
    ),
    Posting(
        LedgerKind.TREASURY_TRANSFER, "treasury_transfer", "treasury.treasury_transfers", "r.status = 'executed'",
        "r.amount",
    ),
)  # fmt: skip
# What is posted for a balance alone, and proved by it.
OF_BALANCES = frozenset({LedgerKind.POT_CARRY_OVER, LedgerKind.TREASURY_ALLOCATION})
UNREFERENCED = """
    SELECT 'ledger_transactions.reference_id', t.id::text, 0, 0 FROM ledger.ledger_transactions t
    WHERE t.reference_type IS NULL OR t.reference_id IS NULL
"""

# What leaves a pot that is cancelled leaves it at once, and is refunded in portions: until then its donation has
# succeeded still. Refunds of before it was cancelled left the pot by postings of their own.
REFUNDED_BY_CANCELLING = """
    SELECT 'pots.pots cancelled', p.id::text, coalesce(d.back, 0), coalesce(t.taken, 0)
    FROM pots.pots p
    LEFT JOIN (
        SELECT d.pot_id, sum(CASE d.status WHEN 'succeeded' THEN d.amount_cfa - coalesce(r.amount, 0)
                                           ELSE coalesce(r.amount, 0) - coalesce(r.before, 0) END) AS back
        FROM donations.donations d
        JOIN ledger.ledger_transactions g
            ON g.kind = 'donation' AND g.reference_type = 'donation' AND g.reference_id = d.id
        LEFT JOIN (
            SELECT r.donation_id, sum(r.amount_cfa) AS amount,
                   sum(r.amount_cfa) FILTER (WHERE o.reference_id IS NOT NULL) AS before
            FROM donations.refunds r LEFT JOIN (
                SELECT t.reference_id FROM ledger.ledger_transactions t
                JOIN ledger.ledger_entries e ON e.transaction_id = t.id
                JOIN ledger.ledger_accounts a ON a.id = e.account_id AND a.owner_type = 'pot'
                WHERE t.kind = 'donation_refund' AND t.reference_type = 'refund'
            ) o ON o.reference_id = r.id
            GROUP BY r.donation_id
        ) r ON r.donation_id = d.id
        GROUP BY d.pot_id
    ) d ON d.pot_id = p.id AND p.status = 'cancelled'
    LEFT JOIN (
        SELECT t.reference_id, sum(e.amount) AS taken
        FROM ledger.ledger_transactions t JOIN ledger.ledger_entries e ON e.transaction_id = t.id AND e.amount > 0
        WHERE t.kind = 'donation_refund' AND t.reference_type = 'pot' GROUP BY t.reference_id
    ) t ON t.reference_id = p.id
    WHERE coalesce(d.back, 0) <> coalesce(t.taken, 0)
"""

# Payments without a purpose are older than receipts.
RECEIPTS_CREDITED = f"""
    SELECT 'mpesa_receipts.amount', coalesce(c.receipt_number, p.id::text), coalesce(c.amount, 0),
           coalesce(p.paid_amount, 0)
    FROM (SELECT * FROM treasury.mpesa_receipts WHERE status = 'credited') c
    FULL JOIN (
        SELECT * FROM treasury.mpesa_transactions r
        WHERE {DEPOSITED} AND r.status = 'completed' AND r.purpose IS NOT NULL
    ) p ON p.id = c.mpesa_transaction_id AND p.mpesa_receipt_number = c.receipt_number
    WHERE c.amount IS DISTINCT FROM p.paid_amount
"""
# What M-Pesa is sending back was taken from whom it had been credited to.
SUSPENDED = """
    SELECT 'platform:suspense:KES', 'KES', s.held, s.owed FROM (
        SELECT (SELECT coalesce(sum(amount), 0) FROM treasury.mpesa_receipts WHERE status = 'held') + (
                   SELECT coalesce(sum(r.amount), 0) FROM treasury.mpesa_transactions r
                   WHERE r.transaction_type = 'reversal' AND r.status IN ('pending', 'processing', 'held') AND EXISTS (
                       SELECT FROM ledger.ledger_transactions t
                       WHERE t.kind = 'mpesa_reversal' AND t.reference_id = r.id
                   )
               ) AS held, (
                   SELECT coalesce(-sum(e.amount), 0) FROM ledger.ledger_entries e
                   JOIN ledger.ledger_accounts a ON a.id = e.account_id WHERE a.code = 'platform:suspense:KES'
               ) AS owed
    ) s WHERE s.held <> s.owed
"""
# Nothing else puts money on the way: what a payout set aside is pending until its end is known.
PENDING = """
    SELECT 'user_balances.pending_balance', b.user_id || ' in ' || b.currency, b.pending_balance, coalesce(p.amount, 0)
    FROM treasury.user_balances b LEFT JOIN (
        SELECT user_id, sum(amount + fee) AS amount FROM treasury.mpesa_transactions
        WHERE transaction_type = 'b2c' AND purpose IS NOT NULL AND status IN ('pending', 'processing', 'held')
        GROUP BY user_id
    ) p ON p.user_id = b.user_id AND b.currency = 'KES'
    WHERE b.dao_id IS NULL AND b.pending_balance <> coalesce(p.amount, 0)
"""


def proofs() -> dict[str, str]:
    """The proofs of all postings, by what they say."""
    named = {
        f"{place}. {posting.table} and {posting.kind} agree": posting.proof()
        for place, posting in enumerate(POSTINGS, 1)
    }
    return {
        "every posting says what it is about": UNREFERENCED,
        "a cancelled pot gave back what its donors get": REFUNDED_BY_CANCELLING,
        "a receipt that was credited has one deposit": RECEIPTS_CREDITED,
        "what is held by M-Pesa is in suspense": SUSPENDED,
        "what users have pending is on its way to a phone": PENDING,
    } | named
