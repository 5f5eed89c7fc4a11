"""The command line as its user meets it: what it prints, and how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import httpx
import jwt
import orjson
import pytest

from lango.db.migrate import scripts
from lango.db.postgres import connect
from lango.embedded import embedded
from lango.http.demo import PATH, VARIABLE, DemoCaller, written
from lango.security.keys import DEV_KEY_FILE, dev_key, signing_keys
from lango.settings import Settings
from tests.conftest import KEY

ROOT = Path(__file__).resolve().parents[2]
SUBCOMMANDS = {"migrate": ["up"], "keys": ["new"]}


def lango(*arguments: str, data_dir: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LANGO_", "DATABASE_"))}
    return subprocess.run(
        [sys.executable, "-m", "lango", *arguments],
        capture_output=True, text=True, timeout=120, cwd=ROOT, check=False,
        env=clean | {"LANGO_DATA_DIR": str(data_dir), "COLUMNS": "200"} | environment,
    )  # fmt: skip


def test_from_nothing_to_a_healthy_database(tmp_path: Path) -> None:
    before = lango("doctor", "--json", data_dir=tmp_path)
    assert before.returncode == 1
    assert {"ok", "error"} <= {finding["level"] for finding in orjson.loads(before.stdout)}

    up = lango("migrate", "up", data_dir=tmp_path)
    assert up.returncode == 0, up.stderr

    after = lango("doctor", "--json", data_dir=tmp_path, LANGO_PORT="0")
    assert [finding for finding in orjson.loads(after.stdout) if finding["level"] == "error"] == []
    assert after.returncode == 0
    status = lango("migrate", "status", data_dir=tmp_path)
    names = [Path(each.path).stem for each in scripts().walk_revisions()]
    assert all(name in status.stdout for name in names)
    assert "missing" not in status.stdout


@pytest.mark.parametrize(
    "command", ["token", "migrate", "grant", "doctor", "dev", "serve", "work", "seed", "schema", "explain", "keys"]
)
def test_help_shows_an_example(command: str, tmp_path: Path) -> None:
    ended = lango(command, *SUBCOMMANDS.get(command, []), "--help", data_dir=tmp_path)
    assert ended.returncode == 0
    assert f"lango {command}" in ended.stdout.partition("Example")[2]


def test_a_taken_port_is_reported_before_anything_is_started(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()

        ended = lango("dev", "--port", str(holder.getsockname()[1]), data_dir=tmp_path / "untouched")

    assert ended.returncode == 1
    assert "cannot be listened on" in ended.stderr
    assert "--port" in ended.stderr
    assert not (tmp_path / "untouched").exists()


def test_a_missing_part_is_reported_with_what_to_do(tmp_path: Path) -> None:
    ended = lango("token", "someone@example.org", data_dir=tmp_path)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "lango migrate up" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_only_dev_offers_the_demo_users(tmp_path: Path) -> None:
    script = (
        "from lango.http.demo import PATH\n"
        "from lango.asgi import app\n"
        "offered = lambda: sorted(route.path for route in app.routes if route.path.startswith(PATH))\n"
        "print(offered())\n"
        "import lango.asgi_dev\n"
        "print(offered(), app.state.demo_callers)"
    )
    environment = {
        "DATABASE_URL": "postgresql://lango_gateway@127.0.0.1:1/lango",
        "LANGO_DATA_DIR": str(tmp_path),
        "LANGO_ALLOW_DEV_KEY": "1",
        VARIABLE: written([DemoCaller("member", "a member", uuid4(), ())]),
    }

    ended = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, text=True, timeout=120, cwd=ROOT, check=True, env=os.environ | environment,
    )  # fmt: skip

    assert ended.stdout.splitlines() == ["[]", f"['{PATH}', '{PATH}/{{name}}/token'] {PATH}"]


def test_a_wrong_setting_is_reported_by_name(tmp_path: Path) -> None:
    ended = lango("doctor", data_dir=tmp_path, LANGO_PORT="eight thousand")
    assert ended.returncode == 1
    assert "the setting port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_address_that_does_not_answer_is_reported(tmp_path: Path) -> None:
    nowhere = f"postgresql://lango_gateway:secret@/lango?host={tmp_path}"
    ended = lango("migrate", "status", data_dir=tmp_path, DATABASE_URL=nowhere, DATABASE_OWNER_URL=nowhere)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "secret" not in ended.stderr


def test_the_roles_are_printed_without_the_password(tmp_path: Path) -> None:
    address = "postgresql://lango_gateway:hunter2@127.0.0.1:1/lango"
    printed = lango("doctor", "--print-roles", data_dir=tmp_path, DATABASE_URL=address)
    assert printed.returncode == 0
    assert "CREATE ROLE lango_gateway" in printed.stdout
    assert "ALTER ROLE lango_gateway PASSWORD 'SCRAM-SHA-256$" in printed.stdout
    assert "hunter2" not in printed.stdout + printed.stderr


def test_going_down_shows_how_far_and_asks_for_confirmation(tmp_path: Path) -> None:
    assert "Say how far" in lango("migrate", "down", data_dir=tmp_path).stderr


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A data folder with a migrated database and one user in it."""
    assert lango("migrate", "up", data_dir=tmp_path).returncode == 0

    async def add_user(url: str) -> None:
        connection = await connect(url)
        await connection.execute(
            "INSERT INTO identity.users (email, phone) VALUES ('amina@example.org', '+2250102030405')"
        )
        await connection.close()

    with embedded(tmp_path, "dev") as server:
        asyncio.run(add_user(server.owner_url()))
    return tmp_path


def test_roles_are_granted_taken_away_and_claimed_by_a_token(prepared: Path) -> None:
    assert "has: user, admin" in lango("grant", "admin", "amina@example.org", data_dir=prepared).stderr
    assert "already has: user, admin" in lango("grant", "admin", "+2250102030405", data_dir=prepared).stderr

    minted = lango("token", "amina@example.org", "--minutes", "5", data_dir=prepared)

    claims = jwt.decode(minted.stdout.strip(), options={"verify_signature": False})
    assert claims["roles"] == ["admin", "user"]
    assert claims["exp"] - claims["iat"] == 300
    assert "has: user" in lango("grant", "admin", claims["sub"], "--remove", data_dir=prepared).stderr
    again = lango("grant", "admin", "amina@example.org", "--remove", data_dir=prepared)
    assert (again.returncode, "does not have the role" in again.stderr) == (1, True)
    assert lango("grant", "emperor", "amina@example.org", data_dir=prepared).returncode == 2
    assert lango("token", "nobody@example.org", data_dir=prepared).stdout == ""


def test_a_filled_database_is_not_seeded_again(prepared: Path) -> None:
    ended = lango("seed", data_dir=prepared)
    assert ended.returncode == 1
    assert "only loaded into an empty one" in ended.stderr


def test_an_empty_ledger_adds_up(prepared: Path) -> None:
    assert lango("ledger", "verify", data_dir=prepared).returncode == 0


SHORT = '{"kty": "oct", "kid": "short", "alg": "HS256", "k": "c2hvcnQgYW5kIGVhc2lseSBndWVzc2Vk"}'


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({}, "No key for access tokens is configured"),
        ({"LANGO_ALLOW_DEV_KEY": "1"}, "The development key signs access tokens"),
        ({"LANGO_TOKEN_KEYS": "DEV"}, "The development key signs access tokens"),
        ({"LANGO_TOKEN_KEYS": SHORT}, "Key 'short' must have at least 32 bytes"),
    ],
)
def test_serving_with_a_key_that_others_may_have_does_not_begin(tmp_path: Path, keys: dict[str, str], why: str) -> None:
    if keys.get("LANGO_TOKEN_KEYS") == "DEV":
        dev_key(Settings(_env_file=None, data_dir=tmp_path))
        keys = {"LANGO_TOKEN_KEYS": str(tmp_path / DEV_KEY_FILE)}

    refused = lango("serve", data_dir=tmp_path, LANGO_PORT="0", **keys)
    found = lango("doctor", "--json", data_dir=tmp_path, DATABASE_URL="postgresql://x@127.0.0.1:1/x", **keys)

    assert refused.returncode == 1
    assert why in refused.stderr
    assert "lango keys new keys && export LANGO_TOKEN_KEYS=keys" in refused.stderr
    assert not (tmp_path / "postgres-18").exists()
    (said,) = [each for each in orjson.loads(found.stdout) if why in each["says"]]
    assert said["level"] in ("error", "warning")
    assert "lango keys new" in said["remedy"]


def test_a_key_is_made_where_the_settings_look_for_keys(tmp_path: Path) -> None:
    folder = tmp_path / "keys"

    first = lango("keys", "new", str(folder), data_dir=tmp_path)
    second = lango("keys", "new", data_dir=tmp_path, LANGO_TOKEN_KEYS=str(folder))
    nowhere = lango("keys", "new", data_dir=tmp_path, LANGO_TOKEN_KEYS=KEY)

    assert (first.returncode, second.returncode, nowhere.returncode) == (0, 0, 1)
    made = sorted(folder.iterdir())
    assert {first.stdout.strip(), second.stdout.strip()} == {str(path) for path in made}
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}
    assert f"LANGO_TOKEN_KEYS={folder}" in first.stderr
    assert "signs in 10 minutes" in second.stderr
    keys = signing_keys(Settings(_env_file=None, token_keys=str(folder)))  # type: ignore[arg-type]
    assert sorted(key.kid for key in keys) == [path.stem for path in made]
    assert {key.algorithm for key in keys} == {"EdDSA"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serving_ends_with_no_process_left(prepared: Path, number: signal.Signals) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LANGO_", "DATABASE_"))}
    environment = clean | {"LANGO_DATA_DIR": str(prepared), "LANGO_SHUTDOWN_DELAY": "0", "LANGO_TOKEN_KEYS": KEY}
    serving = subprocess.Popen(
        [sys.executable, "-m", "lango", "serve", "--port", str(port)], cwd=ROOT, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while (answered := alive(port)) is None and time.monotonic() < deadline:
            time.sleep(0.1)
        assert answered == 200
    finally:
        serving.send_signal(number)
        assert serving.wait(60) == 0

    assert not (prepared / "postgres-18" / "data" / "postmaster.pid").exists()


def alive(port: int) -> int | None:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5).status_code
    except httpx.TransportError:
        return None
