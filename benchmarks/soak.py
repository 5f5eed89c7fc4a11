"""Whether memory stays flat over many requests, and what a list's rows cost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from math import ceil

from rich.table import Table

from benchmarks.clients import PeerClient
from benchmarks.database import Database, Facts
from benchmarks.load import Generator, Job
from benchmarks.measure import FORBIDDEN, Series, once_each
from benchmarks.places import console, stop
from benchmarks.queries import Query
from benchmarks.usage import resident

STEPS = 20
CONNECTIONS = 16
# Of how many requests one is a mutation.
EVERY = 10
GROWTH = (25, 50, 100)


def soak(
    client: PeerClient, generator: Generator, database: Database, queries: Sequence[Query], facts: Facts, many: int
) -> None:
    """Send many requests, of all queries in turn and each tenth a mutation, and print what memory the workers hold at
    each twentieth."""
    able = [query for query in queries if client.server.peer.dialect in query.dialects]
    mutations = [query for query in able if query.spends is not None]
    listed = [client.requests(query, query.variants(facts)) for query in able if query.spends is None]
    mixed = [each.decode() for turn in zip_longest(*listed) for each in turn if each is not None]
    # Where nothing is read, each is a mutation.
    every = EVERY if mixed else 1
    workers = client.server.workers()
    named = ", ".join(query.name for query in mutations)
    console.print(
        f"{client.server.peer.title}: {many:,} requests, {len(mixed)} different ones in turn"
        + (f", and of {every} one of {named}" if mutations else "")
    )
    begin = resident(workers)
    console.print(f"  {0:>12,} requests  {begin:8.1f} MB")
    step = max(1, many // STEPS)
    held = []
    for number in range(1, STEPS + 1):
        once = once_each(database, client, mutations, ceil(step / every))
        job = Job(client.server.port, mixed, CONNECTIONS, 0.0, 0.0, FORBIDDEN, {}, once, every, many=step)
        part = generator.run(job)
        if part.errors:
            stop(f"{part.errors} of the requests failed. The first:\n{part.example}")
        if part.requests < step:
            stop(f"There was nothing left to spend after {part.requests} of {step} requests: send fewer.")
        held.append(resident(workers))
        console.print(f"  {number * step:>12,} requests  {held[-1]:8.1f} MB  {step / part.seconds:8,.0f}/s")
    # What grows at first is caches; what grows after half the way is a leak.
    half = held[STEPS // 2 - 1]
    console.print(f"  from half the way to the end: {held[-1] - half:+.1f} MB ({held[-1] / half - 1:+.1%})")


def growth_table(measured: Sequence[Series], peers: Sequence[str]) -> Table:
    """What a request costs with so many rows, and how that grows when the rows double."""
    table = Table(title="the cost of a list by its rows", title_justify="left", box=None)
    for name in ("peer", "rows", "requests/s", "gateway CPU ms", "PostgreSQL CPU ms", "CPU against half the rows"):
        table.add_column(name, justify="left" if name == "peer" else "right")
    for peer in peers:
        before = None
        for rows, series in zip(GROWTH, (each for each in measured if each.peer == peer), strict=True):
            gateway, postgres = series.cpu("server"), series.cpu("postgres")
            cost = gateway + postgres
            ratio = "" if before is None else f"{cost / before:.2f} times"
            table.add_row(peer, str(rows), f"{series.rate:,.0f}", f"{gateway:.3f}", f"{postgres:.3f}", ratio)
            before = cost
    return table
