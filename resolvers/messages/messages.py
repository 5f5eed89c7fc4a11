"""Messages are written in the rule's own transaction, and sent by a job after it.

The delivery log has every message without its secret; the secret itself travels to the job encrypted, and is nowhere
else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from uuid import UUID, uuid4

from sqlalchemy import bindparam, select

from lango.db.prepared import Lookup
from lango.jobs.job import enqueue
from lango.rules.transaction import RuleTransaction
from models.identity import OneTimeCodeChannel
from models.profiles import Profile
from models.security import EmailDelivery, EmailDeliveryStatus, SmsDelivery, SmsDeliveryStatus
from resolvers.messages.message import Address, Message, shown
from resolvers.messages.sending import Contents, send_message
from resolvers.messages.texts import language_of, text_of

__all__ = ["Address", "Message", "send"]

NOTHING: Mapping[str, str] = MappingProxyType({})
# Of a user who has no profile, or of nobody, null: a row in each case.
LOCALE = Lookup(
    [select(Profile.locale).where(Profile.user_id == bindparam("user_id")).scalar_subquery()], lambda rows: rows
)


@dataclass(frozen=True, slots=True)
class _Outgoing:
    """A message that is written when the rule ends."""

    message: Message
    to: Address
    user_id: UUID | None
    locale: str | None
    values: Mapping[str, str | int]
    secrets: Mapping[str, str]


def send(
    tx: RuleTransaction,
    message: Message,
    to: Address,
    *,
    user_id: UUID | None = None,
    locale: str | None = None,
    secrets: Mapping[str, str] = NOTHING,
    **values: str | int,
) -> None:
    """Write a message and have it sent once the rule is committed.

    What it is filled in with is named by `Message`; `secrets` are stored nowhere in clear. Without a `locale` that of
    the user's profile is looked up when the rule ends: for nobody as well, so that it takes the same time whether or
    not a contact is somebody's. Raises TypeError where a value is missing, or is none of the message's, and at the end
    ServiceUnavailable where no key is configured to encrypt with.
    """
    if set(values) != set(message.values) or set(secrets) != ({message.secret} if message.secret else set()):
        wanted = ", ".join([*message.values, *([f"secrets[{message.secret!r}]"] if message.secret else [])])
        raise TypeError(f"{message.name} is filled in with {wanted or 'nothing'}.")
    for name, kind in message.values.items():
        shown(kind, values[name])
    tx.at_end(_write, _Outgoing(message, to, user_id, locale, values, secrets))


async def _write(tx: RuleTransaction, outgoing: Sequence[_Outgoing]) -> None:
    unknown = list(dict.fromkeys(each.user_id for each in outgoing if each.locale is None))
    found = await tx.fetch(*(LOCALE.query(user_id=user_id) for user_id in unknown)) if unknown else []
    locales = {user_id: locale for user_id, ((locale,),) in zip(unknown, found, strict=True)}
    for each in outgoing:
        _queue(tx, each, each.locale or locales.get(each.user_id))


def _queue(tx: RuleTransaction, each: _Outgoing, locale: str | None) -> None:
    language, channel, delivery_id = language_of(locale), each.to.channel, uuid4()
    text = text_of(each.message, language, each.values)
    contents = Contents(each.message, language, each.values, next(iter(each.secrets.values()), ""))
    if channel == OneTimeCodeChannel.SMS:
        tx.save(
            SmsDelivery(
                id=delivery_id, user_id=each.user_id, to_phone=each.to.to, message=text.sms,
                template=each.message.value, status=SmsDeliveryStatus.PENDING,
            )
        )  # fmt: skip
    else:
        tx.save(
            EmailDelivery(
                id=delivery_id, user_id=each.user_id, to_email=each.to.to, subject=text.subject,
                template=each.message.value, status=EmailDeliveryStatus.PENDING,
            )
        )  # fmt: skip
    sealed = contents.sealed(tx.services.keyring, channel, delivery_id)
    enqueue(tx, send_message, channel=channel, delivery_id=delivery_id, sealed=sealed)
