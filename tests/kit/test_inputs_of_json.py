"""JSON that people write: it stays JSON, and is as long as the database writes it out."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gql.kit.inputs import arguments_of, input_of
from lango.db.postgres import RawJson
from lango.errors import BadUserInput
from lango.values.exact_json import written_length
from models.identity import User
from resolvers.trading.deals import LONGEST_JSON
from resolvers.trading.disputes import open_dispute
from tests.changes import Changes
from tests.client import Api
from tests.factories import Factory

OpenDisputeInput = input_of(open_dispute, "openDispute")
TRADE = "00000000-0000-4000-8000-000000000007"


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ('{"a":1.50}', 10), ("1e308", 309), ("-1E+3", 5), ("1e-5", 7), ("1.25e1", 4), ("[1e2,1e2]", 9),
        ('"1e308"', 7), (r'{"\\":1e3,"\"1e9":2}', 21), ("0e300", 1),
    ],
)  # fmt: skip
def test_the_length_is_that_of_the_numbers_written_out(text: str, length: int) -> None:
    assert written_length(text) == length


def test_json_stays_json() -> None:
    given = OpenDisputeInput(trade_id=TRADE, reason="Late", evidence=RawJson('{"link": "https://example.org"}'))

    evidence = arguments_of(given)["evidence"]

    assert isinstance(evidence, RawJson)
    assert evidence == '{"link": "https://example.org"}'


def test_json_of_short_numbers_that_are_written_out_at_length_is_refused() -> None:
    powers = RawJson(f"[{','.join(['1e308'] * 20)}]")
    assert len(powers) < 200

    with pytest.raises(BadUserInput, match=f"at most {LONGEST_JSON} characters, its numbers written out"):
        arguments_of(OpenDisputeInput(trade_id=TRADE, reason="Late", evidence=powers))


@pytest.mark.parametrize("by_variable", [True, False])
async def test_a_mutation_refuses_it_before_anything_is_done(
    api: Api, make: Factory, changes: Changes, by_variable: bool
) -> None:
    person: SimpleNamespace = await make(User)
    powers = f"[{','.join(['1e308'] * 20)}]"
    literal = powers if not by_variable else "$evidence"
    declared = "($evidence: JSON)" if by_variable else ""
    query = f"""mutation {declared} {{ openDispute(input: {{tradeId: "{TRADE}", reason: "Late", evidence: {literal}}}) {{
        userErrors {{ code }} }} }}"""
    headers = {"content-type": "application/json", **api.headers(person)}
    body = f'{{"query": {RawJson.of(query)}, "variables": {{"evidence": {powers}}}}}'

    before = await changes.mark()

    answer = (await api.client.post("/graphql", content=body, headers=headers)).json()

    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_USER_INPUT"]
    assert await changes.since(before) == []
