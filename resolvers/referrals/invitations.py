"""Referrals: a sponsor invites people, and earns points by those who accept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, Date, DateTime, Uuid, any_, bindparam, cast, func, literal_column, text
from sqlalchemy import types as sql

from lango.db.prepared import Lookup, Prepared
from lango.db.transaction import Transaction
from lango.errors import BadUserInput, Refused
from lango.jobs.job import scheduled
from lango.rules.inputs import Id, Text, Value
from lango.rules.rule import InvalidState, NotFound, rule
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from lango.values import codes
from models.identity import User
from models.notifications import NotificationChannel
from models.pots import Pot, PotInvitation, PotInvitationInvitationMethod, PotVisibility
from models.profiles import Profile
from models.referrals import PointsLedgerEntryEventType as Event
from models.referrals import Referral, ReferralStatus
from models.topics import Topic
from resolvers.kernel import clock, contacts, due, guardianship, opt_outs, system_config
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange, check_amount
from resolvers.kernel.invitees import INVITED, WRITTEN, Invitable, Invitee, InviteeInput
from resolvers.kernel.notifications import FirstName, notify, send_to
from resolvers.kernel.outbox import publish
from resolvers.kernel.share_links import hashes_of
from resolvers.kernel.texts import TextMissing, check_text
from resolvers.packs import campaigns
from resolvers.points import points
from resolvers.pots import lifecycle, pots
from resolvers.pots.pots import GuardianRequired
from resolvers.referrals.daily_limits import DailyLimit, DailyLimitReached, lock_today, zone_of

ForAMinor = Annotated[UUID | None, Id(User, "The minor for whom you act, as their guardian; yourself when left out.")]
Message = Annotated[str | None, Text("A message to go with the invitations.", 1_000)]
Left = Annotated[int, Value("How many more invitations may be sent today.")]
CODE = Text("The invitation's code, as it was sent or typed: blanks, hyphens and letter case do not matter.", 60)
Code = Annotated[str, CODE]
ANY_CODE = "The code of an invitation, or the token of one to a pot, as it was sent or is typed."
VALID_FOR = timedelta(days=7)


class NobodyInvited(Refused):
    """Name somebody to invite."""


class OwnReferral(Refused):
    """This invitation was sent by you, or by somebody for whom you or your guardian act."""


class Expired(Refused):
    """This invitation has expired."""


class AlreadySponsored(Refused):
    """You have accepted an invitation before; only one can be accepted."""


class BirthdayUnknown(Refused):
    """For a pot the date of birth must be known: complete the profile first."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Invitations that were sent, and how many more may be sent today."""

    referrals: list[Referral]
    left: Left


@rule(NotFound, NobodyInvited, DailyLimitReached, *WRITTEN, *INVITED)
async def send_referrals(
    tx: RuleTransaction,
    invitees: Annotated[list[InviteeInput], Value("Whom to invite.")],
    message: Message = None,
    sponsor_id: ForAMinor = None,
) -> Sent:
    """Invite people: all of them, or nobody where one cannot be invited or the day's limit does not suffice.

    A guardian invites for a minor by `sponsorId`.
    """
    sponsor = await guardianship.acting_for(tx, sponsor_id, field="sponsor_id")
    if not invitees:
        raise NobodyInvited(field="invitees")
    daily_limit = await lock_today(tx, sponsor)
    given = [(f"invitees.{place}", person) for place, person in enumerate(invitees)]
    return await invite(tx, daily_limit, given, message, field="invitees")


async def invite(
    tx: RuleTransaction,
    daily_limit: DailyLimit,
    given: Sequence[tuple[str, InviteeInput]],
    message: str | None,
    *,
    field: str,
    batch_id: UUID | None = None,
) -> Sent:
    """Invite people, each with the path into the input, under the sponsor's lock. In the rules' role.

    Raises DailyLimitReached, and the refusals of WRITTEN and INVITED.
    """
    day, now = daily_limit.day, daily_limit.now
    sponsor = day.sponsor_user_id
    first = daily_limit.take(len(given), field=field)
    region = await contacts.region_of(tx, sponsor)
    invited = [(path, Invitee.read(person, region, field=path)) for path, person in given]
    invitable = await Invitable.among(tx, sponsor, [person for _, person in invited], now)
    for path, person in invited:
        invitable.take(person, field=path)
    sent = [
        Referral(
            id=uuid4(), sponsor_user_id=sponsor, referral_code=codes.new(), invited_phone=person.phone,
            invited_email=person.email, invited_name=person.name, invitation_message=message,
            status=ReferralStatus.SENT, sent_at=now, expired_at=now + VALID_FOR, daily_limit_id=day.id,
            batch_id=batch_id, invitation_order=place,
        )
        for place, (_, person) in enumerate(invited, first)
    ]  # fmt: skip
    tx.save(day, *sent)
    for referral in sent:
        publish(tx, Topic.REFERRAL_SENT, referral.id, sponsor_user_id=sponsor)
        _write_to(tx, referral)
    return Sent(sent, daily_limit.left)


@dataclass(frozen=True, slots=True)
class ReferralPotInput:
    """The pot that comes with accepting an invitation; `{}` for the usual one. It is `FRIENDS_ONLY`: the sponsor sees
    it, unless `updatePot` makes it private."""

    title: Annotated[str | None, Text("The headline; the usual one when left out.", Pot.title)] = None
    target_amount_cfa: Annotated[
        int | None, Value("The amount to be raised, in CFA francs; the usual one when left out.")
    ] = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """An invitation that was accepted, and the pot that came with it, if one was wanted."""

    referral: Referral
    pot: Pot | None


@rule(
    NotFound, OwnReferral, Expired, InvalidState, AlreadySponsored, BirthdayUnknown, GuardianRequired, TextMissing,
    AmountNotPositive, AmountOutOfRange,
)  # fmt: skip
async def accept_referral(
    tx: RuleTransaction,
    code: Code,
    create_pot: Annotated[ReferralPotInput | None, Value("A pot for the next birthday; none when left out.")] = None,
    user_id: ForAMinor = None,
) -> Accepted:
    """Accept an invitation, once; its sponsor earns points. With `createPot` a pot for the next birthday comes with it.

    A guardian accepts for a minor by `userId`, and plans the minor's pot.
    """
    user = await guardianship.acting_for(tx, user_id, field="user_id")
    _check_wanted(create_pot)
    referral = await _answered(tx, code)
    # Points are earned by others: a guardian does not earn by the own minor, nor a minor by the guardian.
    if await guardianship.are_related(tx, user, referral.sponsor_user_id):
        raise OwnReferral(field="code")
    if create_pot is not None:
        # Before the users: what is left in the pots before may be carried over to this one.
        await tx.lock_all(Pot, await lifecycle.left_over(tx, user))
    await tx.lock_all(User, [user, referral.sponsor_user_id])
    if await points.CAME_BY.one(tx, user_id=user) is not None:
        raise AlreadySponsored(field="code")
    born = None if create_pot is None else await _born(tx, user)
    referral.status, referral.sponsored_user_id = ReferralStatus.ACCEPTED, user
    await _note_accepted(tx, referral)
    tx.save(referral)
    publish(tx, Topic.REFERRAL_ACCEPTED, referral.id, sponsor_user_id=referral.sponsor_user_id)
    earned = await _reward(tx, referral, user)
    name = FirstName(user, otherwise=referral.invited_name or "")
    notify(tx, referral.sponsor_user_id, "referral_accepted", user_name=name, points=earned)
    if born is None or create_pot is None:
        return Accepted(referral, None)
    pot = await pots.plan(
        tx, user, title=create_pot.title, target_amount_cfa=create_pot.target_amount_cfa,
        birthday=next_birthday(born, await _today(tx, user)), referral_id=referral.id,
        # The sponsor sees it, and may turn points into money for it, unless the owner makes it private.
        wishes={"visibility": PotVisibility.FRIENDS_ONLY},
    )  # fmt: skip
    return Accepted(referral, pot)


@dataclass(frozen=True, slots=True)
class Declined:
    """An invitation that was turned down; whoever did may not be able to read it."""

    referral: Referral
    declined: Annotated[bool, Value("Whether it is turned down now.")]


@rule(NotFound, OwnReferral, Expired, InvalidState, anonymous=True)
async def decline_referral(tx: RuleTransaction, code: Code) -> Declined:
    """Turn an invitation down, also without an account: its code is the right to."""
    referral = await _answered(tx, code)
    await _decline(tx, referral)
    return Declined(referral, declined=True)


@dataclass(frozen=True, slots=True)
class Wished:
    """Whether invitations go to somebody from now on."""

    invitations: Annotated[bool, Value("Whether invitations go there from now on. Null where it was refused.")]


@rule(NotFound, OwnReferral, anonymous=True)
async def opt_out_of_invitations(tx: RuleTransaction, code: Annotated[str, Text(ANY_CODE, 64)]) -> Wished:
    """Get no more invitations, of anybody, at the phone and email that one went to: its code is the right to.

    Also without an account; an invitation that waits for an answer is declined with it.
    """
    referral, ways = await _of_code(tx, code)
    if referral is not None:
        if referral.sponsor_user_id in await guardianship.represented_users(tx):
            raise OwnReferral(field="code")
        if referral.status == ReferralStatus.SENT:
            await _decline(tx, referral)
    await opt_outs.add(tx, ways)
    return Wished(invitations=False)


@rule(NotFound, OwnReferral, anonymous=True)
async def opt_in_to_invitations(
    tx: RuleTransaction, code: Annotated[str | None, Text(f"{ANY_CODE} Signed in, left out for your own.", 64)] = None
) -> Wished:
    """Get invitations again, at the phone and email of an invitation's code; signed in, at those of the account."""
    if code is None:
        if tx.actor.user_id is None:
            raise BadUserInput("Sign in, or say by `code` which invitation it was.")
        user = await tx.find(User, tx.actor.user_id)
        assert user is not None
        ways = [way for way in (user.phone, user.email) if way is not None]
    else:
        referral, ways = await _of_code(tx, code)
        if referral is not None and referral.sponsor_user_id in await guardianship.represented_users(tx):
            raise OwnReferral(field="code")
    await opt_outs.remove(tx, ways)
    return Wished(invitations=True)


@scheduled("referrals.expire_referrals", "* * * * *")
async def expire_referrals(services: Services) -> None:
    """An invitation that nobody answered in 7 days has expired."""
    await due.each(services, expire_referrals, OVERDUE, _expire_overdue)


async def _expire_overdue(tx: RuleTransaction, referral_id: UUID) -> None:
    for key, sponsor in await EXPIRE.run(tx, referral_id=referral_id):
        publish(tx, Topic.REFERRAL_EXPIRED, key, sponsor_user_id=sponsor)


def next_birthday(born: date, today: date) -> date:
    """The first birthday after today. Who was born on 29 February has it on the 28th where there is none."""
    return next(day for year in (today.year, today.year + 1) if (day := _birthday_in(born, year)) > today)


def _birthday_in(born: date, year: int) -> date:
    try:
        return born.replace(year=year)
    except ValueError:
        return born.replace(year=year, day=28)


async def _decline(tx: RuleTransaction, referral: Referral) -> None:
    referral.status, referral.declined_at = ReferralStatus.DECLINED, await clock.now(tx)
    tx.save(referral)
    publish(tx, Topic.REFERRAL_DECLINED, referral.id, sponsor_user_id=referral.sponsor_user_id)


async def _of_code(tx: Transaction, code: str) -> tuple[Referral | None, list[str]]:
    """The invitation of a code, locked, and where it went: to a pot, it is none of a sponsor's. Raises NotFound."""
    found = await BY_CODE.one(tx, codes=codes.readings(code))
    if found is not None:
        referral: Referral = found[0]
        return referral, [way for way in (referral.invited_phone, referral.invited_email) if way is not None]
    to_pot = await TO_POT.one(tx, hashes=hashes_of(code))
    if to_pot is None:
        raise NotFound("There is no such invitation.", field="code")
    return None, [to_pot[0]]


async def _answered(tx: Transaction, code: str) -> Referral:
    """The invitation that is waiting for this answer, locked: of two answers at once, the second finds the first."""
    found = await BY_CODE.one(tx, codes=codes.readings(code))
    if found is None:
        raise NotFound("There is no such invitation.", field="code")
    referral: Referral = found[0]
    over = referral.expired_at is not None and referral.expired_at <= await clock.now(tx)
    # Nor is it for a guardian to accept for a minor what is the guardian's own.
    if referral.sponsor_user_id in await guardianship.represented_users(tx):
        raise OwnReferral(field="code")
    if referral.status == ReferralStatus.EXPIRED or (referral.status == ReferralStatus.SENT and over):
        raise Expired(field="code")
    if referral.status != ReferralStatus.SENT:
        raise InvalidState(f"The invitation is {referral.status} already.", field="code", state=referral.status)
    return referral


async def _note_accepted(tx: Transaction, referral: Referral) -> None:
    """When it was, and what is known then of the two people's identities."""
    assert referral.sponsored_user_id is not None
    rows = await IDENTITIES.all(tx, ids=[referral.sponsor_user_id, referral.sponsored_user_id])
    known = {key: (collected, verified) for key, collected, verified in rows}
    sponsor = known.get(referral.sponsor_user_id, (False, False))
    sponsored = known.get(referral.sponsored_user_id, (False, False))
    referral.both_ids_collected = sponsor[0] and sponsored[0]
    referral.sponsor_id_verified, referral.sponsored_id_verified = sponsor[1], sponsored[1]
    referral.accepted_at = await clock.now(tx)


async def _reward(tx: RuleTransaction, referral: Referral, accepted_by: UUID) -> int:
    """The sponsor's points, multiplied by the best campaign that can pay for it."""
    usual = await system_config.number(tx, points.USUAL[Event.REFERRAL_ACCEPTED])
    boost = await campaigns.boost_for(tx, accepted_by, referral.sponsor_user_id, usual)
    return await points.earn(
        tx, referral, Event.REFERRAL_ACCEPTED, boost=boost.multiplier, campaign_id=boost.campaign_id,
        cost_cfa=boost.cost_cfa,
    )  # fmt: skip


def _check_wanted(create_pot: ReferralPotInput | None) -> None:
    if create_pot is None:
        return
    if create_pot.title is not None:
        check_text(create_pot.title, field="create_pot.title")
    if create_pot.target_amount_cfa is not None:
        check_amount(create_pot.target_amount_cfa, Pot.target_amount_cfa, field="create_pot.target_amount_cfa")


async def _born(tx: Transaction, user_id: UUID) -> date:
    """The day of birth of who gets a pot. A minor's pot is planned by the guardian."""
    found = await BORN.one(tx, user_id=user_id)
    if found is None:
        raise BirthdayUnknown(field="create_pot")
    born, minor = found
    if minor and tx.actor.user_id == user_id:
        raise GuardianRequired(field="create_pot")
    day: date = born
    return day


async def _today(tx: Transaction, user_id: UUID) -> date:
    ((today,),) = await TODAY.all(tx, zone=await zone_of(tx, user_id))
    day: date = today
    return day


def _write_to(tx: RuleTransaction, referral: Referral) -> None:
    """Queue the message that brings the code, to the phone where there is one."""
    message, code = referral.invitation_message or "", referral.referral_code
    if referral.invited_phone is not None:
        way, recipient = NotificationChannel.SMS, referral.invited_phone
    else:
        assert referral.invited_email is not None
        way, recipient = NotificationChannel.EMAIL, referral.invited_email
    name = FirstName(referral.sponsor_user_id)
    send_to(tx, way, recipient, "referral_invitation", user_name=name, message=message, code=code)


BY_CODE = Lookup(
    [Referral],
    lambda rows: rows.where(Referral.referral_code == any_(bindparam("codes", type_=ARRAY(sql.Text)))).with_for_update(
        key_share=True
    ),
)
# On a social network the owner passes the link on: there is no address that a message went to.
TO_POT = Lookup(
    [PotInvitation.recipient_identifier],
    lambda rows: rows.where(
        PotInvitation.token_hash == any_(bindparam("hashes", type_=ARRAY(sql.Text))),
        PotInvitation.invitation_method != PotInvitationInvitationMethod.SOCIAL,
    ),
)
IDENTITIES = Lookup(
    [Profile.user_id, Profile.id_type.is_not(None), Profile.id_verified_at.is_not(None)],
    lambda rows: rows.where(Profile.user_id == any_(bindparam("ids", type_=ARRAY(Uuid)))),
)
BORN = Lookup(
    [Profile.date_of_birth, Profile.date_of_birth > cast(func.current_date() - func.make_interval(18), Date)],
    lambda rows: rows.where(Profile.user_id == bindparam("user_id")),
)
# Of the same moment as the pot's own plan.
TODAY = Lookup(
    [cast(func.timezone(bindparam("zone", type_=sql.Text), func.now(), type_=DateTime()), Date)], lambda rows: rows
)
OVERDUE = due.Due(
    Referral.id,
    lambda rows: rows.where(Referral.status == literal_column("'sent'"), Referral.expired_at <= func.now()).order_by(
        Referral.expired_at, Referral.id
    ),
)
EXPIRE = Prepared(
    text("""
    WITH overdue AS (
        SELECT r.id FROM referrals.referrals r WHERE r.id = :referral_id AND r.status = 'sent' AND r.expired_at <= now()
        FOR UPDATE SKIP LOCKED
    )
    UPDATE referrals.referrals r SET status = 'expired' FROM overdue WHERE overdue.id = r.id
    RETURNING r.id, r.sponsor_user_id
    """)
)
