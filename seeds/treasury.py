"""DAOs, what their members pay in by M-Pesa, and how they spend it together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from models.treasury import (
    CurrencySwap,
    Dao,
    DaoMember,
    DaoTreasury,
    MpesaTransaction,
    ReferralPayout,
    SignerChange,
    SignerChangeApproval,
    SwapQuote,
    TransactionFee,
    TreasuryApproval,
    TreasuryTransfer,
    WalletTransaction,
)
from resolvers.ledger.ledger import Movement, dao_account, exchange, fees, promotion, provider, user_account
from seeds import mpesa, treasury_reports
from seeds.ledger import Books
from seeds.referrals import Sponsoring
from seeds.world import Dice, Person, World, named

KES = "KES"
FEE_RATE = Decimal("0.025")
SWAP_FEE = Decimal("0.005")
PAYOUT_FEE = Decimal("0.01")
# How sponsors wish to be paid, and how far that is.
REWARDS = (
    ("mpesa", "pending"), ("wallet", "completed"), ("mpesa", "rejected"), ("mpesa", "processing"), ("mpesa", "failed"),
    ("mpesa", "approved"), ("bank_transfer", "rejected"),
)  # fmt: skip
RATE = Decimal("0.0077")  # cUSD for one shilling
UNIT = Decimal("0.00000001")
SIGNATURES = 2
AN_HOUR = timedelta(hours=1)
# What signers have said of a transfer or a change of signers in that state.
DECISIONS = {
    "executed": ("approve", "approve"),
    "applied": ("approve", "approve"),
    "approved": ("approve", "approve"),
    "rejected": ("reject", "reject"),
    "proposed": ("approve",),
}
COMMENTS = {"approve": "D'accord.", "reject": "Trop cher cette année."}
ENDS = (*mpesa.UNPAID, "held")
NAMES = (
    "Tontine Médina",
    "Chama ya Wanjiku",
    "Groupement Téranga",
    "Nairobi Riders",
    "Coopérative Kayar",
    "Umoja Savers",
)


@dataclass(frozen=True, slots=True)
class Group:
    """A DAO and its members; the first is its admin, the first three its signers."""

    id: UUID
    treasury: UUID
    members: list[Person]
    founded: datetime

    @property
    def signers(self) -> list[UUID]:
        return [member.id for member in self.members[:3]]


async def load(world: World, books: Books, sponsoring: Sponsoring) -> int:
    """DAOs with members, deposits, contributions and transfers, then what single users did."""
    dice = world.dice("treasury")
    for number in range(world.size.daos):
        group = _put_dao(world, dice, number)
        for member in group.members:
            _save(world, dice, books, member, group)
        mpesa.put_account(world, dice, group.members[0], None, group.founded)
        mpesa.put_account(world, dice, group.members[0], group.id, group.founded)
        mpesa.put_nobodys(world, dice, books, group.founded + timedelta(days=70))
        _put_reserve(books, group)
        treasury_reports.put_recurring(world, dice, books, group.members, group.id)
        transfers = _decide_transfers(dice, group, number)
        _put_treasury(world, books, group, number, transfers, dice)
        _put_signer_changes(world, dice, group)
        treasury_reports.put_reports(world, dice, group.id, group.members[0].id, number)
        await world.rows.flush_if_many()
    _put_payouts(world, dice, books, sponsoring)
    treasury_reports.put_rates(world, dice)
    await world.rows.flush()
    return world.size.daos


def _put_dao(world: World, dice: Dice, number: int) -> Group:
    callers = [world.callers[name] for name in ("member", "pot_owner", "card_owner")]
    size = 6 if number < 4 else dice.randint(5, 24)
    others = dice.sample(world.adults[len(world.callers) :], min(size + 3, 20))
    members = ([*callers, *others] if number == 0 else others)[:size]
    founded = dice.ago(95, 80)
    group = Group(named(f"dao {number}"), named(f"treasury {number}"), members, founded)
    name = NAMES[number % len(NAMES)]
    status = "suspended" if number % 20 == 3 else "active"
    world.rows.put(
        Dao, id=group.id, name=name if number < len(NAMES) else f"{name} {number}",
        description="Nous épargnons chaque semaine, et décidons ensemble.",
        access="private" if number % 3 == 1 else "public", invite_code=dice.code(12), creator_id=members[0].id,
        member_count=len(members), status=status, quorum_percentage=30, created_at=founded,
    )  # fmt: skip
    for place, member in enumerate(members):
        role = "admin" if place == 0 else "elder" if place == 1 else "proposer" if place == 2 else "member"
        _put_member(world, dice, group, member, role, "approved")
    # Those who requested to join, were declined or have left, or were shut out.
    states = ("pending", "left" if number % 2 else "rejected", "banned")
    for person, state in zip([one for one in others if one not in members], states, strict=False):
        _put_member(world, dice, group, person, "member", state)
    return group


def _put_member(world: World, dice: Dice, group: Group, member: Person, role: str, status: str) -> None:
    joined = group.founded + timedelta(hours=dice.randrange(1, 72))
    world.rows.put(
        DaoMember, id=dice.id(), dao_id=group.id, user_id=member.id, role=role, status=status, joined_at=joined,
        created_at=joined,
    )  # fmt: skip


def _save(world: World, dice: Dice, books: Books, member: Person, group: Group) -> None:
    """Deposits by M-Pesa; most of it goes to the DAO, some is swapped or sent on."""
    place = group.members.index(member)
    for number in range(3):
        when = dice.moment(
            group.founded + timedelta(days=4 + 24 * number), group.founded + timedelta(days=24 + 24 * number)
        )
        # Of the first members one deposit has each of the other ends.
        status = ENDS[place] if number == 1 and place < len(ENDS) else "completed"
        amount = Decimal(dice.choice((500, 1_000, 2_000, 5_000)))
        fee = amount * FEE_RATE
        deposit = mpesa.put_deposit(world, dice, books, member, amount, fee, when, status)
        if status != "completed":
            continue
        own, given = user_account(member.id, "available", KES), (amount - fee) * Decimal("0.6")
        _put_fee(world, dice, deposit, "wallet", "mpesa_deposit", amount, fee, FEE_RATE, member, when)
        _put_movement(world, dice.id(), None, member, amount - fee, "deposit", when)
        movement = dice.id()
        _put_movement(world, movement, member, None, given, "contribution", when + AN_HOUR, dao=group.id)
        gift = Movement(own, dao_account(group.id, "available", KES), given)
        books.post("dao_contribution", when + AN_HOUR, [gift], of=("wallet_transaction", movement), by=member.id)
        if number == 1:
            _swap(world, dice, books, member, when + 2 * AN_HOUR)
        elif number == 2:
            _withdraw(world, dice, books, member, when + 3 * AN_HOUR)
        elif member is not group.members[0]:
            sent = dice.id()
            _put_movement(world, sent, member, group.members[0], Decimal(50), "transfer", when + 2 * AN_HOUR)
            paid = Movement(own, user_account(group.members[0].id, "available", KES), Decimal(50))
            books.post("transfer", when + 2 * AN_HOUR, [paid], of=("wallet_transaction", sent), by=member.id)


def _put_fee(
    world: World, dice: Dice, of: UUID, kind: str, category: str, base: Decimal, fee: Decimal, rate: Decimal,
    payer: Person, when: datetime, currency: str = KES,
) -> None:  # fmt: skip
    world.rows.put(
        TransactionFee, id=dice.id(), transaction_id=of, transaction_type=kind, fee_type="platform_fee",
        fee_category=category, base_amount=base, fee_amount=fee, fee_percentage=rate, currency=currency,
        paid_by=payer.id, platform_revenue=fee, description="Frais de service", created_at=when,
    )  # fmt: skip


def _put_movement(
    world: World, key: UUID, sender: Person | None, receiver: Person | None, amount: Decimal, kind: str,
    when: datetime, *, dao: UUID | None = None, currency: str = KES, status: str = "completed",
) -> None:  # fmt: skip
    world.rows.put(
        WalletTransaction, id=key, from_user_id=sender.id if sender else None,
        to_user_id=receiver.id if receiver else None, dao_id=dao, amount=amount, currency=currency, type=kind,
        status=status, created_at=when,
    )  # fmt: skip


def _swap(world: World, dice: Dice, books: Books, member: Person, when: datetime) -> None:
    given = Decimal(100)
    fee = given * SWAP_FEE
    got = ((given - fee) * RATE).quantize(UNIT)
    swap, quote = dice.id(), dice.id()
    world.rows.put(
        SwapQuote, id=quote, user_id=member.id, from_currency=KES, to_currency="cUSD", from_amount=given,
        to_amount=got, rate=RATE, fee=fee, fee_rate=SWAP_FEE, expires_at=when + AN_HOUR / 60, used_at=when,
        created_at=when,
    )  # fmt: skip
    world.rows.put(
        CurrencySwap, id=swap, user_id=member.id, from_currency=KES, to_currency="cUSD", from_amount=given,
        to_amount=got, exchange_rate=RATE, market_rate=RATE * Decimal("1.01"), spread=Decimal("0.01"),
        slippage=Decimal(0), platform_fee=fee, total_fee=fee, provider="manual", status="completed", created_at=when,
        completed_at=when, quote_id=quote,
    )  # fmt: skip
    _put_fee(world, dice, swap, "swap", "currency_swap", given, fee, SWAP_FEE, member, when)
    movements = [
        Movement(user_account(member.id, "available", KES), exchange(KES), given - fee),
        Movement(user_account(member.id, "available", KES), fees(KES), fee),
        Movement(exchange("cUSD"), user_account(member.id, "available", "cUSD"), got),
    ]
    books.post("swap", when, movements, of=("currency_swap", swap), by=member.id)


def _withdraw(world: World, dice: Dice, books: Books, member: Person, when: datetime) -> None:
    """A withdrawal: most were sent, some came back, and a few are on their way."""
    status = dice.choice(("completed", "completed", "completed", "failed", "processing"))
    amount, fee = Decimal(100), Decimal(1)
    payout, movement = dice.id(), dice.id()
    shown = {"completed": "completed", "failed": "failed", "processing": "pending"}[status]
    _put_movement(world, movement, member, None, amount, "withdrawal", when, status=shown)
    _put_payout(world, dice, member, payout, movement, amount, when, status, "withdrawal", fee)
    available, pending = (user_account(member.id, part, KES) for part in ("available", "pending"))
    steps = {"mpesa_withdrawal": [Movement(available, pending, amount + fee)]}
    if status == "completed":
        sent = [Movement(pending, provider("mpesa", KES), amount), Movement(pending, fees(KES), fee)]
        steps["mpesa_withdrawal_paid"] = sent
        _put_fee(world, dice, movement, "wallet", "mpesa_withdrawal", amount, fee, PAYOUT_FEE, member, when)
    elif status == "failed":
        steps["mpesa_withdrawal_reversal"] = [Movement(pending, available, amount + fee)]
    for kind, movements in steps.items():
        books.post(kind, when, movements, of=("mpesa_transaction", payout), by=member.id)


def _put_payout(
    world: World, dice: Dice, member: Person, key: UUID, movement: UUID, amount: Decimal, when: datetime, status: str,
    purpose: str, fee: Decimal = Decimal(0),
) -> None:  # fmt: skip
    done = status != "processing"
    world.rows.put(
        MpesaTransaction, id=key, user_id=member.id, transaction_type="b2c", phone_number=member.phone, amount=amount,
        fee=fee, purpose=purpose, originator_conversation_id=str(key), conversation_id=f"AG_{key.hex[:20]}",
        mpesa_receipt_number=f"Q{dice.hexadecimal(9).upper()}" if status == "completed" else None,
        paid_amount=amount if status == "completed" else None, transaction_date=when if status == "completed" else None,
        result_code={"completed": "0", "failed": "1"}.get(status), callback_received=done,
        callback_at=when if done else None, status=status,
        failure_reason="The account is not registered." if status == "failed" else None, last_retry_at=when,
        next_query_at=None if done else world.today, metadata={"walletTransactionId": str(movement)},
        created_at=when - AN_HOUR / 60, updated_at=when,
    )  # fmt: skip


def _put_reserve(books: Books, group: Group) -> None:
    """A tenth is put by for emergencies, and another promised to a project."""
    when = group.founded + timedelta(days=77)
    available = dao_account(group.id, "available", KES)
    tenth = (books.held(available) / 10).quantize(Decimal(1))
    for part in ("reserve", "allocated"):
        put_by = Movement(available, dao_account(group.id, part, KES), tenth)
        books.post("treasury_allocation", when, [put_by], of=("dao", group.id), by=group.members[0].id)


def _decide_transfers(dice: Dice, group: Group, number: int) -> list[tuple[str, datetime]]:
    """States and days of the transfers that were proposed."""
    day = group.founded + timedelta(days=78)
    states = ("executed", "proposed", "rejected", "expired", "cancelled", "approved")
    return [(state, day + AN_HOUR * place) for place, state in enumerate(states) if number < 4 or dice.happens(0.6)]


def _put_treasury(
    world: World, books: Books, group: Group, number: int, transfers: list[tuple[str, datetime]], dice: Dice
) -> None:
    amount = Decimal(200)
    for state, when in transfers:
        _put_transfer(world, dice, books, group, state, when, amount)
    parts = {part: books.held(dao_account(group.id, part, KES)) for part in ("available", "allocated", "reserve")}
    world.rows.put(
        DaoTreasury, id=group.treasury, dao_id=group.id, total_balance=sum(parts.values(), Decimal()),
        available_balance=parts["available"], allocated_balance=parts["allocated"], reserve_balance=parts["reserve"],
        minimum_reserve=Decimal(100), daily_spending_limit=Decimal(20_000), proposal_threshold=Decimal(1_000),
        required_signatures=SIGNATURES, signers=group.signers,
        last_audit_date=group.founded + timedelta(days=70) if number % 2 else None,
        audited_by=world.staff if number % 2 else None,
        audit_report={"findings": []} if number % 2 else None, notes="Deux signatures suffisent.",
        created_at=group.founded, updated_at=world.today, currency=KES,
    )  # fmt: skip


def _put_transfer(
    world: World, dice: Dice, books: Books, group: Group, state: str, when: datetime, amount: Decimal
) -> None:
    transfer, recipient, second = dice.id(), group.members[-1], group.members[1]
    executed = when + 2 * AN_HOUR if state == "executed" else None
    expires = when + timedelta(hours=4) if state == "expired" else world.today + timedelta(days=5)
    payment = dice.id() if executed else None
    if payment and executed:
        _put_movement(world, payment, None, recipient, amount, "payout", executed, dao=group.id)
        paid = Movement(dao_account(group.id, "available", KES), user_account(recipient.id, "available", KES), amount)
        books.post("treasury_transfer", executed, [paid], of=("treasury_transfer", transfer), by=second.id)
    world.rows.put(
        TreasuryTransfer, id=transfer, treasury_id=group.treasury, proposed_by=group.members[2].id,
        recipient_user_id=recipient.id, amount=amount, currency=KES, purpose="Achat de semences", status=state,
        executed_at=executed, executed_by=second.id if executed else None, wallet_transaction_id=payment,
        closed_by={"rejected": second.id, "cancelled": group.members[2].id}.get(state),
        closing_reason="Le prix a monté." if state == "cancelled" else None,
        blocked_by="DAILY_LIMIT" if state == "approved" else None, threshold_at_proposal=SIGNATURES,
        signers_at_proposal=group.signers, expires_at=expires, created_at=when, updated_at=executed or when,
    )  # fmt: skip
    for signer, decision in zip(group.members, DECISIONS.get(state, ()), strict=False):
        world.rows.put(
            TreasuryApproval, id=dice.id(), transfer_id=transfer, signer_id=signer.id, decision=decision,
            comment=COMMENTS[decision], created_at=when + AN_HOUR,
        )  # fmt: skip


def _put_signer_changes(world: World, dice: Dice, group: Group) -> None:
    """Changes of signers and limits that were proposed; those that were applied made the treasury what it is."""
    day = group.founded + timedelta(days=76)
    for place, state in enumerate(("applied", "rejected", "cancelled", "expired", "proposed")):
        change, when = dice.id(), day + AN_HOUR * 6 * place
        by = {"applied": 1, "rejected": 1, "cancelled": 0}.get(state)
        world.rows.put(
            SignerChange, id=change, treasury_id=group.treasury, proposed_by=group.members[0].id,
            added=[group.members[2].id] if state == "applied" else [group.members[3].id], removed=[],
            threshold=SIGNATURES if state == "applied" else None,
            minimum_reserve=Decimal(100) if state == "applied" else None,
            daily_spending_limit=Decimal(20_000) if state == "applied" else None, currency=KES, status=state,
            expires_at=when + timedelta(days=7) if state != "proposed" else world.today + timedelta(days=5),
            applied_at=when + AN_HOUR if state == "applied" else None,
            closed_by=None if by is None else group.members[by].id, created_at=when, updated_at=when + AN_HOUR,
        )  # fmt: skip
        for signer, decision in zip(group.members, DECISIONS.get(state, ()), strict=False):
            world.rows.put(
                SignerChangeApproval, id=dice.id(), change_id=change, signer_id=signer.id, decision=decision,
                comment=COMMENTS[decision], created_at=when + AN_HOUR,
            )  # fmt: skip


def _put_payouts(world: World, dice: Dice, books: Books, sponsoring: Sponsoring) -> None:
    """Rewards that are requested; some are paid, to a balance or a phone."""
    for number, (sponsor, referral, accepted) in enumerate(sponsoring.accepted[::3]):
        method, state = REWARDS[number % len(REWARDS)]
        requested = min(accepted + timedelta(days=1), world.today)
        reward, payout, movement = dice.id(), dice.id(), dice.id()
        by_phone, moved = method == "mpesa", state in ("processing", "completed")
        currency, amount = (KES, Decimal(495)) if by_phone else ("MTAA", Decimal(50))
        if moved:
            shown = "completed" if state == "completed" else "pending"
            _put_movement(world, movement, None, sponsor, amount, "payout", requested, currency=currency, status=shown)
            part = user_account(sponsor.id, "pending" if by_phone else "available", currency)
            granted = Movement(promotion(currency), part, amount)
            books.post("referral_payout", requested, [granted], of=("referral_payout", reward), by=world.staff)
        if moved and by_phone:
            _put_payout(world, dice, sponsor, payout, movement, amount, requested, state, "referral_payout")
        world.rows.put(
            ReferralPayout, id=reward, referrer_id=sponsor.id, amount=amount, currency=currency, payout_method=method,
            destination_phone=sponsor.phone if by_phone else None,
            destination_account=f"SN{dice.randrange(10**10):010d}" if method == "bank_transfer" else None,
            status=state, requested_at=requested,
            processed_at=requested if state in ("processing", "failed", "completed") else None,
            completed_at=requested if state == "completed" else None, transaction_id=movement if moved else None,
            mpesa_transaction_id=payout if moved and by_phone else None,
            failure_reason="The account is not registered." if state == "failed" else None,
            notes="Already rewarded." if state == "rejected" else None, referral_id=referral, created_at=requested,
        )  # fmt: skip
