"""Redemptions that were a mistake: staff take one back, and its holder may redeem the code again."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Annotated
from uuid import uuid4

from lango.db import rows
from lango.db.postgres import RawJson
from lango.errors import Refused
from lango.rules.inputs import Locked, Referred, Text
from lango.rules.rule import InvalidState, rule
from lango.rules.transaction import RuleTransaction
from models.ledger import LedgerKind
from models.packs import Pack
from models.pots import Pot
from models.redemption import QrCode, QrCodeStatus, QrRedemptionLog
from models.redemption import QrRedemptionLogValidationResult as Result
from models.topics import Topic
from resolvers.kernel import clock, system_config
from resolvers.kernel.notifications import notify
from resolvers.kernel.outbox import publish
from resolvers.kernel.own_matters import OwnMatter
from resolvers.kernel.system_config import Configured
from resolvers.kernel.texts import TextMissing, check_text
from resolvers.ledger import ledger
from resolvers.packs.partner_members import belonging, managing, refuse_members

LONGEST_REASON = 500
REVERSAL_HOURS = Configured("redemption.reversal_hours", 24)


class ReversalTooLate(Refused):
    """This was redeemed too long ago to be taken back."""


class RedemptionSettled(Refused):
    """This redemption is in a settlement already: dispute the settlement instead."""


@rule(OwnMatter, TextMissing, InvalidState, RedemptionSettled, ReversalTooLate, staff=True)
async def reverse_redemption(
    tx: RuleTransaction,
    pot: Annotated[Pot, Referred(QrCode.pot_id)],
    qr_code: Annotated[QrCode, Locked("The code that was redeemed by mistake.")],
    reason: Annotated[str, Text("Why it is taken back: its holder and the partner read it.", LONGEST_REASON)],
) -> QrCode:
    """Take a redemption back, within `redemption.reversal_hours` and before it is settled; staff.

    The code is issued again: its price goes from the partner and the platform back to the pot's reserve, and it may be
    redeemed until it expires, or given back. The pot's owner and the partner's managers are notified.
    """
    check_text(reason, field="reason")
    partner_id, share = qr_code.redeemed_by_partner_id, qr_code.partner_share_cfa
    members, wards, managers, configured, ((pack,),), ((now,),) = await tx.fetch(
        *belonging(tx, partner_id),
        managing(partner_id),
        system_config.reading(REVERSAL_HOURS),
        rows.finding(Pack, qr_code.pack_id),
        clock.reading(),
    )
    refuse_members(tx, members, wards, pot.owner_user_id, field="qr_code_id")
    if qr_code.status != QrCodeStatus.REDEEMED:
        raise InvalidState(f"The code is {qr_code.status}.", field="qr_code_id", state=qr_code.status)
    _check_reversible(qr_code, now, *system_config.numbers_in(configured, REVERSAL_HOURS))
    assert partner_id is not None
    assert share is not None
    note = _log(qr_code, reason.strip())
    qr_code.status = QrCodeStatus.ISSUED
    qr_code.redeemed_at = qr_code.redeemed_by_partner_id = qr_code.redeemed_at_venue = None
    qr_code.partner_notes = qr_code.partner_share_cfa = None
    tx.save(qr_code, note)
    reserve = ledger.pot_reserved(pot.id)
    returned = [
        ledger.Movement(ledger.partner_payable(partner_id), reserve, share),
        ledger.Movement(ledger.commission(), reserve, qr_code.price_cfa - share),
    ]
    ledger.post(tx, LedgerKind.QR_REDEEM_REVERSAL, returned, of=qr_code)
    publish(tx, Topic.QR_CODE_REVERSED, qr_code.id, pot_id=pot.id, partner_id=partner_id)
    for user_id in (pot.owner_user_id, *(manager for (manager,) in managers)):
        notify(tx, user_id, "redemption_reversed", pack=pack.name, amount=qr_code.price_cfa, reason=reason.strip())
    return qr_code


def _check_reversible(code: QrCode, now: datetime, hours: int) -> None:
    if code.settlement_id is not None:
        raise RedemptionSettled(field="qr_code_id", settlementId=str(code.settlement_id))
    assert code.redeemed_at is not None
    if code.redeemed_at + timedelta(hours=hours) <= now:
        raise ReversalTooLate(field="qr_code_id", redeemedAt=code.redeemed_at.isoformat(), hours=hours)


def _log(code: QrCode, reason: str) -> QrRedemptionLog:
    """What the redemption was, which its code says no more. Who reversed it is in the audit log."""
    assert code.redeemed_at is not None
    venue = code.redeemed_at_venue.parsed() if code.redeemed_at_venue else None
    facts = {"venue": venue, "redeemed_at": code.redeemed_at.isoformat(), "partner_share_cfa": code.partner_share_cfa}
    return QrRedemptionLog(
        id=uuid4(), qr_code_id=code.id, partner_id=code.redeemed_by_partner_id, validation_result=Result.REVERSED,
        error_message=reason, venue_context=RawJson.of(facts),
        presented_code_sha256=hashlib.sha256(code.code.encode()).hexdigest(),
    )  # fmt: skip
