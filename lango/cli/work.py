"""`lango work`: run jobs."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib import import_module
from pkgutil import walk_packages

from prometheus_client import start_http_server

from lango.cli.console import fail
from lango.cli.database import database
from lango.cli.serve import demand
from lango.db import migrate
from lango.db.pipeline import make_pipeline
from lango.doctor import refusals_of_worker
from lango.jobs.job import jobs_of
from lango.jobs.supervision import bound_to_supervisor, kept_running
from lango.jobs.worker import Worker
from lango.observability import logs
from lango.observability.metrics import JobMetrics
from lango.rules.services import make_services
from lango.settings import Settings, settings
from lango.startup import settle

UPKEEP = "lango.jobs.maintenance"


def work(concurrency: int | None, *, once: bool) -> None:
    """Run jobs: those that are due, or until a signal ends it."""
    if concurrency is not None:
        os.environ["LANGO_WORKER_CONCURRENCY"] = str(concurrency)
        settings.cache_clear()
    current = settings()
    if current.database_worker_url is None and current.database_url is not None:
        fail("This needs DATABASE_WORKER_URL: the same database, as lango_worker. The gateway's login has no queue.")
    with nullcontext(current) if current.database_worker_url is not None else database() as current:
        run(current, modules_with_jobs(), once=once)


def modules_with_jobs() -> Sequence[str]:
    """The names of all modules that may have some, for a process of its own to import."""
    import resolvers

    return [module.name for module in walk_packages(resolvers.__path__, "resolvers.")]


def run(current: Settings, modules: Sequence[str], *, once: bool = False) -> None:
    """Work on the jobs of these modules until a signal ends it."""
    logs.configure(current)
    for module in (UPKEEP, *modules):
        import_module(module)
    settle()
    asyncio.run(serve(current, once=once))


async def serve(current: Settings, *, once: bool) -> None:
    assert current.database_worker_url is not None
    address = current.database_worker_url.get_secret_value()
    metrics = JobMetrics()
    pipeline = make_pipeline(address, current, pool_size=current.worker_concurrency)
    services = make_services(current, pipeline, metrics)
    worker = Worker(services, address, jobs_of(), metrics)
    try:
        demand(await refusals_of_worker(address, current))
        if missing := await migrate.behind(pipeline):
            fail(missing)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, worker.stop)
        if current.worker_metrics_port:
            start_http_server(current.worker_metrics_port, current.host, metrics.registry)
        async with bound_to_supervisor():
            await worker.run(once=once)
    finally:
        await services.close()
        pipeline.close()


@contextmanager
def beside(current: Settings, modules: Sequence[str]) -> Iterator[None]:
    """Meanwhile, a worker in a process of its own, which ends when this one does, however it does.

    One that dies is started again.

    There is none for a database that is not ours and has no address for it.
    """
    if current.database_worker_url is None:
        yield
        return
    with kept_running(_begin, modules, name="lango work", grace=current.shutdown_timeout + 5):
        yield


def _begin(modules: Sequence[str]) -> None:
    run(settings(), modules)
