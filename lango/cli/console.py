"""The output of commands: results go to standard output, everything said about them to standard error."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from rich.console import Console
from rich.markup import escape

out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)


def fail(message: str) -> NoReturn:
    """Say what is wrong and end with exit code 1."""
    err.print(f"[bold red]Error:[/] {escape(message)}")
    raise typer.Exit(1)


def info(message: str) -> None:
    err.print(f"  {escape(message)}", style="dim")


@contextmanager
def step(title: str) -> Iterator[None]:
    """A line for a step that takes a while: what is being done, and when it is done how long it took."""
    begun = time.monotonic()
    with err.status(escape(title)):
        yield
    err.print(f"[green]✓[/] {escape(title)} [dim]{time.monotonic() - begun:.1f} s[/]")


class Counting:
    """Progress as lines: each named part once, when it is done, with how many there are and how long it took."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def __call__(self, name: str, done: int, total: int) -> None:
        now = time.monotonic()
        of = f"{done}/{total}" if total else str(done)
        err.print(f"  {escape(name)} [dim]{of}  {now - self._begun:.1f} s[/]")
        self._begun = now
