"""Whoever declined is left alone for a while, and whoever wishes no invitations gets none."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from lango.errors import ServiceUnavailable
from lango.rules.services import Services
from lango.values import codes
from models.identity import User
from models.pots import Pot, PotInvitation
from models.referrals import InvitationOptOut, Referral
from resolvers.kernel import opt_outs
from resolvers.kernel.share_links import hash_of
from tests.changes import Changes
from tests.client import Answer, Api
from tests.factories import Factory, now
from tests.referrals.calls import error_of, phones
from tests.referrals.conftest import person

OUT, IN, SEND = "optOutOfInvitations", "optInToInvitations", "sendReferrals"
PHONE = "+221771112233"


@pytest.fixture(autouse=True)
async def nobody_has_opted_out(owner: asyncpg.Pool[Any]) -> None:
    await owner.execute("DELETE FROM referrals.invitation_opt_outs")


async def invited(make: Factory, sponsor: Any, **given: Any) -> SimpleNamespace:
    given = {"invited_phone": PHONE, "referral_code": codes.new()} | given
    return await make(Referral, sponsor_user_id=sponsor.id, **given)


async def send(api: Api, sponsor: Any, **contact: Any) -> Answer:
    return await api.mutate(SEND, sponsor, invitees=[{"phone": PHONE, **contact}])


# After a decline


async def test_who_declined_is_not_invited_again_at_once_by_the_same_sponsor(
    api: Api, make: Factory, sponsor: Any, changes: Changes
) -> None:
    invitation = await invited(make, sponsor)
    await api.mutate("declineReferral", None, code=invitation.referral_code)
    before = await changes.mark()

    error = error_of(await send(api, sponsor), SEND)
    changed = await changes.since(before)
    by_another = await send(api, await person(make))

    assert (error["code"], error["field"]) == ("INVITATION_DECLINED", ["invitees", "0", "phone"])
    assert timedelta(days=29) < datetime.fromisoformat(error["details"]["until"]) - now() <= timedelta(days=30)
    assert changed == []
    assert by_another.refusals(SEND) == []


async def test_how_long_is_staffs_to_change(api: Api, make: Factory, sponsor: Any, configure: Any) -> None:
    await invited(make, sponsor, status="declined", declined_at=now() - timedelta(days=2))
    await configure("referrals.declined_days", 3)
    waits = await send(api, sponsor)
    await configure("referrals.declined_days", 1)

    assert waits.refusals(SEND) == ["INVITATION_DECLINED"]
    assert (await send(api, sponsor)).refusals(SEND) == []


# Opting out


@pytest.mark.parametrize("status", ["sent", "expired", "declined"])
async def test_opting_out_by_a_code_stops_invitations_of_every_sponsor(
    api: Api, make: Factory, sponsor: Any, owner: asyncpg.Pool[Any], changes: Changes, status: str
) -> None:
    invitation = await invited(make, sponsor, invited_email="fatou@example.sn", status=status,
                               sent_at=now() - timedelta(days=40), expired_at=now() + timedelta(days=1))  # fmt: skip

    *others, another = [await person(make) for _ in range(3)]

    answer = await api.mutate(OUT, None, code=invitation.referral_code.lower())
    before = await changes.mark()
    by_phone = [await send(api, each) for each in others]
    by_email = await api.mutate(SEND, another, invitees=[{"email": "Fatou@example.sn"}])

    assert answer[OUT] == {"invitations": False, "userErrors": []}
    assert [each.refusals(SEND) for each in (*by_phone, by_email)] == [["CONTACT_OPTED_OUT"]] * 3
    assert await changes.since(before) == []
    kept = await owner.fetchrow("SELECT status FROM referrals.referrals WHERE id = $1", invitation.id)
    assert kept["status"] == ("declined" if status == "sent" else status)
    rows = await owner.fetch("SELECT * FROM referrals.invitation_opt_outs")
    assert all(len(row["contact_hash"]) == 64 and PHONE not in str(row) for row in rows)
    assert len(rows) == 2


async def test_contacts_that_opted_out_are_left_out_of_batches(api: Api, make: Factory, sponsor: Any) -> None:
    people = phones(3)
    invitation = await invited(make, await person(make), invited_phone=people[1]["phone"])
    await api.mutate(OUT, None, code=invitation.referral_code)
    made = (await api.mutate("prepareContactBatch", sponsor, contacts=people))["prepareContactBatch"]["batches"][0]

    sent = (await api.mutate("sendBatch", sponsor, batchId=made["rowId"]))["sendBatch"]

    assert [each["invitedPhone"] for each in sent["referrals"]] == [people[0]["phone"], people[2]["phone"]]


async def test_by_the_token_of_a_pots_invitation_too(api: Api, make: Factory, sponsor: Any) -> None:
    pot, token = await make(Pot, owner_user_id=sponsor.id), codes.new(codes.LONG)
    await make(PotInvitation, pot_id=pot.id, invited_by_user_id=sponsor.id, invitation_method="sms",
               recipient_identifier=PHONE, token_hash=hash_of(token))  # fmt: skip
    other = await make(Pot, owner_user_id=sponsor.id)

    await api.mutate(OUT, None, code=token)
    to_pot = await api.mutate("inviteToPot", sponsor, potId=other, method="WHATSAPP", recipient=PHONE)

    assert (await send(api, sponsor)).refusals(SEND) == ["CONTACT_OPTED_OUT"]
    error = error_of(to_pot, "inviteToPot")
    assert (error["code"], error["field"]) == ("CONTACT_OPTED_OUT", ["recipient"])


async def test_many_who_opt_out_at_once_have_opted_out(
    api: Api, make: Factory, sponsor: Any, owner: asyncpg.Pool[Any]
) -> None:
    made = [await invited(make, await person(make)) for _ in range(10)]

    answers = await asyncio.gather(*(api.mutate(OUT, None, code=each.referral_code) for each in made))

    assert [answer.refusals(OUT) for answer in answers] == [[]] * 10
    assert await owner.fetchval("SELECT count(*) FROM referrals.invitation_opt_outs") == 1


@pytest.mark.parametrize("name", [OUT, IN])
async def test_a_sponsor_does_not_answer_for_others(
    api: Api, make: Factory, sponsor: Any, owner: asyncpg.Pool[Any], name: str
) -> None:
    invitation = await invited(make, sponsor)

    own = await api.mutate(name, sponsor, code=invitation.referral_code)
    unknown = await api.mutate(name, None, code=codes.new())

    assert (own.refusals(name), unknown.refusals(name)) == (["OWN_REFERRAL"], ["NOT_FOUND"])
    assert await owner.fetchval("SELECT count(*) FROM referrals.invitation_opt_outs") == 0


@pytest.mark.usefixtures("keyless")
async def test_without_a_key_nobody_opts_out(api: Api, make: Factory, sponsor: Any) -> None:
    invitation = await invited(make, await person(make))

    refused = await api.mutate(OUT, None, code=invitation.referral_code)
    sent = await send(api, sponsor)

    assert refused.codes == ["SERVICE_UNAVAILABLE"]
    # Nobody has opted out: there is nothing that a key would be needed for.
    assert sent.refusals(SEND) == []


async def test_without_a_key_opt_outs_are_missed_only_where_there_are_some(make: Factory, services: Services) -> None:
    settings = services.settings.model_copy(update={"encryption_keys": None, "allow_dev_key": False})
    keyless = replace(services, settings=settings)

    async def opted_out() -> set[str]:
        async with keyless.work() as tx:
            return opt_outs.opted_out_in(tx, [PHONE], *await tx.fetch(*opt_outs.seeking(tx, [PHONE])))

    assert await opted_out() == set()
    await make(InvitationOptOut, contact_hash="0" * 64)
    with pytest.raises(ServiceUnavailable):
        await opted_out()


# Opting in again


async def test_who_opted_out_opts_in_by_the_code(api: Api, make: Factory, sponsor: Any) -> None:
    invitation = await invited(make, await person(make))
    await api.mutate(OUT, None, code=invitation.referral_code)

    answer = await api.mutate(IN, None, code=invitation.referral_code)

    assert answer[IN] == {"invitations": True, "userErrors": []}
    assert (await send(api, sponsor)).refusals(SEND) == []


async def test_who_has_an_account_opts_in_for_it(api: Api, make: Factory, sponsor: Any) -> None:
    fatou = await make(User, phone="+221771112299", created_at=now() - timedelta(days=9))
    invitation = await invited(make, await person(make), invited_phone=fatou.phone)
    await api.mutate(OUT, None, code=invitation.referral_code)
    refused = await send(api, sponsor, phone=fatou.phone)

    await api.mutate(IN, fatou)

    assert refused.refusals(SEND) == ["CONTACT_OPTED_OUT"]
    assert (await send(api, sponsor, phone=fatou.phone)).refusals(SEND) == []
    assert (await api.mutate(IN, None)).codes == ["BAD_USER_INPUT"]


async def test_who_signs_up_later_is_invited_again(api: Api, make: Factory, sponsor: Any) -> None:
    invitation = await invited(make, await person(make), invited_phone="+221771112288")
    await api.mutate(OUT, None, code=invitation.referral_code)
    await make(User, phone="+221771112288", created_at=now() + timedelta(seconds=1))

    assert (await send(api, sponsor, phone="+221771112288")).refusals(SEND) == []
