"""Who holds a code sees who invites, with which words and until when, before answering."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.referrals import Referral
from tests.changes import Changes
from tests.client import Api
from tests.factories import Factory, now
from tests.referrals.conftest import minor, person

ASK = """
  query ($code: String!) {
    referralInvitation(code: $code) { status sentAt expiresAt inviterName message points }
  }
"""
CODE = "7K3Q0M1XVB2R9TZ4HWE"


@pytest.fixture
async def invite(make: Factory) -> Any:
    async def invited(sponsor: Any, last: str, **given: Any) -> str:
        given = {"invitation_message": "Viens !", "expired_at": now() + timedelta(days=7)} | given
        await make(Referral, sponsor_user_id=sponsor.id, referral_code=CODE + last, **given)
        return CODE + last

    return invited


async def shown(api: Api, code: str, as_: Any = None) -> Any:
    return (await api(ASK, {"code": code}, as_=as_))["referralInvitation"]


async def test_nobody_needs_an_account_to_see_who_invites(api: Api, make: Factory, sponsor: Any, invite: Any) -> None:
    until, sent = datetime(2044, 1, 2, 3, tzinfo=UTC), datetime(2031, 5, 6, tzinfo=UTC)
    code = await invite(sponsor, "A", expired_at=until, sent_at=sent)

    found = [await shown(api, typed, as_) for typed in (code, f" {code.lower()}") for as_ in (None, sponsor)]

    assert found == [{
        "status": "SENT", "sentAt": "2031-05-06T00:00:00.000000Z", "expiresAt": "2044-01-02T03:00:00.000000Z",
        "inviterName": "Awa", "message": "Viens !", "points": 100,
    }] * 4  # fmt: skip


async def test_of_who_is_not_public_nothing_is_shown(api: Api, make: Factory, invite: Any) -> None:
    child, _ = await minor(make)
    hidden = await person(make, is_profile_public=False)
    gone = await person(make, user={"deleted_at": now()})

    names = [(await shown(api, await invite(each, last)))["inviterName"] for each, last in
             ((child, "B"), (hidden, "C"), (gone, "D"))]  # fmt: skip

    assert names == [None, None, None]


@pytest.mark.parametrize(
    ("last", "given", "status"),
    [
        ("E", {"expired_at": now() - timedelta(seconds=1)}, "EXPIRED"),
        ("F", {"status": "expired"}, "EXPIRED"),
        ("G", {"status": "declined"}, "DECLINED"),
        ("H", {"status": "accepted"}, "ACCEPTED"),
    ],
)
async def test_of_what_waits_for_no_answer_only_where_it_stands_is_shown(
    api: Api, sponsor: Any, invite: Any, last: str, given: dict[str, Any], status: str
) -> None:
    found = await shown(api, await invite(sponsor, last, **given))

    assert found["status"] == status
    assert (found["inviterName"], found["message"], found["points"]) == (None, None, None)


@pytest.mark.parametrize("code", ["", "x", "0" * 20, "0" * 61, "%", "nul\0"])
async def test_what_is_no_code_is_null(api: Api, code: str) -> None:
    assert await shown(api, code) is None


async def test_looking_changes_nothing(api: Api, make: Factory, sponsor: Any, invite: Any, changes: Changes) -> None:
    code, guest = await invite(sponsor, "J"), await person(make)
    before = await changes.mark()

    await shown(api, code)

    assert await changes.since(before) == []
    assert (await api.mutate("acceptReferral", guest, code=code)).refusals("acceptReferral") == []
