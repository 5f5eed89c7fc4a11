"""Delivery reports: what providers say has become of an SMS. They come twice, late, and in any order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qs
from uuid import UUID

import structlog
from sqlalchemy import bindparam, or_

from lango.db.postgres import RawJson
from lango.db.prepared import Lookup
from lango.jobs.job import enqueue, job
from lango.providers.africastalking import AFRICAS_TALKING
from lango.providers.africastalking.webhook import REPORTS as AFRICAS_TALKING_REPORTS
from lango.providers.messages import Progress, words
from lango.providers.twilio import TWILIO
from lango.providers.twilio.webhook import REPORTS as TWILIO_REPORTS
from lango.providers.webhook import Delivery, Handled
from lango.rules.handlers import handles
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from models.security import SmsDelivery, SmsDeliveryStatus
from resolvers.kernel import clock
from resolvers.messages.costs import look_up_later
from resolvers.messages.sending import known_of

log = structlog.get_logger("lango.messages")
KEY = re.compile(r"[\w.:-]{1,100}", re.ASCII)
# What a report may come before: the commit of the job that has just sent the message.
PAUSE, PAUSES = timedelta(seconds=5), 3
# Of reports that change nothing the last few are kept.
KEPT = 5
LONGEST_ERROR = 8
SAID_BY_AFRICAS_TALKING: Mapping[str, Progress] = {
    "Sent": Progress.SENT,
    "Submitted": Progress.SENT,
    "Buffered": Progress.SENT,
    "Success": Progress.DELIVERED,
    "Rejected": Progress.FAILED,
    "Failed": Progress.FAILED,
    "AbsentSubscriber": Progress.FAILED,
    "Expired": Progress.FAILED,
}
SAID_BY_TWILIO: Mapping[str, Progress] = {
    "sent": Progress.SENT,
    "delivered": Progress.DELIVERED,
    "read": Progress.DELIVERED,
    "failed": Progress.FAILED,
    "undelivered": Progress.FAILED,
    "canceled": Progress.FAILED,
}
REPORTED = Lookup(
    [SmsDelivery],
    lambda rows: (
        rows.where(
            or_(
                SmsDelivery.id == bindparam("id", type_=SmsDelivery.id.type),
                (SmsDelivery.provider_message_id == bindparam("message_id"))
                & (SmsDelivery.provider == bindparam("provider")),
            )
        )
        .order_by(SmsDelivery.id)
        .limit(1)
        .with_for_update(key_share=True)
    ),
)


@dataclass(frozen=True, slots=True)
class Report:
    """What a provider says of a message."""

    provider: str
    # The provider's key of it.
    message_id: str
    # Our own, where the provider gives it back.
    delivery_id: UUID | None
    progress: Progress
    # Why it failed.
    reason: str | None = None


@handles(AFRICAS_TALKING_REPORTS)
async def receive_africas_talking_report(services: Services, delivery: Delivery[dict[str, str]]) -> Handled:
    """A report by Africa's Talking: at once where the message is known, by a job where it is not yet."""
    given = delivery.payload
    key, progress = given.get("id", ""), SAID_BY_AFRICAS_TALKING.get(given.get("status", ""))
    if progress is not None and KEY.fullmatch(key):
        why = words(given.get("failureReason") or given["status"])
        await _take(services, Report(AFRICAS_TALKING.name, key, None, progress, why))
    return Handled()


@handles(TWILIO_REPORTS)
async def receive_twilio_report(services: Services, delivery: Delivery[dict[str, str]]) -> Handled:
    """A report by Twilio, to the address that was given with the message."""
    given = delivery.payload
    key, progress = given.get("MessageSid", ""), SAID_BY_TWILIO.get(given.get("MessageStatus", ""))
    if progress is not None and KEY.fullmatch(key):
        named = parse_qs(delivery.request.query).get("delivery", [""])[-1]
        why = _error(given.get("ErrorCode")) or given["MessageStatus"]
        await _take(services, Report(TWILIO.name, key, _uuid(named), progress, why))
    return Handled()


@job("messages.apply_report")
async def apply_report(
    services: Services,
    *,
    provider: str,
    message_id: str,
    delivery_id: UUID | None,
    progress: Progress,
    reason: str | None,
    left: int,
) -> None:
    """Apply a report that came before its message was known as sent; `left` is how often it still waits for that."""
    await _take(services, Report(provider, message_id, delivery_id, progress, reason), left)


async def _take(services: Services, report: Report, left: int = PAUSES) -> None:
    async with services.work() as tx:
        found, ((now,),) = await tx.fetch(
            REPORTED.query(id=report.delivery_id, message_id=report.message_id, provider=report.provider),
            clock.reading(),
        )
        if found:
            _apply(tx, found[0][0], report, now)
        elif left > 0:
            enqueue(
                tx, apply_report, after=PAUSE, provider=report.provider, message_id=report.message_id,
                delivery_id=report.delivery_id, progress=report.progress, reason=report.reason, left=left - 1,
            )  # fmt: skip
        else:
            log.warning("report_of_no_message", provider=report.provider, progress=report.progress.value)


def _apply(tx: RuleTransaction, row: SmsDelivery, report: Report, now: datetime) -> None:
    """Bring a locked message forward, never back: what says less, or comes after the end, is kept beside it."""
    of_this_try = row.provider_message_id in (None, report.message_id)
    forward = {
        Progress.SENT: row.status == SmsDeliveryStatus.PENDING,
        # Also by a try that was taken for lost.
        Progress.DELIVERED: row.status in (SmsDeliveryStatus.PENDING, SmsDeliveryStatus.SENT),
        Progress.FAILED: of_this_try and row.status in (SmsDeliveryStatus.PENDING, SmsDeliveryStatus.SENT),
    }[report.progress]
    if not forward:
        _keep(tx, row, report)
        return
    if row.status == SmsDeliveryStatus.PENDING:
        row.provider, row.provider_message_id = report.provider, report.message_id
        row.status, row.sent_at = SmsDeliveryStatus.SENT, now
        tx.save(row)
    if report.progress is Progress.DELIVERED:
        row.status, row.delivered_at = SmsDeliveryStatus.DELIVERED, now
    elif report.progress is Progress.FAILED:
        row.status, row.error_message = SmsDeliveryStatus.FAILED, report.reason
    tx.save(row)
    if report.progress is not Progress.SENT:
        look_up_later(tx, row)


def _keep(tx: RuleTransaction, row: SmsDelivery, report: Report) -> None:
    """Keep a report that changes nothing, unless it repeats what the message says of itself."""
    said = f"{report.progress.value}: {report.reason}" if report.progress is Progress.FAILED else report.progress.value
    known = known_of(row)
    before = known.get("reports", [])
    if report.progress is Progress.SENT or report.progress.value == row.status.value or said in before:
        return
    row.metadata_ = RawJson.of(known | {"reports": [*before, said][-KEPT:]})
    tx.save(row)


def _error(code: str | None) -> str | None:
    """Twilio's number of an error; what is none is nobody's."""
    return code if code and code.isascii() and code.isdigit() and len(code) <= LONGEST_ERROR else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
