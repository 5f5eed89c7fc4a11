"""Birthday pots: their owners plan them, change them, share them and close them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Date, DateTime, Text, bindparam, cast, func

from lango.actor import Actor
from lango.db.postgres import RawJson
from lango.db.prepared import Lookup
from lango.db.session import Transaction
from lango.errors import Refused
from lango.rules.rule import InvalidState, NotFound, rule
from lango.rules.transaction import CallerTransaction, RuleTransaction
from lango.values import codes
from lango.values.time_zones import zones
from models.packs import Pack
from models.pots import Pot, PotStatus, PotVisibility
from models.profiles import Profile
from models.topics import Topic
from resolvers.kernel import clock, guardianship, system_config
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange, check_amount
from resolvers.kernel.outbox import publish
from resolvers.kernel.system_config import Configured
from resolvers.kernel.texts import TextMissing, TooMany, UrlNotValid, check_count, check_text, check_url
from resolvers.pots import lifecycle

ENDED = frozenset({PotStatus.EXPIRED, PotStatus.CANCELLED})
OPENS_DAYS_BEFORE = 30
DEFAULT_ZONE = "Africa/Dakar"
DEFAULT_TARGET = Configured("pots.default_target_cfa", 50_000)
FURTHEST_YEARS = 10
ADULT_AGE = 18
MOST_IMAGES = 20


class NotYourPot(Refused):
    """Only the pot's owner may do this."""


class PotNotOpen(Refused):
    """The pot takes no money at present."""


class GuardianRequired(Refused):
    """Under 18, a guardian plans the pot for you."""


class BirthdayNotInFuture(Refused):
    """The birthday must be in the future."""


class BirthdayTooFar(Refused):
    """The birthday is too many years away."""


class TimeZoneUnknown(Refused):
    """There is no such time zone."""


class TargetFixed(Refused):
    """The target can only be changed before the pot opens."""


# What a pot's owner may say of it besides title, target and birthday.
WISHES = (
    "description", "visibility", "preferred_pack_id", "allow_anonymous_donations", "show_donor_names",
    "enable_messages", "cover_image_url", "gallery_images",
)  # fmt: skip
CHECKED = (TextMissing, UrlNotValid, TooMany, AmountNotPositive, AmountOutOfRange)

ZONE = Lookup([Profile], lambda rows: rows.where(Profile.user_id == bindparam("user_id")))
MINOR = Lookup(
    [Profile.date_of_birth > cast(func.current_date() - func.make_interval(ADULT_AGE), Date)],
    lambda rows: rows.where(Profile.user_id == bindparam("user_id")),
)
OPENS = func.timezone(
    bindparam("zone", type_=Text),
    cast(bindparam("birthday", type_=Date) - OPENS_DAYS_BEFORE, DateTime(timezone=False)),
    type_=DateTime(timezone=True),
)
# Now; the day it is there; the midnight at which the pot is to open.
CALENDAR = Lookup(
    [func.now(), cast(func.timezone(bindparam("zone", type_=Text), func.now(), type_=DateTime()), Date), OPENS],
    lambda rows: rows,
)
TOKEN = Lookup([Pot.share_token], lambda rows: rows.where(Pot.id == bindparam("id")))


async def plan(
    tx: RuleTransaction,
    owner_user_id: UUID,
    *,
    title: str | None,
    target_amount_cfa: int | None,
    birthday: date,
    referral_id: UUID | None = None,
    time_zone: str | None = None,
    wishes: dict[str, Any] | None = None,
) -> Pot:
    """Write a pot that opens 30 days before the birthday, at midnight in its time zone, or at once if that is past.

    In the rules' role. Without a title, a target or a zone it gets the usual ones. Raises BirthdayNotInFuture and
    BirthdayTooFar.
    """
    found = await ZONE.one(tx, user_id=owner_user_id)
    profile: Profile | None = found[0] if found else None
    zone = time_zone or (profile.timezone if profile and profile.timezone in zones() else None) or DEFAULT_ZONE
    calendar = await CALENDAR.one(tx, zone=zone, birthday=birthday)
    assert calendar is not None
    now, today, opens = calendar
    if birthday <= today:
        raise BirthdayNotInFuture(field="birthday", today=today.isoformat())
    if birthday.year - today.year > FURTHEST_YEARS:
        raise BirthdayTooFar(field="birthday", years=FURTHEST_YEARS)
    if target_amount_cfa is None:
        target_amount_cfa = await system_config.number(tx, DEFAULT_TARGET)
    pot = Pot(
        id=uuid4(), owner_user_id=owner_user_id, title=title or _usual_title(profile),
        target_amount_cfa=target_amount_cfa, birthday_date=birthday, scheduled_open_at=max(opens, now),
        status=PotStatus.SCHEDULED, time_zone=zone, created_from_referral_id=referral_id, raised_cfa=0, balance_cfa=0,
        **(wishes or {}),
    )  # fmt: skip
    await tx.save(pot)
    await publish(tx, Topic.POT_CREATED, pot.id)
    if opens <= now:
        older = await tx.lock_all(Pot, await lifecycle.left_over(tx, owner_user_id))
        await lifecycle.open_now(tx, pot, list(older.values()), now)
    return pot


@rule(
    NotFound, GuardianRequired, BirthdayNotInFuture, BirthdayTooFar, TimeZoneUnknown, *CHECKED
)  # fmt: skip
async def create(
    caller: CallerTransaction,
    birthday: date,
    target_amount_cfa: int,
    title: str | None = None,
    owner_id: UUID | None = None,
    time_zone: str | None = None,
    **wishes: Any,
) -> Pot:
    """Plan a pot for a birthday of one's own, or for a minor whose guardian one is.

    It opens 30 days before the birthday, at once if that is nearer. A minor's pot is planned by the guardian.
    """
    owner = await guardianship.acting_for(caller, owner_id, field="ownerId")
    check_amount(target_amount_cfa, Pot.target_amount_cfa, field="targetAmountCfa")
    if time_zone is not None and time_zone not in zones():
        raise TimeZoneUnknown(field="timeZone")
    wanted = await _checked(caller, wishes)
    if title is not None:
        check_text(title, field="title")
    tx = await caller.as_rules()
    if owner == tx.actor.user_id and await _is_minor(tx, owner):
        raise GuardianRequired
    return await plan(
        tx, owner, title=title and title.strip(), target_amount_cfa=target_amount_cfa, birthday=birthday,
        time_zone=time_zone, wishes=wanted,
    )  # fmt: skip


@rule(NotFound, NotYourPot, InvalidState, TargetFixed, *CHECKED)
async def update(
    caller: CallerTransaction,
    pot_id: UUID,
    title: str | None = None,
    target_amount_cfa: int | None = None,
    **wishes: Any,
) -> Pot:
    """Change what a pot says of itself; the target only before it opens. What is left out stays as it is."""
    await own_pot(caller, pot_id)
    wanted = await _checked(caller, wishes)
    if target_amount_cfa is not None:
        check_amount(target_amount_cfa, Pot.target_amount_cfa, field="targetAmountCfa")
    if title is not None:
        check_text(title, field="title")
    tx = await caller.as_rules()
    pot = await tx.lock(Pot, pot_id)
    if pot.status in ENDED:
        raise InvalidState(f"The pot is {pot.status}.", field="potId", state=pot.status)
    if target_amount_cfa is not None and target_amount_cfa != pot.target_amount_cfa:
        if pot.status != PotStatus.SCHEDULED:
            raise TargetFixed(field="targetAmountCfa", state=pot.status)
        pot.target_amount_cfa = target_amount_cfa
    if title is not None:
        pot.title = title.strip()
    for name, value in wanted.items():
        setattr(pot, name, value)
    await tx.save(pot)
    await publish(tx, Topic.POT_UPDATED, pot.id)
    return pot


@dataclass(frozen=True, slots=True)
class Shared:
    """A pot and what opens it to whoever has it."""

    pot: Pot
    share_token: str


# Not idempotent: nothing is to keep the token but the pot.
@rule(NotFound, NotYourPot, idempotent=False)
async def share(caller: CallerTransaction, pot_id: UUID, renew: bool = False) -> Shared:
    """The token of a pot's share link: whoever has it sees the pot and may give.

    The owner may always ask for it; `renew` makes another, and links with the one before open nothing any more.
    """
    await own_pot(caller, pot_id)
    tx = await caller.as_rules()
    pot = await tx.lock(Pot, pot_id)
    return Shared(pot, await share_token(tx, pot, renew=renew))


async def share_token(tx: RuleTransaction, pot: Pot, *, renew: bool = False) -> str:
    """The share token of a locked pot, which gets one if it has none."""
    found = await TOKEN.one(tx, id=pot.id)
    token: str | None = found[0] if found else None
    if token is None or renew:
        pot.share_token = token = codes.new(codes.LONG)
        await tx.save(pot)
        await publish(tx, Topic.POT_SHARED, pot.id)
    return token


@rule(NotFound, NotYourPot, InvalidState)
async def close(caller: CallerTransaction, pot_id: UUID) -> Pot:
    """Take no more donations. What remains may still be spent on packs, and goes to the owner's next pot.

    The owner, or staff.
    """
    await own_pot(caller, pot_id, or_staff=caller.actor)
    tx = await caller.as_rules()
    pot = await tx.lock(Pot, pot_id)
    if not Pot.__transitions__.allows(pot.status, PotStatus.CLOSED):
        raise InvalidState(f"The pot is {pot.status}; it must be open or funded.", field="potId", state=pot.status)
    now = await clock.now(tx)
    pot.status, pot.closed_at = PotStatus.CLOSED, now
    await tx.save(pot)
    await publish(tx, Topic.POT_CLOSED, pot.id)
    return pot


async def own_pot(tx: Transaction, pot_id: UUID, *, field: str = "potId", or_staff: Actor | None = None) -> Pot:
    """The pot, if the caller, or a minor the caller answers for, owns it; or where staff may, for them.

    Reads as the caller. Raises NotFound and NotYourPot.
    """
    pot = await tx.find(Pot, pot_id)
    if pot is None:
        raise NotFound("There is no such pot.", field=field)
    if or_staff is not None and or_staff.is_staff:
        return pot
    if pot.owner_user_id not in await guardianship.my_people(tx):
        raise NotYourPot(field=field)
    return pot


def _usual_title(profile: Profile | None) -> str:
    name = profile.full_name.split(maxsplit=1)[0] if profile and profile.full_name.strip() else None
    return f"Anniversaire de {name}" if name else "Anniversaire"


async def _is_minor(tx: Transaction, user_id: UUID) -> bool:
    found = await MINOR.one(tx, user_id=user_id)
    return bool(found and found[0])


async def _checked(tx: Transaction, wishes: dict[str, Any]) -> dict[str, Any]:
    """The wishes as they are stored; an empty text clears what was there. Reads as the caller."""
    wanted = {name: wishes[name] for name in WISHES if name in wishes}
    if (pack_id := wanted.get("preferred_pack_id")) is not None and await tx.find(Pack, pack_id) is None:
        raise NotFound("There is no such pack.", field="preferredPackId")
    images = wanted.get("gallery_images", [])
    check_count(images, MOST_IMAGES, field="galleryImages")
    for url in images:
        check_url(url, field="galleryImages")
    if cover := wanted.get("cover_image_url"):
        check_url(cover, field="coverImageUrl")
    if "gallery_images" in wanted:
        wanted["gallery_images"] = RawJson.of(images) if images else None
    for name in ("description", "cover_image_url"):
        if name in wanted:
            wanted[name] = wanted[name].strip() or None
    if "visibility" in wanted:
        wanted["visibility"] = PotVisibility(wanted["visibility"])
    return wanted
