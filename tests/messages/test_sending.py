"""A message goes out once, by who takes it; it is tried again for some minutes, and never when it has expired."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest

from lango.jobs.job import enqueue
from lango.providers import ProviderUnavailable
from lango.providers.africastalking import AFRICAS_TALKING
from lango.providers.messages import Email, Sms, Taken
from lango.providers.smtp import SMTP
from lango.rules.services import Services
from models.identity import OneTimeCodeChannel
from resolvers.messages.messages import Address, Message, send
from resolvers.messages.sending import RETRIES, carriers, fail_abandoned, send_message
from tests.mailbox import TAKEN, Mail

CODE = "482913"
TOKEN = "lango_reset_AbC-123_xyz"


def phone(number: str = "+221771234567") -> Address:
    return Address(OneTimeCodeChannel.SMS, number)


def email(address: str = "awa@example.sn") -> Address:
    return Address(OneTimeCodeChannel.EMAIL, address)


async def write(
    mail: Mail,
    to: Address,
    message: Message = Message.SIGN_IN_CODE,
    secrets: Mapping[str, str] | None = None,
    **values: Any,
) -> UUID:
    """Write a message, and give its row's id."""
    if message is Message.SIGN_IN_CODE:
        secrets, values = {"code": CODE}, {"minutes": 5, **values}
    async with mail.services.work() as tx:
        send(tx, message, to, locale="fr", secrets=secrets or {}, **values)
    table = "sms" if to.channel == OneTimeCodeChannel.SMS else "email"
    return await mail.owner.fetchval(f"SELECT id FROM security.{table}_delivery_log ORDER BY created_at DESC LIMIT 1")


async def row(owner: asyncpg.Pool[Any], delivery_id: UUID) -> Any:
    for table in ("sms", "email"):
        found = await owner.fetchrow(f"SELECT * FROM security.{table}_delivery_log WHERE id = $1", delivery_id)
        if found is not None:
            return found
    raise AssertionError("there is no such delivery")


async def test_an_sms_goes_out_by_the_cheapest(mail: Mail, owner: asyncpg.Pool[Any]) -> None:
    sent = await write(mail, phone())

    (message,) = await mail.to("+221771234567")

    assert message.provider == "africas_talking"
    assert message.text == (
        "lango : Votre code de connexion : 482913. Valable 5 minutes. "
        "Ne le donnez à personne : lango ne le demande jamais."
    )
    after = await row(owner, sent)
    assert (after["status"], after["provider"], after["tries"]) == ("sent", "africas_talking", 1)
    assert after["provider_message_id"].startswith("ATXid_")
    assert after["cost"] == Decimal("0.8000")
    assert after["metadata"] == '{"currency": "KES", "segments": 1}'
    assert after["sent_at"] is not None
    assert after["error_message"] is None
    assert await mail.code("+221771234567") == CODE


async def test_an_email_has_both_forms_and_the_headers_of_a_notice(mail: Mail, owner: asyncpg.Pool[Any]) -> None:
    sent = await write(mail, email(), Message.PASSWORD_RESET, {"token": TOKEN}, minutes=30)

    (message,) = await mail.to("awa@example.sn")

    link = f"http://127.0.0.1:8000/account/reset-password#token={TOKEN}"
    assert message.subject == "Un nouveau mot de passe"
    assert link in message.text
    assert f'<a href="{link}">' in (message.html or "")
    headers = message.headers
    assert (headers["From"], headers["To"]) == ("lango <no-reply@localhost>", "awa@example.sn")
    assert headers["Message-ID"] == f"<{sent}@localhost>"
    assert (headers["Content-Language"], headers["Auto-Submitted"]) == ("fr", "auto-generated")
    assert "List-Unsubscribe" not in headers
    after = await row(owner, sent)
    assert (after["status"], after["provider"], after["provider_message_id"]) == ("sent", "smtp", headers["Message-ID"])
    assert await mail.token("awa@example.sn") == TOKEN


async def test_the_pages_of_the_site_are_where_links_lead(mail: Mail) -> None:
    mail.services.settings.account_url = "https://lango.example.org/compte/"
    try:
        await write(mail, email(), Message.CONTACT_CHANGED, {"token": "a b/c"}, hours=72, contact="new@example.sn")

        (message,) = await mail.to("awa@example.sn")
    finally:
        mail.services.settings.account_url = None

    assert "https://lango.example.org/compte/undo-contact#token=a%20b%2Fc" in message.text
    assert "n***@e***.sn" in message.text


@pytest.mark.parametrize("ending", ["0503", "0504"])
async def test_where_the_first_is_down_the_second_sends(mail: Mail, owner: asyncpg.Pool[Any], ending: str) -> None:
    cast(Any, mail.services.client(AFRICAS_TALKING)).timeout = 0.5
    sent = await write(mail, phone(f"+22177123{ending}"))

    (message,) = await mail.to(f"+22177123{ending}")

    assert message.provider == "twilio"
    after = await row(owner, sent)
    assert (after["status"], after["provider"]) == ("sent", "twilio")
    assert after["provider_message_id"].startswith("SM")
    assert after["cost"] is None


async def test_the_order_is_a_setting(services: Services) -> None:
    def named(order: str) -> list[str]:
        return [each.name for each in carriers(services.settings.model_copy(update={"sms_providers": order}))]

    assert named("twilio, africas_talking") == ["twilio", "africas_talking"]
    assert named("twilio") == ["twilio"]
    assert named("nobody") == ["africas_talking", "twilio"]


@pytest.mark.parametrize(
    ("to", "said"),
    [
        (phone("+221771230403"), "africas_talking refused (403): InvalidPhoneNumber"),
        (phone("+221771230406"), "africas_talking refused (406): UserInBlacklist"),
        (email("refused@example.sn"), "smtp refused (550): 5.1.1 No such mailbox"),
    ],
)
async def test_what_nobody_could_send_fails_at_once(
    mail: Mail, owner: asyncpg.Pool[Any], to: Address, said: str
) -> None:
    sent = await write(mail, to)

    assert await mail.to(to.to) == []

    after = await row(owner, sent)
    assert (after["status"], after["error_message"], after["tries"]) == ("failed", said, 1)
    assert after["sent_at"] is None


@pytest.mark.parametrize("to", [phone("+221771230500"), email("down@example.sn")])
async def test_it_is_tried_again_and_then_given_up(mail: Mail, owner: asyncpg.Pool[Any], to: Address) -> None:
    sent = await write(mail, to)
    ((_, payload),) = await owner.fetch(TAKEN, send_message.name)
    arguments = send_message.unpack(payload)

    for _ in range(RETRIES):
        with pytest.raises(ProviderUnavailable):
            await send_message(mail.services, **arguments)
        assert (await row(owner, sent))["status"] == "pending"
    await send_message(mail.services, **arguments)

    after = await row(owner, sent)
    assert (after["status"], after["tries"]) == ("failed", RETRIES + 1)
    assert after["error_message"].startswith(("africas_talking: 503", "smtp: 451"))
    assert send_message.retries == RETRIES


async def test_a_job_that_runs_twice_sends_once(mail: Mail, owner: asyncpg.Pool[Any]) -> None:
    await write(mail, phone())
    ((_, payload),) = await owner.fetch(TAKEN, send_message.name)
    arguments = send_message.unpack(payload)

    await send_message(mail.services, **arguments)
    await send_message(mail.services, **arguments)

    assert len(mail.mailbox.newest("+221771234567")) == 1


async def test_a_code_that_has_expired_is_not_sent(mail: Mail, owner: asyncpg.Pool[Any]) -> None:
    late, in_time = await write(mail, phone("+221771111111")), await write(mail, phone("+221772222222"))
    for delivery, age in ((late, timedelta(minutes=5)), (in_time, timedelta(minutes=4))):
        await owner.execute(
            "UPDATE security.sms_delivery_log SET created_at = now() - $2::interval WHERE id = $1", delivery, age
        )

    assert await mail.to("+221771111111") == []
    assert len(await mail.to("+221772222222")) == 1

    after = await row(owner, late)
    assert (after["status"], after["tries"]) == ("failed", 0)
    assert after["error_message"] == "What it carries has expired before a provider took it."


async def test_a_notice_does_not_expire(mail: Mail, owner: asyncpg.Pool[Any]) -> None:
    sent = await write(mail, phone(), Message.ACCOUNT_LOCKED, minutes=15)
    await owner.execute(
        "UPDATE security.sms_delivery_log SET created_at = now() - interval '1 hour' WHERE id = $1", sent
    )

    assert len(await mail.to("+221771234567")) == 1


async def test_no_transaction_is_open_while_a_provider_is_called(mail: Mail, owner: asyncpg.Pool[Any]) -> None:
    sent = await write(mail, phone())
    free: list[bool] = []

    class Watching:
        async def send(self, sms: Sms) -> Taken:
            # Another transaction gets the row at once.
            await owner.execute("SELECT 1 FROM security.sms_delivery_log WHERE id = $1 FOR UPDATE NOWAIT", sent)
            free.append(sms.valid_for is not None and 290 < sms.valid_for <= 300)
            return Taken("x-1")

    watched = Services(mail.services.pipeline, mail.services.settings, {AFRICAS_TALKING: Watching()})
    ((_, payload),) = await owner.fetch(TAKEN, send_message.name)
    await send_message(watched, **send_message.unpack(payload))

    assert free == [True]


async def test_what_breaks_unexpectedly_is_kept_at_the_end(mail: Mail, owner: asyncpg.Pool[Any]) -> None:
    sent = await write(mail, email())

    class Broken:
        async def send(self, _: Email) -> Taken:
            raise KeyError(CODE)

    broken = Services(mail.services.pipeline, mail.services.settings, {SMTP: Broken()})
    ((_, payload),) = await owner.fetch(TAKEN, send_message.name)
    for _ in range(RETRIES + 1):
        with pytest.raises(KeyError):
            await send_message(broken, **send_message.unpack(payload))

    after = await row(owner, sent)
    assert (after["status"], after["error_message"]) == ("failed", "It broke: KeyError.")


async def test_after_a_worker_has_died_with_each_try_it_is_given_up(mail: Mail, owner: asyncpg.Pool[Any]) -> None:
    sent = await write(mail, phone())
    await owner.execute("UPDATE security.sms_delivery_log SET tries = $2 WHERE id = $1", sent, RETRIES + 1)

    assert await mail.to("+221771234567") == []

    assert (await row(owner, sent))["error_message"] == "It was tried often enough."


async def test_what_nobody_tries_any_more_has_failed(mail: Mail, owner: asyncpg.Pool[Any]) -> None:
    lost, mailed, waiting, done, queued = (
        await write(mail, phone("+221771111111")),
        await write(mail, email("kofi@example.sn"), Message.PASSWORD_CHANGED),
        await write(mail, phone("+221772222222")),
        await write(mail, phone("+221774444444")),
        await write(mail, phone("+221775555555"), Message.PASSWORD_CHANGED),
    )
    await owner.execute(
        "UPDATE security.sms_delivery_log SET created_at = now() - interval '5 hours' WHERE id = $1", queued
    )
    before = await owner.fetchval("SELECT max(id) FROM jobs.pgqueuer")
    await owner.execute("DELETE FROM jobs.pgqueuer WHERE id = $1", before)
    await mail.send()
    for table, age, changed in (
        ("sms", "61 minutes", lost),
        ("email", "61 minutes", mailed),
        ("sms", "59 minutes", waiting),
    ):
        await owner.execute(
            f"ALTER TABLE security.{table}_delivery_log DISABLE TRIGGER USER;"
            f"UPDATE security.{table}_delivery_log SET status = 'pending', created_at = now() - interval '{age}'"
            f" WHERE id = '{changed}'; ALTER TABLE security.{table}_delivery_log ENABLE TRIGGER USER"
        )
    await owner.execute(
        "UPDATE security.sms_delivery_log SET created_at = now() - interval '2 hours' WHERE id = $1", done
    )

    await fail_abandoned(mail.services)

    found = [(await row(owner, each))["status"] for each in (lost, mailed, waiting, done, queued)]
    assert found == ["failed", "failed", "pending", "sent", "pending"]
    assert (await row(owner, lost))["error_message"] == "It was never sent."


async def test_what_cannot_be_read_any_more_fails(mail: Mail, owner: asyncpg.Pool[Any]) -> None:
    sent = await write(mail, phone())
    other = await write(mail, phone())
    payloads = {
        send_message.unpack(payload)["delivery_id"]: send_message.unpack(payload)
        for _, payload in await owner.fetch(TAKEN, send_message.name)
    }

    # Of another message: it was encrypted for that one alone.
    await send_message(mail.services, **{**payloads[sent], "sealed": payloads[other]["sealed"]})

    assert (await row(owner, sent))["error_message"] == "It cannot be read: its key is not configured."


async def test_a_rule_that_fails_sends_nothing(mail: Mail, owner: asyncpg.Pool[Any]) -> None:
    async def fail() -> None:
        async with mail.services.work() as tx:
            send(tx, Message.SIGN_IN_CODE, phone("+221773333333"), secrets={"code": CODE}, minutes=5)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()

    assert await mail.to("+221773333333") == []
    assert not await owner.fetchval("SELECT count(*) FROM security.sms_delivery_log WHERE to_phone = '+221773333333'")


async def test_codes_and_tokens_are_nowhere_in_clear(
    mail: Mail,
    owner: asyncpg.Pool[Any],
    owner_url: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The whole database is looked through, before and after sending, and all that was logged, also of failures."""
    caplog.set_level(logging.DEBUG)
    code, token = "739164", "lr_Geheim-739164-Geheim"
    for to in ("+221771234567", "+221771230403", "+221771230500"):
        async with mail.services.work() as tx:
            send(tx, Message.SIGN_IN_CODE, phone(to), secrets={"code": code}, minutes=5)
    for address in ("awa@example.sn", "refused@example.sn", "down@example.sn"):
        async with mail.services.work() as tx:
            send(tx, Message.PASSWORD_RESET, email(address), secrets={"token": token}, minutes=30)

    before = await dump(owner)
    for _, payload in await owner.fetch(TAKEN, send_message.name):
        arguments = send_message.unpack(payload)
        async with mail.services.work() as tx:
            enqueue(tx, send_message, **arguments)
        try:
            await send_message(mail.services, **arguments)
        except ProviderUnavailable:
            logging.getLogger("tests").exception("as the worker logs it")
    after = await dump(owner)

    said = "".join([*capfd.readouterr(), caplog.text])
    assert "+221771234567" in before
    assert "+221771234567" in after
    assert "as the worker logs it" in said
    for text in (before, after, said):
        for secret in (code, token):
            assert secret not in text
    assert code in mail.mailbox.newest("+221771234567")[0].text
    assert token in mail.mailbox.newest("awa@example.sn")[0].text


async def dump(owner: asyncpg.Pool[Any]) -> str:
    """Every row of every table, as text."""
    tables = await owner.fetch(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname !~ '^pg_|information_schema'"
    )
    found = [
        row[0]
        for table in tables
        for row in await owner.fetch(f'SELECT t::text FROM "{table["schemaname"]}"."{table["tablename"]}" AS t')
    ]
    return "\n".join(found)
