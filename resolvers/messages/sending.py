"""Sending what was written: by the first provider that takes it, and again within minutes where none does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import orjson
import structlog
from sqlalchemy import Interval, bindparam, func, update

from lango.db import rows
from lango.db.postgres import RawJson
from lango.db.prepared import Prepared
from lango.jobs.job import job, scheduled
from lango.providers import ProviderRefused, ProviderUnavailable
from lango.providers.addresses import account_url
from lango.providers.africastalking import AFRICAS_TALKING
from lango.providers.messages import Email, Sms, SmsCarrier, Taken
from lango.providers.provider import Provider
from lango.providers.smtp import SMTP
from lango.providers.twilio import TWILIO
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from lango.security.encryption import Keyring, opened
from lango.settings import Settings
from lango.values.sms import segments
from models.identity import OneTimeCodeChannel
from models.security import EmailDelivery, EmailDeliveryStatus, SmsDelivery, SmsDeliveryStatus
from resolvers.kernel import clock
from resolvers.messages.message import PAGES, Message
from resolvers.messages.texts import Text, text_of

log = structlog.get_logger("lango.messages")
# After 2, 8 and 32 seconds at most. Whoever waits for a code asks for another after that.
RETRIES = 3
CARRIERS: Mapping[str, Provider[SmsCarrier]] = {each.name: each for each in (AFRICAS_TALKING, TWILIO)}

# Long after the last try.
ABANDONED = timedelta(hours=1)

Delivery = SmsDelivery | EmailDelivery
ABANDON = [
    Prepared(
        update(model.table())
        .where(
            model.table().c.status == "pending",
            # What was never begun waits in the queue still: the worker may have been away.
            model.table().c.tries > 0,
            model.table().c.created_at < func.now() - bindparam("age", type_=Interval),
        )
        .values(status="failed", error_message=bindparam("why"))
        .returning(model.table().c.id)
    )
    for model in (SmsDelivery, EmailDelivery)
]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a message says, on its way from the rule to the job."""

    message: Message
    language: str
    values: Mapping[str, str | int]
    # A code, or the token of a link; empty where there is none.
    secret: str = field(default="", repr=False)

    def sealed(self, keys: Keyring, channel: OneTimeCodeChannel, delivery_id: UUID) -> str:
        """Encrypted, for that row of the delivery log alone."""
        packed = [self.message.value, self.language, dict(self.values), self.secret]
        return keys.seal(orjson.dumps(packed).decode(), column_of(channel), delivery_id)

    @classmethod
    def unsealed(cls, keys: Keyring, sealed: str, channel: OneTimeCodeChannel, delivery_id: UUID) -> Contents | None:
        """None, and a line in the log, where the key is gone."""
        packed = opened(keys, sealed, column_of(channel), delivery_id)
        if packed is None:
            return None
        message, language, values, secret = orjson.loads(packed)
        return cls(Message(message), language, values, secret)

    @property
    def lifetime(self) -> timedelta | None:
        """How long what it carries is good for, as the message itself says; None where it does not expire."""
        if not self.secret:
            return None
        minutes, hours = self.values.get("minutes", 0), self.values.get("hours", 0)
        return timedelta(minutes=int(minutes), hours=int(hours))

    def text(self, settings: Settings) -> Text:
        """With its secret."""
        shown = self.secret
        if page := PAGES.get(self.message):
            # After the #: it is in no log of the site's, nor told to other sites.
            shown = f"{account_url(settings)}/{page}#token={quote(self.secret, safe='')}"
        return text_of(self.message, self.language, self.values, shown)


@dataclass(frozen=True, slots=True)
class Sending:
    """One try of a message."""

    to: str
    contents: Contents
    reference: UUID
    # Until when it is worth anything, as seconds from now; None where it always is.
    seconds: int | None
    is_last: bool

    async def by(self, services: Services, channel: OneTimeCodeChannel) -> tuple[str, Taken, int | None]:
        """Who took it, with what, and how many SMS it is. Raises ProviderUnavailable where nobody can now, and
        ProviderRefused where nobody ever will."""
        text = self.contents.text(services.settings)
        if channel == OneTimeCodeChannel.EMAIL:
            email = Email(
                self.to, text.subject, text.plain, text.html, language=self.contents.language, reference=self.reference
            )
            return SMTP.name, await services.client(SMTP).send(email), None
        sms = Sms(self.to, text.sms, reference=self.reference, valid_for=self.seconds)
        error: ProviderUnavailable | None = None
        for carrier in carriers(services.settings):
            try:
                return carrier.name, await services.client(carrier).send(sms), segments(text.sms)
            except ProviderUnavailable as found:
                log.warning("message_not_taken", delivery_id=str(self.reference), reason=str(found))
                error = error or found
        assert error is not None, "there is a carrier"
        raise error


def carriers(settings: Settings) -> Sequence[Provider[SmsCarrier]]:
    """Who carries SMS, the cheapest first; names that are unknown are left out (`lango doctor` says so)."""
    names = [name.strip() for name in settings.sms_providers.split(",")]
    return [CARRIERS[name] for name in names if name in CARRIERS] or list(CARRIERS.values())


@job("messages.send_message", retries=RETRIES, timeout=60)
async def send_message(services: Services, *, channel: OneTimeCodeChannel, delivery_id: UUID, sealed: str) -> None:
    """Hand a message to a provider, once. Raises ProviderUnavailable while it is to be tried again."""
    async with services.work() as tx:
        sending = await _begun(tx, channel, delivery_id, sealed)
    if sending is None:
        return
    try:
        provider, taken, parts = await sending.by(services, channel)
    except ProviderRefused as refusal:
        await _failed(services, channel, delivery_id, str(refusal))
    except Exception as error:
        if not sending.is_last:
            raise
        known = isinstance(error, ProviderUnavailable)
        await _failed(services, channel, delivery_id, str(error) if known else f"It broke: {type(error).__name__}.")
        if not known:
            raise
    else:
        await _sent(services, channel, delivery_id, provider, taken, parts)


@scheduled("messages.fail_abandoned", "*/10 * * * *")
async def fail_abandoned(services: Services) -> None:
    """Note as failed what nobody tries any more: its job was ended in the middle of its last try."""
    async with services.work() as tx:
        found = await tx.fetch(*(each.query(age=ABANDONED, why="It was never sent.") for each in ABANDON))
    if count := sum(map(len, found)):
        log.warning("messages_abandoned", count=count)


async def _begun(tx: RuleTransaction, channel: OneTimeCodeChannel, delivery_id: UUID, sealed: str) -> Sending | None:
    """What is to be sent now; None where it has been, or never will be."""
    found, ((now,),) = await tx.fetch(rows.locking(model_of(channel), delivery_id), clock.reading())
    if not found:
        return None
    ((row,),) = found
    if row.status != SmsDeliveryStatus.PENDING:
        return None
    contents = Contents.unsealed(tx.services.keyring, sealed, channel, delivery_id)
    if contents is None:
        _give_up(tx, row, "It cannot be read: its key is not configured.")
        return None
    seconds = seconds_left(row, contents, now)
    if seconds is not None and seconds <= 0:
        _give_up(tx, row, "What it carries has expired before a provider took it.")
        return None
    if row.tries > RETRIES:
        # Its worker died with the last of them.
        _give_up(tx, row, "It was tried often enough.")
        return None
    row.tries += 1
    tx.save(row)
    to = row.to_phone if isinstance(row, SmsDelivery) else row.to_email
    return Sending(to, contents, delivery_id, seconds, is_last=row.tries > RETRIES)


def seconds_left(row: Delivery, contents: Contents, now: datetime) -> int | None:
    if contents.lifetime is None:
        return None
    return int((row.created_at + contents.lifetime - now).total_seconds())


def _give_up(tx: RuleTransaction, row: Delivery, why: str) -> None:
    set_status(row, "failed")
    row.error_message = why
    tx.save(row)
    log.warning("message_failed", delivery_id=str(row.id), reason=why)


async def _failed(services: Services, channel: OneTimeCodeChannel, delivery_id: UUID, why: str) -> None:
    async with services.work() as tx:
        row = await tx.lock(model_of(channel), delivery_id)
        # A report may have come that it was sent after all.
        if row.status == SmsDeliveryStatus.PENDING:
            _give_up(tx, row, why)


async def _sent(
    services: Services, channel: OneTimeCodeChannel, delivery_id: UUID, provider: str, taken: Taken, parts: int | None
) -> None:
    async with services.work() as tx:
        ((row,),), ((now,),) = await tx.fetch(rows.locking(model_of(channel), delivery_id), clock.reading())
        row.provider, row.provider_message_id = provider, taken.id
        if isinstance(row, SmsDelivery):
            row.cost = taken.cost
            row.metadata_ = RawJson.of(known_of(row) | {"currency": taken.currency, "segments": parts})
        row.sent_at = row.sent_at or now
        # A report may have come before.
        if row.status == SmsDeliveryStatus.PENDING:
            set_status(row, "sent")
        tx.save(row)


def model_of(channel: OneTimeCodeChannel) -> type[Any]:
    return SmsDelivery if channel == OneTimeCodeChannel.SMS else EmailDelivery


def column_of(channel: OneTimeCodeChannel) -> Any:
    """The column of what a message says: its contents are encrypted for that place."""
    return SmsDelivery.message if channel == OneTimeCodeChannel.SMS else EmailDelivery.subject


def set_status(row: Delivery, status: str) -> None:
    if isinstance(row, SmsDelivery):
        row.status = SmsDeliveryStatus(status)
    else:
        row.status = EmailDeliveryStatus(status)


def known_of(row: Delivery) -> dict[str, Any]:
    """What else is known of a delivery."""
    found: dict[str, Any] = row.metadata_.parsed() if row.metadata_ is not None else {}
    return found
