"""What the command line reads before it does anything: help comes at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
sys.argv = ["lango", *sys.argv[1:], "--help"]
from lango.__main__ import main
try:
    main()
except SystemExit as ended:
    assert not ended.code
print(*sys.modules, file=sys.stderr)
"""
HEAVY = {
    "gql", "resolvers", "models", "seeds", "strawberry", "graphql", "sqlalchemy", "asyncpg", "alembic", "pgqueuer",
    "uvicorn", "starlette", "httpx", "cryptography", "pydantic_settings", "structlog", "prometheus_client", "asyncio",
}  # fmt: skip
COMMANDS = [
    "dev", "serve", "work", "migrate", "schema", "seed", "token", "grant", "explain", "ledger", "reconcile", "mpesa",
    "doctor",
]  # fmt: skip
NESTED = ["migrate up", "migrate down", "migrate status", "ledger verify", "reconcile mpesa", "mpesa register"]


@pytest.mark.parametrize("command", ["", *COMMANDS, *NESTED])
def test_help_reads_no_library_that_only_the_command_needs(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command.split()], check=True, capture_output=True, text=True, timeout=60
    )

    assert "Usage" in done.stdout
    assert HEAVY & set(done.stderr.split()) == set()


def test_every_command_is_looked_at() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True, timeout=60)

    assert [command for command in COMMANDS if f" {command} " not in done.stdout] == []
