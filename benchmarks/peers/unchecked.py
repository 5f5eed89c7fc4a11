"""lango without a look at whoever calls: what the check of an account and its session costs is the difference.

`python -m benchmarks.peers.unchecked 8000 1` serves as `lango serve` does, at that port with so many workers. A token
is verified all the same; what it says is then believed.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from lango.actor import STAFF_ROLES, Actor
from lango.cli.serve import run, set_place
from lango.security.account_status import Callers
from lango.settings import settings


async def believe(self: Callers, actor: Actor) -> Actor:  # noqa: ARG001 - stands for the method
    """The caller as the token has them; only staff's roles are of any use to a reader."""
    return actor if actor.roles & STAFF_ROLES else replace(actor, roles=frozenset())


Callers.still = believe  # type: ignore[method-assign]

if __name__ == "__main__":
    port, workers = map(int, sys.argv[1:])
    set_place(None, port, workers)
    run(settings(), "benchmarks.peers.unchecked_app:app")
