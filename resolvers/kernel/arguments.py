"""The first rule of all rules: what a rule acts on is seen as the caller, and locked in the rules' role.

Row-level security decides what exists for the caller; what does not is NOT_FOUND, never FORBIDDEN. What a stranger may
not do is refused before anything is locked, so that nobody holds up the rows of others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from lango.db import rows
from lango.rules.inputs import DetailsParameter, Locked, OwnedBy, Parameter, Referred
from lango.rules.rule import NotFound, Rule
from lango.rules.transaction import CallerTransaction, RuleTransaction
from resolvers.kernel import guardianship
from resolvers.kernel.too_late import ended_lately

ACRONYMS = {"qr": "QR", "kyc": "KYC", "dao": "DAO", "api": "API"}


async def arguments_of(caller: CallerTransaction, rule: Rule[..., Any], given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a rule, from the fields of its input; takes the rules' role where it finds rows for the rule.

    Raises NotFound, and the refusals of `OwnedBy`.
    """
    named = {each: given[each.field] for each in rule.sees if each.field and each.field in given}
    seen = await _see(caller, rule, named) if named else {}
    arguments = {name: value for name, value in given.items() if name not in {each.field for each in rule.finds}}
    if rule.sees:
        tx = caller.as_rules()
        for each, key in named.items():
            if seen[each.name] is None and not await ended_lately(tx, each.model, key):
                raise _not_found(each)
        arguments |= await _locked(tx, rule, seen, given)
    for details in rule.signature.parameters:
        if isinstance(details, DetailsParameter):
            names = [field.name for field in details.fields if field.name in arguments]
            arguments[details.name] = details.type(**{name: arguments.pop(name) for name in names})
    return arguments


async def _see(caller: CallerTransaction, rule: Rule[..., Any], named: Mapping[Parameter, UUID]) -> dict[str, Any]:
    """The rows that the input names, if the caller sees them and may do with them what is requested; None for one that
    may have ended lately."""
    owned = [each for each in rule.finds if each.owned is not None]
    looked_up = [rows.finding(each.model, key) for each, key in named.items()]
    if owned:
        looked_up.append(guardianship.REPRESENTED.query())
    found = await caller.fetch(*looked_up)
    represented: Collection[UUID] = found.pop()[0][0] or () if owned else ()
    seen: dict[str, Any] = {}
    for (each, _), row in zip(named.items(), found, strict=True):
        if not row and not (isinstance(each.spec, Locked) and each.spec.or_ended_lately):
            raise _not_found(each)
        seen[each.name] = row[0][0] if row else None
        if row and each.owned is not None:
            _check_owner(caller, each.owned, row[0][0], represented, each.field)
    for each in owned:
        if isinstance(each.spec, Referred):
            # The row to which one that the input names refers is the caller's own.
            by = _referring(each, rule)
            referred = await caller.find(each.model, getattr(seen[by.name], each.spec.column.key))
            if referred is None:
                raise _not_found(each, by.field)
            _check_owner(caller, each.owned, referred, represented, by.field)
    return seen


def _check_owner(
    caller: CallerTransaction, owned: OwnedBy | None, row: Any, represented: Collection[UUID], field: str | None
) -> None:
    assert owned is not None
    if owned.or_staff and caller.actor.is_staff:
        return
    if getattr(row, owned.column.key) not in represented:
        raise owned.refusal(field=field)


async def _locked(
    tx: RuleTransaction, rule: Rule[..., Any], seen: dict[str, Any], given: dict[str, Any]
) -> dict[str, Any]:
    """The rows of a rule by parameter, locked in the one order; None for one that was not given."""
    found: dict[str, Any] = {each.name: seen.get(each.name) for each in rule.finds}
    places: list[tuple[int, str, UUID, Parameter]] = []
    for each in rule.finds:
        key = given.get(each.field) if each.field else _referred(each, rule, seen)
        if isinstance(each.spec, Locked | Referred) and key is not None:
            places.append((each.type.__lock_rank__, each.type.__name__, key, each))
    places.sort(key=lambda place: place[:3])
    if places:
        locked = await tx.fetch(*(rows.locking(each.type, key) for _, _, key, each in places))
        for (_, _, _, each), row in zip(places, locked, strict=True):
            if not row:
                raise _not_found(each, each.field or _referring(each, rule).field)
            ((found[each.name],),) = row
    return found


def _referred(each: Parameter, rule: Rule[..., Any], seen: dict[str, Any]) -> UUID | None:
    """The key of the row to which another parameter's row refers."""
    assert isinstance(each.spec, Referred)
    key: UUID | None = getattr(seen[_referring(each, rule).name], each.spec.column.key)
    return key


def _referring(each: Parameter, rule: Rule[..., Any]) -> Parameter:
    """The parameter whose row refers to that one's."""
    assert isinstance(each.spec, Referred)
    return next(other for other in rule.finds if other.field and other.type is each.spec.column.class_)


def _not_found(each: Parameter, field: str | None = None) -> NotFound:
    words = [ACRONYMS.get(word, word) for word in each.name.removesuffix("_id").split("_")]
    return NotFound(f"There is no such {' '.join(words)}.", field=field or each.field)
