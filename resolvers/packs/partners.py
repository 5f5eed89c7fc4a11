"""Partners: who registers one becomes its owner, staff verify it, and its owners say what it is and how it is paid."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from lango.db.postgres import RawJson
from lango.errors import Refused
from lango.rules.rule import InvalidState, NotFound, rule
from lango.rules.transaction import CallerTransaction, RuleTransaction
from models.packs import Partner, PartnerMember, PartnerMemberRole, PartnerStatus
from models.topics import Topic
from resolvers.kernel import clock, system_config
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange, check_amount
from resolvers.kernel.outbox import publish
from resolvers.kernel.own_matters import OwnMatter
from resolvers.kernel.texts import TextMissing, TooMany, check_count, check_text
from resolvers.packs.partner_members import NotPartnerOwner, hold, refuse_own_partner

# The partner's part of a price until staff agree on another, in percent.
REVENUE_SPLIT = system_config.Configured("partners.revenue_split_percentage", Decimal(80))
# The till reads them all at every scan.
MAX_VENUES = 200


class VenueTwice(Refused):
    """Each venue has an id and a name that no other venue has."""


class SplitOutOfRange(Refused):
    """The partner's part is from 0 to 100 percent, with two decimal places at most."""


DESCRIBED = (TextMissing, VenueTwice, TooMany)


@rule(*DESCRIBED)
async def register(caller: CallerTransaction, **details: Any) -> Partner:
    """Register a partner, for staff to verify. The caller becomes its owner."""
    tx = await caller.as_rules()
    split = await system_config.number(tx, REVENUE_SPLIT)
    partner = Partner(id=uuid4(), status=PartnerStatus.PENDING, revenue_split_percentage=split)
    _describe(partner, details)
    owner = PartnerMember(id=uuid4(), partner_id=partner.id, user_id=tx.user_id, role=PartnerMemberRole.OWNER)
    await tx.save(partner, owner)
    await publish(tx, Topic.PARTNER_REGISTERED, partner.id)
    return partner


@rule(NotFound, NotPartnerOwner, *DESCRIBED, AmountNotPositive, AmountOutOfRange)
async def update(caller: CallerTransaction, partner_id: UUID, **changes: Any) -> Partner:
    """Change what a partner says of itself, where its venues are, and how it is paid. Its owners, or staff."""
    partner = await hold(caller, partner_id)
    tx = await caller.as_rules()
    if "minimum_payout_cfa" in changes:
        check_amount(changes["minimum_payout_cfa"], Partner.minimum_payout_cfa, field="minimumPayoutCfa")
    _describe(partner, changes)
    await tx.save(partner)
    return partner


@rule(NotFound, OwnMatter, SplitOutOfRange, staff=True)
async def set_terms(
    caller: CallerTransaction,
    partner_id: UUID,
    revenue_split_percentage: Decimal | None = None,
    auto_approve_redemptions: bool | None = None,
) -> Partner:
    """Set what was agreed with a partner. What is redeemed from now on is split by it; staff."""
    partner = await _held_by_staff(caller, partner_id)
    tx = await caller.as_rules()
    if revenue_split_percentage is not None:
        if not 0 <= revenue_split_percentage <= 100 or round(revenue_split_percentage, 2) != revenue_split_percentage:
            raise SplitOutOfRange(field="revenueSplitPercentage")
        partner.revenue_split_percentage = revenue_split_percentage
    if auto_approve_redemptions is not None:
        partner.auto_approve_redemptions = auto_approve_redemptions
    await tx.save(partner)
    return partner


@rule(NotFound, OwnMatter, InvalidState, staff=True)
async def verify(caller: CallerTransaction, partner_id: UUID) -> Partner:
    """Let a registered partner begin: it redeems codes, and everyone sees it; staff."""
    partner = await _held_by_staff(caller, partner_id, PartnerStatus.PENDING)
    tx = await caller.as_rules()
    partner.verified_at = await clock.now(tx)
    partner.verified_by_user_id = tx.user_id
    return await _move(tx, partner, PartnerStatus.ACTIVE, Topic.PARTNER_VERIFIED)


@rule(NotFound, OwnMatter, InvalidState, staff=True)
async def suspend(caller: CallerTransaction, partner_id: UUID) -> Partner:
    """Stop a partner for now: its packs are not offered, and its codes are refused at the till; staff."""
    partner = await _held_by_staff(caller, partner_id, PartnerStatus.ACTIVE)
    tx = await caller.as_rules()
    return await _move(tx, partner, PartnerStatus.SUSPENDED, Topic.PARTNER_SUSPENDED)


@rule(NotFound, OwnMatter, InvalidState, staff=True)
async def reinstate(caller: CallerTransaction, partner_id: UUID) -> Partner:
    """Let a suspended partner go on; staff."""
    partner = await _held_by_staff(caller, partner_id, PartnerStatus.SUSPENDED)
    tx = await caller.as_rules()
    return await _move(tx, partner, PartnerStatus.ACTIVE, Topic.PARTNER_REINSTATED)


@rule(NotFound, OwnMatter, InvalidState, staff=True)
async def terminate(caller: CallerTransaction, partner_id: UUID) -> Partner:
    """Refuse a registration, or end with a partner for good; what it is owed is still settled; staff."""
    partner = await _held_by_staff(caller, partner_id)
    tx = await caller.as_rules()
    steps = Partner.__transitions__
    if steps is None or not steps.allows(partner.status, PartnerStatus.TERMINATED):
        raise _cannot(partner)
    return await _move(tx, partner, PartnerStatus.TERMINATED, Topic.PARTNER_TERMINATED)


async def _held_by_staff(caller: CallerTransaction, partner_id: UUID, where: PartnerStatus | None = None) -> Partner:
    """The partner, locked, in the rules' role; refuses one that does not stand where it is said to.

    Raises OwnMatter for staff who are on it themselves.
    """
    if await caller.find(Partner, partner_id) is None:
        raise NotFound("There is no such partner.", field="partnerId")
    tx = await caller.as_rules()
    await refuse_own_partner(tx, partner_id, field="partnerId")
    partner = await tx.lock(Partner, partner_id)
    if where is not None and partner.status != where:
        raise _cannot(partner)
    return partner


def _cannot(partner: Partner) -> InvalidState:
    return InvalidState(f"The partner is {partner.status}.", field="partnerId", state=partner.status)


async def _move(tx: RuleTransaction, partner: Partner, following: PartnerStatus, topic: Topic) -> Partner:
    partner.status = following
    await tx.save(partner)
    await publish(tx, topic, partner.id)
    return partner


def _describe(partner: Partner, given: dict[str, Any]) -> None:
    """Take over what is given, by the names of the columns."""
    for name in ("name", "type"):
        if name in given:
            check_text(given[name], field=name)
    for name, value in given.items():
        setattr(partner, name, _venues(value) if name == "venues" and value is not None else value)


def _venues(given: Sequence[dict[str, Any]]) -> RawJson:
    """Venues as they are kept. Each is found at the till by its id or its name, so neither may be another's."""
    check_count(given, MAX_VENUES, field="venues")
    venues = [{"id": str(uuid4()), **venue} for venue in given]
    known: set[str] = set()
    for venue in venues:
        for part in ("id", "name"):
            check_text(venue[part], field="venues")
        called = {venue["id"], venue["name"]}
        if called & known:
            raise VenueTwice(field="venues")
        known |= called
    return RawJson.of(venues)
