"""The first rule of all rules: what a rule acts on is seen as the caller, and locked in the rules' role.

Row-level security decides what exists for the caller; what does not is NOT_FOUND, never FORBIDDEN. What a stranger may
not do is refused before anything is locked, so that nobody holds up the rows of others.

Both go in one round trip, with BEGIN and all that comes before. Each row that is seen, and is the caller's own where it
must be, is counted in a setting of the transaction; the statements that lock find nothing unless all were counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Text, Uuid, any_, bindparam, case, cast, func, literal_column
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute

from lango.db import rows
from lango.db.prepared import Lookup, Query
from lango.rules.inputs import DetailsParameter, Locked, Parameter, Referred
from lango.rules.rule import NotFound, Rule
from lango.rules.transaction import CallerTransaction
from resolvers.kernel.too_late import ended_lately

ACRONYMS = {"qr": "QR", "kyc": "KYC", "dao": "DAO", "api": "API"}


async def arguments_of(caller: CallerTransaction, rule: Rule[..., Any], given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a rule, from the fields of its input; takes the rules' role where it finds rows for the rule.

    Raises NotFound, and the refusals of `OwnedBy`.
    """
    arguments = {name: value for name, value in given.items() if name not in {each.field for each in rule.finds}}
    if rule.sees:
        arguments |= await _found(caller, rule, given)
    for details in rule.signature.parameters:
        if isinstance(details, DetailsParameter):
            names = [field.name for field in details.fields if field.name in arguments]
            arguments[details.name] = details.type(**{name: arguments.pop(name) for name in names})
    return arguments


async def _found(caller: CallerTransaction, rule: Rule[..., Any], given: dict[str, Any]) -> dict[str, Any]:
    """The rows of a rule by parameter, seen and locked; None for one that was not given."""
    named = {each: given[each.field] for each in rule.sees if each.field and each.field in given}
    owned = [each for each in rule.finds if isinstance(each.spec, Referred) and each.owned is not None]
    steps = [*named, *(each for each in owned if _referring(each, rule) in named)]
    places = _places(rule, given, named)
    sees = [_see(caller, rule, number, each, named.get(each)) for number, each in enumerate(steps)]
    in_order = None not in [key for _, _, key, _ in places] or len({place[:2] for place in places}) == len(places)
    locks = [_lock(len(steps), each, key) for _, _, key, each in places] if in_order else []
    answers = await caller.fetch_and_lock(sees, locks)
    seen: dict[str, Any] = {}
    for each, found in zip(steps, answers, strict=False):
        by = each if each.field else _referring(each, rule)
        if not found and not (isinstance(each.spec, Locked) and each.spec.or_ended_lately):
            raise _not_found(each, by.field)
        row, is_own = found[0][:2] if found else (None, True)
        if not is_own:
            assert each.owned is not None
            raise each.owned.refusal(field=by.field)
        seen[each.name] = row
    tx = caller.as_rules()
    late = [each for each in steps if seen[each.name] is None]
    for each in late:
        if not await ended_lately(tx, each.model, named[each]):
            raise _not_found(each)
    if late or not in_order:
        locked = await tx.fetch(*(rows.locking(each.type, key) for each, key in _keys(rule, seen, given)))
        places = [(0, "", None, each) for each, _ in _keys(rule, seen, given)]
    else:
        locked = answers[len(steps) :]
    rows_: dict[str, Any] = {each.name: seen.get(each.name) for each in rule.finds}
    for (_, _, _, each), found in zip(places, locked, strict=True):
        if not found:
            if not each.field and _referred(each, rule, seen) is None:
                # It refers to none.
                continue
            raise _not_found(each, each.field or _referring(each, rule).field)
        rows_[each.name] = found[0][0]
    return rows_


def _places(
    rule: Rule[..., Any], given: dict[str, Any], named: Mapping[Parameter, UUID]
) -> list[tuple[int, str, UUID | None, Parameter]]:
    """What is locked, in the one order; without a key, where only the database knows yet to what a row refers."""
    places: list[tuple[int, str, UUID | None, Parameter]] = []
    for each in rule.finds:
        if isinstance(each.spec, Locked) and each.field in given:
            places.append((each.type.__lock_rank__, each.type.__name__, given[each.field], each))
        elif isinstance(each.spec, Referred) and _referring(each, rule) in named:
            places.append((each.type.__lock_rank__, each.type.__name__, None, each))
    return sorted(places, key=lambda place: (place[0], place[1], str(place[2] or "")))


def _keys(rule: Rule[..., Any], seen: dict[str, Any], given: dict[str, Any]) -> list[tuple[Parameter, UUID]]:
    """What is locked, in the one order, once it is known to what each row refers."""
    keys = [(each, given.get(each.field) if each.field else _referred(each, rule, seen)) for each in rule.finds]
    places = [
        (each.type.__lock_rank__, each.type.__name__, key, each)
        for each, key in keys
        if isinstance(each.spec, Locked | Referred) and key is not None
    ]
    return [(each, key) for _, _, key, each in sorted(places, key=lambda place: place[:3])]


def _see(caller: CallerTransaction, rule: Rule[..., Any], number: int, each: Parameter, key: UUID | None) -> Query:
    """How that row is seen, as the caller."""
    checked = each.owned is not None and not (each.owned.or_staff and caller.actor.is_staff)
    owner = each.owned.column if checked and each.owned is not None else None
    refers = tuple(
        (other.name, other.spec.column)
        for other in rule.finds
        if isinstance(other.spec, Referred) and each.field and _referring(other, rule) is each
    )
    name = None if each.field else each.name
    lookup = _seeing(each.model, number, owner, refers, name)
    return lookup.query() if key is None else lookup.query(id=key)


def _lock(steps: int, each: Parameter, key: UUID | None) -> Query:
    """How that row is locked, if all was seen."""
    lookup = _locking(each.type, steps, None if key is not None else each.name)
    return lookup.query() if key is None else lookup.query(id=key)


SEEN = "lango.seen"


def _setting(name: str) -> ColumnElement[Any]:
    return func.nullif(func.current_setting(literal_column(f"'{name}'"), literal_column("true")), literal_column("''"))


def _set(name: str, value: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.set_config(literal_column(f"'{name}'"), value, literal_column("true"))


def _key(model: type[DeclarativeBase], name: str | None) -> ColumnElement[bool]:
    """The row of the id that is given, or to which the row that was seen before refers by that name."""
    (key,) = model.__mapper__.primary_key
    return key == (bindparam("id", type_=key.type) if name is None else cast(_setting(f"lango.to_{name}"), Uuid))


@cache
def _seeing(
    model: type[DeclarativeBase],
    number: int,
    owner: InstrumentedAttribute[Any] | None,
    refers: Sequence[tuple[str, InstrumentedAttribute[Any]]],
    name: str | None,
) -> Lookup:
    """The row, and whether it is the caller's own; it is counted as that number, and to what it refers is noted."""
    own: ColumnElement[bool] = literal_column("true")
    if owner is not None:
        own = func.coalesce(owner == any_(func.lango.my_people(type_=ARRAY(Uuid))), literal_column("false"))
    before = func.coalesce(_setting(SEEN), literal_column("'0'")) == literal_column(f"'{number}'")
    counted = case((own & before, literal_column(f"'{number + 1}'")), else_=literal_column("''"))
    noted = [_set(f"lango.to_{to}", func.coalesce(cast(column, Text), literal_column("''"))) for to, column in refers]
    return Lookup([model, own, _set(SEEN, counted), *noted], lambda found: found.where(_key(model, name)))


@cache
def _locking(model: type[DeclarativeBase], steps: int, name: str | None) -> Lookup:
    all_seen = _setting(SEEN) == literal_column(f"'{steps}'")
    return Lookup([model], lambda found: found.where(_key(model, name), all_seen).with_for_update(key_share=True))


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
