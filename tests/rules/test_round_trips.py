"""How many round trips rules take: of each mutation in docs/round-trips.md, and of a redemption message by message."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from gql.schema import schema
from tests.client import Api
from tests.factories import Factory
from tests.round_trips import FEW, RoundTrips, counted, table

MUTATION = schema._schema.mutation_type
assert MUTATION is not None
MUTATIONS = sorted(MUTATION.fields)


def test_every_mutation_is_counted() -> None:
    assert sorted(table()) == MUTATIONS


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_more_than_a_few_have_a_reason(mutation: str) -> None:
    row = table()[mutation]

    assert row.counted.rule >= 1
    assert bool(row.reason) == (row.counted.rule > FEW), row


@pytest.fixture
async def till(make: Factory) -> Any:
    return await make.code_at_the_till()


async def test_a_redemption_with_a_key_takes_two(api: Api, till: Any) -> None:
    """What the kernel begins with goes with the first look-up, and all that was written with the payload and COMMIT."""
    await api("{ viewer { rowId } }", as_=till.cashier)
    async with api.sending() as batches:
        answer = await api.redeem(till.code.code, as_=till.cashier, idempotencyKey=str(uuid4()))

    assert answer.refusals("redeemQrCode") == []
    assert len(batches) == 2
    first, last = batches[0], batches[-1]
    assert first[0] == "BEGIN"
    assert any("idempotency_keys" in sql for sql in first)
    assert last[-1] == "COMMIT"
    assert len(batches) <= table()["redeemQrCode"].counted.rule


async def test_a_retry_finds_its_outcome_and_reads_its_payload(api: Api, till: Any) -> None:
    key = str(uuid4())
    await api.redeem(till.code.code, as_=till.cashier, idempotencyKey=key)
    async with api.sending() as batches:
        await api.redeem(till.code.code, as_=till.cashier, idempotencyKey=key)

    # The claim, which finds the key; its outcome, which is given back; and the payload.
    assert len(batches) <= 5


async def test_a_refusal_takes_no_more_than_the_rule(api: Api, till: Any) -> None:
    async with api.sending() as batches:
        answer = await api.redeem("no-such-code", as_=till.cashier, idempotencyKey=str(uuid4()))

    assert answer.refusals("redeemQrCode") == ["INVALID"]
    assert len(batches) <= table()["redeemQrCode"].counted.rule


def test_what_did_nothing_or_was_tried_again_is_not_counted() -> None:
    begin, look, commit, read = ["BEGIN", "context", "a look-up"], ["a look-up"], ["COMMIT"], ["a read"]

    assert counted([begin, look, commit]) == RoundTrips(3, 0)
    assert counted([[*begin, *commit]]) == RoundTrips(1, 0)
    assert counted([read, begin, commit, read]) == RoundTrips(2, 1)
    assert counted([begin, look, begin, commit]) is None
    assert counted([begin, look, ["ROLLBACK"]]) is None
    assert counted([read]) is None
