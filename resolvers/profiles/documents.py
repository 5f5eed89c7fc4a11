"""Identity documents: submitted by a person, looked at by staff, and erased where they were not accepted.

Number and picture are encrypted. The number is found by a keyed hash: one document of two users is a security event,
which staff see and the second person hears nothing of. The profile shows the last document; all of a user's are written
under the user's lock.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, any_, bindparam, func, or_
from sqlalchemy import Text as SqlText

from lango.db import rows
from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.jobs.job import scheduled
from lango.rules.inputs import Id, Named, Seen, Text, Value
from lango.rules.rule import InvalidState, NotFound, rule
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from lango.security.encryption import Keyring, opened
from lango.values.countries import COUNTRIES
from lango.values.pictures import NotAPicture, cleaned
from models.columns import Documented
from models.identity import User
from models.profiles import IdentityDocument, Profile, ProfileIdType
from models.profiles import IdentityDocumentStatus as Status
from models.security import SecurityEventSeverity as Severity
from resolvers.kernel import audit, clock, due, guardianship, own_matters
from resolvers.kernel.notifications import notify
from resolvers.kernel.own_matters import OwnMatter
from resolvers.kernel.steps import step
from resolvers.kernel.texts import TextMissing, check_text
from resolvers.profiles import guardians
from resolvers.profiles.addresses import CountryUnknown
from resolvers.security import events

LONGEST_NUMBER = 64
# As base64, so that the request stays within the largest body.
LONGEST_IMAGE = 900_000
LONGEST_REASON = 2_000
ERASED_AFTER_DAYS = 30
NUMBER, HASH, IMAGE = IdentityDocument.number, IdentityDocument.number_hash, IdentityDocument.image


class DocumentNumberNotValid(Refused):
    """A document's number has letters and digits, and at least four of them."""


class DocumentExpired(Refused):
    """This document is no longer valid."""


class PictureNotValid(Refused):
    """The picture must be a JPEG or PNG file as base64, and not damaged."""


class ProfileMissing(Refused):
    """Fill in the profile first: name and birth date."""


class DocumentErased(Refused):
    """The number and the picture of this document have been erased."""


class DocumentUnreadable(Refused):
    """The number and the picture of this document can no longer be read."""


class Decision(Documented):
    """What staff find of a document."""

    VERIFIED = "verified", "It is true, and the person's own."
    REJECTED = "rejected", "It is not accepted, for the reason that is given."


# Those that another one replaces.
CURRENT = Lookup(
    [IdentityDocument],
    lambda found: found.where(
        IdentityDocument.user_id == bindparam("user_id"),
        or_(IdentityDocument.status == Status.PENDING, IdentityDocument.status == Status.VERIFIED),
    ),
)
SAME = Lookup(
    [IdentityDocument.id, IdentityDocument.user_id],
    lambda found: found.where(
        any_(bindparam("hashes", type_=ARRAY(SqlText))) == HASH, IdentityDocument.user_id != bindparam("user_id")
    ),
)
SECRETS = Lookup(
    [IdentityDocument.number, IdentityDocument.image],
    lambda found: found.where(IdentityDocument.id == bindparam("id")),
)
OUTDATED = due.Due(
    IdentityDocument.id,
    lambda found: found.where(
        IdentityDocument.status == Status.VERIFIED, IdentityDocument.expires_on < func.current_date()
    ).order_by(IdentityDocument.expires_on, IdentityDocument.id),
)
TO_ERASE = due.Due(
    IdentityDocument.id,
    lambda found: found.where(
        IdentityDocument.status == Status.REJECTED,
        IdentityDocument.erased_at.is_(None),
        IdentityDocument.decided_at < func.now() - func.make_interval(0, 0, 0, ERASED_AFTER_DAYS),
    ).order_by(IdentityDocument.decided_at, IdentityDocument.id),
)

Submitted = Annotated[IdentityDocument, Named("document")]


@rule(NotFound, ProfileMissing, DocumentNumberNotValid, DocumentExpired, CountryUnknown, PictureNotValid)
async def submit_identity_document(
    tx: RuleTransaction,
    type: Annotated[ProfileIdType, Value("Which document it is.")],  # noqa: A002
    number: Annotated[str, Text("Its number; blanks, hyphens and letter case do not matter.", LONGEST_NUMBER)],
    country: Annotated[str, Text("The country that issued it, as in `SEN` (ISO 3166-1).", IdentityDocument.country)],
    expires_on: Annotated[date | None, Value("The last day on which it is valid, where it has one.")] = None,
    image: Annotated[
        str | None,
        Text(
            "Its picture: a JPEG or PNG file as base64. What a camera wrote into it is not kept.",
            LONGEST_IMAGE,
            exact=True,
        ),
    ] = None,
    user_id: Annotated[UUID | None, Id(User, "The minor for whom you act; yourself when it is left out.")] = None,
) -> Submitted:
    """Submit a document that proves who one is, for staff to look at. It replaces those before it.

    Number and picture are kept encrypted, and shown to nobody but staff who look at them, which is written down.
    """
    plain = normalised(number)
    if country not in COUNTRIES:
        raise CountryUnknown(field="country")
    picture = None if image is None else await _picture(image)
    whose = await guardianship.acting_for(tx, user_id, field="user_id")
    hashes = _hashes(tx.services.keyring, type, country, plain)
    _, found, before, same, ((now,),) = await tx.fetch(
        rows.locking(User, whose), guardians.reading(whose), CURRENT.query(user_id=whose),
        SAME.query(hashes=hashes, user_id=whose), clock.reading(),
    )  # fmt: skip
    if not found:
        raise ProfileMissing
    if expires_on is not None and expires_on < now.date():
        raise DocumentExpired(field="expires_on")
    ((profile, _),) = found
    for (each,) in before:
        each.status = Status.REPLACED
        tx.save(each)
    key, keys = uuid4(), tx.services.keyring
    document = IdentityDocument(
        id=key, user_id=whose, type=type, country=country, number=keys.seal(plain, NUMBER, key), number_hash=hashes[0],
        expires_on=expires_on, status=Status.PENDING,
    )  # fmt: skip
    if picture is not None:
        content, document.image_type = picture
        document.image = keys.seal(base64.b64encode(content).decode(), IMAGE, key)
    tx.save(document)
    profile.id_type, profile.id_country = type, country
    profile.id_number, profile.id_hash = keys.seal(plain, Profile.id_number, whose), hashes[0]
    profile.id_media_url = None
    profile.id_verified_at = profile.id_verified_by = None
    tx.save(profile)
    others = sorted({str(user) for _, user in same})
    if others:
        events.record(
            tx, None, "identity_document_duplicate", Severity.HIGH, document=str(key), user=str(whose),
            others=others,
        )  # fmt: skip
    return document


@rule(OwnMatter, InvalidState, TextMissing, staff=True)
async def verify_identity(
    tx: RuleTransaction,
    document: Annotated[IdentityDocument, Seen("The document that waits.")],
    decision: Annotated[Decision, Value("What was found of it.")],
    reason: Annotated[str | None, Text("Why it is rejected, for the person to read.", LONGEST_REASON)] = None,
) -> Submitted:
    """Say of an identity document whether it is true. Staff, of others than themselves.

    A rejected one is erased after 30 days: its number and its picture.
    """
    if decision == Decision.REJECTED:
        check_text(reason or "", field="reason")
    _, found, ((document,),), wards, ((now,),) = await tx.fetch(
        rows.locking(User, document.user_id), guardians.reading(document.user_id),
        rows.finding(IdentityDocument, document.id), own_matters.relating(tx), clock.reading(),
    )  # fmt: skip
    own_matters.refuse_related(tx, wards, document.user_id, field="document_id")
    step(document, Status(decision.value), field="document_id")
    document.decided_by, document.decided_at = tx.user_id, now
    ((profile, _),) = found
    if decision == Decision.VERIFIED:
        profile.id_verified_at, profile.id_verified_by = now, tx.user_id
        notify(tx, document.user_id, "identity_verified")
    else:
        document.reason = reason
        notify(tx, document.user_id, "identity_rejected", reason=reason or "")
    tx.save(document, profile)
    return document


@dataclass(frozen=True, slots=True)
class RevealedDocument:
    """What stands in a document, shown once."""

    number: Annotated[str, Value("Its number.")]
    image: Annotated[str | None, Value("Its picture as a `data:` URL; null without one.")]
    document: IdentityDocument


@rule(OwnMatter, DocumentErased, DocumentUnreadable, idempotent=False, staff=True)
async def reveal_identity_document(
    tx: RuleTransaction, document: Annotated[IdentityDocument, Seen("The document.")]
) -> RevealedDocument:
    """Show staff the number and the picture of a document, to see whether it is true. Each time is written down."""
    secrets, wards = await tx.fetch(SECRETS.query(id=document.id), own_matters.relating(tx))
    own_matters.refuse_related(tx, wards, document.user_id, field="document_id")
    ((number, image),) = secrets
    if number is None:
        raise DocumentErased(field="document_id")
    keys = tx.services.keyring
    plain = opened(keys, number, NUMBER, document.id)
    shown = None if image is None else opened(keys, image, IMAGE, document.id)
    if plain is None or (image is not None and shown is None):
        raise DocumentUnreadable(field="document_id")
    audit.revealed(tx, "identity_document", document.id, of=document.user_id)
    url = None if shown is None else f"data:{document.image_type};base64,{shown}"
    return RevealedDocument(plain, url, document)


@scheduled("documents.expire_documents", "10 * * * *")
async def expire_documents(services: Services) -> None:
    """Ask again for documents whose own time has run out."""
    await due.each(services, expire_documents, OUTDATED, _expire)


@scheduled("documents.erase_rejected", "40 * * * *")
async def erase_rejected(services: Services) -> None:
    """Erase the numbers and the pictures of rejected documents, 30 days later."""
    await due.each(services, erase_rejected, TO_ERASE, _erase)


def normalised(number: str) -> str:
    """A number as it is compared: capital letters and digits. Raises DocumentNumberNotValid."""
    plain = "".join(letter for letter in number.upper() if letter.isalnum())
    if len(plain) < 4:
        raise DocumentNumberNotValid(field="number")
    return plain


def _hashes(keys: Keyring, type_: ProfileIdType, country: str, number: str) -> list[str]:
    return keys.digests(f"{type_.value}:{country}:{number}", HASH)


async def _picture(image: str) -> tuple[bytes, str]:
    try:
        return await cleaned(base64.b64decode(image, validate=True))
    except (binascii.Error, ValueError, NotAPicture):
        raise PictureNotValid(field="image") from None


async def _locked(tx: RuleTransaction, document_id: UUID) -> tuple[IdentityDocument, Sequence[tuple[Any, ...]]]:
    """The document as it is under its user's lock, and the profile with it."""
    seen = await tx.find(IdentityDocument, document_id)
    assert seen is not None
    _, found, ((document,),) = await tx.fetch(
        rows.locking(User, seen.user_id), guardians.reading(seen.user_id), rows.finding(IdentityDocument, document_id)
    )
    return document, found


async def _expire(tx: RuleTransaction, document_id: UUID) -> None:
    document, found = await _locked(tx, document_id)
    if document.status != Status.VERIFIED:
        return
    document.status = Status.EXPIRED
    for profile, _ in found:
        profile.id_verified_at = profile.id_verified_by = None
        tx.save(profile)
    tx.save(document)
    notify(tx, document.user_id, "identity_expired")


async def _erase(tx: RuleTransaction, document_id: UUID) -> None:
    document, found = await _locked(tx, document_id)
    if document.status != Status.REJECTED or document.erased_at is not None:
        return
    document.erased_at = await clock.now(tx)
    document.number = document.number_hash = document.image = None
    tx.save(document)
    for profile, _ in found:
        latest = await CURRENT.one(tx, user_id=document.user_id)
        if latest is None:
            profile.id_number = profile.id_hash = profile.id_type = profile.id_country = None
            tx.save(profile)
