"""Birthday pots: their owners plan them, change them, share them and close them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from sqlalchemy import Date, DateTime, bindparam, cast, func
from sqlalchemy import types as sql

from lango.db.postgres import RawJson
from lango.db.prepared import Lookup, Query
from lango.errors import Refused
from lango.rules.inputs import Changes, Details, Id, Locked, OwnedBy, Text, Value
from lango.rules.rule import InvalidState, rule
from lango.rules.transaction import RuleTransaction
from lango.values import codes
from lango.values.time_zones import zones
from models.identity import User
from models.packs import Pack
from models.pots import Pot, PotStatus, PotVisibility
from models.profiles import Profile
from models.topics import Topic
from resolvers.kernel import clock, guardianship
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange, check_amount
from resolvers.kernel.outbox import publish
from resolvers.kernel.steps import step
from resolvers.kernel.system_config import Configured
from resolvers.kernel.texts import (
    TextMissing,
    TimeZoneUnknown,
    TooMany,
    UrlNotValid,
    check_count,
    check_text,
    check_time_zone,
    check_url,
)
from resolvers.pots import lifecycle

ENDED = frozenset({PotStatus.EXPIRED, PotStatus.CANCELLED})
OPENS_DAYS_BEFORE = 30
DEFAULT_ZONE = "Africa/Dakar"
DEFAULT_TARGET = Configured("pots.default_target_cfa", 50_000)
FURTHEST_YEARS = 10
MOST_IMAGES = 20
LONGEST_TEXT, LONGEST_URL = 5_000, 500


class NotYourPot(Refused):
    """Only the pot's owner may do this."""


class PotNotOpen(Refused):
    """The pot takes no money at present."""


class GuardianRequired(Refused):
    """You are under 18: your guardian must plan the pot for you."""


class BirthdayNotInFuture(Refused):
    """The birthday must be in the future."""


class BirthdayTooFar(Refused):
    """The birthday is too many years away."""


class TargetFixed(Refused):
    """The target can only be changed before the pot opens."""


CHECKED = (TextMissing, UrlNotValid, TooMany, AmountNotPositive, AmountOutOfRange)

# Whose birthday it is, and whether that is a minor.
OWNER = Lookup([Profile, guardianship.MINOR], lambda rows: rows.where(Profile.user_id == bindparam("user_id")))
OPENS = func.timezone(
    bindparam("zone", type_=sql.Text),
    cast(bindparam("birthday", type_=Date) - OPENS_DAYS_BEFORE, DateTime(timezone=False)),
    type_=DateTime(timezone=True),
)
# Now; the day it is there; the midnight at which the pot is to open.
CALENDAR = Lookup(
    [func.now(), cast(func.timezone(bindparam("zone", type_=sql.Text), func.now(), type_=DateTime()), Date), OPENS],
    lambda rows: rows,
)
TOKEN = Lookup([Pot.share_token], lambda rows: rows.where(Pot.id == bindparam("id")))


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose birthday a pot is for: what decides about its plan. In a role that sees the profile: the rules' own."""

    user_id: UUID
    profile: Profile | None
    is_minor: bool

    @staticmethod
    def seeking(user_id: UUID) -> Query:
        """The look-up of an owner, to be sent together with others; `found` reads it."""
        return OWNER.query(user_id=user_id)

    @classmethod
    def found(cls, user_id: UUID, found: Sequence[tuple[Any, ...]]) -> Owner:
        profile, is_minor = found[0] if found else (None, False)
        return cls(user_id, profile, bool(is_minor))

    @property
    def zone(self) -> str:
        """The time zone of the owner's days."""
        return zone_or_usual(self.profile.timezone if self.profile else None)

    @property
    def usual_title(self) -> str:
        name = self.profile.full_name.split(maxsplit=1)[:1] if self.profile else []
        return f"Anniversaire de {name[0]}" if name else "Anniversaire"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a pot opens: 30 days before the birthday, at midnight in its time zone, or at once if that is past."""

    birthday: date
    zone: str
    opens: datetime
    now: datetime

    @staticmethod
    def seeking(birthday: date, zone: str) -> Query:
        """The look-up of a schedule, to be sent together with others; `found` reads it."""
        return CALENDAR.query(birthday=birthday, zone=zone)

    @classmethod
    def found(cls, birthday: date, zone: str, found: Sequence[tuple[Any, ...]]) -> Schedule:
        """Raises BirthdayNotInFuture and BirthdayTooFar."""
        ((now, today, opens),) = found
        if birthday <= today:
            raise BirthdayNotInFuture(field="birthday", today=today.isoformat())
        if birthday.year - today.year > FURTHEST_YEARS:
            raise BirthdayTooFar(field="birthday", years=FURTHEST_YEARS)
        return cls(birthday, zone, opens, now)

    @property
    def is_due(self) -> bool:
        """Whether the pot opens at once."""
        return self.opens <= self.now


def plan(
    tx: RuleTransaction,
    owner: Owner,
    schedule: Schedule,
    *opening: Sequence[tuple[Any, ...]],
    title: str | None,
    target_amount_cfa: int,
    referral_id: UUID | None = None,
    wishes: dict[str, Any],
) -> Pot:
    """Write a pot, which without a title gets the usual one.

    Where it opens at once, `opening` is what `lifecycle.left_over` and `lifecycle.concerned` have found.
    """
    pot = Pot(
        id=uuid4(), owner_user_id=owner.user_id, title=title or owner.usual_title,
        target_amount_cfa=target_amount_cfa, birthday_date=schedule.birthday,
        scheduled_open_at=max(schedule.opens, schedule.now), status=PotStatus.SCHEDULED, time_zone=schedule.zone,
        created_from_referral_id=referral_id, raised_cfa=0, balance_cfa=0, **wishes,
    )  # fmt: skip
    tx.save(pot)
    publish(tx, Topic.POT_CREATED, pot.id)
    if schedule.is_due:
        lifecycle.open_now(tx, pot, schedule.now, *opening)
    return pot


def zone_or_usual(zone: str | None) -> str:
    """The time zone of a profile, where it is one."""
    return zone if zone is not None and zone in zones() else DEFAULT_ZONE


class Wishes(Details):
    """What a pot's owner may say of it besides title, target and birthday."""

    description: Annotated[str, Text("A description; an empty text removes it.", LONGEST_TEXT)]
    visibility: Annotated[PotVisibility, Value("Who sees it; private at first.")]
    preferred_pack_id: Annotated[UUID, Id(Pack, "The pack you wish for.", seen=True)]
    allow_anonymous_donations: Annotated[bool, Value("Whether people may give without signing in; true at first.")]
    show_donor_names: Annotated[bool, Value("Whether others see who gave; true at first.")]
    enable_messages: Annotated[bool, Value("Whether others see what donors wrote; true at first.")]
    cover_image_url: Annotated[
        str, Text("Where the main picture is; an empty text takes it away.", Pot.cover_image_url)
    ]
    gallery_images: Annotated[list[str], Text("Where further pictures are, 20 at most.", LONGEST_URL)]


class WishChanges(Wishes, Changes):
    """Wishes that take the place of those before."""


@rule(GuardianRequired, BirthdayNotInFuture, BirthdayTooFar, TimeZoneUnknown, *CHECKED)
async def create_pot(
    tx: RuleTransaction,
    birthday: Annotated[date, Value("The birthday, in the future; a day in the pot's time zone.")],
    target_amount_cfa: Annotated[int, Value("The amount to be raised, in CFA francs.")],
    title: Annotated[str | None, Text("The headline; without one the pot is named after its owner.", Pot.title)] = None,
    owner_id: Annotated[
        UUID | None, Id(User, "Whose birthday it is: a minor whose guardian you are. Without it, yours.")
    ] = None,
    time_zone: Annotated[
        str | None,
        Text("The IANA time zone whose day the birthday is; without it the one of the owner's profile.", Pot.time_zone),
    ] = None,
    *,
    wishes: Wishes,
) -> Pot:
    """Plan a pot for a birthday of one's own, or for a minor whose guardian one is.

    It opens 30 days before the birthday, at once if that is nearer. A minor's pot is planned by the guardian.
    """
    owner_user_id = await guardianship.acting_for(tx, owner_id, field="owner_id")
    check_amount(target_amount_cfa, Pot.target_amount_cfa, field="target_amount_cfa")
    if time_zone is not None:
        check_time_zone(time_zone, field="time_zone")
    wanted = _checked(wishes)
    if title is not None:
        check_text(title, field="title")
    owner = Owner.found(owner_user_id, (await tx.fetch(Owner.seeking(owner_user_id)))[0])
    if owner_user_id == tx.user_id and owner.is_minor:
        raise GuardianRequired
    zone = time_zone or owner.zone
    schedule = Schedule.found(birthday, zone, (await tx.fetch(Schedule.seeking(birthday, zone)))[0])
    if schedule.is_due:
        opening = await tx.fetch(lifecycle.left_over(owner_user_id), *lifecycle.concerned(owner_user_id))
    else:
        opening = []
    return plan(
        tx, owner, schedule, *opening, title=title and title.strip(), target_amount_cfa=target_amount_cfa,
        wishes=wanted,
    )  # fmt: skip


@rule(InvalidState, TargetFixed, *CHECKED)
async def update_pot(
    tx: RuleTransaction,
    pot: Annotated[Pot, Locked("The pot to change."), OwnedBy(Pot.owner_user_id, NotYourPot)],
    title: Annotated[str | None, Text("The headline.", Pot.title)] = None,
    target_amount_cfa: Annotated[
        int | None, Value("The amount to be raised, in CFA francs; can be changed only before the pot opens.")
    ] = None,
    *,
    wishes: WishChanges,
) -> Pot:
    """Change a pot's details; the target only before it opens. What is left out stays as it is."""
    wanted = _checked(wishes)
    if target_amount_cfa is not None:
        check_amount(target_amount_cfa, Pot.target_amount_cfa, field="target_amount_cfa")
    if title is not None:
        check_text(title, field="title")
    if pot.status in ENDED:
        raise InvalidState(f"The pot is {pot.status}.", field="pot_id", state=pot.status)
    if target_amount_cfa is not None and target_amount_cfa != pot.target_amount_cfa:
        if pot.status != PotStatus.SCHEDULED:
            raise TargetFixed(field="target_amount_cfa", state=pot.status)
        pot.target_amount_cfa = target_amount_cfa
    if title is not None:
        pot.title = title.strip()
    for name, value in wanted.items():
        setattr(pot, name, value)
    tx.save(pot)
    publish(tx, Topic.POT_UPDATED, pot.id)
    return pot


@dataclass(frozen=True, slots=True)
class Shared:
    """A pot and what opens it to whoever has it."""

    pot: Pot
    share_token: Annotated[str, Value("The token of the share link. Null where it was refused.")]


# Not idempotent: nothing is to keep the token but the pot.
@rule(idempotent=False)
async def share_pot(
    tx: RuleTransaction,
    pot: Annotated[Pot, Locked("The pot to share."), OwnedBy(Pot.owner_user_id, NotYourPot)],
    renew: Annotated[bool, Value("Make a new token: links with the one before stop working.")] = False,
) -> Shared:
    """The token of a pot's share link: whoever has it sees the pot and may give.

    The owner may always ask for it; `renew` makes another, and links with the one before open nothing any more.
    """
    (found,) = await tx.fetch(sharing(pot.id))
    return Shared(pot, share_token(tx, pot, found, renew=renew))


def sharing(pot_id: UUID) -> Query:
    """The look-up of a pot's share token, to be sent together with others, after the one that locks the pot;
    `share_token` reads it."""
    return TOKEN.query(id=pot_id)


def share_token(tx: RuleTransaction, pot: Pot, found: Sequence[tuple[Any, ...]], *, renew: bool = False) -> str:
    """The share token of a locked pot, which gets one if it has none."""
    token: str | None = found[0][0] if found else None
    if token is None or renew:
        pot.share_token = token = codes.new(codes.LONG)
        tx.save(pot)
        publish(tx, Topic.POT_SHARED, pot.id)
    return token


@rule(InvalidState)
async def close_pot(
    tx: RuleTransaction,
    pot: Annotated[Pot, Locked("The pot to close."), OwnedBy(Pot.owner_user_id, NotYourPot, or_staff=True)],
) -> Pot:
    """Take no more donations. What remains may still be spent on packs, and goes to the owner's next pot.

    The owner, or staff.
    """
    step(pot, PotStatus.CLOSED, field="pot_id")
    pot.closed_at = await clock.now(tx)
    tx.save(pot)
    publish(tx, Topic.POT_CLOSED, pot.id)
    return pot


def _checked(wishes: Wishes) -> dict[str, Any]:
    """The wishes as they are stored; an empty text clears what was there.

    Raises TooMany and UrlNotValid.
    """
    wanted = dict(wishes.given)
    if (images := wishes.gallery_images) is not None:
        check_count(images, MOST_IMAGES, field="gallery_images")
        for url in images:
            check_url(url, field="gallery_images")
        wanted["gallery_images"] = RawJson.of(images) if images else None
    if wishes.cover_image_url:
        check_url(wishes.cover_image_url, field="cover_image_url")
    for name in ("description", "cover_image_url"):
        if name in wishes:
            wanted[name] = wanted[name].strip() or None
    return wanted
