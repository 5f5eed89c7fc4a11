"""The first rule of all rules: what a rule acts on is seen as the caller, and locked in the rules' role.

Row-level security decides what exists for the caller; what does not is NOT_FOUND, never FORBIDDEN. What a stranger may
not do is refused before anything is locked, so that nobody holds up the rows of others.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from lango.db.rows import RowGone
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
    seen = {each.name: await _see(caller, each, key) for each, key in named.items()}
    for each in rule.finds:
        if isinstance(each.spec, Referred) and each.owned is not None:
            by = _referring(each, rule)
            await _see_owned(caller, each, getattr(seen[by.name], each.spec.column.key), by.field)
    arguments = {name: value for name, value in given.items() if name not in {each.field for each in rule.finds}}
    if rule.sees:
        tx = await caller.as_rules()
        for each, key in named.items():
            if seen[each.name] is None and not await ended_lately(tx, each.model, key):
                raise _not_found(each)
        arguments |= await _locked(tx, rule, seen, given)
    for details in rule.signature.parameters:
        if isinstance(details, DetailsParameter):
            names = [field.name for field in details.fields if field.name in arguments]
            arguments[details.name] = details.type(**{name: arguments.pop(name) for name in names})
    return arguments


async def _see(caller: CallerTransaction, each: Parameter, key: UUID) -> Any:
    """The row, if the caller sees it and may do with it what is requested; None for one that may have ended lately."""
    row = await caller.find(each.model, key)
    if row is None:
        if isinstance(each.spec, Locked) and each.spec.or_ended_lately:
            return None
        raise _not_found(each)
    if each.owned is not None:
        await _check_owner(caller, each.owned, row, each.field)
    return row


async def _see_owned(caller: CallerTransaction, each: Parameter, key: UUID, field: str | None) -> None:
    """Refuse unless the row, to which the one that `field` names refers, is the caller's own."""
    assert each.owned is not None
    row = await caller.find(each.model, key)
    if row is None:
        raise _not_found(each, field)
    await _check_owner(caller, each.owned, row, field)


async def _check_owner(caller: CallerTransaction, owned: OwnedBy, row: Any, field: str | None) -> None:
    if owned.or_staff and caller.actor.is_staff:
        return
    if getattr(row, owned.column.key) not in await guardianship.represented_users(caller):
        raise owned.refusal(field=field)


async def _locked(
    tx: RuleTransaction, rule: Rule[..., Any], seen: dict[str, Any], given: dict[str, Any]
) -> dict[str, Any]:
    """The rows of a rule by parameter, locked in the one order; None for one that was not given."""
    rows: dict[str, Any] = {each.name: seen.get(each.name) for each in rule.finds}
    locked: list[tuple[int, str, UUID, Parameter]] = []
    for each in rule.finds:
        key = given.get(each.field) if each.field else _referred(each, rule, seen)
        if isinstance(each.spec, Locked | Referred) and key is not None:
            locked.append((each.type.__lock_rank__, each.type.__name__, key, each))
    for _, _, key, each in sorted(locked, key=lambda place: place[:3]):
        try:
            rows[each.name] = await tx.lock(each.type, key)
        except RowGone:
            raise _not_found(each, each.field or _referring(each, rule).field) from None
    return rows


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
