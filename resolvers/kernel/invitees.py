"""Invitees: people outside, as a sponsor names them, and whether the sponsor may invite them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import ARRAY, any_, bindparam, func, or_
from sqlalchemy import types as sql

from lango.db.prepared import Lookup, Query
from lango.errors import Refused
from lango.rules.inputs import Text
from lango.rules.transaction import RuleTransaction
from models.identity import User
from models.profiles import Profile
from models.referrals import Referral, ReferralStatus
from resolvers.kernel import contacts, opt_outs, system_config
from resolvers.kernel.contacts import EmailNotValid, PhoneNotValid
from resolvers.kernel.system_config import Configured


class ContactMissing(Refused):
    """Give a phone number or an email address."""


class AlreadyInvited(Refused):
    """You have invited this person already."""


class InvitationDeclined(Refused):
    """This person has declined your invitation: wait before you invite them again."""


class ContactOptedOut(Refused):
    """This person does not wish to be invited."""


class OwnContact(Refused):
    """This is your own phone number or email address."""


Name = Annotated[str | None, Text("The person's name, as you know them.", Referral.invited_name)]
Phone = Annotated[
    str | None, Text("The phone number: in international format, or as it is dialled in your country.", 40)
]
Email = Annotated[str | None, Text("The email address.", Referral.invited_email)]

# How many days somebody who declined is not invited again by the same sponsor; others may invite them.
DECLINED_DAYS = Configured("referrals.declined_days", 30)
WRITTEN = (ContactMissing, PhoneNotValid, EmailNotValid)
INVITED = (AlreadyInvited, InvitationDeclined, ContactOptedOut, OwnContact)


@dataclass(frozen=True, slots=True)
class InviteeInput:
    """Somebody to invite: by a phone number, an email address, or both."""

    name: Name = None
    phone: Phone = None
    email: Email = None


@dataclass(frozen=True, slots=True)
class Invitee:
    """Somebody outside, reached by a phone number, an email address, or both, as they are stored."""

    name: str | None
    phone: str | None
    email: str | None

    @classmethod
    def read(cls, given: InviteeInput, region: str, *, field: str) -> Invitee:
        """Of an input. Raises the refusals of WRITTEN."""
        if not given.phone and not given.email:
            raise ContactMissing(field=field)
        return cls(
            given.name,
            contacts.phone(given.phone, field=f"{field}.phone", region=region) if given.phone else None,
            contacts.email(given.email, field=f"{field}.email") if given.email else None,
        )

    @property
    def ways(self) -> dict[str, str]:
        """By what the person is reached."""
        ways = {"phone": self.phone, "email": self.email}
        return {name: written for name, written in ways.items() if written is not None}


class Invitable:
    """Whom of some people a sponsor may invite."""

    def __init__(self, taken: set[str], opted_out: set[str], own: set[str], declined: dict[str, datetime]) -> None:
        """`declined` says until when whoever declined is not invited again."""
        self._taken, self._opted_out, self._own, self._declined = taken, opted_out, own, declined

    @staticmethod
    def seeking(
        tx: RuleTransaction, sponsor_user_id: UUID, people: Iterable[Invitee], now: datetime
    ) -> Sequence[Query]:
        """The look-ups of whom of some people a sponsor may invite, in the rules' role; `found` reads them.

        Decide by it only under the sponsor's lock.
        """
        ways = _ways(people)
        return (
            TAKEN.query(sponsor_user_id=sponsor_user_id, ways=ways, now=now),
            OPTED_OUT.query(ways=ways),
            OWN.query(user_id=sponsor_user_id),
            DECLINED.query(sponsor_user_id=sponsor_user_id, ways=ways),
            system_config.reading(DECLINED_DAYS),
            *opt_outs.seeking(tx, ways),
        )

    @classmethod
    def found(
        cls,
        tx: RuleTransaction,
        people: Iterable[Invitee],
        now: datetime,
        taken: Sequence[tuple[Any, ...]],
        opted_out: Sequence[tuple[Any, ...]],
        own: Sequence[tuple[Any, ...]],
        declined: Sequence[tuple[Any, ...]],
        configured: Sequence[tuple[Any, ...]],
        *opt_outs_found: Sequence[tuple[Any, ...]],
    ) -> Invitable:
        ways = _ways(people)
        (days,) = system_config.numbers_in(configured, DECLINED_DAYS)
        until: dict[str, datetime] = {}
        for phone, email, moment in declined:
            if (end := moment + timedelta(days=days)) > now:
                until |= {way: max(end, until.get(way, now)) for way in (phone, email)}
        refused = {way for row in opted_out for way in row} | opt_outs.opted_out_in(tx, ways, *opt_outs_found)
        # A row that was found by its phone has an email as well, which was not looked for.
        known, theirs = ({way for row in rows for way in row} & set(ways) for rows in (taken, own))
        return cls(known, refused & set(ways), theirs, until)

    def copy(self) -> Invitable:
        """As it is, for taking people who are not taken from this one."""
        return Invitable({*self._taken}, self._opted_out, self._own, self._declined)

    def take(self, person: Invitee, *, field: str) -> None:
        """Count the person as invited. Raises the refusals of INVITED."""
        for name, written in person.ways.items():
            for refusal, known in (
                (OwnContact, self._own), (AlreadyInvited, self._taken), (ContactOptedOut, self._opted_out),
            ):  # fmt: skip
                if written in known:
                    raise refusal(field=f"{field}.{name}")
            if (until := self._declined.get(written)) is not None:
                raise InvitationDeclined(field=f"{field}.{name}", until=until.isoformat())
        self._taken.update(person.ways.values())


def _ways(people: Iterable[Invitee]) -> list[str]:
    return [way for person in people for way in person.ways.values()]


WAYS = any_(bindparam("ways", type_=ARRAY(sql.Text)))
TAKEN = Lookup(
    [Referral.invited_phone, Referral.invited_email],
    lambda rows: rows.where(
        Referral.sponsor_user_id == bindparam("sponsor_user_id"),
        or_(Referral.invited_phone == WAYS, Referral.invited_email == WAYS),
        or_(
            Referral.status == ReferralStatus.ACCEPTED,
            (Referral.status == ReferralStatus.SENT) & (Referral.expired_at > bindparam("now")),
        ),
    ),
)
# Invitations that were declined before it was noted when count from when they were sent.
DECLINED_AT = func.coalesce(Referral.declined_at, Referral.sent_at)
DECLINED = Lookup(
    [Referral.invited_phone, Referral.invited_email, DECLINED_AT],
    lambda rows: rows.where(
        Referral.sponsor_user_id == bindparam("sponsor_user_id"),
        or_(Referral.invited_phone == WAYS, Referral.invited_email == WAYS),
        Referral.status == ReferralStatus.DECLINED,
    ),
)
OPTED_OUT = Lookup(
    [User.phone, User.email],
    lambda rows: rows.join(Profile, Profile.user_id == User.id).where(
        or_(User.phone == WAYS, User.email == WAYS),
        User.deleted_at.is_(None),
        Profile.allow_contact_by_sponsors.is_(False),
    ),
)
OWN = Lookup([User.phone, User.email], lambda rows: rows.where(User.id == bindparam("user_id")))
