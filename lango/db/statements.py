"""Statements of SQLAlchemy's that are built anew for each request: compiled once for all that are alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Executable, Result, Select, inspect
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData

from lango.db.prepared import DIALECT, ModelColumns, Readers, result_processor_of
from lango.db.wire import Decoder, values_in
from lango.libraries.sqlalchemy import CompiledStatements

Executed = Result[*tuple[Any, ...]]
Read = Callable[[Sequence[bytes], Sequence[Decoder]], Executed]
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
    # A statement that is text says nothing of its columns.
    readers = Readers([result_processor_of(kind) for _, kind in compiled.columns]) if compiled.columns else None
    keys = names if models else [name for name, _ in compiled.columns]

    def read(rows: Sequence[bytes], decoders: Sequence[Decoder]) -> Executed:
        columns = decoders if readers is None or not rows else readers.of(decoders)
        found = [values_in(row, columns) for row in rows]
        return _result(keys, [_with_models(row, models) for row in found] if models else found)

    return compiled.sql, compiled.values, read


def _is_model(described: Any) -> bool:
    # What is selected from no table at all names none.
    entity = described.get("entity")
    return entity is not None and described["expr"] is entity


def _with_models(row: list[Any], models: Sequence[ModelColumns | None]) -> list[Any]:
    place, made = 0, list[Any]()
    for part in models:
        if part is None:
            made.append(row[place])
            place += 1
        else:
            made.append(part.read(row))
            place += len(part.columns)
    return made


def _result(keys: Sequence[str], found: list[list[Any]]) -> Executed:
    if found and not keys:
        keys = [f"column{number}" for number in range(len(found[0]))]
    return IteratorResult(SimpleResultMetaData(keys), iter([tuple(row) for row in found]))
