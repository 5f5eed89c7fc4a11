"""The first rule of all rules: what a rule acts on is seen as the caller, and locked in the rules' role.

Row-level security decides what exists for the caller; what does not is NOT_FOUND, never FORBIDDEN. What a stranger may
not do is refused before anything is locked, so that nobody holds up the rows of others.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from lango.inputs import ChangesParameter, Locked, Parameter, Referred
from lango.rules import NotFound, Rule
from lango.transaction import CallerTransaction, RuleTransaction
from resolvers import people
from resolvers.too_late import ended_lately

# The rows that the caller sees, by parameter; None for one that is not seen, or not given.
Seen = dict[str, Any]


async def arguments_of(caller: CallerTransaction, rule: Rule[..., Any], given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a rule that names rows, from the fields of its input; takes the rules' role.

    Raises NotFound, and the refusals of `OwnedBy`.
    """
    seen = {each.name: await _see(caller, each, given) for each in rule.finds if each.field}
    tx = await caller.as_rules()
    for each in rule.finds:
        if each.field in given and seen[each.name] is None:
            await _check_lately(tx, each, given[each.field])
    keys = {each.name: _key_of(each, rule, seen, given) for each in rule.finds}
    arguments = dict(given)
    for each in sorted(rule.finds, key=lambda each: (each.type.__lock_rank__ or 0, str(keys[each.name]))):
        arguments.pop(each.field or "", None)
        key = keys[each.name]
        if key is None:
            if each.required:
                arguments[each.name] = None
        elif isinstance(each.spec, Locked | Referred):
            arguments[each.name] = await tx.lock(each.type, key)
        else:
            arguments[each.name] = seen[each.name]
    for changes in rule.signature.parameters:
        if isinstance(changes, ChangesParameter):
            names = [each.name for each in changes.fields if each.name in arguments]
            arguments[changes.name] = changes.type(**{name: arguments.pop(name) for name in names})
    return arguments


async def _see(caller: CallerTransaction, each: Parameter, given: dict[str, Any]) -> Any:
    """The row as the caller sees it, if they may do with it what is asked. Raises NotFound at once where no later
    look can find it."""
    assert each.field is not None
    if each.field not in given:
        return None
    row = await caller.find(each.type, given[each.field])
    if row is None:
        if not (isinstance(each.spec, Locked) and each.spec.or_ended_lately):
            raise NotFound(f"There is no such {_noun(each)}.", field=each.field)
        return None
    owned = each.owned
    if owned is not None and not (owned.or_staff and caller.actor.is_staff):
        owner = getattr(row, owned.column.key)
        if owner not in await people.my_people(caller):
            raise owned.refusal(field=each.field)
    return row


async def _check_lately(tx: RuleTransaction, each: Parameter, key: UUID) -> None:
    if not await ended_lately(tx, each.type, key):
        raise NotFound(f"There is no such {_noun(each)}.", field=each.field)


def _key_of(each: Parameter, rule: Rule[..., Any], seen: Seen, given: dict[str, Any]) -> UUID | None:
    if each.field is not None:
        found: UUID | None = given.get(each.field)
        return found
    assert isinstance(each.spec, Referred)
    column = each.spec.column
    refers = next(other for other in rule.finds if other.field and other.type is column.class_)
    key: UUID | None = getattr(seen[refers.name], column.key)
    return key


def _noun(each: Parameter) -> str:
    return each.name.replace("_", " ")
