"""What a key may do: on every path, and what introspection shows it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from graphql import build_client_schema, get_introspection_query, validate_schema

from gql.schema import schema
from lango.graphql.permissions import IN_PERSON, Permissions, has
from lango.libraries.strawberry import graphql_of
from models.identity import User
from models.pots import Pot
from tests.changes import Changes
from tests.client import Api
from tests.factories import Factory
from tests.security.keys import by, make_key, with_key

TILL = """mutation ($code: String!) { redeemQrCode(input: {code: $code}) {
    qrCode { status redeemedAt } userErrors { code message }
} }"""


def missing(answer: Any) -> list[str]:
    """What the refusal names."""
    assert answer.response.status_code == 403
    assert answer.codes == ["FORBIDDEN"]
    return list(answer.errors[0]["extensions"]["missing"])


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        ("{ users { nodes { id } } }", ["read:User"]),
        ("{ viewer { id } }", ["read:User"]),
        ("{ usersAggregate { count } }", ["read:User"]),
        ("{ pots { nodes { ownerUser { id } } } }", ["read:User"]),
        (
            "{ pots { nodes { ...F } } } fragment F on Pot { ownerUser { ...G } } fragment G on User { id }",
            ["read:User"],
        ),
        ("{ pots { nodes { ... on Pot { ... @include(if: false) { ownerUser { id } } } } } }", ["read:User"]),
        ('{ pots(where: {ownerUser: {email: {contains: "a"}}}) { nodes { id } } }', ["read:User"]),
        (
            "{ pots(where: {not: {and: [{donations: {some: {amountCfa: {gt: 1}}}}]}}) { nodes { id } } }",
            ["read:Donation"],
        ),
        ('{ node(id: "x") { id } }', ["read:*"]),
        ('{ nodes(ids: ["x"]) { ... on Pot { id } } }', ["read:*"]),
        ("{ usageStats { calls } }", ["read:UsageStats"]),
        ('mutation { cancelPot(input: {potId: "x"}) { pot { id } } }', ["mutate:cancelPot"]),
        ('mutation { closePot(input: {potId: "x"}) { pot { ownerUser { id } } } }', ["read:User"]),
        ("{ a: pots { nodes { id } } b: packs { nodes { id } } c: viewer { id } }", ["read:Pack", "read:User"]),
    ],
)
@pytest.mark.parametrize("path", ["planner", "executor"])
async def test_what_a_key_has_no_permission_for_is_refused_by_name(
    api: Api, ordinary: Api, make: Factory, changes: Changes, document: str, wanted: list[str], path: str
) -> None:
    key = await make_key(api, await make(User), "read:Pot", "mutate:closePot")
    before = await changes.mark()

    answer = await with_key(api if path == "planner" else ordinary, key, document)

    assert missing(answer) == wanted
    assert await changes.since(before) == []


async def test_a_filter_in_a_variable_needs_what_it_filters_by(api: Api, make: Factory) -> None:
    key = await make_key(api, await make(User), "read:Pot")
    query = "query ($where: PotWhere) { pots(where: $where) { nodes { id } } }"

    allowed = await with_key(api, key, query, where={"status": {"eq": "OPEN"}})
    refused = await with_key(api, key, query, where={"or": [{"ownerUser": {"email": {"contains": "a"}}}]})

    assert allowed.errors == []
    assert missing(refused) == ["read:User"]


async def test_what_a_key_may_read_it_reads_as_its_owner(api: Api, ordinary: Api, make: Factory) -> None:
    owner = await make(User)
    pot = await make(Pot, owner_user_id=owner.id, visibility="private")
    key = await make_key(api, owner, "read:Pot", "read:User")
    query = "query ($id: ID!) { pot(id: $id) { title ownerUser { rowId } } limits { donationMinimumCfa } __typename }"

    for process in (api, ordinary):
        shown = (await with_key(process, key, query, id=str(pot.id))).data
        assert shown["pot"] == {"title": pot.title, "ownerUser": {"rowId": str(owner.id)}}


async def test_a_key_of_a_till_redeems_and_sees_what_it_redeemed(api: Api, make: Factory) -> None:
    till = await make.code_at_the_till()
    key = await make_key(api, till.cashier, "mutate:redeemQrCode")

    redeemed = (await with_key(api, key, TILL, code=till.code.code))["redeemQrCode"]

    assert redeemed["userErrors"] == []
    assert redeemed["qrCode"]["status"] == "REDEEMED"
    for document, wanted in (
        (TILL.replace("redeemedAt", "pot { title }"), "read:Pot"),
        ("{ qrCodes { nodes { code } } }", "read:QrCode"),
        (TILL.replace("redeemQrCode", "checkQrCode").replace("qrCode { status redeemedAt }", ""), "mutate:checkQrCode"),
    ):
        assert missing(await with_key(api, key, document, code="x")) == [wanted]


async def test_staffs_mutations_want_a_key_of_staff(api: Api, make: Factory, changes: Changes) -> None:
    member, user = await make(User), await make(User)
    key = await make_key(api, member, "mutate:*")
    document = """mutation ($id: ID!) { adminAddBonusCredits(input: {userId: $id, credits: 1, reason: "x"}) {
        userErrors { code } } }"""
    before = await changes.mark()

    answer = await with_key(api, key, document, id=str(user.id))

    assert answer.codes == ["FORBIDDEN"]
    assert [
        each for each in await changes.since(before) if "user_subscription" in str(each) and str(user.id) in str(each)
    ] == []


async def introspected(api: Api, headers: dict[str, str]) -> dict[str, Any]:
    answer = await api(get_introspection_query(), headers=headers)
    return dict(answer.data)


async def test_introspection_shows_a_key_what_it_may_use(api: Api, ordinary: Api, make: Factory) -> None:
    owner = await make(User)
    key = await make_key(api, owner, "mutate:redeemQrCode", "read:Pot")
    whole = await introspected(api, api.headers(owner))

    for process in (api, ordinary):
        shown = await introspected(process, by(key))

        assert validate_schema(build_client_schema(shown)) == []  # type: ignore[arg-type]
        types = {each["name"]: each for each in shown["__schema"]["types"]}
        fields = {name: {each["name"] for each in of["fields"] or ()} for name, of in types.items()}
        assert fields["Query"] == {"pot", "pots", "potsAggregate", "limits"}
        assert fields["Mutation"] == {"redeemQrCode"}
        assert shown["__schema"]["subscriptionType"] is None
        assert {"title", "status"} <= fields["Pot"]
        assert "ownerUser" not in fields["Pot"]
        assert {"status", "pot"} <= fields["QrCode"]
        assert "pack" not in fields["QrCode"]
        assert not {"User", "Donation", "UserWhere", "CreateApiKeyInput"} & set(types)
        assert "ownerUser" not in {each["name"] for each in types["PotWhere"]["inputFields"]}
    # What one key is shown is kept for no other caller.
    assert await introspected(api, api.headers(owner)) == whole


async def test_a_type_that_is_not_shown_is_not_there(api: Api, make: Factory) -> None:
    key = await make_key(api, await make(User), "read:Pot")
    query = "query ($name: String!) { __type(name: $name) { name fields { name } } }"

    hidden = await with_key(api, key, query, name="User")
    shown = await with_key(api, key, query, name="Pot")

    assert hidden["__type"] is None
    assert shown["__type"]["name"] == "Pot"


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ('{ __type(name: "User") { name } pots { nodes { id } } }', {}),
        ("{ limits { donationMinimumCfa } __schema { types { name } } }", {}),
        ("query ($name: String!) { a: __schema { types { name } } b: __type(name: $name) { name } }", {"name": 5}),
        ("query ($name: String!) { a: __schema { types { name } } b: __type(name: $name) { name } }", {}),
    ],
)
async def test_no_question_about_the_schema_gets_round_that(
    api: Api, ordinary: Api, make: Factory, query: str, variables: dict[str, Any]
) -> None:
    key = await make_key(api, await make(User), "read:Pot")

    for process in (api, ordinary):
        answer = await with_key(process, key, query, **variables)
        assert answer.errors
        assert "CreatePotInput" not in json.dumps(answer.body)


async def test_every_key_of_staff_is_shown_their_mutations(api: Api, make: Factory) -> None:
    staff, member = await make.staff(), await make(User)
    of_staff, of_member = [await make_key(api, each, "mutate:*") for each in (staff, member)]
    query = '{ __type(name: "Mutation") { fields { name } } }'

    fields = [
        {each["name"] for each in (await with_key(api, key, query))["__type"]["fields"]}
        for key in (of_staff, of_member)
    ]

    assert fields[0] > fields[1]
    assert "adminAddBonusCredits" in fields[0] - fields[1]
    assert "createApiKey" not in fields[0]


def test_how_one_gets_in_is_no_keys_business() -> None:
    """The mutations of these groups are declared `in_person`: an API key may do none of them."""
    import gql.identity
    import gql.privacy
    import gql.security

    mutation = graphql_of(schema).mutation_type
    assert mutation is not None
    for group in (gql.identity, gql.privacy, gql.security):
        made = getattr(group, "Mutation", None)
        for field in made.__strawberry_definition__.fields if made is not None else ():
            assert has(mutation.fields[field.graphql_name], IN_PERSON), f"{field.graphql_name} is open to API keys"


def test_there_is_a_permission_for_every_mirrored_type_and_every_mutation() -> None:
    graphql = graphql_of(schema)
    known = Permissions(graphql).known.names
    assert graphql.mutation_type is not None
    assert graphql.query_type is not None

    for name, field in graphql.mutation_type.fields.items():
        assert (f"mutate:{name}" in known) is not has(field, IN_PERSON)
    assert {"read:Pot", "read:UsageStats", "read:ReferralInvitation", "subscribe:potUpdated"} <= known
    strange = [name for name in known if name.endswith(("Connection", "UserError", "Payload", "Where", "PageInfo"))]
    assert strange == []
    assert [name for name in known if name.startswith("read:UsageOf")] == []


async def test_a_key_that_may_do_nothing_does_nothing(api: Api, make: Factory, owner: Any) -> None:
    key: SimpleNamespace = await make_key(api, await make(User))
    await owner.execute("UPDATE security.api_keys SET permissions = '[]' WHERE id = $1::text::uuid", key.id)

    assert (await with_key(api, key, "{ __typename }"))["__typename"] == "Query"
    assert missing(await with_key(api, key, "{ pots { nodes { id } } }")) == ["read:Pot"]
