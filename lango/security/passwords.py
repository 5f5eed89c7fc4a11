"""Passwords: hashed by argon2id, beside the event loop and never more at once than there are cores."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from typing import TypeVar, TypeVarTuple, Unpack

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from lango.errors import Refused

Made = TypeVar("Made")
Given = TypeVarTuple("Given")
# Bytes of UTF-8, after normalisation too: without a limit a password of megabytes is hashed for seconds.
LONGEST = 1_024
# What OWASP recommends at least: 19 MiB, two passes, one lane. Some 30 to 100 ms.
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)
# The hash of a random text that was thrown away: what is compared with it costs what a user's own costs.
NOBODYS = "$argon2id$v=19$m=19456,t=2,p=1$cqp863PFKBRJF2obC7mIDg$4MXFoE3mqWBrnAJTZwY6wmQ9X0hdSO0E8+7sP3LgZXA"
# Of the processors one is left to everything else.
THREADS = max(1, (os.cpu_count() or 1) - 1)
# While some are hashed, another is looked up or answered.
AT_ONCE = THREADS + 1
# The threads that hash give way to the one that serves; the lowest priority would wait for ever on a busy machine.
NICENESS = 15


class PasswordTooLong(Refused):
    """A password has at most 1,024 bytes."""


async def hashed(password: str) -> str:
    """What is stored of a password. Raises PasswordTooLong."""
    text = normal(password)
    if text is None:
        raise PasswordTooLong(field="password")
    return await _beside(_hash, text)


async def matches(password: str, stored: str | None) -> bool:
    """Whether that is the password of which this was stored; for None it takes as long, and is not.

    One that is too long is nobody's, and is not hashed.
    """
    text = normal(password)
    if text is None:
        return False
    right = await _beside(_verified, text, NOBODYS if stored is None else stored)
    return right and stored is not None


def is_outdated(stored: str) -> bool:
    """Whether it was hashed with other parameters than are used now: hash the password anew while it is known."""
    try:
        return HASHER.check_needs_rehash(stored)
    except InvalidHashError:
        return False


def normal(password: str) -> str | None:
    """The password as it is hashed (NFKC, blanks kept), so that every keyboard writes the same; None where it is too
    long."""
    if len(_bytes(password)) > LONGEST:
        return None
    text = unicodedata.normalize("NFKC", password)
    return None if len(_bytes(text)) > LONGEST else text


def _bytes(text: str) -> bytes:
    # Half of a surrogate pair is no text, and yet no reason to fail.
    return text.encode("utf-8", "surrogatepass")


def _hash(text: str) -> str:
    return HASHER.hash(_bytes(text))


def _verified(text: str, stored: str) -> bool:
    try:
        return HASHER.verify(stored, _bytes(text))
    except InvalidHashError:
        # No hash of ours: it opens nothing, and takes as long.
        with suppress(VerificationError):
            HASHER.verify(NOBODYS, _bytes(text))
        return False
    except VerificationError:
        return False


async def _beside(act: Callable[[Unpack[Given]], Made], *given: *Given) -> Made:
    return await asyncio.get_running_loop().run_in_executor(_threads(), act, *given)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, "passwords", _give_way)


def _give_way() -> None:
    if sys.platform == "linux":
        # A thread has a priority of its own there.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
