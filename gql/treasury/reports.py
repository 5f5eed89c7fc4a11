"""Financial reports and dashboards, as the API shows them."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from strawberry.types import Info

import models.treasury as m
from gql.kit.loaders import read_node
from gql.kit.mirror import mirrors
from gql.kit.mutation import mutations
from gql.kit.node import parse_id
from gql.kit.roots import root_fields
from gql.kit.scalars import Json
from gql.treasury import dashboards
from lango.actor import NOBODY, DatabaseRole
from lango.db.fair_queue import SYSTEM
from lango.db.transaction import acting_as
from lango.graphql.permissions import FOR_STAFF
from resolvers.treasury import reports

mirrors(m.FinancialReport)


@strawberry.type(description="The figures of a report, drawn up from the ledger once more.")
class ReproducedReport:
    report_data: Json = strawberry.field(description="What they are, up to the report's `ledgerPosition`.")
    agrees: bool = strawberry.field(description="Whether the report says the same, to the letter.")


async def _reproduce(
    info: Info,
    report_id: Annotated[strawberry.ID, strawberry.argument(description="The report's id, or its `rowId`.")],
) -> Any:
    """Draw up a report's figures again, from the ledger up to its position; null where you may not see the report."""
    report = await read_node(info.context, m.FinancialReport, parse_id(m.FinancialReport, report_id))
    if report is None or (report.dao_id or report.user_id) is None:
        return None
    # Whoever sees the report sees its figures, also where they are no longer a member and see no more of the ledger.
    async with acting_as(info.context.pipeline, NOBODY, read_only=True, role=DatabaseRole.RULES, caller=SYSTEM) as tx:
        figures = await reports.reproduced(tx, report)
    return ReproducedReport(report_data=figures, agrees=str(figures) == str(report.report_data))


_reproduce.__annotations__["return"] = ReproducedReport | None


@strawberry.type
class Query(root_fields(m.FinancialReport)):  # type: ignore[misc]
    reproduce_financial_report = strawberry.field(_reproduce, description=_reproduce.__doc__)
    financial_dashboard = strawberry.field(
        dashboards.financial_dashboard,
        description=dashboards.financial_dashboard.__doc__,
        metadata={FOR_STAFF: True},
    )
    dao_dashboard = strawberry.field(dashboards.dao_dashboard, description=dashboards.dao_dashboard.__doc__)


Mutation = mutations(
    reports.generate_financial_report,
    reports.submit_financial_report,
    reports.review_financial_report,
    reports.publish_financial_report,
    reports.archive_financial_report,
)
