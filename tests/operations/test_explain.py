"""`lango explain`: the statements of a query, PostgreSQL's plans of them, and what stands in the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

from lango.__main__ import app
from lango.db import migrate, roles
from lango.db.postgres import connect
from lango.embedded import Server
from lango.settings import settings
from tests.operations.test_commands import lango

Explain = Callable[..., Result]
PEOPLE = """
    INSERT INTO identity.users (email, roles)
    VALUES ('amina@example.org', '{user}'), ('khady@example.org', '{user,admin}');
    INSERT INTO pots.pots (owner_user_id, title, target_amount_cfa, birthday_date, scheduled_open_at, share_token)
    SELECT id, 'Amina''s', 1000, '2026-01-01', '2025-12-01', 'a-token-of-the-test' FROM identity.users WHERE email LIKE 'amina%';
"""
POTS = "{ pots(first: 5) { nodes { title } } }"
ONE_POT = "query Pot($id: ID!) { pot(id: $id) { title } } query Mine { viewer { email } }"


@pytest.fixture(scope="module")
def database(newest: Server) -> str:
    """The name of a migrated database with a member, a pot and somebody of the staff."""
    name = f"t{uuid4().hex[:12]}"

    async def make() -> None:
        await roles.create_database(newest.owner_url("postgres"), name)
        await roles.ensure(newest.owner_url(name))
        await migrate.upgrade(newest.owner_url(name))
        connection = await connect(newest.owner_url(name))
        await connection.execute(PEOPLE)
        await connection.close()

    asyncio.run(make())
    return name


@pytest.fixture
def explain(database: str, newest: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Explain]:
    """The command within this process, for the schema takes seconds to build."""
    monkeypatch.setenv("DATABASE_URL", newest.gateway_url(database))
    monkeypatch.setenv("DATABASE_OWNER_URL", newest.owner_url(database))
    settings.cache_clear()
    yield lambda *arguments, **more: CliRunner().invoke(app, ["explain", *arguments], **more)
    settings.cache_clear()


def test_the_statement_and_its_plan_are_those_of_the_user(explain: Explain) -> None:
    ended = explain(POTS, "--as", "amina@example.org")

    assert ended.exit_code == 0, ended.output
    assert "pots: one statement" in ended.stdout
    assert "/* lango_member */ SELECT" in ended.stdout
    assert "\n  FROM pots.pots AS pots_1\n" in ended.stdout
    # The policy stands in the plan, and nothing was run.
    assert "InitPlan" in ended.stdout
    assert "(cost=" in ended.stdout
    assert "actual time" not in ended.stdout
    assert "amina@example.org" in ended.stderr


def test_without_a_user_it_is_nobody(explain: Explain) -> None:
    assert "/* lango_anonymous */" in explain(POTS).stdout
    assert "/* lango_staff */" in explain(POTS, "--as", "khady@example.org").stdout


def test_analyze_runs_the_statement(explain: Explain) -> None:
    ended = explain(POTS, "--as", "amina@example.org", "--analyze")

    assert "actual time" in ended.stdout
    assert "Buffers:" in ended.stdout
    assert "Execution Time:" in ended.stdout


def test_a_share_link_opens_its_pot(explain: Explain) -> None:
    query = '{ pot(shareToken: "a-token-of-the-test") { title } }'

    ended = explain(query, "--analyze")

    plan = ended.stdout.partition("(actual time")[2]
    assert "rows=1" in plan.splitlines()[0], ended.output


def test_one_operation_of_several_with_its_variables(explain: Explain, tmp_path: Path) -> None:
    file = tmp_path / "query.graphql"
    file.write_text(ONE_POT)
    key = "00000000-0000-4000-8000-000000000001"

    ended = explain(f"@{file}", "--operation", "Pot", "--variables", f'{{"id": "{key}"}}')

    assert ended.exit_code == 0, ended.output
    assert f"$1 = UUID('{key}')" in ended.stdout
    assert "viewer" not in ended.stdout


def test_the_query_comes_from_standard_input(explain: Explain) -> None:
    assert "pots: one statement" in explain("-", input=POTS).stdout


def test_explain_lists_what_python_computes(explain: Explain) -> None:
    ended = explain(
        '{ qrCodes { nodes { code svg } } __typename __schema { queryType { name } } total: pots(after: "x") { totalCount }'
        " many: pots(first: 1000) { nodes { id } } }"
    )

    assert ended.exit_code == 0, ended.output
    assert "Python fills in QrCode.svg" in ended.stdout
    assert "__typename: its answer is the same for everybody" in ended.stdout
    assert "__schema: the ordinary executor answers it, because it asks about the schema" in ended.stdout
    assert "total: the ordinary executor answers it, because Query.pots asked for in this way is Python" in ended.stdout
    assert "many: the ordinary executor answers it, because the query is refused: `first` is" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{ pots { nope } }"], "Cannot query field 'nope' on type 'PotConnection'."),
        (["{"], "Syntax Error"),
        (["@there-is-no-such-file"], "there-is-no-such-file cannot be read"),
        ([ONE_POT], "several operations"),
        ([ONE_POT, "--operation", "Else"], "no operation named 'Else'"),
        ([ONE_POT, "--operation", "Pot"], "Variable '$id' of required type 'ID!' was not provided."),
        ([POTS, "--variables", "{"], "The variables are no JSON"),
        ([POTS, "--variables", "[]"], "The variables are a JSON object"),
        ([POTS, "--as", "somebody_else"], "There is no demo caller 'somebody_else'"),
        ([POTS, "--as", "else@example.org"], "There is no user 'else@example.org'"),
        (["mutation { cancelQrCode(input: {qrCodeId: \"x\"}) { userErrors { code } } }"], "only a query has a plan"),
    ],
)  # fmt: skip
def test_an_error_is_one_line(explain: Explain, arguments: list[str], message: str) -> None:
    ended = explain(*arguments)

    assert ended.exit_code == 1
    assert ended.stdout == ""
    assert message in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("user", [[], ["--as", "amina@example.org"]], ids=["nobody", "somebody"])
def test_a_database_without_tables_is_reported(
    explain: Explain, newest: Server, monkeypatch: pytest.MonkeyPatch, user: list[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", newest.gateway_url("postgres"))
    monkeypatch.setenv("DATABASE_OWNER_URL", newest.owner_url("postgres"))
    settings.cache_clear()

    ended = explain(POTS, *user)

    assert ended.exit_code == 1
    assert "lango migrate up" in ended.stderr


def test_a_database_that_does_not_answer_is_reported(tmp_path: Path) -> None:
    nowhere = f"postgresql://lango_gateway:secret@/lango?host={tmp_path}"

    ended = lango("explain", POTS, data_dir=tmp_path, DATABASE_URL=nowhere, DATABASE_OWNER_URL=nowhere)

    assert ended.returncode == 1
    assert "No PostgreSQL answers" in ended.stderr
    assert "secret" not in ended.stderr
    assert "Traceback" not in ended.stderr
