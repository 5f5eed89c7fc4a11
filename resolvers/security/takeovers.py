"""What somebody may have left in an account that was not theirs: ways in that are as old as the change of contact that
its owner takes back, or newer."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, and_, bindparam, func, null, update

from lango.db.postgres import RawJson
from lango.db.prepared import Prepared
from lango.rules.transaction import RuleTransaction
from models.security import ApiKey, OauthAccount, TwoFactorAuth

KEY, CONNECTION, FACTOR = ApiKey.table().c, OauthAccount.table().c, TwoFactorAuth.table().c
REASON = "A change of contact was taken back."


def _made_since(user: Column[Any], moment: Column[Any]) -> ColumnElement[bool]:
    return and_(user == bindparam("user"), moment >= bindparam("since", type_=moment.type))


KEYS = Prepared(
    update(ApiKey.table())
    .where(_made_since(KEY.user_id, KEY.created_at), KEY.revoked_at.is_(None))
    .values(revoked_at=func.clock_timestamp(), revoked_reason=REASON)
)
CONNECTIONS = Prepared(
    update(OauthAccount.table())
    .where(_made_since(CONNECTION.user_id, CONNECTION.connected_at), CONNECTION.disconnected_at.is_(None))
    .values(disconnected_at=func.clock_timestamp(), access_token=null(), refresh_token=null())
)
FACTORS = Prepared(
    update(TwoFactorAuth.table())
    .where(_made_since(FACTOR.user_id, FACTOR.enabled_at), FACTOR.enabled)
    .values(
        enabled=False, disabled_at=func.clock_timestamp(), secret=null(), last_counter=null(),
        backup_codes=bindparam(None, RawJson.of([]), FACTOR.backup_codes.type),
    )
)  # fmt: skip


def end_since(tx: RuleTransaction, user_id: UUID, since: datetime) -> None:
    """Revoke the API keys, disconnect the accounts elsewhere and switch off the second factor that the user, who is
    locked, has since that moment. Sessions, the password and trusted devices are the caller's to end."""
    for each in (KEYS, CONNECTIONS, FACTORS):
        each.send(tx, user=user_id, since=since)
