"""SQLAlchemy: how a statement that is built anew each time is compiled once for all that are alike;
and rows that no session keeps."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any, NamedTuple

from sqlalchemy.util import LRUCache

# Statements that are alike but for their parameters are one.
KEPT = 1000


def changes_in(state: Any) -> Set[str]:
    """The attributes of a row that were set since it was read or saved."""
    changes: Set[str] = state.committed_state.keys()
    return changes


def forget_changes(state: Any) -> None:
    """Take what a row holds as what is stored: nothing of it is a change any more."""
    state._commit_all(state.dict)  # noqa: SLF001


class Compiled(NamedTuple):
    """A statement's SQL with its parameters in their order, as the driver takes them."""

    sql: str
    values: list[Any]
    # The name and the type of each column that it returns.
    columns: Sequence[tuple[str, Any]]


class CompiledStatements:
    """The compiled statements of one dialect."""

    def __init__(self, dialect: Any) -> None:
        self._dialect = dialect
        self._kept: Any = LRUCache(KEPT)

    def get(self, statement: Any, given: dict[str, Any] | None = None) -> Compiled:
        """The statement, with the values it has itself but for those that are `given` by name."""
        compiled, extracted, params, _ = statement._compile_w_cache(  # noqa: SLF001
            self._dialect, compiled_cache=self._kept, column_keys=sorted(given or {})
        )
        values = compiled.construct_params(given, extracted_parameters=extracted, _collected_params=params)
        sql, names, processors = str(compiled), compiled.positiontup or (), compiled._bind_processors  # noqa: SLF001
        if compiled.literal_execute_params or compiled.post_compile_params:
            expanded = compiled._process_parameters_for_postcompile(values)  # noqa: SLF001
            sql, names = expanded.statement, expanded.positiontup or ()
            values = {**values, **expanded.additional_parameters}
            processors = {**processors, **expanded.processors}
        columns = [(each.keyname, each.type) for each in compiled._result_columns or ()]  # noqa: SLF001
        return Compiled(sql, [_processed(processors.get(name), values[name]) for name in names], columns)


def _processed(process: Any, value: Any) -> Any:
    return value if process is None else process(value)
