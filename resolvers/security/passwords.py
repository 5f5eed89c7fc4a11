"""What a password must be: long, not common, not made of what others know of its owner, and none of the last ten.

Nothing is asked of its composition, and nothing of its age (NIST SP 800-63B-4, 3.1.1.2).
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import cache
from importlib import resources
from itertools import pairwise

from sqlalchemy import and_, bindparam

from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.security import passwords
from lango.security.passwords import PasswordTooLong
from models.identity import User
from models.profiles import Profile
from models.security import PasswordHistoryEntry, TwoFactorAuth
from resolvers.kernel.system_config import Configured

MINIMUM = Configured("security.password_minimum", 15)
MINIMUM_WITH_SECOND_FACTOR = Configured("security.password_minimum_with_second_factor", 12)
# So many of before are not chosen again.
REMEMBERED = 10
# What is left without names and dates has to be a password by itself.
SHORTEST_REST = 8
SHORTEST_PIECE = 3
SHORTEST_NUMBER = 6
# A pattern that is repeated is no longer than the pattern.
LONGEST_PATTERN = 7
OURS = ("lango",)


class PasswordTooShort(Refused):
    """This password is too short: a few words that have nothing to do with each other make a good one."""


class PasswordCommon(Refused):
    """This password is one that many people use: choose another."""


class PasswordPersonal(Refused):
    """This password is made of what others know of you, as a name, a number or a birthday: choose another."""


class PasswordReused(Refused):
    """You have used this password before: choose another."""


REFUSALS = (PasswordTooShort, PasswordTooLong, PasswordCommon, PasswordPersonal, PasswordReused)

# The hashes that a new password is compared with, the newest first.
EARLIER = Lookup(
    [PasswordHistoryEntry.password_hash],
    lambda rows: (
        rows.where(PasswordHistoryEntry.user_id == bindparam("user_id"))
        .order_by(PasswordHistoryEntry.created_at.desc(), PasswordHistoryEntry.id)
        .limit(REMEMBERED)
    ),
)
# What others know of a user; and whether there is a second factor.
KNOWN = Lookup(
    [User, User.password_hash, Profile.full_name, Profile.date_of_birth, TwoFactorAuth.id],
    lambda rows: (
        rows.select_from(User)
        .outerjoin(Profile, Profile.user_id == User.id)
        .outerjoin(TwoFactorAuth, and_(TwoFactorAuth.user_id == User.id, TwoFactorAuth.enabled))
        .where(User.id == bindparam("user_id"))
    ),
)


def check(password: str, *, minimum: int, known: Iterable[str | date | None] = (), field: str) -> None:
    """Refuses a password that is too short (in code points, as it is hashed), too long, common, or made of what is
    `known` of its owner: names, contacts, a birthday."""
    text = passwords.normal(password)
    if text is None:
        raise PasswordTooLong(field=field)
    if len(text) < minimum:
        message = f"This password is too short: it needs {minimum} characters, as in a few words."
        raise PasswordTooShort(message, field=field, minimum=minimum)
    if is_personal(text, known):
        raise PasswordPersonal(field=field)
    if is_common(text):
        raise PasswordCommon(field=field)


async def refuse_used(password: str, hashes: Sequence[str], *, field: str) -> None:
    """Refuses the password of one of these hashes. It takes long: call it while no transaction is open."""
    if any(await asyncio.gather(*(passwords.matches(password, each) for each in hashes))):
        raise PasswordReused(field=field)


def is_common(text: str) -> bool:
    """Whether it is on the list of common ones, two of them in a row, one pattern repeated, or letters in a row."""
    written = unicodedata.normalize("NFKC", text).casefold()
    return any(_is_common(each) for each in {written, _plain(written)} if each)


def is_personal(text: str, known: Iterable[str | date | None]) -> bool:
    """Whether little, or what is common, is left without the names, numbers and dates that belong to its owner."""
    rest = written = _plain(text)
    for piece in sorted({*OURS, *(piece for each in known if each for piece in _pieces(each))}, key=len, reverse=True):
        rest = rest.replace(piece, "")
    return rest != written and (len(rest) < SHORTEST_REST or is_common(rest))


def _is_common(text: str) -> bool:
    common = _common()
    if text in common or re.fullmatch(rf"(.{{1,{LONGEST_PATTERN}}}?)\1+.?", text, re.DOTALL):
        return True
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    around = ({1, -9}, {-1, 9}) if text.isdecimal() else ({1}, {-1})
    if any(steps <= each for each in around):
        return True
    return any(text[:cut] in common and text[cut:] in common for cut in range(1, len(text)))


def _pieces(known: str | date) -> Iterator[str]:
    """What somebody may make a password of, who knows that."""
    if isinstance(known, date):
        year, short, month, day = f"{known:%Y}", f"{known:%y}", f"{known:%m}", f"{known:%d}"
        for end in (year, short):
            yield from (day + month + end, month + day + end, end + month + day, end + day + month)
        yield year
        return
    if known.startswith("+"):
        digits = _plain(known)
        # As it is written at home, with and without its first zero.
        yield from (digits[cut:] for cut in range(4) if len(digits) - cut >= SHORTEST_NUMBER)
        yield f"0{digits[3:]}"
        return
    whole = _plain(known)
    parts = [_plain(part) for part in re.split(r"[\s@.,;:_+\-'’]+", known)]
    yield from (part for part in (whole, *parts) if len(part) >= SHORTEST_PIECE and part not in ("com", "org", "net"))


def _plain(text: str) -> str:
    """Letters and digits alone, in small letters, without accents."""
    apart = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in apart if letter.isalnum())


@cache
def _common() -> frozenset[str]:
    listed = resources.files("lango.security").joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(listed.split())
