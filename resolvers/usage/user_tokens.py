"""Developers' tokens for other services: kept encrypted, and shown as their last four characters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import uuid4

from sqlalchemy import bindparam, delete

from lango.db import rows
from lango.db.prepared import Lookup, Prepared
from lango.errors import Refused
from lango.rules.inputs import Locked, OwnedBy, Text, Value
from lango.rules.rule import rule
from lango.rules.transaction import RuleTransaction
from models.identity import User
from models.usage import UserToken, UserTokenProvider

LONGEST_TOKEN, SHORTEST_TOKEN = 4_000, 8
# Of a token that is not much longer, four characters would be too much of it.
SHORTEST_SHOWN = 16
SEALED = UserToken.token_encrypted

OF_PROVIDER = Lookup(
    [UserToken],
    lambda found: found.where(
        UserToken.user_id == bindparam("user_id"),
        UserToken.provider == bindparam("provider", type_=UserToken.provider.type),
    ).with_for_update(key_share=True),
)
DELETE = Prepared(delete(UserToken.table()).where(UserToken.table().c.id == bindparam("id")))


class TokenNotValid(Refused):
    """A token has at least eight printable characters, and no blanks."""


class NotYourToken(Refused):
    """This token is not yours."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """What is gone."""

    provider: Annotated[UserTokenProvider, Value("The service whose token it was.")]


@rule(TokenNotValid)
async def store_user_token(
    tx: RuleTransaction,
    provider: Annotated[UserTokenProvider, Value("The service that the token opens.")],
    token: Annotated[str, Text("The token. Kept encrypted; nobody is shown it again.", LONGEST_TOKEN, exact=True)],
) -> UserToken:
    """Keep your token for another service, in the place of the one that was kept for it before."""
    token = token.strip()
    if len(token) < SHORTEST_TOKEN or not token.isprintable() or any(letter.isspace() for letter in token):
        raise TokenNotValid(field="token")
    # By the user's row: a token that is being stored cannot be locked yet.
    _, found = await tx.fetch(rows.locking(User, tx.user_id), OF_PROVIDER.query(user_id=tx.user_id, provider=provider))
    stored = found[0][0] if found else UserToken(id=uuid4(), user_id=tx.user_id, provider=provider)
    stored.token_encrypted = tx.services.keyring.seal(token, SEALED, stored.id)
    stored.last_four = token[-4:] if len(token) >= SHORTEST_SHOWN else None
    stored.is_valid = True
    stored.last_used_at = None
    tx.save(stored)
    return stored


@rule()
async def delete_user_token(
    tx: RuleTransaction,
    user_token: Annotated[UserToken, Locked("The token."), OwnedBy(UserToken.user_id, NotYourToken)],
) -> Deleted:
    """Forget a token for another service."""
    DELETE.send(tx, id=user_token.id)
    return Deleted(user_token.provider)
