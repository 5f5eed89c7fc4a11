"""What arguments are given: values that find something, written as literals, as variables or as parts of both."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from random import Random
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    get_named_type,
    get_nullable_type,
)

Known = dict[str, dict[str, list[Any]]]
ABSENT: Any = object()
NOTHING = "00000000-0000-4000-8000-000000000000"
WRONG_IDS = [NOTHING, "", "x", "VXNlcjp4", "////", "é", "Tm9uZTox", f"UG90:{NOTHING}"]
ZONES = ["Africa/Dakar", "Europe/Paris", "Asia/Kathmandu", "America/New_York", "UTC", "Pacific/Apia"]
PAST = ["0001-01-01T00:00:00Z", "2026-01-01T00:00:00.5+02:00", "2026-07-01T23:59:58Z"]
# Where the rows hold nothing of a kind, and now and then beside what they hold.
STRANGE: dict[str, list[Any]] = {
    "String": ["", "%", "_", "\\\\", "😀\u202e", "a\u2028b", "'; --", "$1 :a %s", "x" * 300, "ordinary", "O", 'say "it"'],
    "ID": WRONG_IDS[:1],
    "UUID": [NOTHING, NOTHING.upper()],
    "Boolean": [True, False],
    "Int": [0, 1, -1, 100, 2**31 - 1, -(2**31)],
    "BigInt": ["0", 5, str(2**63 - 1), "-7"],
    "Decimal": ["0", "-0", "1.10", "1.1", 12, "0.00000001", "-99999999999.5"],
    "DateTime": ["0001-01-01T00:00:00Z", "9998-12-31T23:59:59.999999Z", "2026-01-01T00:00:00.5+02:00", "2026-07-01T23:59:58Z"],
    "Date": ["0001-01-01", "9998-12-31", "2024-02-29"],
    "Time": ["00:00", "23:59:59.999999", "12:00:00.5"],
    "Inet": ["0.0.0.0/0", "10.1.2.3/8", "::ffff:1.2.3.4", "fe80::1"],
    "JSON": [{}, [], "", "text", 0, 1.1, True, None, {"a": 1.1}, {"key": "value"}, [1]],
}  # fmt: skip


class Name(str):
    """The name of an enum's value: a string in a variable, bare in a document."""

    __slots__ = ()


@dataclass
class Variable:
    """How a variable is declared, and what is sent for it."""

    declared: str
    value: Any = ABSENT


@dataclass
class Values:
    """Makes values and writes them, all from one source of chance."""

    random: Random
    known: Known
    variables: dict[str, Variable] = field(default_factory=dict)
    # Which ways of giving something, and which fields of inputs, were used.
    ways: set[str] = field(default_factory=set)
    given_fields: set[tuple[str, str]] = field(default_factory=set)

    def sometimes(self, share: float) -> bool:
        return self.random.random() < share

    # How a value is written.

    def written(self, kind: Any, value: Any, *, strict: bool = False) -> str:
        """The text of a value at a place of that type. At a `strict` place (a oneOf input's) no variable may be null."""
        if self.sometimes(0.2) and not (strict and value is None):
            return self.variable(kind, value, strict=strict)
        if value is None:
            self.ways.add("null literal")
            return "null"
        return self._literal(get_nullable_type(kind), value, self.written)

    def variable(self, kind: Any, value: Any, *, strict: bool = False) -> str:
        name = f"v{len(self.variables)}"
        # Its place among the variables is taken before a default is written, which may have none of its own.
        made = self.variables[name] = Variable(str(kind))
        required = isinstance(kind, GraphQLNonNull)
        self.ways.add(
            f"variable of {'a list' if isinstance(get_nullable_type(kind), GraphQLList) else self._sort(kind)}"
        )
        if value is not None and self.sometimes(0.35):
            default = self.constant(get_nullable_type(kind), value)
            nullable = str(kind).removesuffix("!")
            made.declared = f"{nullable}{'!' if strict else ''} = {default}"
            self.ways.add("variable left to its default")
            if self.sometimes(0.4):
                made.value = self._sent(kind, value)
                self.ways.add("variable with a default and a value")
            elif not required and not strict and self.sometimes(0.15):
                made.value = None
                self.ways.add("null beside a default")
            return f"${name}"
        if value is not None and not required and (strict or self.sometimes(0.3)):
            made.declared += "!"
        if value is None:
            self.ways.add("null variable")
        made.value = self._sent(kind, value)
        return f"${name}"

    def absent(self, kind: Any) -> str:
        """A variable for which nothing is sent: as if the argument were not there."""
        name = f"v{len(self.variables)}"
        self.variables[name] = Variable(str(kind).removesuffix("!"))
        self.ways.add("absent variable")
        return f"${name}"

    def constant(self, kind: Any, value: Any) -> str:
        """The text of a value without variables."""
        return "null" if value is None else self._literal(get_nullable_type(kind), value, self.constant)

    def _literal(self, kind: Any, value: Any, write: Any) -> str:
        if isinstance(kind, GraphQLList):
            if not isinstance(value, list):
                return self._literal(get_nullable_type(kind.of_type), value, write)
            if len(value) == 1 and value[0] is not None and self.sometimes(0.2):
                self.ways.add("a single value for a list")
                # No variable: one of the item's type may not stand where a list is wanted.
                return self._literal(get_nullable_type(kind.of_type), value[0], write)
            return f"[{', '.join(write(kind.of_type, item) for item in value)}]"
        if isinstance(kind, GraphQLInputObjectType):
            self.given_fields |= {(kind.name, key) for key in value}
            strict = {"strict": True} if _is_one_of(kind) and write == self.written else {}
            return f"{{{', '.join(f'{key}: {write(kind.fields[key].type, item, **strict)}' for key, item in value.items())}}}"
        if isinstance(kind, GraphQLEnumType):
            return str(value)
        if kind.name == "JSON":
            if write == self.written and not isinstance(value, str | int):
                return self.variable(kind, value)
            return _bare(value)
        return json.dumps(value, ensure_ascii=self.sometimes(0.5))

    def _sent(self, kind: Any, value: Any) -> Any:
        """What is sent for a variable."""
        inner = get_nullable_type(kind)
        if isinstance(inner, GraphQLList) and isinstance(value, list):
            if len(value) == 1 and isinstance(value[0], str | int | dict) and self.sometimes(0.15):
                self.ways.add("a single value for a list in a variable")
                return self._sent(inner.of_type, value[0])
            return [self._sent(inner.of_type, item) for item in value]
        if isinstance(inner, GraphQLInputObjectType) and isinstance(value, dict):
            self.given_fields |= {(inner.name, key) for key in value}
            return {key: self._sent(inner.fields[key].type, item) for key, item in value.items()}
        return value

    def _sort(self, kind: Any) -> str:
        inner = get_named_type(kind)
        if isinstance(inner, GraphQLInputObjectType):
            return "an input"
        return "an enum" if isinstance(inner, GraphQLEnumType) else str(inner.name)

    # What is asked.

    def where(self, kind: GraphQLInputObjectType, level: int = 0) -> dict[str, Any]:
        """A filter that mostly finds something."""
        made: dict[str, Any] = {}
        for _ in range(self.random.choice([1, 1, 1, 2])):
            chance = self.random.random()
            if chance < 0.16 and level < 3:
                made |= self._combined(kind, level)
            elif chance < 0.4 and level < 2:
                made |= self._related(kind, level)
            else:
                made |= self._column(kind)
        return made

    def _combined(self, kind: GraphQLInputObjectType, level: int) -> dict[str, Any]:
        word = self.random.choice(["and", "or", "or", "not"])
        self.ways.add(word)
        if word == "not":
            return {"not": self.where(kind, level + 1)}
        return {word: [self.where(kind, level + 1) for _ in range(self.random.choice([0, 1, 2, 2, 3]))]}

    def _related(self, kind: GraphQLInputObjectType, level: int) -> dict[str, Any]:
        relations = [key for key, each in kind.fields.items() if key not in ("and", "or", "not") and _is_where(each)]
        if not relations:
            return self._column(kind)
        key = self.random.choice(relations)
        inner = get_named_type(kind.fields[key].type)
        assert isinstance(inner, GraphQLInputObjectType)
        if not inner.name.endswith("ListWhere"):
            self.ways.add("where through a parent")
            return {key: self.where(inner, level + 1) if self.sometimes(0.8) else {}}
        made = {}
        for word in self.random.sample(["some", "none", "every"], self.random.choice([1, 1, 1, 2])):
            self.ways.add(f"where {word}")
            below = get_named_type(inner.fields[word].type)
            assert isinstance(below, GraphQLInputObjectType)
            made[word] = self.where(below, level + 1) if self.sometimes(0.75) else {}
        return {key: made}

    def _column(self, kind: GraphQLInputObjectType) -> dict[str, Any]:
        columns = [key for key, each in kind.fields.items() if get_named_type(each.type).name.endswith("Filter")]
        key = self.random.choice(columns)
        operators = get_named_type(kind.fields[key].type)
        assert isinstance(operators, GraphQLInputObjectType)
        held = self.known.get(kind.name.removesuffix("Where"), {}).get(key, [])
        words = self.random.sample(list(operators.fields), self.random.choice([1, 1, 1, 2]))
        return {key: {word: self._operand(word, operators.fields[word].type, held) for word in words}}

    def _operand(self, word: str, kind: Any, held: list[Any]) -> Any:
        self.ways.add(f"operator {word}")
        if word == "isNull":
            return self.sometimes(0.5)
        if self.sometimes(0.004):
            return None
        inner = get_named_type(kind)
        if isinstance(get_nullable_type(kind), GraphQLList):
            return [self._one(inner, held, word) for _ in range(self.random.choice([0, 1, 2, 3]))]
        return self._one(inner, held, word)

    def _one(self, kind: Any, held: list[Any], word: str) -> Any:
        if isinstance(kind, GraphQLEnumType):
            return Name(self.random.choice(list(kind.values)))
        if not held or self.sometimes(0.12):
            return self.random.choice(STRANGE[kind.name])
        value = self.random.choice(held)
        if word == "hasKey":
            return next(iter(value), "a") if isinstance(value, dict) else "key"
        while isinstance(value, list) and kind.name != "JSON":
            value = self.random.choice(value) if value else self.random.choice(STRANGE[kind.name])
        if word in ("contains", "startsWith", "ilike") and isinstance(value, str):
            part = value[: self.random.choice([1, 3, 100])]
            return {"contains": part, "startsWith": part, "ilike": f"%{part.upper().rstrip(chr(92))}%"}[word]
        if kind.name == "ID" and self.sometimes(0.02):
            return self.random.choice(WRONG_IDS)
        return value

    def order(self, kind: GraphQLInputObjectType) -> list[dict[str, Any]]:
        """A few keys, each with a direction."""
        directions = ["ASC", "DESC", "ASC_NULLS_FIRST", "DESC_NULLS_FIRST"]
        count = 9 if self.sometimes(0.005) else self.random.choice([0, 1, 1, 2, 3])
        keys = [self.random.choice(list(kind.fields)) for _ in range(count)]
        self.ways.add(f"orderBy {min(count, 4)} keys")
        return [{key: Name(self.random.choice(directions))} for key in keys]

    def groups(self, kind: GraphQLInputObjectType) -> list[dict[str, Any]]:
        """Keys to group by: columns, and spans of time."""
        keys = self.random.sample(list(kind.fields), min(len(kind.fields), self.random.choice([0, 1, 1, 2, 3])))
        if keys and self.sometimes(0.01):
            keys.append(keys[0])
        made: list[dict[str, Any]] = []
        for key in keys:
            inner = get_named_type(kind.fields[key].type)
            if isinstance(inner, GraphQLEnumType):
                made.append({key: Name(self.random.choice(list(inner.values)))})
                self.ways.add("groupBy a span of time")
            else:
                made.append({key: not self.sometimes(0.01)})
                self.ways.add("groupBy a column")
        return made

    def id(self, name: str | None) -> str:
        """The id of a row of that type, or of any; now and then of another, of none, or no id at all."""
        if self.sometimes(0.03):
            self.ways.add("wrong id")
            return self.random.choice(WRONG_IDS)
        if name is None or self.sometimes(0.01):
            name = self.random.choice(list(self.known))
        held = self.known[name].get("rowId" if self.sometimes(0.1) else "id") or self.known[name]["id"]
        return str(self.random.choice(held)) if held else NOTHING


def _is_one_of(kind: GraphQLInputObjectType) -> bool:
    """Strawberry knows; graphql-core does not."""
    return bool(kind.extensions["strawberry-definition"].is_one_of)


def _is_where(field_: Any) -> bool:
    return str(get_named_type(field_.type).name).endswith("Where")


def _bare(value: Any) -> str:
    """JSON as a literal; keys that are no names cannot be written so, and are left out."""
    if isinstance(value, dict):
        named = {key: item for key, item in value.items() if key.isascii() and key.isidentifier()}
        return f"{{{', '.join(f'{key}: {_bare(item)}' for key, item in named.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_bare, value))}]"
    return json.dumps(value)
