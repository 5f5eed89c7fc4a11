"""How a rule runs: in one transaction, so that a retry answers the same and a refusal changes nothing.

The idempotency key is claimed, the rule runs (it reads as the caller and writes as the rules' role), and commits. Then
outside services are called, where the rule needs any. A mutation, a webhook, a job, a test and the command line run
rules by this one function:

    outcome = await run(services, actor, codes.redeem_qr_code, {"code": "…"}, key="…")
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from decimal import Decimal
from functools import cache
from typing import Any, Literal, NamedTuple

import structlog
from sqlalchemy import inspect
from sqlalchemy.orm import DeclarativeBase

from lango.actor import Actor, DatabaseRole
from lango.db.connection import Query
from lango.errors import OutcomeUnknown, Refused, RowsBusy, is_of_server, state_of
from lango.jobs import calls
from lango.providers import ProviderError
from lango.providers.warnings import NOT_YET_FINISHED, ProviderWarning
from lango.rules.rule import InProgress, Rule
from lango.rules.services import Services
from lango.rules.transaction import Call, CallerTransaction, RuleTransaction
from resolvers.kernel import idempotency
from resolvers.kernel.arguments import arguments_of
from resolvers.kernel.idempotency import Claim, hash_of

log = structlog.get_logger("lango.rules")

ATTEMPTS = 4
# Deadlock and serialization failure: the same call may succeed when it is made again.
RETRIED = frozenset({"40P01", "40001"})
# A lock, or a whole statement, was waited for as long as the settings allow.
LOCK_NOT_AVAILABLE = "55P03"
WAITED = frozenset({LOCK_NOT_AVAILABLE, "57014"})

# Hears of the commit: UNKNOWN while it is under way, DONE after it, None where it failed.
Committing = Callable[[Literal["UNKNOWN", "DONE"] | None], None]
# Counts an outside call: the job's name, and what came of it.
Counting = Callable[[str, str], None]
# Gives the statements by which what a rule came to is read, each of which gives one text.
Reading = Callable[["Outcome"], Awaitable[Sequence[Query]]]


class Outcome(NamedTuple):
    """What a rule came to: the fields of its payload, or its refusals."""

    # A row is the list of its key's parts: whoever wants the row reads it, as they may.
    values: dict[str, Any]
    refusals: list[dict[str, Any]]
    calls: Sequence[Call] = ()
    # The ids of rows that the payload shows, whoever may read them otherwise.
    opened: Sequence[str] = ()
    # What went wrong in the calls outside, though the rule is done.
    warnings: Sequence[ProviderWarning] = ()
    # What the statements of the payload gave, or why they did not; None where nothing was read.
    payload: Sequence[bytes | None] | Exception | None = None
    # The transaction of a dry run, in which its payload is read as the caller; whoever requested it rolls it back.
    dry_run: RuleTransaction | None = None
    # Whether it is what the first call with its idempotency key came to.
    replayed: bool = False


class Arguments(NamedTuple):
    """With what a rule is called. `operation` is the name under which its idempotency key is kept."""

    rule: Rule[..., Any]
    values: dict[str, Any]
    key: str | None
    operation: str
    validate_only: bool


async def _nothing_shown(_: Outcome) -> Sequence[Query]:
    return []


async def run(
    services: Services,
    actor: Actor,
    rule: Rule[..., Any],
    arguments: Mapping[str, Any],
    *,
    key: str | None = None,
    operation: str | None = None,
    validate_only: bool = False,
    committing: Committing = lambda _: None,
    counting: Counting = lambda *_: None,
    reading: Reading = _nothing_shown,
) -> Outcome:
    """Run a rule and commit it, again after what another attempt may mend.

    `arguments` are the input's fields: rows by their keys (`pot_id`). The same `key` with the same arguments gives the
    first call's outcome, within 24 hours. `validate_only` runs the rule to its end and keeps nothing but what a refusal
    keeps. `reading` gives the statements by which the payload of an outcome is read, which go with the commit.

    Raises CallerError, OutcomeUnknown among them.
    """
    call = Arguments(rule, dict(arguments), None if validate_only else key, operation or rule.name, validate_only)
    async with services.hashing if rule.hashes_passwords else nullcontext():
        outcome = await _attempted(services, actor, call, committing, reading)
    return await _call_outside(services, actor, outcome, counting) if outcome.calls else outcome


async def _attempted(
    services: Services, actor: Actor, call: Arguments, committing: Committing, reading: Reading
) -> Outcome:
    unknown: OutcomeUnknown | None = None
    claimed = None if call.key is None else idempotency.claim(actor, call.operation, call.key, hash_of(call.values))
    attempt, is_there = 0, False
    while True:
        attempt += 1
        tx = RuleTransaction(services, actor)
        tx.validates_only = call.validate_only
        # After a failure the server may be another one.
        tx.unnamed = attempt > 1
        try:
            return await _run(tx, call, claimed, committing, reading, is_there=is_there)
        except BaseException as error:
            await tx.rollback(error)
            if idempotency.is_taken(error) and not is_there:
                # Not an attempt at the rule, of which nothing was done.
                attempt, is_there = attempt - 1, True
                continue
            if idempotency.claims(tx.failed) and state_of(error) == LOCK_NOT_AVAILABLE:
                error = InProgress()
            if isinstance(error, Refused):
                # The key, not the rule, refused: another call has it.
                return Outcome({}, [_refusal(error)])
            if isinstance(error, OutcomeUnknown):
                unknown = error
            if attempt == ATTEMPTS or not _is_retried(error, call.key):
                if unknown is not None and isinstance(error, Exception):
                    # Whatever kept the last attempt from asking, an earlier one may have been done.
                    raise unknown from unknown.__cause__
                if state_of(error) in WAITED:
                    raise RowsBusy from error
                raise
            await asyncio.sleep(random.uniform(0.005, 0.05) * 2**attempt)  # noqa: S311 - jitter, no secret


def _is_retried(error: BaseException, key: str | None) -> bool:
    """Whether the same call may be made again: nothing has come of it, or its key says what has."""
    if isinstance(error, OutcomeUnknown):
        return key is not None
    return state_of(error) in RETRIED or is_of_server(error)


async def _run(
    tx: RuleTransaction,
    call: Arguments,
    claimed: Claim | None,
    committing: Committing,
    reading: Reading,
    *,
    is_there: bool,
) -> Outcome:
    """The rule in its transaction, which is committed, or in a dry run left to be rolled back.

    `is_there`: the key could not be claimed, so its outcome is looked for first.
    """
    rule = call.rule
    role = DatabaseRole.RULES if rule.begins_as_rules else tx.actor.database_role
    if claimed is not None and is_there:
        claimed = await idempotency.found(tx, claimed)
        if claimed.outcome is not None:
            await tx.rollback()
            return _kept(claimed.outcome)
        tx.set_role(role)
    tx.begin(role, claimed.command() if claimed is not None and not is_there else None)
    try:
        result = await _run_rule(tx, rule, call.values)
        outcome = Outcome(_values(rule, result), [], [*tx.calls], [*tx.opened])
        if call.validate_only:
            # What a constraint says at the end, it says now.
            await tx.check()
            tx.set_role(tx.actor.database_role)
            return Outcome(outcome.values, [], opened=outcome.opened, dry_run=tx)
        tx.set_role(DatabaseRole.RULES)
    except Refused as refusal:
        tx.undo(counted_under=refusal.counted_under)
        tx.save(*refusal.kept)
        if refusal.also is not None:
            refusal.also(tx)
        outcome = Outcome({}, [_refusal(refusal)])
    if claimed is not None:
        secret = {result.name for result in rule.results if result.once}
        kept = {name: value for name, value in outcome.values.items() if name not in secret}
        called = [calls.packed(call) for call in outcome.calls]
        stored = {"made": kept, "refused": outcome.refusals, "calls": called, "opened": outcome.opened}
        idempotency.store(tx, claimed, stored)
    # What is called outside may change what the payload shows.
    payload = None if outcome.calls or outcome.refusals else await _statements(reading, outcome)
    committing("UNKNOWN")
    try:
        texts = await tx.finish(payload or (), limit=tx.services.settings.max_answer_bytes)
    except OutcomeUnknown:
        raise
    except Exception:
        committing(None)
        raise
    committing("DONE")
    return outcome if payload is None else outcome._replace(payload=texts)


async def _statements(reading: Reading, outcome: Outcome) -> Sequence[Query] | None:
    """How the payload is read; None where that goes wrong, which is no error of the rule: it is then read later."""
    try:
        return await reading(outcome)
    except Exception as error:
        log.error("payload not planned", exc_info=error)
        return None


async def _run_rule(tx: RuleTransaction, rule: Rule[..., Any], values: dict[str, Any]) -> Any:
    caller = CallerTransaction(tx)
    arguments = await arguments_of(caller, rule, values)
    wants_rules = issubclass(rule.signature.transaction, RuleTransaction)
    return await rule(tx if wants_rules else caller, **arguments)


async def _call_outside(services: Services, actor: Actor, outcome: Outcome, counting: Counting) -> Outcome:
    """Make the rule's calls now; one that fails is made again by the worker, which has it as a job.

    The rule has been done, so nothing that goes wrong here is an error of the mutation.
    """
    values, warnings = dict(outcome.values), list[ProviderWarning]()
    for call in outcome.calls:
        result = "done"
        try:
            values |= await calls.make(call, services) or {}
        except ProviderError as error:
            result = error.outcome
            warnings.append(error.for_callers())
        except Exception as error:
            result = "failed"
            warnings.append(NOT_YET_FINISHED.about(""))
            log.error("outside call failed", job=call.job, request_id=actor.request_id, exc_info=error)
        counting(call.job, result)
    return outcome._replace(values=values, calls=(), warnings=list(dict.fromkeys(warnings)))


def _kept(stored: dict[str, Any]) -> Outcome:
    called = [calls.unpacked(kept) for kept in stored.get("calls", [])]
    return Outcome(stored.get("made", {}), stored.get("refused", []), called, stored.get("opened", []), replayed=True)


def _refusal(refusal: Refused) -> dict[str, Any]:
    return {"code": refusal.code(), "message": refusal.message, "field": refusal.field, "details": refusal.details}


def _values(rule: Rule[..., Any], result: Any) -> dict[str, Any]:
    """The payload's values: for a row the parts of its key, because the payload reads it anew; others as they are."""
    if isinstance(result, DeclarativeBase):
        (only,) = rule.results
        return {only.name: _value(result)}
    return {each.name: _value(getattr(result, each.name)) for each in rule.results}


def _value(value: Any) -> Any:
    if isinstance(value, DeclarativeBase):
        return [str(getattr(value, name)) for name in _key_names(type(value))]
    if isinstance(value, Decimal):
        # Kept with an idempotency key, it stays exact.
        return format(value, "f")
    return [_value(item) for item in value] if isinstance(value, list) else value


@cache
def _key_names(model: type[DeclarativeBase]) -> list[str]:
    mapper = inspect(model)
    return [mapper.get_property_by_column(column).key for column in mapper.primary_key]
