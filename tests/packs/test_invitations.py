"""Who is to act for a partner is invited by a contact, and decides: nobody is added, and nobody found out about."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from lango.rules.services import Services
from models.identity import User
from models.notifications import NotificationTemplate
from models.packs import PartnerInvitation
from models.profiles import Profile
from resolvers.packs.partner_invitations import expire_lapsed_invitations
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF, Api
from tests.factories import Factory, now
from tests.packs.test_members import member, roles

PENDING = """{ partnerInvitations(where: {status: {eq: PENDING}}) { nodes { rowId partnerName role publicPartner { name } } } }"""


def address() -> str:
    return f"guest-{uuid4().hex[:10]}@test.example"


@pytest.fixture
async def guest(make: Factory) -> Any:
    return await make(User)


async def invite(api: Api, shop: Any, as_: Any = None, role: str = "CASHIER", **contact: Any) -> Any:
    answer = await api.mutate("invitePartnerMember", as_ or shop.owner, partnerId=shop.partner, role=role, **contact)
    assert answer.refusals("invitePartnerMember") == []
    return SimpleNamespace(id=UUID(answer["invitePartnerMember"]["invitation"]["rowId"]))


async def answer_to(api: Api, name: str, invitation: Any, as_: Any, roles: tuple[str, ...] = ()) -> list[str]:
    return (await api.mutate(name, as_, roles, invitationId=invitation)).refusals(name)


async def test_who_is_invited_accepts_and_then_acts_for_the_partner(
    api: Api, make: Factory, shop: Any, guest: Any, owner: asyncpg.Pool[Any], books: Books
) -> None:
    await make(Profile, user_id=guest.id, full_name="Awa Ndiaye", is_profile_public=False)
    invitation = await invite(api, shop, email=guest.email.upper(), role="MANAGER")
    query = "query ($id: ID!) { partner(id: $id) { name members { nodes { colleague { fullName } } } } }"
    given = {"id": str(shop.partner.id)}

    async def reads_the_name(as_: Any) -> bool:
        partner = (await api(query, given, as_=as_))["partner"]
        members = [] if partner is None else partner["members"]["nodes"]
        return {"fullName": "Awa Ndiaye"} in [each["colleague"] for each in members]

    seen = await api(PENDING, as_=guest)
    before = [await reads_the_name(who) for who in (guest, shop.owner)]
    accepted = await api.mutate("acceptPartnerInvitation", guest, invitationId=invitation)
    after = [await reads_the_name(who) for who in (guest, shop.owner)]

    assert seen["partnerInvitations"]["nodes"] == [
        {"rowId": str(invitation.id), "partnerName": shop.partner.name, "role": "MANAGER",
         "publicPartner": {"name": shop.partner.name}}
    ]  # fmt: skip
    # Whose name it is, nobody reads before.
    assert before == [False, False]
    assert accepted["acceptPartnerInvitation"]["partnerMember"]["role"] == "MANAGER"
    assert after == [True, True]
    assert (await roles(owner, shop.partner))[guest.id] == "manager"
    assert await books.events(invitation.id) == ["partner_invitation.sent", "partner_invitation.accepted"]


async def test_the_answer_is_the_same_whether_or_not_anybody_has_the_contact(
    api: Api, shop: Any, guest: Any, owner: asyncpg.Pool[Any]
) -> None:
    answers = [
        await api.mutate("invitePartnerMember", shop.owner, partnerId=shop.partner, role="CASHIER", email=email)
        for email in (guest.email, address(), shop.cashier.email)
    ]

    payloads = [answer["invitePartnerMember"] for answer in answers]
    assert [each["userErrors"] for each in payloads] == [[], [], []]
    assert {each["invitation"]["status"] for each in payloads} == {"PENDING"}
    assert {each["invitation"]["answeredBy"] for each in payloads} == {None}
    assert guest.id not in await roles(owner, shop.partner)


async def test_who_has_no_account_accepts_after_signing_up(api: Api, make: Factory, shop: Any) -> None:
    phone = f"+22177{uuid4().int % 10**7:07d}"
    invitation = await invite(api, shop, phone=phone[4:])

    later = await make(User, phone=phone)

    assert await answer_to(api, "acceptPartnerInvitation", invitation, later) == []


async def test_an_invitation_is_a_message_to_the_contact(
    api: Api, make: Factory, shop: Any, owner: asyncpg.Pool[Any]
) -> None:
    await make(NotificationTemplate, template_key="partner_invitation", body_text="{partner_name}: {role}",
               channels=["email", "sms"], is_active=True)  # fmt: skip
    email, phone = address(), f"+22177{uuid4().int % 10**7:07d}"

    await invite(api, shop, email=email)
    await invite(api, shop, phone=phone)

    sent = await owner.fetch(
        "SELECT recipient_identifier, channel, body, user_id FROM notifications.notifications"
        " WHERE recipient_identifier = ANY ($1)", [email, phone],
    )  # fmt: skip
    assert {(row["recipient_identifier"], row["channel"], row["body"], row["user_id"]) for row in sent} == {
        (email, "email", f"{shop.partner.name}: cashier", None), (phone, "sms", f"{shop.partner.name}: cashier", None),
    }  # fmt: skip
    await owner.execute("DELETE FROM notifications.notifications WHERE recipient_identifier = ANY ($1)", [email, phone])
    await owner.execute("DELETE FROM notifications.notification_templates WHERE template_key = 'partner_invitation'")


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({}, "CONTACT_MISSING", None),
        ({"phone": "+221771234567", "email": "a@test.example"}, "CONTACT_MISSING", None),
        ({"phone": "12"}, "PHONE_NOT_VALID", "phone"),
        ({"email": "nobody"}, "EMAIL_NOT_VALID", "email"),
    ],
)
async def test_one_valid_contact_is_invited(
    api: Api, shop: Any, owner: asyncpg.Pool[Any], given: dict[str, str], code: str, field: str | None, changes: Changes
) -> None:
    before = await changes.mark()

    answer = await api.mutate("invitePartnerMember", shop.owner, partnerId=shop.partner, role="CASHIER", **given)

    (error,) = answer["invitePartnerMember"]["userErrors"]
    assert (error["code"], error["field"]) == (code, field and [field])
    assert await changes.since(before) == []


async def test_nobody_is_invited_twice_not_even_at_once(api: Api, shop: Any, owner: asyncpg.Pool[Any]) -> None:
    email = address()

    answers = await asyncio.gather(
        *(api.mutate("invitePartnerMember", shop.owner, partnerId=shop.partner, role="CASHIER", email=email)
          for _ in range(10))
    )  # fmt: skip

    refusals = [answer.refusals("invitePartnerMember") for answer in answers]
    assert sorted(refusals) == [[]] + [["ALREADY_INVITED"]] * 9
    assert await owner.fetchval("SELECT count(*) FROM packs.partner_invitations WHERE email = $1", email) == 1


async def test_the_days_invitations_are_bounded(api: Api, shop: Any, configure: Any) -> None:
    await configure("partners.daily_invitations", 2)
    for _ in range(2):
        await invite(api, shop, email=address())

    answer = await api.mutate(
        "invitePartnerMember", shop.owner, partnerId=shop.partner, role="CASHIER", email=address()
    )

    assert answer.refusals("invitePartnerMember") == ["DAILY_LIMIT_REACHED"]


async def test_of_many_answers_at_once_one_counts(api: Api, shop: Any, guest: Any, owner: asyncpg.Pool[Any]) -> None:
    for _ in range(3):
        invitation = await invite(api, shop, email=guest.email)
        names = ["acceptPartnerInvitation", "declinePartnerInvitation", "cancelPartnerInvitation"] * 3
        people = [guest, guest, shop.owner] * 3

        refusals = await asyncio.gather(
            *(answer_to(api, name, invitation, who) for name, who in zip(names, people, strict=True))
        )

        assert sorted(refusals) == [[]] + [["INVALID_STATE"]] * 8
        state = await owner.fetchval("SELECT status FROM packs.partner_invitations WHERE id = $1", invitation.id)
        assert (guest.id in await roles(owner, shop.partner)) == (state == "accepted")
        await owner.execute("DELETE FROM packs.partner_members WHERE user_id = $1", guest.id)
        await owner.execute("DELETE FROM packs.partner_invitations WHERE id = $1", invitation.id)


async def test_an_invitation_is_answered_by_whoever_has_the_contact_alone(
    api: Api, make: Factory, shop: Any, guest: Any, owner: asyncpg.Pool[Any], changes: Changes
) -> None:
    invitation, stranger, staff = (
        await invite(api, shop, email=guest.email),
        await make(User),
        await make.staff(),
    )
    before = await changes.mark()

    for name in ("acceptPartnerInvitation", "declinePartnerInvitation"):
        assert await answer_to(api, name, invitation, stranger) == ["NOT_FOUND"]
        assert await answer_to(api, name, invitation, shop.owner) == ["NOT_INVITED"]
        assert await answer_to(api, name, invitation, staff, STAFF) == ["NOT_INVITED"]
    assert await answer_to(api, "cancelPartnerInvitation", invitation, guest) == ["NOT_PARTNER_OWNER"]
    assert await answer_to(api, "cancelPartnerInvitation", invitation, shop.manager) == ["NOT_PARTNER_OWNER"]
    assert await answer_to(api, "cancelPartnerInvitation", invitation, shop.cashier) == ["NOT_FOUND"]
    assert (await api(PENDING, as_=stranger))["partnerInvitations"]["nodes"] == []
    assert await changes.since(before) == []


async def ward_of(make: Factory, guardian: Any) -> Any:
    ward = await make(User)
    await make(Profile, user_id=ward.id, date_of_birth=date.today() - timedelta(days=4000),
               guardian_user_id=guardian.id, relationship_type="parent", guardian_accepted_at=now())  # fmt: skip
    return ward


async def test_staff_give_no_part_in_a_partner_to_themselves_or_to_whom_they_act_for(
    api: Api, make: Factory, shop: Any, owner: asyncpg.Pool[Any], changes: Changes
) -> None:
    staff = await make.staff(phone=f"+22177{uuid4().int % 10**7:07d}")
    ward = await ward_of(make, staff)
    await make.member(shop.partner, ward, "cashier")
    given, of_ward = {"partnerId": shop.partner, "role": "OWNER"}, await member(owner, shop.partner, ward)
    before = await changes.mark()

    for contact in ({"email": staff.email}, {"phone": staff.phone}, {"email": ward.email}):
        answer = await api.mutate("invitePartnerMember", staff, STAFF, **given, **contact)
        (error,) = answer["invitePartnerMember"]["userErrors"]
        assert (error["code"], error["field"]) == ("OWN_MATTER", list(contact))
    changed = await api.mutate("changePartnerMemberRole", staff, STAFF, partnerMemberId=of_ward, role="OWNER")
    removed = await api.mutate("removePartnerMember", staff, STAFF, partnerMemberId=of_ward)

    assert changed.refusals("changePartnerMemberRole") == ["OWN_MATTER"]
    assert removed.refusals("removePartnerMember") == ["OWN_MATTER"]
    assert await changes.since(before) == []


@pytest.mark.parametrize("is_ward", [False, True], ids=["themselves", "somebody they act for"])
async def test_what_staff_sent_is_not_accepted_by_who_has_become_their_own(
    api: Api, make: Factory, shop: Any, owner: asyncpg.Pool[Any], is_ward: bool, changes: Changes
) -> None:
    staff, email = await make.staff(), address()
    answer = await api.mutate("invitePartnerMember", staff, STAFF, partnerId=shop.partner, role="OWNER", email=email)
    invitation = SimpleNamespace(id=UUID(answer["invitePartnerMember"]["invitation"]["rowId"]))
    who = await ward_of(make, staff) if is_ward else staff
    await owner.execute("UPDATE identity.users SET email = $2 WHERE id = $1", who.id, email)
    before = await changes.mark()

    assert await answer_to(api, "acceptPartnerInvitation", invitation, who) == ["OWN_MATTER"]
    assert await changes.since(before) == []


async def test_staff_invite_others_and_owners_whom_they_like(
    api: Api, make: Factory, shop: Any, guest: Any, owner: asyncpg.Pool[Any]
) -> None:
    staff = await make.staff()
    given = {"partnerId": shop.partner, "role": "MANAGER", "email": guest.email}
    by_staff = await api.mutate("invitePartnerMember", staff, STAFF, **given)
    invitation = SimpleNamespace(id=UUID(by_staff["invitePartnerMember"]["invitation"]["rowId"]))
    child = await ward_of(make, shop.owner)

    assert await answer_to(api, "acceptPartnerInvitation", invitation, guest) == []
    assert await answer_to(api, "acceptPartnerInvitation", await invite(api, shop, email=child.email), child) == []
    assert (await roles(owner, shop.partner)).keys() >= {guest.id, child.id}


async def test_who_has_declined_cannot_be_invited_again_at_once(
    api: Api, shop: Any, guest: Any, owner: asyncpg.Pool[Any]
) -> None:
    invitation = await invite(api, shop, email=guest.email)
    assert await answer_to(api, "declinePartnerInvitation", invitation, guest) == []
    again = {"partnerId": shop.partner, "role": "CASHIER", "email": guest.email}

    refused = await api.mutate("invitePartnerMember", shop.owner, **again)
    await owner.execute(
        "UPDATE packs.partner_invitations SET answered_at = now() - interval '15 days' WHERE id = $1", invitation.id
    )
    later = await api.mutate("invitePartnerMember", shop.owner, **again)

    assert refused.refusals("invitePartnerMember") == ["DECLINED_LATELY"]
    assert later.refusals("invitePartnerMember") == []


async def test_an_invitation_expires_by_itself_and_another_one_may_be_sent(
    api: Api, make: Factory, shop: Any, guest: Any, owner: asyncpg.Pool[Any], services: Services, books: Books
) -> None:
    lapsed = [
        await make(PartnerInvitation, partner_id=shop.partner.id, email=email, phone=None, invited_by=shop.owner.id,
                   role="cashier", status="pending", expires_at=now() - timedelta(seconds=1))
        for email in (guest.email, address())
    ]  # fmt: skip

    late = await answer_to(api, "acceptPartnerInvitation", lapsed[0], guest)
    another = await invite(api, shop, email=guest.email)
    await asyncio.gather(*(expire_lapsed_invitations(services) for _ in range(3)))

    assert late == ["INVITATION_EXPIRED"]
    states = [
        await owner.fetchval("SELECT status FROM packs.partner_invitations WHERE id = $1", each.id)
        for each in (*lapsed, another)
    ]
    assert states == ["expired", "expired", "pending"]
    assert await books.events(lapsed[1].id) == ["partner_invitation.expired"]
    assert await answer_to(api, "acceptPartnerInvitation", lapsed[0], guest) == ["INVALID_STATE"]


async def test_who_is_an_owner_no_more_has_invited_nobody(
    api: Api, make: Factory, shop: Any, guest: Any, owner: asyncpg.Pool[Any], books: Books
) -> None:
    second = await make(User)
    await make.member(shop.partner, second, "owner")
    own = await invite(api, shop, second, role="OWNER", email=guest.email)
    other = await invite(api, shop, email=address())

    await api.mutate("removePartnerMember", shop.owner, partnerMemberId=await member(owner, shop.partner, second))

    assert await answer_to(api, "acceptPartnerInvitation", own, guest) == ["INVALID_STATE"]
    assert (await books.events(own.id))[-1] == "partner_invitation.cancelled"
    assert await books.events(other.id) == ["partner_invitation.sent"]


async def test_an_existing_member_cannot_accept_an_invitation(api: Api, shop: Any, changes: Changes) -> None:
    invitation = await invite(api, shop, email=shop.cashier.email, role="OWNER")
    before = await changes.mark()

    assert await answer_to(api, "acceptPartnerInvitation", invitation, shop.cashier) == ["ALREADY_MEMBER"]
    assert await changes.since(before) == []


async def test_for_a_partner_that_is_terminated_nobody_is_invited_or_begins(
    api: Api, shop: Any, guest: Any, owner: asyncpg.Pool[Any]
) -> None:
    invitation = await invite(api, shop, email=guest.email)
    await owner.execute("UPDATE packs.partners SET status = 'terminated' WHERE id = $1", shop.partner.id)

    answer = await api.mutate(
        "invitePartnerMember", shop.owner, partnerId=shop.partner, role="CASHIER", email=address()
    )

    assert answer.refusals("invitePartnerMember") == ["INVALID_STATE"]
    assert await answer_to(api, "acceptPartnerInvitation", invitation, guest) == ["INVALID_STATE"]
    assert guest.id not in await roles(owner, shop.partner)
