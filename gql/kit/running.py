"""How a mutation runs: in one transaction, so that a retry answers the same and a refusal changes nothing.

The idempotency key is claimed, the rule runs (it reads as the caller and writes as the rules' role), and commits. Then
outside services are called, where the rule needs any, and what it made is read as the caller, with the selection of
this very call: whoever reads slowly holds no lock (docs/adr/0018).
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field, fields
from typing import Any

import structlog

from gql.kit.node import key_of
from lango.calls import Call, calls_of
from lango.context import Context
from lango.errors import OutcomeUnknown, Refused, RowsBusy, is_of_server, state_of
from lango.opened import opened_by
from lango.providers import ProviderRefused, ProviderUnavailable
from lango.rows import save
from lango.rules import Rule
from lango.session import Work
from models.base import Base
from resolvers import idempotency

log = structlog.get_logger("lango.mutations")

ATTEMPTS = 4
# Deadlock and serialization failure: the same call may succeed when it is made again.
RETRIED = frozenset({"40P01", "40001"})
# A lock, or a whole statement, was waited for as long as the settings allow.
WAITED = frozenset({"55P03", "57014"})


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
    # The ids of rows that the payload shows, whoever may read them otherwise.
    opened: list[str] = field(default_factory=list)
    # The outside services that could not be reached, which are asked again; and those that will not do it.
    unreached: list[str] = field(default_factory=list)
    unwilling: list[str] = field(default_factory=list)
    # Whether something else went wrong in a call, which is made again.
    unfinished: bool = False


async def run(context: Context, asked: Asked) -> Made:
    """Run a rule and commit it, again after what another attempt may mend."""
    await context.read_anew()
    made = await _attempted(context, asked)
    context.open_rows(made.opened)
    return await _call_outside(context, made) if made.calls else made


async def _attempted(context: Context, asked: Asked) -> Made:
    unknown: OutcomeUnknown | None = None
    for attempt in range(1, ATTEMPTS + 1):
        work = Work(context.engine, context.actor, as_rules=asked.rule.as_rules)
        try:
            made = await _run(work, asked)
            await _commit(context, work)
        except BaseException as error:
            await work.fail(error)
            if isinstance(error, Refused):
                # The key, not the rule, refused: another call has it.
                return Made({}, [_told(error)])
            if isinstance(error, OutcomeUnknown):
                unknown = error
            if attempt == ATTEMPTS or not _is_retried(error, asked.key):
                if unknown is not None and isinstance(error, Exception):
                    # Whatever kept the last attempt from asking, an earlier one may have been done.
                    raise unknown from unknown.__cause__
                if state_of(error) in WAITED:
                    raise RowsBusy from error
                raise
            await asyncio.sleep(random.uniform(0.005, 0.05) * 2**attempt)  # noqa: S311 - jitter, no secret
        else:
            return made
    raise AssertionError("the last attempt returns or raises")


def _is_retried(error: BaseException, key: str | None) -> bool:
    """Whether the same call may be made again: nothing has come of it, or its key says what has."""
    if isinstance(error, OutcomeUnknown):
        return key is not None
    return state_of(error) in RETRIED or is_of_server(error)


async def _commit(context: Context, work: Work) -> None:
    before, context.outcome = context.outcome, "UNKNOWN"
    try:
        await work.commit()
    except OutcomeUnknown:
        raise
    except Exception:
        context.outcome = before
        raise
    context.outcome = "DONE"


async def _run(work: Work, asked: Asked) -> Made:
    """The rule in its transaction, which is left to be committed."""
    key, claimed = asked.key, None
    await work.begin(with_rule=key is None)
    if key is not None:
        request = idempotency.hash_of(asked.arguments)
        claimed = await idempotency.claim(work.session, work.actor, asked.operation, key, request)
        if claimed.outcome is not None:
            return _kept(claimed.outcome)
        await work.start_rule()
    try:
        result = await asked.rule.run(work.session, work.actor, **asked.arguments)
        made = Made(_values(result, asked.first), [], calls_of(work.session), opened_by(work.session))
        if claimed is not None:
            await work.keep()
    except Refused as refusal:
        await work.undo()
        await save(work.session, *refusal.kept)
        made = Made({}, [_told(refusal)])
    if claimed is not None:
        kept = {name: value for name, value in made.values.items() if name not in asked.shown_once}
        calls = [call.kept() for call in made.calls]
        outcome = {"made": kept, "refused": made.errors, "calls": calls, "opened": made.opened}
        await idempotency.store(work.session, claimed, outcome)
    return made


async def _call_outside(context: Context, made: Made) -> Made:
    """Make the rule's calls now; one that fails is made again by the worker, which has it as a job.

    The rule has been done, so nothing that goes wrong here is an error of the mutation.
    """
    values, unreached, unwilling, unfinished = dict(made.values), [], [], False
    for call in made.calls:
        outcome = "done"
        try:
            values |= await call.make(context.services) or {}
        except ProviderUnavailable as error:
            outcome = "unreached"
            unreached.append(error.provider)
        except ProviderRefused as error:
            outcome = "refused"
            unwilling.append(error.provider)
        except Exception as error:
            outcome, unfinished = "failed", True
            log.error("outside call failed", job=call.job.name, request_id=context.actor.request_id, exc_info=error)
        if context.metrics is not None:
            context.metrics.outside_calls.labels(call.job.name, outcome).inc()
    return Made(values, made.errors, [], made.opened, unreached, unwilling, unfinished)


def _kept(outcome: dict[str, Any]) -> Made:
    calls = [Call.of(kept) for kept in outcome.get("calls", [])]
    return Made(outcome.get("made", {}), outcome.get("refused", []), calls, outcome.get("opened", []))


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
