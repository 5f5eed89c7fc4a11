"""Whether memory stays flat over many requests, and what a list's rows cost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from rich.table import Table

from benchmarks.clients import PeerClient
from benchmarks.load import Generator, Job
from benchmarks.measure import ERRORS, Series
from benchmarks.places import console, stop
from benchmarks.queries import QUERIES, Variables
from benchmarks.usage import resident

STEPS = 20
CONNECTIONS = 16
GROWTH = (25, 50, 100)


def soak(client: PeerClient, generator: Generator, variants: dict[str, list[Variables]], many: int) -> None:
    """Send many requests, of all queries in turn, and print what memory the workers hold at each twentieth."""
    listed = [
        client.requests(query, variants[query.name]) for query in QUERIES if not query.once and query.name in variants
    ]
    mixed = [each.decode() for turn in zip_longest(*listed) for each in turn if each is not None]
    workers = client.server.workers()
    console.print(f"{client.server.peer.title}: {many:,} requests, {len(mixed)} different ones in turn")
    begin = resident(workers)
    console.print(f"  {0:>12,} requests  {begin:8.1f} MB")
    step = max(1, many // STEPS)
    held = []
    for number in range(1, STEPS + 1):
        job = Job(client.server.port, mixed, CONNECTIONS, 0.0, 0.0, [ERRORS], None, {}, many=step)
        part = generator.run(job)
        if part.errors:
            stop(f"{part.errors} of the requests failed. The first:\n{part.example}")
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
