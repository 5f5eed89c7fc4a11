"""The database restarts, takes over or ends connections: who calls meanwhile hears nothing worse than that it is away,
and what was to be done is done once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text

from lango.actor import NOBODY, DatabaseRole
from lango.db import migrate, roles
from lango.db.pipeline import Pipeline, make_pipeline
from lango.db.transaction import acting_as
from lango.embedded import Server, embedded
from lango.rules.transaction import RuleTransaction
from lango.settings import Settings
from models.packs import Pack
from tests.client import Answer, Api
from tests.factories import Factory
from tests.reads.conftest import activity
from tests.relay import Relay, relay

READ = "{ viewer { rowId } pots { totalCount } }"
OURS = "usename = 'lango_gateway' AND datname = current_database()"
TERMINATE = f"SELECT count(pg_terminate_backend(pid, 2000)) FROM pg_stat_activity WHERE {OURS}"


@pytest.fixture(autouse=True)
def _patient_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a probe finds is tried here, not how fast a busy machine is."""
    monkeypatch.setattr("lango.http.health.PROBE_TIMEOUT", 30)


class Gateway:
    """A gateway with connections of its own."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.client = api.client

    async def ready(self) -> tuple[int, str | None]:
        answer = await self.client.get("/readyz")
        return answer.status_code, answer.json().get("reason")

    async def issue(self, shop: SimpleNamespace, key: str | None = None, show: str = "qrCode { rowId }") -> Answer:
        more = {"idempotencyKey": key} if key else {}
        return await self.api.mutate("issueQrCode", shop.owner, show=show, potId=shop.pot, packId=shop.pack, **more)


@pytest.fixture
def serve(gateway_url: str, settings: Settings) -> Callable[..., Any]:
    """`async with serve(pool_size=3) as gateway`."""

    @asynccontextmanager
    async def make(url: str = gateway_url, **changed: Any) -> AsyncIterator[Gateway]:
        other = settings.model_copy(update={"pool_size": 4} | changed)
        async with Api.alone(other, url) as api:
            yield Gateway(api)

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


@asynccontextmanager
async def own_pipeline(gateway_url: str, settings: Settings) -> AsyncIterator[Pipeline]:
    """Two connections, which both are in use at once."""
    pipeline = make_pipeline(gateway_url, settings.model_copy(update={"caller_share": 1.0}), pool_size=2)
    yield pipeline
    pipeline.close()


async def be_cut_off(pipeline: Pipeline, owner: asyncpg.Pool[Any]) -> None:
    async with acting_as(pipeline, NOBODY) as tx:
        await tx.execute(text("SELECT 1"))
        await end_own(tx, owner)
        await tx.execute(text("SELECT 1"))


async def test_with_a_connection_that_was_lost_go_those_as_old(
    gateway_url: str, settings: Settings, owner: asyncpg.Pool[Any]
) -> None:
    async def pids(pipeline: Pipeline) -> set[int]:
        """The server processes of two transactions at once."""
        async with acting_as(pipeline, NOBODY) as one, acting_as(pipeline, NOBODY) as two:
            return {(await tx.execute(text("SELECT pg_backend_pid()"))).scalar_one() for tx in (one, two)}

    async with own_pipeline(gateway_url, settings) as pipeline:
        before = await pids(pipeline)
        async with acting_as(pipeline, NOBODY) as used:
            await used.execute(text("SELECT 1"))
            with pytest.raises(ConnectionError):
                await be_cut_off(pipeline, owner)
            # Nothing says that this one is lost, and what it has begun it may end.
            await used.execute(text("SELECT 1"))

        after = await pids(pipeline)

        assert not before & after
        # Those are not lost with what had been opened before them.
        assert await pids(pipeline) == after


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
    """End the server process of a transaction that has begun."""
    pid = tx._connection.server_pid
    await activity(owner, "SELECT pg_terminate_backend($1, 2000)", pid)


async def test_a_rule_whose_connection_ends_before_its_commit_runs_again(
    gateway: Gateway, shop: Any, owner: asyncpg.Pool[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also without a key: nothing of it was kept."""
    finish, tries, before = RuleTransaction.finish, [], await issued(owner, shop)

    async def cut_off_first(tx: Any, *given: Any, **options: Any) -> Any:
        tries.append(tx)
        if len(tries) == 1:
            await end_own(tx, owner)
        return await finish(tx, *given, **options)

    monkeypatch.setattr(RuleTransaction, "finish", cut_off_first)
    answer = await gateway.issue(shop)

    assert answer.refusals("issueQrCode") == []
    assert len(tries) == 2
    assert await issued(owner, shop) == before + 1


@pytest.fixture
async def relayed(serve: Callable[..., Any], gateway_url: str) -> AsyncIterator[tuple[Gateway, Relay]]:
    """A gateway and its network."""
    async with relay(gateway_url) as (network, url), serve(url) as gateway:
        yield gateway, network


async def test_a_commit_whose_answer_is_lost_is_not_guessed_at(
    relayed: tuple[Gateway, Relay], shop: Any, owner: asyncpg.Pool[Any]
) -> None:
    (gateway, network), before = relayed, await issued(owner, shop)
    network.lose_the_answer_of_commit()
    answer = await gateway.issue(shop)

    (error,) = answer.errors
    assert error["extensions"] == {"code": "SERVICE_UNAVAILABLE", "outcome": "UNKNOWN"}
    assert "not known" in error["message"]
    assert await issued(owner, shop) == before + 1


async def test_with_a_key_the_outcome_is_found(
    relayed: tuple[Gateway, Relay], shop: Any, owner: asyncpg.Pool[Any]
) -> None:
    (gateway, network), before = relayed, await issued(owner, shop)
    network.lose_the_answer_of_commit()
    answer = await gateway.issue(shop, str(uuid4()))

    assert answer.refusals("issueQrCode") == []
    assert answer["issueQrCode"]["qrCode"]
    assert await issued(owner, shop) == before + 1


async def test_an_outcome_stays_unknown_when_it_cannot_be_looked_up_either(
    relayed: tuple[Gateway, Relay], shop: Any, owner: asyncpg.Pool[Any]
) -> None:
    """The answer to the COMMIT is lost, and then the database is away."""
    (gateway, network), key, before = relayed, str(uuid4()), await issued(owner, shop)
    network.lose_the_answer_of_commit(and_be_away=True)
    answer = await gateway.issue(shop, key)
    network.is_away = False

    assert answer.errors[0]["extensions"] == {"code": "SERVICE_UNAVAILABLE", "outcome": "UNKNOWN"}
    assert (await gateway.issue(shop, key)).refusals("issueQrCode") == []
    assert await issued(owner, shop) == before + 1


@asynccontextmanager
async def locked(owner: asyncpg.Pool[Any], table: str) -> AsyncIterator[None]:
    """Meanwhile what a payload shows of that table cannot be read; the rule itself looks at none of it."""
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


# A row that goes with the commit, and a list, which is read after it.
SETTLEMENT, ANALYTICS = "qrCode { settlement { rowId } }", "qrCode { pot { analytics { totalCount } } }"
SETTLEMENTS, SNAPSHOTS = "redemption.partner_settlements", "pots.pot_analytics"


async def test_a_timeout_states_whether_the_mutation_was_done(
    serve: Callable[..., Any], shop: Any, owner: asyncpg.Pool[Any]
) -> None:
    """Read after the commit, the payload cannot undo it; read with it, the server was stopped before it."""
    before = await issued(owner, shop)
    async with serve(execution_timeout=1.0) as gateway:
        await gateway.issue(shop)
        async with owner.acquire() as connection, connection.transaction():
            await connection.execute("SELECT FROM pots.pots WHERE id = $1 FOR UPDATE", shop.pot.id)
            waited = await gateway.issue(shop)
        async with locked(owner, SETTLEMENTS):
            unread = await gateway.issue(shop, show=SETTLEMENT)
            # The server is told to stop before it can go on to the commit.
            await asyncio.sleep(0.5)
    async with serve(execution_timeout=1.0, planner="off") as gateway, locked(owner, SNAPSHOTS):
        read_later = await gateway.issue(shop, show=ANALYTICS)

    assert [answer.codes for answer in (waited, unread, read_later)] == [["TIMEOUT"]] * 3
    assert "outcome" not in waited.errors[0]["extensions"]
    assert unread.errors[0]["extensions"]["outcome"] == "UNKNOWN"
    assert read_later.errors[0]["extensions"]["outcome"] == "DONE"
    assert await issued(owner, shop) == before + 2


async def test_a_payload_that_cannot_be_read_is_no_outage_of_the_mutation(
    serve: Callable[..., Any], gateway_url: str, shop: Any, owner: asyncpg.Pool[Any]
) -> None:
    before = await issued(owner, shop)
    async with relay(gateway_url) as (network, url), serve(url, planner="off") as gateway:
        network.be_away_after_commit()
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


async def test_a_probe_leaves_a_server_that_takes_no_writes(gateway: Gateway, owner: asyncpg.Pool[Any]) -> None:
    """Nobody writes at night: the address may have been moved meanwhile."""
    async with read_only(owner):
        assert await gateway.ready() == (503, "the database is read-only")

    assert await gateway.ready() == (200, None)
