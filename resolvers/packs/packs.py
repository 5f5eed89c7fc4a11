"""Packs: a partner's owners and managers make them, offer them and withdraw them."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from lango.db.postgres import RawJson
from lango.errors import Refused
from lango.rules.rule import InvalidState, NotFound, rule
from lango.rules.transaction import CallerTransaction, RuleTransaction
from models.packs import Pack, Partner, PartnerStatus
from models.topics import Topic
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange, check_amount
from resolvers.kernel.outbox import publish
from resolvers.kernel.texts import TextMissing, TooMany, UrlNotValid, check_count, check_text, check_url
from resolvers.packs.partner_members import MANAGERS, NotPartnerManager, hold, hold_of_pack

# Ten years after a birthday nobody comes any more.
MAX_VALIDITY_DAYS = 3650
MAX_PICTURES = 20
MAX_TAGS = 50
LAST_YEAR = 9998
# What a pack holds as JSON: lists of URLs, and of the partner's venues.
LISTS = frozenset({"gallery_images", "venue_restrictions"})
AMOUNTS = {
    "base_price_cfa": "basePriceCfa",
    "discounted_price_cfa": "discountedPriceCfa",
    "max_redemptions_per_user": "maxRedemptionsPerUser",
    "total_available_quantity": "totalAvailableQuantity",
    "validity_days": "validityDays",
}
DAYS = {"available_from": "availableFrom", "available_until": "availableUntil"}


class DiscountNotBelowPrice(Refused):
    """A discounted price is below the full one."""


class DatesNotInOrder(Refused):
    """The last day is not before the first one."""


class UnknownVenue(Refused):
    """The partner has no such venue."""


class PartnerNotActive(Refused):
    """A partner offers packs once staff have verified it, and while it is not suspended."""


CHECKS = (
    AmountNotPositive, AmountOutOfRange, DiscountNotBelowPrice, DatesNotInOrder, UnknownVenue, TextMissing,
    UrlNotValid, TooMany,
)  # fmt: skip


@rule(NotFound, NotPartnerManager, InvalidState, *CHECKS)
async def create(caller: CallerTransaction, partner_id: UUID, **details: Any) -> Pack:
    """Make a pack, which is on offer once it is published. The partner's owners and managers, or staff."""
    partner = await hold(caller, partner_id, MANAGERS)
    tx = await caller.as_rules()
    if partner.status == PartnerStatus.TERMINATED:
        raise InvalidState("The partner has ended for good.", field="partnerId", state=partner.status)
    pack = Pack(id=uuid4(), partner_id=partner.id, is_active=False)
    _describe(pack, details, partner)
    await tx.save(pack)
    return pack


@rule(NotFound, NotPartnerManager, *CHECKS)
async def update(caller: CallerTransaction, pack_id: UUID, **changes: Any) -> Pack:
    """Change a pack. Codes that were issued keep their price and their dates."""
    pack, partner = await _held(caller, pack_id)
    tx = await caller.as_rules()
    _describe(pack, changes, partner)
    await tx.save(pack)
    return pack


@rule(NotFound, NotPartnerManager, InvalidState, PartnerNotActive)
async def publish_pack(caller: CallerTransaction, pack_id: UUID) -> Pack:
    """Offer a pack: everyone sees it, and codes are issued for it, in its dates."""
    pack, partner = await _held(caller, pack_id)
    tx = await caller.as_rules()
    if partner is None or partner.status != PartnerStatus.ACTIVE or partner.deleted_at is not None:
        raise PartnerNotActive(field="packId")
    if pack.is_active:
        raise InvalidState("The pack is on offer already.", field="packId", state="published")
    return await _offer(tx, pack, offered=True)


@rule(NotFound, NotPartnerManager, InvalidState)
async def withdraw(caller: CallerTransaction, pack_id: UUID) -> Pack:
    """Offer a pack no longer. Codes that were issued for it are still redeemed."""
    pack, _ = await _held(caller, pack_id)
    tx = await caller.as_rules()
    if not pack.is_active:
        raise InvalidState("The pack is not on offer.", field="packId", state="withdrawn")
    return await _offer(tx, pack, offered=False)


async def _offer(tx: RuleTransaction, pack: Pack, *, offered: bool) -> Pack:
    pack.is_active = offered
    await tx.save(pack)
    topic = Topic.PACK_PUBLISHED if offered else Topic.PACK_WITHDRAWN
    await publish(tx, topic, pack.id, partner_id=pack.partner_id)
    return pack


async def _held(caller: CallerTransaction, pack_id: UUID) -> tuple[Pack, Partner | None]:
    """The pack and its partner, locked, in the rules' role, for the partner's owners and managers, or staff."""
    seen = await caller.find(Pack, pack_id)
    if seen is None:
        raise NotFound("There is no such pack.", field="packId")
    if seen.partner_id is None and not caller.actor.is_staff:
        raise NotPartnerManager(field="packId")
    tx = await caller.as_rules()
    # A pack never changes hands.
    partner = await hold_of_pack(tx, seen.partner_id) if seen.partner_id else None
    return await tx.lock(Pack, pack_id), partner


def _describe(pack: Pack, given: dict[str, Any], partner: Partner | None) -> None:
    """Take over what is given, by the names of the columns, and check the pack that comes of it."""
    _check_given(given)
    for name, value in given.items():
        listed = list(dict.fromkeys(value)) if name in LISTS and value else None
        setattr(pack, name, value if name not in LISTS else RawJson.of(listed) if listed else None)
    changed = "discountedPriceCfa" if "discounted_price_cfa" in given else "basePriceCfa"
    if pack.discounted_price_cfa is not None and pack.discounted_price_cfa >= pack.base_price_cfa:
        raise DiscountNotBelowPrice(field=changed, basePriceCfa=pack.base_price_cfa)
    if pack.available_from and pack.available_until and pack.available_from > pack.available_until:
        raise DatesNotInOrder(field="availableUntil" if "available_until" in given else "availableFrom")
    if given.get("venue_restrictions"):
        _check_venues(given["venue_restrictions"], partner)


def _check_given(given: dict[str, Any]) -> None:
    for name in ("name", "description", "category"):
        if name in given:
            check_text(given[name], field=name)
    for name in AMOUNTS.keys() & given.keys():
        if given[name] is not None:
            check_amount(given[name], getattr(Pack, name), field=AMOUNTS[name])
    if (given.get("validity_days") or 0) > MAX_VALIDITY_DAYS:
        raise AmountOutOfRange(field="validityDays", most=MAX_VALIDITY_DAYS)
    for name in DAYS.keys() & given.keys():
        if given[name] is not None and given[name].year > LAST_YEAR:
            raise DatesNotInOrder(f"The calendar ends with the year {LAST_YEAR}.", field=DAYS[name])
    if given.get("image_url") is not None:
        check_url(given["image_url"], field="imageUrl")
    check_count(given.get("gallery_images") or [], MAX_PICTURES, field="galleryImages")
    for url in given.get("gallery_images") or []:
        check_url(url, field="galleryImages")
    check_count(given.get("marketing_tags") or [], MAX_TAGS, field="marketingTags")


def _check_venues(wanted: list[str], partner: Partner | None) -> None:
    venues = partner.venues.parsed() if partner and partner.venues else []
    known = {venue.get(part) for venue in venues if isinstance(venue, dict) for part in ("id", "name")}
    for venue in wanted:
        if venue not in known:
            raise UnknownVenue(f"The partner has no venue “{venue[:80]}”.", field="venueRestrictions", venue=venue)
