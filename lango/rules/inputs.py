"""What a rule says of its parameters: each is a field of the mutation's input, with its description and its limits.

    async def issue_qr_code(
        tx: RuleTransaction,
        pot: Annotated[Pot, Locked("The pot that pays."), OwnedBy(Pot.owner_user_id, NotYourPot)],
        pack: Annotated[Pack, Locked("The pack to be redeemed.")],
        note: Annotated[str | None, Text("What you note.", QrCode.partner_notes)] = None,
    ) -> QrCode: ...

is `issueQrCode(input: {potId, packId, note, idempotencyKey, validateOnly})`: a parameter without a default is required,
and null is the same as left out, except in `Details`.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute

from lango.errors import Refused


@dataclass(frozen=True, slots=True)
class Value:
    """A value that its type alone describes: a number, a day, a choice, a list, a dataclass with fields of its own; in
    what a rule returns, a plain value of the payload."""

    doc: str


@dataclass(frozen=True, slots=True)
class Text:
    """A text, with the most characters it may have: a number, or a column that has such a limit.

    The rule gets it cleaned, so that no text looks like another or like nothing; one that is `exact`, as it came.
    """

    doc: str
    longest: int | InstrumentedAttribute[Any]
    exact: bool = False

    @property
    def max_length(self) -> int:
        if isinstance(self.longest, int):
            return self.longest
        length = getattr(self.longest.type, "length", None)
        assert length is not None, f"{self.longest} has no longest length: say a number."
        return int(length)


@dataclass(frozen=True, slots=True)
class Id:
    """The id of a row that the rule itself looks for; the rule gets its key.

    `seen`: NOT_FOUND where the caller sees none of that id.
    """

    model: type[DeclarativeBase]
    doc: str
    seen: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """A row that the caller sees: NOT_FOUND where they see none of that id. It is not locked."""

    doc: str


@dataclass(frozen=True, slots=True)
class Locked:
    """A row that the caller sees, locked: the first rule of all rules.

    The kernel finds it as the caller, takes the rules' role, and locks all such rows in the one order of locks.
    `or_ended_lately`: a row that everybody saw until within the hour is found too, so that whoever comes a moment too
    late hears why.
    """

    doc: str
    or_ended_lately: bool = False


@dataclass(frozen=True, slots=True)
class Referred:
    """The row that a column of another parameter's row refers to: locked with it, and no field of the input.

    Null where that column is null.
    """

    column: InstrumentedAttribute[Any]


@dataclass(frozen=True, slots=True)
class OwnedBy:
    """Refuses unless the caller, or a minor the caller answers for, is the user in that column of the row.

    `or_staff`: staff may do it too.
    """

    column: InstrumentedAttribute[Any]
    refusal: type[Refused]
    or_staff: bool = False


@dataclass(frozen=True, slots=True)
class Once:
    """A value of the payload that the first call alone gets: it is kept nowhere, and a retry gets null."""

    doc: str


@dataclass(frozen=True, slots=True)
class Named:
    """What the payload calls the row that a rule returns, where that is neither a parameter's name nor the model's."""

    name: str


class Details:
    """Fields of the input that may be left out, together: a subclass annotates them as parameters are.

    A field whose type allows None may be null, which the rule gets; of the others null is the same as left out. A
    subclass's own fields come before those that it inherits.
    """

    def __init__(self, **given: Any) -> None:
        self.given = given

    def __getattr__(self, name: str) -> Any:
        """What was given; None for what was left out."""
        if name.startswith("__"):
            raise AttributeError(name)
        return self.given.get(name)

    def __contains__(self, name: object) -> bool:
        return name in self.given

    def __bool__(self) -> bool:
        return bool(self.given)


class Changes(Details):
    """Details of what there is already: what is left out stays as it is."""


Spec = Value | Text | Id | Seen | Locked | Referred
SPECS = (Value, Text, Id, Seen, Locked, Referred)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a rule, or a field of a dataclass in its input."""

    name: str
    type: Any
    spec: Spec
    required: bool
    # Whether null is a value: of `Details`.
    clears: bool = False
    owned: OwnedBy | None = None

    @property
    def field(self) -> str | None:
        """The field of the input; None for what is none."""
        if isinstance(self.spec, Referred):
            return None
        return f"{self.name}_id" if self.is_row else self.name

    @property
    def doc(self) -> str:
        """What the field is, for the API; empty for what is no field."""
        return "" if isinstance(self.spec, Referred) else self.spec.doc

    @property
    def is_row(self) -> bool:
        """Whether the rule gets a row, which the kernel has found."""
        return isinstance(self.spec, Seen | Locked | Referred)

    @property
    def model(self) -> type[DeclarativeBase]:
        """The model of a row, or of a row's id."""
        model: type[DeclarativeBase] = self.spec.model if isinstance(self.spec, Id) else self.type
        return model


@dataclass(frozen=True, slots=True)
class DetailsParameter:
    """A parameter whose fields are the input's own."""

    name: str
    type: type[Details]
    fields: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """What a rule takes: all but its transaction."""

    transaction: type[Any]
    parameters: tuple[Parameter | DetailsParameter, ...]

    def inputs(self) -> Iterator[Parameter]:
        """The fields of the input, in their order."""
        for parameter in self.parameters:
            if isinstance(parameter, DetailsParameter):
                yield from parameter.fields
            elif parameter.field is not None:
                yield parameter


def signature_of(rule: Callable[..., Any]) -> Signature:
    """Reads a rule's signature. Raises TypeError for a parameter without a description."""
    first, *others = inspect.signature(rule).parameters.values()
    hints = get_type_hints(rule, include_extras=True)
    return Signature(hints[first.name], tuple(_parameter(each, hints[each.name], rule.__name__) for each in others))


def fields_of(kind: type[Any]) -> tuple[Parameter, ...]:
    """The fields of a dataclass, or of `Details`."""
    hints = get_type_hints(kind, include_extras=True)
    if is_dataclass(kind):
        defaults = {field.name: field.default for field in fields(kind)}
        given = [inspect.Parameter(name, KEYWORD, default=_default(defaults[name])) for name in defaults]
        return tuple(_described(each, hints[each.name], kind.__name__) for each in given)
    names = sorted(hints, key=lambda name: name not in kind.__annotations__)
    return tuple(_detail(name, hints[name], kind.__name__) for name in names)


KEYWORD = inspect.Parameter.KEYWORD_ONLY


def _default(value: Any) -> Any:
    return inspect.Parameter.empty if value is MISSING else value


def _parameter(given: inspect.Parameter, hint: Any, where: str) -> Parameter | DetailsParameter:
    if isinstance(hint, type) and issubclass(hint, Details):
        return DetailsParameter(given.name, hint, fields_of(hint))
    return _described(given, hint, where)


def _described(given: inspect.Parameter, hint: Any, where: str) -> Parameter:
    kind, extras = _taken_apart(hint)
    spec = next((extra for extra in extras if isinstance(extra, SPECS)), None)
    if spec is None:
        raise TypeError(f"`{given.name}` of {where} has no description: Annotated[…, Text(…)] or the like.")
    owned = next((extra for extra in extras if isinstance(extra, OwnedBy)), None)
    return Parameter(given.name, kind, spec, given.default is inspect.Parameter.empty, owned=owned)


def _detail(name: str, hint: Any, where: str) -> Parameter:
    given = _described(inspect.Parameter(name, KEYWORD), hint, where)
    nullable = type(None) in get_args(_taken_apart(hint, optional=True)[0])
    return Parameter(name, given.type, given.spec, required=False, clears=nullable)


def _taken_apart(hint: Any, *, optional: bool = False) -> tuple[Any, tuple[Any, ...]]:
    """The type, without None unless it is to stay `optional`, and what is said of it."""
    kind, extras = hint, ()
    if get_origin(hint) is Annotated:
        kind, *found = get_args(hint)
        extras = tuple(found)
    if not optional and get_origin(kind) in (Union, types.UnionType):
        (kind,) = (part for part in get_args(kind) if part is not type(None))
    return kind, extras
