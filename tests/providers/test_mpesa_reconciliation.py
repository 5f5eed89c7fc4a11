"""`lango reconcile mpesa` and `lango mpesa register`: our books, M-Pesa's statement, and what M-Pesa is told."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from lango.providers.mpesa.client import StatementLine
from lango.providers.mpesa.daraja import REGISTER
from models.treasury import MpesaReceipt, MpesaTransaction
from resolvers.treasury.reconciliation import Difference, reconcile
from tests.factories import Factory
from tests.providers.conftest import FakeServer
from tests.providers.mpesa import SECRET

# The first of March in Kenya; no other test has receipts on this day.
BEGIN = datetime(2019, 2, 28, 21, 0, tzinfo=UTC)
END = BEGIN + timedelta(days=1)
NOON = BEGIN + timedelta(hours=12)


class Books:
    """Receipts and payments of this test alone."""

    def __init__(self, owner: asyncpg.Pool[Any], make: Factory) -> None:
        self.owner = owner
        self.make = make
        # M-Pesa's numbers have ten characters.
        self.prefix = f"S{uuid4().hex[:6].upper()}"

    def number(self, name: str) -> str:
        return self.prefix + name

    async def came(self, name: str, amount: int = 100, at: datetime | None = NOON, **given: Any) -> None:
        await self.make(
            MpesaReceipt, receipt_number=self.number(name), amount=Decimal(amount), paid_at=at, arrived_as="stk",
            status="held", **given,
        )  # fmt: skip

    async def payment(self, name: str, kind: str, amount: int, **given: Any) -> None:
        values = {"status": "completed", "transaction_date": NOON} | given
        await self.make(
            MpesaTransaction, transaction_type=kind, amount=Decimal(amount), mpesa_receipt_number=self.number(name),
            **values,
        )  # fmt: skip

    async def clear(self) -> None:
        for table, column in (("mpesa_receipts", "receipt_number"), ("mpesa_transactions", "mpesa_receipt_number")):
            await self.owner.execute(f"DELETE FROM treasury.{table} WHERE starts_with({column}, $1)", self.prefix)

    def line(self, name: str, amount: int = 100, at: datetime = NOON, kind: str = "Pay Bill") -> StatementLine:
        return StatementLine(self.number(name), Decimal(amount), at, "", kind)

    async def differences(self, *lines: StatementLine, what_went: bool = True) -> list[tuple[Any, ...]]:
        """What does not agree, of this test's receipts."""
        async with self.owner.acquire() as connection:
            found = await reconcile(connection, lines, BEGIN, END, what_went=what_went)
        of_test = [each for each in found if each.receipt.startswith(self.prefix)]
        return [(each.difference, each.receipt.removeprefix(self.prefix), each.ours, each.theirs) for each in of_test]


@pytest.fixture
async def books(owner: asyncpg.Pool[Any], make: Factory) -> AsyncIterator[Books]:
    books = Books(owner, make)
    yield books
    # They have no postings, which the proofs of other tests would find.
    await books.clear()


async def test_what_both_have_agrees(books: Books) -> None:
    await books.came("A1")
    await books.payment("A2", "b2c", 400)
    await books.payment("A3", "reversal", 50)

    assert (
        await books.differences(
            books.line("A1"), books.line("A1", 11, kind="Charge"), books.line("A2", 400), books.line("A3", 50)
        )
        == []
    )


async def test_what_only_one_has_is_named(books: Books) -> None:
    await books.came("A1")
    await books.payment("A2", "b2c", 400)
    await books.payment("A3", "reversal", 50)

    assert await books.differences(books.line("B1", 70), books.line("B1", 3, kind="Charge")) == [
        (Difference.ONLY_OURS, "A1", Decimal(100), None),
        (Difference.ONLY_OURS, "A2", Decimal(400), None),
        (Difference.ONLY_OURS, "A3", Decimal(50), None),
        (Difference.ONLY_THEIRS, "B1", None, Decimal(70)),
    ]


async def test_another_amount_is_named(books: Books) -> None:
    await books.came("A1")

    assert await books.differences(books.line("A1", 90), books.line("A1", 11, kind="Charge")) == [
        (Difference.AMOUNT, "A1", Decimal(100), Decimal(90))
    ]


async def test_a_statement_of_what_came_says_nothing_of_what_went(books: Books) -> None:
    await books.came("A1")
    await books.payment("A2", "b2c", 400)
    await books.payment("A3", "reversal", 50)

    assert await books.differences(books.line("A1"), what_went=False) == []


async def test_a_payment_and_its_receipt_are_counted_once(books: Books) -> None:
    await books.came("A1", 90)
    await books.payment("A1", "stk_push", 100)
    # As it was before there were receipts.
    await books.payment("A2", "c2b", 100, paid_amount=Decimal(120))

    assert await books.differences() == [
        (Difference.ONLY_OURS, "A1", Decimal(90), None),
        (Difference.ONLY_OURS, "A2", Decimal(120), None),
    ]


@pytest.mark.parametrize("status", ["pending", "processing", "failed", "held"])
async def test_what_was_not_paid_out_is_not_in_our_books(books: Books, status: str) -> None:
    await books.payment("A2", "b2c", 400, status=status)

    assert await books.differences() == []
    assert await books.differences(books.line("A2", 400)) == [(Difference.ONLY_THEIRS, "A2", None, Decimal(400))]


async def test_a_day_is_mpesas_and_ends_before_the_next(books: Books) -> None:
    for number, at in enumerate((BEGIN - timedelta(seconds=1), BEGIN, END - timedelta(seconds=1), END)):
        await books.came(f"A{number}", at=at)
        # Without a moment of M-Pesa's own that counts at which it came here.
        await books.came(f"B{number}", at=None, created_at=at)

    assert {name for _, name, *_ in await books.differences()} == {"A1", "A2", "B1", "B2"}
    lines = [books.line(f"C{number}", at=at) for number, at in enumerate((BEGIN - timedelta(seconds=1), BEGIN, END))]
    assert {name for _, name, *_ in await books.differences(*lines)} == {"A1", "A2", "B1", "B2", "C1"}


async def test_what_both_have_on_different_days_agrees(books: Books) -> None:
    await books.came("A1", at=END + timedelta(hours=1))
    await books.came("A2", at=None, created_at=NOON)

    assert await books.differences(books.line("A1"), books.line("a2", at=BEGIN - timedelta(seconds=1))) == []


async def run(tmp_path: Path, *arguments: str, **environment: str) -> tuple[int | None, str]:
    """`lango …` in a process of its own; gives its exit code and all that it says."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LANGO_", "DATABASE_"))}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lango", *arguments, env=clean | {"LANGO_DATA_DIR": str(tmp_path), **environment},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, said.decode()


async def test_the_command_lists_what_does_not_agree_and_fails(books: Books, owner_url: str, tmp_path: Path) -> None:
    await books.came("A1")
    await books.payment("A2", "b2c", 400)
    file = tmp_path / "statement.csv"
    titles = "Receipt No.,Completion Time,Details,Transaction Status,Paid In,Withdrawn\n"
    file.write_text(f"{titles}{books.number('A1')},2019-03-01 12:00:00,Pay Bill,Completed,90.00,\n", encoding="utf-8")
    command = ["reconcile", "mpesa", "--day", "2019-03-01", "--statement", str(file)]

    code, said = await run(tmp_path, *command, DATABASE_OWNER_URL=owner_url)

    assert code == 1
    assert [line.split() for line in said.splitlines() if books.prefix in line] == [
        ["another", "amount", books.number("A1"), "100.00", "/", "90.00", "2019-03-01", "12:00:00", "came"],
        ["only", "ours", books.number("A2"), "400.00", "2019-03-01", "12:00:00", "went"],
    ]
    await books.clear()
    file.write_text(titles, encoding="utf-8")

    code, said = await run(tmp_path, *command, DATABASE_OWNER_URL=owner_url)

    assert (code, "statement agree" in said) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "There is no statement: mpesa: LANGO_MPESA is off"),
        (["--statement", "no-such.csv"], "no-such.csv cannot be read"),
        (["--statement", __file__], "is no statement of M-Pesa"),
    ],
)
async def test_without_a_statement_nothing_is_compared(
    owner_url: str, tmp_path: Path, arguments: list[str], message: str
) -> None:
    code, said = await run(
        tmp_path, "reconcile", "mpesa", "--day", "2019-03-01", *arguments, DATABASE_OWNER_URL=owner_url
    )

    assert code == 1
    assert message in said


def live(server: FakeServer, **given: str) -> dict[str, str]:
    return {
        "LANGO_MPESA": "live", "LANGO_MPESA_CONSUMER_KEY": "key", "LANGO_MPESA_CONSUMER_SECRET": "secret",
        "LANGO_MPESA_PASSKEY": "passkey", "LANGO_MPESA_CALLBACK_SECRETS": SECRET, "LANGO_MPESA_API_URL": server.url,
        "LANGO_PUBLIC_URL": "https://lango.test", **given,
    }  # fmt: skip


TOKEN = (200, {"access_token": "token", "expires_in": "3599"})
REGISTERED = (200, {"OriginatorCoversationID": "1", "ResponseCode": "0", "ResponseDescription": "success"})


@pytest.mark.parametrize(("option", "answered"), [([], "Completed"), (["--refuse-unanswered"], "Cancelled")])
async def test_mpesa_is_told_where_to_post(
    server: FakeServer, tmp_path: Path, option: list[str], answered: str
) -> None:
    server.will(TOKEN, REGISTERED)

    code, said = await run(tmp_path, "mpesa", "register", *option, **live(server))

    assert (code, "success" in said, SECRET in said) == (0, True, False)
    request = server.requests[1]
    assert (request.method, request.path) == ("POST", REGISTER)
    assert request.json == {
        "ShortCode": "174379",
        "ResponseType": answered,
        "ConfirmationURL": f"https://lango.test/webhooks/c2b/{SECRET}/confirmation",
        "ValidationURL": f"https://lango.test/webhooks/c2b/{SECRET}/validation",
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"LANGO_MPESA": "off"}, "LANGO_MPESA is off"),
        ({"LANGO_MPESA_PASSKEY": ""}, "LANGO_MPESA_PASSKEY"),
        ({"LANGO_PUBLIC_URL": "http://lango.test"}, "https addresses only"),
        ({"LANGO_PUBLIC_URL": "https://mpesa.test"}, "no address with mpesa in it"),
        ({"LANGO_MPESA_CALLBACK_URL": "https://query.exe.test"}, "no address with exe or query in it"),
    ],
)
async def test_what_mpesa_would_not_take_is_not_sent(
    server: FakeServer, tmp_path: Path, given: dict[str, str], message: str
) -> None:
    code, said = await run(tmp_path, "mpesa", "register", **live(server, **given))

    assert (code, message in said, SECRET in said) == (1, True, False)
    assert server.requests == []


async def test_what_mpesa_refuses_is_said(server: FakeServer, tmp_path: Path) -> None:
    server.will(TOKEN, (400, {"errorCode": "400.003.02", "errorMessage": "Bad Request - Invalid ShortCode"}))

    code, said = await run(tmp_path, "mpesa", "register", **live(server))

    assert (code, "mpesa refused (400.003.02): Bad Request - Invalid ShortCode" in said) == (1, True)
