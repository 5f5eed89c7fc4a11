"""Guardians: named by the minor, by the guardian until then or by staff, and acting once they have accepted.

A guardian does not simply leave: they name who is to follow, and act until that one accepts. At 18 it ends by itself,
by the policies. Whatever is written of a profile or a request is written under the lock of the minor's user.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

from sqlalchemy import Boolean, bindparam, func, not_

from lango.db import rows
from lango.db.prepared import Lookup, Query
from lango.errors import Refused
from lango.jobs.job import scheduled
from lango.rules.inputs import Id, Locked, Named, Seen, Text
from lango.rules.rule import InvalidState, NotFound, rule
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from models.identity import User
from models.profiles import GuardianshipRequest, Profile
from models.profiles import GuardianshipRequestStatus as Status
from models.security import SecurityEventSeverity as Severity
from resolvers.kernel import clock, due, guardianship, own_matters, system_config
from resolvers.kernel.notifications import FirstName, notify
from resolvers.kernel.own_matters import OwnMatter
from resolvers.kernel.steps import step
from resolvers.kernel.system_config import Configured
from resolvers.kernel.texts import TextMissing, check_text
from resolvers.security import events

REQUEST_DAYS = Configured("profiles.guardianship_request_days", 14)
ANNOUNCED_DAYS = 30
LONGEST_REASON = 2_000


class GuardianRequired(Refused):
    """Whoever is under 18 needs a guardian and what they are to the minor."""


class GuardianNotEligible(Refused):
    """Only an adult with a profile and an active account, other than the minor, can be a guardian."""


class NotMinor(Refused):
    """Only somebody under 18 has a guardian."""


class NotYourRequest(Refused):
    """Only who is named as the guardian may answer this request."""


class RequestExpired(Refused):
    """This request has expired: it must be sent again."""


PROFILE = Lookup([Profile, guardianship.MINOR], lambda found: found.where(Profile.user_id == bindparam("user_id")))
PENDING = Lookup(
    [GuardianshipRequest],
    lambda found: found.where(
        GuardianshipRequest.user_id == bindparam("user_id"), GuardianshipRequest.status == Status.PENDING
    ),
)
# An adult with an active account.
ELIGIBLE = Lookup(
    [User.id],
    lambda found: found.join(Profile, Profile.user_id == User.id).where(
        User.id == bindparam("guardian_id"), User.is_active, User.deleted_at.is_(None), not_(guardianship.MINOR)
    ),
)
LAPSED = due.Due(
    GuardianshipRequest.id,
    lambda found: found.where(
        GuardianshipRequest.status == Status.PENDING, GuardianshipRequest.expires_at <= func.now()
    ).order_by(GuardianshipRequest.expires_at, GuardianshipRequest.id),
)
COMING_OF_AGE = due.Due(
    Profile.user_id,
    lambda found: found.where(
        guardianship.MINOR,
        not_(func.lango.is_minor(Profile.date_of_birth - ANNOUNCED_DAYS, Profile.timezone, type_=Boolean)),
        Profile.majority_announced_at.is_(None),
    ).order_by(Profile.user_id),
)

Sent = Annotated[GuardianshipRequest, Named("request")]
Guardian = Annotated[UUID, Id(User, "Who is to act for the minor, by the id of their account.")]
Relationship = Annotated[str, Text("What the guardian is to the minor, as in `parent`.", Profile.relationship_type)]


@rule(NotFound, NotMinor, GuardianNotEligible, TextMissing)
async def request_guardian(
    tx: RuleTransaction,
    guardian_id: Guardian,
    relationship_type: Relationship,
    user_id: Annotated[
        UUID | None, Id(User, "The minor: oneself when it is left out, one's ward, or for staff anybody.")
    ] = None,
) -> Sent:
    """Request that somebody be a minor's guardian. The minor, the guardian until now, or staff.

    The guardian until now acts until the other accepts; the request ends after 14 days
    (`profiles.guardianship_request_days`), and an earlier one that is not answered yet is taken back.
    """
    whose = user_id if tx.actor.is_staff and user_id is not None else None
    minor = whose or await guardianship.acting_for(tx, user_id, field="user_id")
    users, found, requested = await tx.fetch(rows.locking(User, minor), reading(minor), requesting(minor))
    profile = _minor(users, found, field="user_id" if user_id is not None else None)
    request = await propose(tx, profile, requested, guardian_id, relationship_type)
    tx.save(profile)
    return request


@rule(OwnMatter, NotMinor, GuardianNotEligible, TextMissing, staff=True)
async def replace_guardian(
    tx: RuleTransaction,
    user: Annotated[User, Locked("The minor.")],
    guardian_id: Guardian,
    relationship_type: Relationship,
    reason: Annotated[str, Text("Why, for the record.", LONGEST_REASON)],
) -> Sent:
    """Take a minor out of the hands of the guardian, at once, and request that somebody else be it. Staff.

    Until that one accepts, nobody acts for the minor.
    """
    check_text(reason, field="reason")
    found, requested, wards = await tx.fetch(reading(user.id), requesting(user.id), own_matters.relating(tx))
    own_matters.refuse_related(tx, wards, user.id, field="user_id")
    profile = _minor([(user,)], found, field="user_id")
    events.record(
        tx, user.id, "guardian_replaced", Severity.LOW, before=str(profile.guardian_user_id), guardian=str(guardian_id),
        reason=reason, by=str(tx.user_id),
    )  # fmt: skip
    profile.guardian_accepted_at = None
    request = await propose(tx, profile, requested, guardian_id, relationship_type)
    tx.save(profile)
    return request


@rule(NotYourRequest, NotMinor, GuardianNotEligible, InvalidState, RequestExpired)
async def accept_guardianship(
    tx: RuleTransaction, request: Annotated[GuardianshipRequest, Seen("The request to oneself.")]
) -> Sent:
    """Accept to be a minor's guardian: from then on one sees and does what is the minor's, until they are 18."""
    profile, request, now = await _answered(tx, request, Status.ACCEPTED)
    if await ELIGIBLE.one(tx, guardian_id=tx.user_id) is None:
        raise GuardianNotEligible(field="request_id")
    if profile.guardian_accepted_at is not None and profile.guardian_user_id is not None:
        notify(tx, profile.guardian_user_id, "guardianship_ended", user_name=request.first_name)
    profile.guardian_user_id, profile.guardian_accepted_at = tx.user_id, now
    profile.relationship_type = request.relationship_type
    tx.save(profile, request)
    events.record(tx, request.user_id, "guardian_accepted", Severity.LOW, guardian=str(tx.user_id))
    notify(tx, request.user_id, "guardian_accepted", user_name=FirstName(tx.user_id))
    return request


@rule(NotYourRequest, NotMinor, InvalidState, RequestExpired)
async def decline_guardianship(
    tx: RuleTransaction, request: Annotated[GuardianshipRequest, Seen("The request to oneself.")]
) -> Sent:
    """Decline to be a minor's guardian."""
    _, request, _ = await _answered(tx, request, Status.DECLINED)
    tx.save(request)
    notify(tx, request.requested_by, "guardian_declined", user_name=request.first_name)
    return request


@scheduled("guardians.expire_lapsed_requests", "*/15 * * * *")
async def expire_lapsed_requests(services: Services) -> None:
    """End the requests that nobody answered in time."""
    await due.each(services, expire_lapsed_requests, LAPSED, _expire)


@scheduled("guardians.announce_majority", "20 * * * *")
async def announce_majority(services: Services) -> None:
    """Tell minors and their guardians, 30 days before, that the guardian's access ends."""
    await due.each(services, announce_majority, COMING_OF_AGE, _announce)


def reading(user_id: UUID) -> Query:
    """The look-up of a profile and whether it is a minor's: `[(profile, minor)]`. In the rules' role."""
    return PROFILE.query(user_id=user_id)


def requesting(user_id: UUID) -> Query:
    """The look-up of the request for a minor that is not answered yet. In the rules' role."""
    return PENDING.query(user_id=user_id)


async def propose(
    tx: RuleTransaction,
    profile: Profile,
    requested: Sequence[tuple[GuardianshipRequest]],
    guardian_id: UUID,
    relationship_type: str,
) -> GuardianshipRequest:
    """Request that somebody be the guardian of a minor, whose profile is to be saved after that; `requested` is taken
    back. Raises GuardianNotEligible, also where there is no such account."""
    check_text(relationship_type, field="relationship_type")
    eligible, ((now,),), configured = await tx.fetch(
        ELIGIBLE.query(guardian_id=guardian_id), clock.reading(), system_config.reading(REQUEST_DAYS)
    )
    if not eligible or guardian_id == profile.user_id or _acts(profile, guardian_id):
        raise GuardianNotEligible(field="guardian_id")
    (days,) = system_config.numbers_in(configured, REQUEST_DAYS)
    for (before,) in requested:
        before.status = Status.CANCELLED
        tx.save(before)
    if profile.guardian_user_id is None or profile.guardian_accepted_at is None:
        profile.guardian_user_id, profile.relationship_type = guardian_id, relationship_type
    request = GuardianshipRequest(
        id=uuid4(), user_id=profile.user_id, guardian_user_id=guardian_id, relationship_type=relationship_type,
        first_name=profile.full_name.split(maxsplit=1)[0], requested_by=tx.user_id, status=Status.PENDING,
        expires_at=now + timedelta(days=days),
    )  # fmt: skip
    tx.save(request)
    notify(tx, guardian_id, "guardianship_requested", user_name=request.first_name)
    return request


def _acts(profile: Profile, guardian_id: UUID) -> bool:
    """Whether that is the guardian already."""
    return profile.guardian_user_id == guardian_id and profile.guardian_accepted_at is not None


def _minor(users: Sequence[Any], found: Sequence[tuple[Any, ...]], *, field: str | None) -> Profile:
    """The profile of somebody under 18. Raises NotFound and NotMinor."""
    if not users:
        raise NotFound(field=field)
    profile, minor = found[0] if found else (None, False)
    if profile is None or not minor:
        raise NotMinor(field=field)
    return profile  # type: ignore[no-any-return]


async def _answered(
    tx: RuleTransaction, seen: GuardianshipRequest, answer: Status
) -> tuple[Profile, GuardianshipRequest, Any]:
    """The minor's profile, the request with that answer, and the time: under the minor's lock."""
    if seen.guardian_user_id != tx.user_id:
        raise NotYourRequest(field="request_id")
    users, found, ((request,),), ((now,),) = await tx.fetch(
        rows.locking(User, seen.user_id), reading(seen.user_id), rows.finding(GuardianshipRequest, seen.id),
        clock.reading(),
    )  # fmt: skip
    profile = _minor(users, found, field="request_id")
    step(request, answer, field="request_id")
    if request.expires_at <= now:
        raise RequestExpired(field="request_id")
    request.answered_at = now
    return profile, request, now


async def _expire(tx: RuleTransaction, request_id: UUID) -> None:
    found = await tx.find(GuardianshipRequest, request_id)
    if found is None:
        return
    _, ((request,),), ((now,),) = await tx.fetch(
        rows.locking(User, found.user_id), rows.finding(GuardianshipRequest, request_id), clock.reading()
    )
    if request.status == Status.PENDING and request.expires_at <= now:
        request.status = Status.EXPIRED
        tx.save(request)
        notify(tx, request.requested_by, "guardian_not_answered", user_name=request.first_name)


async def _announce(tx: RuleTransaction, user_id: UUID) -> None:
    _, found, ((now,),) = await tx.fetch(rows.locking(User, user_id), reading(user_id), clock.reading())
    ((profile, minor),) = found
    if not minor or profile.majority_announced_at is not None:
        return
    profile.majority_announced_at = now
    tx.save(profile)
    notify(tx, user_id, "majority_near", user_name=FirstName(user_id), days=ANNOUNCED_DAYS)
    if profile.guardian_user_id is not None and profile.guardian_accepted_at is not None:
        notify(tx, profile.guardian_user_id, "ward_majority_near", user_name=FirstName(user_id), days=ANNOUNCED_DAYS)
