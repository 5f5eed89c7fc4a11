"""What holds for every rule, tried on redemption: idempotency, one transaction, retries, audit, typed outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest
from sqlalchemy import literal_column

from lango.db.pipeline import Pipeline, make_pipeline
from lango.rules.transaction import RuleTransaction
from lango.settings import Settings
from models.packs import Pack
from resolvers.redemption import till as tills
from tests.books import Books
from tests.changes import Changes
from tests.client import Api
from tests.factories import Factory
from tests.redemption.test_rules import issue

REDEEM = """
  mutation ($a: RedeemQrCodeInput!, $b: RedeemQrCodeInput!) {
    a: redeemQrCode(input: $a) { qrCode { status } userErrors { code } }
    b: redeemQrCode(input: $b) { qrCode { status } userErrors { code } }
  }
"""


@pytest.fixture
async def hurried(gateway_url: str, settings: Settings) -> AsyncIterator[Api]:
    """A gateway whose rules wait 0.2 seconds for what others are working on."""
    impatient = settings.model_copy(update={"lock_timeout": 0.2})
    pipeline = make_pipeline(gateway_url, impatient)
    async with Api.over(pipeline, impatient) as api:
        yield api
    pipeline.close()


# Idempotency


async def test_the_same_key_answers_as_the_first_call_did(api: Api, till: Any, books: Books) -> None:
    key = str(uuid4())

    first = await api.redeem(till.code.code, as_=till.cashier, idempotencyKey=key)
    again = await api.redeem(till.code.code, as_=till.cashier, idempotencyKey=key)

    assert first.refusals("redeemQrCode") == []
    assert again.data == first.data
    assert await books.attempts(till.code.code) == ["success"]


async def test_a_retry_is_read_with_its_own_selection(api: Api, till: Any) -> None:
    key = str(uuid4())
    await api.redeem(till.code.code, as_=till.cashier, idempotencyKey=key)

    again = await api(
        "mutation ($input: RedeemQrCodeInput!) { redeemQrCode(input: $input) { qrCode { pack { name } } } }",
        {"input": {"code": till.code.code, "idempotencyKey": key}},
        as_=till.cashier,
    )

    assert again["redeemQrCode"]["qrCode"]["pack"]["name"] == till.pack.name


async def test_another_input_with_the_same_key_is_refused(api: Api, till: Any, books: Books) -> None:
    key = str(uuid4())
    await api.redeem(till.code.code, as_=till.cashier, idempotencyKey=key)

    other = await api.redeem("another-code", as_=till.cashier, idempotencyKey=key)

    assert other.refusals("redeemQrCode") == ["IDEMPOTENCY_KEY_REUSED"]
    assert await books.attempts("another-code") == []


async def test_refusals_are_replayed(api: Api, till: Any, books: Books) -> None:
    key, code = str(uuid4()), uuid4().hex

    answers = [await api.redeem(code, as_=till.cashier, idempotencyKey=key) for _ in range(3)]

    assert [answer.refusals("redeemQrCode") for answer in answers] == [["INVALID"]] * 3
    assert answers[0].data == answers[2].data
    assert await books.attempts(code) == ["invalid"]


async def test_a_key_is_ones_own(api: Api, make: Factory, till: Any) -> None:
    key = str(uuid4())
    other = await make.code_at_the_till()

    assert (await api.redeem(till.code.code, as_=till.cashier, idempotencyKey=key)).refusals("redeemQrCode") == []
    assert (await api.redeem(other.code.code, as_=other.cashier, idempotencyKey=key)).refusals("redeemQrCode") == []


async def test_many_at_once_with_one_key_are_one_call(api: Api, till: Any, books: Books) -> None:
    key = str(uuid4())

    answers = await asyncio.gather(
        *(api.redeem(till.code.code, as_=till.cashier, idempotencyKey=key) for _ in range(30))
    )

    assert all(answer.refusals("redeemQrCode") == [] for answer in answers)
    assert len({answer["redeemQrCode"]["qrCode"]["redeemedAt"] for answer in answers}) == 1
    assert await books.attempts(till.code.code) == ["success"]


async def test_while_the_first_call_runs_the_second_is_refused_as_in_progress(
    api: Api, till: Any, owner: asyncpg.Pool[Any], hurried: Api
) -> None:
    key = str(uuid4())
    async with owner.acquire() as connection, connection.transaction():
        # Somebody holds the code, so the first call is still running.
        await connection.execute("SELECT FROM redemption.qr_codes WHERE id = $1 FOR UPDATE", till.code.id)
        first = asyncio.create_task(api.redeem(till.code.code, as_=till.cashier, idempotencyKey=key))
        await asyncio.sleep(0.3)
        second = await hurried.redeem(till.code.code, as_=till.cashier, idempotencyKey=key)

    assert second.refusals("redeemQrCode") == ["IN_PROGRESS"]
    assert (await first).refusals("redeemQrCode") == []


async def test_the_header_is_a_key_for_each_field_of_the_response(api: Api, till: Any, books: Books) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    values = {"a": {"code": till.code.code}, "b": {"code": till.code.code}}

    first = await api(REDEEM, values, as_=till.cashier, headers=headers)
    again = await api(REDEEM, values, as_=till.cashier, headers=headers)

    assert first["a"]["userErrors"] == []
    assert first["b"]["userErrors"] == [{"code": "ALREADY_USED"}]
    assert again.data == first.data
    assert await books.attempts(till.code.code) == ["success", "already_used"]


async def test_a_key_that_has_expired_begins_anew(api: Api, till: Any, owner: asyncpg.Pool[Any]) -> None:
    key = str(uuid4())
    await api.redeem(till.code.code, as_=till.cashier, idempotencyKey=key)
    await owner.execute("UPDATE platform.idempotency_keys SET expires_at = now() - interval '1 s' WHERE key = $1", key)

    again = await api.redeem(till.code.code, as_=till.cashier, idempotencyKey=key)

    assert again.refusals("redeemQrCode") == ["ALREADY_USED"]


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_a_key_has_1_to_255_characters(api: Api, till: Any, key: str) -> None:
    answer = await api.redeem(till.code.code, as_=till.cashier, idempotencyKey=key)

    assert answer.codes == ["BAD_USER_INPUT"]


# One transaction


async def test_a_bug_in_the_rule_leaves_nothing_and_is_not_replayed(
    api: Api, till: Any, monkeypatch: pytest.MonkeyPatch, changes: Changes
) -> None:
    key, before = str(uuid4()), await changes.mark()

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a secret of the house")

    with monkeypatch.context() as patched:
        patched.setattr(tills, "publish", broken)
        failed = await api.redeem(till.code.code, as_=till.cashier, idempotencyKey=key)

    assert failed.codes == ["INTERNAL"]
    assert "secret" not in failed.response.text
    assert await changes.since(before) == []
    assert (await api.redeem(till.code.code, as_=till.cashier, idempotencyKey=key)).refusals("redeemQrCode") == []


async def test_an_unbalanced_posting_is_refused_before_the_answer(
    api: Api, till: Any, monkeypatch: pytest.MonkeyPatch, changes: Changes
) -> None:
    before = await changes.mark()

    def crooked(tx: Any, *_: Any, **__: Any) -> None:
        tx.send("INSERT INTO ledger.ledger_transactions (kind) VALUES ('crooked')")

    monkeypatch.setattr(tills.ledger, "post", crooked)
    answer = await api.redeem(till.code.code, as_=till.cashier)

    assert answer.codes == ["INTERNAL"]
    assert await changes.since(before) == []


@pytest.mark.parametrize("by", ["the gateway", "the database"])
async def test_a_payload_field_that_fails_does_not_undo_the_rule(
    api: Api, till: Any, books: Books, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    first = -1
    if by == "the database":
        first = 1
        monkeypatch.setattr("gql.kit.connection.page_limit", lambda _: literal_column("(1 / 0)"))

    answer = await api(
        """mutation ($code: String!, $first: Int) {
             redeemQrCode(input: {code: $code}) {
               qrCode { status redeemedByPartner { name qrCodes(first: $first) { nodes { id } } } pack { name } }
             }
           }""",
        {"code": till.code.code, "first": first},
        as_=till.cashier,
    )

    assert answer.codes == ["BAD_USER_INPUT"]
    code = answer.body["data"]["redeemQrCode"]["qrCode"]
    assert code == {"status": "REDEEMED", "redeemedByPartner": None, "pack": {"name": till.pack.name}}
    assert (await books.code(till.code.id))["status"] == "redeemed"


async def test_one_mutation_is_committed_before_the_next_runs(api: Api, make: Factory, books: Books) -> None:
    first, second = await make.code_at_the_till(), await make.code_at_the_till()

    answer = await api(REDEEM, {"a": {"code": first.code.code}, "b": {"code": second.code.code}}, as_=first.cashier)

    assert answer["a"]["qrCode"]["status"] == "REDEEMED"
    assert answer["b"]["userErrors"] == [{"code": "INVALID"}]
    assert await books.attempts(second.code.code) == ["wrong_partner"]


async def test_when_the_server_is_killed_half_way_nothing_is_half_done(
    api: Api, till: Any, owner: asyncpg.Pool[Any], changes: Changes
) -> None:
    key, before = str(uuid4()), await changes.mark()
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM redemption.qr_codes WHERE id = $1 FOR UPDATE", till.code.id)
        waiting = asyncio.create_task(api.redeem(till.code.code, as_=till.cashier, idempotencyKey=key))
        await asyncio.sleep(0.3)
        await connection.execute("RESET ROLE")
        killed = await connection.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        answer = await waiting

    assert killed == 1
    assert answer.errors
    assert await changes.since(before) == []
    assert (await api.redeem(till.code.code, as_=till.cashier, idempotencyKey=key)).refusals("redeemQrCode") == []


async def test_a_deadlock_is_tried_again(api: Api, make: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rules that lock each other's rows the wrong way round: both are done in the end."""
    codes = [await make.code_at_the_till() for _ in range(2)]
    original, tries = tills._scan, []

    async def crossed(tx: Any, presented: str, *rest: Any, **options: Any) -> Any:
        tries.append(presented)
        scan = await original(tx, presented, *rest, **options)
        if tries.count(presented) == 1:
            await asyncio.sleep(0.3)
            other = next(item.code.code for item in codes if item.code.code != presented)
            await original(tx, other, *rest, **options)
        return scan

    # Locked in two orders on purpose.
    monkeypatch.setattr(RuleTransaction, "out_of_order", staticmethod(lambda _: None))
    monkeypatch.setattr(tills, "_scan", crossed)
    answers = await asyncio.gather(*(api.redeem(item.code.code, as_=item.cashier) for item in codes))

    assert [answer.refusals("redeemQrCode") for answer in answers] == [[], []]
    assert len(tries) == 3


async def test_a_deadlock_among_deferred_constraints_is_tried_again(
    api: Api, till: Any, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the last round trip, with all that the rule wrote."""
    finish, tries = RuleTransaction.finish, []

    async def deadlock_first(tx: RuleTransaction, *payload: Any, **options: Any) -> Any:
        tries.append(tx)
        if len(tries) == 1:
            await tx.run(
                "CREATE FUNCTION pg_temp.fail() RETURNS trigger LANGUAGE plpgsql AS"
                " $$BEGIN RAISE 'deadlock detected' USING ERRCODE = '40P01'; END$$",
                "CREATE TEMP TABLE doomed () ON COMMIT DROP",
                "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON doomed DEFERRABLE INITIALLY DEFERRED"
                " FOR EACH ROW EXECUTE FUNCTION pg_temp.fail()",
                "INSERT INTO doomed DEFAULT VALUES",
            )
        return await finish(tx, *payload, **options)

    monkeypatch.setattr(RuleTransaction, "finish", deadlock_first)
    answer = await api.redeem(till.code.code, as_=till.cashier)

    assert answer.refusals("redeemQrCode") == []
    assert len(tries) == 2
    assert await books.attempts(till.code.code) == ["success"]


# Waiting for others


async def test_a_rule_that_waits_too_long_for_a_lock_is_refused_as_busy(
    hurried: Api, till: Any, owner: asyncpg.Pool[Any], changes: Changes
) -> None:
    before = await changes.mark()
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM redemption.qr_codes WHERE id = $1 FOR UPDATE", till.code.id)
        answer = await hurried.redeem(till.code.code, as_=till.cashier)

    assert answer.codes == ["SERVICE_UNAVAILABLE"]
    assert answer.errors[0]["message"] == "Others are working on the same rows: try again in a moment."
    assert await changes.since(before) == []
    assert (await hurried.redeem(till.code.code, as_=till.cashier)).refusals("redeemQrCode") == []


async def test_a_rule_whose_statement_takes_too_long_is_refused_as_busy(
    api: Api, till: Any, monkeypatch: pytest.MonkeyPatch, changes: Changes
) -> None:
    before = await changes.mark()

    def slow(tx: Any, *_: Any, **__: Any) -> None:
        tx.send("SET LOCAL statement_timeout = '50ms'")
        tx.send("SELECT pg_sleep(5)")

    monkeypatch.setattr(tills, "publish", slow)
    answer = await api.redeem(till.code.code, as_=till.cashier)

    assert answer.codes == ["SERVICE_UNAVAILABLE"]
    assert answer.errors[0]["message"] == "Others are working on the same rows: try again in a moment."
    assert await changes.since(before) == []


async def test_slow_readers_of_a_payload_do_not_delay_others_who_write_the_same_rows(
    api: Api, till: Any, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight read lists of what they have done, slowly; the pot that they have locked is free already."""
    lists = "qrCode { status pot { qrCodes { totalCount } } }"
    pack = await make(Pack, partner_id=till.partner.id, base_price_cfa=100, max_redemptions_per_user=9)
    fetch, reading, all_read, go_on = api.pipeline.fetch, [], asyncio.Event(), asyncio.Event()

    async def slowly(*given: Any, **options: Any) -> Any:
        reading.append(given)
        if len(reading) == 8:
            all_read.set()
        await go_on.wait()
        return await fetch(*given, **options)

    with monkeypatch.context() as patched:
        patched.setattr(api.pipeline, "fetch", slowly)
        readers = [
            asyncio.create_task(api.mutate("issueQrCode", till.owner, show=lists, potId=till.pot, packId=pack))
            for _ in range(8)
        ]
        async with asyncio.timeout(10):
            await all_read.wait()
    async with asyncio.timeout(2):
        other = await issue(api, till.pot, pack, till.owner)
    assert other.refusals("issueQrCode") == []
    assert not any(reader.done() for reader in readers)
    go_on.set()
    for answer in await asyncio.gather(*readers):
        assert answer["issueQrCode"]["qrCode"]["status"] == "ISSUED"


@pytest.mark.parametrize("key", [False, True])
async def test_the_round_trips_of_a_redemption(api: Api, make: Factory, key: bool) -> None:
    """What is looked up, and what is written; with that go BEGIN, role, context and the key's claim, and the stored
    outcome, the payload and COMMIT. Who the caller is takes one more, at most once a second, and is not counted."""
    till = await make.code_at_the_till()

    async with api.sending() as batches:
        answer = await api.redeem(till.code.code, as_=till.cashier, **({"idempotencyKey": uuid4().hex} if key else {}))

    assert answer.refusals("redeemQrCode") == []
    assert len(batches) == 2, batches
    assert batches[0][0] == "BEGIN"
    assert batches[1][-1] == "COMMIT"


# Outcomes, audit


async def test_a_mutation_needs_a_token(api: Api, till: Any) -> None:
    answer = await api('mutation { redeemQrCode(input: {code: "x"}) { userErrors { code } } }')

    assert answer.codes == ["UNAUTHENTICATED"]


@pytest.mark.parametrize("code", ["x" * 101, "nul\u0000"])
async def test_hostile_texts_are_bad_input(api: Api, till: Any, code: str) -> None:
    assert (await api.redeem(code, as_=till.cashier)).codes == ["BAD_USER_INPUT"]


@pytest.mark.parametrize(
    ("code", "presented"),
    [
        *((code, code) for code in ("", "كود", "🎂", "' OR 1=1 --")),
        # As texts are cleaned: no mark that cannot be seen, and no second line.
        ("\u202e", ""), ("a\nb", "a b"),
    ],
)  # fmt: skip
async def test_any_other_text_is_just_no_code(api: Api, till: Any, code: str, presented: str, books: Books) -> None:
    before = await books.attempts(presented)

    assert (await api.redeem(code, as_=till.cashier)).refusals("redeemQrCode") == ["INVALID"]
    assert await books.attempts(presented) == [*before, "invalid"]
    assert (await books.code(till.code.id))["status"] == "issued"


async def test_each_change_is_audited_with_who_and_from_where(api: Api, till: Any, owner: asyncpg.Pool[Any]) -> None:
    await api.redeem(
        till.code.code, as_=till.cashier, headers={"X-Request-Id": "req-7", "User-Agent": "Till'; DROP TABLE x"}
    )

    row = await owner.fetchrow(
        "SELECT * FROM admin.audit_logs WHERE resource_id = $1 AND request_id = 'req-7'", till.code.id
    )
    assert row["actor_user_id"] == till.cashier.id
    assert (row["action"], row["actor_type"], row["user_agent"]) == ("qr_code_updated", "user", "Till'; DROP TABLE x")
    assert orjson.loads(row["old_values"])["status"] == "issued"
    assert orjson.loads(row["new_values"])["status"] == "redeemed"


async def test_a_replayed_issue_makes_no_second_code(api: Api, make: Factory, till: Any) -> None:
    pack = await make(Pack, partner_id=till.partner.id, base_price_cfa=100, max_redemptions_per_user=9)
    key = str(uuid4())

    first = await issue(api, till.pot, pack, till.owner, idempotencyKey=key)
    again = await issue(api, till.pot, pack, till.owner, idempotencyKey=key)

    assert first["issueQrCode"]["qrCode"]["rowId"] == again["issueQrCode"]["qrCode"]["rowId"]


async def test_a_cancelled_request_leaves_the_connection_clean(
    pipeline: Pipeline, api: Api, till: Any, changes: Changes
) -> None:
    before = await changes.mark()
    for delay in (0.001, 0.005, 0.01, 0.02):
        task = asyncio.create_task(api.redeem("not-a-code", as_=till.cashier))
        await asyncio.sleep(delay)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert await changes.since(before, but=("redemption.qr_redemption_logs",)) == []
    assert (await api.redeem(till.code.code, as_=till.cashier)).refusals("redeemQrCode") == []
