"""Invitations to a pot: each goes to one address, with a link of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import uuid4

from sqlalchemy import ARRAY, any_, bindparam, func, or_
from sqlalchemy import types as sql

from lango.db import rows
from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.rules.inputs import Locked, Once, OwnedBy, Text, Value
from lango.rules.rule import InvalidState, NotFound, rule
from lango.rules.transaction import RuleTransaction
from lango.values import codes
from models.identity import User
from models.notifications import NotificationChannel
from models.pots import Pot, PotInvitation, PotStatus
from models.pots import PotInvitationInvitationMethod as Method
from models.topics import Topic
from resolvers.kernel import clock, opt_outs, system_config
from resolvers.kernel.contacts import EmailNotValid, PhoneNotValid, email, phone
from resolvers.kernel.invitees import ContactOptedOut
from resolvers.kernel.notifications import FirstName, send_to
from resolvers.kernel.outbox import publish
from resolvers.kernel.share_links import LONGEST_TOKEN, hash_of, hashes_of
from resolvers.kernel.system_config import Configured
from resolvers.kernel.texts import TextMissing, check_text
from resolvers.pots.pots import NotYourPot, share_token, sharing

DAILY_LIMIT = Configured("pots.daily_invitations", 100)
LONGEST_MESSAGE = 1_000
INVITES = frozenset({PotStatus.SCHEDULED, PotStatus.OPEN, PotStatus.FUNDED})
CHANNELS = {
    Method.WHATSAPP: NotificationChannel.WHATSAPP,
    Method.SMS: NotificationChannel.SMS,
    Method.EMAIL: NotificationChannel.EMAIL,
}


class AlreadyInvited(Refused):
    """This person has been invited to the pot already."""


class DailyLimitReached(Refused):
    """No more invitations can be sent for this pot today."""


# How often this recipient was invited to the pot, and how many were within a day.
SENT = Lookup(
    [
        func.count().filter(
            PotInvitation.invitation_method == bindparam("method"),
            PotInvitation.recipient_identifier == bindparam("recipient"),
        ),
        func.count().filter(PotInvitation.sent_at > func.now() - func.make_interval(0, 0, 0, 1)),
    ],
    lambda rows: rows.where(PotInvitation.pot_id == bindparam("pot_id")),
)
WAYS = any_(bindparam("ways", type_=ARRAY(sql.Text)))
KNOWN = Lookup(
    [User.id], lambda rows: rows.where(or_(User.phone == WAYS, User.email == WAYS), User.deleted_at.is_(None))
)
BY_TOKEN = Lookup(
    [PotInvitation],
    lambda rows: rows.where(PotInvitation.token_hash == any_(bindparam("hashes", type_=ARRAY(sql.Text)))),
)


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation, and the token of its link."""

    invitation: PotInvitation
    token: Annotated[str, Once("The token of its link, for passing it on yourself.")]


@rule(InvalidState, AlreadyInvited, ContactOptedOut, DailyLimitReached, PhoneNotValid, EmailNotValid, TextMissing)
async def invite_to_pot(
    tx: RuleTransaction,
    pot: Annotated[Pot, Locked("The pot to invite to."), OwnedBy(Pot.owner_user_id, NotYourPot)],
    method: Annotated[Method, Value("How the invitation is sent.")],
    recipient: Annotated[
        str,
        Text(
            "Where it goes: a phone number, an email address, or a name on a social network.",
            PotInvitation.recipient_identifier,
        ),
    ],
    message: Annotated[str | None, Text("What goes with it.", LONGEST_MESSAGE)] = None,
) -> Invited:
    """Invite somebody to a pot, before or while it takes donations.

    A message with the link goes out by the chosen way; on a social network the owner passes the link on.
    """
    address = _address(method, recipient)
    if pot.status not in INVITES:
        raise InvalidState(f"The pot is {pot.status}.", field="pot_id", state=pot.status)
    # On a social network the recipient is a name, by which nobody is known.
    ways = [] if method == Method.SOCIAL else [address]
    # Counted under the pot's lock: nobody is invited twice, and the day's last invitation is sent once.
    ((again, today),), ((now,),), configured, known, *refused = await tx.fetch(
        SENT.query(pot_id=pot.id, method=method, recipient=address), clock.reading(),
        system_config.reading(DAILY_LIMIT), KNOWN.query(ways=ways), *opt_outs.seeking(tx, ways),
    )  # fmt: skip
    if again:
        raise AlreadyInvited(field="recipient")
    if opt_outs.opted_out_in(tx, ways, *refused):
        raise ContactOptedOut(field="recipient")
    (limit,) = system_config.numbers_in(configured, DAILY_LIMIT)
    if today >= limit:
        raise DailyLimitReached(limit=limit, left=0)
    token = codes.new(codes.LONG)
    invitation = PotInvitation(
        id=uuid4(), pot_id=pot.id, invited_by_user_id=tx.user_id, invitation_method=method,
        recipient_identifier=address, custom_message=message, sent_at=now, token_hash=hash_of(token),
        invited_user_id=known[0][0] if known else None,
    )  # fmt: skip
    tx.save(invitation)
    publish(tx, Topic.POT_INVITATION_SENT, invitation.id, pot_id=pot.id)
    if (channel := CHANNELS.get(method)) is not None:
        send_to(
            tx, channel, address, "pot_invitation", user_id=invitation.invited_user_id,
            user_name=FirstName(pot.owner_user_id), pot_title=pot.title, message=message or "", token=token,
        )  # fmt: skip
    return Invited(invitation, token)


@dataclass(frozen=True, slots=True)
class Opened:
    """The pot that an invitation leads to, and what opens it to whoever has it."""

    pot: Pot
    invitation: PotInvitation
    share_token: Annotated[str, Value("What opens the pot to its holder. Null where it was refused.")]


# Not idempotent: it changes nothing the second time, and its token is kept nowhere else.
@rule(NotFound, anonymous=True, idempotent=False)
async def open_pot_invitation(
    tx: RuleTransaction, token: Annotated[str, Text("The token of the invitation's link.", LONGEST_TOKEN)]
) -> Opened:
    """Open an invitation by the token of its link: it is marked opened, and the pot can be seen and given to."""
    found = await BY_TOKEN.one(tx, hashes=hashes_of(token))
    if found is None:
        raise NotFound("There is no such invitation.", field="token")
    ((pot,),), ((invitation,),), ((now,),), shared = await tx.fetch(
        rows.locking(Pot, found[0].pot_id), rows.locking(PotInvitation, found[0].id), clock.reading(),
        sharing(found[0].pot_id),
    )  # fmt: skip
    if pot.deleted_at is not None:
        raise NotFound("There is no such invitation.", field="token")
    if invitation.opened_at is None:
        invitation.opened_at = now
    stranger = tx.actor.user_id not in (None, invitation.invited_by_user_id, pot.owner_user_id)
    if invitation.invited_user_id is None and stranger:
        invitation.invited_user_id = tx.actor.user_id
    tx.save(invitation)
    opens = share_token(tx, pot, shared)
    tx.open_to_caller(pot.id, invitation.id)
    return Opened(pot, invitation, opens)


def _address(method: Method, recipient: str) -> str:
    """Where an invitation goes, as it is stored. Raises PhoneNotValid, EmailNotValid and TextMissing."""
    check_text(recipient, field="recipient")
    if method in (Method.WHATSAPP, Method.SMS):
        return phone(recipient, field="recipient")
    return email(recipient, field="recipient") if method == Method.EMAIL else recipient.strip()
