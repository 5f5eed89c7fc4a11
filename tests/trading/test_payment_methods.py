"""Payment methods, a sentence of the rules a test: encrypted, revealed on the record, verified."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from lango.rules.services import Services
from lango.security.encryption import Keyring, usable_keyring
from lango.settings import Settings
from models.identity import User
from models.trading import CryptoPaymentMethod
from tests.changes import Changes
from tests.client import STAFF
from tests.factories import Factory
from tests.trading.conftest import Desk

ADDRESS = "0xAb5801a7D398351b8bE11C439e05C5B3259aeC9B"
DETAILS = "Ecobank SN011 01520 000123456789, Awa Ndiaye"


async def add(desk: Desk, user: Any, details: str = DETAILS, **given: Any) -> Any:
    method = {"type": "bank_transfer", "provider": "Ecobank", "accountDetails": details} | given
    return await desk.call("addPaymentMethod", user, **method)


async def test_the_details_are_stored_encrypted_and_shown_to_the_owner(
    desk: Desk, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    user = await make(User)
    added = (await add(desk, user))["addPaymentMethod"]["paymentMethod"]

    stored = await owner.fetchval(
        "SELECT account_details_encrypted FROM trading.crypto_payment_methods WHERE id = $1::uuid", added["rowId"]
    )
    shown = await desk.call("revealPaymentMethod", user, paymentMethodId=added["rowId"])

    assert stored.startswith("v1:tests:")
    assert "Ecobank" not in stored
    assert shown["revealPaymentMethod"]["accountDetails"] == DETAILS
    assert added | {"rowId": ""} == {
        "rowId": "", "isPrimary": True, "isVerified": False, "verificationStatus": "PENDING",
    }  # fmt: skip


async def test_details_that_were_moved_to_another_row_are_not_shown(
    desk: Desk, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    user, other = await make(User), await make(User)
    mine = (await add(desk, user))["addPaymentMethod"]["paymentMethod"]["rowId"]
    theirs = (await add(desk, other, "not yours to read"))["addPaymentMethod"]["paymentMethod"]["rowId"]
    await owner.execute(
        "UPDATE trading.crypto_payment_methods SET account_details_encrypted ="
        " (SELECT account_details_encrypted FROM trading.crypto_payment_methods WHERE id = $2::uuid) WHERE id = $1::uuid",
        mine, theirs,
    )  # fmt: skip

    answer = await desk.call("revealPaymentMethod", user, paymentMethodId=mine)

    assert answer.refusals("revealPaymentMethod") == ["DETAILS_UNREADABLE"]
    assert "not yours" not in answer.response.text


@pytest.mark.parametrize(
    ("form", "key_id"),
    [
        # Demo data; a plain text that somebody wrote in by hand; a key that was lost.
        ("ZGVtbw0123456789AA==", None), ("Ecobank: SN011: 01520", None), (None, "lost"),
    ],
    ids=["filler", "plain", "lost"],
)  # fmt: skip
async def test_details_that_cannot_be_read_are_to_be_added_anew_and_the_log_names_the_key(
    desk: Desk, owner: asyncpg.Pool[Any], form: str | None, key_id: str | None
) -> None:
    deal = await desk.funded()
    key = uuid4()
    column = CryptoPaymentMethod.account_details_encrypted
    stored = form or Keyring([("lost", bytes(32))]).seal(DETAILS, column, key)
    await desk.make(CryptoPaymentMethod, id=key, user_id=deal.seller.id, account_details_encrypted=stored)
    shown = "SELECT count(*) FROM admin.audit_logs WHERE resource_id = $1 AND action LIKE '%revealed'"

    for reader in (deal.seller, deal.buyer):
        with capture_logs() as lines:
            answer = await desk.call("revealPaymentMethod", reader, paymentMethodId=key)

        (refused,) = answer["revealPaymentMethod"]["userErrors"]
        assert (refused["code"], refused["field"]) == ("DETAILS_UNREADABLE", ["paymentMethodId"])
        assert "add it again" in refused["message"]
        (line,) = [line for line in lines if line["event"] == "an encrypted value cannot be read"]
        assert (line["log_level"], line["key_id"], line["row_id"]) == ("error", key_id, str(key))
        assert not any(word in str(lines) + answer.response.text for word in (stored, "Ecobank", "SN011"))

    assert await owner.fetchval(shown, key) == 0


@pytest.mark.usefixtures("keyless")
async def test_without_a_key_nothing_is_kept_or_shown_and_the_log_has_the_reason(
    desk: Desk, make: Factory, changes: Changes
) -> None:
    user = await make(User)
    kept = await make(CryptoPaymentMethod, user_id=user.id)
    before = await changes.mark()

    with capture_logs() as lines:
        added = await add(desk, user)
        shown = await desk.call("revealPaymentMethod", user, paymentMethodId=kept.id)

    for answer in (added, shown):
        assert answer.codes == ["SERVICE_UNAVAILABLE"]
        assert "LANGO_ENCRYPTION_KEYS" not in answer.response.text
    reasons = [line["reason"] for line in lines if line["event"] == "nothing can be encrypted"]
    assert [reason.startswith("No key for encrypted columns") for reason in reasons] == [True, True]
    assert await changes.since(before) == []
    removed = await desk.call("removePaymentMethod", user, paymentMethodId=kept.id)
    assert removed.refusals("removePaymentMethod") == []


async def test_with_a_key_again_the_same_call_succeeds(
    desk: Desk, make: Factory, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, retried = await make(User), str(uuid4())
    wrong = settings.model_copy(update={"encryption_keys": SecretStr("2026:too short")})
    with monkeypatch.context() as without:
        without.setattr(Services, "keyring", property(lambda _: usable_keyring(wrong)))
        refused = await add(desk, user, idempotencyKey=retried)

    again = await add(desk, user, idempotencyKey=retried)

    assert refused.codes == ["SERVICE_UNAVAILABLE"]
    assert again.refusals("addPaymentMethod") == []


async def test_the_counterparty_of_a_trade_in_escrow_is_shown_them_and_nobody_else(desk: Desk) -> None:
    deal, stranger, staff = await desk.taken(), await desk.person(), await desk.staff()
    key = (await add(desk, deal.seller))["addPaymentMethod"]["paymentMethod"]["rowId"]

    async def reveal(user: Any, roles: tuple[str, ...] = ()) -> Any:
        return await desk.call("revealPaymentMethod", user, roles, paymentMethodId=key)

    before = await reveal(deal.buyer)
    await desk.call("fundEscrow", deal.seller, escrowId=deal.escrow)
    during = await reveal(deal.buyer)
    await desk.call("releaseEscrow", deal.seller, escrowId=deal.escrow)
    after = await reveal(deal.buyer)

    assert before.refusals("revealPaymentMethod") == ["NOT_FOUND"]
    assert during["revealPaymentMethod"]["accountDetails"] == DETAILS
    assert after.refusals("revealPaymentMethod") == ["NOT_FOUND"]
    assert (await reveal(stranger)).refusals("revealPaymentMethod") == ["NOT_FOUND"]
    assert (await reveal(staff, STAFF)).refusals("revealPaymentMethod") == ["NOT_YOUR_PAYMENT_METHOD"]
    assert (await reveal(None)).codes == ["UNAUTHENTICATED"]


async def test_every_reveal_is_audited_in_its_own_transaction(
    desk: Desk, owner: asyncpg.Pool[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    deal = await desk.funded()
    key = UUID((await add(desk, deal.seller))["addPaymentMethod"]["paymentMethod"]["rowId"])

    await desk.call("revealPaymentMethod", deal.buyer, paymentMethodId=key)
    await desk.call("revealPaymentMethod", deal.seller, paymentMethodId=key)

    rows = await owner.fetch(
        "SELECT * FROM admin.audit_logs WHERE resource_id = $1 AND action = 'crypto_payment_method_revealed'"
        " ORDER BY timestamp",
        key,
    )
    assert [row["actor_user_id"] for row in rows] == [deal.buyer.id, deal.seller.id]
    assert all(orjson.loads(row["metadata"]) == {"user_id": str(deal.seller.id)} for row in rows)
    assert all(DETAILS not in str(tuple(row.values())) for row in rows)

    def full(*_: Any, **__: Any) -> None:
        raise RuntimeError("the log is full")

    monkeypatch.setattr("resolvers.kernel.audit.revealed", full)
    unlogged = await desk.call("revealPaymentMethod", deal.buyer, paymentMethodId=key)
    assert unlogged.codes == ["INTERNAL"]
    assert DETAILS not in unlogged.response.text


async def test_the_details_stand_in_no_audit_row_and_no_kept_outcome(
    desk: Desk, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    user, key, details = await make(User), str(uuid4()), f"account {uuid4()}"

    added = await add(desk, user, details, idempotencyKey=key)
    await desk.call("revealPaymentMethod", user, paymentMethodId=added["addPaymentMethod"]["paymentMethod"]["rowId"])

    for table in ("admin.audit_logs", "platform.idempotency_keys", "platform.outbox_events"):
        assert await owner.fetchval(f"SELECT count(*) FROM {table} t WHERE t::text LIKE '%' || $1 || '%'", details) == 0


async def test_one_method_is_primary(desk: Desk, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    user = await make(User)

    added = [
        (await add(desk, user, isPrimary=primary))["addPaymentMethod"]["paymentMethod"]
        for primary in (None, True, False)
    ]

    assert [each["isPrimary"] for each in added] == [True, True, False]
    primary = await owner.fetch(
        "SELECT id FROM trading.crypto_payment_methods WHERE user_id = $1 AND is_primary", user.id
    )
    assert [str(row["id"]) for row in primary] == [added[1]["rowId"]]
    await asyncio.gather(*(add(desk, user, isPrimary=True) for _ in range(8)))
    count = "SELECT count(*) FROM trading.crypto_payment_methods WHERE user_id = $1 AND is_primary"
    assert await owner.fetchval(count, user.id) == 1


@pytest.mark.parametrize("empty", ["type", "provider", "accountDetails"])
async def test_a_payment_method_without_a_required_text_is_refused(desk: Desk, make: Factory, empty: str) -> None:
    user = await make(User)

    answer = await add(desk, user, **{empty: " "})

    assert answer.refusals("addPaymentMethod") == ["TEXT_MISSING"]
    assert answer["addPaymentMethod"]["userErrors"][0]["field"] == [empty]


async def test_a_removed_method_is_gone(desk: Desk, make: Factory) -> None:
    user, stranger = await make(User), await make(User)
    key = (await add(desk, user))["addPaymentMethod"]["paymentMethod"]["rowId"]

    assert (await desk.call("removePaymentMethod", stranger, paymentMethodId=key)).refusals("removePaymentMethod") == [
        "NOT_FOUND"
    ]
    assert (await desk.call("removePaymentMethod", user, paymentMethodId=key)).refusals("removePaymentMethod") == []
    assert (await desk.call("removePaymentMethod", user, paymentMethodId=key)).refusals("removePaymentMethod") == [
        "NOT_FOUND"
    ]
    assert (await desk.call("revealPaymentMethod", user, paymentMethodId=key)).refusals("revealPaymentMethod") == [
        "NOT_FOUND"
    ]
    assert (await add(desk, user))["addPaymentMethod"]["paymentMethod"]["isPrimary"] is True


async def test_staff_verify_a_method_that_is_not_their_own(desk: Desk, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    user, staff = await make(User), await desk.staff()
    key = (await add(desk, user))["addPaymentMethod"]["paymentMethod"]["rowId"]
    own = (await add(desk, staff))["addPaymentMethod"]["paymentMethod"]["rowId"]

    async def verify(who: Any, method: str, verified: bool, roles: tuple[str, ...] = STAFF) -> Any:
        return await desk.call("verifyPaymentMethod", who, roles, paymentMethodId=method, verified=verified)

    yes = await verify(staff, key, True)
    no = await verify(staff, key, False)

    assert yes["verifyPaymentMethod"]["paymentMethod"]["verificationStatus"] == "VERIFIED"
    assert no["verifyPaymentMethod"]["paymentMethod"]["verificationStatus"] == "REJECTED"
    assert (
        await owner.fetchval("SELECT verified_at FROM trading.crypto_payment_methods WHERE id = $1::uuid", key) is None
    )
    assert (await verify(staff, own, True)).refusals("verifyPaymentMethod") == ["OWN_MATTER"]
    assert (await verify(user, key, True, ())).codes == ["FORBIDDEN"]


async def test_a_guardian_is_not_shown_a_strangers_details(desk: Desk, make: Factory) -> None:
    user, other = await make(User), await make(User)
    method = await make(CryptoPaymentMethod, user_id=other.id)

    answer = await desk.call("revealPaymentMethod", user, paymentMethodId=method.id)

    assert answer.refusals("revealPaymentMethod") == ["NOT_FOUND"]
