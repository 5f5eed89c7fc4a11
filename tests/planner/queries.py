"""The queries that `approved/` keeps, and the statements that the planner makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from graphql import FieldNode, GraphQLObjectType, OperationType, get_named_type

from gql.kit.deferred_values import RequestValues
from gql.kit.node import MIRRORED
from gql.kit.planner.answers import QueryPlanner
from gql.kit.planner.explain import Planned, of_statement, planned
from gql.schema import make_planner, schema
from lango.actor import Actor, Role
from lango.graphql.documents import Documents
from lango.observability.metrics import Metrics
from lango.settings import Settings

FOLDER = Path(__file__).with_name("approved")
SOMEBODY = UUID("00000000-0000-4000-8000-000000000007")
CALLERS = {
    "nobody": Actor(),
    "a member": Actor(SOMEBODY, frozenset({Role.USER})),
    "staff": Actor(SOMEBODY, frozenset({Role.USER, Role.ADMIN})),
}


@dataclass(frozen=True)
class Question:
    """A query of a file, which says in comments who asks it and with which variables:

    # As a member.
    # With {"id": "..."}.
    """

    name: str
    text: str

    @property
    def caller(self) -> str:
        return self._comment("As") or "a member"

    @property
    def variables(self) -> dict[str, Any]:
        return dict(orjson.loads(self._comment("With") or "{}"))

    def _comment(self, word: str) -> str:
        found = [line for line in self.text.splitlines() if line.startswith(f"# {word} ")]
        return found[0].removeprefix(f"# {word} ").rstrip(".") if found else ""


@cache
def question(name: str) -> Question:
    return Question(name, (FOLDER / f"{name}.graphql").read_text(encoding="utf-8"))


def questions() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.graphql"))


@cache
def tools(audits_reads: bool) -> tuple[QueryPlanner, Documents]:
    settings, metrics = Settings(_env_file=None), Metrics()
    return make_planner(settings, metrics, audits_reads=audits_reads), Documents(schema, settings, metrics)


def statements(
    text: str,
    variables: Mapping[str, Any],
    actor: Actor,
    key: tuple[Any, ...] = (SOMEBODY,),
    *,
    audits_reads: bool = True,
) -> list[Planned]:
    """The statements of a query's root fields; of a mutation, those that read the objects of its payloads, by `key`."""
    planner, documents = tools(audits_reads)
    document = documents.get_at_once(text)
    operation = document.operation(None)
    if operation.operation is OperationType.QUERY:
        return planned(planner, document, None, variables, actor)
    coerced = planner.given(document, operation, variables, actor)
    assert coerced is not None, "wrong variables"
    given = RequestValues(coerced.variables, actor.user_id, key)
    found = []
    for path, model, node in made_objects(operation.selection_set.selections):
        role = actor.database_role
        plan = planner.plans.of_object_at_once(document, operation, role, given, MIRRORED[model], [node], path)
        statement = plan.roots[0].statement
        assert statement is not None
        found.append(of_statement(".".join(path), statement, given))
    return found


def made_objects(selections: Any) -> Iterator[tuple[tuple[str, ...], str, FieldNode]]:
    """The fields of payloads that are rows: their path, their type, their node."""
    mutation = schema._schema.mutation_type
    assert mutation is not None
    for rule in selections:
        payload = get_named_type(mutation.fields[rule.name.value].type)
        assert isinstance(payload, GraphQLObjectType)
        for node in rule.selection_set.selections:
            type_ = get_named_type(payload.fields[node.name.value].type)
            if type_.name in MIRRORED:
                yield (rule.name.value, node.name.value), type_.name, node
