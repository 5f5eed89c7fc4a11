"""Adding, verifying and changing a phone or an email, and taking a change back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from models.identity import User
from models.security import ApiKey, OauthAccount, TwoFactorAuth
from tests.changes import Changes
from tests.client import Api
from tests.factories import Factory
from tests.identity.conftest import Person, new_email, new_phone, sign_in
from tests.security.conftest import Session, SignIn, last


async def requested(session: Session, **contact: str) -> str:
    """The challenge whose code was sent to that contact."""
    answer = await session.call("requestContactChange", **contact)
    assert answer.refusals("requestContactChange") == []
    return str(answer["requestContactChange"]["challengeId"])


async def test_a_second_contact_is_added_when_its_code_comes(
    signed_in: SignIn, person: Person, sent: list[str], account: Any
) -> None:
    user, phone = await person(), new_phone()
    session = await signed_in(user)

    challenge = await requested(session, phone=f" {phone[4:6]} {phone[6:]} ")
    before = await account(user).row()
    confirmed = await session.call("confirmContactChange", challengeId=challenge, code=sent[-1])

    assert before["phone"] is None
    assert confirmed["confirmContactChange"]["user"]["phone"] == phone
    assert confirmed["confirmContactChange"]["user"]["phoneVerifiedAt"] is not None
    assert await account(user).events() == ["contact_added"]
    assert await account(user).messages() == [("verify_contact_code", phone), ("contact_added", user.email)]


async def test_a_change_is_said_to_the_old_contact_which_takes_it_back(
    api: Api, signed_in: SignIn, person: Person, sent: list[str], links: list[str], account: Any
) -> None:
    user, taken = await person(), new_email()
    session = await signed_in(user)
    challenge = await requested(session, email=taken.upper())
    assert await session.refused("confirmContactChange", challengeId=challenge, code=sent[-1]) == []
    assert (await account(user).row())["email"] == taken
    assert (await sign_in(api, user)).refusals("signInWithPassword") == ["CREDENTIALS_INVALID"]
    trusted = (await session.call("trustDevice"))["trustDevice"]["deviceToken"]

    undone = await api.mutate("undoContactChange", token=last(links, "lu_"))

    assert undone.refusals("undoContactChange") == []
    assert (await account(user).row())["email"] == user.email
    assert await session.is_refused_within_a_second()
    assert await account(user).live_sessions() == []
    assert await account(user).live_tokens() == 0
    for _ in range(5):
        await sign_in(api, user, "wrong password, certainly")
    assert (await sign_in(api, user, deviceToken=trusted)).refusals("signInWithPassword") == ["ACCOUNT_LOCKED"]
    assert [each for each in await account(user).events() if each.startswith("contact")] == [
        "contact_changed", "contact_change_undone",
    ]  # fmt: skip
    assert [each for each in await account(user).messages() if each[0].startswith(("contact", "verify"))] == [
        ("verify_contact_code", taken), ("contact_changed", user.email), ("contact_restored", user.email),
    ]  # fmt: skip


async def test_taking_a_change_back_ends_what_was_set_up_since(
    api: Api, signed_in: SignIn, person: Person, sent: list[str], links: list[str], account: Any, make: Factory
) -> None:
    user, intruders = await person(), new_email()
    session = await signed_in(user)
    old_key = await make(ApiKey, user_id=user.id)
    old_connection = await make(OauthAccount, user_id=user.id, provider="github")
    challenge = await requested(session, email=intruders)
    assert await session.refused("confirmContactChange", challengeId=challenge, code=sent[-1]) == []
    new_key = await make(ApiKey, user_id=user.id)
    new_connection = await make(OauthAccount, user_id=user.id, provider="google")
    now = datetime.now(UTC)
    factor = await make(TwoFactorAuth, user_id=user.id, method="totp", enabled=True, enabled_at=now, secret="sealed")

    undone = await api.mutate("undoContactChange", token=last(links, "lu_"))

    assert undone.refusals("undoContactChange") == []
    keys = await make.owner.fetch("SELECT id FROM security.api_keys WHERE user_id = $1 AND revoked_at IS NULL", user.id)
    connections = await make.owner.fetch(
        "SELECT id FROM security.oauth_connections WHERE user_id = $1 AND disconnected_at IS NULL", user.id
    )
    assert ([row["id"] for row in keys], [row["id"] for row in connections]) == ([old_key.id], [old_connection.id])
    assert {old_key.id, old_connection.id}.isdisjoint({new_key.id, new_connection.id})
    state = await make.owner.fetchrow("SELECT enabled, secret FROM security.two_factor_auth WHERE id = $1", factor.id)
    assert tuple(state) == (False, None)
    assert (await sign_in(api, user)).refusals("signInWithPassword") == ["CREDENTIALS_INVALID"]


@pytest.mark.parametrize("by", ["use", "time", "another's making"])
async def test_a_link_that_takes_back_dies_by(
    api: Api,
    signed_in: SignIn,
    person: Person,
    sent: list[str],
    links: list[str],
    account: Any,
    owner: asyncpg.Pool[Any],
    by: str,
) -> None:
    user, taken = await person(), new_email()
    session = await signed_in(user)
    challenge = await requested(session, email=taken)
    assert await session.refused("confirmContactChange", challengeId=challenge, code=sent[-1]) == []
    token = last(links, "lu_")
    if by == "use":
        answers = await asyncio.gather(*(api.mutate("undoContactChange", token=token) for _ in range(4)))
        refusals = sorted(answer.refusals("undoContactChange") for answer in answers)
        assert refusals == [[], *[["UNDO_LINK_INVALID"]] * 3]
    elif by == "time":
        await owner.execute(
            "UPDATE identity.one_time_codes SET expires_at = now() - interval '1 second'"
            " WHERE purpose = 'undo_contact' AND user_id = $1",
            user.id,
        )
    else:
        token = f"{token[:-1]}{'A' if token[-1] != 'A' else 'B'}"

    again = await api.mutate("undoContactChange", token=token)

    assert again.refusals("undoContactChange") == ["UNDO_LINK_INVALID"]


async def test_the_link_is_good_for_72_hours_and_stored_as_a_hash(
    signed_in: SignIn, person: Person, sent: list[str], links: list[str], owner: asyncpg.Pool[Any]
) -> None:
    user = await person()
    session = await signed_in(user)
    challenge = await requested(session, email=new_email())
    await session.call("confirmContactChange", challengeId=challenge, code=sent[-1])

    row = await owner.fetchrow(
        "SELECT *, expires_at - now() AS lasts FROM identity.one_time_codes"
        " WHERE purpose = 'undo_contact' AND user_id = $1",
        user.id,
    )

    assert 71.9 < row["lasts"].total_seconds() / 3600 <= 72
    assert last(links, "lu_") not in str(dict(row))


async def test_a_thief_takes_nothing_back_after_the_owner(
    api: Api, signed_in: SignIn, person: Person, sent: list[str], links: list[str], account: Any
) -> None:
    """Who changed the contact twice has a link as well, to a contact that was never the owner's."""
    user = await person()
    session = await signed_in(user)
    for _ in range(2):
        challenge = await requested(session, email=new_email())
        assert await session.refused("confirmContactChange", challengeId=challenge, code=sent[-1]) == []
    owners, thiefs = [each for each in links if each.startswith("lu_")]

    assert (await api.mutate("undoContactChange", token=owners)).refusals("undoContactChange") == []
    assert (await api.mutate("undoContactChange", token=thiefs)).refusals("undoContactChange") == ["UNDO_LINK_INVALID"]
    assert (await account(user).row())["email"] == user.email


async def test_codes_and_links_of_the_old_contact_die(
    api: Api, signed_in: SignIn, person: Person, sent: list[str], links: list[str]
) -> None:
    user = await person()
    session = await signed_in(user)
    challenge = await requested(session, email=new_email())
    code = sent[-1]
    otp = (await api.mutate("requestOtp", identifier=user.email))["requestOtp"]["challengeId"]
    otp_code = sent[-1]
    await api.mutate("requestPasswordReset", identifier=user.email)

    assert await session.refused("confirmContactChange", challengeId=challenge, code=code) == []

    stale = await api.mutate("signInWithOtp", show="challengeId", challengeId=otp, code=otp_code)
    assert stale.refusals("signInWithOtp") == ["CHALLENGE_EXPIRED"]
    reset = await api.mutate("resetPassword", token=last(links, "lp_"), new="trois mangues vertes au vent")
    assert reset.refusals("resetPassword") == ["RESET_LINK_INVALID"]


async def test_anothers_contact_is_answered_alike_and_no_code_opens_it(
    signed_in: SignIn, person: Person, sent: list[str], account: Any, owner: asyncpg.Pool[Any]
) -> None:
    other = await person()
    session = await signed_in(await person())
    free = await session.call("requestContactChange", email=new_email())

    first = await session.call("requestContactChange", email=other.email)
    again = await session.call("requestContactChange", email=other.email)

    for answer in (first, again):
        assert {*answer["requestContactChange"]} == {*free["requestContactChange"]}
        assert answer.refusals("requestContactChange") == []
    challenge = again["requestContactChange"]["challengeId"]
    assert await session.refused("confirmContactChange", challengeId=challenge, code=sent[-1]) == ["CODE_INVALID"]
    # Once an hour.
    assert await account(other).messages() == [("account_exists", other.email)]


async def test_a_contact_that_was_taken_meanwhile_is_not_had(
    signed_in: SignIn, person: Person, sent: list[str], make: Factory, changes: Changes
) -> None:
    user, email = await person(), new_email()
    session = await signed_in(user)
    challenge = await requested(session, email=email)
    await make(User, email=email)
    before = await changes.mark()

    refused = await session.refused("confirmContactChange", challengeId=challenge, code=sent[-1])

    assert refused == ["CONTACT_NOT_AVAILABLE"]
    assert await changes.since(before, but=("security.rate_limits",)) == []


async def test_a_code_is_good_in_the_session_that_requested_it(
    signed_in: SignIn, person: Person, sent: list[str]
) -> None:
    user = await person()
    session, other, stranger = await signed_in(user), await signed_in(user), await signed_in(await person())
    challenge = await requested(session, phone=new_phone())

    for each in (other, stranger):
        assert await each.refused("confirmContactChange", challengeId=challenge, code=sent[-1]) == ["CHALLENGE_EXPIRED"]
    assert await session.refused("confirmContactChange", challengeId=challenge, code=sent[-1]) == []
    assert await session.refused("confirmContactChange", challengeId=challenge, code=sent[-1]) == ["CHALLENGE_EXPIRED"]


async def test_an_unverified_contact_is_verified(
    signed_in: SignIn, person: Person, sent: list[str], account: Any
) -> None:
    user = await person(phone=new_phone())
    session = await signed_in(user)

    challenge = (await session.call("verifyContact", channel="SMS"))["verifyContact"]["challengeId"]
    assert await session.refused("confirmContactChange", challengeId=challenge, code=sent[-1]) == []

    row = await account(user).row()
    assert (row["phone"], row["phone_verified_at"] is not None) == (user.phone, True)
    assert await account(user).events() == ["contact_verified"]
    assert await session.refused("verifyContact", channel="SMS") == ["CONTACT_ALREADY_VERIFIED"]
    assert await session.refused("verifyContact", channel="EMAIL") == ["CONTACT_ALREADY_VERIFIED"]
    assert await session.refused("requestContactChange", phone=user.phone) == ["CONTACT_ALREADY_VERIFIED"]


async def test_what_is_no_contact_is_refused(signed_in: SignIn, person: Person) -> None:
    session = await signed_in(await person())

    assert await session.refused("requestContactChange") == ["CONTACT_MISSING"]
    assert await session.refused("requestContactChange", phone="12") == ["PHONE_NOT_VALID"]
    assert await session.refused("requestContactChange", email="awa") == ["EMAIL_NOT_VALID"]
    assert await session.refused("verifyContact", channel="SMS") == ["CONTACT_MISSING"]


async def test_a_full_width_email_is_the_one_it_looks_like(signed_in: SignIn, person: Person, account: Any) -> None:
    """And codes go to the address as it is stored."""
    user, email = await person(), new_email()
    session = await signed_in(user)

    await requested(session, email=email.replace("awa", "ＡＷＡ"))

    assert await account(user).messages() == [("verify_contact_code", email)]


async def test_it_wants_a_recent_proof(signed_in: SignIn, person: Person, account: Any) -> None:
    user = await person(phone=new_phone())
    session = await signed_in(user)
    await account(user).pass_time()

    assert await session.refused("requestContactChange", email=new_email()) == ["REAUTHENTICATION_REQUIRED"]
    assert await session.refused("verifyContact", channel="SMS") == ["REAUTHENTICATION_REQUIRED"]


async def test_of_two_who_confirm_one_contact_at_once_one_has_it(
    signed_in: SignIn, person: Person, sent: list[str], owner: asyncpg.Pool[Any]
) -> None:
    email = new_email()
    pairs = []
    for _ in range(2):
        session = await signed_in(await person())
        pairs.append((session, await requested(session, email=email), sent[-1]))
    # A later code takes the place of an earlier one of the same contact: both were sent at once here.
    await owner.execute("UPDATE identity.one_time_codes SET used_at = NULL WHERE identifier = $1", email)

    await asyncio.gather(
        *(each.call("confirmContactChange", challengeId=challenge, code=code) for each, challenge, code in pairs)
    )

    assert await owner.fetchval("SELECT count(*) FROM identity.users WHERE email = $1", email) == 1
