"""The database restarts, takes over or ends connections: who calls meanwhile hears nothing worse than that it is away,
and what was to be done is done once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from gql.schema import schema
from lango.actor import NOBODY, Actor, DatabaseRole
from lango.db import migrate, roles
from lango.db.pipeline import make_pipeline
from lango.db.transaction import discard, raw_driver
from lango.embedded import Server, embedded
from lango.http.app import create_app
from lango.rules.transaction import RuleTransaction
from lango.security.account_status import STANDING
from lango.settings import Settings
from models.packs import Pack
from resolvers.redemption import codes
from tests.client import Answer, Api
from tests.factories import Factory
from tests.reads.conftest import activity

READ = "{ viewer { rowId } pots { totalCount } }"
OURS = "usename = 'lango_gateway' AND datname = current_database()"
TERMINATE = f"SELECT count(pg_terminate_backend(pid, 2000)) FROM pg_stat_activity WHERE {OURS}"


@pytest.fixture(autouse=True)
def _patient_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a probe finds is tried here, not how fast a busy machine is."""
    monkeypatch.setattr("lango.http.health.PROBE_TIMEOUT", 30)


class Gateway:
    """A gateway with connections of its own."""

    def __init__(self, api: Api, ready: httpx.AsyncClient) -> None:
        self.api = api
        self.client = ready

    async def ready(self) -> tuple[int, str | None]:
        answer = await self.client.get("/readyz")
        return answer.status_code, answer.json().get("reason")

    async def issue(self, shop: SimpleNamespace, key: str | None = None) -> Answer:
        more = {"idempotencyKey": key} if key else {}
        return await self.api.mutate(
            "issueQrCode", shop.owner, show="qrCode { rowId }", potId=shop.pot, packId=shop.pack, **more
        )


@pytest.fixture
def serve(gateway_url: str, settings: Settings) -> Callable[..., Any]:
    """`async with serve(pool_size=3) as gateway`."""

    @asynccontextmanager
    async def make(url: str = gateway_url, **changed: Any) -> AsyncIterator[Gateway]:
        other = settings.model_copy(update={"pool_size": 4} | changed)
        pipeline = make_pipeline(url, other)
        app = create_app(schema, other, pipeline)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=60) as client:
            yield Gateway(Api(client, pipeline, other, app.state.pipeline), client)
        app.state.pipeline.close()
        pipeline.close()

    return make


@pytest.fixture
async def gateway(serve: Callable[..., Any]) -> AsyncIterator[Gateway]:
    async with serve() as gateway:
        yield gateway


async def shop_of(make: Factory) -> SimpleNamespace:
    """A pot whose owner may issue two hundred codes."""
    till = await make.code_at_the_till()
    till.pack = await make(Pack, partner_id=till.partner.id, base_price_cfa=10, max_redemptions_per_user=1_000)
    return till


@pytest.fixture
async def shop(make: Factory) -> SimpleNamespace:
    return await shop_of(make)


async def issued(owner: asyncpg.Pool[Any], shop: SimpleNamespace) -> int:
    return int(await owner.fetchval("SELECT count(*) FROM redemption.qr_codes WHERE pack_id = $1", shop.pack.id))


async def fill_the_pools(gateway: Gateway, shop: SimpleNamespace) -> None:
    """Every connection that may be opened is open, and idle."""
    await asyncio.gather(*(gateway.issue(shop) for _ in range(8)), *(read(gateway, shop) for _ in range(8)))


async def read(gateway: Gateway, shop: SimpleNamespace) -> Answer:
    return await gateway.api(READ, as_=shop.owner)


async def assert_answers(gateway: Gateway, shop: SimpleNamespace) -> None:
    """As many at once as there are connections: each is tried."""
    assert await gateway.ready() == (200, None)
    calls = [gateway.issue(shop) if number % 2 else read(gateway, shop) for number in range(16)]
    for answer in await asyncio.gather(*calls):
        assert answer.response.status_code == 200
        assert answer.errors == []


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, SimpleNamespace]]:
    """A server that may be broken, and a shop on it."""
    folder = tmp_path_factory.mktemp("own")
    for each in (folder, folder.parent):
        each.chmod(0o755)
    with embedded(folder, "dev") as server:
        yield server, asyncio.run(prepared(server))


async def prepared(server: Server) -> SimpleNamespace:
    await roles.create_database(server.owner_url("postgres"), "lango")
    await roles.ensure(server.owner_url())
    await migrate.upgrade(server.owner_url())
    async with asyncpg.create_pool(server.owner_url(), min_size=0, max_size=2, setup=become_owner) as owner:
        return await shop_of(Factory(owner))


async def test_after_a_restart_the_first_write_and_the_first_read_are_answered(
    own_server: Any, serve: Callable[..., Any]
) -> None:
    """Every connection that was idle is lost."""
    server, shop = own_server
    async with serve(server.gateway_url()) as gateway:
        await fill_the_pools(gateway, shop)

        await restart(server)

        await assert_answers(gateway, shop)


async def test_a_standby_is_read_from_and_not_ready_until_it_is_promoted(
    own_server: Any, serve: Callable[..., Any]
) -> None:
    server, shop = own_server
    async with serve(server.gateway_url()) as gateway:
        await fill_the_pools(gateway, shop)
        await make_standby(server)

        writing, reading, ready = await gateway.issue(shop), await read(gateway, shop), await gateway.ready()
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            # What looks as the rules would, and asks for a transaction that may write.
            await gateway.api.pipeline.run(NOBODY, "SELECT 'seen'", [], role=DatabaseRole.RULES)
        await run_as_owner(server, "SELECT pg_promote()")

        assert (writing.response.status_code, writing.codes) == (503, ["SERVICE_UNAVAILABLE"])
        assert reading.errors == []
        assert ready == (503, "the database is a standby: it takes no writes")
        await assert_answers(gateway, shop)


async def make_standby(server: Server) -> None:
    """Start anew as a server that follows another one, as a demoted one does."""
    signal_file = server.home / "data" / "standby.signal"
    signal_file.touch()
    owner = (server.home / "data" / "PG_VERSION").stat()
    os.chown(signal_file, owner.st_uid, owner.st_gid)
    # What runs at this checkpoint is in the log, so that a standby knows when it may be read from.
    await run_as_owner(server, "CHECKPOINT")
    await restart(server)


async def run_as_owner(server: Server, sql: str) -> None:
    connection = await asyncpg.connect(server.owner_url())
    await connection.execute(sql)
    await connection.close()


async def restart(server: Server) -> None:
    """A server one of whose processes is killed ends all connections, recovers, and begins anew."""
    killed, ended = [await asyncpg.connect(server.owner_url()) for _ in range(2)]
    os.kill(killed.get_server_pid(), signal.SIGKILL)
    async with asyncio.timeout(60):
        while not ended.is_closed():  # noqa: ASYNC110 - there is no signal
            await asyncio.sleep(0.01)
        while True:
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await run_as_owner(server, "SELECT 1")
                return
            await asyncio.sleep(0.05)


async def become_owner(connection: Any) -> None:
    await connection.execute("SET ROLE lango_owner; SET timezone = 'UTC'")


async def test_after_all_connections_were_ended(gateway: Gateway, shop: Any, owner: asyncpg.Pool[Any]) -> None:
    await fill_the_pools(gateway, shop)
    await activity(owner, TERMINATE)

    await assert_answers(gateway, shop)


async def test_with_a_connection_that_was_lost_go_those_as_old(gateway_url: str, settings: Settings) -> None:
    async def opened() -> tuple[list[Any], list[int]]:
        connections = [await pipeline.connect() for _ in range(2)]
        drivers = [await raw_driver(connection) for connection in connections]
        return connections, [driver.get_server_pid() for driver in drivers]

    pipeline = make_pipeline(gateway_url, settings, pool_size=2)
    try:
        (lost, other), before = await opened()
        await other.close()
        await discard(lost, await raw_driver(lost), asyncpg.ConnectionDoesNotExistError("it went"))
        await lost.close()

        connections, after = await opened()

        assert not set(before) & set(after)
        for connection in connections:
            await connection.close()
        # Those are not lost with what had been opened before them.
        connections, again = await opened()
        assert set(again) == set(after)
        for connection in connections:
            await connection.close()
    finally:
        pipeline.close()


async def test_connections_that_end_under_load_do_no_harm(
    gateway: Gateway, shop: Any, owner: asyncpg.Pool[Any]
) -> None:
    """Each call with a key is sent until it is answered, as a client does, and is done exactly once."""
    keys, codes, before = [str(uuid4()) for _ in range(40)], [], await issued(owner, shop)
    ending = asyncio.create_task(keep_ending(owner))

    async def until_done(key: str) -> None:
        while True:
            answer = await gateway.issue(shop, key)
            codes.extend(answer.codes)
            if not answer.errors and answer["issueQrCode"]["userErrors"] != [{"code": "IN_PROGRESS"}]:
                assert answer["issueQrCode"]["userErrors"] == []
                return
            await asyncio.sleep(0.1)

    async def go_on_reading() -> None:
        while not ending.done():
            codes.extend((await read(gateway, shop)).codes)

    async with asyncio.timeout(60):
        await asyncio.gather(*(until_done(key) for key in keys), *(go_on_reading() for _ in range(2)), ending)

    assert set(codes) <= {"SERVICE_UNAVAILABLE"}
    assert await issued(owner, shop) == before + len(keys)


async def keep_ending(owner: asyncpg.Pool[Any]) -> None:
    for _ in range(20):
        await activity(owner, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OURS}")
        await asyncio.sleep(0.15)


async def end_own(tx: Any, owner: asyncpg.Pool[Any]) -> None:
    pid = tx.driver.get_server_pid()
    await activity(owner, "SELECT pg_terminate_backend($1, 2000)", pid)


async def test_a_rule_whose_connection_ends_before_its_commit_runs_again(
    gateway: Gateway, shop: Any, owner: asyncpg.Pool[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also without a key: nothing of it was kept."""
    publish, tries, before = codes.publish, [], await issued(owner, shop)

    async def cut_off_first(tx: Any, *given: Any, **options: Any) -> None:
        tries.append(tx)
        if len(tries) == 1:
            await end_own(tx, owner)
        await publish(tx, *given, **options)

    monkeypatch.setattr(codes, "publish", cut_off_first)
    answer = await gateway.issue(shop)

    assert answer.refusals("issueQrCode") == []
    assert len(tries) == 2
    assert await issued(owner, shop) == before + 1


@pytest.fixture
def lose_the_answer(owner: asyncpg.Pool[Any], monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The first COMMIT from here on is done by the server, and its answer is lost with the connection."""

    def lose() -> None:
        committed, lost = RuleTransaction.commit, []

        async def commit(tx: RuleTransaction) -> None:
            driver = tx.driver
            if not lost:
                lost.append(tx)
                execute = driver.execute

                async def then_lose(command: str, *rest: Any) -> Any:
                    await execute(command, *rest)
                    driver.terminate()
                    raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

                monkeypatch.setattr(type(driver), "execute", lambda _, *given: then_lose(*given))
                try:
                    await committed(tx)
                finally:
                    monkeypatch.undo()
            else:
                await committed(tx)

        monkeypatch.setattr(RuleTransaction, "commit", commit)

    return lose


async def test_a_commit_whose_answer_is_lost_is_not_guessed_at(
    gateway: Gateway, shop: Any, owner: asyncpg.Pool[Any], lose_the_answer: Callable[[], None]
) -> None:
    before = await issued(owner, shop)
    lose_the_answer()
    answer = await gateway.issue(shop)

    (error,) = answer.errors
    assert error["extensions"] == {"code": "SERVICE_UNAVAILABLE", "outcome": "UNKNOWN"}
    assert "not known" in error["message"]
    assert await issued(owner, shop) == before + 1


async def test_with_a_key_the_outcome_is_found(
    gateway: Gateway, shop: Any, owner: asyncpg.Pool[Any], lose_the_answer: Callable[[], None]
) -> None:
    before = await issued(owner, shop)
    lose_the_answer()
    answer = await gateway.issue(shop, str(uuid4()))

    assert answer.refusals("issueQrCode") == []
    assert answer["issueQrCode"]["qrCode"]
    assert await issued(owner, shop) == before + 1


async def test_an_outcome_stays_unknown_when_it_cannot_be_looked_up_either(
    gateway: Gateway, shop: Any, owner: asyncpg.Pool[Any], lose_the_answer: Callable[[], None]
) -> None:
    """The answer to the COMMIT is lost, and then the database is away."""
    key, begin, before = str(uuid4()), RuleTransaction.begin, await issued(owner, shop)
    begun = []

    async def begin_once(tx: RuleTransaction, **options: Any) -> None:
        begun.append(tx)
        if len(begun) > 1:
            raise ConnectionRefusedError
        await begin(tx, **options)

    lose_the_answer()
    RuleTransaction.begin = begin_once  # type: ignore[method-assign] - the other patches are taken back under way
    try:
        answer = await gateway.issue(shop, key)
    finally:
        RuleTransaction.begin = begin  # type: ignore[method-assign]

    assert answer.errors[0]["extensions"] == {"code": "SERVICE_UNAVAILABLE", "outcome": "UNKNOWN"}
    assert (await gateway.issue(shop, key)).refusals("issueQrCode") == []
    assert await issued(owner, shop) == before + 1


def read_payloads(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, by: Callable[[], Awaitable[None]]) -> None:
    """From now on reads do this instead; who the caller is is found out as before."""
    fetch = gateway.api.pipeline.fetch

    async def fetch_standings(actor: Actor, asked: Any, *rest: Any, **options: Any) -> Any:
        if asked[0][0] != STANDING:
            await by()
        return await fetch(actor, asked, *rest, **options)

    monkeypatch.setattr(gateway.api.pipeline, "fetch", fetch_standings)


async def test_a_timeout_states_whether_the_mutation_was_done(
    serve: Callable[..., Any], shop: Any, owner: asyncpg.Pool[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await issued(owner, shop)
    async with serve(execution_timeout=1.0) as gateway:
        await gateway.issue(shop)
        async with owner.acquire() as connection, connection.transaction():
            await connection.execute("SELECT FROM pots.pots WHERE id = $1 FOR UPDATE", shop.pot.id)
            waited = await gateway.issue(shop)

        async def never() -> None:
            await asyncio.sleep(60)

        read_payloads(gateway, monkeypatch, never)
        unread = await gateway.issue(shop)

    assert (waited.codes, unread.codes) == (["TIMEOUT"], ["TIMEOUT"])
    assert "outcome" not in waited.errors[0]["extensions"]
    assert unread.errors[0]["extensions"]["outcome"] == "DONE"
    assert await issued(owner, shop) == before + 2


async def test_a_payload_that_cannot_be_read_is_no_outage_of_the_mutation(
    gateway: Gateway, shop: Any, owner: asyncpg.Pool[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await issued(owner, shop)

    async def lost() -> None:
        raise ConnectionError("away")

    read_payloads(gateway, monkeypatch, lost)
    answer = await gateway.issue(shop)

    assert answer.response.status_code == 200
    assert answer.body["data"] == {"issueQrCode": {"qrCode": None, "userErrors": []}}
    assert (answer.codes, answer.errors[0]["path"]) == (["SERVICE_UNAVAILABLE"], ["issueQrCode", "qrCode"])
    assert await issued(owner, shop) == before + 1


@asynccontextmanager
async def read_only(owner: asyncpg.Pool[Any]) -> AsyncIterator[None]:
    """Meanwhile new connections find a database that takes no writes, as after a failover the old server's."""
    name = await owner.fetchval("SELECT quote_ident(current_database())")
    await activity(owner, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        yield
    finally:
        await activity(owner, f"ALTER DATABASE {name} RESET default_transaction_read_only")


async def test_a_server_that_takes_no_writes_is_left(gateway: Gateway, shop: Any, owner: asyncpg.Pool[Any]) -> None:
    async with read_only(owner):
        await fill_the_pools_of_reads(gateway, shop)
        before = await issued(owner, shop)
        answer = await gateway.issue(shop)
        reading, ready = await read(gateway, shop), await gateway.ready()
    after = await gateway.issue(shop)

    assert (answer.response.status_code, answer.codes) == (503, ["SERVICE_UNAVAILABLE"])
    assert reading.errors == []
    assert ready == (503, "the database is read-only")
    # Its connections still say read-only: another one was taken.
    assert after.refusals("issueQrCode") == []
    assert await issued(owner, shop) == before + 1
    assert await gateway.ready() == (200, None)


async def fill_the_pools_of_reads(gateway: Gateway, shop: SimpleNamespace) -> None:
    await asyncio.gather(*(read(gateway, shop) for _ in range(8)))
    async with gateway.api.pipeline.connect(), gateway.api.pipeline.connect():
        pass


async def test_a_probe_leaves_a_server_that_takes_no_writes(gateway: Gateway, owner: asyncpg.Pool[Any]) -> None:
    """Nobody writes at night: the address may have been moved meanwhile."""
    async with read_only(owner):
        assert await gateway.ready() == (503, "the database is read-only")

    assert await gateway.ready() == (200, None)
