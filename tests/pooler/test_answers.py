"""Two gateways over two server connections of a pooler: every answer is that of its own statement, to its own caller."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from lango.db.pipeline import make_pipeline
from lango.settings import Settings
from models.identity import User
from models.pots import Pot
from tests.client import Api
from tests.factories import Factory
from tests.pooler.conftest import Pooler

ANSWERS, FEWER = 10_000, 2_000
# Root fields of one request: each is a statement of its own.
FIELDS = 20
AT_ONCE, WRITERS = 16, 4
COLUMNS = ("id", "title", "status", "visibility", "createdAt", "birthdayDate")


@pytest.fixture
async def gateways(pooled: Settings) -> AsyncIterator[list[Api]]:
    """Each with its own pools, as two processes have."""
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(2):
            pipeline = make_pipeline(str(pooled.database_url.get_secret_value()), pooled)  # type: ignore[union-attr]
            stack.callback(pipeline.close)
            made.append(await stack.enter_async_context(Api.over(pipeline, pooled)))
        yield made


def questions() -> list[str]:
    """Root fields that are statements unlike each other, and all small."""
    some = [columns for size in (1, 2, 3) for columns in itertools.combinations(COLUMNS, size)]
    fields = [
        f"pots(first: {1 + number % 5}) {{ nodes {{ {' '.join(columns)} }} }}" for number, columns in enumerate(some)
    ]
    fields += [
        f"viewer {{ {' '.join(columns)} }}" for columns in (["id"], ["id", "email"], ["rowId", "phone", "createdAt"])
    ]
    return [*fields, "referrals(first: 2) { totalCount }", "donations(first: 2) { totalCount }", "pots { totalCount }"]


WRITE = (
    "mutation ($input: UpdatePotInput!) { updatePot(input: $input) { pot { rowId description } userErrors { code } } }"
)


# What may be answered through a pooler that is refused by name: never somebody else's answer.
AWAY = {"SERVICE_UNAVAILABLE", "TIMEOUT"}


@dataclass(frozen=True)
class Caller:
    """Somebody who sees their own rows, a pot of theirs, and what each question is to be answered."""

    user: SimpleNamespace
    pot: SimpleNamespace
    expected: dict[str, Any]


class Crowd:
    """Callers of whom each sees other rows."""

    def __init__(self, callers: list[Caller]) -> None:
        self._callers = callers
        self.answers = self.failures = 0
        self._dice = random.Random(1021)

    async def ask(self, gateway: Api) -> None:
        """One caller's questions, in one request."""
        caller = self._dice.choice(self._callers)
        fields = self._dice.sample(sorted(caller.expected), FIELDS)
        body = (await gateway(document(fields), as_=caller.user)).body
        assert {error["extensions"]["code"] for error in body.get("errors", [])} <= AWAY, body
        failed = {error["path"][0] for error in body.get("errors", []) if error.get("path")}
        for number, question in enumerate(fields):
            self.answers += 1
            if body.get("data") is None or f"f{number}" in failed:
                self.failures += 1
            else:
                assert body["data"][f"f{number}"] == caller.expected[question], question

    async def write(self, gateway: Api, number: int) -> None:
        """One change of a pot that nobody else changes meanwhile: what is answered is read after the commit."""
        caller = self._callers[number]
        text = f"written {self._dice.random()}"
        body = (
            await gateway(WRITE, {"input": {"potId": str(caller.pot.id), "description": text}}, as_=caller.user)
        ).body
        if body.get("errors"):
            assert next(error["extensions"]["code"] for error in body["errors"]) in AWAY, body
            self.failures += 1
        else:
            payload = body["data"]["updatePot"]
            assert (payload["userErrors"], payload["pot"]["description"]) == ([], text)
            assert payload["pot"]["rowId"] == str(caller.pot.id)


def batches(fields: list[str]) -> list[list[str]]:
    return [fields[start : start + FIELDS] for start in range(0, len(fields), FIELDS)]


def document(fields: list[str]) -> str:
    return "{ " + " ".join(f"f{number}: {question}" for number, question in enumerate(fields)) + " }"


@pytest.fixture
async def crowd(api: Api, make: Factory) -> Crowd:
    """What they are to hear is asked directly, without a pooler."""
    callers = []
    for _ in range(6):
        user = await make(User)
        pots = [await make(Pot, owner_user_id=user.id) for _ in range(3)]
        expected = {}
        for fields in batches(questions()):
            data = (await api(document(fields), as_=user)).data
            expected |= {question: data[f"f{number}"] for number, question in enumerate(fields)}
        callers.append(Caller(user, pots[0], expected))
    return Crowd(callers)


async def test_no_answer_is_another_statements(gateways: list[Api], crowd: Crowd, pooler: Pooler) -> None:
    most = ANSWERS if pooler.keeps_apart else FEWER

    async def go_on(number: int) -> None:
        gateway = gateways[number % 2]
        while crowd.answers < most:
            await crowd.ask(gateway)
            if number < WRITERS:
                await crowd.write(gateway, number)

    await asyncio.gather(*map(go_on, range(AT_ONCE)))

    if pooler.keeps_apart:
        assert crowd.failures == 0
    else:
        # Such a pooler is refused when one serves; whoever goes round that may hear errors, and no wrong answer.
        assert crowd.failures < crowd.answers
