"""Passwords are hashed as they are meant, at the same cost for everybody."""

from __future__ import annotations

import time
from statistics import median

import pytest

from lango.security import passwords
from lango.security.passwords import NOBODYS, PasswordTooLong

PASSWORD = "un café à Saint-Louis"


async def test_a_password_matches_its_own_hash_alone() -> None:
    stored = await passwords.hashed(PASSWORD)

    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.matches(PASSWORD, stored)
    assert not await passwords.matches(f"{PASSWORD} ", stored)
    assert not await passwords.matches(PASSWORD.upper(), stored)
    assert await passwords.hashed(PASSWORD) != stored


async def test_every_keyboard_writes_the_same() -> None:
    stored = await passwords.hashed("cafe\u0301 ﬁn ２０２６")

    assert await passwords.matches("caf\u00e9 fin 2026", stored)


@pytest.mark.parametrize("password", ["x" * 1_025, "é" * 513, "\ufdfa" * 60])
async def test_what_is_too_long_is_not_hashed(password: str) -> None:
    begun = time.perf_counter()

    with pytest.raises(PasswordTooLong):
        await passwords.hashed(password)
    assert not await passwords.matches(password, NOBODYS)

    assert time.perf_counter() - begun < 0.02


async def test_a_whole_password_counts() -> None:
    long = "y" * 1_023
    stored = await passwords.hashed(f"{long}a")

    assert await passwords.matches(f"{long}a", stored)
    assert not await passwords.matches(f"{long}b", stored)


@pytest.mark.parametrize(
    "stored", ["", "x", "$argon2id$v=19$m=65536,t=3,p=4$0123$4567", "$2b$12$abcdefghijklmnopqrstuv"]
)
async def test_what_is_no_hash_opens_nothing(stored: str) -> None:
    assert not await passwords.matches(PASSWORD, stored)
    assert not await passwords.matches("", stored)


async def test_half_of_a_surrogate_pair_is_no_error() -> None:
    assert not await passwords.matches("\ud83d", await passwords.hashed("\ud83e"))


async def test_nobody_costs_as_much_as_somebody() -> None:
    stored = await passwords.hashed(PASSWORD)

    async def seconds(against: str | None) -> float:
        begun = time.perf_counter()
        assert not await passwords.matches("wrong", against)
        return time.perf_counter() - begun

    somebody, nobody, none = [], [], []
    for _ in range(9):
        somebody.append(await seconds(stored))
        nobody.append(await seconds(None))
        none.append(await seconds("no hash"))

    assert 0.5 < median(somebody) / median(nobody) < 2
    assert 0.5 < median(somebody) / median(none) < 2


def test_what_nobody_is_compared_with_has_the_present_parameters() -> None:
    assert not passwords.is_outdated(NOBODYS)
    assert passwords.is_outdated(
        "$argon2id$v=19$m=8192,t=1,p=1$c29tZXNhbHRzb21l$iWh06vD8Fy27wf9npn6FXWiCX4K6pW6Ue1Bnzz07Z8A"
    )
