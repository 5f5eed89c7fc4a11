"""Batches of contacts, from which a sponsor chooses whom to invite: at most 50 each, kept as they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any
from uuid import UUID, uuid4

from sqlalchemy import bindparam, func

from lango.db.postgres import RawJson
from lango.db.prepared import Lookup
from lango.db.transaction import Transaction
from lango.errors import Refused
from lango.rules.inputs import Locked, OwnedBy, Seen, Text, Value
from lango.rules.rule import InvalidState, NotFound, rule
from lango.rules.transaction import RuleTransaction
from models.referrals import Referral, SponsorContactBatch
from models.referrals import SponsorContactBatchStatus as Status
from models.topics import Topic
from resolvers.kernel import clock, contacts, guardianship
from resolvers.kernel.amounts import AmountOutOfRange, fits
from resolvers.kernel.invitees import INVITED, WRITTEN, Email, Invitable, Invitee, InviteeInput, Name, Phone
from resolvers.kernel.outbox import publish
from resolvers.kernel.texts import TooMany, check_count
from resolvers.referrals.daily_limits import DailyLimitReached, lock_today
from resolvers.referrals.invitations import ForAMinor, Inviting, Left, Message, NobodyInvited, read

SIZE = 50
MOST_CONTACTS = 1_000
# Whose batch it is: the caller's, or a minor's for whom the caller answers.
OWN = OwnedBy(SponsorContactBatch.sponsor_user_id, NotFound)
CHOSEN_FROM = frozenset({Status.PENDING, Status.SELECTED})


class ContactUnknown(Refused):
    """There is no such contact in this batch."""


class ContactTwice(Refused):
    """Two contacts have the same id."""


@dataclass(frozen=True, slots=True)
class ContactInput:
    """A contact of a sponsor's list."""

    id: Annotated[str | None, Text("The contact's id in your own list; its place in the list when left out.", 100)] = (
        None
    )
    name: Name = None
    phone: Phone = None
    email: Email = None

    @property
    def person(self) -> InviteeInput:
        return InviteeInput(self.name, self.phone, self.email)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The batches that contacts were cut into."""

    batches: list[SponsorContactBatch]


@rule(NotFound, NobodyInvited, TooMany, ContactTwice, AmountOutOfRange, *WRITTEN)
async def prepare_contact_batch(
    tx: RuleTransaction,
    contacts: Annotated[list[ContactInput], Value("The contacts, in their order: 1,000 at most.")],
    start_position: Annotated[
        int | None,
        Value("The place of the first one in your list, from 0; after the last batch of the day when left out."),
    ] = None,
    sponsor_id: ForAMinor = None,
) -> Prepared:
    """Cut contacts into batches of at most 50, each kept as it is now, to choose from.

    A guardian prepares them for a minor by `sponsorId`.
    """
    sponsor = await guardianship.acting_for(tx, sponsor_id, field="sponsor_id")
    if not contacts:
        raise NobodyInvited(field="contacts")
    check_count(contacts, MOST_CONTACTS, field="contacts")
    daily_limit = await lock_today(tx, sponsor)
    day = daily_limit.day
    begins = (day.current_batch_start or 0) if start_position is None else start_position
    if begins < 0 or not fits(begins + len(contacts), SponsorContactBatch.end_position):
        raise AmountOutOfRange(
            "There is no such place in a list.", field="contacts" if start_position is None else "start_position"
        )
    kept = _kept(contacts, daily_limit.region, begins)
    number = await _last_number(tx, sponsor, day.limit_date)
    batches: list[SponsorContactBatch] = []
    for place in range(0, len(kept), SIZE):
        part = kept[place : place + SIZE]
        batches.append(
            SponsorContactBatch(
                id=uuid4(), sponsor_user_id=sponsor, batch_date=day.limit_date,
                batch_number=number + 1 + len(batches), start_position=begins + place,
                end_position=begins + place + len(part), status=Status.PENDING, contact_snapshot=RawJson.of(part),
            )
        )  # fmt: skip
    day.current_batch_start = begins + len(kept)
    tx.save(day, *batches)
    for batch in batches:
        publish(tx, Topic.CONTACT_BATCH_PREPARED, batch.id, sponsor_user_id=sponsor)
    return Prepared(batches)


@rule(InvalidState, NobodyInvited, ContactUnknown, ContactTwice)
async def select_batch_contacts(
    tx: RuleTransaction,
    batch: Annotated[SponsorContactBatch, Locked("The batch to choose from."), OWN],
    contact_ids: Annotated[
        list[str] | None,
        Text("Whom to invite, by the ids in `contactSnapshot`; everybody who may be invited when left out.", 100),
    ] = None,
) -> SponsorContactBatch:
    """Choose whom of a batch to invite, again until it is sent; without `contactIds` everybody who may be invited."""
    _check_open(batch)
    listed, sponsor = _listed(batch), batch.sponsor_user_id
    if contact_ids is None:
        locale, ((now,),) = await tx.fetch(contacts.locating(sponsor), clock.reading())
        readable = _readable(listed, contacts.region_in(locale))
        people = [person for _, person in readable]
        found = await tx.fetch(*Invitable.seeking(tx, sponsor, people, now))
        chosen = _invitable(listed, readable, Invitable.found(tx, people, now, *found))
    else:
        chosen = _chosen(listed, contact_ids, field="contact_ids")
    if not chosen:
        raise NobodyInvited(field="batch_id" if contact_ids is None else "contact_ids")
    batch.status, batch.selected_count = Status.SELECTED, len(chosen)
    batch.auto_selected = contact_ids is None
    batch.manual_selections = None if contact_ids is None else RawJson.of(contact_ids)
    tx.save(batch)
    publish(tx, Topic.CONTACT_BATCH_SELECTED, batch.id, sponsor_user_id=sponsor)
    return batch


@dataclass(frozen=True, slots=True)
class BatchSent:
    """A batch, the invitations that were sent from it, and how many more may be sent today."""

    batch: SponsorContactBatch
    referrals: list[Referral]
    left: Left


@rule(InvalidState, NobodyInvited, ContactUnknown, ContactTwice, DailyLimitReached, *WRITTEN, *INVITED)
async def send_batch(
    tx: RuleTransaction,
    batch: Annotated[SponsorContactBatch, Seen("The batch to send."), OWN],
    message: Message = None,
) -> BatchSent:
    """Invite those who were chosen from a batch: all of them or nobody.

    Where nobody was chosen, it is everybody in it who may be invited. A refusal of one of them says which in
    `details.path`, which leads into the batch.
    """
    # The sponsor is locked before the batch.
    daily_limit = await lock_today(tx, batch.sponsor_user_id)
    batch = await tx.lock(SponsorContactBatch, batch.id)
    _check_open(batch)
    listed = _listed(batch)
    readable = _readable(listed, daily_limit.region)
    inviting = await Inviting.among(tx, daily_limit, [person for _, person in readable])
    with _of_batch():
        if batch.manual_selections is None:
            batch.auto_selected = True
            chosen = _invitable(listed, readable, inviting.invitable.copy())
        else:
            chosen = _chosen(listed, batch.manual_selections.parsed(), field="manualSelections")
        if not chosen:
            raise NobodyInvited("There is nobody in this batch who may be invited.", field="batch_id")
        given = [(_path(place), _person(contact)) for place, contact in chosen]
        sent = inviting.send(tx, read(daily_limit, given, field="batch_id"), message, batch_id=batch.id)
    batch.status, batch.selected_count, batch.sent_count = Status.SENT, len(chosen), len(sent.referrals)
    tx.save(batch)
    publish(tx, Topic.CONTACT_BATCH_SENT, batch.id, sponsor_user_id=batch.sponsor_user_id)
    return BatchSent(batch, sent.referrals, sent.left)


@rule(InvalidState)
async def skip_batch(
    tx: RuleTransaction, batch: Annotated[SponsorContactBatch, Locked("The batch to pass over."), OWN]
) -> SponsorContactBatch:
    """Pass a batch over: nobody in it is invited."""
    _check_open(batch)
    batch.status = Status.SKIPPED
    tx.save(batch)
    publish(tx, Topic.CONTACT_BATCH_SKIPPED, batch.id, sponsor_user_id=batch.sponsor_user_id)
    return batch


def _check_open(batch: SponsorContactBatch) -> None:
    if batch.status not in CHOSEN_FROM:
        raise InvalidState(f"The batch is {batch.status} already.", field="batch_id", state=batch.status)


def _kept(given: list[ContactInput], region: str, begins: int) -> list[dict[str, Any]]:
    """The contacts as a snapshot has them; one without an id is called by its place in the list."""
    kept: list[dict[str, Any]] = []
    seen: set[str] = set()
    for place, contact in enumerate(given):
        person = Invitee.read(contact.person, region, field=f"contacts.{place}")
        key = contact.id or str(begins + place)
        if key in seen:
            raise ContactTwice(field=f"contacts.{place}.id")
        seen.add(key)
        kept.append({"id": key} | ({} if person.name is None else {"name": person.name}) | person.ways)
    return kept


def _listed(batch: SponsorContactBatch) -> list[dict[str, Any]]:
    """The contacts of a batch; what is no contact there is none."""
    kept = batch.contact_snapshot.parsed() if batch.contact_snapshot else []
    return [contact for contact in kept if _is_contact(contact)] if isinstance(kept, list) else []


def _is_contact(kept: Any) -> bool:
    return isinstance(kept, dict) and all(value is None or isinstance(value, str) for value in kept.values())


def _person(kept: dict[str, Any]) -> InviteeInput:
    """A contact of a snapshot."""
    return InviteeInput(kept.get("name"), kept.get("phone"), kept.get("email"))


def _chosen(listed: list[dict[str, Any]], ids: Sequence[str], *, field: str) -> list[tuple[int, dict[str, Any]]]:
    """Those contacts with their places in the batch. Raises ContactUnknown and ContactTwice."""
    places = {contact.get("id"): place for place, contact in enumerate(listed)}
    for index, key in enumerate(ids):
        if key not in places:
            raise ContactUnknown(field=f"{field}.{index}")
        if key in ids[:index]:
            raise ContactTwice(field=f"{field}.{index}")
    return [(places[key], listed[places[key]]) for key in ids]


def _readable(listed: list[dict[str, Any]], region: str) -> list[tuple[int, Invitee]]:
    """Those of a batch who can be reached as they are written there, with their places in it."""
    readable: list[tuple[int, Invitee]] = []
    for place, contact in enumerate(listed):
        try:
            readable.append((place, Invitee.read(_person(contact), region, field=_path(place))))
        except WRITTEN:
            continue
    return readable


def _invitable(
    listed: list[dict[str, Any]], readable: list[tuple[int, Invitee]], invitable: Invitable
) -> list[tuple[int, dict[str, Any]]]:
    """Those of a batch who may be invited, with their places in it."""
    found = []
    for place, person in readable:
        try:
            invitable.take(person, field=_path(place))
        except INVITED:
            continue
        found.append((place, listed[place]))
    return found


def _path(place: int) -> str:
    return f"contactSnapshot.{place}"


@contextmanager
def _of_batch() -> Iterator[None]:
    """A refusal of somebody in a batch names the batch, which is the caller's input."""
    try:
        yield
    except Refused as refusal:
        if refusal.field not in (None, "batch_id"):
            refusal.details["path"], refusal.field = refusal.field.split("."), "batch_id"
        raise


async def _last_number(tx: Transaction, sponsor: UUID, day: date) -> int:
    ((last,),) = await LAST_NUMBER.all(tx, sponsor_user_id=sponsor, day=day)
    return int(last)


LAST_NUMBER = Lookup(
    [func.coalesce(func.max(SponsorContactBatch.batch_number), 0)],
    lambda rows: rows.where(
        SponsorContactBatch.sponsor_user_id == bindparam("sponsor_user_id"),
        SponsorContactBatch.batch_date == bindparam("day"),
    ),
)
