"""Opt-outs: phones and emails to which no invitation goes, at the wish of whoever is reached by them.

They are kept as keyed hashes. Somebody who signs up later is invited again: from then on the profile says whether they
wish to be.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, cast
from uuid import uuid4

from sqlalchemy import ARRAY, Text, any_, bindparam, delete, exists, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert

from lango.db.prepared import Lookup, Prepared, Query
from lango.rules.transaction import RuleTransaction
from lango.security.encryption import Keyring, NoEncryptionKey, keyring_of
from lango.security.keys import BadKey
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


def seeking(tx: RuleTransaction, ways: Collection[str]) -> tuple[Query, Query, Query]:
    """The look-ups of those of these phones and emails that have opted out, to be sent together with others, in the
    rules' role; `opted_out_in` reads them."""
    try:
        by_hash = _by_hash(keyring_of(tx.services.settings), ways)
    except (NoEncryptionKey, BadKey):
        # Missed only where there is a hash: `opted_out_in` says so.
        by_hash = {}
    return THERE_ARE.query(), FOUND.query(hashes=list(by_hash)), ACCOUNTS.query(ways=list(ways))


def opted_out_in(
    tx: RuleTransaction,
    ways: Collection[str],
    any_there: Sequence[tuple[Any, ...]],
    hashed: Sequence[tuple[Any, ...]],
    accounts: Sequence[tuple[Any, ...]],
) -> set[str]:
    """Those that have opted out.

    Raises ServiceUnavailable where anybody has, and the key that their hashes need is not configured.
    """
    ((there_are,),) = any_there
    if not there_are or not ways:
        return set()
    by_hash = _by_hash(tx.services.keyring, ways)
    since = {by_hash[digest]: created for digest, created in hashed}
    for phone, email, created in accounts:
        for way in (phone, email):
            if way in since and since[way] < created:
                del since[way]
    return set(since)


def _by_hash(ring: Keyring, ways: Collection[str]) -> dict[str, str]:
    return {digest: way for way in ways for digest in ring.digests(way, COLUMN)}


async def add(tx: RuleTransaction, ways: Collection[str]) -> None:
    """From now on no invitation goes to these phones and emails. In the rules' role.

    Raises ServiceUnavailable where the key that their hashes need is not configured.
    """
    ring = tx.services.keyring
    # Anew: whoever has signed up since counts by the later moment.
    await remove(tx, ways)
    for way in sorted(ways):
        ADD.send(tx, id=uuid4(), contact_hash=ring.digests(way, COLUMN)[0])


async def remove(tx: RuleTransaction, ways: Collection[str]) -> None:
    """Invitations may go to these phones and emails again. In the rules' role. Raises as `add`."""
    ring = tx.services.keyring
    REMOVE.send(tx, hashes=[digest for way in ways for digest in ring.digests(way, COLUMN)])
