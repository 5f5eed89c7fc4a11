"""Where the benchmarks keep what they make, and how they speak."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.markup import escape

HERE = Path(__file__).parent
ROOT = HERE.parent
WORK = ROOT / ".lango" / "bench"
DOCUMENTS = HERE / "documents"
PEERS = HERE / "peers"

console = Console(highlight=False)


class BenchmarkError(RuntimeError):
    """The benchmark cannot go on; the message says what to do."""


def say(message: str) -> None:
    console.print(f"  {escape(message)}", style="dim")


def stop(message: str) -> NoReturn:
    raise BenchmarkError(message)
