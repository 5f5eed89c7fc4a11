"""The plan of a query, to be looked at: its statements with their parameters, and what is left to Python."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from graphql import GraphQLError, OperationDefinitionNode, OperationType, get_variable_values

from gql.kit.deferred_values import NotPlanned, PlanConditions, RequestValues
from gql.kit.planner.answers import QueryPlanner
from gql.kit.planner.builder import PLAN, Builder
from gql.kit.planner.plans import Root
from gql.kit.planner.selections import DEFINITION, Selections
from gql.kit.planner.statements import Statement
from lango.actor import Actor, DatabaseRole
from lango.errors import BadUserInput, CallerError
from lango.graphql.documents import Document
from lango.graphql.variables import in_json

NO_DATABASE = "its answer is the same for everybody, without a statement"
TOKEN = re.compile(r"E?'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|/\*.*?\*/|\|\||[()]|[\w$.]+|\s+|.", re.DOTALL)
# These begin a line, and so does text in which the name of a member stands.
CLAUSES = frozenset({"FROM", "WHERE", "GROUP", "ORDER", "LIMIT"})
MEMBER = re.compile(r"E?'(?:\\x\w\w)?[\]}\"]*,\"\w+\":")


@dataclass(frozen=True, slots=True)
class Planned:
    """A root field and how it is answered: by a statement, or else `reason` says how."""

    key: str
    sql: str | None = None
    values: list[Any] = field(default_factory=list)
    # The fields that Python fills in, as `QrCode.svg`.
    in_python: tuple[str, ...] = ()
    # What goes into the context, for a pot that is asked for by the token of its share link.
    share_token: str | None = None
    reason: str = ""

    @property
    def lines(self) -> str:
        """The statement in lines that a person can read."""
        return laid_out(self.sql or "")


def planned(
    planner: QueryPlanner, document: Document, name: str | None, variables: Mapping[str, Any], actor: Actor
) -> list[Planned]:
    """How the planner answers each root field of a query. Raises CallerError for what is no query, and for values
    that it does not take."""
    operation = document.operation(name)
    if operation.operation is not OperationType.QUERY:
        raise BadUserInput(f"This is a {operation.operation.value}: only a query has a plan.")
    given = planner.given(document, operation, variables, actor)
    if given is None:
        raise BadUserInput(_wrong(planner, operation, variables))
    role = actor.database_role
    plan = planner.plans.of_operation_at_once(document, operation, role, given)
    return [_planned_root(planner, document, operation, role, given, root) for root in plan.roots]


def of_statement(key: str, statement: Statement, given: RequestValues) -> Planned:
    """A statement with what a request gives it. Raises CallerError for a value that a field does not take."""
    placeholders = (
        f"{placeholder.type_name}.{placeholder.nodes[0].name.value}" for placeholder in statement.placeholders
    )
    token = statement.presented(given) if statement.presented else None
    return Planned(key, statement.sql, statement.values(given), tuple(dict.fromkeys(placeholders)), token)


def _planned_root(
    planner: QueryPlanner,
    document: Document,
    operation: OperationDefinitionNode,
    role: DatabaseRole,
    given: RequestValues,
    root: Root,
) -> Planned:
    if root.constant is not None:
        return Planned(root.key, reason=NO_DATABASE)
    try:
        if root.statement is not None:
            return of_statement(root.key, root.statement, given)
        reason = _reason(planner, document, operation, role, given, root)
    except (CallerError, GraphQLError) as error:
        reason = f"the query is refused: {error}"
    return Planned(root.key, reason=f"the ordinary executor answers it, because {reason}")


def _reason(
    planner: QueryPlanner,
    document: Document,
    operation: OperationDefinitionNode,
    role: DatabaseRole,
    given: RequestValues,
    root: Root,
) -> str:
    """Why a root field has no plan. Raises what is wrong with its arguments."""
    schema, conditions = planner.plans.schema, PlanConditions(given)
    assert schema.query_type is not None
    selections = Selections(schema, document.fragments, operation, conditions)
    nodes = selections.fields(schema.query_type, [operation.selection_set])[root.key]
    name = nodes[0].name.value
    found = schema.query_type.fields.get(name)
    if found is None:
        return "it asks about the schema"
    plan = found.extensions[DEFINITION].metadata.get(PLAN)
    if plan is None:
        return f"Query.{name} is Python"
    with suppress(NotPlanned):
        # Made once more, because a plan does not keep why it was not made.
        plan(Builder(selections, conditions, staff=role is DatabaseRole.STAFF), schema.query_type, nodes)
    return f"Query.{name} asked for in this way is Python"


def _wrong(planner: QueryPlanner, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> str:
    schema = planner.plans.schema
    coerced = get_variable_values(schema, operation.variable_definitions or (), dict(variables))
    assert isinstance(coerced, list)
    return " ".join(error.message for error in in_json(coerced, schema, operation, variables))


def laid_out(sql: str) -> str:
    """The statement in lines that a person can read, deeper inside each SELECT; a member of an object begins one."""
    tokens = TOKEN.findall(sql)
    selecting = _brackets_with_select(tokens)
    lines: list[str] = []
    # For each bracket that is open, whether a SELECT stands in it.
    brackets: list[bool] = []
    line = last = ""

    def end() -> None:
        nonlocal line
        if line.strip():
            lines.append("  " * (sum(brackets) + line.lstrip().startswith(("'", "E'"))) + line.strip())
        line = ""

    for place, token in enumerate(tokens):
        if token.isspace():
            line += " "
            continue
        if token == ")" and brackets[-1]:
            end()
        if token == ")":
            brackets.pop()
        elif (token in CLAUSES and last != "DISTINCT" and all(brackets[-1:])) or (last == "||" and MEMBER.match(token)):
            end()
        line += token
        if token == "(":
            if place in selecting:
                end()
            brackets.append(place in selecting)
        last = token
    end()
    return "\n".join(lines)


def _brackets_with_select(tokens: list[str]) -> set[int]:
    """The places of the brackets behind which a SELECT stands."""
    visible = [(place, token) for place, token in enumerate(tokens) if not token.isspace()]
    return {place for (place, token), (_, following) in pairwise(visible) if (token, following) == ("(", "SELECT")}
