"""What a rule declares of itself: whom it serves, what it takes and gives, and what it may answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from typing import Annotated, Any, Generic, ParamSpec, TypeVar, get_args, get_origin, get_type_hints

from sqlalchemy.orm import DeclarativeBase

from lango.errors import Refused
from lango.names import snake
from lango.rules.inputs import Named, Once, OwnedBy, Parameter, Signature, Value, signature_of
from lango.rules.transaction import RuleTransaction

LONGEST_IDEMPOTENCY_KEY = 255
IDEMPOTENCY_KEY_FORM = f"must have 1 to {LONGEST_IDEMPOTENCY_KEY} printable characters, and not blanks alone."
P = ParamSpec("P")
R = TypeVar("R")


def is_idempotency_key(text: str) -> bool:
    """Whether that may be an idempotency key; it is compared as it is."""
    return len(text) <= LONGEST_IDEMPOTENCY_KEY and text.isprintable() and bool(text.strip())


class IdempotencyKeyReused(Refused):
    """This idempotency key was used with another input."""


class InProgress(Refused):
    """The first call with this idempotency key is still running: ask again shortly."""


class NotFound(Refused):
    """There is no such thing that you may see."""


class InvalidState(Refused):
    """This cannot be done in the state it is in."""


@dataclass(frozen=True, slots=True)
class Result:
    """A field of a rule's payload: a row, rows, or a plain value, which has a description."""

    name: str
    type: Any
    model: type[DeclarativeBase] | None = None
    many: bool = False
    doc: str = ""
    once: bool = False


@dataclass(frozen=True, eq=False)
class Rule(Generic[P, R]):
    """A rule, which raises one of `refusals` or gives what it made; called, it runs in the caller's own transaction."""

    run: Callable[P, Awaitable[R]]
    declared: tuple[type[Refused], ...]
    idempotent: bool
    anonymous: bool
    staff: bool
    calls: bool
    once_an_operation: bool = False
    hashes_passwords: bool = False

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        return self.run(*args, **kwargs)

    @property
    def name(self) -> str:
        return self.run.__name__

    @property
    def doc(self) -> str:
        """The rule's docstring up to its first empty line, in one line."""
        return " ".join((self.run.__doc__ or "").strip().split("\n\n")[0].split())

    @cached_property
    def signature(self) -> Signature:
        return signature_of(self.run)

    @cached_property
    def finds(self) -> tuple[Parameter, ...]:
        """The parameters that are rows: the kernel finds them as the caller, and locks those that are to be locked."""
        return tuple(each for each in self.signature.parameters if isinstance(each, Parameter) and each.is_row)

    @cached_property
    def sees(self) -> tuple[Parameter, ...]:
        """The fields of the input that name a row which the caller must see."""
        return tuple(each for each in self.signature.inputs() if each.is_row or getattr(each.spec, "seen", False))

    @cached_property
    def refusals(self) -> tuple[type[Refused], ...]:
        """The declared ones, and those of the kernel: in its order, each once."""
        owned = [each.owned.refusal for each in self.finds if isinstance(each.owned, OwnedBy)]
        found = [NotFound] if self.sees else []
        always = [IdempotencyKeyReused, InProgress] if self.idempotent else []
        return tuple(dict.fromkeys([*found, *owned, *self.declared, *always]))

    @property
    def begins_as_rules(self) -> bool:
        """Whether there is nothing to read as the caller: the rule wants the rules' role, and no row is looked for."""
        return issubclass(self.signature.transaction, RuleTransaction) and not self.sees

    @cached_property
    def results(self) -> tuple[Result, ...]:
        """The fields of the payload: of a row its own name, of a dataclass all its fields."""
        returned = get_type_hints(self.run, include_extras=True)["return"]
        kind = get_args(returned)[0] if get_origin(returned) is Annotated else returned
        if is_dataclass(kind) and isinstance(kind, type) and not issubclass(kind, DeclarativeBase):
            hints = get_type_hints(kind, include_extras=True)
            return tuple(_result(each.name, hints[each.name]) for each in fields(kind))
        named = next((each.name for each in get_args(returned)[1:] if isinstance(each, Named)), None)
        parameters = (each for each in self.signature.parameters if isinstance(each, Parameter))
        same = next((each.name for each in parameters if each.type is kind), None)
        return (_result(named or same or snake(kind.__name__), kind),)


def rule(
    *refusals: type[Refused],
    idempotent: bool = True,
    anonymous: bool = False,
    staff: bool = False,
    calls: bool = False,
    once_an_operation: bool = False,
    hashes_passwords: bool = False,
) -> Callable[[Callable[P, Awaitable[R]]], Rule[P, R]]:
    """Declares a rule, whose first parameter is its transaction and says by its type how the rule begins: a
    `CallerTransaction` reads as the caller, a `RuleTransaction` is in the rules' role.

    `idempotent` takes an idempotency key, `anonymous` needs no token, `staff` is for staff; `calls` asks an outside
    service when it is done, by `lango.jobs.calls.call_soon`. `once_an_operation` is for what somebody may try to guess
    or to have sent: an operation has no more than one field of such rules. `hashes_passwords` is for what takes as long
    as a hash does: a process does a few of them at once (`Services.hashing`), others wait. NOT_FOUND and the refusals
    of `OwnedBy` come by themselves.
    """

    def declare(run: Callable[P, Awaitable[R]]) -> Rule[P, R]:
        return Rule(run, refusals, idempotent, anonymous, staff, calls, once_an_operation, hashes_passwords)

    return declare


def _result(name: str, hint: Any) -> Result:
    kind, said = hint, None
    if get_origin(hint) is Annotated:
        kind, said = get_args(hint)[:2]
    inner = next((part for part in get_args(kind) if part is not type(None)), kind)
    if isinstance(inner, type) and issubclass(inner, DeclarativeBase):
        return Result(name, inner, model=inner, many=get_origin(kind) is list)
    assert isinstance(said, Value | Once), f"`{name}` of a payload has no description."
    return Result(name, kind, doc=said.doc, once=isinstance(said, Once))
