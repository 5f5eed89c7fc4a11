"""A document that is new is prepared and planned in slices, with work in proportion to it, and once for all who send it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from gql.kit.deferred_values import RequestValues
from gql.schema import make_planner, schema
from lango.actor import DatabaseRole
from lango.errors import CallerError
from lango.graphql import time_slices
from lango.graphql.documents import Documents, InvalidDocument
from lango.graphql.time_slices import Slices, pause
from lango.observability.metrics import Metrics
from lango.settings import Settings


class Gateway:
    """What prepares and plans documents, without a database."""

    def __init__(self) -> None:
        settings, metrics = Settings(_env_file=None, max_aliases=400), Metrics()
        self.documents = Documents(schema, settings, metrics)
        self.planner = make_planner(settings, metrics)

    async def plan(self, text: str) -> Any:
        document = await self.documents.get(text)
        return await self.planner.plans.of_operation(
            document, document.operation(None), DatabaseRole.MEMBER, RequestValues({})
        )


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def finest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every place to pause is used."""
    monkeypatch.setattr(time_slices, "SLICE", 0.0)


async def turns(work: Coroutine[Any, Any, Any]) -> int:
    """How often somebody else gets a turn while the work is done."""
    task, count = asyncio.ensure_future(work), 0
    while not task.done():
        count += 1
        await asyncio.sleep(0)
    await task
    return count


def lists(number: int) -> str:
    listed = (
        f"a{n}: donations(first: 2, where: {{amountCfa: {{gt: {n}}}}}) {{ nodes {{ id p{n}: status }} pageInfo {{ endCursor }} }}"
        for n in range(number)
    )
    return f"{{ pots(first: 2) {{ nodes {{ {' '.join(listed)} }} }} }}"


def roots(number: int) -> str:
    return (
        "{ "
        + " ".join(f"a{n}: pots(first: {n}) {{ nodes {{ ...F }} }}" for n in range(number))
        + " } "
        + ("fragment F on Pot { id title ownerUser { id } donations { totalCount } }")
    )


def columns(number: int) -> str:
    return f"{{ pots {{ nodes {{ {' '.join(f'a{n}: title' for n in range(number))} }} }} }}"


def objects(number: int) -> str:
    return f"{{ pots {{ nodes {{ {' '.join(f'a{n}: ownerUser {{ p{n}: id }}' for n in range(number))} }} }} }}"


def groups(number: int) -> str:
    listed = " ".join(
        f"a{n}: donationsAggregate(first: {n + 1}) {{ count sum {{ amountCfa }} }}" for n in range(number)
    )
    return f"{{ pots {{ nodes {{ {listed} }} }} }}"


@pytest.mark.usefixtures("finest")
@pytest.mark.parametrize("made", [lists, roots, columns, objects, groups])
async def test_the_work_grows_with_the_document(made: Callable[[int], str]) -> None:
    first, second = [await turns(Gateway().plan(made(number))) for number in (20, 40)]

    assert 50 < first < second < 2.2 * first


async def test_a_long_document_lets_others_go_first(gateway: Gateway) -> None:
    assert await turns(gateway.plan(lists(90))) > 10


async def test_a_document_that_compares_its_fields_lets_others_go_first(gateway: Gateway) -> None:
    same = "{" + " pots { totalCount }" * 200 + "}"

    assert await turns(gateway.documents.get(same)) > 10


async def test_a_document_that_compares_too_many_is_refused(gateway: Gateway) -> None:
    same = "{" + " pots { totalCount }" * 450 + "}"

    with pytest.raises(InvalidDocument):
        await gateway.documents.get(same)


async def test_a_short_document_is_ready_before_the_long_ones_that_came_first(gateway: Gateway) -> None:
    order: list[str] = []

    async def send(name: str, text: str) -> None:
        await gateway.plan(text)
        order.append(name)

    await asyncio.gather(*(send("long", lists(80 + n)) for n in range(3)), send("short", "{ pots { totalCount } }"))

    assert order[0] == "short"


async def test_the_same_document_is_prepared_once_for_all_who_send_it(gateway: Gateway) -> None:
    text = lists(20)

    plans = await asyncio.gather(*(gateway.plan(text) for _ in range(5)))

    assert len({id(plan) for plan in plans}) == 1
    assert len(gateway.documents._documents) == 1


@pytest.mark.usefixtures("finest")
async def test_who_waits_for_another_goes_on_when_the_other_gives_up(gateway: Gateway) -> None:
    text = lists(20)
    first, second = (asyncio.ensure_future(gateway.plan(text)) for _ in range(2))
    for _ in range(50):
        await asyncio.sleep(0)

    first.cancel()

    assert (await second).roots
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_an_error_of_a_computation_is_raised_where_it_is_waited_for() -> None:
    def fails() -> None:
        pause()
        raise CallerError("no")

    with pytest.raises(CallerError, match="no"):
        await Slices().run(fails)


@pytest.mark.usefixtures("finest")
async def test_a_cancelled_computation_ends_at_its_last_pause() -> None:
    ended: list[str] = []

    def endless() -> None:
        try:
            while True:
                pause()
        finally:
            ended.append("ended")

    task = asyncio.ensure_future(Slices().run(endless))
    for _ in range(10):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert ended == ["ended"]


@pytest.mark.usefixtures("finest")
async def test_of_several_computations_one_has_a_slice_at_a_time() -> None:
    order: list[int] = []
    sliced = Slices()

    def steps(number: int) -> Callable[[], None]:
        def compute() -> None:
            for _ in range(3):
                order.append(number)
                pause()

        return compute

    await asyncio.gather(*(sliced.run(steps(number)) for number in range(3)))

    assert order == [0, 1, 2] * 3
