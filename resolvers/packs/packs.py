"""Packs: a partner's owners and managers make them, offer them and withdraw them."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import uuid4

from lango.db.postgres import RawJson
from lango.errors import Refused
from lango.rules.inputs import Changes, Details, Locked, Referred, Text, Value
from lango.rules.rule import InvalidState, rule
from lango.rules.transaction import RuleTransaction
from models.packs import Pack, Partner, PartnerStatus
from models.topics import Topic
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange, check_amount
from resolvers.kernel.outbox import publish
from resolvers.kernel.texts import TextMissing, TooMany, UrlNotValid, check_count, check_text, check_url
from resolvers.packs.partner_members import MANAGERS, NotPartnerManager, check_role

# Ten years after a birthday nobody comes any more.
MAX_VALIDITY_DAYS = 3650
MAX_PICTURES = 20
MAX_TAGS = 50
LAST_YEAR = 9998
LONGEST_TEXT = 5_000
# What a pack holds as JSON: lists of URLs, and of the partner's venues.
LISTS = frozenset({"gallery_images", "venue_restrictions"})
AMOUNTS = (
    "base_price_cfa", "discounted_price_cfa", "max_redemptions_per_user", "total_available_quantity", "validity_days",
)  # fmt: skip
DAYS = ("available_from", "available_until")


class DiscountNotBelowPrice(Refused):
    """The discounted price must be below the full price."""


class DatesNotInOrder(Refused):
    """The end must not be before the beginning."""


class UnknownVenue(Refused):
    """The partner has no such venue."""


class PartnerNotActive(Refused):
    """A partner offers packs once staff have verified it, and while it is not suspended."""


class PackDetails(Details):
    """The optional details of a pack."""

    discounted_price_cfa: Annotated[
        int | None, Value("The price that is paid instead, below the full one; null for none.")
    ]
    available_from: Annotated[
        date | None, Value("The first day on which codes are issued for it; null where it is open.")
    ]
    available_until: Annotated[
        date | None, Value("The last day on which codes are issued for it; null where it is open.")
    ]
    max_redemptions_per_user: Annotated[
        int | None, Value("How many codes one user may have for it; null for no limit. A new pack begins with 1.")
    ]
    total_available_quantity: Annotated[int | None, Value("How many codes there may be in all; null for no limit.")]
    image_url: Annotated[str | None, Text("Where the main picture is; null for none.", Pack.image_url)]
    gallery_images: Annotated[list[str] | None, Text("Where further pictures are; null for none.", 500)]
    venue_restrictions: Annotated[
        list[str] | None,
        Text("The ids or names of the partner's venues where it may be redeemed; null for all of them.", 255),
    ]
    terms_and_conditions: Annotated[str | None, Text("What its holder agrees to; null for nothing.", 20_000)]
    redemption_instructions: Annotated[str | None, Text("What to do at the till; null for nothing.", LONGEST_TEXT)]
    validity_days: Annotated[
        int,
        Value("How many days after the birthday codes issued from now on may be redeemed. A new pack begins with 90."),
    ]
    seo_title: Annotated[str | None, Text("The title for search engines; null to use `name`.", Pack.seo_title)]
    seo_description: Annotated[str | None, Text("The summary for search engines; null to use `description`.", 1_000)]
    marketing_tags: Annotated[list[str] | None, Text("Words it is advertised by; null for none.", 50)]


class PackChanges(PackDetails, Changes):
    """What may be changed of a pack."""

    name: Annotated[str, Text("What it is called where it is offered.", Pack.name)]
    description: Annotated[str, Text("What one gets for it.", LONGEST_TEXT)]
    category: Annotated[str, Text("What kind of treat it is.", Pack.category)]
    base_price_cfa: Annotated[int, Value("The full price in CFA francs.")]


CHECKS = (
    AmountNotPositive, AmountOutOfRange, DiscountNotBelowPrice, DatesNotInOrder, UnknownVenue, TextMissing,
    UrlNotValid, TooMany,
)  # fmt: skip
# A pack's partner is locked before it; a pack never changes hands.
ItsPartner = Annotated[Partner | None, Referred(Pack.partner_id)]


@rule(NotPartnerManager, InvalidState, *CHECKS)
async def create_pack(
    tx: RuleTransaction,
    partner: Annotated[Partner, Locked("The partner that redeems it.")],
    name: Annotated[str, Text("What it is called where it is offered.", Pack.name)],
    description: Annotated[str, Text("What one gets for it.", LONGEST_TEXT)],
    category: Annotated[str, Text("What kind of treat it is, such as `cinema` or `spa`.", Pack.category)],
    base_price_cfa: Annotated[int, Value("The full price in CFA francs.")],
    details: PackDetails,
) -> Pack:
    """Make a pack, which is on offer once it is published. The partner's owners and managers, or staff."""
    await check_role(tx, partner.id, MANAGERS, field="partner_id")
    if partner.status == PartnerStatus.TERMINATED:
        raise InvalidState("The partner has ended for good.", field="partner_id", state=partner.status)
    pack = Pack(id=uuid4(), partner_id=partner.id, is_active=False)
    whole = PackChanges(
        name=name, description=description, category=category, base_price_cfa=base_price_cfa, **details.given
    )
    _describe(pack, whole, partner)
    tx.save(pack)
    return pack


@rule(NotPartnerManager, *CHECKS)
async def update_pack(
    tx: RuleTransaction, partner: ItsPartner, pack: Annotated[Pack, Locked("The pack.")], changes: PackChanges
) -> Pack:
    """Change a pack. Codes that were issued keep their price and their dates."""
    await _check_manager(tx, partner)
    _describe(pack, changes, partner)
    tx.save(pack)
    return pack


@rule(NotPartnerManager, InvalidState, PartnerNotActive)
async def publish_pack(
    tx: RuleTransaction, partner: ItsPartner, pack: Annotated[Pack, Locked("The pack to offer.")]
) -> Pack:
    """Offer a pack: everyone sees it, and codes are issued for it, in its dates."""
    await _check_manager(tx, partner)
    if partner is None or partner.status != PartnerStatus.ACTIVE or partner.deleted_at is not None:
        raise PartnerNotActive(field="pack_id")
    if pack.is_active:
        raise InvalidState("The pack is on offer already.", field="pack_id", state="published")
    return await _offer(tx, pack, offered=True)


@rule(NotPartnerManager, InvalidState)
async def withdraw_pack(
    tx: RuleTransaction, partner: ItsPartner, pack: Annotated[Pack, Locked("The pack to offer no longer.")]
) -> Pack:
    """Offer a pack no longer. Codes that were issued for it are still redeemed."""
    await _check_manager(tx, partner)
    if not pack.is_active:
        raise InvalidState("The pack is not on offer.", field="pack_id", state="withdrawn")
    return await _offer(tx, pack, offered=False)


async def _check_manager(tx: RuleTransaction, partner: Partner | None) -> None:
    """Refuses unless the caller manages the pack's partner; a pack without a partner is for staff."""
    await check_role(tx, None if partner is None else partner.id, MANAGERS, field="pack_id")


async def _offer(tx: RuleTransaction, pack: Pack, *, offered: bool) -> Pack:
    pack.is_active = offered
    tx.save(pack)
    topic = Topic.PACK_PUBLISHED if offered else Topic.PACK_WITHDRAWN
    publish(tx, topic, pack.id, partner_id=pack.partner_id)
    return pack


def _describe(pack: Pack, changes: PackChanges, partner: Partner | None) -> None:
    """Take over what is given, by the names of the columns, and check the pack that comes of it."""
    _check_given(changes)
    for name, value in changes.given.items():
        listed = list(dict.fromkeys(value)) if name in LISTS and value else None
        setattr(pack, name, value if name not in LISTS else RawJson.of(listed) if listed else None)
    changed = "discounted_price_cfa" if "discounted_price_cfa" in changes else "base_price_cfa"
    if pack.discounted_price_cfa is not None and pack.discounted_price_cfa >= pack.base_price_cfa:
        raise DiscountNotBelowPrice(field=changed, basePriceCfa=pack.base_price_cfa)
    if pack.available_from and pack.available_until and pack.available_from > pack.available_until:
        raise DatesNotInOrder(field="available_until" if "available_until" in changes else "available_from")
    _check_venues(changes.venue_restrictions or [], partner)


def _check_given(changes: PackChanges) -> None:
    given = {name: value for name, value in changes.given.items() if value is not None}
    for name in ("name", "description", "category"):
        if name in given:
            check_text(given[name], field=name)
    for name in AMOUNTS:
        if name in given:
            check_amount(given[name], getattr(Pack, name), field=name)
    if (changes.validity_days or 0) > MAX_VALIDITY_DAYS:
        raise AmountOutOfRange(field="validity_days", most=MAX_VALIDITY_DAYS)
    for name in DAYS:
        if name in given and given[name].year > LAST_YEAR:
            raise DatesNotInOrder(f"The calendar ends with the year {LAST_YEAR}.", field=name)
    if changes.image_url is not None:
        check_url(changes.image_url, field="image_url")
    pictures = changes.gallery_images or []
    check_count(pictures, MAX_PICTURES, field="gallery_images")
    for url in pictures:
        check_url(url, field="gallery_images")
    check_count(changes.marketing_tags or [], MAX_TAGS, field="marketing_tags")


def _check_venues(wanted: list[str], partner: Partner | None) -> None:
    venues = partner.venues.parsed() if partner and partner.venues else []
    known = {venue.get(part) for venue in venues if isinstance(venue, dict) for part in ("id", "name")}
    for venue in wanted:
        if venue not in known:
            raise UnknownVenue(f"The partner has no venue “{venue[:80]}”.", field="venue_restrictions", venue=venue)
