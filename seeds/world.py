"""What every part of the demo data shares: the day, the dice, the people and the sizes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from random import Random
from typing import NamedTuple
from uuid import UUID, uuid5

from lango.values import codes
from seeds.copying import Rows

NAMESPACE = UUID("5e1f0c9a-6d0b-5b0e-9c39-6c616e676f31")
DEMO_DOMAIN = "demo.lango.example"
# How far back the data goes.
DAYS = 400


@dataclass(frozen=True, slots=True)
class Size:
    """How many of what drives the rest."""

    users: int
    pots: int
    donations_a_pot: int
    partners: int
    traders: int
    daos: int
    card_accounts: int
    # The part of donations whose webhook is kept, and how many of the thin, wide tables' rows there are for a user.
    webhooks: float
    events_a_user: float


SIZES = {
    "small": Size(50, 30, 8, 6, 14, 4, 3, 1.0, 6.0),
    "medium": Size(5_000, 2_600, 20, 60, 400, 60, 30, 0.3, 4.0),
    "large": Size(100_000, 52_000, 20, 500, 6_000, 800, 300, 0.05, 3.0),
}


class Person(NamedTuple):
    """A user, as the other parts need them."""

    id: UUID
    name: str
    email: str
    phone: str
    born: date
    joined: datetime
    kenyan: bool
    # May sign in and act: neither deleted, suspended nor a minor.
    adult: bool


@dataclass
class World:
    """The day of the load, at midnight UTC, and what was made so far."""

    size: Size
    today: datetime
    rows: Rows
    people: list[Person] = field(default_factory=list)
    adults: list[Person] = field(default_factory=list)
    callers: dict[str, Person] = field(default_factory=dict)

    def dice(self, part: str) -> Dice:
        """The same throws each time, whatever the other parts do."""
        return Dice(f"lango {part}", self.today)

    @property
    def staff(self) -> UUID:
        return self.callers["admin"].id


class Dice(Random):
    """Chance that repeats itself, in ids, hashes and moments too."""

    def __init__(self, seed: str, today: datetime) -> None:
        super().__init__(seed)
        self._today = today

    def id(self) -> UUID:
        number = self.getrandbits(128) & ~(0xF000 << 64 | 0xC000 << 48) | 0x4000 << 64 | 0x8000 << 48
        return UUID(int=number)

    def code(self, length: int) -> str:
        """A code such as `lango.values.codes` makes."""
        return "".join(self.choice(codes.ALPHABET) for _ in range(length))

    def hexadecimal(self, digits: int) -> str:
        return f"{self.getrandbits(4 * digits):0{digits}x}"

    def happens(self, probability: float) -> bool:
        return self.random() < probability

    def moment(self, after: datetime, before: datetime) -> datetime:
        """A whole second between the two."""
        seconds = int((before - after).total_seconds())
        return after + timedelta(seconds=int(self.random() * seconds)) if seconds > 0 else after

    def ago(self, most_days: float, least_days: float = 0) -> datetime:
        """A moment so many days before the load's day."""
        return self.moment(self._today - timedelta(days=most_days), self._today - timedelta(days=least_days))

    def opaque(self) -> str:
        """Stands where an encrypted value would; nothing can decrypt it."""
        return f"ZGVtbw{self.hexadecimal(60)}AA=="

    def password_hash(self) -> str:
        """Looks like argon2id and is the hash of nothing."""
        return f"$argon2id$v=19$m=65536,t=3,p=4${self.hexadecimal(22)}${self.hexadecimal(43)}"

    def address(self) -> str:
        """An IP address out of the ranges that are reserved for documentation."""
        return f"{self.choice(('192.0.2', '198.51.100', '203.0.113'))}.{self.randrange(1, 255)}"


def named(name: str) -> UUID:
    """An id that stays the same in every size."""
    return uuid5(NAMESPACE, name)


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def midnight() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def at(day: date) -> datetime:
    """Midnight UTC of a day, which is Dakar's too."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
