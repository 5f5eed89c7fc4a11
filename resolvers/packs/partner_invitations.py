"""Invitations to act for a partner: to a phone number or an email address, for whoever has it to accept."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

from sqlalchemy import DateTime, bindparam, func, or_

from lango.db import rows
from lango.db.prepared import Lookup, Query
from lango.errors import Refused
from lango.jobs.job import scheduled
from lango.rules.inputs import Locked, Named, Referred, Seen, Text, Value
from lango.rules.rule import InvalidState, rule
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from models.identity import User
from models.notifications import NotificationChannel
from models.packs import (
    Partner,
    PartnerInvitation,
    PartnerInvitationStatus,
    PartnerMember,
    PartnerMemberRole,
    PartnerStatus,
)
from models.topics import Topic
from resolvers.kernel import clock, contacts, due, own_matters, system_config
from resolvers.kernel.contacts import EmailNotValid, PhoneNotValid
from resolvers.kernel.invitees import ContactMissing
from resolvers.kernel.notifications import FirstName, notify, send_to
from resolvers.kernel.outbox import publish
from resolvers.kernel.own_matters import OwnMatter
from resolvers.kernel.steps import step
from resolvers.kernel.system_config import Configured
from resolvers.packs.partner_members import (
    OWNERS,
    AlreadyMember,
    NotPartnerOwner,
    check_role,
    check_role_in,
    membership,
    role_of,
)

INVITATION_DAYS = Configured("partners.invitation_days", 14)
DAILY_INVITATIONS = Configured("partners.daily_invitations", 50)
Status = PartnerInvitationStatus


class AlreadyInvited(Refused):
    """This contact has been invited by the partner, and may answer yet."""


class DeclinedLately(Refused):
    """Whoever has this contact declined lately, and cannot be invited again yet."""


class DailyLimitReached(Refused):
    """No more invitations can be sent for this partner today."""


class NotInvited(Refused):
    """Only the holder of this invitation's phone number or email address may answer it."""


class InvitationExpired(Refused):
    """This invitation has expired: ask the partner for another one."""


TO_CONTACT = or_(PartnerInvitation.phone == bindparam("phone"), PartnerInvitation.email == bindparam("email"))
IS_PENDING = PartnerInvitation.status == Status.PENDING
HAS_LAPSED = PartnerInvitation.expires_at <= func.now()
# How many to this contact are pending, or were declined since then; and how many were sent at all within a day.
SENT = Lookup(
    [
        func.count().filter(TO_CONTACT, IS_PENDING, ~HAS_LAPSED),
        func.count().filter(
            TO_CONTACT,
            PartnerInvitation.status == Status.DECLINED,
            PartnerInvitation.answered_at > bindparam("since", type_=DateTime(timezone=True)),
        ),
        func.count().filter(PartnerInvitation.created_at > func.now() - func.make_interval(0, 0, 0, 1)),
    ],
    lambda rows: rows.where(PartnerInvitation.partner_id == bindparam("partner_id")),
)
KNOWN = Lookup(
    [User.id], lambda rows: rows.where(or_(User.phone == bindparam("phone"), User.email == bindparam("email")))
)
LAPSED = due.Due(
    PartnerInvitation.id,
    lambda rows: rows.where(IS_PENDING, HAS_LAPSED).order_by(PartnerInvitation.expires_at, PartnerInvitation.id),
)
LAPSED_OF = Lookup(
    [PartnerInvitation],
    lambda rows: (
        rows.where(PartnerInvitation.partner_id == bindparam("partner_id"), TO_CONTACT, IS_PENDING, HAS_LAPSED)
        .order_by(PartnerInvitation.id)
        .with_for_update(key_share=True)
    ),
)


Sent = Annotated[PartnerInvitation, Named("invitation")]


@rule(
    NotPartnerOwner, OwnMatter, InvalidState, ContactMissing, PhoneNotValid, EmailNotValid, AlreadyInvited,
    DeclinedLately, DailyLimitReached,
)  # fmt: skip
async def invite_partner_member(
    tx: RuleTransaction,
    partner: Annotated[Partner, Locked("The partner.")],
    role: Annotated[PartnerMemberRole, Value("What they may do for it.")],
    phone: Annotated[str | None, Text("The phone number of who is invited; this or `email`.", 50)] = None,
    email: Annotated[
        str | None, Text("The email address of who is invited; this or `phone`.", PartnerInvitation.email)
    ] = None,
) -> Sent:
    """Invite whoever has a phone number or an email address to act for a partner. Its owners, or staff.

    The answer is the same whether or not anybody here has that contact; who has none yet may sign up and accept. Staff
    who are not on the partner do not invite themselves, nor whom they act for.
    """
    if (phone is None) == (email is None):
        raise ContactMissing("Give either a phone number or an email address.")
    by, located, ((now,),), configured = await tx.fetch(
        role_of(tx, partner.id),
        contacts.locating(tx.user_id),
        clock.reading(),
        system_config.reading(INVITATION_DAYS, DAILY_INVITATIONS),
    )
    check_role_in(tx, by, OWNERS, field="partner_id")
    _check_lasting(partner, field="partner_id")
    region = contacts.region_in(located)
    number = None if phone is None else contacts.phone(phone, field="phone", region=region)
    address = None if email is None else contacts.email(email, field="email")
    field = "email" if phone is None else "phone"
    days, most = system_config.numbers_in(configured, INVITATION_DAYS, DAILY_INVITATIONS)
    contact = {"partner_id": partner.id, "phone": number, "email": address}
    # Counted under the partner's lock: of many at once one is sent.
    ((pending, declined, today),), lapsed, known, wards = await tx.fetch(
        SENT.query(**contact, since=now - timedelta(days=days)),
        LAPSED_OF.query(**contact),
        KNOWN.query(phone=number, email=address),
        own_matters.relating(tx),
    )
    if not by:
        own_matters.refuse_related(tx, wards, *(user_id for (user_id,) in known), field=field)
    if pending:
        raise AlreadyInvited(field=field)
    if declined:
        raise DeclinedLately(field=field)
    if today >= most:
        raise DailyLimitReached(limit=most, left=0)
    # The worker may not have been here since: of two pending ones the database would refuse one.
    for (each,) in lapsed:
        _expire(tx, each)
    invitation = PartnerInvitation(
        id=uuid4(), **contact, partner_name=partner.name, role=role, invited_by=tx.user_id, status=Status.PENDING,
        expires_at=now + timedelta(days=days),
    )  # fmt: skip
    tx.save(invitation)
    publish(tx, Topic.PARTNER_INVITATION_SENT, invitation.id, partner_id=partner.id)
    channel = NotificationChannel.EMAIL if number is None else NotificationChannel.SMS
    recipient = number or address
    assert recipient is not None
    send_to(tx, channel, recipient, "partner_invitation", partner_name=partner.name, role=role.value)
    return invitation


@rule(NotInvited, OwnMatter, InvalidState, InvitationExpired, AlreadyMember)
async def accept_partner_invitation(
    tx: RuleTransaction, invitation: Annotated[PartnerInvitation, Seen("The invitation to one's own contact.")]
) -> PartnerMember:
    """Accept an invitation to one's own phone number or email address: from then on one acts for the partner."""
    partner, invitation, (inviting, joining, wards) = await _answer(
        tx,
        invitation,
        Status.ACCEPTED,
        membership(invitation.partner_id, invitation.invited_by),
        membership(invitation.partner_id, tx.user_id),
        own_matters.relating(tx),
    )
    _check_lasting(partner, field="invitation_id")
    if not inviting:
        # The contact may be theirs only since: they would be on the partner by nobody's word but their own.
        own_matters.refuse_related(tx, wards, invitation.invited_by, field="invitation_id")
    if joining:
        raise AlreadyMember(field="invitation_id")
    member = PartnerMember(id=uuid4(), partner_id=partner.id, user_id=tx.user_id, role=invitation.role)
    _save_answer(tx, invitation, Topic.PARTNER_INVITATION_ACCEPTED)
    tx.save(member)
    notify(
        tx,
        invitation.invited_by,
        "partner_invitation_accepted",
        user_name=FirstName(tx.user_id),
        partner_name=partner.name,
    )
    return member


@rule(NotInvited, InvalidState, InvitationExpired)
async def decline_partner_invitation(
    tx: RuleTransaction, invitation: Annotated[PartnerInvitation, Seen("The invitation to one's own contact.")]
) -> PartnerInvitation:
    """Decline an invitation to one's own phone number or email address. The partner cannot invite it for a while."""
    _, invitation, _ = await _answer(tx, invitation, Status.DECLINED)
    _save_answer(tx, invitation, Topic.PARTNER_INVITATION_DECLINED)
    return invitation


@rule(NotPartnerOwner, InvalidState)
async def cancel_partner_invitation(
    tx: RuleTransaction,
    partner: Annotated[Partner, Referred(PartnerInvitation.partner_id)],
    invitation: Annotated[PartnerInvitation, Locked("The invitation that is not answered yet.")],
) -> PartnerInvitation:
    """Call an invitation off, as long as it is not answered. The partner's owners, or staff."""
    await check_role(tx, partner.id, OWNERS, field="invitation_id")
    step(invitation, Status.CANCELLED, field="invitation_id")
    tx.save(invitation)
    publish(tx, Topic.PARTNER_INVITATION_CANCELLED, invitation.id, partner_id=invitation.partner_id)
    return invitation


@scheduled("partner_invitations.expire_lapsed_invitations", "*/5 * * * *")
async def expire_lapsed_invitations(services: Services) -> None:
    """Take back the invitations that nobody answered in time."""
    await due.each(services, expire_lapsed_invitations, LAPSED, _expire_lapsed, together=due.TOGETHER)


async def _expire_lapsed(tx: RuleTransaction, invitation_id: UUID) -> None:
    ((invitation,),), ((now,),) = await tx.fetch(rows.locking(PartnerInvitation, invitation_id), clock.reading())
    if invitation.status == Status.PENDING and invitation.expires_at <= now:
        _expire(tx, invitation)


def _expire(tx: RuleTransaction, invitation: PartnerInvitation) -> None:
    invitation.status = Status.EXPIRED
    tx.save(invitation)
    publish(tx, Topic.PARTNER_INVITATION_EXPIRED, invitation.id, partner_id=invitation.partner_id)


async def _answer(
    tx: RuleTransaction, seen: PartnerInvitation, answer: Status, *others: Query
) -> tuple[Partner, PartnerInvitation, list[list[Any]]]:
    """The partner, and a pending invitation to the caller's own contact with that answer, both locked; and what other
    look-ups give, which go with these."""
    # Under the user's lock, which comes before the others, the contact stays theirs.
    ((user,),), ((partner,),), ((invitation,),), ((now,),), *beside = await tx.fetch(
        rows.locking(User, tx.user_id),
        rows.locking(Partner, seen.partner_id),
        rows.locking(PartnerInvitation, seen.id),
        clock.reading(),
        *others,
    )
    if (invitation.phone, invitation.email) not in ((user.phone, None), (None, user.email)):
        raise NotInvited(field="invitation_id")
    step(invitation, answer, field="invitation_id")
    if invitation.expires_at <= now:
        raise InvitationExpired(field="invitation_id")
    invitation.answered_by, invitation.answered_at = tx.user_id, now
    return partner, invitation, beside


def _save_answer(tx: RuleTransaction, invitation: PartnerInvitation, topic: Topic) -> None:
    tx.save(invitation)
    publish(tx, topic, invitation.id, partner_id=invitation.partner_id)


def _check_lasting(partner: Partner, *, field: str) -> None:
    if partner.status == PartnerStatus.TERMINATED or partner.deleted_at is not None:
        raise InvalidState("The partner is terminated.", field=field, state=PartnerStatus.TERMINATED)
