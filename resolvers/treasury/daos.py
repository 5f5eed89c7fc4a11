"""DAOs: who founds one becomes its admin and its first signer; its admins say what it is, and staff stop it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import uuid4

import asyncpg
from sqlalchemy import bindparam, func, or_

from lango.db import rows
from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.rules.inputs import Changes, Details, Locked, Once, Text, Value
from lango.rules.rule import InvalidState, rule
from lango.rules.transaction import RuleTransaction
from lango.values import codes
from models.identity import User
from models.topics import Topic
from models.treasury import (
    Dao,
    DaoAccess,
    DaoMember,
    DaoMemberRole,
    DaoMemberStatus,
    DaoStatus,
    DaoTreasury,
    TreasuryTransfer,
)
from models.treasury import TreasuryTransferStatus as TransferStatus
from resolvers.kernel import ages, own_matters, system_config
from resolvers.kernel.ages import NotOfAge, check_is_adult, minors_in
from resolvers.kernel.outbox import publish
from resolvers.kernel.own_matters import OwnMatter
from resolvers.kernel.steps import step
from resolvers.kernel.system_config import Configured
from resolvers.kernel.texts import TextMissing, TimeZoneUnknown, check_text, check_time_zone
from resolvers.treasury.members import (
    MANAGES,
    DaoNotActive,
    NotAMember,
    RoleTooLow,
    check_dao,
    demand_role,
    members_in,
    standing,
)
from resolvers.treasury.memberships import ADMINS, LONGEST_REASON, TreasuryNotEmpty, check_role
from resolvers.treasury.served_currencies import LONGEST_CURRENCY, CurrencyNotServed, check_currency
from resolvers.treasury.treasuries import locking_treasury, treasury_in

DAILY_DAOS = Configured("treasury.daily_daos", 5)
CURRENCY, ZONE = "KES", "Africa/Nairobi"
LONGEST_NAME, LONGEST_TEXT, LONGEST_ZONE = 100, 5_000, 50
# In hours: a year.
LONGEST_VOTE = 366 * 24
UNIQUE_NAME = "uq_daos_name"
IS_OPEN = or_(*(TreasuryTransfer.status == each for each in (TransferStatus.PROPOSED, TransferStatus.APPROVED)))


class NameTaken(Refused):
    """Another DAO has this name."""


class TooManyDaos(Refused):
    """You have founded as many DAOs as one may within a day."""


class QuorumOutOfRange(Refused):
    """A quorum is from 0 to 100 percent."""


class VotingPeriodOutOfRange(Refused):
    """A vote is open for one hour at least, and for a year at most."""


class WithoutAdmin(Refused):
    """This DAO has no admin: nobody could run it."""


class OpenTransfers(Refused):
    """Payments from this DAO wait for its signers still: decide on them first."""


DESCRIBED = (TextMissing, NameTaken, QuorumOutOfRange, VotingPeriodOutOfRange)
FOUNDED = Lookup(
    [func.count()],
    lambda found: found.select_from(Dao).where(
        Dao.creator_id == bindparam("user_id"),
        Dao.created_at > func.clock_timestamp() - func.make_interval(0, 0, 0, 1),
    ),
)
# What belongs to the state of a DAO: whoever is an approved member of it, and what waits to be paid.
MEMBERS = Lookup(
    [DaoMember.user_id],
    lambda found: found.where(DaoMember.dao_id == bindparam("dao_id"), DaoMember.status == DaoMemberStatus.APPROVED),
)
OPEN = Lookup(
    [TreasuryTransfer.id],
    lambda found: (
        found.join(DaoTreasury, DaoTreasury.id == TreasuryTransfer.treasury_id)
        .where(DaoTreasury.dao_id == bindparam("dao_id"), IS_OPEN)
        .limit(1)
    ),
)
Reason = Annotated[str, Text("Why, for everybody to read who sees the DAO.", LONGEST_REASON)]


class DaoDetails(Details):
    """What a DAO may say of itself."""

    description: Annotated[str | None, Text("What it is for; null for no text.", LONGEST_TEXT)]
    access: Annotated[DaoAccess, Value("Who may find it; everybody at first.")]
    quorum_percentage: Annotated[
        int, Value("How many of the members must vote for a vote to count, in percent; 20 at first.")
    ]
    voting_period_hours: Annotated[int, Value("How long a vote is open, in hours; 72 at first.")]


class DaoChanges(DaoDetails, Changes):
    """What its admins may change."""

    name: Annotated[str, Text("What it is called; no two DAOs share a name.", LONGEST_NAME)]


@dataclass(frozen=True, slots=True)
class Founded:
    """A new DAO, its treasury, and what lets others join it."""

    dao: Dao
    treasury: DaoTreasury
    invite_code: Annotated[str, Once("Whoever has it joins without being approved: keep it among yourselves.")]


@dataclass(frozen=True, slots=True)
class Invited:
    """A DAO, and what lets others join it."""

    dao: Dao
    invite_code: Annotated[str, Value("Whoever has it joins without being approved. Null where it was refused.")]


@rule(*DESCRIBED, CurrencyNotServed, TimeZoneUnknown, NotOfAge, TooManyDaos)
async def create_dao(
    tx: RuleTransaction,
    name: Annotated[str, Text("What it is called; no two DAOs share a name.", LONGEST_NAME)],
    currency: Annotated[
        str, Text("What its treasury is counted in, for good: `KES`, `cUSD`, `CELO` or `MTAA`.", LONGEST_CURRENCY)
    ] = CURRENCY,
    time_zone: Annotated[str, Text("The IANA time zone of its days, for good.", LONGEST_ZONE)] = ZONE,
    *,
    details: DaoDetails,
) -> Founded:
    """Found a DAO with an empty treasury. The caller becomes its admin, and the one signer until signers are added.

    Adults alone. In how many a day `treasury.daily_daos` says.
    """
    check_currency(currency, field="currency")
    check_time_zone(time_zone, field="time_zone")
    # Counted under the user's lock: many at once stay within the limit.
    _, ((founded,),), minors, configured = await tx.fetch(
        rows.locking(User, tx.user_id), FOUNDED.query(user_id=tx.user_id), ages.aging(tx.user_id),
        system_config.reading(DAILY_DAOS),
    )  # fmt: skip
    check_is_adult(tx.user_id, minors_in(minors))
    (most,) = system_config.numbers_in(configured, DAILY_DAOS)
    if founded >= most:
        raise TooManyDaos(limit=most)
    code = codes.new()
    dao = Dao(
        id=uuid4(), name=name, invite_code=code, creator_id=tx.user_id, member_count=1, status=DaoStatus.ACTIVE,
        time_zone=time_zone,
    )  # fmt: skip
    admin = DaoMember(
        id=uuid4(), dao_id=dao.id, user_id=tx.user_id, role=DaoMemberRole.ADMIN, status=DaoMemberStatus.APPROVED
    )
    treasury = DaoTreasury(id=uuid4(), dao_id=dao.id, currency=currency, signers=[tx.user_id], required_signatures=1)
    await _describe(tx, dao, DaoChanges(name=name, **details.given))
    tx.save(admin, treasury)
    publish(tx, Topic.DAO_CREATED, dao.id)
    return Founded(dao, treasury, code)


@rule(NotAMember, RoleTooLow, DaoNotActive, *DESCRIBED)
async def update_dao(
    tx: RuleTransaction, dao: Annotated[Dao, Locked("The DAO to change.")], changes: DaoChanges
) -> Dao:
    """Change what a DAO says of itself; what is left out stays as it is. Its admins.

    Its time zone stays: it decides on which day a payment counts, and with that what may be spent.
    """
    await check_role(tx, dao.id, MANAGES, field="dao_id")
    check_dao(dao, field="dao_id")
    await _describe(tx, dao, changes)
    publish(tx, Topic.DAO_UPDATED, dao.id)
    return dao


# Not idempotent: nothing is to keep the code but the DAO.
@rule(NotAMember, RoleTooLow, DaoNotActive, idempotent=False)
async def rotate_dao_invite_code(
    tx: RuleTransaction, dao: Annotated[Dao, Locked("The DAO that gets another code.")]
) -> Invited:
    """Make another invite code: the one before lets nobody join any more. Its admins."""
    await check_role(tx, dao.id, MANAGES, field="dao_id")
    check_dao(dao, field="dao_id")
    dao.invite_code = code = codes.new()
    tx.save(dao)
    publish(tx, Topic.DAO_UPDATED, dao.id)
    return Invited(dao, code)


@rule(OwnMatter, InvalidState, TextMissing, staff=True)
async def suspend_dao(
    tx: RuleTransaction, dao: Annotated[Dao, Locked("The DAO to stop for now.")], reason: Reason
) -> Dao:
    """Stop a DAO for now: it takes no money and pays none, and nobody joins; staff."""
    return await _decide(tx, dao, DaoStatus.SUSPENDED, Topic.DAO_SUSPENDED, reason)


@rule(OwnMatter, InvalidState, TextMissing, WithoutAdmin, staff=True)
async def reinstate_dao(
    tx: RuleTransaction, dao: Annotated[Dao, Locked("The DAO that may go on.")], reason: Reason
) -> Dao:
    """Let a suspended DAO go on, which has an admin still; staff."""
    return await _decide(tx, dao, DaoStatus.ACTIVE, Topic.DAO_REINSTATED, reason)


@rule(NotAMember, RoleTooLow, InvalidState, TextMissing, TreasuryNotEmpty, OpenTransfers)
async def archive_dao(
    tx: RuleTransaction, dao: Annotated[Dao, Locked("The DAO to close for good.")], reason: Reason
) -> Dao:
    """Close a DAO for good, whose treasury is empty and from which nothing waits to be paid. Its admins."""
    check_text(reason, field="reason")
    found, members, open_transfers = await tx.fetch(
        locking_treasury(dao.id), standing(dao.id, tx.user_id), OPEN.query(dao_id=dao.id)
    )
    demand_role(members_in(members), tx.user_id, MANAGES, field="dao_id")
    if treasury_in(found, field="dao_id").total_balance:
        raise TreasuryNotEmpty(field="dao_id")
    if open_transfers:
        raise OpenTransfers(field="dao_id")
    return _move(tx, dao, DaoStatus.ARCHIVED, Topic.DAO_ARCHIVED, reason)


async def _decide(tx: RuleTransaction, dao: Dao, following: DaoStatus, topic: Topic, reason: str) -> Dao:
    """What staff decide on a DAO to which neither they nor whom they act for belong."""
    check_text(reason, field="reason")
    # Its treasury too: what is being paid into it or out of it is done before.
    _, members, wards = await tx.fetch(locking_treasury(dao.id), MEMBERS.query(dao_id=dao.id), own_matters.relating(tx))
    own_matters.refuse_related(tx, wards, *(user_id for (user_id,) in members), field="dao_id")
    if following == DaoStatus.ACTIVE and not await ADMINS.all(tx, dao_id=dao.id):
        raise WithoutAdmin(field="dao_id")
    return _move(tx, dao, following, topic, reason)


def _move(tx: RuleTransaction, dao: Dao, following: DaoStatus, topic: Topic, reason: str) -> Dao:
    step(dao, following, field="dao_id")
    dao.status_reason = reason.strip()
    tx.save(dao)
    publish(tx, topic, dao.id)
    return dao


async def _describe(tx: RuleTransaction, dao: Dao, changes: DaoChanges) -> None:
    """Take over what is given, and write it."""
    if "name" in changes:
        check_text(changes.name, field="name")
    quorum, hours = changes.quorum_percentage, changes.voting_period_hours
    if quorum is not None and not 0 <= quorum <= 100:
        raise QuorumOutOfRange(field="quorum_percentage")
    if hours is not None and not 1 <= hours <= LONGEST_VOTE:
        raise VotingPeriodOutOfRange(field="voting_period_hours")
    for name, value in changes.given.items():
        setattr(dao, name, value.strip() if name == "name" else value)
    tx.save(dao)
    try:
        # The index decides: of two who take a name at once, the second waits for the first.
        await tx.flush()
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != UNIQUE_NAME:
            raise
        raise NameTaken(field="name") from error
