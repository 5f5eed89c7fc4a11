"""Opt-outs: phones and emails to which no invitation goes, at the wish of whoever is reached by them.

They are kept as keyed hashes. Somebody who signs up later is invited again: from then on the profile says whether they
wish to be.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast
from uuid import uuid4

from sqlalchemy import ARRAY, Text, any_, bindparam, delete, exists, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert

from lango.db.prepared import Lookup, Prepared
from lango.rules.transaction import RuleTransaction
from models.identity import User
from models.referrals import InvitationOptOut

COLUMN = cast(Any, InvitationOptOut.contact_hash)
HASHES = any_(bindparam("hashes", type_=ARRAY(Text)))
WAYS = any_(bindparam("ways", type_=ARRAY(Text)))
THERE_ARE = Lookup([exists(select(InvitationOptOut.id))], lambda rows: rows)
FOUND = Lookup([COLUMN, InvitationOptOut.created_at], lambda rows: rows.where(COLUMN == HASHES))
ACCOUNTS = Lookup(
    [User.phone, User.email, User.created_at],
    lambda rows: rows.where(or_(User.phone == WAYS, User.email == WAYS), User.deleted_at.is_(None)),
)
ADD = Prepared(
    upsert(InvitationOptOut.table()).on_conflict_do_nothing().returning(InvitationOptOut.table().c.id),
    ["id", "contact_hash"],
)
REMOVE = Prepared(delete(InvitationOptOut.table()).where(COLUMN == HASHES).returning(InvitationOptOut.table().c.id))


async def among(tx: RuleTransaction, ways: Collection[str]) -> set[str]:
    """Those of these phones and emails that have opted out. In the rules' role.

    Raises ServiceUnavailable where some have, and the key that their hashes need is not configured.
    """
    ((there_are,),) = await THERE_ARE.all(tx)
    if not there_are or not ways:
        return set()
    ring = tx.services.keyring
    by_hash = {digest: way for way in ways for digest in ring.digests(way, COLUMN)}
    since = {by_hash[digest]: created for digest, created in await FOUND.all(tx, hashes=list(by_hash))}
    for phone, email, created in await ACCOUNTS.all(tx, ways=list(since)) if since else []:
        for way in (phone, email):
            if way in since and since[way] < created:
                del since[way]
    return set(since)


async def add(tx: RuleTransaction, ways: Collection[str]) -> None:
    """From now on no invitation goes to these phones and emails. In the rules' role. Raises as `among`."""
    ring = tx.services.keyring
    # Anew: whoever has signed up since counts by the later moment.
    await remove(tx, ways)
    for way in sorted(ways):
        ADD.send(tx, id=uuid4(), contact_hash=ring.digests(way, COLUMN)[0])


async def remove(tx: RuleTransaction, ways: Collection[str]) -> None:
    """Invitations may go to these phones and emails again. In the rules' role. Raises as `among`."""
    ring = tx.services.keyring
    REMOVE.send(tx, hashes=[digest for way in ways for digest in ring.digests(way, COLUMN)])
