"""Deposits from the call to the credit, with the sandbox in M-Pesa's place: over HTTP, and by Daraja's own protocol."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from gql.schema import schema
from lango.db.pipeline import Pipeline
from lango.http.app import create_app
from lango.providers.mpesa import MPESA, MpesaSettings
from lango.providers.mpesa.modes import make_sandbox
from lango.providers.mpesa.sandbox.delivery import within
from lango.providers.mpesa.settings import SANDBOX_SECRET
from lango.rules.services import Services
from lango.settings import Settings
from resolvers.treasury import mpesa_messages
from resolvers.treasury.pushes import query_push
from tests.client import Api
from tests.factories import Factory
from tests.treasury.daraja import FakeMpesa
from tests.treasury.house import House

HANDLERS = [
    mpesa_messages.receive_callback,
    mpesa_messages.receive_payment_callback,
    mpesa_messages.receive_result,
    mpesa_messages.receive_notice,
]
CALLBACKS, NOTICES = f"/webhooks/mpesa/{SANDBOX_SECRET}", f"/webhooks/c2b/{SANDBOX_SECRET}"


@dataclass
class Site:
    """A gateway with LANGO_MPESA=sandbox, and the phones of the sandbox."""

    house: House
    http: httpx.AsyncClient

    async def deposit(self, person: Any, amount: str = "1000") -> Any:
        begun = (await self.house.call("depositByMpesa", person, amount=amount))["depositByMpesa"]
        assert (begun["userErrors"], begun["warnings"]) == ([], [])
        return begun["mpesaTransaction"]

    async def press(self, person: Any, **choice: Any) -> httpx.Response:
        """What the owner of a phone does on its page; M-Pesa's messages have come when it is answered."""
        return await self.http.post(f"/sandbox/mpesa/{person.phone.lstrip('+')}", params=choice)

    async def row(self, deposit: Any) -> Any:
        return await self.house.owner.fetchrow(
            "SELECT * FROM treasury.mpesa_transactions WHERE id = $1::uuid", deposit["rowId"]
        )

    async def has(self, person: Any, amount: str) -> None:
        """Wait until somebody has so much: answers to queries come by themselves."""

        async def there() -> bool:
            return await self.house.balance(person, "KES") == amount

        await until(there)

    async def receipts(self, person: Any) -> int:
        return int(
            await self.house.owner.fetchval(
                "SELECT count(*) FROM treasury.mpesa_receipts r JOIN treasury.mpesa_transactions t"
                " ON t.id = r.mpesa_transaction_id WHERE t.user_id = $1",
                person.id,
            )
        )


@pytest.fixture
async def site(pipeline: Pipeline, settings: Settings, tmp_path: Path, make: Factory) -> AsyncIterator[Site]:
    own = MpesaSettings(_env_file=None, chosen="sandbox")
    given = settings.model_copy(update={"data_dir": tmp_path}).with_section(own)
    async with AsyncExitStack() as closing:

        async def deliver(url: str, body: bytes) -> httpx.Response | None:
            return await within(app)(url, body)

        services = Services(pipeline, given, {MPESA: make_sandbox(given, closing, deliver)})
        app = create_app(schema, given, pipeline, services=services, handlers=HANDLERS)
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1", timeout=60)
        await closing.enter_async_context(client)
        closing.push_async_callback(app.state.meter.close)
        yield Site(House(Api(client, pipeline, given), make, services), client)


@pytest.mark.parametrize(
    "choice",
    [{}, {"twice": 1}, {"also_c2b": 1}, {"also_c2b": 1, "reorder": 1, "twice": 1}],
    ids=["once", "twice", "as C2B too", "C2B first and twice"],
)
async def test_what_is_paid_on_the_phone_is_credited_once(site: Site, choice: dict[str, int]) -> None:
    person = await site.house.person()
    deposit = await site.deposit(person)

    pressed = await site.press(person, **choice)
    await site.has(person, "975")

    assert pressed.status_code == 303
    row = await site.row(deposit)
    assert (row["status"], row["paid_amount"]) == ("completed", 1000)
    assert await site.receipts(person) == 1


@pytest.mark.parametrize(
    ("outcome", "status"), [("cancel", "cancelled"), ("wrong_pin", "failed"), ("no_answer", "failed")]
)
async def test_what_is_not_paid_ends(site: Site, outcome: str, status: str) -> None:
    person = await site.house.person()
    deposit = await site.deposit(person)

    await site.press(person, outcome=outcome)

    assert (await site.row(deposit))["status"] == status
    assert await site.house.balance(person, "KES") == "0"


async def test_a_callback_that_is_lost_is_found_by_query_and_statement(site: Site) -> None:
    person = await site.house.person()
    deposit = await site.deposit(person)
    await site.press(person, lost=1)
    silent = (await site.row(deposit))["status"]

    await query_push(site.house.services, (await site.row(deposit))["id"])

    assert silent == "processing"
    assert (await site.row(deposit))["status"] == "completed"
    assert await site.house.balance(person, "KES") == "975"


async def test_a_query_that_lies_about_what_was_paid_is_corrected_by_the_status(site: Site) -> None:
    person = await site.house.person()
    # Of this amount the sandbox says that it failed, also where it was paid.
    deposit = await site.deposit(person, "500")

    await site.press(person)
    await site.has(person, "487.5")

    assert (await site.row(deposit))["status"] == "completed"


async def test_another_amount_is_held(site: Site) -> None:
    person = await site.house.person()
    deposit = await site.deposit(person)

    await site.press(person, amount=990)

    assert (await site.row(deposit))["status"] == "held"


async def test_what_is_paid_from_the_menu_is_let_pass_and_credited(site: Site) -> None:
    person = await site.house.person()
    opened = await site.house.call("openMpesaAccount", person)
    account = opened["openMpesaAccount"]["mpesaAccount"]["accountNumber"]

    paid = await site.press(person, outcome="paybill", account=account.lower(), amount=700)
    refused = await site.press(person, outcome="paybill", account="SAVINGS", amount=700)
    await site.has(person, "682.5")

    assert (paid.status_code, refused.status_code) == (303, 409)
    assert "C2B00012" in refused.text


async def test_what_is_posted_without_the_secret_is_not_stored(site: Site) -> None:
    person = await site.house.person()
    deposit = await site.deposit(person)
    row = await site.row(deposit)
    forged = invented(person, row, "FORGED1234")

    async def stored() -> int:
        found = "SELECT count(*) FROM treasury.mpesa_messages WHERE receipt_number = 'FORGED1234'"
        return int(await site.house.owner.fetchval(found))

    answers = [
        await site.http.post(f"/webhooks/{path}", json=forged)
        for path in (
            "mpesa/wrong", f"mpesa/wrong/push/{row['id']}", "mpesa/wrong/status", "c2b/wrong/confirmation",
            "c2b/wrong/validation",
        )
    ]  # fmt: skip

    assert [each.status_code for each in answers] == [401] * 5
    assert await stored() == 0
    # Who knows the secret and invents a payment is asked whether M-Pesa knows of it.
    taken = await site.http.post(CALLBACKS, json=forged)
    assert (taken.status_code, taken.json()) == (200, {"ResultCode": 0, "ResultDesc": "Accepted"})
    assert await stored() == 1
    assert await site.house.balance(person, "KES") == "0"
    assert (await site.row(deposit))["status"] == "processing"


async def test_an_address_of_no_kind_is_not_found(site: Site) -> None:
    answers = [
        await site.http.post(each, json={})
        for each in (f"{CALLBACKS}/nothing", f"{NOTICES}/nothing", f"{CALLBACKS}/push/nobody")
    ]

    assert [each.status_code for each in answers] == [404] * 3


async def test_m_pesa_is_answered_in_time_while_the_rows_are_held(site: Site, owner: Any) -> None:
    person = await site.house.person()
    deposit = await site.deposit(person)
    row = await site.row(deposit)
    callback = invented(person, row, "INVENTED12")
    began = time.monotonic()
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute("SELECT 1 FROM treasury.mpesa_transactions WHERE id = $1 FOR UPDATE", row["id"])

        answer = await site.http.post(CALLBACKS, json=callback)

    assert answer.status_code == 200
    assert time.monotonic() - began < 5
    stored = await owner.fetchrow("SELECT * FROM treasury.mpesa_messages ORDER BY created_at DESC LIMIT 1")
    assert stored["processed_at"] is None


def invented(person: Any, row: Any, receipt: str) -> dict[str, Any]:
    """The callback of a push that nobody has paid."""
    daraja, checkout = FakeMpesa(), row["checkout_request_id"]
    daraja.pushes[checkout] = {"amount": 1000, "phone": person.phone}
    return daraja.paid(checkout, receipt)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
