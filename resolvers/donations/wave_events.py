"""Webhooks of Wave: each is stored before anything is done, acted on once, and kept also where nothing can be done."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert

from lango.db.postgres import RawJson
from lango.db.prepared import Lookup, Prepared
from lango.db.transaction import Transaction
from lango.jobs.gauges import gauge
from lango.jobs.job import enqueue, job
from lango.providers.wave.webhook import EVENTS
from lango.providers.webhook import Delivery, Handled
from lango.rules.handlers import handles
from lango.rules.inputs import Locked, Named
from lango.rules.rule import rule
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from models.donations import Donation, WaveWebhookEvent
from models.topics import Topic
from resolvers.donations import donors
from resolvers.donations.payments import Payment, donation_in, fail, paid_for, settle
from resolvers.kernel import clock
from resolvers.kernel.outbox import publish
from resolvers.kernel.own_matters import OwnMatter

log = structlog.get_logger("lango.wave")
COMPLETED = "checkout.session.completed"
FAILED = "checkout.session.payment_failed"
# Whoever brought the event has so long to see to it; then the worker does.
HEAD_START = timedelta(seconds=30)
LONGEST_ID, LONGEST_TYPE = 100, 50
# PostgreSQL holds no NUL in JSON: an escape of one, before which backslashes come in pairs.
NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
STORE = Prepared(
    insert(WaveWebhookEvent.table())
    .on_conflict_do_nothing(index_elements=["wave_event_id"])
    .returning(WaveWebhookEvent.table().c.id),
    ["id", "wave_event_id", "event_type", "raw_payload"],
)
HAS_ERROR = WaveWebhookEvent.processing_error.is_not(None)
UNPROCESSED = Lookup(
    [HAS_ERROR, func.count()], lambda rows: rows.where(WaveWebhookEvent.processed_at.is_(None)).group_by(HAS_ERROR)
)


@handles(EVENTS)
async def receive_wave_event(services: Services, delivery: Delivery[dict[str, Any]]) -> Handled:
    """Store an event; what is still to be done is done at once, or by a job. The same twice changes nothing."""
    event = delivery.payload
    raw = RawJson(NUL.sub(r"\1\\ufffd", RawJson.of(event)))
    key, kind = event.get("id"), event.get("type")
    if not isinstance(key, str) or not 0 < len(key) <= LONGEST_ID or "\0" in key:
        key = f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}"
    kind = kind.replace("\0", "\ufffd")[:LONGEST_TYPE] if isinstance(kind, str) else ""
    event_id = uuid4()
    async with services.work() as tx:
        stored = await STORE.run(tx, id=event_id, wave_event_id=key, event_type=kind, raw_payload=raw)
        if not stored:
            return Handled()
        enqueue(tx, process_wave_event, after=HEAD_START, event_id=event_id)
    return Handled(finish=partial(process_wave_event, services, event_id=event_id))


@job("wave_events.process_wave_event")
async def process_wave_event(services: Services, *, event_id: UUID) -> None:
    """Act on a stored event, once. What goes wrong is kept with it, and tried again by the worker."""
    try:
        async with services.work() as tx:
            event = await tx.lock(WaveWebhookEvent, event_id)
            if event.processed_at is None:
                await _act_on(tx, event, *await _reported(tx, event))
    except Exception as error:
        async with services.work() as tx:
            event = await tx.lock(WaveWebhookEvent, event_id)
            event.processing_error = f"It could not be processed: {type(error).__name__}."
            event.retry_count = (event.retry_count or 0) + 1
            tx.save(event)
        raise


@gauge("lango_wave_events_unprocessed", label="error")
async def unprocessed(services: Services) -> dict[str, int]:
    """Stored events of Wave that nothing has come of, by whether an error stands: those with one wait for staff."""
    async with services.work() as tx:
        found = {bool(error): int(count) for error, count in await UNPROCESSED.all(tx)}
    return {"true": found.get(True, 0), "false": found.get(False, 0)}


@rule(OwnMatter, staff=True)
async def replay_wave_event(
    tx: RuleTransaction, event: Annotated[WaveWebhookEvent, Locked("The stored webhook.")]
) -> Annotated[WaveWebhookEvent, Named("wave_webhook_event")]:
    """Act on a stored webhook again: what it has done already it does not do twice."""
    payment, donation, now = await _reported(tx, event)
    if donation is not None:
        await donors.refuse_own_donation(tx, donation.id, field="event_id")
    event.retry_count = (event.retry_count or 0) + 1
    await _act_on(tx, event, payment, donation, now)
    return event


async def _reported(tx: Transaction, event: WaveWebhookEvent) -> tuple[Payment, Donation | None, datetime]:
    """What a locked event reports, the donation that was paid for, and the time now."""
    payment = Payment.of_event(event.raw_payload)
    ((now,),), *found = await tx.fetch(clock.reading(), *paid_for(payment))
    return payment, donation_in(found), now


async def _act_on(
    tx: RuleTransaction, event: WaveWebhookEvent, payment: Payment, seen: Donation | None, now: datetime
) -> None:
    """Process a locked event, and record that it is done, or why it is left to staff."""
    donation, problem = None, None
    if event.event_type == COMPLETED:
        donation, problem = await settle(tx, payment, seen)
    elif event.event_type == FAILED:
        donation, problem = await fail(tx, payment, seen)
    if donation is not None:
        event.donation_id = donation.id
    event.processing_error = problem
    if problem is None:
        event.processed_at = now
    else:
        log.warning("wave_event_left_to_staff", event_id=str(event.id), problem=problem)
        publish(tx, Topic.WAVE_EVENT_UNPROCESSED, event.id, donation_id=event.donation_id)
    tx.save(event)
