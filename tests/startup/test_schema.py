"""How the schema comes to be: in a process of its own, because the tests' process has it already."""

from __future__ import annotations

import subprocess
import sys


def printed(program: str) -> str:
    """What a Python program prints."""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_collector_rests_while_the_schema_is_made_and_leaves_it_alone() -> None:
    result = printed("""
import gc
looks = []
gc.callbacks.append(lambda phase, _: looks.append(phase))
before = gc.get_freeze_count()
import gql.schema
print(len(looks) <= 2, gc.get_freeze_count() - before > 100_000, gc.isenabled())
""")

    assert result == "True True True"
