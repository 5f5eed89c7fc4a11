"""Processor time and memory of processes, by what they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import psutil

MEGABYTE = 1024 * 1024
PARTS = ("user", "system", "children_user", "children_system")


class Meter:
    """The processor time of groups of processes: each group is named by the processes at the top of its trees."""

    def __init__(self, groups: Mapping[str, Sequence[int]]) -> None:
        self._groups = groups
        # Walking the trees takes milliseconds, in which no answer is read: it is done before the start.
        self._known = {name: list(trees(pids)) for name, pids in groups.items()}
        self._before: dict[str, float] = {}

    def start(self) -> None:
        self._before = {name: sum(map(seconds, known)) for name, known in self._known.items()}

    def stop(self) -> dict[str, float]:
        """Seconds by group since the start. What a process used that ended meanwhile is its parent's by now."""
        return {name: sum(map(seconds, trees(pids))) - self._before[name] for name, pids in self._groups.items()}


def trees(pids: Sequence[int]) -> Iterator[psutil.Process]:
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            top = psutil.Process(pid)
            yield top
            yield from top.children(recursive=True)


def seconds(process: psutil.Process) -> float:
    """What it has used so far, with those of its children that have ended."""
    with suppress(psutil.NoSuchProcess):
        return float(sum(getattr(process.cpu_times(), name, 0.0) for name in PARTS))
    return 0.0


def resident(processes: Sequence[psutil.Process]) -> float:
    """Megabytes of memory that the processes hold together."""
    return sum(process.memory_info().rss for process in processes) / MEGABYTE
