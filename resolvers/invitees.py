"""Invitees: people outside, as a sponsor names them, and whether the sponsor may invite them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, any_, bindparam, or_
from sqlalchemy.ext.asyncio import AsyncSession

from lango.errors import Refused
from lango.prepared import Lookup
from models.identity import User
from models.profiles import Profile
from models.referrals import Referral, ReferralStatus
from resolvers import contacts
from resolvers.contacts import EmailNotValid, PhoneNotValid


class ContactMissing(Refused):
    """Give a phone number or an email address."""


class AlreadyInvited(Refused):
    """You have invited this person already."""


class ContactOptedOut(Refused):
    """This person does not wish to be invited."""


class OwnContact(Refused):
    """This is your own phone number or email address."""


WRITTEN = (ContactMissing, PhoneNotValid, EmailNotValid)
INVITED = (AlreadyInvited, ContactOptedOut, OwnContact)


@dataclass(frozen=True, slots=True)
class Invitee:
    """Somebody outside, reached by a phone number, an email address, or both, as they are stored."""

    name: str | None
    phone: str | None
    email: str | None

    @classmethod
    def read(cls, given: Mapping[str, Any], region: str, *, field: str) -> Invitee:
        """Of an input, or of a batch's snapshot. Raises the refusals of WRITTEN."""
        phone, email = given.get("phone"), given.get("email")
        if not phone and not email:
            raise ContactMissing(field=field)
        return cls(
            given.get("name"),
            contacts.phone(phone, field=f"{field}.phone", region=region) if phone else None,
            contacts.email(email, field=f"{field}.email") if email else None,
        )

    @property
    def ways(self) -> dict[str, str]:
        """By what the person is reached."""
        ways = {"phone": self.phone, "email": self.email}
        return {name: written for name, written in ways.items() if written is not None}


class Invitable:
    """Whom of some people a sponsor may invite."""

    def __init__(self, taken: set[str], opted_out: set[str], own: set[str]) -> None:
        self._taken, self._opted_out, self._own = taken, opted_out, own

    @classmethod
    async def among(
        cls, session: AsyncSession, sponsor_user_id: UUID, people: Iterable[Invitee], now: datetime
    ) -> Invitable:
        """Decide by it only under the sponsor's lock. In the rules' role."""
        ways = [way for person in people for way in person.ways.values()]
        taken = await TAKEN.all(session, sponsor_user_id=sponsor_user_id, ways=ways, now=now)
        opted_out = await OPTED_OUT.all(session, ways=ways)
        own = await OWN.all(session, user_id=sponsor_user_id)
        # A row that was found by its phone has an email as well, which nobody asked for.
        return cls(*({way for row in rows for way in row} & set(ways) for rows in (taken, opted_out, own)))

    def take(self, person: Invitee, *, field: str) -> None:
        """Count the person as invited. Raises the refusals of INVITED."""
        for name, written in person.ways.items():
            for refusal, known in (
                (OwnContact, self._own), (AlreadyInvited, self._taken), (ContactOptedOut, self._opted_out),
            ):  # fmt: skip
                if written in known:
                    raise refusal(field=f"{field}.{name}")
        self._taken.update(person.ways.values())


WAYS = any_(bindparam("ways", type_=ARRAY(Text)))
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
OPTED_OUT = Lookup(
    [User.phone, User.email],
    lambda rows: rows.join(Profile, Profile.user_id == User.id).where(
        or_(User.phone == WAYS, User.email == WAYS),
        User.deleted_at.is_(None),
        Profile.allow_contact_by_sponsors.is_(False),
    ),
)
OWN = Lookup([User.phone, User.email], lambda rows: rows.where(User.id == bindparam("user_id")))
