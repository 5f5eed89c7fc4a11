"""Statements of SQLAlchemy's that are built anew for each request: compiled once for all that are alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Executable, Result, Select, inspect
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData

from lango.db.prepared import DIALECT, ModelColumns, result_processor_of
from lango.libraries.sqlalchemy import CompiledStatements

Executed = Result[*tuple[Any, ...]]
Read = Callable[[list[tuple[Any, ...]]], Executed]
COMPILED = CompiledStatements(DIALECT)


def executed(
    statement: Executable, values: dict[str, Any] | None = None, undeferred: Sequence[str] = ()
) -> tuple[str, list[Any], Read]:
    """A statement as it is sent, with its parameters, and what makes of its rows a result.

    Models are read without their deferred columns, but for those that are `undeferred`.
    """
    models: list[ModelColumns | None] = []
    if isinstance(statement, Select) and any(_is_model(each) for each in statement.column_descriptions):
        columns: list[Any] = []
        for each in statement.column_descriptions:
            part = None
            if _is_model(each):
                mapper = inspect(each["entity"]).mapper
                part = ModelColumns(mapper.class_, len(columns), of=each["entity"], undeferred=undeferred)
            models.append(part)
            columns += [each["expr"]] if part is None else part.columns
        names = [each["name"] for each in statement.column_descriptions]
        statement = statement.with_only_columns(*columns, maintain_column_froms=True)
    compiled = COMPILED.get(statement, values)
    processes = [result_processor_of(kind) for _, kind in compiled.columns]
    keys = names if models else [name for name, _ in compiled.columns]

    def read(found: list[tuple[Any, ...]]) -> Executed:
        if not models:
            return _result(keys, [_processed(row, processes) for row in found])
        return _result(keys, [_with_models(row, models, processes) for row in found])

    return compiled.sql, compiled.values, read


def _is_model(described: Any) -> bool:
    # What is selected from no table at all names none.
    entity = described.get("entity")
    return entity is not None and described["expr"] is entity


def _with_models(row: tuple[Any, ...], models: Sequence[ModelColumns | None], processes: Sequence[Any]) -> list[Any]:
    place, made = 0, list[Any]()
    for part in models:
        if part is None:
            made += _processed(row[place : place + 1], processes[place : place + 1])
            place += 1
        else:
            made.append(part.read(row))
            place += len(part.columns)
    return made


def _processed(row: Sequence[Any], processes: Sequence[Any]) -> list[Any]:
    if not processes:
        # The statement is text, and says nothing of its columns.
        return list(row)
    return [value if process is None else process(value) for value, process in zip(row, processes, strict=True)]


def _result(keys: Sequence[str], found: list[list[Any]]) -> Executed:
    if found and not keys:
        keys = [f"column{number}" for number in range(len(found[0]))]
    return IteratorResult(SimpleResultMetaData(keys), iter([tuple(row) for row in found]))
