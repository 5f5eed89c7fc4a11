"""Jobs: what is done after a rule, by the worker: at least once, so each may safely be done again.

A job is a function `job(services, **arguments)`; its arguments are kept as JSON.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, ParamSpec, TypeVar
from uuid import UUID

import orjson
from pydantic import TypeAdapter
from sqlalchemy import CTE, ColumnElement, Insert, Text, cast, column, func, insert, literal_column, select, table, text

from lango.db.prepared import Connected, Prepared

P = ParamSpec("P")
R = TypeVar("R")
# The keywords of `enqueue` itself.
RESERVED = frozenset({"tx", "job", "after", "key"})
# Without naming the index, which the rules' role may not read: a key that is queued already drops the job.
ENQUEUE = Prepared(
    text(
        "INSERT INTO jobs.pgqueuer (priority, status, entrypoint, payload, dedupe_key, execute_after)"
        " VALUES (0, 'queued', :name, :payload, :key, now() + CAST(:after AS interval)) ON CONFLICT DO NOTHING"
    )
)
QUEUE = table("pgqueuer", column("priority"), column("status"), column("entrypoint"), column("payload"), schema="jobs")


@dataclass(frozen=True, slots=True, eq=False)
class Job(Generic[P, R]):
    """A function that the worker can run; called, it runs at once, here."""

    name: str
    function: Callable[P, Coroutine[Any, Any, R]]
    # How often it is tried again after it failed, and for how many seconds it may run.
    retries: int
    timeout: float
    # When it is due, in UTC, as cron writes it; None for one that is enqueued.
    cron: str | None
    signature: inspect.Signature
    arguments: dict[str, TypeAdapter[Any]]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        return self.function(*args, **kwargs)

    def pack(self, given: dict[str, Any]) -> bytes:
        """The arguments as JSON. Raises TypeError for other names than the job's, ValueError for other types."""
        self.signature.bind(None, **given)
        return orjson.dumps({name: self._dumped(self.arguments[name], value) for name, value in given.items()})

    def unpack(self, payload: bytes | None) -> dict[str, Any]:
        """What `pack` was given. Raises as it does, for a job of another release."""
        given: dict[str, Any] = orjson.loads(payload) if payload else {}
        self.signature.bind(None, **given)
        return {name: self.arguments[name].validate_python(value) for name, value in given.items()}

    @staticmethod
    def _dumped(kind: TypeAdapter[Any], value: Any) -> Any:
        return kind.dump_python(kind.validate_python(value, strict=True), mode="json")


_known: dict[str, Job[..., Any]] = {}


def job(
    name: str, *, retries: int = 5, timeout: float = 30.0
) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Job[P, R]]:
    """Make a job of `async def …(services, *, …)`; `timeout` in seconds.

    Its name is kept with what is queued, so it stays when the function moves. One that fails is tried again `retries`
    times, later and later, and is then kept as failed.
    """

    def register(function: Callable[P, Coroutine[Any, Any, R]]) -> Job[P, R]:
        return _register(name, function, retries, timeout, None)

    return register


def scheduled(
    name: str, cron: str, *, retries: int = 5, timeout: float = 30.0
) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Job[P, R]]:
    """Make a scheduled job of `async def …(services)`, run once among all workers; `cron` in UTC.

    While one is waiting or running, the next is not begun.
    """

    def register(function: Callable[P, Coroutine[Any, Any, R]]) -> Job[P, R]:
        return _register(name, function, retries, timeout, cron)

    return register


def jobs_of() -> Sequence[Job[..., Any]]:
    """All jobs of the modules that have been imported, by name."""
    return [_known[name] for name in sorted(_known)]


def job_named(name: str) -> Job[..., Any] | None:
    """The job of this name: `donations.open_checkout`."""
    return _known.get(name)


def enqueue(
    tx: Connected,
    job: Job[..., Any],
    *,
    after: timedelta = timedelta(0),
    key: str | None = None,
    **arguments: Any,
) -> None:
    """Have the job run once the transaction has committed; in the rules' role.

    With a `key` nothing is enqueued while a job of that key is waiting or running.
    """
    payload = job.pack(arguments)
    ENQUEUE.send(tx, name=job.name, payload=payload, key=key, after=after)


def enqueued(job: Job[..., Any], rows: CTE, **ids: ColumnElement[UUID]) -> Insert:
    """As part of a statement: enqueue the job for each row that the statement has written. Its arguments are ids.

    Raises TypeError for other names than the job's.
    """
    job.signature.bind(None, **ids)
    packed = func.json_build_object(
        *(part for name, value in ids.items() for part in (literal_column(f"'{name}'"), value))
    )
    values = {
        "priority": literal_column("0"),
        "status": literal_column("'queued'"),
        "entrypoint": literal_column(f"'{job.name}'"),
        "payload": func.convert_to(cast(packed, Text), literal_column("'UTF8'")),
    }
    return insert(QUEUE).from_select(list(values), select(*values.values()).select_from(rows))


def _register(
    name: str, function: Callable[P, Coroutine[Any, Any, R]], retries: int, timeout: float, cron: str | None
) -> Job[P, R]:
    signature = inspect.signature(function, eval_str=True)
    _services, *parameters = signature.parameters.values()
    if clash := RESERVED & {each.name for each in parameters}:
        raise TypeError(f"The job {name} has an argument called {', '.join(sorted(clash))}: that is enqueue's own.")
    if cron is not None and parameters:
        raise TypeError(f"The job {name} is scheduled: it takes no arguments.")
    known = _known.get(name)
    if known is not None and _place(known.function) != _place(function):
        raise TypeError(f"There are two jobs {name}: {_place(known.function)} and {_place(function)}.")
    arguments = {each.name: TypeAdapter[Any](each.annotation) for each in parameters}
    made = Job(name, function, retries, timeout, cron, signature, arguments)
    _known[name] = made
    return made


def _place(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"
