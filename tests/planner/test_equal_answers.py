"""The planner answers as the ordinary executor does: documents made from the schema, asked both ways by several callers.

For a long run: `LANGO_DOCUMENTS=100000 make test TESTS=tests/planner`. It ends with a summary of what was reached. A
difference is reported with the smallest document that makes it, and hypothesis tries it again in the next run.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.planner.bothways import CALLERS, BothWays, difference
from tests.planner.coverage import Coverage
from tests.planner.documents import Document, document
from tests.planner.smaller import smallest

DOCUMENTS = int(os.environ.get("LANGO_DOCUMENTS", "2000"))
SHARDS = 8
REJECTED = 0.05
# Hypothesis spreads numbers of this size evenly.
NUMBERS = st.integers(0, 2**24 - 1)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_both_ways_give_the_same_answer(
    both: BothWays, shard: int, record_property: Callable[[str, object], None]
) -> None:
    reached = Coverage()
    reports: dict[int, str] = {}

    # Shrinking a number makes no document smaller: `smallest` does.
    @settings(
        max_examples=-(-DOCUMENTS // SHARDS),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
    )
    @given(number=NUMBERS)
    def compare(number: int) -> None:
        if number not in reports:
            reports[number] = differing(both, Random(f"{shard}/{number}"), reached)
        assert not reports[number], reports[number]

    compare()

    record_property("coverage", reached.as_dict())
    assert reached.counts["rejected"] <= REJECTED * reached.counts["answers"], reached.summary()
    assert reached.codes["INTERNAL"] == 0, reached.codes


def differing(both: BothWays, random: Random, reached: Coverage) -> str:
    """What differs between the answers to a document by chance; nothing where they are the same."""
    made = document(random, both.values)
    reached.note_document(made)
    for caller in callers(random):
        current: Document | None = made
        while current is not None:
            planned, ordinary = both.ask(current.text, current.variables, caller)
            reached.note_answer(current, ordinary)
            if found := difference(planned, ordinary):
                return report(both, current, caller, found)
            current = current.paged_on(ordinary.data, random) if current.cursors else None
            reached.counts["paged on"] += current is not None
    return ""


def callers(random: Random) -> tuple[str, ...]:
    """Who asks: in a short run mostly one, so that more documents are asked about in the same time."""
    if "LANGO_DOCUMENTS" in os.environ or random.random() < 0.1:
        return ("staff", *random.sample(CALLERS[1:], 2))
    return ("staff",) if random.random() < 0.4 else (random.choice(CALLERS[1:]),)


def report(both: BothWays, current: Document, caller: str, found: str) -> str:
    def differs(text: str, variables: dict[str, Any]) -> bool:
        return difference(*both.ask(text, variables, caller)) is not None

    text, variables = smallest(current.text, current.variables, differs)
    planned, ordinary = both.ask(text, variables, caller)
    return (
        f"as {caller}: {difference(planned, ordinary)}\n{text}\nvariables: {variables}\n"
        f"planned:  {planned.response.text[:1500]}\nordinary: {ordinary.response.text[:1500]}\n"
        f"of the document\n{current.text}\nvariables: {current.variables}\nwhere {found}"
    )
