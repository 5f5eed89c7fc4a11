"""Every type can be read in every way, by anyone: generated from the schema."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gql.kit.node import MIRRORED, global_id, key_columns
from models.base import Base
from tests.client import Api
from tests.kit.conftest import (
    LISTED,
    MODELS,
    Ask,
    in_batches,
    input_type,
    leaves,
    list_field,
    named,
    object_type,
    one_field,
)  # fmt: skip

NOTHING = "00000000-0000-4000-8000-000000000000"


def everything(model: type[Base]) -> list[str]:
    """Root fields that read a type: its rows with every plain field, its aggregate with every part, one row."""
    shown = " ".join(leaves(model.__name__))
    fields = [f'{one_field(model)}(id: "{an_id(model)}") {{ {shown} }}']
    if model not in LISTED:
        return fields
    parts = []
    for name, field in object_type(f"{model.__name__}Aggregate").fields.items():
        below = " ".join(leaves(named(field.type))) if name != "count" else ""
        parts.append(f"{name} {{ {below} }}" if below else name)
    page_info = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
    fields.append(
        f"{list_field(model)} {{ nodes {{ {shown} }} edges {{ cursor node {{ id }} }} {page_info} totalCount }}"
    )
    fields.append(f"{list_field(model)}Aggregate {{ {' '.join(parts)} }}")
    fields.append(f"{list_field(model)}(last: 3) {{ nodes {{ id }} }}")
    for key, field in input_type(f"{model.__name__}GroupBy").fields.items():
        value = "true" if named(field.type) == "Boolean" else "MONTH"
        fields.append(f"{list_field(model)}Aggregate(groupBy: [{{{key}: {value}}}]) {{ count group {{ {key} }} }}")
    fields += [
        f"{list_field(model)}(orderBy: [{{{key}: DESC_NULLS_FIRST}}], first: 2) {{ nodes {{ id }} }}"
        for key in input_type(f"{model.__name__}Order").fields
    ]
    return fields


def an_id(model: type[Base]) -> str:
    if len(key_columns(model)) > 1:
        parts = tuple(
            NOTHING if str(column.type) != "DATETIME" else "2026-01-01T00:00:00+00:00" for column in key_columns(model)
        )
        return global_id(model, parts)
    return NOTHING


async def ask_all(api: Api, fields: list[str], **caller: Any) -> list[dict[str, Any]]:
    errors = []
    for query in in_batches(fields):
        errors += (await api(query, **caller)).errors
    return errors


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
async def test_every_type_can_be_read_in_every_way(
    api: Api,
    filled: dict[str, SimpleNamespace],
    super_admin: SimpleNamespace,
    member: SimpleNamespace,
    model: type[Base],
) -> None:
    fields = everything(model)

    assert await ask_all(api, fields, as_=super_admin, roles=("super_admin",)) == []
    for caller in (member, None):
        codes = {error["extensions"]["code"] for error in await ask_all(api, fields[:3], as_=caller)}
        assert codes == set()


@pytest.mark.parametrize(
    "model", [model for model in MODELS if model.__face__ is None], ids=lambda model: model.__name__
)
async def test_the_id_of_every_type_finds_its_row_again(
    as_staff: Ask, filled: dict[str, SimpleNamespace], model: type[Base]
) -> None:
    if model.__access__ is not None and model.__access__.staff_sql is None:
        pytest.skip("staff do not see these")
    nodes = (await as_staff(f"{{ {list_field(model)}(first: 3) {{ nodes {{ id __typename }} }} }}"))[list_field(model)][
        "nodes"
    ]
    assert nodes
    for node in nodes:
        again = await as_staff(
            f"query ($id: ID!) {{ node(id: $id) {{ id __typename }} {one_field(model)}(id: $id) {{ id __typename }} }}",
            node,
        )
        assert again.data == {"node": node, one_field(model): node}


@pytest.mark.parametrize("part", range(3))
async def test_what_everything_holds_has_relations_that_answer(
    as_staff: Ask, filled: dict[str, SimpleNamespace], part: int
) -> None:
    failed = {}
    for model in LISTED[part::3]:
        below = []
        for name, field in object_type(model.__name__).fields.items():
            of = named(field.type)
            if of.endswith("Connection"):
                below.append(f"{name}(first: 2) {{ nodes {{ id }} totalCount }}")
            elif of.endswith("Aggregate"):
                below.append(f"{name} {{ count }}")
            elif of in MIRRORED:
                below.append(f"{name} {{ id }}")
        if below:
            answer = await as_staff(f"{{ {list_field(model)}(first: 3) {{ nodes {{ {' '.join(below)} }} }} }}")
            if answer.errors:
                failed[model.__name__] = answer.errors[0]
    assert failed == {}
