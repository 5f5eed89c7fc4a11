"""Identity documents: encrypted, found by a keyed hash, looked at by staff, erased when they were not accepted."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from PIL import Image

from lango.rules.services import Services
from models.identity import User
from resolvers.profiles.documents import erase_rejected, expire_documents
from tests.client import STAFF, Api
from tests.factories import Factory
from tests.profiles.conftest import People

NUMBER = "1 234-1985 00421"


@pytest.fixture
async def admin(people: People, owner: asyncpg.Pool[Any]) -> SimpleNamespace:
    user = await people.adult("Khady Seck")
    await owner.execute("UPDATE identity.users SET roles = '{user,admin}' WHERE id = $1", user.id)
    return user


def picture(kind: str = "JPEG", comment: bytes = b"GPS 14.7N 17.4W") -> str:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = comment.decode()
    Image.new("RGB", (40, 30), "green").save(out, kind, exif=exif)
    return base64.b64encode(out.getvalue()).decode()


async def submit(api: Api, as_: SimpleNamespace, **given: Any) -> Any:
    given = {"type": "NATIONAL_ID", "number": NUMBER, "country": "SEN"} | given
    answer = await api.mutate("submitIdentityDocument", as_, **given)
    made = answer["submitIdentityDocument"]["document"]
    return answer.refusals("submitIdentityDocument") or SimpleNamespace(id=UUID(made["rowId"]))


async def decide(api: Api, admin: SimpleNamespace, document: SimpleNamespace, decision: str, **given: Any) -> list[str]:
    answer = await api.mutate("verifyIdentity", admin, STAFF, documentId=document, decision=decision, **given)
    return answer.refusals("verifyIdentity")


async def stored(owner: asyncpg.Pool[Any], document: SimpleNamespace) -> Any:
    return await owner.fetchrow("SELECT * FROM profiles.identity_documents WHERE id = $1", document.id)


async def test_staff_verify_a_document_and_the_profile_says_so(
    api: Api, people: People, admin: SimpleNamespace, owner: asyncpg.Pool[Any]
) -> None:
    user = await people.adult()
    document = await submit(api, user, image=picture(), expiresOn=date.today() + timedelta(days=900))

    before = (await people.profile(user))["id_verified_at"]
    decided = await decide(api, admin, document, "VERIFIED")
    again = await decide(api, admin, document, "REJECTED", reason="?")

    profile = await people.profile(user)
    assert (before, decided, again) == (None, [], ["INVALID_STATE"])
    assert profile["id_verified_at"] is not None
    assert (profile["id_verified_by"], profile["id_type"], profile["id_country"]) == (admin.id, "national_id", "SEN")


async def test_nothing_of_it_is_in_clear_anywhere(api: Api, people: People, owner: asyncpg.Pool[Any]) -> None:
    user = await people.adult()
    document = await submit(api, user, image=picture())

    rows = [dict(await stored(owner, document)), dict(await people.profile(user))]
    logged = await owner.fetch(
        "SELECT old_values, new_values, metadata FROM admin.audit_logs WHERE actor_user_id = $1", user.id
    )

    text = json.dumps([*rows, *map(dict, logged)], default=str)
    assert "1234198500421" not in text
    assert NUMBER not in text
    assert rows[0]["number"].startswith("v1:")
    assert rows[0]["number_hash"] is not None


async def test_staff_see_number_and_picture_and_each_time_is_written_down(
    api: Api, people: People, admin: SimpleNamespace, owner: asyncpg.Pool[Any]
) -> None:
    user = await people.adult()
    document = await submit(api, user, image=picture())

    shown = await api.mutate("revealIdentityDocument", admin, STAFF, documentId=document)
    forbidden = await api.mutate("revealIdentityDocument", user, documentId=document)

    found = shown["revealIdentityDocument"]
    assert found["number"] == "1234198500421"
    head, _, content = found["image"].partition(",")
    assert head == "data:image/jpeg;base64"
    assert b"GPS" not in base64.b64decode(content)
    assert Image.open(io.BytesIO(base64.b64decode(content))).size == (40, 30)
    assert forbidden.codes == ["FORBIDDEN"]
    audited = await owner.fetchval(
        "SELECT count(*) FROM admin.audit_logs WHERE action = 'identity_document_revealed' AND resource_id = $1",
        document.id,
    )
    assert audited == 1


async def test_the_same_document_of_two_users_is_an_event_for_staff_alone(
    api: Api, people: People, owner: asyncpg.Pool[Any]
) -> None:
    first, second = await people.adult(), await people.adult()
    # Unique to this test, and written differently by the two.
    number = UUID(int=first.id.int).hex[:12].upper()
    await submit(api, first, number=number)
    again = await submit(api, first, number=number)
    copy = await submit(api, second, number=f" {number[:4]}-{number[4:]} ".lower())

    events = await owner.fetch(
        "SELECT user_id, severity, details FROM security.security_events WHERE event_type = 'identity_document_duplicate'"
        " AND details ->> 'document' = ANY ($1)",
        [str(again.id), str(copy.id)],
    )
    seen = await api("{ securityEvents { nodes { eventType } } }", as_=second)

    assert [(each["user_id"], each["severity"]) for each in events] == [(None, "high")]
    assert json.loads(events[0]["details"])["others"] == [str(first.id)]
    assert seen["securityEvents"]["nodes"] == []


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"number": "--1"}, "DOCUMENT_NUMBER_NOT_VALID"),
        ({"country": "SN"}, "COUNTRY_UNKNOWN"),
        ({"expiresOn": date(2020, 1, 1)}, "DOCUMENT_EXPIRED"),
        ({"image": "not base64!"}, "PICTURE_NOT_VALID"),
        ({"image": base64.b64encode(b"%PDF-1.7 not a picture").decode()}, "PICTURE_NOT_VALID"),
        ({"image": base64.b64encode(b"\xff\xd8\xff\xe0 broken").decode()}, "PICTURE_NOT_VALID"),
        ({"image": picture("PNG")[:60]}, "PICTURE_NOT_VALID"),
    ],
)
async def test_what_is_no_document_is_refused(api: Api, people: People, given: dict[str, Any], code: str) -> None:
    assert await submit(api, await people.adult(), **given) == [code]


async def test_a_picture_is_what_its_content_says_and_has_an_end(
    api: Api, people: People, owner: asyncpg.Pool[Any]
) -> None:
    user = await people.adult()
    document = await submit(api, user, image=picture("PNG"))
    out = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(out, "PNG")

    assert (await stored(owner, document))["image_type"] == "image/png"
    assert await submit(api, user, image=base64.b64encode(out.getvalue()).decode()) == ["PICTURE_NOT_VALID"]


async def test_another_document_takes_the_place_of_the_first(
    api: Api, people: People, admin: SimpleNamespace, owner: asyncpg.Pool[Any]
) -> None:
    user = await people.adult()
    first = await submit(api, user)
    await decide(api, admin, first, "VERIFIED")
    second = await submit(api, user, type="PASSPORT", number="A1234567")

    assert [(await stored(owner, each))["status"] for each in (first, second)] == ["replaced", "pending"]
    assert (await people.profile(user))["id_verified_at"] is None


async def test_many_submitted_at_once_leave_one_that_waits(api: Api, people: People, owner: asyncpg.Pool[Any]) -> None:
    user = await people.adult()

    await asyncio.gather(*(submit(api, user, number=f"AB{n}12345") for n in range(6)))

    rows = await owner.fetch("SELECT status FROM profiles.identity_documents WHERE user_id = $1", user.id)
    assert sorted(row["status"] for row in rows) == ["pending", *["replaced"] * 5]


async def test_rejected_documents_are_erased_30_days_later(
    api: Api, people: People, admin: SimpleNamespace, owner: asyncpg.Pool[Any], services: Services
) -> None:
    user = await people.adult()
    document = await submit(api, user, image=picture())
    without_reason = await decide(api, admin, document, "REJECTED")
    rejected = await decide(api, admin, document, "REJECTED", reason="Illisible")

    await erase_rejected(services)
    kept = (await stored(owner, document))["number"]
    await owner.execute(
        "UPDATE profiles.identity_documents SET decided_at = now() - interval '31 days' WHERE id = $1", document.id
    )
    await erase_rejected(services)

    row, profile = await stored(owner, document), await people.profile(user)
    assert (without_reason, rejected) == (["TEXT_MISSING"], [])
    assert kept is not None
    assert (row["number"], row["number_hash"], row["image"]) == (None, None, None)
    assert (row["reason"], profile["id_number"], profile["id_hash"]) == ("Illisible", None, None)
    shown = await api.mutate("revealIdentityDocument", admin, STAFF, documentId=document)
    assert shown.refusals("revealIdentityDocument") == ["DOCUMENT_ERASED"]


async def test_a_verified_document_past_its_date_asks_again(
    api: Api, people: People, admin: SimpleNamespace, owner: asyncpg.Pool[Any], services: Services
) -> None:
    user = await people.adult()
    document = await submit(api, user, expiresOn=date.today() + timedelta(days=2))
    await decide(api, admin, document, "VERIFIED")
    await owner.execute(
        "UPDATE profiles.identity_documents SET expires_on = current_date - 1 WHERE id = $1", document.id
    )

    await expire_documents(services)

    assert (await stored(owner, document))["status"] == "expired"
    assert (await people.profile(user))["id_verified_at"] is None


async def test_staff_decide_on_no_document_of_their_own_or_their_childs(
    api: Api, people: People, admin: SimpleNamespace
) -> None:
    child = await people.child(admin)
    own = await submit(api, admin)
    childs = await submit(api, admin, userId=child, type="BIRTH_CERTIFICATE", number="BC-778812")

    assert await decide(api, admin, own, "VERIFIED") == ["OWN_MATTER"]
    assert await decide(api, admin, childs, "VERIFIED") == ["OWN_MATTER"]


async def test_a_document_needs_a_profile(api: Api, make: Factory) -> None:
    assert await submit(api, await make(User)) == ["PROFILE_MISSING"]
