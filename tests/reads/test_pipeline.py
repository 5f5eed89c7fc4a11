"""What goes to the server and comes back: statements, parameters and answers, every byte understood."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from datetime import time as clock
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import URL

from lango.db import wire
from lango.db.connection import CONTEXT, STATEMENTS, Connection
from lango.db.postgres import open_connection
from lango.db.wire import written
from lango.settings import Settings
from tests.reads.conftest import BROKEN, WHO, Pool, assert_clean, bare

# Statements that the server keeps


KEPT = "SELECT json_agg(name ORDER BY name)::text FROM pg_prepared_statements WHERE name <> ''"


async def test_a_statement_is_parsed_once(pool: Pool) -> None:
    for _ in range(5):
        assert await pool.ask("SELECT 'once'") == b"once"
    (connection,) = await pool.connections()

    assert (
        await bare(connection, "SELECT count(*)::text FROM pg_prepared_statements WHERE statement LIKE '%once%'") == 1
    )


@pytest.mark.usefixtures("directly")
async def test_more_statements_than_are_kept_are_dropped_on_the_server_too(pool: Pool) -> None:
    for number in range(STATEMENTS * 2 + 50):
        assert await pool.ask(f"SELECT '{number}'") == str(number).encode()
    (connection,) = await pool.connections()

    assert len(connection._statements) == STATEMENTS
    kept = await bare(connection, KEPT)
    assert set(kept) == {name.decode() for name in connection._statements.values()}
    # The context is used by every batch, so it is the last to go.
    assert CONTEXT in connection._statements
    # One that has gone comes again.
    assert await pool.ask("SELECT '0'") == b"0"


@pytest.mark.usefixtures("directly")
async def test_statements_that_fail_leave_none_behind_on_the_server(pool: Pool) -> None:
    for number in range(STATEMENTS + 10):
        await pool.ask(f"SELECT '{number}'")
    for number in range(20):
        await pool.ask(f"SELEKT '{number}'")
        await pool.ask(f"SELECT 'more {number}'")
    (connection,) = await pool.connections()

    kept = await bare(connection, KEPT)
    assert set(kept) == {name.decode() for name in connection._statements.values()}


async def test_the_same_statement_twice_in_one_batch(pool: Pool) -> None:
    assert await pool.ask_all([("SELECT $1::text", ("a",)), ("SELECT $1::text", ("b",))]) == [b"a", b"b"]
    assert await pool.ask_all([("SELECT $1::text", ("c",)), ("SELECT $1::text", (None,))]) == [b"c", None]


async def test_the_same_statement_twice_where_its_first_values_fail(pool: Pool) -> None:
    first, second = await pool.ask_all(
        [("SELECT ($1::uuid)::text", ("x",)), ("SELECT ($1::uuid)::text", (str(UUID(int=1)),))]
    )

    assert isinstance(first, asyncpg.DataError)
    assert second == str(UUID(int=1)).encode()


async def test_the_same_statement_twice_where_it_cannot_be_parsed(pool: Pool) -> None:
    before = await pool.pid()

    outcomes = await pool.ask_all([("SELECT nothing FROM nowhere", ())] * 2)

    assert [getattr(each, "sqlstate", None) for each in outcomes] == ["42P01", "42P01"]
    assert await pool.pid() == before


@pytest.mark.usefixtures("directly")
async def test_a_statement_that_could_not_be_parsed_is_parsed_again(pool: Pool, owner: Any) -> None:
    sql = "SELECT 'here' FROM lango.tests_later"
    for _ in range(2):
        assert isinstance(await pool.ask(sql), asyncpg.UndefinedTableError)
    before = await pool.pid()
    await owner.execute("CREATE TABLE lango.tests_later AS SELECT 1 AS x; GRANT SELECT ON lango.tests_later TO PUBLIC")
    try:
        assert await pool.ask(sql) == b"here"
        assert await pool.ask(sql) == b"here"
        # A plan that has become wrong is made anew.
        await owner.execute("ALTER TABLE lango.tests_later ADD COLUMN y int")
        assert await pool.ask(sql) == b"here"
    finally:
        await owner.execute("DROP TABLE lango.tests_later")
    assert isinstance(await pool.ask(sql), asyncpg.UndefinedTableError)
    assert await pool.pid() == before


async def test_statements_that_somebody_else_has_dropped_are_parsed_again(pool: Pool, owner: Any) -> None:
    await pool.ask("SELECT 'kept'")
    (connection,) = await pool.connections()
    await bare(connection, "DEALLOCATE ALL")

    assert await pool.ask("SELECT 'kept'") == b"kept"
    assert await pool.ask_all([("SELECT 'kept'", ()), ("SELECT 'new'", ())]) == [b"kept", b"new"]
    await assert_clean(pool, owner)


async def test_a_hundred_statements_in_one_batch_of_which_some_fail(pool: Pool, owner: Any) -> None:
    asked: list[Any] = []
    for number in range(100):
        match number % 5:
            case 1:
                asked.append((BROKEN, ()))
            case 2:
                asked.append((f"SELEKT {number}", ()))
            case 3:
                asked.append(("SELECT ($1::int)::text", ("x",)))
            case _:
                asked.append(("SELECT $1::text", (str(number),)))

    outcomes = await pool.ask_all(asked)

    states = {1: "22012", 2: "42601", 3: "22P02"}
    assert [getattr(each, "sqlstate", each) for each in outcomes] == [
        states.get(number % 5, str(number).encode()) for number in range(100)
    ]
    await assert_clean(pool, owner)


@pytest.mark.usefixtures("directly")
async def test_more_statements_in_one_batch_than_are_kept(pool: Pool) -> None:
    asked = [(f"SELECT '{number}'", ()) for number in range(STATEMENTS + 60)]

    for _ in range(2):
        assert await pool.ask_all(asked) == [str(number).encode() for number in range(STATEMENTS + 60)]
    (connection,) = await pool.connections()

    assert len(connection._statements) == STATEMENTS
    assert set(await bare(connection, KEPT)) == {name.decode() for name in connection._statements.values()}


# Parameters

TEXTS = [
    "", " ", "'", '"', "\\", "\\\\", '\\"', "{", "}", "{}", ",", "{a,b}", "NULL", "null", "🎂", "é\u0301", "\u202e", "\ufeff",
    "a\nb\tc\r", "\x01\x02\x7f", "$1", "x" * 100_000, "'; DROP TABLE x; --", "a" * 62 + "\\",
]  # fmt: skip
EAST, WEST = timezone(timedelta(hours=14)), timezone(-timedelta(hours=12, minutes=30))
VALUES: list[tuple[str, list[Any]]] = [
    ("text", [None, *TEXTS]),
    ("text[]", [None, [], [None], [None, None], TEXTS, [*TEXTS, None], ["NULL", None, "null"]]),
    ("uuid", [None, UUID(int=0), UUID(int=2**128 - 1), uuid4()]),
    ("uuid[]", [[], [UUID(int=5), None]]),
    ("numeric", [None, *map(Decimal, ("0", "-0.00", "1.10", "1E+20", "1E-20", "NaN", "9" * 30 + "." + "9" * 30))]),
    ("numeric[]", [[Decimal("1.10"), None, Decimal("1E+3")]]),
    ("bool", [None, True, False]),
    ("bool[]", [[True, None, False]]),
    ("int8", [None, 0, 2**63 - 1, -(2**63)]),
    ("int8[]", [[2**63 - 1, None, -(2**63)]]),
    ("int4", [2**31 - 1, -(2**31)]),
    ("date", [None, date(1, 1, 2), date(9999, 12, 30), date(2024, 2, 29)]),
    ("date[]", [[date(1, 1, 2), None]]),
    ("time", [None, clock(0), clock(23, 59, 59, 999_999), clock(8, 0, 0, 10)]),
    (
        "timestamptz",
        [
            None, datetime(1, 1, 2, tzinfo=EAST), datetime(1, 1, 1, tzinfo=WEST), datetime(1, 1, 1, 1, tzinfo=UTC),
            datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=EAST), datetime(9998, 12, 31, tzinfo=WEST),
            datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(1900, 1, 1, tzinfo=timezone(timedelta(minutes=-1, seconds=-8))),
        ],
    ),
    ("timestamptz[]", [[datetime(2026, 3, 1, 12, tzinfo=EAST), None]]),
    ("json", [None, "{}", '{"a": "\\u0001 \\"🎂"}', "1.10", "null"]),
    ("jsonb", ['{"b": 1.10, "a": [null, "\\\\"]}', '"{}"', "[]"]),
    ("inet", [None, "192.0.2.1", "2001:db8::/32"]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "values"), VALUES, ids=[kind for kind, _ in VALUES])
async def test_parameters_arrive_as_the_driver_would_send_them(
    pool: Pool, address: URL, settings: Settings, kind: str, values: list[Any]
) -> None:
    sql = f"SELECT to_json($1::{kind})::text || pg_typeof($1::{kind})::text"
    driver = await open_connection(address, settings)
    try:
        for value in values:
            theirs = await driver.fetchval(sql, value)
            assert await pool.ask(sql, value) == (None if theirs is None else theirs.encode()), value
    finally:
        await driver.close()


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("date", date.min, "0001-01-01"),
        ("date", date.max, "9999-12-31"),
        ("timestamptz", datetime.min.replace(tzinfo=UTC), "0001-01-01 00:00:00+00"),
        ("timestamptz", datetime.max.replace(tzinfo=UTC), "9999-12-31 23:59:59.999999+00"),
    ],
)
async def test_the_first_and_the_last_moment_are_themselves(pool: Pool, kind: str, value: Any, text: str) -> None:
    """asyncpg takes them for the infinities."""
    assert await pool.ask(f"SELECT ($1::{kind})::text", value) == text.encode()


@pytest.mark.parametrize(
    ("kind", "value", "state"),
    [
        ("int8", 2**63, "22003"), ("int4", 2**31, "22003"), ("text", "\0", "22021"), ("text[]", ["a", "\0"], "22021"),
        ("uuid", "x", "22P02"), ("json", "{", "22P02"), ("timestamptz", "1-1-1-1", "22007"), ("numeric", "1e9999999", "22003"),
        ("uuid[]", ["x"], "22P02"), ("bool", "perhaps", "22P02"),
    ],
)  # fmt: skip
async def test_values_that_are_none_are_errors_of_class_22(
    pool: Pool, owner: Any, kind: str, value: Any, state: str
) -> None:
    outcome = await pool.ask(f"SELECT ($1::{kind})::text", value)

    assert isinstance(outcome, asyncpg.PostgresError)
    assert outcome.sqlstate == state
    await assert_clean(pool, owner)


def test_a_boolean_is_no_number() -> None:
    assert (written(True), written(1), written([True, 1])) == (b"t", b"1", b'{"t","1"}')


# Answers


@pytest.mark.parametrize("size", [0, 1, 5, 65_530, 65_536, 262_144, 15_000_000])
async def test_an_answer_of_any_size(pool: Pool, size: int) -> None:
    outcome = await pool.ask("SELECT repeat('x', $1::int)", size)

    assert outcome == b"x" * size
    (connection,) = await pool.connections()
    assert len(connection._buffer) == 0


async def test_no_row_and_null_are_nothing(pool: Pool) -> None:
    outcomes = await pool.ask_all(
        [("SELECT 'x' WHERE false", ()), ("SELECT NULL::text", ()), ("SELECT ''", ()), ("SELECT 'last'", ())]
    )

    assert outcomes == [None, None, b"", b"last"]


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self._transport = self
        self.preamble = ""

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def write(self, data: bytes) -> None:
        self.sent.append(data)


ASKED: list[Any] = [
    ("SELECT 'first'", ()), (BROKEN, ()), ("SELECT NULL::text", ()), ("SELEKT", ()), ("SELECT repeat('é', 40)", ()),
    ("SELECT 'x' WHERE false", ()), ("SELECT $1::text", ("",)),
]  # fmt: skip


@pytest.fixture
async def recorded(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, list[Any]]:
    """What a server answered to `ASKED`, byte by byte, and what was made of it."""
    heard: list[bytes] = []
    received = Connection.data_received
    with monkeypatch.context() as patched:
        patched.setattr(
            Connection, "data_received", lambda self, data: (heard.append(bytes(data)), received(self, data))
        )
        outcomes = await pool.ask_all(ASKED)
    return b"".join(heard), outcomes


def readable(outcomes: list[Any]) -> list[Any]:
    return [getattr(each, "sqlstate", each) for each in outcomes]


def replayed(chunks: list[bytes]) -> list[Any]:
    connection = Connection(Wire(), lambda _: None)
    future = connection.send([""] * 8, ASKED)
    for chunk in chunks:
        connection.data_received(chunk)
    assert connection._batch is None
    assert not connection._buffer
    assert len(connection._statements) == 7
    return readable(future.result())


async def test_an_answer_may_arrive_in_any_pieces(recorded: Any) -> None:
    heard, outcomes = recorded
    expected = readable(outcomes)
    assert expected == [b"first", "22012", None, "42601", ("é" * 40).encode(), None, b""]

    for place in range(1, len(heard)):
        assert replayed([heard[:place], heard[place:]]) == expected
    for size in (1, 2, 3, 4, 5, 6, 7, 11, 13):
        assert replayed([heard[place : place + size] for place in range(0, len(heard), size)]) == expected
    assert replayed([heard]) == expected


def noise(kind: bytes, body: bytes) -> bytes:
    return wire.message(kind, body)


NOISE = {
    "a notice": noise(b"N", b"SNOTICE\x00C00000\x00Mhello\x00\x00"),
    "a parameter": noise(b"S", b"application_name\x00lango\x00"),
    "a notification": noise(b"A", b"\x00\x00\x00\x01channel\x00payload\x00"),
}


@pytest.mark.parametrize("message", NOISE.values(), ids=NOISE)
async def test_asynchronous_messages_of_the_server_are_skipped(recorded: Any, message: bytes) -> None:
    heard, outcomes = recorded
    pieces, start = [message], 0
    while start < len(heard):
        end = start + 1 + int.from_bytes(heard[start + 1 : start + 5], "big")
        pieces += [heard[start:end], message]
        start = end

    assert replayed(pieces) == readable(outcomes)
    assert replayed([b"".join(pieces)]) == readable(outcomes)


async def test_notices_of_a_statement_and_of_a_session(pool: Pool, owner: Any) -> None:
    await owner.execute(
        "CREATE OR REPLACE FUNCTION lango.tests_speak() RETURNS text LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE WARNING 'one'; RAISE NOTICE 'two'; PERFORM set_config('application_name', 'x', true);"
        " RETURN 'said'; END $$; GRANT EXECUTE ON FUNCTION lango.tests_speak() TO PUBLIC"
    )
    try:
        assert await pool.ask_all([("SELECT lango.tests_speak()", ())] * 3) == [b"said"] * 3
    finally:
        await owner.execute("DROP FUNCTION lango.tests_speak()")
    await assert_clean(pool, owner)


async def test_the_server_may_send_messages_between_two_batches(pool: Pool, owner: Any) -> None:
    await pool.ask(WHO)
    (connection,) = await pool.connections()
    for message in NOISE.values():
        for byte in message:
            connection.data_received(bytes([byte]))

    assert isinstance(await pool.ask(WHO), bytes)
    await assert_clean(pool, owner)


# Memory


async def test_twenty_thousand_reads_leave_nothing_behind(make_pool: Callable[..., Pool]) -> None:
    pool = make_pool(2)

    async def some(number: int) -> None:
        for each in range(number):
            await pool.ask("SELECT $1::text", str(each))

    def rss() -> int:
        with open("/proc/self/statm") as found:  # noqa: PTH123
            return int(found.read().split()[1]) * 4096

    await asyncio.gather(*(some(500) for _ in range(4)))
    gc.collect()
    before = rss()
    await asyncio.gather(*(some(2_500) for _ in range(8)))
    gc.collect()

    assert rss() - before < 8_000_000
    assert pool.shares.waiting() == 0
    for connection in await pool.connections():
        assert len(connection._statements) == 2
        assert len(connection._buffer) == 0


async def test_waiters_that_gave_up_are_not_kept(pool: Pool) -> None:
    """While one read takes long, thousands come and go away again."""
    await pool.ask(WHO)
    busy = asyncio.create_task(pool.ask("SELECT pg_sleep(0.5)::text"))
    await asyncio.sleep(0.01)
    for _ in range(10):
        tasks = [asyncio.create_task(pool.ask(WHO)) for _ in range(100)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    try:
        assert pool.shares.waiting() == 0
    finally:
        await busy
