"""Ids: `node` and `nodes` find any object that the caller may see, and nothing else."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import uuid4

from gql.kit.node import global_id
from models.admin import AuditLog
from models.cards import ProfileCategory
from models.identity import User
from models.pots import Pot
from models.usage import SubscriptionLimit
from tests.client import Api
from tests.factories import Factory
from tests.kit.conftest import Ask

NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def test_nodes_keep_their_order_and_the_hidden_are_null(api: Api, make: Factory, member: SimpleNamespace) -> None:
    mine, hidden = await make(Pot, owner_user_id=member.id), await make(Pot, visibility="private")
    myself, pot = global_id(User, (member.id,)), global_id(Pot, (mine.id,))
    ids = [pot, global_id(Pot, (hidden.id,)), myself, global_id(Pot, (uuid4(),)), pot]

    answer = await api(NODES, {"ids": ids}, as_=member)

    assert answer["nodes"] == [
        {"id": pot, "__typename": "Pot"}, None, {"id": myself, "__typename": "User"}, None, {"id": pot, "__typename": "Pot"},
    ]  # fmt: skip
    assert (await api(NODES, {"ids": []}, as_=member))["nodes"] == []
    assert (await api(NODES, {"ids": [pot] * 100}, as_=member)).errors == []
    assert (await api(NODES, {"ids": [pot] * 101}, as_=member)).codes == ["BAD_USER_INPUT"]


async def test_what_is_no_id_is_refused(api: Api, as_staff: Ask, member: SimpleNamespace) -> None:
    key, at = str(uuid4()), "2026-01-01T00:00:00+00:00"
    bad = [
        "", "x", "\0", "é", "User:" + key, encoded("User"), encoded("User:"), encoded("User:x"), encoded(f"User:{key}:"),
        encoded(f"User:{key},{key}"), encoded(f"Nothing:{key}"), encoded(f"OneTimeCode:{key}"), encoded(f"Query:{key}"),
        encoded(f"AuditLog:{key}"), encoded(f"AuditLog:{key},"), encoded(f"AuditLog:{key},2026-01-01"), encoded(f"AuditLog:{at},{key}"),
        encoded(f"AuditLog:{key},0001-01-01T00:00:00+23:59"), encoded("SubscriptionLimit:a\0b"), key, "A" * 100_000,
        base64.b64encode(b"\xff\xfe").decode(), encoded(f"User:{{{key}}}"), encoded(f"User: {key}"),
    ]  # fmt: skip
    for text in bad:
        one = await as_staff("query ($id: ID!) { node(id: $id) { id } __typename }", {"id": text})
        assert one.codes == ["BAD_USER_INPUT"], text
        assert one.body["data"] == {"node": None, "__typename": "Query"}
        many = await as_staff("query ($ids: [ID!]!) { nodes(ids: $ids) { id } __typename }", {"ids": [text]})
        assert many.body["data"] == {"nodes": None, "__typename": "Query"}
    assert (
        len((await as_staff("query ($id: ID!) { node(id: $id) { id } }", {"id": "x" * 9000})).errors[0]["message"])
        < 200
    )


async def test_keys_of_several_parts_make_one_id_and_no_row_id(as_staff: Ask, make: Factory) -> None:
    log = await make(AuditLog, created_at=datetime.now(UTC).replace(microsecond=45))
    rule = await make(ProfileCategory)
    ids = [
        global_id(AuditLog, (log.id, log.created_at)),
        global_id(ProfileCategory, (rule.spending_profile_id, rule.spending_category_id)),
    ]

    answer = await as_staff(
        "query ($ids: [ID!]!, $log: ID!) { nodes(ids: $ids) { id } auditLog(id: $log) { id } }",
        {"ids": ids, "log": ids[0]},
    )
    other_time = await as_staff(
        "query ($id: ID!) { node(id: $id) { id } }",
        {"id": global_id(AuditLog, (log.id, datetime(2026, 11, 1, tzinfo=UTC)))},
    )
    row_id = await as_staff("{ auditLogs { nodes { rowId } } }")
    raw = await as_staff("query ($id: ID!) { auditLog(id: $id) { id } }", {"id": str(log.id)})

    assert [node["id"] for node in answer["nodes"]] == ids
    assert answer["auditLog"] == {"id": ids[0]}
    assert other_time["node"] is None
    assert row_id.codes == ["GRAPHQL_VALIDATION_FAILED"]
    assert raw.codes == ["BAD_USER_INPUT"]


async def test_a_text_key_is_an_id_too(as_staff: Ask, make: Factory) -> None:
    plan = await make(SubscriptionLimit, plan=f"a,b:{uuid4().hex[:8]} é")
    id_ = global_id(SubscriptionLimit, (plan.plan,))
    answer = await as_staff(
        "query ($id: ID!, $raw: ID!) { node(id: $id) { id } a: subscriptionLimit(id: $id) { rowId } b: subscriptionLimit(id: $raw) { id } }",
        {"id": id_, "raw": plan.plan},
    )
    assert answer.data == {"node": {"id": id_}, "a": {"rowId": plan.plan}, "b": {"id": id_}}
    assert (await as_staff("query ($id: ID!) { subscriptionLimit(id: $id) { id } }", {"id": "\0"})).codes == [
        "BAD_USER_INPUT"
    ]


async def test_a_root_field_takes_ids_of_its_own_type_only(api: Api, member: SimpleNamespace) -> None:
    query = "query ($id: ID!) { user(id: $id) { id rowId } }"
    own = global_id(User, (member.id,))
    for given in (own, str(member.id), str(member.id).upper()):
        assert (await api(query, {"id": given}, as_=member))["user"] == {"id": own, "rowId": str(member.id)}
    for bad in (global_id(Pot, (member.id,)), member.id.hex, "", "1"):
        assert (await api(query, {"id": bad}, as_=member)).codes == ["BAD_USER_INPUT"]
    assert (await api(query, {"id": str(uuid4())}, as_=member))["user"] is None
