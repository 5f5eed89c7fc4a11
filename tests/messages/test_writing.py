"""A message is a row of the delivery log, without its secret, in the language of whom it goes to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import asyncpg
import pytest

from lango.rules.services import Services
from models.identity import OneTimeCodeChannel, User
from models.profiles import Profile
from resolvers.messages.messages import Address, Message, send
from tests.factories import Factory
from tests.round_trips import Counter, recorded

PHONE = Address(OneTimeCodeChannel.SMS, "+221771234567")
EMAIL = Address(OneTimeCodeChannel.EMAIL, "awa@example.sn")
CODE = {"code": "482913"}


async def test_an_sms_is_written_without_its_code(services: Services, owner: asyncpg.Pool[Any], make: Factory) -> None:
    user = await make(User)

    async with services.work() as tx:
        send(tx, Message.SIGN_IN_CODE, PHONE, user_id=user.id, secrets=CODE, minutes=5)

    row = await owner.fetchrow("SELECT * FROM security.sms_delivery_log WHERE user_id = $1", user.id)
    assert (row["to_phone"], row["template"], row["status"]) == (PHONE.to, "sign_in_code", "pending")
    assert row["message"].startswith("lango : Votre code de connexion : ******. Valable 5 minutes.")
    assert (row["provider"], row["provider_message_id"], row["sent_at"]) == (None, None, None)


async def test_each_gets_their_own_language(services: Services, owner: asyncpg.Pool[Any], make: Factory) -> None:
    english, french, bare = await make(User), await make(User), await make(User)
    await make(Profile, user_id=english.id, locale="en-KE")
    await make(Profile, user_id=french.id, locale="fr-SN")

    async with services.work() as tx:
        for user in (english, french, bare):
            send(tx, Message.PASSWORD_CHANGED, EMAIL, user_id=user.id)
        send(tx, Message.BACKUP_CODES_LOW, EMAIL, user_id=french.id, locale="en", left=2)

    rows = await owner.fetch(
        "SELECT user_id, subject FROM security.email_delivery_log WHERE user_id = ANY ($1)",
        [english.id, french.id, bare.id],
    )
    assert sorted((row["user_id"], row["subject"]) for row in rows) == sorted([
        (english.id, "Your password was changed"),
        (french.id, "Votre mot de passe a changé"),
        (bare.id, "Votre mot de passe a changé"),
        (french.id, "Backup codes"),
    ])  # fmt: skip


async def test_a_message_to_nobody_takes_as_many_round_trips(services: Services, make: Factory) -> None:
    Counter.listen(services.pipeline)
    user = await make(User)
    trips = []
    for known in (user.id, None):
        with recorded() as batches:
            async with services.work() as tx:
                send(tx, Message.ACCOUNT_EXISTS, PHONE, user_id=known)
        trips.append([len(batch) for batch in batches])

    assert trips[0] == trips[1]
    assert len(trips[0]) == 2


@pytest.mark.parametrize(
    ("message", "given"),
    [
        (Message.SIGN_IN_CODE, {"secrets": CODE}),
        (Message.SIGN_IN_CODE, {"minutes": 5}),
        (Message.SIGN_IN_CODE, {"secrets": CODE, "minutes": "5"}),
        (Message.SIGN_IN_CODE, {"secrets": {"token": "x"}, "minutes": 5}),
        (Message.PASSWORD_CHANGED, {"secrets": CODE}),
        (Message.PASSWORD_CHANGED, {"minutes": 5}),
        (Message.NEW_SIGN_IN, {"device": 5}),
    ],
)
async def test_what_does_not_fit_a_message_is_an_error_at_once(
    services: Services, message: Message, given: Mapping[str, Any]
) -> None:
    async with services.work() as tx:
        with pytest.raises(TypeError):
            send(tx, message, PHONE, **given)
