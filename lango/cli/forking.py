"""Worker processes that begin with the schema made: each is forked from one process that has imported what they serve.

That process is the standard library's fork server: it has one thread, no event loop, no connection and no open file of
ours, so that nothing is shared that must not be; each worker makes its own. The supervisor itself has threads, and
would fork their locks. A worker that is started again, for whatever reason, is made of the same code as those before
it: new code is served by a new `lango serve`.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pkgutil import walk_packages

from lango.libraries.uvicorn import workers_made_by


def modules_served() -> Sequence[str]:
    """What `lango.asgi` and `lango.asgi_dev` import, and what uvicorn does when it begins."""
    import resolvers

    rules = [module.name for module in walk_packages(resolvers.__path__, "resolvers.")]
    return ["gql.schema", *rules, "lango.http.app", "lango.providers.registry", "lango.rules.handlers", "uvloop"]


@contextmanager
def workers_forked_after(modules: Sequence[str]) -> Iterator[None]:
    """Meanwhile, uvicorn's workers are forked from a process that has imported these modules.

    Where a platform has no fork server, they are spawned as ever, and each imports them for itself.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        yield
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(modules))
    with workers_made_by(context):
        yield
