"""Rules as they are tried here: one that ends as it is asked to, and what it writes before that."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated
from uuid import UUID, uuid4

from sqlalchemy import text

from lango.db.prepared import Prepared
from lango.errors import Refused
from lango.rules.inputs import Text, Value
from lango.rules.rule import rule
from lango.rules.transaction import CallerTransaction, RuleTransaction
from models.pots import Pot

WHO = Prepared(text("SELECT current_user::text, current_setting('lango.user_id')"))
SLOW = Prepared(text("SELECT pg_sleep(0.002)::text"))
BROKEN = Prepared(text("SELECT 1 / 0"))
BROKEN_LATER = "SELECT 1 / 0"
# A deferred constraint speaks against it at the end: a transaction of the ledger has entries.
UNBALANCED = "INSERT INTO ledger.ledger_transactions (kind) VALUES ('test')"
# As often as the test says, counted by a sequence, which no rollback takes back.
SOMETIMES = (
    "SELECT CASE WHEN nextval('lango.trials') <= $1::bigint THEN lango.fail($2::text, 'the test says so', 0) END"
)
RENAME = "UPDATE pots.pots SET title = $2 WHERE id = $1::uuid"
PAUSE = "SELECT pg_sleep(0.2)"


class NotToday(Refused):
    """Not today."""


def pot_of(user_id: UUID, title: str) -> Pot:
    return Pot(
        id=uuid4(), owner_user_id=user_id, title=title, target_amount_cfa=1_000, birthday_date=date(2030, 1, 1),
        scheduled_open_at=datetime(2029, 12, 1, tzinfo=UTC),
    )  # fmt: skip


@rule(NotToday)
async def plan(
    caller: CallerTransaction, title: Annotated[str, Text("Its title.", 100)], ending: Annotated[str, Text("How.", 20)]
) -> Pot:
    """Look as the caller, write as the rules, look once more, and end as requested."""
    ((role, user_id),) = await WHO.run(caller)
    assert (role, user_id) == (caller.actor.database_role.value, str(caller.user_id))
    tx = caller.as_rules()
    tx.save(pot := pot_of(caller.user_id, title))
    ((role, user_id),) = await WHO.run(tx)
    assert (role, user_id) == ("lango_rules", str(caller.user_id))
    await SLOW.run(tx)
    match ending:
        case "refused":
            raise NotToday
        case "in SQL":
            await BROKEN.run(tx)
        case "in Python":
            raise KeyError("a bug")
        case "in the last batch":
            tx.send(BROKEN_LATER)
        case "by a constraint":
            tx.send(UNBALANCED)
    return pot


@rule()
async def rename_both(
    tx: RuleTransaction, first: Annotated[str, Text("Its id.", 36)], second: Annotated[str, Text("Its id.", 36)]
) -> Pot:
    """Write two rows one after the other, without a look: all of it goes with the end."""
    tx.save(pot := pot_of(tx.user_id, f"{first} {second}"[:100]))
    tx.send(RENAME, [first, "renamed"])
    tx.send(PAUSE)
    tx.send(RENAME, [second, "renamed"])
    return pot


@rule()
async def fail_sometimes(
    tx: RuleTransaction, state: Annotated[str, Text("The SQLSTATE.", 5)], times: Annotated[int, Value("How often.")]
) -> Pot:
    tx.save(pot := pot_of(tx.user_id, "at last"))
    tx.send(SOMETIMES, [times, state])
    return pot
