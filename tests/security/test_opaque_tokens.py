"""Opaque tokens: what was made up is known without a look at any table."""

from __future__ import annotations

import pytest

from lango.security.encryption import Keyring
from lango.security.opaque_tokens import following, hash_of, is_ours, made

OLD, NEW = ("old", b"o" * 32), ("new", b"n" * 32)


def test_a_token_is_ours_by_its_checksum() -> None:
    keyring = Keyring([OLD])
    token = made(keyring, "lr_")

    assert is_ours(keyring, token, "lr_")
    assert len(token) == 3 + 43 + 8
    assert len({made(keyring, "lr_") for _ in range(100)}) == 100


@pytest.mark.parametrize("change", range(3, 54))
def test_a_letter_that_is_changed_makes_it_nobodys(change: int) -> None:
    keyring = Keyring([OLD])
    token = made(keyring, "lr_")
    other = "A" if token[change] != "A" else "B"

    assert not is_ours(keyring, token[:change] + other + token[change + 1 :], "lr_")


def test_a_token_is_of_one_kind_and_one_gateway() -> None:
    keyring = Keyring([OLD])
    token = made(keyring, "lr_")

    assert not is_ours(keyring, token, "lt_")
    assert not is_ours(keyring, f"lt_{token[3:]}", "lt_")
    assert not is_ours(Keyring([NEW]), token, "lr_")
    for junk in ("", "lr_", token[:-1], f"{token}A", token.replace(token[10], "é"), f"{token}\n"):
        assert not is_ours(keyring, junk, "lr_")


def test_the_next_is_the_same_every_time_and_another_for_each() -> None:
    keyring = Keyring([OLD])
    token, other = made(keyring, "lr_"), made(keyring, "lr_")

    (first,) = following(keyring, token, "lr_")

    assert following(keyring, token, "lr_") == [first]
    assert is_ours(keyring, first, "lr_")
    assert following(keyring, other, "lr_") != [first]
    assert following(Keyring([NEW]), token, "lr_") != [first]


def test_tokens_outlive_a_change_of_keys() -> None:
    before, after = Keyring([OLD]), Keyring([NEW, OLD])
    token = made(before, "lr_")

    assert is_ours(after, token, "lr_")
    assert following(after, token, "lr_")[1:] == following(before, token, "lr_")


def test_what_is_stored_tells_nothing_of_it() -> None:
    token = made(Keyring([OLD]), "lr_")

    assert len(hash_of(token)) == 64
    assert token not in hash_of(token)
