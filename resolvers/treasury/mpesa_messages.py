"""Messages of M-Pesa: each is stored before anything is done, acted on once, and kept where nothing can be done."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from functools import partial
from typing import Annotated, Any
from uuid import UUID, uuid4

from sqlalchemy import bindparam, func
from sqlalchemy.dialects.postgresql import insert

from lango.db import rows
from lango.db.postgres import RawJson
from lango.db.prepared import Lookup, Prepared
from lango.jobs.calls import call_soon
from lango.jobs.gauges import gauge
from lango.jobs.job import enqueue, job, scheduled
from lango.providers.mpesa.messages import Confirmation, confirmation
from lango.providers.mpesa.settings import MpesaSettings
from lango.providers.mpesa.webhook import CALLBACKS, NOTICES, PAYMENT_CALLBACKS, RESULTS
from lango.providers.payloads import BadPayload
from lango.providers.webhook import Delivery, Handled, Reply
from lango.rules.handlers import handles
from lango.rules.inputs import Locked, Named
from lango.rules.rule import InvalidState, rule
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from lango.values import exact_json
from models.treasury import MpesaMessage, MpesaMessageKind, MpesaTransaction
from resolvers.kernel import due, own_matters, system_config
from resolvers.kernel.own_matters import OwnMatter
from resolvers.treasury.confirmations import act_on, end, receipt_in
from resolvers.treasury.deposits import MAXIMUM, MINIMUM
from resolvers.treasury.mpesa_accounts import ACCOUNTS, PUSHES, readings
from resolvers.treasury.mpesa_amounts import is_whole
from resolvers.treasury.mpesa_payments import Credited

Kind = MpesaMessageKind
# Whoever brought the message has so long to see to it; then the worker does.
HEAD_START = timedelta(seconds=30)
RECEIPT = re.compile(r"[A-Za-z0-9]{1,40}", re.ASCII)
# PostgreSQL holds no NUL in JSON: an escape of one, before which backslashes come in pairs.
NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
# The last part of the address to which a result is posted.
RESULT_KINDS = {
    kind.value.replace("_", "-"): kind
    for kind in (
        Kind.B2C, Kind.B2C_TIMEOUT, Kind.REVERSAL, Kind.REVERSAL_TIMEOUT, Kind.STATUS, Kind.STATUS_TIMEOUT,
    )
}  # fmt: skip
NOT_KNOWN = Reply.json({"ResultCode": 1, "ResultDesc": "Not known"}, 404)
STORE = Prepared(
    insert(MpesaMessage.table())
    .on_conflict_do_nothing(index_elements=["message_key"])
    .returning(MpesaMessage.table().c.id),
    ["id", "kind", "message_key", "raw_payload", "addressed_id", "receipt_number", "address"],
)
HAS_ERROR = MpesaMessage.processing_error.is_not(None)
UNPROCESSED = Lookup(
    [HAS_ERROR, func.count()], lambda rows: rows.where(MpesaMessage.processed_at.is_(None)).group_by(HAS_ERROR)
)
UNCONFIRMED = due.Due(
    MpesaMessage.id,
    lambda rows: rows.where(MpesaMessage.processed_at.is_(None), MpesaMessage.next_query_at <= func.now()).order_by(
        MpesaMessage.next_query_at
    ),
)
# Whom a message is about.
CONCERNED = Lookup([MpesaTransaction.user_id], lambda rows: rows.where(MpesaTransaction.id == bindparam("payment_id")))


@handles(CALLBACKS)
async def receive_callback(services: Services, delivery: Delivery[dict[str, Any]]) -> Handled:
    """Store what became of an STK push."""
    return await store(services, delivery, Kind.PUSH)


@handles(PAYMENT_CALLBACKS)
async def receive_payment_callback(services: Services, delivery: Delivery[dict[str, Any]]) -> Handled:
    """Store what became of the STK push whose id is in the address, also where our call of it was cut off."""
    try:
        addressed = UUID(delivery.request.parameters["payment"])
    except ValueError:
        return Handled(NOT_KNOWN)
    return await store(services, delivery, Kind.PUSH, addressed=addressed)


@handles(RESULTS)
async def receive_result(services: Services, delivery: Delivery[dict[str, Any]]) -> Handled:
    """Store what became of a payout or a reversal, or the answer to a query about a status."""
    kind = RESULT_KINDS.get(delivery.request.parameters["kind"])
    return Handled(NOT_KNOWN) if kind is None else await store(services, delivery, kind)


@handles(NOTICES)
async def receive_notice(services: Services, delivery: Delivery[dict[str, Any]]) -> Handled:
    """Say whether a payment from M-Pesa's own menu may be made, of which nothing is kept; or store that it was made."""
    match delivery.request.parameters["kind"]:
        case "validation":
            return Handled(await validate(services, delivery.payload))
        case "confirmation":
            return await store(services, delivery, Kind.CONFIRMATION)
        case _:
            return Handled(NOT_KNOWN)


async def store(
    services: Services, delivery: Delivery[dict[str, Any]], kind: MpesaMessageKind, *, addressed: UUID | None = None
) -> Handled:
    """Store a message; what is still to be done is done at once, or by a job. The same twice changes nothing."""
    # As it was written: an amount of `1000.00` is a number that Python would not write so.
    raw = RawJson(NUL.sub(r"\1\\ufffd", exact_json.dumps(delivery.payload)))
    key = hashlib.sha256(f"{kind}\0{addressed or ''}\0{raw}".encode()).hexdigest()
    receipt = receipt_in(kind, exact_json.loads(str(raw)))
    message_id, address = uuid4(), delivery.request.address
    async with services.work() as tx:
        stored = await STORE.run(
            tx, id=message_id, kind=kind, message_key=key, raw_payload=raw, addressed_id=addressed,
            receipt_number=receipt if receipt and RECEIPT.fullmatch(receipt) else None,
            address=str(address) if address else None,
        )  # fmt: skip
        if not stored:
            return Handled()
        enqueue(tx, process_message, after=HEAD_START, message_id=message_id)
    return Handled(finish=partial(process_message, services, message_id=message_id))


async def validate(services: Services, payload: dict[str, Any]) -> Reply:
    """Whether a payment from M-Pesa's own menu may be made: nothing is credited, whatever the answer."""
    try:
        code = await _objection(services, confirmation(payload))
    except BadPayload:
        code = "C2B00016"
    return Reply.json({"ResultCode": code or "0", "ResultDesc": "Rejected" if code else "Accepted"})


async def _objection(services: Services, notice: Confirmation) -> str | None:
    """M-Pesa's code for why a payment may not be made; None where it may."""
    if notice.shortcode != services.settings.section(MpesaSettings).shortcode:
        return "C2B00015"
    typed = readings(notice.bill_reference or "")
    async with services.work() as tx:
        pushes, accounts, configured = await tx.fetch_last(
            PUSHES.query(typed=typed), ACCOUNTS.query(typed=typed), system_config.reading(MINIMUM, MAXIMUM)
        )
    found = [*pushes, *accounts]
    if not found or not found[0][1]:
        return "C2B00012"
    minimum, maximum = system_config.numbers_in(configured, MINIMUM, MAXIMUM)
    requested = pushes[0][0].amount if pushes else notice.amount
    fitting = is_whole(notice.amount) and minimum <= notice.amount <= maximum and notice.amount == requested
    return None if fitting else "C2B00013"


@job("mpesa.process_message")
async def process_message(services: Services, *, message_id: UUID) -> None:
    """Act on a stored message, once. What goes wrong is kept with it, and tried again by the worker."""
    async with services.work() as tx:
        (found,) = await tx.fetch_last(rows.finding(MpesaMessage, message_id))
    if not found or found[0][0].processed_at is not None:
        return
    message: MpesaMessage = found[0][0]
    try:
        await act_on(services, message)
    except BadPayload as error:
        await end(services, message_id, Credited(problem=f"It cannot be read. {error}"))
    except Exception as error:
        async with services.work() as tx:
            message = await tx.lock(MpesaMessage, message_id)
            message.processing_error = f"It could not be processed: {type(error).__name__}."
            message.retry_count += 1
            tx.save(message)
        raise


@scheduled("mpesa.query_messages", "* * * * *", timeout=300)
async def query_messages(services: Services) -> None:
    """Query M-Pesa again about what was reported and is not confirmed."""
    await due.each_apart(services, query_messages, UNCONFIRMED, _process, at_once=due.CALLS_AT_ONCE)


async def _process(services: Services, message_id: UUID) -> None:
    await process_message(services, message_id=message_id)


@gauge("lango_mpesa_messages_unprocessed", label="error")
async def unprocessed(services: Services) -> dict[str, int]:
    """Stored messages of M-Pesa that nothing has come of, by whether an error stands: those with one wait for staff."""
    async with services.work() as tx:
        found = {bool(error): int(count) for error, count in await UNPROCESSED.all(tx)}
    return {"true": found.get(True, 0), "false": found.get(False, 0)}


@rule(OwnMatter, InvalidState, staff=True, calls=True)
async def replay_mpesa_message(
    tx: RuleTransaction, message: Annotated[MpesaMessage, Locked("The stored message.")]
) -> Annotated[MpesaMessage, Named("mpesa_message")]:
    """Act on a stored message again that is not processed: M-Pesa is queried once more, and what is credited already
    is not credited twice."""
    concerned, wards = await tx.fetch(
        CONCERNED.query(payment_id=message.mpesa_transaction_id), own_matters.relating(tx)
    )
    own_matters.refuse_related(tx, wards, *(user_id for (user_id,) in concerned), field="message_id")
    if message.processed_at is not None:
        raise InvalidState("The message is processed.", field="message_id", state="processed")
    message.processing_error, message.retry_count = None, message.retry_count + 1
    tx.save(message)
    call_soon(tx, process_message, message_id=message.id)
    return message
