"""What is spoken of is there: files, modules, jobs, settings and names in documents, docstrings and comments."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lango.jobs.queue import NAMES
from lango.providers.registry import PROVIDERS
from lango.settings import Settings, names_of
from models.base import models
from tests.conventions.test_layers import ROOT, files, lines

PROSE = (".md", ".toml", ".in")
CODE = (".sql", ".graphql", ".tsx", ".js", ".mjs", ".json", "Makefile")
# Vendored, generated, or a record of what was.
LEFT_OUT = ("lango/http/graphiql/dist/", "docs/settings.md", "tests/planner/approved/")
# It names what is gone.
HISTORY = "CHANGELOG.md"
OURS = "lango|gql|models|resolvers|seeds|tests|migrations|benchmarks"
A_PATH = re.compile(rf"(?<![\w/.-])(?:{OURS}|docs|requirements)/[\w./*-]*[\w*]")
A_MODULE = re.compile(rf"(?<![\w.@/-])(?:{OURS})(?:\.[a-z_]\w*)+")
A_SETTING = re.compile(r"\b(?:LANGO|DATABASE)_[A-Z_]*[A-Z]\b")
QUOTED = re.compile(r"`([^`]+)`")
A_NAME = re.compile(r"[A-Za-z_]\w*")
COMMENT = re.compile(r"(?:^|\s)# .*")
TEXT = re.compile(r'"""[\s\S]*?"""|"(?:[^"\\\n]|\\.)*"|#.*')
CHAIN = re.compile(r"(?<![\w.])[a-z_]\w*(?:\.[a-z_]\w*)+")
A_DOTTED_NAME = re.compile(r"[a-z_]\w*(?:\.[a-z_]\w*)+")
# Placeholders, words of protocols and of SQL, and other programs; then the parts of an answer and of an example.
OTHERS = {
    "NNNN_name", "THE_PROVIDER", "lango.egg", "family.what_happened", "schema.table.column", "ETag", "JWT", "_NULLS_FIRST", "e308", "useradd",
    "QNHXBFE", "__a_code__", "LOOKUP", "NO", "row_", "Model", "Area", "Child", "Class",
}  # fmt: skip
IN_ANSWERS = ("extensions.", "details.", "info.", "row.", "part.")


@dataclass(frozen=True, slots=True)
class Source:
    """A module: its docstrings with where they begin, its other texts, and what is left without any."""

    docstrings: list[tuple[int, str]]
    texts: list[str]
    code: str
    comments: list[tuple[int, str]]


@cache
def sources() -> dict[str, Source]:
    return {name: source("\n".join(lines(name))) for name in files() if name.endswith(".py")}


def source(text: str) -> Source:
    nodes = list(ast.walk(ast.parse(text)))
    spoken = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    texts = [node for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    comments = [
        (number, found[0]) for number, line in enumerate(text.splitlines(), 1) if (found := COMMENT.search(line))
    ]
    return Source(
        [(node.lineno, node.value) for node in texts if id(node) in spoken],
        [node.value for node in texts if id(node) not in spoken],
        TEXT.sub("", text),
        comments,
    )


@cache
def prose() -> tuple[tuple[str, int, str], ...]:
    """Every line that is written for people: of documents, docstrings and comments."""
    return tuple(_prose())


def _prose() -> Iterator[tuple[str, int, str]]:
    for name in files():
        if name.startswith(LEFT_OUT):
            continue
        if name.endswith(".py"):
            module = sources()[name]
            for first, text in module.docstrings:
                yield from ((name, number, line) for number, line in enumerate(text.splitlines(), first))
            yield from ((name, number, line) for number, line in module.comments)
        elif name.endswith(PROSE) or Path(name).name == "Makefile":
            yield from ((name, number, line) for number, line in enumerate(lines(name), 1))


def is_superseded(name: str) -> bool:
    return name.startswith("docs/adr/") and any("Superseded by" in line for line in lines(name))


@cache
def words() -> frozenset[str]:
    """Every name and every word of code, and of the files in other languages that it consists of."""
    found = {part for name in files() for part in A_NAME.findall(name)} | settings()
    for module in sources().values():
        found.update(A_NAME.findall(module.code), CHAIN.findall(module.code), module.texts)
        for text in module.texts:
            found.update(A_NAME.findall(text))
    for name in files():
        if name.endswith(CODE) and not name.startswith(LEFT_OUT):
            found.update(part for line in lines(name) for part in A_NAME.findall(line))
    return frozenset(found)


@cache
def tables() -> frozenset[str]:
    """Tables with their schemas, and their columns with both."""
    each = [model.table() for model in models()]
    of_the_queue = {NAMES.queue_table, NAMES.queue_table_log, NAMES.schedules_table, NAMES.statistics_table}
    return frozenset(
        {table.fullname for table in each}
        | {f"{table.fullname}.{column.name}" for table in each for column in table.columns}
        | {NAMES.qualify(table) for table in of_the_queue}
    )


@cache
def of_the_database() -> frozenset[str]:
    """Functions and settings that the database knows as `lango.…`."""
    found = set()
    for name in files():
        if name.endswith((".sql", ".py")):
            found |= {
                each for line in lines(name) for each in re.findall(r"lango\.\w+", line) if "'" in line or "(" in line
            }
    return frozenset(found)


def settings() -> set[str]:
    kinds = [Settings, *(provider.settings for provider in PROVIDERS if provider.settings)]
    return {name for kind in kinds for name in names_of(kind)}


def is_module(name: str) -> bool:
    """Whether it is a module of ours, or something in one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        place = "/".join(parts[:length])
        file = next((each for each in (f"{place}.py", f"{place}/__init__.py") if (ROOT / each).is_file()), None)
        if file is not None:
            return length == len(parts) or any(re.search(rf"\b{parts[length]}\b", line) for line in lines(file))
    return False


def test_mentioned_files_exist() -> None:
    there = {name for each in files() for name in (each, *map(str, Path(each).parents))}
    missing = [
        f"{name}:{number}: {path}"
        for name, number, line in prose()
        for path in A_PATH.findall(line)
        if path not in there
        and not f"{path}/".startswith(LEFT_OUT)
        and "NNNN" not in path
        and not any(ROOT.glob(path if "*" in path else f"{path}*"))
    ]
    assert missing == []


def test_mentioned_modules_exist() -> None:
    missing = [
        f"{name}:{number}: {module}"
        for name, number, line in prose()
        for module in A_MODULE.findall(line)
        if not is_module(module) and module not in of_the_database() | tables() | OTHERS
    ]
    assert missing == []


def test_mentioned_settings_are_read() -> None:
    missing = [
        f"{name}:{number}: {setting}"
        for name, number, line in prose()
        for setting in A_SETTING.findall(line)
        if setting not in words()
    ]
    assert missing == []


def test_names_in_backticks_exist() -> None:
    missing = [
        f"{name}:{number}: {word}"
        for name, number, line in prose()
        if name != HISTORY and not is_superseded(name)
        for quoted in QUOTED.findall(line)
        for word in A_NAME.findall(quoted)
        if word not in words() and word not in OTHERS
    ]
    assert missing == []


def test_jobs_numbers_and_functions_in_backticks_exist() -> None:
    """`donations.open_checkout`, `pots.expiry_days`, `ledger.post`: what is written with a dot is there as a whole."""
    endings = tuple({suffix for name in files() if (suffix := Path(name).suffix)})
    missing = [
        f"{name}:{number}: {quoted}"
        for name, number, line in prose()
        if name != HISTORY and not is_superseded(name)
        for quoted in QUOTED.findall(line)
        if A_DOTTED_NAME.fullmatch(quoted)
        and quoted not in words() | tables() | of_the_database() | OTHERS
        and not is_module(quoted)
        and not quoted.startswith(IN_ANSWERS)
        and not quoted.endswith(endings)
    ]
    assert missing == []


def test_referenced_decision_records_exist() -> None:
    numbers = {Path(name).name[:4] for name in files() if name.startswith("docs/adr/")}
    missing = [
        f"{name}:{number}: {decision}"
        for name, number, line in prose()
        for decision in re.findall(r"docs/adr/(\d{4})", line)
        + (re.findall(r"\((\d{4})\)|\[(\d{4})\]", line) if name.startswith("docs/adr/") else [])
        for decision in ([decision] if isinstance(decision, str) else filter(None, decision))
        if decision not in numbers
    ]
    assert missing == []
