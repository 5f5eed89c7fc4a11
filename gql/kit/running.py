"""How a mutation runs: in one transaction, so that a retry answers the same and a refusal changes nothing.

The idempotency key is claimed, the rule runs (it reads as the caller and writes as the rules' role), what it made is
read again as the caller with the selection of this very call, and only then it commits. A rule that needs an outside
service commits first, then the service is called, and the payload is read in a transaction of its own.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field, fields
from typing import Any

from sqlalchemy.exc import DBAPIError

from gql.kit.node import key_of
from lango.calls import Call, calls_of
from lango.context import Context
from lango.errors import Refused
from lango.providers import ProviderRefused, ProviderUnavailable
from lango.rows import save
from lango.rules import Rule
from lango.session import Work
from models.base import Base
from resolvers import idempotency

ATTEMPTS = 4
# Deadlock and serialization failure: the same call may succeed when it is made again.
RETRIED = frozenset({"40P01", "40001"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A call of a rule: under which name, with what, and which of its values are shown once and kept nowhere."""

    rule: Rule
    operation: str
    arguments: dict[str, Any]
    key: str | None
    first: str
    shown_once: frozenset[str]


@dataclass(frozen=True, slots=True)
class Made:
    """What a call came to: the fields of its payload, or its refusals; and what is still to be asked outside."""

    values: dict[str, Any]
    errors: list[dict[str, Any]]
    calls: list[Call] = field(default_factory=list)
    # The outside services that could not be reached, which are asked again; and those that will not do it.
    unreached: list[str] = field(default_factory=list)
    unwilling: list[str] = field(default_factory=list)


async def run(context: Context, asked: Asked) -> Made:
    """Run a rule, again after a deadlock; leaves a transaction open in the context, for the payload to be read."""
    for attempt in range(ATTEMPTS):
        work = Work(context.engine, context.actor, as_rules=asked.rule.as_rules)
        try:
            made = await _run(work, asked)
            break
        except BaseException as error:
            await work.fail(error)
            if isinstance(error, Refused):
                # The key, not the rule, refused: another call has it.
                return Made({}, [_told(error)])
            if attempt + 1 == ATTEMPTS or not _is_retried(error):
                raise
            await asyncio.sleep(random.uniform(0.005, 0.05) * 2**attempt)  # noqa: S311 - jitter, no secret
    if made.calls:
        await work.commit()
        made = await _call_outside(context, made)
        work = Work(context.engine, context.actor)
        await work.begin(with_rule=False)
        await work.show()
    context.read_in(work)
    return made


def _is_retried(error: BaseException) -> bool:
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in RETRIED


async def _run(work: Work, asked: Asked) -> Made:
    """The rule in its transaction, which is left showing what the caller may see of it."""
    key, claimed = asked.key, None
    await work.begin(with_rule=key is None)
    if key is not None:
        request = idempotency.hash_of(asked.arguments)
        claimed = await idempotency.claim(work.session, work.actor, asked.operation, key, request)
        if claimed.outcome is not None:
            await work.show()
            return _kept(claimed.outcome)
        await work.start_rule()
    try:
        result = await asked.rule.run(work.session, work.actor, **asked.arguments)
        made = Made(_values(result, asked.first), [], calls_of(work.session))
        await work.keep(and_show=claimed is None)
        if claimed is None:
            return made
    except Refused as refusal:
        await work.undo()
        await save(work.session, *refusal.kept)
        made = Made({}, [_told(refusal)])
    if claimed is not None:
        kept = {name: value for name, value in made.values.items() if name not in asked.shown_once}
        calls = [call.kept() for call in made.calls]
        await idempotency.store(work.session, claimed, {"made": kept, "refused": made.errors, "calls": calls})
    await work.show()
    return made


async def _call_outside(context: Context, made: Made) -> Made:
    """Make the rule's calls now; one that fails is made again by the worker, which has it as a job."""
    values, unreached, unwilling = dict(made.values), [], []
    for call in made.calls:
        try:
            values |= await call.make(context.services) or {}
        except ProviderUnavailable as error:
            unreached.append(error.provider)
        except ProviderRefused as error:
            unwilling.append(error.provider)
    return Made(values, made.errors, [], unreached, unwilling)


def _kept(outcome: dict[str, Any]) -> Made:
    calls = [Call.of(kept) for kept in outcome.get("calls", [])]
    return Made(outcome.get("made", {}), outcome.get("refused", []), calls)


def _told(refusal: Refused) -> dict[str, Any]:
    return {"code": refusal.code(), "message": refusal.message, "field": refusal.field, "details": refusal.details}


def _values(result: Any, first: str) -> dict[str, Any]:
    """The payload's values: for a row the parts of its key, because the payload reads it anew; others as they are."""
    parts = {first: result} if isinstance(result, Base) else {f.name: getattr(result, f.name) for f in fields(result)}
    return {name: _value(value) for name, value in parts.items()}


def _value(value: Any) -> Any:
    if isinstance(value, Base):
        return [str(part) for part in key_of(value)]
    return [_value(item) for item in value] if isinstance(value, list) else value
