"""A pooler is known by how it behaves, and what cannot be run through it is refused by name."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from lango.db.poolers import Pooling, pooling_of
from lango.db.postgres import SESSION_SETTINGS, SharedSessionError, connect, open_session
from lango.doctor import Level, examine, refusals_of_poolers
from lango.doctor.pooler import judged
from lango.settings import Settings
from tests.conftest import KEY
from tests.pooler.conftest import Begin, Pooler

ROOT = Path(__file__).resolve().parent.parent.parent


async def test_a_direct_connection_is_known_and_pinned_for_the_session(gateway_url: str, settings: Settings) -> None:
    connection = await connect(gateway_url, settings)
    try:
        assert (connection.is_pooled, connection.preamble) == (False, "")
        assert await pooling_of(connection, never) is Pooling.DIRECT
        for name, value in SESSION_SETTINGS.items():
            assert await connection.fetchval("SELECT current_setting($1)", name) == value
        # What the driver's own pool does between two borrowers leaves them as they are.
        await connection.execute("SET timezone = 'Africa/Dakar'")
        await connection.reset()
        assert await connection.fetchval("SHOW timezone") == "UTC"
    finally:
        await connection.close()


async def never() -> Any:
    raise AssertionError("nobody needs a second connection to a server that answers itself")


@pytest.mark.parametrize("size", [1, 2, 5])
async def test_a_pooler_is_known_by_how_it_behaves(
    begin_pooler: Begin, gateway_url: str, settings: Settings, size: int
) -> None:
    pooler = begin_pooler(gateway_url, size)
    connection = await connect(pooler.url, settings)
    try:
        assert connection.is_pooled
        found = await pooling_of(connection, partial(connect, pooler.url, settings))
    finally:
        await connection.close()

    assert found is (Pooling.TRANSACTION if pooler.keeps_apart else Pooling.MIXED)


async def test_what_needs_a_session_does_not_begin(pooler: Pooler, settings: Settings) -> None:
    with pytest.raises(SharedSessionError, match="needs one of its own"):
        await connect(pooler.url, settings, open_=open_session)


MIXES = (
    "The pooler behind DATABASE_URL mixes up its clients' prepared statements: it is PgBouncer before 1.21, or has "
    "max_prepared_statements = 0."
)


async def test_one_may_serve_through_it_where_it_keeps_statements_apart(pooler: Pooler, pooled: Settings) -> None:
    found = await refusals_of_poolers(pooled)

    assert [each.says for each in found] == ([] if pooler.keeps_apart else [MIXES])


async def test_one_may_serve_only_with_an_address_past_it(pooler: Pooler, pooled: Settings, gateway_url: str) -> None:
    alone = pooled.model_copy(update={"database_direct_url": None})
    astray = pooled.model_copy(
        update={"database_url": SecretStr(gateway_url), "database_direct_url": SecretStr(pooler.url)}
    )

    (without,), (wrong,) = await refusals_of_poolers(alone), await refusals_of_poolers(astray)

    assert without.says.startswith("The pooler behind DATABASE_URL ")
    assert wrong.says.startswith("The pooler behind DATABASE_DIRECT_URL ")
    if pooler.keeps_apart:
        assert without.remedy == (
            "Set DATABASE_DIRECT_URL to the address of the server itself, or of a pooler in session mode."
        )


async def test_the_doctor_reports_it_for_every_address(
    pooler: Pooler, pooled: Settings, begin_pooler: Begin, owner_url: str
) -> None:
    behind = begin_pooler(owner_url).url
    everywhere = pooled.model_copy(
        update={
            "database_worker_url": SecretStr(pooler.url),
            "database_owner_url": SecretStr(behind),
        }
    )

    found = [each for each in await examine(everywhere) if each.area == "pooler"]

    names = {name: each.level for each in found for name in each.says.split() if name.startswith("DATABASE_")}
    assert names == {
        "DATABASE_URL": Level.OK if pooler.keeps_apart else Level.ERROR,
        "DATABASE_WORKER_URL": Level.ERROR,
        "DATABASE_OWNER_URL": Level.ERROR,
    }


@pytest.mark.parametrize("command", ["serve", "work"])
def test_nothing_begins_behind_an_unfit_one(pooler: Pooler, gateway_url: str, tmp_path: Path, command: str) -> None:
    if pooler.keeps_apart and command == "serve":
        pytest.skip("one may serve through it")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LANGO_", "DATABASE_"))}
    given = {
        "DATABASE_URL": pooler.url, "DATABASE_DIRECT_URL": gateway_url, "DATABASE_WORKER_URL": pooler.url,
        "LANGO_TOKEN_KEYS": KEY, "LANGO_PORT": "0", "PYTHONPATH": str(ROOT),
    }  # fmt: skip

    ended = subprocess.run(
        [sys.executable, "-m", "lango", command], cwd=tmp_path, env=clean | given, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip

    assert ended.returncode == 1
    assert "The pooler behind DATABASE_" in " ".join(ended.stderr.split())
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("pooling", Pooling)
def test_each_kind_is_judged(pooling: Pooling) -> None:
    serving, listening = (judged(pooling, "DATABASE_URL", needs_session=needs) for needs in (False, True))

    assert all(each.remedy for each in serving + listening if each.level is Level.ERROR)
    assert [each.level for each in serving] == {
        Pooling.DIRECT: [], Pooling.SESSION: [Level.OK], Pooling.TRANSACTION: [Level.OK],
    }.get(pooling, [Level.ERROR])  # fmt: skip
    assert [each.level for each in listening] == {Pooling.DIRECT: [], Pooling.SESSION: [Level.OK]}.get(
        pooling, [Level.ERROR]
    )
