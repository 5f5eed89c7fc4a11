"""How many round trips each mutation takes, as the suites run it, beside what docs/round-trips.md says.

Each call that does something is counted where it is made: a refusal, a dry run and a call under a key that was used
already say nothing, nor does one that was tried again. `pytest --write-round-trips` writes what was counted instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lango.db.pipeline import Pipeline
from lango.security.account_status import STANDING

TABLE = Path(__file__).parents[1] / "docs" / "round-trips.md"
ROW = re.compile(r"^\| `(\w+)` \| (\d+) \| (\d+) \| (.*?) *\|$", re.MULTILINE)
HEAD = "| --- | --- | --- | --- |\n"
# From here on a reason is given.
FEW = 6
# A payload that could not be read with the commit, which a test has had to go out of its way for.
UNREAD = "ROLLBACK TO SAVEPOINT payload"
# What goes out for the call that is under way: each task has its own, also where many are made at once.
_sent: ContextVar[list[list[str]] | None] = ContextVar("sent", default=None)


class RoundTrips(NamedTuple):
    """Of a rule from BEGIN to COMMIT, and of what its answer needs after that: calls outside, and what is read then."""

    rule: int
    after: int


class Row(NamedTuple):
    counted: RoundTrips
    # Why the rule takes more than a few.
    reason: str


def table() -> dict[str, Row]:
    """What is written of each mutation, by its name."""
    found = ROW.findall(TABLE.read_text())
    return {name: Row(RoundTrips(int(rule), int(after)), reason) for name, rule, after, reason in found}


def counted(batches: Sequence[Sequence[str]]) -> RoundTrips | None:
    """Of a call that sent these; None where it did nothing, or had to be tried again."""
    begun = [number for number, batch in enumerate(batches) if "BEGIN" in batch]
    done = [number for number, batch in enumerate(batches) if "COMMIT" in batch]
    if not done or sum(number <= done[0] for number in begun) != 1 or any(UNREAD in batch for batch in batches):
        return None
    return RoundTrips(done[0] - begun[0] + 1, len(batches) - 1 - done[0])


class Counter:
    """Compares what is counted with the table, or gathers it for the table."""

    def __init__(self) -> None:
        self._table = {name: row.counted for name, row in table().items()}
        self.writes = False
        self.most: dict[str, RoundTrips] = {}

    @staticmethod
    def listen(pipeline: Pipeline) -> None:
        """Hear of what goes out over these connections."""
        if note not in pipeline.listeners:
            pipeline.listeners.append(note)

    def note(self, mutation: str, found: RoundTrips | None) -> None:
        """Hear what a call took that was answered without a refusal or an error."""
        if found is None:
            return
        self.most[mutation] = higher(self.most.get(mutation, found), found)
        if not self.writes:
            written = self._table.get(mutation)
            assert written is not None, (
                f"{TABLE.name} does not name {mutation}: run the suites with --write-round-trips"
            )
            assert found.rule <= written.rule, (
                f"{mutation} takes {found.rule} round trips; {TABLE.name}: {written.rule}"
            )
            assert found.after <= written.after, (
                f"{mutation} takes {found.after} round trips after its commit; {TABLE.name}: {written.after}"
            )


@contextmanager
def recorded() -> Iterator[list[list[str]]]:
    """What goes out meanwhile for the call that is made within."""
    batches: list[list[str]] = []
    before = _sent.set(batches)
    try:
        yield batches
    finally:
        _sent.reset(before)


def note(sent: Sequence[str]) -> None:
    batches = _sent.get()
    if batches is not None and [*sent] != [STANDING]:
        batches.append([*sent])


def write(most: Mapping[str, RoundTrips]) -> None:
    """Write what was counted into the table; its reasons stay.

    Where some suites were run, others may take more: only what has become more is written then.
    """
    before = table()
    whole = before.keys() <= most.keys()
    rows = dict(before)
    for name, found in most.items():
        row = before.get(name, Row(found, ""))
        rows[name] = Row(found if whole else higher(row.counted, found), row.reason)
    lines = [
        f"| `{name}` | {row.counted.rule} | {row.counted.after} | {row.reason} |" for name, row in sorted(rows.items())
    ]
    head, _, _ = TABLE.read_text().partition(HEAD)
    TABLE.write_text(head + HEAD + "".join(f"{line}\n" for line in lines))


def higher(one: RoundTrips, other: RoundTrips) -> RoundTrips:
    return RoundTrips(max(one.rule, other.rule), max(one.after, other.after))


COUNTER = Counter()


class WritingTable:
    """Gathers what the workers have counted, and writes it at the end."""

    def __init__(self) -> None:
        COUNTER.writes = True

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        for name, found in getattr(node, "workeroutput", {}).get("round_trips", {}).items():
            COUNTER.note(name, RoundTrips(*found))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        workeroutput = getattr(session.config, "workeroutput", None)
        if workeroutput is not None:
            workeroutput["round_trips"] = {name: [*found] for name, found in COUNTER.most.items()}
        elif COUNTER.most:
            write(COUNTER.most)
