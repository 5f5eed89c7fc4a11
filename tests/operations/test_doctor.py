"""What the doctor finds on a server that was spoiled."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from lango.cli.serve import check_encryption
from lango.db.postgres import connect
from lango.doctor import Finding, Level, examine, refusals
from lango.doctor.machine import MAKE_KEY, encryption, port_trouble, sms, unknown_names
from lango.doctor.server import partitions, policies
from lango.providers.africastalking import AfricasTalkingSettings
from lango.providers.twilio import TwilioSettings
from lango.settings import Settings


async def execute(url: str, statements: str) -> None:
    connection = await connect(url)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


async def said_of_policies(url: str) -> list[str]:
    connection = await connect(url)
    try:
        return [finding.says for finding in await policies(connection) if finding.level is Level.ERROR]
    finally:
        await connection.close()


async def reasons(url: str) -> list[str]:
    connection = await connect(url, Settings())
    try:
        found = await refusals(connection)
    finally:
        await connection.close()
    assert all(finding.remedy for finding in found)
    return [finding.says for finding in found]


async def test_the_gateway_may_serve(gateway_url: str) -> None:
    assert await reasons(gateway_url) == []


async def test_a_superuser_may_not(owner_url: str) -> None:
    assert await reasons(owner_url) == ["The serving login postgres is a superuser: no policy binds it."]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ("ALTER ROLE {name} BYPASSRLS", "has BYPASSRLS"),
        ("ALTER ROLE {name} CREATEROLE", "may make roles"),
        ("GRANT lango_owner TO {name}", "is a member of lango_owner, which is the owner"),
        ("CREATE ROLE {name}_b BYPASSRLS; GRANT {name}_b TO {name}", "which has BYPASSRLS"),
        ("REVOKE lango_staff FROM {name}", "cannot become lango_staff"),
        (
            "CREATE SCHEMA o AUTHORIZATION lango_owner; CREATE TABLE o.wned (); ALTER TABLE o.wned OWNER TO {name}",
            "owns tables",
        ),
    ],
)  # fmt: skip
async def test_a_login_that_gets_around_the_policies_may_not(owner_url: str, made: str, message: str) -> None:
    name = f"serving_{owner_url.partition('@/')[2].partition('?')[0]}"
    await execute(
        owner_url,
        f"CREATE ROLE {name} LOGIN NOINHERIT;"
        f"GRANT lango_anonymous, lango_member, lango_staff, lango_rules TO {name}; {made.format(name=name)}",
    )

    found = await reasons(owner_url.replace("postgres@", f"{name}@"))

    assert [each for each in found if message in each], found


async def test_a_granted_table_without_row_level_security_stops_serving(owner_url: str, gateway_url: str) -> None:
    await execute(
        owner_url,
        "SET ROLE lango_owner; CREATE SCHEMA pots; CREATE TABLE pots.open (title text);"
        "GRANT SELECT (title) ON pots.open TO lango_member",
    )
    assert await reasons(gateway_url) == ["Granted to a serving role without row-level security: pots.open."]

    await execute(owner_url, "ALTER TABLE pots.open ENABLE ROW LEVEL SECURITY")

    assert await reasons(gateway_url) == []


async def test_each_way_around_the_policies_is_found(owner_url: str) -> None:
    await execute(
        owner_url,
        """
        SET ROLE lango_owner;
        CREATE SCHEMA pots;
        CREATE TABLE pots.good (title text);
        ALTER TABLE pots.good ENABLE ROW LEVEL SECURITY;
        CREATE POLICY everyone ON pots.good FOR SELECT TO lango_member USING (true);
        GRANT SELECT ON pots.good TO lango_member;
        CREATE FUNCTION pots.good_function() RETURNS int LANGUAGE sql SECURITY DEFINER
          SET search_path = pg_catalog AS 'SELECT 1';
        REVOKE ALL ON FUNCTION pots.good_function() FROM PUBLIC;
        CREATE VIEW pots.good_view WITH (security_barrier) AS SELECT 1 AS one;
        """,
    )
    assert await said_of_policies(owner_url) == []

    await execute(
        owner_url,
        """
        SET ROLE lango_owner;
        CREATE TABLE pots.bare ();
        CREATE TABLE pots.blind (title text);
        ALTER TABLE pots.blind ENABLE ROW LEVEL SECURITY;
        GRANT SELECT (title) ON pots.blind TO lango_staff;
        CREATE TABLE pots.public (title text);
        ALTER TABLE pots.public ENABLE ROW LEVEL SECURITY;
        GRANT SELECT (title) ON pots.public TO PUBLIC;
        CREATE POLICY none ON pots.public USING (false);
        CREATE VIEW pots.leaky AS SELECT 1 AS one;
        CREATE FUNCTION pots.callable() RETURNS int LANGUAGE sql SECURITY DEFINER
          SET search_path = pg_catalog AS 'SELECT 1';
        RESET ROLE;
        CREATE TABLE pots.foreign ();
        ALTER TABLE pots.foreign ENABLE ROW LEVEL SECURITY;
        """,
    )

    assert await said_of_policies(owner_url) == [
        "Without row-level security: pots.bare.",
        "Granted, but without a policy, so that nobody sees a row: pots.blind.",
        'Not owned by lango_owner: pots."foreign" (of postgres).',
        "Views without security_barrier: pots.leaky.",
        "Granted to PUBLIC: pots.public.",
        "SECURITY DEFINER functions that PUBLIC may call, or without a search_path of their own: pots.callable().",
    ]


async def test_a_granted_partition_is_found(owner_url: str, gateway_url: str) -> None:
    await execute(
        owner_url,
        """
        SET ROLE lango_owner;
        CREATE SCHEMA usage;
        CREATE TABLE usage.events (at timestamptz) PARTITION BY RANGE (at);
        ALTER TABLE usage.events ENABLE ROW LEVEL SECURITY;
        CREATE TABLE usage.events_2026_01 PARTITION OF usage.events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
        """,
    )
    assert await reasons(gateway_url) == []

    await execute(owner_url, "GRANT SELECT ON usage.events_2026_01 TO lango_staff")

    assert await reasons(gateway_url) == ["Granted to a serving role without row-level security: usage.events_2026_01."]
    connection = await connect(owner_url)
    found = await partitions(connection)
    await connection.close()
    assert [(each.level, each.says) for each in found] == [(Level.ERROR, "No partition for next month: usage.events.")]


async def test_the_whole_examination_of_an_address_that_does_not_answer(tmp_path: Path) -> None:
    settings = Settings(
        database_url=f"postgresql://lango_gateway@/lango?host={tmp_path}",  # type: ignore[arg-type]
        data_dir=tmp_path, allow_dev_key=True, port=0,
    )  # fmt: skip

    found = await examine(settings)

    assert Finding("server", Level.ERROR, found[-2].says, found[-2].remedy) in found
    assert found[-2].says.startswith("DATABASE_URL cannot be used")
    assert found[-1].says.startswith("DATABASE_OWNER_URL is not set")


def test_a_taken_port_is_reported() -> None:
    import socket

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        assert (
            port_trouble("127.0.0.1", port)
            == f"Port {port} of 127.0.0.1 cannot be listened on: Address already in use."
        )
    assert port_trouble("127.0.0.1", 0) is None


def test_without_a_key_for_encrypted_columns_the_doctor_shows_how_to_make_one(tmp_path: Path) -> None:
    (found,) = encryption(Settings(_env_file=None, encryption_keys=None, data_dir=tmp_path))
    made = subprocess.run(["/bin/sh", "-c", MAKE_KEY], capture_output=True, text=True, check=True).stdout

    assert found.level is Level.WARNING
    assert "no code is sent, and payment details and second factors cannot be used" in found.says
    assert found.remedy.endswith(MAKE_KEY)
    (mended,) = encryption(Settings(_env_file=None, encryption_keys=made))  # type: ignore[arg-type]
    assert mended == Finding("settings", Level.OK, "Encrypted columns: k1 encrypts, 1 decrypt.")


def test_in_development_the_generated_key_will_do(tmp_path: Path) -> None:
    (found,) = encryption(Settings(_env_file=None, encryption_keys=None, data_dir=tmp_path, allow_dev_key=True))

    assert found.level is Level.OK


def test_an_unusable_key_is_an_error_that_does_not_reveal_it() -> None:
    (found,) = encryption(Settings(_env_file=None, encryption_keys="k1:c2VjcmV0"))  # type: ignore[arg-type]

    assert (found.level, found.says) == (Level.ERROR, "Encryption key 'k1' has 6 bytes, not 32.")
    assert "c2VjcmV0" not in found.remedy


def test_serving_without_a_key_is_warned_of_and_with_a_bad_one_does_not_begin(
    capsys: pytest.CaptureFixture[str],
) -> None:
    check_encryption(Settings(_env_file=None, encryption_keys=None))
    assert "LANGO_ENCRYPTION_KEYS" in capsys.readouterr().err

    with pytest.raises(typer.Exit):
        check_encryption(Settings(_env_file=None, encryption_keys="k1:c2VjcmV0"))  # type: ignore[arg-type]

    assert "has 6 bytes, not 32" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("order", "africas_talking", "twilio", "says"),
    [
        ("africas_talking,twilio", "sandbox", "off", []),
        ("africas_talking,twilio", "off", "off", ["Nobody carries SMS"]),
        ("twilio", "sandbox", "off", ["Nobody carries SMS"]),
        ("twilio, orange", "off", "sandbox", ["LANGO_SMS_PROVIDERS names orange, who carries no SMS."]),
    ],
)
def test_whether_anybody_carries_sms(order: str, africas_talking: Any, twilio: Any, says: list[str]) -> None:
    settings = Settings(_env_file=None, sms_providers=order)
    settings = settings.with_section(AfricasTalkingSettings(_env_file=None, chosen=africas_talking))
    settings = settings.with_section(TwilioSettings(_env_file=None, chosen=twilio))

    found = list(sms(settings))

    assert len(found) == len(says)
    assert all(finding.says.startswith(part) for finding, part in zip(found, says, strict=True))


def test_a_misspelt_setting_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGO_POOLSIZE", "3")
    # Read under both of its names; and a provider's.
    monkeypatch.setenv("LANGO_TRUSTED_PROXIES", "::1")
    monkeypatch.setenv("LANGO_WAVE_TIMEOUT", "3")
    assert [finding.says for finding in unknown_names(Settings())] == ["LANGO_POOLSIZE is no setting of lango."]
