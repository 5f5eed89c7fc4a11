"""Postal addresses: of each type one is the default, also when several are added at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID, uuid4

from sqlalchemy import bindparam

from lango.db import rows
from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.rules.inputs import Changes, Id, OwnedBy, Seen, Text, Value
from lango.rules.rule import NotFound, rule
from lango.rules.transaction import RuleTransaction
from lango.values.countries import COUNTRIES
from models.identity import User
from models.profiles import UserAddress, UserAddressType
from resolvers.kernel import clock, guardianship

MOST_ADDRESSES = 50
LONGEST_STREET = 1_000


class NotYourAddress(Refused):
    """Only whose address it is may do this."""


class CountryUnknown(Refused):
    """A country is written by its code of three letters, as in `SEN`."""


class TooManyAddresses(Refused):
    """There are as many addresses as one may have: remove one first."""


class AddressParts(Changes):
    """What an address is made of."""

    street_address: Annotated[str | None, Text("Street, number and what else leads to the door.", LONGEST_STREET)]
    city: Annotated[str | None, Text("Town or city.", UserAddress.city)]
    region: Annotated[str | None, Text("In Senegal one of its regions, as in `Thiès`.", UserAddress.region)]
    country: Annotated[str, Text("ISO 3166-1 code of three letters, as in `SEN`.", UserAddress.country)]
    postal_code: Annotated[str | None, Text("Where the place has one.", UserAddress.postal_code)]
    is_default: Annotated[bool, Value("Whether it is the one that is taken when none of its type is named.")]


# Those that are there, the newest first.
ADDRESSES = Lookup(
    [UserAddress],
    lambda found: found.where(UserAddress.user_id == bindparam("user_id"), UserAddress.deleted_at.is_(None)).order_by(
        UserAddress.created_at.desc(), UserAddress.id
    ),
)


@rule(NotFound, CountryUnknown, TooManyAddresses)
async def add_address(
    tx: RuleTransaction,
    parts: AddressParts,
    type: Annotated[UserAddressType, Value("What it is used for.")] = UserAddressType.PRIMARY,  # noqa: A002
    user_id: Annotated[UUID | None, Id(User, "The minor for whom you act; yourself when it is left out.")] = None,
) -> UserAddress:
    """Add a postal address. The first of a type is its default."""
    whose = await guardianship.acting_for(tx, user_id, field="user_id")
    _check(parts)
    _, found = await tx.fetch(rows.locking(User, whose), ADDRESSES.query(user_id=whose))
    if len(found) >= MOST_ADDRESSES:
        raise TooManyAddresses(most=MOST_ADDRESSES)
    others = _of_type(found, type)
    default = parts.is_default or not any(each.is_default for each in others)
    if default:
        _demote(tx, others)
    address = UserAddress(id=uuid4(), user_id=whose, type=type, **(parts.given | {"is_default": default}))
    tx.save(address)
    return address


Owned = OwnedBy(UserAddress.user_id, NotYourAddress)


@rule(NotFound, CountryUnknown)
async def update_address(
    tx: RuleTransaction,
    address: Annotated[UserAddress, Seen("The address."), Owned],
    parts: AddressParts,
) -> UserAddress:
    """Change an address. A default is given up by making another one the default."""
    _check(parts)
    address, others = await _locked(tx, address)
    given = dict(parts.given)
    if given.get("is_default"):
        _demote(tx, others)
    elif address.is_default:
        # One of each type remains.
        given.pop("is_default", None)
    for column, value in given.items():
        setattr(address, column, value)
    tx.save(address)
    return address


@dataclass(frozen=True, slots=True)
class RemovedAddress:
    """What is left where an address was."""

    removed_address_id: Annotated[UUID, Value("The address that was removed.")]
    # The one that is the default of its type now.
    address: UserAddress | None


@rule(NotFound)
async def remove_address(
    tx: RuleTransaction, address: Annotated[UserAddress, Seen("The address."), Owned]
) -> RemovedAddress:
    """Remove an address. Where it was the default, the newest of its type takes its place, which the payload has."""
    address, others = await _locked(tx, address)
    was_default, address.is_default, address.deleted_at = address.is_default, False, await clock.now(tx)
    tx.save(address)
    following = others[0] if was_default and others else None
    if following is not None:
        following.is_default = True
        tx.save(following)
    return RemovedAddress(address.id, following)


async def _locked(tx: RuleTransaction, seen: UserAddress) -> tuple[UserAddress, list[UserAddress]]:
    """The address, and the others of its type: under the lock of their user."""
    _, found = await tx.fetch(rows.locking(User, seen.user_id), ADDRESSES.query(user_id=seen.user_id))
    address = next((each for (each,) in found if each.id == seen.id), None)
    if address is None:
        raise NotFound(field="address_id")
    return address, [each for each in _of_type(found, address.type) if each.id != address.id]


def _of_type(found: Sequence[tuple[UserAddress]], type_: UserAddressType | None) -> list[UserAddress]:
    return [address for (address,) in found if address.type == type_]


def _demote(tx: RuleTransaction, addresses: Sequence[UserAddress]) -> None:
    """Written before the new default, of which there may be one."""
    for each in addresses:
        if each.is_default:
            each.is_default = False
            tx.save(each)


def _check(parts: AddressParts) -> None:
    if parts.country is not None and parts.country not in COUNTRIES:
        raise CountryUnknown(field="country")
