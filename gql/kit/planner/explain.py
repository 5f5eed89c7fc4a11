"""The plan of a query, to be looked at: its statements with their parameters, and what PostgreSQL makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gql.kit.planner.answers import QueryPlanner
from gql.kit.planner.statements import Statement
from lango.actor import Actor
from lango.documents import Document


@dataclass(frozen=True, slots=True)
class Planned:
    """A root field and its statement; None where the ordinary executor answers it."""

    field: str
    statement: Statement | None
    values: list[Any]


def planned(
    planner: QueryPlanner, document: Document, name: str | None, variables: Mapping[str, Any], actor: Actor
) -> list[Planned]:
    """How the planner answers each root field of a query. Raises CallerError for values that it does not take."""
    operation = document.operation(name)
    given = planner.given(operation, variables, actor)
    if given is None:
        return []
    plan = planner.plans.of_operation(document, operation, actor.database_role, given)
    return [
        Planned(root.key, root.statement, root.statement.values(given) if root.statement else []) for root in plan.roots
    ]
