"""Types made without a dataclass each: what Strawberry's own way makes of the same fields, with the version it knows."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import strawberry
from strawberry import UNSET
from strawberry.types import Info

from gql.kit.arguments import with_arguments
from gql.kit.types import Field, argument, input_type, merged, object_type

NUMBER = argument("how_many", int | None, name="howMany", description="How many.", default=2)


def made() -> strawberry.Schema:
    where = input_type(
        "Where",
        [
            Field("name", str | None, name="name", description="A name.", default=UNSET),
            Field("among", list[int] | None, name="among", description="Numbers.", default=UNSET),
        ],
        description="What is wanted.",
    )
    order = input_type(
        "Order", [Field("name", bool | None, name="name", description="By name.")], description="One.", one_of=True
    )

    async def resolve(source: Any, info: Any, **arguments: Any) -> str:
        return f"{source} {info.field_name} {arguments!r}"

    thing = object_type(
        "Thing",
        [
            Field("length", int, name="length", description="An attribute.", value=len),
            Field("real", int | None, name="real", description="Null.", value=lambda _: None, deprecation_reason="Old."),
            Field(
                "said", str, name="said", description="A coroutine.", resolve=resolve,
                arguments=[
                    NUMBER,
                    argument("where", where | None, name="where", description="Which."),
                    argument("order_by", order | None, name="orderBy", description="How."),
                ],
            ),
        ],
        description="A thing.",
    )  # fmt: skip
    thing_field = Field("thing", thing, name="thing", description="It.", value=lambda _: "abc")
    return strawberry.Schema(query=merged("Query", [object_type("Query", [thing_field])], description="All."))


def as_strawberry_makes_it() -> strawberry.Schema:
    @strawberry.input(description="What is wanted.")
    class Where:
        name: str | None = strawberry.field(description="A name.", default=UNSET)
        among: list[int] | None = strawberry.field(description="Numbers.", default=UNSET)

    @strawberry.input(description="One.", one_of=True)
    class Order:
        name: bool | None = strawberry.field(description="By name.")

    async def resolve(root: Any, info: Info, **arguments: Any) -> str:
        return f"{root} {info.field_name} {arguments!r}"

    def length_of(root: Any) -> int:
        return len(root)

    def nothing(root: Any) -> int | None:
        return None

    described = {
        "how_many": (int | None, "How many.", 2),
        "where": (Where | None, "Which.", UNSET),
        "order_by": (Order | None, "How.", UNSET),
    }
    with_arguments(resolve, described, str)

    @strawberry.type(description="A thing.")
    class Thing:
        length = strawberry.field(length_of, description="An attribute.")
        real = strawberry.field(nothing, description="Null.", deprecation_reason="Old.")
        said = strawberry.field(resolve, description="A coroutine.")

    def abc() -> Any:
        return "abc"

    abc.__annotations__["return"] = Thing

    @strawberry.type(description="All.")
    class Query:
        thing = strawberry.field(abc, description="It.")

    return strawberry.Schema(query=Query)


def test_the_schema_is_the_same() -> None:
    assert made().as_str() == as_strawberry_makes_it().as_str()
    assert made().introspect() == as_strawberry_makes_it().introspect()


@pytest.mark.parametrize(
    "said",
    [
        "said",
        "said(howMany: 3)",
        'said(where: {name: "x"}, orderBy: {name: true})',
        "said(where: {among: [1, 2], name: null}, howMany: null)",
        "said(orderBy: {})",
        "said(orderBy: {name: null})",
        "said(where: {size: 1})",
    ],
)
async def test_it_answers_the_same(said: str) -> None:
    document = f"{{ thing {{ length real {said} }} }}"

    ours, theirs = await made().execute(document), await as_strawberry_makes_it().execute(document)

    shown = str(theirs.data).replace("as_strawberry_makes_it.<locals>.", "")
    assert (str(ours.data), str(ours.errors)) == (shown, str(theirs.errors))


def test_two_types_with_a_field_of_the_same_name_are_not_merged() -> None:
    one = object_type("One", [Field("thing", int, name="thing", description="It.")])

    with pytest.raises(TypeError, match="two fields each of thing"):
        merged("Query", [one, one], description="All.")


def test_what_a_model_brings_along_takes_no_dataclass() -> None:
    program = """
import dataclasses
made = []
process = dataclasses._process_class
dataclasses._process_class = lambda cls, *rest: made.append(cls) or process(cls, *rest)
from gql.kit.type_registry import TYPES
from gql.schema import schema
# Rules have values of their own by such names.
named = {cls.__name__ for cls in made if not cls.__module__.startswith(("lango.", "resolvers."))}
print(len(TYPES) > 1000, sorted(name for name in TYPES if name in named and not name.endswith(("Payload", "Error", "Event"))))
"""

    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert done.stdout.strip() == "True []"
