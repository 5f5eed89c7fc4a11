"""The measuring: for each query the peers take turns in short slices, so that what disturbs one disturbs all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from math import ceil
from statistics import median

from benchmarks import floor, recording
from benchmarks.clients import PeerClient
from benchmarks.database import Database
from benchmarks.load import Generator, Job, Slice
from benchmarks.places import console, say, stop
from benchmarks.queries import Query
from benchmarks.servers import Setup
from benchmarks.spending import Spending, Variables

FLOOR = "pgbench"
MOST_SCRIPTS = 40
# How many calls of a mutation are recorded for pgbench.
RECORDED = 6
# No gateway answers more calls a second here: so many are prepared.
FASTEST = 3_000
# What no good answer holds: a GraphQL error, and a refusal.
FORBIDDEN = ['"errors"', '"userErrors":[{']


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often."""

    seconds: float
    warm: float
    rounds: int
    connections: Sequence[int]
    round_trips: floor.RoundTrips


@dataclass(slots=True)
class Series:
    """The slices of one peer for one query, under one load."""

    query: str
    peer: str
    workers: int
    connections: int
    slices: list[Slice] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return median(each.rate for each in self.slices)

    @property
    def spread(self) -> tuple[float, float]:
        rates = [each.rate for each in self.slices]
        return min(rates), max(rates)

    def latency(self, name: str) -> float:
        """The median of the rounds, in milliseconds: `p50`, `p99` or `longest`."""
        return float(median(getattr(each, name) for each in self.slices))

    def cpu(self, group: str) -> float:
        """Processor milliseconds a request."""
        return median(each.cpu.get(group, 0.0) / max(1, each.requests) * 1000 for each in self.slices)

    @property
    def errors(self) -> int:
        return sum(each.errors for each in self.slices)

    @property
    def size(self) -> float:
        """Bytes of an answer, its head included."""
        return median(each.size for each in self.slices)


@dataclass(frozen=True, slots=True)
class Bench:
    """What a measurement works with."""

    database: Database
    setup: Setup
    clients: Sequence[PeerClient]
    generator: Generator
    plan: Plan

    def clients_of(self, query: Query) -> list[PeerClient]:
        """The peers that can do it."""
        return [client for client in self.clients if client.server.peer.dialect in query.dialects]


def measure(bench: Bench, query: Query, variants: list[Variables], *, with_floor: bool) -> list[Series]:
    """All peers that can do it on one query, under each load."""
    scripts = floor_scripts(bench, query, variants) if with_floor else None
    measured = [
        series
        for connections in bench.plan.connections
        for series in under_load(bench, query, variants, connections, scripts)
    ]
    if query.spends is not None:
        # Whatever is read next is as it was.
        bench.database.clear()
    return measured


def under_load(
    bench: Bench, query: Query, variants: list[Variables], connections: int, scripts: list[floor.Script] | None
) -> list[Series]:
    workers = bench.setup.workers
    clients = {client.server.peer.name: client for client in bench.clients_of(query)}
    found = {name: Series(query.name, name, workers, connections) for name in clients}
    if scripts is not None:
        found[FLOOR] = Series(query.name, FLOOR, workers, connections)
    for number in range(bench.plan.rounds):
        # Each round begins with another peer: none is always first after a pause.
        order = [*found][number % len(found) :] + [*found][: number % len(found)]
        for name in order:
            if name in clients:
                part = bench.generator.run(job_of(bench, clients[name], query, variants, connections))
            else:
                assert scripts is not None
                part = floor_slice(bench, query, scripts, connections)
            found[name].slices.append(part)
            if part.errors:
                stop(f"{query.name}: {name} failed {part.errors} times. The first:\n{part.example}")
            if part.requests == 0:
                stop(f"{query.name}: {name} answered nothing in {part.seconds:.1f} s.")
    rates = ", ".join(f"{name} {series.rate:,.0f}" for name, series in found.items())
    say(f"{query.name}, {workers} worker(s), {connections} connections: {rates} requests/s")
    return [*found.values()]


def job_of(bench: Bench, client: PeerClient, query: Query, variants: list[Variables], connections: int) -> Job:
    plan = bench.plan
    once = once_each(bench.database, client, [query], ceil(FASTEST * (plan.warm + plan.seconds)))
    sent = [each.decode() for each in client.requests(query, variants)]
    groups = {"server": [client.server.process.pid], "postgres": [bench.database.postmaster]}
    return Job(client.server.port, sent, connections, plan.warm, plan.seconds, FORBIDDEN, groups, once)


def once_each(database: Database, client: PeerClient, queries: Sequence[Query], many: int) -> list[str]:
    """Requests of these mutations in turn, `many` in all, of which each spends rows of its own."""
    spending: dict[Spending, list[Query]] = {}
    for query in queries:
        if query.spends is not None:
            spending.setdefault(query.spends, []).append(query)
    if not spending:
        return []
    wanted = [(spends, ceil(many * len(sharing) / len(queries))) for spends, sharing in spending.items()]
    listed = []
    for sharing, calls in zip(spending.values(), database.spend(*wanted), strict=True):
        listed += [client.spending(query, calls[place :: len(sharing)]) for place, query in enumerate(sharing)]
    return [each.decode() for turn in zip_longest(*listed) for each in turn if each is not None]


def floor_scripts(bench: Bench, query: Query, variants: list[Variables]) -> list[floor.Script] | None:
    """The floor's scripts, one for each of the values; None, with a line that says why, where there are none."""
    tokens = bench.setup.tokens
    lango = next((client for client in bench.clients if client.server.peer.name == "lango"), None)
    if lango is None:
        console.print(f"  {query.name}: no floor, because lango is not measured", style="yellow")
        return None
    if query.spends is not None:
        return recorded_script(bench, lango, query)
    found = []
    # A script for each value, of which pgbench takes 128.
    for number, variables in enumerate(variants[:: len(variants) // MOST_SCRIPTS + 1]):
        sent = floor.statements(query, lango.bound(variables, query.caller), tokens)
        found.append(floor.script(sent, tokens.actor(query.caller), bench.plan.round_trips, number))
    return found


def recorded_script(bench: Bench, lango: PeerClient, query: Query) -> list[floor.Script] | None:
    """The statements of one call, which was made to be recorded; None where pgbench cannot know the others' values."""
    assert query.spends is not None
    if query.spends.for_pgbench is None:
        console.print(f"  {query.name}: no floor, because pgbench cannot know what each call spends", style="yellow")
        return None
    (calls,) = bench.database.spend((query.spends, RECORDED))
    answers = [partial(lango.answer, query, call.variables, call.caller) for call in calls]
    recorded = recording.record(bench.database, answers)
    # The shortest: now and then a call finds a cache empty, as of whether its caller's account is in order.
    least = min(map(len, recorded))
    shortest = [(call, each) for call, each in zip(calls, recorded, strict=True) if len(each) == least]
    if len(shortest) == 1:
        stop(f"{query.name}: each of lango's calls sends other statements, so that pgbench cannot repeat them.")
    (call, sent), (_, again), *_ = shortest
    say(f"{query.name}: {len(sent)} statements for pgbench, in {len(recording.round_trips(sent))} round trips")
    return [floor.recorded(sent, again, query.spends.for_pgbench(call))]


def floor_slice(bench: Bench, query: Query, scripts: list[floor.Script], connections: int) -> Slice:
    clients = min(connections, bench.setup.pool)
    if query.spends is not None:
        bench.database.clear()
    return floor.run(bench.database, scripts, clients, bench.plan.seconds, {"postgres": [bench.database.postmaster]})
