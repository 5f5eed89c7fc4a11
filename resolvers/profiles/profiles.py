"""Profiles: a person fills in their own, and a guardian that of a minor."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import Date, bindparam, func
from sqlalchemy import types as sql

from lango.db import rows
from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.rules.inputs import Changes, Id, Locked, Text, Value
from lango.rules.rule import NotFound, rule
from lango.rules.transaction import RuleTransaction
from models.identity import User
from models.profiles import Profile
from models.security import SecurityEventSeverity as Severity
from resolvers.kernel import guardianship, own_matters
from resolvers.kernel.own_matters import OwnMatter
from resolvers.kernel.texts import (
    TextMissing,
    TimeZoneUnknown,
    UrlNotValid,
    check_text,
    check_time_zone,
    check_url,
)
from resolvers.profiles import guardians
from resolvers.profiles.guardians import GuardianNotEligible, GuardianRequired, NotMinor
from resolvers.security import events

LONGEST_BIO = 2_000
OLDEST_YEARS = 130
# A language, and a country where it matters.
LOCALE = re.compile(r"[a-z]{2,3}(-[A-Z]{2})?")


class BirthDateNotValid(Refused):
    """This is no day of birth: it lies in the future, or too far in the past."""


class BirthDateFixed(Refused):
    """The birth date was verified, or decides about a guardian: only staff can correct it."""


class LocaleNotValid(Refused):
    """A locale is a language and a country, as in `fr-SN`."""


class ProfileIncomplete(Refused):
    """A new profile needs a name and a birth date."""


class GuardianNamed(Refused):
    """A guardian is named already: another one is requested by `requestGuardian`."""


class ProfileChanges(Changes):
    """What of a profile is to be changed."""

    full_name: Annotated[str, Text("The name the person goes by.", Profile.full_name)]
    date_of_birth: Annotated[date, Value("The day of birth: whoever is under 18 needs a guardian.")]
    locale: Annotated[str, Text("The language and country the person reads in, as in `fr-SN`.", Profile.locale)]
    timezone: Annotated[str, Text("The IANA time zone, as in `Africa/Dakar`.", Profile.timezone)]
    avatar_url: Annotated[str | None, Text("The picture's address; null takes it off.", Profile.avatar_url)]
    bio: Annotated[str | None, Text("What the person says of themselves; null takes it off.", LONGEST_BIO)]
    is_profile_public: Annotated[
        bool, Value("Whether anyone may see name, picture, bio and locale; a minor's are never shown.")
    ]
    allow_contact_by_sponsors: Annotated[bool, Value("Whether sponsors may invite the person.")]


# Of a birth date and a time zone: whether that is a minor, and whether it can be a birth date at all.
AGE = Lookup(
    [
        func.lango.is_minor(bindparam("born", type_=Date), bindparam("zone", type_=sql.Text), type_=sql.Boolean),
        func.current_date() - bindparam("born", type_=Date),
    ],
    lambda found: found,
)
CHECKED = (TextMissing, UrlNotValid, LocaleNotValid, TimeZoneUnknown, BirthDateNotValid)


@rule(
    NotFound, ProfileIncomplete, BirthDateFixed, NotMinor, GuardianRequired, GuardianNamed, GuardianNotEligible,
    *CHECKED,
)  # fmt: skip
async def update_profile(
    tx: RuleTransaction,
    changes: ProfileChanges,
    user_id: Annotated[UUID | None, Id(User, "The minor for whom you act; yourself when it is left out.")] = None,
    guardian_id: Annotated[
        UUID | None, Id(User, "Who is to be the guardian of a minor whose profile is new, by the id of their account.")
    ] = None,
    relationship_type: Annotated[
        str | None, Text("What the guardian is to the minor, as in `parent`.", Profile.relationship_type)
    ] = None,
) -> Profile:
    """Fill in or change one's own profile, or that of a minor for whom one acts.

    A new one needs `fullName` and `dateOfBirth`; of somebody under 18 also `guardianId` and `relationshipType`: the
    guardian is asked, and acts for the minor once they have accepted. The birth date can be changed until it is
    verified or a guardian has accepted; afterwards only staff correct it.
    """
    whose = await guardianship.acting_for(tx, user_id, field="user_id")
    _check(changes)
    # Whatever is written of a profile is written under its user's lock.
    _, found, requested = await tx.fetch(
        rows.locking(User, whose), guardians.reading(whose), guardians.requesting(whose)
    )
    profile, was_minor = found[0] if found else (None, False)
    born = changes.date_of_birth or (profile.date_of_birth if profile else None)
    name = changes.full_name or (profile.full_name if profile else None)
    if born is None or name is None:
        raise ProfileIncomplete(field="full_name" if name is None else "date_of_birth")
    if profile is not None and born != profile.date_of_birth and _is_fixed(profile, was_minor):
        raise BirthDateFixed(field="date_of_birth")
    zone = changes.timezone or (profile.timezone if profile else None)
    is_minor = await _is_minor(tx, born, zone)
    new = profile is None
    if profile is None:
        profile = Profile(user_id=whose, full_name=name, date_of_birth=born)
    for column, value in changes.given.items():
        setattr(profile, column, value)
    if guardian_id is not None and not is_minor:
        raise NotMinor(field="guardian_id")
    if is_minor and (new or profile.guardian_user_id is None):
        if guardian_id is None or relationship_type is None:
            raise GuardianRequired(field="guardian_id" if guardian_id is None else "relationship_type")
        await guardians.propose(tx, profile, requested, guardian_id, relationship_type)
    elif guardian_id is not None:
        raise GuardianNamed(field="guardian_id")
    tx.save(profile)
    return profile


@rule(NotFound, OwnMatter, BirthDateNotValid, GuardianRequired, TextMissing, staff=True)
async def correct_birth_date(
    tx: RuleTransaction,
    user: Annotated[User, Locked("Whose birth date is wrong.")],
    date_of_birth: Annotated[date, Value("The right one, as a document shows it.")],
    reason: Annotated[str, Text("Why, for the record.", LONGEST_BIO)],
) -> Profile:
    """Correct a birth date that its owner can no longer change. Staff, for others than themselves.

    Whoever turns out to be under 18 must have a guardian before.
    """
    check_text(reason, field="reason")
    found, wards = await tx.fetch(guardians.reading(user.id), own_matters.relating(tx))
    own_matters.refuse_related(tx, wards, user.id, field="user_id")
    if not found:
        raise NotFound("This user has no profile.", field="user_id")
    profile: Profile = found[0][0]
    if await _is_minor(tx, date_of_birth, profile.timezone) and profile.guardian_user_id is None:
        raise GuardianRequired("Somebody must be named as the guardian before.", field="date_of_birth")
    before, profile.date_of_birth = profile.date_of_birth, date_of_birth
    profile.majority_announced_at = None
    events.record(
        tx, user.id, "birth_date_corrected", Severity.LOW, before=before.isoformat(), reason=reason, by=str(tx.user_id)
    )
    tx.save(profile)
    return profile


async def _is_minor(tx: RuleTransaction, born: date, zone: str | None) -> bool:
    """Raises BirthDateNotValid for a day in the future or more than a long life ago."""
    ((minor, days_old),) = await AGE.all(tx, born=born, zone=zone)
    if not 0 <= days_old <= OLDEST_YEARS * 366:
        raise BirthDateNotValid(field="date_of_birth")
    return bool(minor)


def _is_fixed(profile: Profile, was_minor: Any) -> bool:
    """A verified birth date, or one that gave the person a guardian: else a child would grow up by a click."""
    return profile.id_verified_at is not None or (bool(was_minor) and profile.guardian_accepted_at is not None)


def _check(changes: ProfileChanges) -> None:
    if "full_name" in changes:
        check_text(changes.full_name, field="full_name")
    if changes.avatar_url is not None:
        check_url(changes.avatar_url, field="avatar_url")
    if changes.locale is not None and not LOCALE.fullmatch(changes.locale):
        raise LocaleNotValid(field="locale")
    if changes.timezone is not None:
        check_time_zone(changes.timezone, field="timezone")
