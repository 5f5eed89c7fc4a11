"""Whose hands a user is in: nobody deals with themselves through those they act for."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from lango.actor import NOBODY, DatabaseRole
from lango.db.pipeline import Pipeline
from lango.db.transaction import acting_as
from models.identity import User
from models.profiles import Profile
from resolvers.kernel.guardianship import related_parties
from tests.factories import Factory, now


class Family:
    """Two children of one guardian, a child of somebody else, and people without any tie."""

    def __init__(self, make: Factory) -> None:
        self.make = make

    async def adult(self) -> SimpleNamespace:
        return await self.make(User)

    async def child_of(self, guardian: SimpleNamespace, age: int = 12, **given: Any) -> SimpleNamespace:
        child = await self.make(User)
        await self.make(Profile, user_id=child.id, date_of_birth=born(age), guardian_user_id=guardian.id,
                        **{"relationship_type": "parent", "guardian_accepted_at": now(), **given})  # fmt: skip
        return child


def born(age: int) -> date:
    return date(date.today().year - age, 1, 1)


@pytest.fixture
def family(make: Factory) -> Family:
    return Family(make)


async def related(pipeline: Pipeline, user: SimpleNamespace) -> frozenset[Any]:
    async with acting_as(pipeline, NOBODY, role=DatabaseRole.RULES) as tx:
        return await related_parties(tx, user.id)


async def one_person(pipeline: Pipeline, one: SimpleNamespace, other: SimpleNamespace) -> bool:
    """Whether the two are in the same hands, whichever comes first."""
    found = {other.id in await related(pipeline, one), one.id in await related(pipeline, other)}
    assert len(found) == 1
    return found.pop()


async def test_a_guardian_their_minors_and_nobody_else_are_related(pipeline: Pipeline, family: Family) -> None:
    guardian, stranger = await family.adult(), await family.adult()
    first, second = await family.child_of(guardian), await family.child_of(guardian, 17)
    others = await family.child_of(stranger)

    for person in (guardian, first, second):
        assert await related(pipeline, person) == {guardian.id, first.id, second.id}
    assert await related(pipeline, others) == {others.id, stranger.id}


async def test_somebody_without_a_guardian_is_related_to_themselves(pipeline: Pipeline, family: Family) -> None:
    one, other = await family.adult(), await family.adult()

    assert await related(pipeline, one) == {one.id}
    assert await one_person(pipeline, one, one)
    assert not await one_person(pipeline, one, other)


async def test_the_order_of_the_two_users_does_not_matter(pipeline: Pipeline, family: Family) -> None:
    guardian, stranger = await family.adult(), await family.adult()
    first, second = await family.child_of(guardian), await family.child_of(guardian)

    assert await one_person(pipeline, guardian, first)
    assert await one_person(pipeline, first, second)
    assert not await one_person(pipeline, first, stranger)
    assert not await one_person(pipeline, guardian, stranger)


async def test_an_adult_is_not_related_to_a_former_guardian_or_sibling(pipeline: Pipeline, family: Family) -> None:
    guardian = await family.adult()
    grown, minor = await family.child_of(guardian, 19), await family.child_of(guardian)

    assert not await one_person(pipeline, guardian, grown)
    assert not await one_person(pipeline, grown, minor)


async def test_a_guardian_who_is_named_and_has_not_agreed_is_related(pipeline: Pipeline, family: Family) -> None:
    named = await family.adult()
    ward = await family.child_of(named, guardian_accepted_at=None)

    assert await one_person(pipeline, named, ward)
