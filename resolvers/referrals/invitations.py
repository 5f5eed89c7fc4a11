"""Referrals: a sponsor invites people, and earns points by those who accept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, Date, DateTime, Uuid, any_, bindparam, cast, func, literal_column, text
from sqlalchemy import types as sql

from lango.db import rows
from lango.db.prepared import Lookup, Prepared, Query
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
from models.referrals import Referral, ReferralStatus
from models.topics import Topic
from resolvers.kernel import clock, due, guardianship, opt_outs, system_config
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange, check_amount
from resolvers.kernel.guardianship import first_name_in, naming
from resolvers.kernel.invitees import INVITED, WRITTEN, Invitable, Invitee, InviteeInput
from resolvers.kernel.notifications import FirstName, notify, queue, wording
from resolvers.kernel.outbox import publish
from resolvers.kernel.share_links import hashes_of
from resolvers.kernel.texts import TextMissing, check_text
from resolvers.points import points
from resolvers.pots import lifecycle, pots
from resolvers.pots.pots import GuardianRequired
from resolvers.referrals.daily_limits import DailyLimit, DailyLimitReached, lock_today
from resolvers.referrals.rewards import Reward

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
    people = read(daily_limit, given, field="invitees")
    inviting = await Inviting.among(tx, daily_limit, [person for _, person in people])
    return inviting.send(tx, people, message)


def read(
    daily_limit: DailyLimit, given: Sequence[tuple[str, InviteeInput]], *, field: str
) -> list[tuple[str, Invitee]]:
    """The people of an input, each with the path into it. Raises DailyLimitReached, and the refusals of WRITTEN."""
    daily_limit.check(len(given), field=field)
    return [(path, Invitee.read(person, daily_limit.region, field=path)) for path, person in given]


@dataclass(frozen=True, slots=True)
class Inviting:
    """Whom of some people a sponsor, whose lock is held, may invite today, and what is written to them."""

    daily_limit: DailyLimit
    invitable: Invitable
    template: Sequence[tuple[Any, ...]]
    sponsor_name: str

    @classmethod
    async def among(cls, tx: RuleTransaction, daily_limit: DailyLimit, people: Sequence[Invitee]) -> Inviting:
        """In the rules' role."""
        sponsor, now = daily_limit.day.sponsor_user_id, daily_limit.now
        template, named, *found = await tx.fetch(
            wording("referral_invitation"), naming(sponsor), *Invitable.seeking(tx, sponsor, people, now)
        )
        return cls(daily_limit, Invitable.found(tx, people, now, *found), template, first_name_in(named))

    def send(
        self,
        tx: RuleTransaction,
        people: Sequence[tuple[str, Invitee]],
        message: str | None,
        *,
        batch_id: UUID | None = None,
    ) -> Sent:
        """Invite those of them, each with the path into the input. Raises the refusals of INVITED."""
        day, now = self.daily_limit.day, self.daily_limit.now
        for path, person in people:
            self.invitable.take(person, field=path)
        first = self.daily_limit.take(len(people))
        sent = [
            Referral(
                id=uuid4(), sponsor_user_id=day.sponsor_user_id, referral_code=codes.new(),
                invited_phone=person.phone, invited_email=person.email, invited_name=person.name,
                invitation_message=message, status=ReferralStatus.SENT, sent_at=now, expired_at=now + VALID_FOR,
                daily_limit_id=day.id, batch_id=batch_id, invitation_order=place,
            )
            for place, (_, person) in enumerate(people, first)
        ]  # fmt: skip
        tx.save(day, *sent)
        for referral in sent:
            publish(tx, Topic.REFERRAL_SENT, referral.id, sponsor_user_id=day.sponsor_user_id)
            self._write_to(tx, referral)
        return Sent(sent, self.daily_limit.left)

    def _write_to(self, tx: RuleTransaction, referral: Referral) -> None:
        """Queue the message that brings the code, to the phone where there is one."""
        if referral.invited_phone is not None:
            way, recipient = NotificationChannel.SMS, referral.invited_phone
        else:
            assert referral.invited_email is not None
            way, recipient = NotificationChannel.EMAIL, referral.invited_email
        queue(
            tx, self.template, "referral_invitation", way, recipient, user_name=self.sponsor_name,
            message=referral.invitation_message or "", code=referral.referral_code,
        )  # fmt: skip


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
    by_code, ((now,),), represented, wards, about_user = await tx.fetch(
        *_answering(code), guardianship.relating(user), pots.Owner.seeking(user)
    )
    referral, owner = _answered(by_code, now, represented), pots.Owner.found(user, about_user)
    sponsor = referral.sponsor_user_id
    # Points are earned by others: a guardian does not earn by the own minor, nor a minor by the guardian.
    if sponsor in guardianship.related_in(wards, user):
        raise OwnReferral(field="code")
    # The pots before the users: what is left in them may be carried over to the one that comes with this.
    older, _, came_by, identities, ((now,),), ((today,),), configured, *about_reward = await tx.fetch(
        lifecycle.left_over(None if create_pot is None else user), rows.locking_all(User, [user, sponsor]),
        points.CAME_BY.query(user_id=user), IDENTITIES.query(ids=[user, sponsor]), clock.reading(),
        TODAY.query(zone=owner.zone), system_config.reading(pots.DEFAULT_TARGET), *Reward.seeking(user, sponsor),
    )  # fmt: skip
    if came_by:
        raise AlreadySponsored(field="code")
    birthday = None if create_pot is None else next_birthday(_born(tx, owner), today)
    about_opening = (
        () if birthday is None else (pots.Schedule.seeking(birthday, owner.zone), *lifecycle.concerned(user))
    )
    reward = Reward.found(*about_reward)
    campaigns, running, *opening = await tx.fetch(*reward.locking(), *about_opening)
    referral.status, referral.sponsored_user_id, referral.accepted_at = ReferralStatus.ACCEPTED, user, now
    _note_identities(referral, identities)
    tx.save(referral)
    publish(tx, Topic.REFERRAL_ACCEPTED, referral.id, sponsor_user_id=sponsor)
    earned = reward.give(tx, referral, campaigns, running)
    name = FirstName(user, otherwise=referral.invited_name or "")
    notify(tx, sponsor, "referral_accepted", user_name=name, points=earned)
    if create_pot is None or birthday is None:
        return Accepted(referral, None)
    calendar, named, recipient, _, *about_points = opening
    (usual_target,) = system_config.numbers_in(configured, pots.DEFAULT_TARGET)
    pot = pots.plan(
        tx, owner, pots.Schedule.found(birthday, owner.zone, calendar),
        # The owner came by this invitation, which was not accepted yet when it was looked for.
        older, named, recipient, [(referral,)], *about_points,
        title=create_pot.title, target_amount_cfa=create_pot.target_amount_cfa or usual_target,
        referral_id=referral.id,
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
    by_code, ((now,),), represented = await tx.fetch(*_answering(code))
    referral = _answered(by_code, now, represented)
    _decline(tx, referral, now)
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
    referral, ways, now = await _of_code(tx, code)
    if referral is not None and referral.status == ReferralStatus.SENT:
        _decline(tx, referral, now)
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
        _, ways, _ = await _of_code(tx, code)
    await opt_outs.remove(tx, ways)
    return Wished(invitations=True)


@scheduled("referrals.expire_referrals", "* * * * *")
async def expire_referrals(services: Services) -> None:
    """An invitation that nobody answered in 7 days has expired."""
    await due.each(services, expire_referrals, OVERDUE, _expire_overdue, together=due.TOGETHER)


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


def _decline(tx: RuleTransaction, referral: Referral, now: datetime) -> None:
    referral.status, referral.declined_at = ReferralStatus.DECLINED, now
    tx.save(referral)
    publish(tx, Topic.REFERRAL_DECLINED, referral.id, sponsor_user_id=referral.sponsor_user_id)


async def _of_code(tx: Transaction, code: str) -> tuple[Referral | None, list[str], datetime]:
    """The invitation of a code, locked, where it went, and the time now: to a pot, it is none of a sponsor's.

    Raises NotFound and OwnReferral.
    """
    by_code, ((now,),), represented, to_pot = await tx.fetch(*_answering(code), TO_POT.query(hashes=hashes_of(code)))
    if by_code:
        referral = _of_another(by_code, represented)
        return referral, [way for way in (referral.invited_phone, referral.invited_email) if way is not None], now
    if not to_pot:
        raise NotFound("There is no such invitation.", field="code")
    return None, [to_pot[0][0]], now


def _answering(code: str) -> tuple[Query, Query, Query]:
    """The look-ups of the invitation of a code, which is locked: of two answers at once, the second finds the first.

    And of the time now, and of whom the caller acts for; `_answered` reads them.
    """
    return BY_CODE.query(codes=codes.readings(code)), clock.reading(), guardianship.representing()


def _of_another(by_code: Sequence[tuple[Any, ...]], represented: Sequence[tuple[Any, ...]]) -> Referral:
    ((referral,),) = by_code
    # Nor is it for a guardian to accept for a minor what is the guardian's own.
    if referral.sponsor_user_id in guardianship.represented_in(represented):
        raise OwnReferral(field="code")
    assert isinstance(referral, Referral)
    return referral


def _answered(by_code: Sequence[tuple[Any, ...]], now: datetime, represented: Sequence[tuple[Any, ...]]) -> Referral:
    """The invitation, if it is waiting for this answer."""
    if not by_code:
        raise NotFound("There is no such invitation.", field="code")
    referral = _of_another(by_code, represented)
    over = referral.expired_at is not None and referral.expired_at <= now
    if referral.status == ReferralStatus.EXPIRED or (referral.status == ReferralStatus.SENT and over):
        raise Expired(field="code")
    if referral.status != ReferralStatus.SENT:
        raise InvalidState(f"The invitation is {referral.status} already.", field="code", state=referral.status)
    return referral


def _note_identities(referral: Referral, identities: Sequence[tuple[Any, ...]]) -> None:
    """What is known of the two people's identities when it is accepted."""
    known = {key: (collected, verified) for key, collected, verified in identities}
    sponsor, sponsored = (
        known.get(user_id, (False, False)) for user_id in (referral.sponsor_user_id, referral.sponsored_user_id)
    )
    referral.both_ids_collected = sponsor[0] and sponsored[0]
    referral.sponsor_id_verified, referral.sponsored_id_verified = sponsor[1], sponsored[1]


def _check_wanted(create_pot: ReferralPotInput | None) -> None:
    if create_pot is None:
        return
    if create_pot.title is not None:
        check_text(create_pot.title, field="create_pot.title")
    if create_pot.target_amount_cfa is not None:
        check_amount(create_pot.target_amount_cfa, Pot.target_amount_cfa, field="create_pot.target_amount_cfa")


def _born(tx: Transaction, owner: pots.Owner) -> date:
    """The day of birth of who gets a pot. A minor's pot is planned by the guardian."""
    if owner.profile is None:
        raise BirthdayUnknown(field="create_pot")
    if owner.is_minor and tx.actor.user_id == owner.user_id:
        raise GuardianRequired(field="create_pot")
    return owner.profile.date_of_birth


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
