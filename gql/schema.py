"""The schema, made once when this is imported."""

from __future__ import annotations

from lango.startup import lasting

with lasting():
    import strawberry
    from graphql import GraphQLOneOfDirective
    from strawberry.schema.config import StrawberryConfig
    from strawberry.schema_directives import OneOf

    from gql.kit.executor import Executor
    from gql.kit.node import MIRRORED
    from gql.kit.planner.answers import QueryPlanner
    from gql.kit.scalars import SCALARS
    from gql.kit.type_registry import TYPES
    from gql.roots import Mutation, Query, Subscription
    from lango.libraries.strawberry import directive_of, graphql_of
    from lango.observability.metrics import Metrics
    from lango.settings import Settings

    # Strawberry prints this directive without the library's own words.
    directive_of(OneOf).description = GraphQLOneOfDirective.description

    schema = strawberry.Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[TYPES[name] for name in MIRRORED],
        config=StrawberryConfig(scalar_map=SCALARS),
        execution_context_class=Executor,
    )


def make_planner(settings: Settings, metrics: Metrics, *, audits_reads: bool = True) -> QueryPlanner:
    """What answers the queries of this schema by finished JSON from the database."""
    return QueryPlanner(graphql_of(schema), settings, metrics, audits_reads=audits_reads)
