"""What the holder of an invitation's code sees of it before answering: the code is the right to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Text, any_, bindparam

from lango.actor import Actor, DatabaseRole
from lango.db.fair_queue import SYSTEM
from lango.db.pipeline import Pipeline
from lango.db.prepared import Lookup
from lango.db.transaction import OpenTransaction, acting_as
from lango.values import codes
from models.profiles import PublicProfile
from models.referrals import PointsLedgerEntryEventType as Event
from models.referrals import Referral, ReferralStatus
from resolvers.kernel import clock
from resolvers.kernel.system_config import number
from resolvers.points.points import USUAL

LONGEST = 60
BY_CODE = Lookup(
    [Referral], lambda rows: rows.where(Referral.referral_code == any_(bindparam("codes", type_=ARRAY(Text))))
)
PUBLIC_NAME = Lookup([PublicProfile.full_name], lambda rows: rows.where(PublicProfile.user_id == bindparam("user_id")))


@dataclass(frozen=True, slots=True)
class Invitation:
    """What the holder of a code may see; of one that waits for no answer only where it stands."""

    status: ReferralStatus
    sent_at: datetime
    expires_at: datetime | None
    inviter_name: str | None = None
    message: str | None = None
    points: int | None = None


async def invitation(pipeline: Pipeline, actor: Actor, code: str) -> Invitation | None:
    """The invitation of a code, in a transaction of its own; None where it is no invitation's."""
    if len(code) > LONGEST or "\0" in code:
        return None
    # Other fields of the operation may hold a connection already: to wait for a second one could be for ever.
    async with acting_as(pipeline, actor, read_only=True, role=DatabaseRole.RULES, caller=SYSTEM) as tx:
        found = await BY_CODE.one(tx, codes=codes.readings(code))
        if found is None:
            return None
        referral: Referral = found[0]
        status, until = referral.status, referral.expired_at
        if status == ReferralStatus.SENT and until is not None and until <= await clock.now(tx):
            status = ReferralStatus.EXPIRED
        if status != ReferralStatus.SENT:
            return Invitation(status, referral.sent_at, until)
        points = await number(tx, USUAL[Event.REFERRAL_ACCEPTED])
        name = await _public_name(tx, referral.sponsor_user_id)
        return Invitation(status, referral.sent_at, until, name, referral.invitation_message, points)


async def _public_name(tx: OpenTransaction, user_id: UUID) -> str | None:
    """The first name that everybody may see; never a minor's. Goes on as nobody."""
    tx.set_role(DatabaseRole.ANONYMOUS)
    found = await PUBLIC_NAME.one(tx, user_id=user_id)
    return next(iter(found[0].split(maxsplit=1)), None) if found else None
