"""Documents made from the schema itself: everything a query may say, in every combination, small enough to be read.

A document comes from one number. Hypothesis draws the numbers; `smaller.py` shows what of a document makes a difference.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from random import Random
from typing import Any

from graphql import GraphQLInterfaceType, GraphQLObjectType, get_named_type, is_leaf_type, is_required_argument

from gql.kit.node import MIRRORED
from gql.schema import schema
from tests.planner.scopes import Entry, Scope
from tests.planner.values import ABSENT, PAST, STRANGE, ZONES, Known, Values, Variable

GRAPHQL = schema._schema
QUERY = GRAPHQL.query_type
assert QUERY is not None
DEEPEST = 16
# Rows that a field may have at most in all the lists it stands in: a small answer shows as much as a large one.
ROWS = 60
LONG = "aVeryLongResponseKeyThatIsLongerThanWhatPostgreSQLKeepsOfAName"
SHARE_TOKEN = "a-token-of-the-test"
ROOTS = {"list": 50, "one": 12, "aggregate": 16, "node": 6, "nodes": 10, "viewer": 6}


def field_kinds() -> dict[str, list[str]]:
    """The fields of Query by what they are."""
    kinds: dict[str, list[str]] = {kind: [] for kind in ROOTS}
    for name, each in QUERY.fields.items():
        if name in kinds:
            kinds[name].append(name)
        elif any(is_required_argument(given) and key not in ("id", "ids") for key, given in each.args.items()):
            # Answered in Python both ways.
            continue
        elif "groupBy" in each.args:
            kinds["aggregate"].append(name)
        else:
            kinds["list" if "orderBy" in each.args else "one"].append(name)
    return kinds


FIELDS = field_kinds()


@dataclass
class Fragment:
    """A named fragment, and where it may be spread once more."""

    parent: str
    text: str
    scope: Scope
    depth: int
    rows: int


@dataclass
class Document:
    """An operation with its variables. Where it pages on, `cursors` are the aliases of the lists whose cursors it takes."""

    body: str
    fragments: dict[str, str]
    declared: dict[str, str]
    variables: dict[str, Any]
    cursors: dict[str, str] = field(default_factory=dict)
    ways: set[str] = field(default_factory=set)
    given_fields: set[tuple[str, str]] = field(default_factory=set)
    scope: Scope = field(default_factory=Scope)

    @property
    def text(self) -> str:
        declared = ", ".join(f"${name}: {kind}" for name, kind in self.declared.items())
        head = f"query Generated({declared}) " if declared else ""
        return "\n".join([head + self.body, *self.fragments.values()])

    def paged_on(self, data: Any, random: Random) -> Document | None:
        """The same document behind a cursor of its own answer; None where there was none."""
        found: dict[str, list[str]] = {alias: [] for alias in self.cursors.values()}
        _find_cursors(data, found, None)
        every = sorted({cursor for each in found.values() for cursor in each})
        if not every:
            return None
        body, declared, variables, fragments = (
            self.body,
            dict(self.declared),
            dict(self.variables),
            dict(self.fragments),
        )
        for name, alias in self.cursors.items():
            if random.random() < 0.12:
                cursor = random.choice(["x", "", "bnVsbA==", random.choice(every)[:-4], random.choice(every)])
            elif found[alias]:
                cursor = random.choice(found[alias])
            else:
                continue
            if random.random() < 0.3:
                literal = json.dumps(cursor)
                body = re.sub(rf"\${name}\b", lambda _, literal=literal: literal, body)
                fragments = {
                    key: re.sub(rf"\${name}\b", lambda _, literal=literal: literal, text)
                    for key, text in fragments.items()
                }
                del declared[name]
            else:
                variables[name] = cursor
        return Document(body, fragments, declared, variables, {}, self.ways, self.given_fields, self.scope)


def _find_cursors(value: Any, found: dict[str, list[str]], alias: str | None) -> None:
    if isinstance(value, list):
        for item in value:
            _find_cursors(item, found, alias)
    elif isinstance(value, dict):
        for key, item in value.items():
            if alias is not None and key == "cursor" and isinstance(item, str):
                found[alias].append(item)
            else:
                _find_cursors(item, found, key if key in found else alias if key in ("edges", "nodes") else None)


def document(random: Random, known: Known) -> Document:
    """A document by chance, over values that are known to be there."""
    return Writer(random, known).document()


class Writer:
    """Writes one document."""

    def __init__(self, random: Random, known: Known) -> None:
        self.random = random
        self.values = Values(random, known)
        self.fragments: dict[str, Fragment] = {}
        self.cursors: dict[str, str] = {}
        self.names = 0
        self.deep = random.random() < 0.03
        self.left = 60 if self.deep else random.choice([6, 12, 12, 25, 25, 40])
        self.sometimes = self.values.sometimes
        self.ways = self.values.ways

    def document(self) -> Document:
        scope = Scope()
        if self.sometimes(0.01):
            texts = [self.shared_pot(scope)]
        else:
            texts = []
            for _ in range(self.random.choice([1, 1, 1, 2, 3])):
                texts += self.root(scope)
        body = f"{{ {' '.join(texts)} }}"
        wanted: dict[str, str] = {}
        pending = re.findall(r"\.\.\.(F\d+)", body)
        while pending:
            name = pending.pop()
            if name not in wanted:
                wanted[name] = self.fragments[name].text
                pending += re.findall(r"\.\.\.(F\d+)", wanted[name])
        used = set(re.findall(r"\$(\w+)", " ".join([body, *wanted.values()])))
        chosen = {name: each for name, each in self.values.variables.items() if name in used}
        return Document(
            body,
            wanted,
            {name: each.declared for name, each in chosen.items()},
            {name: each.value for name, each in chosen.items() if each.value is not ABSENT},
            {name: alias for name, alias in self.cursors.items() if name in used},
            self.ways,
            self.values.given_fields,
            scope,
        )

    # Fields of Query.

    def root(self, scope: Scope) -> list[str]:
        if self.sometimes(0.03):
            return [self.emitted(QUERY, "__typename", scope, "", None)]
        if scope and self.sometimes(0.1):
            return self.merged(QUERY, scope, 1, 1)
        kind = self.random.choices(list(ROOTS), list(ROOTS.values()))[0]
        text = self.field(QUERY, self.random.choice(FIELDS[kind]), scope, 1, 1)
        if self.sometimes(0.1):
            return self.wrapped(QUERY, [text])
        return [text]

    def shared_pot(self, scope: Scope) -> str:
        """Alone: for the rest of its operation the token opens the pot to every other field as well."""
        self.ways.add("argument shareToken")
        token = self.values.written(QUERY.fields["pot"].args["shareToken"].type, SHARE_TOKEN)
        return self.composite(QUERY, "pot", scope, f"(shareToken: {token})", 1, 1)

    # Fields of objects.

    def selection(self, parent: Any, scope: Scope, depth: int, rows: int) -> str:
        """The fields of an object, in braces."""
        if self.deep and self.sometimes(0.6):
            texts = self.chain(parent, scope, depth, rows)
        else:
            texts = self.some_of(parent, scope, depth, rows)
        if self.sometimes(0.08):
            texts.insert(self.random.randrange(len(texts) + 1), self.emitted(parent, "__typename", scope, "", None))
        if self.sometimes(0.08):
            texts += self.merged(parent, scope, depth, rows)
        if self.sometimes(0.12):
            texts += self.spread(parent, scope, depth, rows)
        if self.sometimes(0.15) and len(texts) > 1:
            cut = self.random.randrange(len(texts))
            texts = texts[:cut] + self.wrapped(parent, texts[cut:])
        return f"{{ {' '.join(texts)} }}"

    def some_of(self, parent: Any, scope: Scope, depth: int, rows: int) -> list[str]:
        if parent.name == "Node":
            return self.of_node(scope, depth, rows)
        names = list(parent.fields)
        leaves = [name for name in names if is_leaf_type(get_named_type(parent.fields[name].type))]
        others = [name for name in names if name not in leaves]
        if parent.name in MIRRORED:
            chosen = self.random.sample(leaves, min(len(leaves), self.random.choice([0, 1, 2, 3, 4, 6])))
            if self.left > 3 and self.is_room(depth):
                chosen += self.random.sample(others, min(len(others), self.random.choice([0, 0, 1, 1, 1, 2])))
        elif parent.name.endswith("Connection"):
            # Rows most of all: they go on.
            chosen = [name for name in names if self.sometimes({"nodes": 0.65, "edges": 0.4}.get(name, 0.3))]
        else:
            chosen = self.random.sample(names, min(len(names), self.random.choice([1, 1, 2, 3, 4])))
        if not chosen or (parent.name.endswith("Edge") and "node" not in chosen and self.sometimes(0.6)):
            chosen = [*chosen, self.random.choice(leaves or names) if not parent.name.endswith("Edge") else "node"]
        self.random.shuffle(chosen)
        return [self.field(parent, name, scope, depth, rows) for name in chosen]

    def is_room(self, depth: int) -> bool:
        return depth + 3 <= (DEEPEST if self.deep else 11)

    def chain(self, parent: Any, scope: Scope, depth: int, rows: int) -> list[str]:
        """One relation and a plain field: so documents reach the depth that is allowed."""
        if parent.name not in MIRRORED or not self.is_room(depth):
            return self.some_of(parent, scope, depth, rows)
        self.ways.add("deep")
        relations = [
            name
            for name, each in parent.fields.items()
            if (of := get_named_type(each.type).name) in MIRRORED or of.endswith("Connection")
        ]
        texts = [self.field(parent, "id", scope, depth, rows)]
        return texts + ([self.field(parent, self.random.choice(relations), scope, depth, rows)] if relations else [])

    def of_node(self, scope: Scope, depth: int, rows: int, likely: tuple[str, ...] = ()) -> list[str]:
        node = GRAPHQL.type_map["Node"]
        texts = [self.emitted(node, self.random.choice(["id", "__typename"]), scope, "", None)]
        for _ in range(self.random.choice([0, 1, 1, 2, 3])):
            name = self.random.choice(likely) if likely and self.sometimes(0.85) else self.random.choice(list(MIRRORED))
            concrete = GRAPHQL.type_map[name]
            inside = self.some_of(concrete, scope, depth, rows)
            if self.sometimes(0.3):
                texts += self.named(concrete, depth, rows, scope) or []
            if self.sometimes(0.1):
                inside = [f"... on Node {{ {' '.join(inside[:0])} __typename ... on {name} {{ {' '.join(inside)} }} }}"]
            texts.append(f"... on {name}{self.directive()} {{ {' '.join(inside)} }}")
            self.ways.add("fragment on a type under Node")
        return texts

    def field(self, parent: Any, name: str, scope: Scope, depth: int, rows: int) -> str:
        self.left -= 1
        each = parent.fields[name]
        if is_leaf_type(get_named_type(each.type)):
            return self.emitted(parent, name, scope, "", None)
        size = 1
        arguments: dict[str, str] = {}
        likely: tuple[str, ...] = ()
        if "orderBy" in each.args:
            return self.page(parent, name, scope, depth, rows)
        if "groupBy" in each.args:
            arguments = self.group_arguments(each, rows)
        elif "ids" in each.args:
            given = [self.values.id(None) for _ in range(self.random.choice([0, 1, 2, 4, 6]))]
            given += self.random.sample(given, min(len(given), self.random.choice([0, 0, 1])))
            likely, size = self.types_of(given), max(1, len(given))
            arguments["ids"] = self.values.written(each.args["ids"].type, given)
            self.ways.add("argument ids")
        elif "id" in each.args:
            of = get_named_type(each.type).name
            given_id = self.values.id(None if of == "Node" else of)
            likely = self.types_of([given_id])
            arguments["id"] = self.values.written(each.args["id"].type, given_id)
            self.ways.add("argument id")
        elif "at" in each.args:
            # Mostly a moment that has been: of the future nothing is known.
            at = self.random.choice(STRANGE["DateTime"] if self.sometimes(0.05) else PAST)
            arguments["at"] = self.values.written(each.args["at"].type, at)
            self.ways.add("argument at")
        written = self.in_brackets(arguments)
        if get_named_type(each.type).name == "Node":
            below = Scope()
            texts = self.of_node(below, depth + 1, rows * size, likely)
            if self.sometimes(0.3):
                texts += self.spread(GRAPHQL.type_map["Node"], below, depth + 1, rows * size)
            return f"{self.emitted(parent, name, scope, written, below)} {{ {' '.join(texts)} }}"
        return self.composite(parent, name, scope, written, depth, rows)

    def types_of(self, ids: list[str]) -> tuple[str, ...]:
        return tuple({name for name, known in self.values.known.items() for given in ids if given in known["id"]}) or ()

    def composite(self, parent: Any, name: str, scope: Scope, arguments: str, depth: int, rows: int) -> str:
        below = Scope()
        inner = get_named_type(parent.fields[name].type)
        text = self.emitted(parent, name, scope, arguments, below)
        return f"{text} {self.selection(inner, below, depth + 1, rows)}"

    def merged(self, parent: Any, scope: Scope, depth: int, rows: int) -> list[str]:
        """A field that is there already, once more, with other fields below it."""
        again = [
            (key, entry) for key, entry in scope.items() if entry.parent == parent.name and not key.startswith("page")
        ]
        if not again:
            return []
        key, entry = self.random.choice(again)
        text = f"{key}: {entry.name}" if key != entry.name else key
        text += entry.arguments + self.directive()
        if entry.below is None:
            return [text]
        self.ways.add("merged field")
        inner = get_named_type(parent.fields[entry.name].type)
        many = rows * (3 if inner.name.endswith("Connection") else 1)
        return [f"{text} {self.selection(inner, entry.below, depth + 1, min(many, ROWS))}"]

    # Response keys, directives and fragments.

    def emitted(self, parent: Any, name: str, scope: Scope, arguments: str, below: Scope | None) -> str:
        """The field's head: its response key, its name, its arguments and directives."""
        kind = "String!" if name == "__typename" else str(parent.fields[name].type)
        entry = Entry(parent.name, name, arguments, kind, below)
        key = self.alias(parent) if self.sometimes(0.12) else name
        if not scope.takes(key, entry) or (below is not None and key in scope):
            key = self.fresh()
        scope.setdefault(key, entry)
        return (name if key == name else f"{key}: {name}") + arguments + self.directive()

    def alias(self, parent: Any) -> str:
        chance = self.random.random()
        if chance < 0.3:
            self.ways.add("alias of another field's name")
            return self.random.choice(list(parent.fields))
        if chance < 0.5:
            self.ways.add("long alias")
            self.names += 1
            return f"{LONG}{'Again' * self.random.choice([0, 8, 30])}{self.names}"
        return self.fresh()

    def fresh(self) -> str:
        self.ways.add("alias")
        self.names += 1
        return f"{self.random.choice('abxyz_')}{self.names}"

    def directive(self) -> str:
        if not self.sometimes(0.07):
            return ""
        word = self.random.choice(["include", "skip"])
        holds = (word == "include") is self.sometimes(0.75)
        condition = self.values.written(GRAPHQL.get_directive(word).args["if"].type, holds)
        self.ways.add(f"@{word} by {'a variable' if condition.startswith('$') else 'a literal'}")
        other = " @skip(if: false)" if word == "include" and self.sometimes(0.15) else ""
        return f" @{word}(if: {condition}){other}"

    def wrapped(self, parent: Any, texts: list[str]) -> list[str]:
        """The same fields in an inline fragment."""
        self.ways.add("inline fragment")
        condition = self.random.choice(["", f" on {parent.name}"])
        return [f"...{condition}{self.directive()} {{ {' '.join(texts)} }}"]

    def spread(self, parent: Any, scope: Scope, depth: int, rows: int) -> list[str]:
        """A named fragment: one that is there already where it fits, or a new one."""
        fitting = {parent.name} | ({"Node"} if parent.name in MIRRORED else set())
        if parent.name == "Node":
            fitting |= set(MIRRORED)
        for name, fragment in self.fragments.items():
            fits = fragment.parent in fitting and depth <= fragment.depth and rows <= fragment.rows
            if fits and scope.takes_all(fragment.scope) and self.sometimes(0.7):
                scope.absorb(fragment.scope)
                self.ways.add("named fragment spread again")
                return [f"...{name}{self.directive()}"]
        if parent.name in MIRRORED and self.sometimes(0.25):
            self.ways.add("fragment on Node")
            return self.named(GRAPHQL.type_map["Node"], depth, rows, scope, only_id=True)
        return self.named(parent, depth, rows, scope)

    def named(self, parent: Any, depth: int, rows: int, scope: Scope, *, only_id: bool = False) -> list[str]:
        own = Scope()
        if only_id:
            texts = [self.emitted(parent, self.random.choice(["id", "__typename"]), own, "", None)]
        else:
            texts = self.some_of(parent, own, depth, rows)
        if not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType) or not scope.takes_all(own):
            return []
        scope.absorb(own)
        name = f"F{len(self.fragments)}"
        text = f"fragment {name} on {parent.name} {{ {' '.join(texts)} }}"
        self.fragments[name] = Fragment(parent.name, text, own, depth, rows)
        self.ways.add("named fragment")
        return [f"...{name}{self.directive()}"]

    # Lists and aggregates.

    def page(self, parent: Any, name: str, scope: Scope, depth: int, rows: int) -> str:
        each = parent.fields[name]
        arguments: dict[str, str] = {}
        most = max(1, ROWS // rows)
        size = 20
        word = self.random.choice(["first", "first", "first", "last"])
        if most < 20 or self.sometimes(0.75):
            size = self.random.choice([number for number in (0, 1, 1, 2, 3, 3, 5, 20, 30) if number <= most])
            arguments[word] = self.values.written(each.args[word].type, size)
        elif self.sometimes(0.1):
            arguments[word] = self.nothing(each.args[word].type)
        if self.sometimes(0.006):
            size = self.random.choice([-1, 101, 3])
            arguments["first"], arguments["last"] = str(size), "2" if size == 3 else "null"
        for key, share in (("where", 0.28), ("orderBy", 0.3)):
            kind = each.args[key].type
            if self.sometimes(share):
                inner = get_named_type(kind)
                value = self.values.where(inner) if key == "where" else self.values.order(inner)
                arguments[key] = self.values.written(kind, value)
            elif self.sometimes(0.02):
                arguments[key] = self.nothing(kind)
        alias = None
        if self.sometimes(0.15):
            self.names += 1
            alias = f"page{self.names}"
            for side in self.random.choice([["after"], ["after"], ["before"], ["after", "before"]]):
                cursor = f"cursor{len(self.cursors)}"
                self.values.variables[cursor] = Variable("String")
                self.cursors[cursor] = alias
                arguments[side] = f"${cursor}"
        elif self.sometimes(0.02):
            arguments["after"] = self.nothing(each.args["after"].type)
        self.ways |= {f"argument {key}" for key in arguments}
        written = self.in_brackets(arguments)
        inner = get_named_type(each.type)
        below = Scope()
        if alias is None:
            text = self.emitted(parent, name, scope, written, below)
            return f"{text} {self.selection(inner, below, depth + 1, rows * max(1, size))}"
        scope[alias] = Entry(parent.name, name, written, str(each.type), below)
        edges = GRAPHQL.type_map[inner.name.removesuffix("Connection") + "Edge"]
        below["edges"] = Entry(inner.name, "edges", "", str(inner.fields["edges"].type), Scope())
        below["edges"].below["cursor"] = Entry(edges.name, "cursor", "", "String!", None)
        selected = self.selection(inner, below, depth + 1, rows * max(1, size))
        return f"{alias}: {name}{written} {{ edges {{ cursor }} {selected[2:]}"

    def nothing(self, kind: Any) -> str:
        return self.values.absent(kind) if self.sometimes(0.6) else self.values.written(kind, None)

    def group_arguments(self, each: Any, rows: int) -> dict[str, str]:
        arguments: dict[str, str] = {}
        if self.sometimes(0.25):
            arguments["where"] = self.values.written(
                each.args["where"].type, self.values.where(get_named_type(each.args["where"].type))
            )
        if self.sometimes(0.65):
            inner = get_named_type(each.args["groupBy"].type)
            arguments["groupBy"] = self.values.written(each.args["groupBy"].type, self.values.groups(inner))
        if self.sometimes(0.25):
            zone = "Nowhere/At_All" if self.sometimes(0.02) else self.random.choice(ZONES)
            arguments["timeZone"] = self.values.written(each.args["timeZone"].type, zone)
        if rows > 10 or self.sometimes(0.4):
            size = -1 if self.sometimes(0.01) else self.random.choice([0, 1, 2, 5])
            arguments["first"] = self.values.written(each.args["first"].type, size)
        self.ways |= {f"aggregate's argument {key}" for key in arguments}
        return arguments

    def in_brackets(self, arguments: dict[str, str]) -> str:
        listed = list(arguments.items())
        self.random.shuffle(listed)
        return f"({', '.join(f'{key}: {value}' for key, value in listed)})" if listed else ""
