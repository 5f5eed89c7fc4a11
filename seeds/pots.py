"""Which pots there are: whose, when, in which state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from seeds.world import Dice, Person, World, at, named

STATES = ("scheduled", "open", "funded", "closed", "expired", "cancelled")
WEIGHTS = (10, 28, 20, 25, 12, 5)
# What the first pots show in every size; the last of them is deleted.
FIRST = (*STATES, "cancelled")


@dataclass(frozen=True)
class Plan:
    """A pot before anything was given to it."""

    owner: Person
    status: str
    birthday: date
    opens: datetime
    closed: datetime | None
    # No donation is later.
    last_gift: datetime
    visibility: str
    anonymous: bool
    messages: bool
    ip: str
    by_referral: bool = False
    id: UUID | None = None
    title: str | None = None
    # Who gives first and is invited, and what becomes of the codes, where that is not left to chance.
    donors: Sequence[Person] = ()
    codes: Sequence[str] | None = None
    deleted: datetime | None = None


def pots(world: World) -> Iterator[Plan]:
    """The demo owner's first, then everybody's."""
    dice = world.dice("planning")
    demo = list(_of_the_demo_owner(world, dice))
    yield from demo
    # The callers are left out: their pots are made by hand.
    owners = world.adults[len(world.callers) :]
    for number in range(world.size.pots - len(demo)):
        # The first pots show every state, whatever the size.
        state = FIRST[number] if number < len(FIRST) else dice.choices(STATES, WEIGHTS)[0]
        yield _plan(world, dice, owners[number % len(owners)], state, number)


def _plan(world: World, dice: Dice, owner: Person, state: str, number: int) -> Plan:
    since = (world.today - owner.joined).days
    # Days from today to the birthday. A pot opens 30 days before it, and its owner had joined by then.
    ranges = {
        "scheduled": (33, 120), "open": (-18, 27), "funded": (-25, 20), "closed": (35 - since, -6),
        "expired": (35 - since, -31), "cancelled": (35 - since, 15),
    }  # fmt: skip
    return plan(
        world, dice, owner, state, dice.randint(*ranges[state]),
        ("public", "private", "friends_only")[number % 3], by_referral=number % 2 == 0,
        deleted=dice.ago(0.08, 0.01) if state in ("scheduled", "cancelled") and number % 30 == len(STATES) else None,
    )  # fmt: skip


def plan(
    world: World, dice: Dice, owner: Person, state: str, offset: int, visibility: str, *, name: str | None = None,
    title: str | None = None, by_referral: bool = False, donors: Sequence[Person] = (),
    codes: Sequence[str] | None = None, deleted: datetime | None = None,
) -> Plan:  # fmt: skip
    """A pot whose birthday is `offset` days from today."""
    birthday = world.today.date() + timedelta(days=offset)
    opens = at(birthday) - timedelta(days=30)
    now = world.today - timedelta(hours=2)
    closed = None
    last_gift = min(now, at(birthday))
    if state == "closed":
        closed = at(birthday) + timedelta(days=min(-offset - 1, dice.randint(1, 25)), hours=9)
    elif state == "expired":
        closed = at(birthday) + timedelta(days=30)
    elif state == "cancelled":
        closed = min(now, at(birthday) - timedelta(days=dice.randint(5, 10)))
        last_gift = closed - timedelta(hours=1)
    return Plan(
        owner, state, birthday, opens, closed, last_gift, visibility, dice.happens(0.85), dice.happens(0.9),
        dice.address(), by_referral, named(name) if name else None, title, donors, codes, deleted,
    )  # fmt: skip


def _of_the_demo_owner(world: World, dice: Dice) -> Iterator[Plan]:
    owner, member = world.callers["pot_owner"], world.callers["member"]
    friends = world.adults[8:12]
    yield plan(
        world, dice, owner, "funded", -3, "public", name="pot birthday", title="Les 34 ans de Moussa",
        donors=[member, *friends], codes=("issued", "issued", "issued", "redeemed", "cancelled"),
    )  # fmt: skip
    yield plan(
        world, dice, owner, "open", 12, "friends_only", name="pot friends", title="Une surprise pour Coumba",
        donors=[member, *friends], codes=("issued", "cancelled"),
    )  # fmt: skip
    yield plan(
        world, dice, owner, "closed", -58, "private", name="pot closed", title="L'anniversaire de Maman",
        donors=[member, *friends], codes=("redeemed", "redeemed", "expired"),
    )  # fmt: skip
    yield plan(world, dice, owner, "scheduled", 61, "private", name="pot scheduled", title="Les 40 ans de Samba")
    yield plan(
        world, dice, member, "open", 9, "public", name="pot member", title="L'anniversaire d'Awa",
        donors=[owner, *friends], codes=("issued",),
    )  # fmt: skip
    # The member acts for this one as its guardian.
    child = world.people[len(world.callers)]
    yield plan(
        world, dice, child, "open", 20, "private", name="pot ward", title="La fête des enfants", donors=[member],
        codes=("issued",),
    )  # fmt: skip
