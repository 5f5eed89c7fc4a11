"""Account numbers: what somebody types in M-Pesa's own menu, so that it is known to whom the money belongs."""

from __future__ import annotations

import unicodedata
from typing import Annotated
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, Text, any_, bindparam
from sqlalchemy.dialects.postgresql import insert

from lango.db.prepared import Lookup, Prepared
from lango.rules.inputs import Id
from lango.rules.rule import NotFound, rule
from lango.rules.transaction import CallerTransaction
from lango.values import codes
from models.identity import User
from models.treasury import Dao, MpesaAccount, MpesaTransaction, MpesaTransactionTransactionType
from resolvers.treasury import payers

# Of an account number with its check character, and of the reference of a push with the letter before it: what is
# shown as the account has twelve characters at most.
ACCOUNT_LENGTH, REFERENCE_LENGTH = 10, 12
PUSH = "L"
BASE = len(codes.ALPHABET)
OPEN = Prepared(
    insert(MpesaAccount.table()).inline().on_conflict_do_nothing(index_elements=["user_id", "dao_id"]),
    ["id", "user_id", "dao_id", "account_number"],
)
OWN = Lookup(
    [MpesaAccount],
    lambda rows: rows.where(
        MpesaAccount.user_id == bindparam("user_id"), MpesaAccount.dao_id.is_not_distinct_from(bindparam("dao_id"))
    ),
)
IS_ACTIVE = User.is_active & User.deleted_at.is_(None)
# A push that names the reference, whatever has become of it, and an account of that number; and whether its user's
# account is active.
PUSHES = Lookup(
    [MpesaTransaction, IS_ACTIVE],
    lambda rows: rows.join(User, User.id == MpesaTransaction.user_id).where(
        MpesaTransaction.account_reference == any_(bindparam("typed", type_=ARRAY(Text))),
        MpesaTransaction.transaction_type == MpesaTransactionTransactionType.STK_PUSH,
        MpesaTransaction.purpose.is_not(None),
    ),
)
ACCOUNTS = Lookup(
    [MpesaAccount, IS_ACTIVE],
    lambda rows: rows.join(User, User.id == MpesaAccount.user_id).where(
        MpesaAccount.account_number == any_(bindparam("typed", type_=ARRAY(Text)))
    ),
)


@rule(NotFound, *payers.REFUSALS)
async def open_mpesa_account(
    caller: CallerTransaction,
    dao_id: Annotated[
        UUID | None, Id(Dao, "The DAO that is given what comes in; without it, it stays with oneself.")
    ] = None,
) -> MpesaAccount:
    """Get the account number under which one pays in from M-Pesa's own menu: always the same one."""
    tx, _ = await payers.check_payer(caller, dao_id)
    _, ((account,),) = await tx.fetch(
        OPEN.query(id=uuid4(), user_id=tx.user_id, dao_id=dao_id, account_number=new_account_number()),
        OWN.query(user_id=tx.user_id, dao_id=dao_id),
    )
    assert isinstance(account, MpesaAccount)
    return account


def new_reference() -> str:
    """What a push shows as the account: nobody guesses it, and a notice of the payment names the push by it."""
    return PUSH + codes.new(REFERENCE_LENGTH - len(PUSH))


def new_account_number() -> str:
    letters = codes.new(ACCOUNT_LENGTH - 1)
    return letters + check_character(letters)


def check_character(letters: str) -> str:
    """The last character of an account number, by Luhn's algorithm in base 32: one that is mistyped is always noticed,
    and nearly always two that changed places."""
    total = 0
    for place, letter in enumerate(reversed(letters)):
        value = codes.ALPHABET.index(letter) * (1 if place % 2 else 2)
        total += value // BASE + value % BASE
    return codes.ALPHABET[-total % BASE]


def readings(typed: str) -> list[str]:
    """What a typed account may be, as we write it: the reference of a push, or an account number; nothing where it is
    neither. Payers set blanks and hyphens, write small letters, and mistake O for 0 and I or L for 1."""
    bare = "".join(letter for letter in unicodedata.normalize("NFKC", typed).upper() if letter.isalnum())
    meant = bare.translate(codes.MISTAKEN)
    if not codes.LETTERS.issuperset(meant):
        return []
    if len(meant) == REFERENCE_LENGTH and meant[0] == PUSH.translate(codes.MISTAKEN):
        return [PUSH + meant[1:]]
    if len(meant) == ACCOUNT_LENGTH and meant[-1] == check_character(meant[:-1]):
        return [meant]
    return []
