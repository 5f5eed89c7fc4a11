"""The measuring: for each query the peers take turns in short slices, so that what disturbs one disturbs all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks import floor
from benchmarks.clients import CODE, PeerClient
from benchmarks.database import CODES, FIRST_CODE, Database
from benchmarks.load import Generator, Job, Slice
from benchmarks.places import console, say, stop
from benchmarks.queries import Query, Variables
from benchmarks.servers import Setup

FLOOR = "pgbench"
MOST_SCRIPTS = 40
# The error of a GraphQL answer; a refusal's message, where a refusal is a failure.
ERRORS = '"errors"'
MESSAGE = '"message"'


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


def measure(bench: Bench, query: Query, variants: list[Variables], *, with_floor: bool) -> list[Series]:
    """All peers on one query, under each load."""
    scripts = floor_scripts(bench, query, variants) if with_floor else None
    return [
        series
        for connections in bench.plan.connections
        for series in under_load(bench, query, variants, connections, scripts)
    ]


def under_load(
    bench: Bench, query: Query, variants: list[Variables], connections: int, scripts: list[floor.Script] | None
) -> list[Series]:
    workers = bench.setup.workers
    names = [client.server.peer.name for client in bench.clients]
    found = {name: Series(query.name, name, workers, connections) for name in names}
    jobs = {client.server.peer.name: job_of(bench, client, query, variants, connections) for client in bench.clients}
    if with_floor := scripts is not None:
        found[FLOOR] = Series(query.name, FLOOR, workers, connections)
    for number in range(bench.plan.rounds):
        # Each round begins with another peer: none is always first after a pause.
        order = [*found][number % len(found) :] + [*found][: number % len(found)]
        for name in order:
            if query.once:
                bench.database.reset()
            if name == FLOOR and with_floor:
                assert scripts is not None
                part = floor_slice(bench, query, scripts, connections)
            else:
                part = bench.generator.run(jobs[name])
            found[name].slices.append(part)
            if part.errors:
                stop(f"{query.name}: {name} failed {part.errors} times. The first:\n{part.example}")
            if part.requests == 0:
                stop(f"{query.name}: {name} answered nothing in {part.seconds:.1f} s.")
    rates = ", ".join(f"{name} {series.rate:,.0f}" for name, series in found.items())
    say(f"{query.name}, {workers} worker(s), {connections} connections: {rates} requests/s")
    return [*found.values()]


def job_of(bench: Bench, client: PeerClient, query: Query, variants: list[Variables], connections: int) -> Job:
    sent = [each.decode() for each in client.requests(query, variants)]
    codes = None
    forbidden = [ERRORS]
    if query.once:
        # A code and what stands for it are of one length, so the request's length is right.
        assert len(CODE) == len(str(FIRST_CODE))
        sent = [each.replace(str(FIRST_CODE), CODE.decode()) for each in sent]
        codes = (FIRST_CODE, FIRST_CODE + CODES - 1)
        forbidden.append(MESSAGE)
    groups = {"server": [client.server.process.pid], "postgres": [bench.database.postmaster]}
    plan = bench.plan
    return Job(client.server.port, sent, connections, plan.warm, plan.seconds, forbidden, codes, groups)


def floor_scripts(bench: Bench, query: Query, variants: list[Variables]) -> list[floor.Script] | None:
    """The floor's scripts, one for each of the values; None, with a line that says why, where there are none."""
    tokens = bench.setup.tokens
    if query.once:
        return []
    found = []
    lango = next((client for client in bench.clients if client.server.peer.name == "lango"), None)
    if lango is None:
        console.print(f"  {query.name}: no floor, because lango is not measured", style="yellow")
        return None
    # A script for each value, of which pgbench takes 128.
    for number, variables in enumerate(variants[:: len(variants) // MOST_SCRIPTS + 1]):
        sent = floor.statements(query, lango.bound(variables, query.caller), tokens)
        found.append(floor.script(sent, tokens.actor(query.caller), bench.plan.round_trips, number))
    return found


def floor_slice(bench: Bench, query: Query, scripts: list[floor.Script], connections: int) -> Slice:
    clients = min(connections, bench.setup.pool)
    if query.once:
        scripts = [floor.redeeming(bench.setup.tokens.actor(query.caller), clients)]
    return floor.run(bench.database, scripts, clients, bench.plan.seconds, {"postgres": [bench.database.postmaster]})
