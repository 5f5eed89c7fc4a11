"""`lango schema`: the GraphQL schema as text."""

from __future__ import annotations

import difflib
from pathlib import Path

import typer

from lango.cli.console import err, fail

LONGEST_DIFF = 40


def schema(file: Path, *, check: bool) -> None:
    from gql import schema as api

    text = api.schema.as_str().rstrip() + "\n"
    if not check:
        typer.echo(text, nl=False)
        return
    if not file.exists():
        fail(f"There is no {file}: make it with `make schema`.")
    before = file.read_text(encoding="utf-8")
    if before == text:
        err.print(f"[green]✓[/] {file} is what the code makes")
        return
    diff = difflib.unified_diff(before.splitlines(), text.splitlines(), str(file), "the code", lineterm="", n=1)
    lines = list(diff)
    typer.echo("\n".join(lines[:LONGEST_DIFF]))
    if len(lines) > LONGEST_DIFF:
        typer.echo(f"… and {len(lines) - LONGEST_DIFF} lines more")
    fail(f"{file} is not what the code makes. If the change is meant, run `make schema` and commit the file.")
