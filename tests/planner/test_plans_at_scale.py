"""Plans stay good as tables grow: what the statements of the approved queries visit in a large database.

The ordinary run fills a database of its own. `LANGO_LARGE=<the owner's URL>` looks at one that `lango seed --size large`
has filled.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import make_url

from lango.db.pipeline import make_pipeline
from lango.settings import Settings
from tests.databases import of_database
from tests.planner.queries import question, statements
from tests.planner.scale import Scale, filled, read, result_of

BIG = frozenset(
    {"users", "profiles", "pots", "donations", "qr_codes", "notifications", "ledger_accounts", "ledger_transactions",
     "ledger_entries"}
)  # fmt: skip
MODES = ("force_custom_plan", "force_generic_plan")
EVERYBODY = ("few", "many", "cashier", "staff", "nobody")
MEMBERS = ("few", "many", "cashier")
FIRST_POTS = "{ pots(first: 10) { edges { cursor } } }"
FIRST_DONATIONS = "{ donations(first: 3, orderBy: [{ confirmedAt: DESC }, { amountCfa: ASC }]) { edges { cursor } } }"
LARGE = os.environ.get("LANGO_LARGE")

# Why a case does not hold yet, and what would mend it.
FRIENDS = (
    "the policy of pots gathers all pots that the caller gave to before the first row is read, and then searches them "
    "one by one: `visibility = 'friends_only' AND` a function of one pot, with an index of (donor_user_id, pot_id)"
)
ANY = "no index gives the order of rows whose owner is `= ANY (array)`, so all of the caller's rows are read and sorted"
HELD = "once a page meets a withdrawn pack, the policy of packs gathers the packs of all codes that the caller holds"
BARRIER = "a face is a barrier that no ORDER BY reaches into: all donations of the pot are read and sorted"
EACH_ROW = "staff see every row, and the total asks about each of them"
GUESSED = (
    "the array of a policy is guessed to hold ten keys, so the rows seem many and the index of the order is walked to "
    "its end: the visible rows first, behind OFFSET 0, then the order"
)


def no_index(columns: str) -> str:
    return f"there is no index of {columns}"


@dataclass(frozen=True)
class Case:
    """A query, who asks it, and how many rows its plan may visit: some, and so many for each of the caller's donations.

    The blocks that are touched are bound as well, because what a policy's function reads is in no plan.
    `scans` are the big tables that staff may read whole, where the answer is about all of them. What is not reached
    yet stands in `waits`, by the caller, with its reason.
    """

    callers: tuple[str, ...]
    rows: int
    text: str = ""
    variables: Callable[[Scale], dict[str, Any]] = lambda _: {}
    # A variable, and the list whose last row gives it its cursor.
    cursor: tuple[str, str] = ("", "")
    for_each_donation: int = 0
    scans: frozenset[str] = frozenset()
    waits: dict[str, str] = field(default_factory=dict)


def of(reason: str, *callers: str) -> dict[str, str]:
    return dict.fromkeys(callers, reason)


CASES = {
    # The approved queries.
    "point": Case(EVERYBODY, 10, variables=lambda scale: {"id": scale.ids["Pot"]}),
    "list": Case((*MEMBERS, "staff"), 400, waits=of(ANY, "many")),
    "page_forwards": Case(EVERYBODY, 250, cursor=("after", FIRST_POTS), waits=of(FRIENDS, "many")),
    "page_backwards": Case(EVERYBODY, 250, cursor=("before", FIRST_POTS), waits=of(FRIENDS, "many")),
    "nested": Case(EVERYBODY, 4000),
    "nested_as_staff": Case(("staff",), 4000),
    "where_through_relations": Case(
        ("few", "many", "staff"), 500, for_each_donation=20, waits=of(EACH_ROW, "staff")
    ),
    "order_with_nulls": Case(
        ("few", "many", "staff"), 250, cursor=("after", FIRST_DONATIONS),
        waits=of(ANY, "many") | of(no_index("donations (confirmed_at DESC NULLS LAST, amount_cfa, id)"), "staff"),
    ),
    "aggregate_by_day": Case(("few", "many", "staff"), 300, for_each_donation=3, scans=frozenset({"donations"})),
    "aggregate_under_parents": Case(EVERYBODY, 3000),
    "node_and_nodes": Case(
        EVERYBODY, 300,
        variables=lambda scale: {
            "id": scale.ids["Pot"], "ids": [scale.ids[name] for name in ("User", "Pot", "Pack", "Pot")]
        },
    ),
    "fragments": Case(
        MEMBERS, 200, variables=lambda _: {"full": True, "brief": False}
    ),
    "in_python": Case(
        ("few", "many", "staff"), 100, variables=lambda scale: {"id": scale.ids["Pot"]}
    ),
    "redeemed": Case(("cashier",), 300),
    # The lists of the other big tables, and what is hard for them.
    "pots": Case(
        EVERYBODY, 400, "{ pots(first: 50) { nodes { id title status createdAt } } }", waits=of(FRIENDS, "many")
    ),
    "pots by birthday": Case(
        EVERYBODY, 600, "{ pots(first: 50, orderBy: [{ birthdayDate: DESC }]) { nodes { id title } } }",
        waits=of(FRIENDS, "many"),
    ),
    "pots by what no index has": Case(
        EVERYBODY, 600, "{ pots(first: 50, orderBy: [{ closedAt: DESC }]) { nodes { id title } } }",
        waits=of("an order without an index is not refused where a filter without one is", *EVERYBODY),
    ),
    "packs": Case(EVERYBODY, 400, "{ packs(first: 50) { nodes { id name } } }", waits=of(HELD, "many")),
    "notifications": Case(
        (*MEMBERS, "staff"), 400, "{ notifications(first: 50) { nodes { id body status } } }",
        waits=of(ANY, "many"),
    ),
    "codes": Case(
        (*MEMBERS, "staff"), 400, "{ qrCodes(first: 50) { nodes { id code status } } }",
        waits=of(ANY, "many", "cashier") | of(no_index("qr_codes (created_at, id)"), "staff"),
    ),
    "codes that expire next": Case(
        (*MEMBERS, "staff"), 600,
        "{ qrCodes(first: 50, where: { status: { eq: ISSUED } }, orderBy: [{ expiresAt: ASC }]) { nodes { id code } } }",
        waits=of(GUESSED, *MEMBERS) | of(no_index("qr_codes (status, expires_at, id)"), "staff"),
    ),
    "entries": Case(
        ("few", "many", "staff"), 400, "{ ledgerEntries(first: 50) { nodes { id amount } } }",
        waits=of(ANY, "many"),
    ),
    "the hottest pot": Case(
        EVERYBODY, 400,
        "query ($id: ID!) { pot(id: $id) { title contributions(first: 20) { nodes { amountCfa donorName } } } }",
        variables=lambda scale: {"id": scale.ids["hot Pot"]}, waits=of(BARRIER, *EVERYBODY),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
async def scale(template_url: str, settings: Settings, gateway_url: str) -> AsyncIterator[Scale]:
    async with AsyncExitStack() as stack:
        owner_url = LARGE or await stack.enter_async_context(filled(template_url))
        ours = make_url(LARGE).set(username="lango_gateway", password=None) if LARGE else make_url(gateway_url)
        address = of_database(ours.render_as_string(hide_password=False), str(make_url(owner_url).database))
        pipeline = make_pipeline(address, settings, pool_size=1)
        stack.callback(pipeline.close)
        yield await Scale.of(owner_url, pipeline)


def cases() -> Iterator[Any]:
    for name, case in CASES.items():
        for caller in case.callers:
            # The seeds make nobody's rows so many that a case must fail with them.
            waits = [
                pytest.mark.xfail(reason=reason, raises=AssertionError, strict=not LARGE)
                for who, reason in case.waits.items()
                if who == caller
            ]
            yield pytest.param(name, caller, marks=waits, id=f"{name}-{caller}")


@pytest.mark.parametrize(("name", "caller"), list(cases()))
async def test_a_plan_visits_what_its_answer_needs(scale: Scale, name: str, caller: str) -> None:
    case, actor = CASES[name], scale.callers[caller]
    text, variables = (case.text, {}) if case.text else (question(name).text, question(name).variables)
    variables |= case.variables(scale)
    variable, listed = case.cursor
    if variable:
        variables[variable] = await last_cursor(scale, listed, caller)
    most = case.rows + case.for_each_donation * scale.donations[caller]

    made = statements(text, variables, actor, key=(scale.code,), audits_reads=False)
    planned_reads = [planned for planned in made if planned.sql is not None]
    assert planned_reads
    for planned in planned_reads:
        for mode in MODES:
            reading = await read(scale.pipeline, actor, planned, mode)
            seen = f"{mode}: {reading.visited} rows, {reading.blocks} blocks\n{json.dumps(reading.plan, indent=1)}"
            assert reading.scanned & BIG <= (case.scans if actor.is_staff else frozenset()), seen
            assert reading.visited <= most, seen
            assert reading.blocks <= 2 * most, seen


async def last_cursor(scale: Scale, text: str, caller: str) -> str:
    """The cursor of the list's last row, as the caller sees it."""
    (planned,) = statements(text, {}, scale.callers[caller], audits_reads=False)
    answer = json.loads(await result_of(scale.pipeline, scale.callers[caller], planned))
    (edges,) = answer.values()
    return str(edges[-1]["cursor"])
