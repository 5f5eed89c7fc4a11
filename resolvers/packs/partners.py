"""Partners: who registers one becomes its owner, staff verify it, and its owners say what it is and how it is paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated
from uuid import uuid4

from lango.db.postgres import RawJson
from lango.errors import Refused
from lango.rules.inputs import Changes, Details, Locked, Text, Value
from lango.rules.rule import InvalidState, rule
from lango.rules.transaction import RuleTransaction
from models.packs import Partner, PartnerMember, PartnerMemberRole, PartnerPaymentTerms, PartnerStatus
from models.topics import Topic
from resolvers.kernel import clock, system_config
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange, check_amount
from resolvers.kernel.outbox import publish
from resolvers.kernel.own_matters import OwnMatter
from resolvers.kernel.steps import step
from resolvers.kernel.texts import TextMissing, TooMany, check_count, check_text
from resolvers.packs.partner_members import (
    OWNERS,
    NotPartnerOwner,
    belonging,
    check_role,
    refuse_members,
    refuse_own_partner,
)

# The partner's part of a price until staff agree on another, in percent.
REVENUE_SPLIT = system_config.Configured("partners.revenue_split_percentage", Decimal(80))
# The till reads them all at every scan.
MAX_VENUES = 200
LONGEST_TEXT = 5_000


class VenueTwice(Refused):
    """Two venues have the same id or name."""


class SplitOutOfRange(Refused):
    """The partner's part is from 0 to 100 percent, with two decimal places at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Venue:
    """A place where a partner's packs are redeemed."""

    id: Annotated[str | None, Text("The id the till uses; generated when left out.", 100)] = None
    name: Annotated[str, Text("Its name, unique among the partner's venues.", 255)]
    address: Annotated[str | None, Text("Where it is.", 500)] = None


class PartnerDetails(Details):
    """What a partner may say of itself."""

    description: Annotated[str | None, Text("The partner's description of itself; null for none.", LONGEST_TEXT)]
    contact_name: Annotated[str | None, Text("The contact person; null for none.", Partner.contact_name)]
    contact_email: Annotated[str | None, Text("The contact's email address; null for none.", Partner.contact_email)]
    contact_phone: Annotated[str | None, Text("The contact's phone number; null for none.", Partner.contact_phone)]
    business_registration: Annotated[
        str | None, Text("The number in the register of businesses; null for none.", Partner.business_registration)
    ]
    tax_id: Annotated[str | None, Text("The number at the tax office; null for none.", Partner.tax_id)]
    venues: Annotated[
        list[Venue] | None,
        Value(
            "The places where its packs are redeemed, all of them; one that there is already keeps its `id`. Null for"
            " none."
        ),
    ]


class PartnerChanges(PartnerDetails, Changes):
    """What its owners may change."""

    name: Annotated[str, Text("The name customers know it by.", Partner.name)]
    type: Annotated[str, Text("What kind of place it is.", Partner.type)]


class PayoutChanges(Changes):
    """How a partner is paid."""

    payment_terms: Annotated[PartnerPaymentTerms, Value("How often it is paid.")]
    minimum_payout_cfa: Annotated[int, Value("The smallest payout, in CFA francs; a smaller amount is carried over.")]


class PartnerTerms(Changes):
    """What is agreed with a partner."""

    revenue_split_percentage: Annotated[Decimal, Value("The partner's part of a price in percent, 0-100.")]
    auto_approve_redemptions: Annotated[bool, Value("Whether its settlements are approved without staff.")]


DESCRIBED = (TextMissing, VenueTwice, TooMany)


@rule(*DESCRIBED)
async def register_partner(
    tx: RuleTransaction,
    name: Annotated[str, Text("The name customers know it by.", Partner.name)],
    type: Annotated[  # noqa: A002 - as the API names it
        str, Text("What kind of place it is, such as `cinema`, `restaurant`, `spa` or `retail`.", Partner.type)
    ],
    details: PartnerDetails,
) -> Partner:
    """Register a partner, for staff to verify. The caller becomes its owner."""
    split = await system_config.number(tx, REVENUE_SPLIT)
    partner = Partner(id=uuid4(), status=PartnerStatus.PENDING, revenue_split_percentage=split)
    _describe(partner, PartnerChanges(name=name, type=type, **details.given))
    owner = PartnerMember(id=uuid4(), partner_id=partner.id, user_id=tx.user_id, role=PartnerMemberRole.OWNER)
    tx.save(partner, owner)
    publish(tx, Topic.PARTNER_REGISTERED, partner.id)
    return partner


@rule(NotPartnerOwner, *DESCRIBED, AmountNotPositive, AmountOutOfRange)
async def update_partner(
    tx: RuleTransaction,
    partner: Annotated[Partner, Locked("The partner.")],
    changes: PartnerChanges,
    payout: PayoutChanges,
) -> Partner:
    """Change a partner's details, venues and payment terms. For its owners and staff."""
    await check_role(tx, partner.id, OWNERS, field="partner_id")
    if "minimum_payout_cfa" in payout:
        check_amount(payout.minimum_payout_cfa, Partner.minimum_payout_cfa, field="minimum_payout_cfa")
    _describe(partner, changes)
    for name, value in payout.given.items():
        setattr(partner, name, value)
    tx.save(partner)
    return partner


@rule(OwnMatter, SplitOutOfRange, staff=True)
async def set_partner_terms(
    tx: RuleTransaction, partner: Annotated[Partner, Locked("The partner.")], terms: PartnerTerms
) -> Partner:
    """Set what was agreed with a partner. What is redeemed from now on is split by it; staff."""
    await refuse_own_partner(tx, partner.id, field="partner_id")
    split = terms.revenue_split_percentage
    if split is not None and (not 0 <= split <= 100 or round(split, 2) != split):
        raise SplitOutOfRange(field="revenue_split_percentage")
    for name, value in terms.given.items():
        setattr(partner, name, value)
    tx.save(partner)
    return partner


@rule(OwnMatter, InvalidState, staff=True)
async def verify_partner(
    tx: RuleTransaction, partner: Annotated[Partner, Locked("The partner that may begin.")]
) -> Partner:
    """Let a registered partner begin: it redeems codes, and everyone sees it; staff."""
    members, wards, ((now,),) = await tx.fetch(*belonging(tx, partner.id), clock.reading())
    refuse_members(tx, members, wards, field="partner_id")
    _check_status(partner, PartnerStatus.PENDING)
    partner.verified_at, partner.verified_by_user_id = now, tx.user_id
    return await _move(tx, partner, PartnerStatus.ACTIVE, Topic.PARTNER_VERIFIED)


@rule(OwnMatter, InvalidState, staff=True)
async def suspend_partner(
    tx: RuleTransaction, partner: Annotated[Partner, Locked("The partner to stop for now.")]
) -> Partner:
    """Stop a partner for now: its packs are not offered, and its codes are refused at the till; staff."""
    await refuse_own_partner(tx, partner.id, field="partner_id")
    return await _move(tx, partner, PartnerStatus.SUSPENDED, Topic.PARTNER_SUSPENDED)


@rule(OwnMatter, InvalidState, staff=True)
async def reinstate_partner(
    tx: RuleTransaction, partner: Annotated[Partner, Locked("The partner that may go on.")]
) -> Partner:
    """Let a suspended partner go on; staff."""
    await refuse_own_partner(tx, partner.id, field="partner_id")
    _check_status(partner, PartnerStatus.SUSPENDED)
    return await _move(tx, partner, PartnerStatus.ACTIVE, Topic.PARTNER_REINSTATED)


@rule(OwnMatter, InvalidState, staff=True)
async def terminate_partner(
    tx: RuleTransaction, partner: Annotated[Partner, Locked("The partner to refuse, or to end with for good.")]
) -> Partner:
    """Refuse a registration, or end with a partner for good; what it is owed is still settled; staff."""
    await refuse_own_partner(tx, partner.id, field="partner_id")
    return await _move(tx, partner, PartnerStatus.TERMINATED, Topic.PARTNER_TERMINATED)


def _check_status(partner: Partner, status: PartnerStatus) -> None:
    """Raises InvalidState for a partner that is in another state: more than one leads to `ACTIVE`."""
    if partner.status != status:
        raise InvalidState(f"The partner is {partner.status}.", field="partner_id", state=partner.status)


async def _move(tx: RuleTransaction, partner: Partner, following: PartnerStatus, topic: Topic) -> Partner:
    step(partner, following, field="partner_id")
    tx.save(partner)
    publish(tx, topic, partner.id)
    return partner


def _describe(partner: Partner, changes: PartnerChanges) -> None:
    """Take over what is given, by the names of the columns."""
    for name in ("name", "type"):
        if name in changes:
            check_text(changes.given[name], field=name)
    for name, value in changes.given.items():
        setattr(partner, name, _venues(value) if name == "venues" and value is not None else value)


def _venues(given: Sequence[Venue]) -> RawJson:
    """Venues as they are kept. Each is found at the till by its id or its name, so neither may be another's."""
    check_count(given, MAX_VENUES, field="venues")
    venues: list[dict[str, str]] = []
    known: set[str] = set()
    for venue in given:
        key = str(uuid4()) if venue.id is None else venue.id
        for part in (key, venue.name):
            check_text(part, field="venues")
        if {key, venue.name} & known:
            raise VenueTwice(field="venues")
        known |= {key, venue.name}
        address = {} if venue.address is None else {"address": venue.address}
        venues.append({"id": key, "name": venue.name, **address})
    return RawJson.of(venues)
