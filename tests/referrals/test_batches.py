"""Sponsors choose from batches of their contacts."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from lango.values import codes
from models.referrals import Referral, SponsorContactBatch, SponsorDailyLimit
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF, Api
from tests.factories import Factory
from tests.referrals.calls import error_of, phones
from tests.referrals.conftest import minor, person
from tests.referrals.test_inviting import here

PREPARE, SELECT, SEND, SKIP = "prepareContactBatch", "selectBatchContacts", "sendBatch", "skipBatch"


async def prepared(api: Api, sponsor: SimpleNamespace, contacts: list[dict[str, str]]) -> str:
    """The id of a batch."""
    return str((await api.mutate(PREPARE, sponsor, contacts=contacts))[PREPARE]["batches"][0]["rowId"])


async def kept(owner: asyncpg.Pool[Any], batch_id: str) -> Any:
    return await owner.fetchrow("SELECT * FROM referrals.sponsor_contact_batches WHERE id = $1", batch_id)


# prepareContactBatch


async def test_contacts_are_cut_into_batches_of_50(api: Api, sponsor: Any, books: Books) -> None:
    batches = (await api.mutate(PREPARE, sponsor, contacts=phones(120)))[PREPARE]["batches"]

    places = [(each["batchNumber"], each["startPosition"], each["endPosition"]) for each in batches]
    assert places == [(1, 0, 50), (2, 50, 100), (3, 100, 120)]
    assert [len(each["contactSnapshot"]) for each in batches] == [50, 50, 20]
    assert {each["status"] for each in batches} == {"PENDING"}
    assert await books.events(batches[0]["rowId"]) == ["contact_batch.prepared"]


async def test_the_next_batch_follows_on_the_last(api: Api, sponsor: Any, owner: asyncpg.Pool[Any]) -> None:
    await api.mutate(PREPARE, sponsor, contacts=phones(60))

    (batch,) = (await api.mutate(PREPARE, sponsor, contacts=phones(5, begin=60)))[PREPARE]["batches"]
    (elsewhere,) = (await api.mutate(PREPARE, sponsor, contacts=phones(5), startPosition=200))[PREPARE]["batches"]

    assert (batch["batchNumber"], batch["startPosition"], batch["endPosition"]) == (3, 60, 65)
    assert (elsewhere["batchNumber"], elsewhere["startPosition"]) == (4, 200)
    begin = await owner.fetchval(
        "SELECT current_batch_start FROM referrals.sponsor_daily_limits WHERE sponsor_user_id = $1", sponsor.id
    )
    assert begin == 205


async def test_the_snapshot_keeps_contacts_as_they_are_reached(api: Api, sponsor: Any) -> None:
    contacts = [{"id": "a7", "name": "Awa", "phone": "77 123 45 67"}, {"email": "Moussa@Example.SN"}]

    (batch,) = (await api.mutate(PREPARE, sponsor, contacts=contacts))[PREPARE]["batches"]

    assert batch["contactSnapshot"] == [
        {"id": "a7", "name": "Awa", "phone": "+221771234567"}, {"id": "1", "email": "moussa@example.sn"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("contacts", "more", "code", "field"),
    [
        ([], {}, "NOBODY_INVITED", ["contacts"]),
        (phones(1001), {}, "TOO_MANY", ["contacts"]),
        ([*phones(2), {"phone": "12"}], {}, "PHONE_NOT_VALID", ["contacts", "2", "phone"]),
        ([{"name": "Awa"}], {}, "CONTACT_MISSING", ["contacts", "0"]),
        ([{"id": "a", **each} for each in phones(2)], {}, "CONTACT_TWICE", ["contacts", "1", "id"]),
        ([*phones(1), {"id": "0", "phone": "771234567"}], {}, "CONTACT_TWICE", ["contacts", "1", "id"]),
        (phones(1), {"startPosition": -1}, "AMOUNT_OUT_OF_RANGE", ["startPosition"]),
        (phones(1), {"startPosition": 2**31 - 1}, "AMOUNT_OUT_OF_RANGE", ["startPosition"]),
    ],
)
async def test_an_invalid_list_of_contacts_is_refused(
    api: Api, sponsor: Any, changes: Changes, contacts: Any, more: dict[str, Any], code: str, field: list[str]
) -> None:
    before = await changes.mark()

    error = error_of(await api.mutate(PREPARE, sponsor, contacts=contacts, **more), PREPARE)

    assert (error["code"], error["field"]) == (code, field)
    assert await changes.since(before) == []


async def test_batches_prepared_at_once_do_not_share_a_place(api: Api, sponsor: Any, owner: asyncpg.Pool[Any]) -> None:
    await asyncio.gather(*(api.mutate(PREPARE, sponsor, contacts=phones(3)) for _ in range(10)))

    rows = await owner.fetch(
        "SELECT batch_number, start_position FROM referrals.sponsor_contact_batches WHERE sponsor_user_id = $1 ORDER BY 1",
        sponsor.id,
    )
    assert [tuple(row) for row in rows] == [(place + 1, place * 3) for place in range(10)]


# selectBatchContacts


async def test_the_sponsor_chooses_from_a_batch_and_may_choose_again(api: Api, sponsor: Any, books: Books) -> None:
    batch = await prepared(api, sponsor, phones(5))

    first = await api.mutate(SELECT, sponsor, batchId=batch, contactIds=["1", "3"])
    second = await api.mutate(SELECT, sponsor, batchId=batch, contactIds=["4"])

    assert first[SELECT]["batch"] == {
        "status": "SELECTED", "selectedCount": 2, "autoSelected": False, "manualSelections": ["1", "3"],
    }  # fmt: skip
    assert second[SELECT]["batch"]["manualSelections"] == ["4"]
    assert await books.events(batch) == ["contact_batch.prepared", *["contact_batch.selected"] * 2]


async def test_without_a_choice_it_is_everybody_who_may_be_invited(api: Api, make: Factory, sponsor: Any) -> None:
    people = phones(5)
    await make(Referral, sponsor_user_id=sponsor.id, referral_code=codes.new(), invited_phone=people[2]["phone"])
    batch = await prepared(api, sponsor, [*people, {"email": sponsor.email}])

    answer = await api.mutate(SELECT, sponsor, batchId=batch)

    assert answer[SELECT]["batch"] == {
        "status": "SELECTED", "selectedCount": 4, "autoSelected": True, "manualSelections": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("ids", "code", "field"),
    [
        (["0", "9"], "CONTACT_UNKNOWN", ["contactIds", "1"]),
        (["0", "1", "0"], "CONTACT_TWICE", ["contactIds", "2"]),
        ([], "NOBODY_INVITED", ["contactIds"]),
    ],
)
async def test_a_choice_is_of_contacts_in_the_batch(
    api: Api, sponsor: Any, changes: Changes, ids: list[str], code: str, field: list[str]
) -> None:
    batch = await prepared(api, sponsor, phones(3))
    before = await changes.mark()

    error = error_of(await api.mutate(SELECT, sponsor, batchId=batch, contactIds=ids), SELECT)

    assert (error["code"], error["field"]) == (code, field)
    assert await changes.since(before) == []


# sendBatch


async def test_those_who_were_chosen_are_invited(
    api: Api, sponsor: Any, owner: asyncpg.Pool[Any], books: Books
) -> None:
    people = phones(5)
    batch = await prepared(api, sponsor, people)
    await api.mutate(SELECT, sponsor, batchId=batch, contactIds=["3", "1"])

    sent = (await api.mutate(SEND, sponsor, batchId=batch, message="Viens"))[SEND]

    assert sent["batch"] == {"status": "SENT", "selectedCount": 2, "sentCount": 2, "autoSelected": False}
    assert [each["invitedPhone"] for each in sent["referrals"]] == [people[3]["phone"], people[1]["phone"]]
    assert sent["left"] == 48
    rows = await owner.fetch("SELECT * FROM referrals.referrals WHERE batch_id = $1 ORDER BY invitation_order", batch)
    assert [(row["invitation_order"], row["invitation_message"]) for row in rows] == [(1, "Viens"), (2, "Viens")]
    assert (await books.events(batch))[-1] == "contact_batch.sent"


async def test_a_batch_that_nobody_was_chosen_from_goes_to_all_who_may_be_invited(
    api: Api, make: Factory, sponsor: Any
) -> None:
    people = phones(5)
    await make(Referral, sponsor_user_id=sponsor.id, referral_code=codes.new(), invited_phone=people[0]["phone"])
    batch = await prepared(api, sponsor, people)

    sent = (await api.mutate(SEND, sponsor, batchId=batch))[SEND]

    assert sent["batch"] == {"status": "SENT", "selectedCount": 4, "sentCount": 4, "autoSelected": True}


async def test_a_batch_goes_out_whole_or_not_at_all(
    api: Api, make: Factory, sponsor: Any, changes: Changes, owner: asyncpg.Pool[Any]
) -> None:
    await make(SponsorDailyLimit, sponsor_user_id=sponsor.id, limit_date=here(), invitations_sent_today=48)
    batch = await prepared(api, sponsor, phones(3))
    before = await changes.mark()

    error = error_of(await api.mutate(SEND, sponsor, batchId=batch), SEND)

    assert (error["code"], error["field"], error["details"]["left"]) == ("DAILY_LIMIT_REACHED", ["batchId"], 2)
    assert await changes.since(before) == []
    assert (await kept(owner, batch))["status"] == "pending"


async def test_somebody_chosen_who_was_invited_meanwhile_is_named(api: Api, sponsor: Any, changes: Changes) -> None:
    people = phones(3)
    batch = await prepared(api, sponsor, people)
    await api.mutate(SELECT, sponsor, batchId=batch, contactIds=["0", "2"])
    await api.mutate("sendReferrals", sponsor, invitees=[people[2]])
    before = await changes.mark()

    error = error_of(await api.mutate(SEND, sponsor, batchId=batch), SEND)

    assert (error["code"], error["field"]) == ("ALREADY_INVITED", ["batchId"])
    assert error["details"] == {"path": ["contactSnapshot", "2", "phone"]}
    assert await changes.since(before) == []


async def test_a_batch_in_which_nobody_is_left_is_not_sent(api: Api, sponsor: Any, changes: Changes) -> None:
    batch = await prepared(api, sponsor, phones(2))
    await api.mutate("sendReferrals", sponsor, invitees=phones(2))
    before = await changes.mark()

    assert (await api.mutate(SEND, sponsor, batchId=batch)).refusals(SEND) == ["NOBODY_INVITED"]
    assert (await api.mutate(SELECT, sponsor, batchId=batch)).refusals(SELECT) == ["NOBODY_INVITED"]
    assert await changes.since(before) == []


async def test_of_many_who_send_a_batch_at_once_one_does(api: Api, sponsor: Any, owner: asyncpg.Pool[Any]) -> None:
    batch = await prepared(api, sponsor, phones(10))

    answers = await asyncio.gather(*(api.mutate(SEND, sponsor, batchId=batch) for _ in range(20)))

    assert sorted(answer.refusals(SEND) for answer in answers) == [[]] + [["INVALID_STATE"]] * 19
    assert await owner.fetchval("SELECT count(*) FROM referrals.referrals WHERE batch_id = $1", batch) == 10


async def test_a_retry_sends_a_batch_once(api: Api, sponsor: Any) -> None:
    batch, key = await prepared(api, sponsor, phones(2)), str(uuid4())

    first = await api.mutate(SEND, sponsor, batchId=batch, idempotencyKey=key)
    again = await api.mutate(SEND, sponsor, batchId=batch, idempotencyKey=key)

    assert len(first[SEND]["referrals"]) == 2
    assert again.data == first.data


@pytest.mark.parametrize(
    "snapshot", [None, "{}", '["x", 7]', '[{"id": "0", "phone": 12}]', '[{"id": "0", "phone": "12"}]']
)
async def test_a_batch_whose_contacts_are_not_kept_is_not_sent(
    api: Api, make: Factory, sponsor: Any, snapshot: str | None
) -> None:
    batch = await make(SponsorContactBatch, sponsor_user_id=sponsor.id, contact_snapshot=snapshot)

    assert (await api.mutate(SEND, sponsor, batchId=str(batch.id))).refusals(SEND) == ["NOBODY_INVITED"]


# skipBatch, and who may


async def test_a_skipped_batch_invites_nobody(api: Api, sponsor: Any, changes: Changes, books: Books) -> None:
    batch = await prepared(api, sponsor, phones(2))

    assert (await api.mutate(SKIP, sponsor, batchId=batch))[SKIP]["batch"] == {"status": "SKIPPED"}
    before = await changes.mark()

    for name in (SELECT, SEND, SKIP):
        error = error_of(await api.mutate(name, sponsor, batchId=batch), name)
        assert (error["code"], error["details"]) == ("INVALID_STATE", {"state": "skipped"})
    assert await changes.since(before) == []
    assert (await books.events(batch))[-1] == "contact_batch.skipped"


@pytest.mark.parametrize("name", [SELECT, SEND, SKIP])
async def test_a_batch_is_its_sponsors_alone(
    api: Api, make: Factory, sponsor: Any, changes: Changes, name: str
) -> None:
    batch = await prepared(api, sponsor, phones(2))
    stranger, staff = await person(make), await person(make, user={"roles": ["user", "admin"]})
    before = await changes.mark()

    assert (await api.mutate(name, stranger, batchId=batch)).refusals(name) == ["NOT_FOUND"]
    assert (await api.mutate(name, staff, STAFF, batchId=batch)).refusals(name) == ["NOT_FOUND"]
    assert (await api.mutate(name, None, batchId=batch)).codes == ["UNAUTHENTICATED"]
    assert await changes.since(before) == []


async def test_a_guardian_handles_a_minors_batch(api: Api, make: Factory) -> None:
    child, guardian = await minor(make)
    answer = await api.mutate(PREPARE, guardian, contacts=phones(2), sponsorId=str(child.id))

    sent = await api.mutate(SEND, guardian, batchId=answer[PREPARE]["batches"][0]["rowId"])

    assert len(sent[SEND]["referrals"]) == 2
