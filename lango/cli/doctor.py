"""`lango doctor`: what is wrong, and what to do."""

from __future__ import annotations

import asyncio

import orjson
import typer
from rich.markup import escape

from lango.cli.console import out
from lango.cli.database import database, password_in
from lango.db.roles import GATEWAY, WORKER, password_sql, roles_sql
from lango.doctor import Finding, Level, examine
from lango.settings import Settings, settings

MARKS = {Level.OK: "[green]✓[/]", Level.WARNING: "[yellow]![/]", Level.ERROR: "[red]✗[/]"}


def doctor(*, print_roles: bool, as_json: bool) -> None:
    if print_roles:
        typer.echo(sql_of_roles(settings()), nl=False)
        return
    with database() as current:
        findings = asyncio.run(examine(current))
    if as_json:
        typer.echo(orjson.dumps(findings, option=orjson.OPT_INDENT_2).decode())
    else:
        show(findings)
    if any(finding.level is Level.ERROR for finding in findings):
        raise typer.Exit(1)


def show(findings: list[Finding]) -> None:
    area = ""
    for finding in findings:
        if finding.area != area:
            area = finding.area
            out.print(f"\n[bold]{area}[/]")
        out.print(f"  {MARKS[finding.level]} {escape(finding.says)}")
        if finding.remedy:
            out.print(f"    [dim]→ {escape(finding.remedy)}[/]")
    wrong = sum(finding.level is Level.ERROR for finding in findings)
    out.print(f"\n[red]{wrong} things are wrong.[/]" if wrong else "\n[green]All is well.[/]")


def sql_of_roles(current: Settings) -> str:
    """The SQL for any server; the logins get the passwords that the addresses of the settings have."""
    sql = roles_sql()
    for address, login in ((current.database_url, GATEWAY), (current.database_worker_url, WORKER)):
        if password := password_in(address):
            sql += f"\n{password_sql(password, login)}\n"
    return sql
