"""`make bench`: lango beside others that do the same work over the same database."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.markup import escape

from benchmarks import plot, queries, report, servers
from benchmarks.clients import PeerClient
from benchmarks.compare import compare
from benchmarks.database import Database, Facts, database
from benchmarks.due import measure_due
from benchmarks.floor import RoundTrips
from benchmarks.load import Generator, generator
from benchmarks.measure import FLOOR, Bench, Plan, Series, measure
from benchmarks.node import Node, node
from benchmarks.places import BenchmarkError, console, stop
from benchmarks.queries import Query
from benchmarks.servers import Peer, Setup, running
from benchmarks.soak import GROWTH, growth_table, soak
from benchmarks.tokens import Tokens
from lango.embedded import EmbeddedError

USUAL = ",".join(query.name for query in queries.QUERIES)
ALL = ",".join([*(peer.name for peer in servers.ALL), FLOOR])


def bench(
    only: Annotated[str, typer.Option("--queries", help="Which queries and mutations.")] = USUAL,
    peers: Annotated[str, typer.Option(help="Beside whom.")] = ALL,
    seconds: Annotated[float, typer.Option(min=0.5, help="Seconds of a slice.")] = 3.0,
    warm: Annotated[float, typer.Option(min=0.0, help="Seconds to warm up before each slice.")] = 1.0,
    rounds: Annotated[int, typer.Option(min=1, help="Slices of each peer; their median counts.")] = 5,
    connections: Annotated[str, typer.Option(help="How many at once.")] = "32",
    workers: Annotated[str, typer.Option(help="How many processes of each gateway.")] = "1",
    pool: Annotated[int, typer.Option(min=2, help="Database connections of each gateway, all workers together.")] = 10,
    size: Annotated[str, typer.Option(help="Demo data: small, medium or large.")] = "medium",
    round_trips: Annotated[RoundTrips, typer.Option(help="The floor's round trips.")] = RoundTrips.ONE,
    write: Annotated[bool, typer.Option("--write", help="Write the results into benchmarks/README.md.")] = False,
    only_compare: Annotated[bool, typer.Option("--compare", help="Compare the answers, and time nothing.")] = False,
    soak_requests: Annotated[int, typer.Option("--soak", help="Send so many requests, and watch the memory.")] = 0,
    growth: Annotated[bool, typer.Option("--growth", help="Measure lists of 25, 50 and 100 rows.")] = False,
    before: Annotated[
        Path | None, typer.Option(help="Another checkout of lango, made by `make`, to measure as the peer `before`.")
    ] = None,
    due_pots: Annotated[int, typer.Option("--due", help="Have `lango work` open so many pots.")] = 0,
) -> None:
    """Compare the answers of all peers, then time them. Lists are written with commas.

    Examples:

        make bench
        make bench ARGS="--queries nested,wide --peers lango,postgraphile,pgbench --rounds 3"
        make bench ARGS="--workers 1,2 --connections 1,8,32 --write"
        make bench ARGS="--soak 1000000 --peers lango"
        make bench ARGS="--growth --peers lango,postgraphile"
        make bench ARGS="--before ../lango-before --peers lango,before"
        make bench ARGS="--queries convertPoints,convertPoints-same --peers lango --connections 1,8,32"
        make bench ARGS="--due 10000 --before ../lango-before --rounds 3"
    """
    if due_pots:
        console.print(measure_due(due_pots, rounds, before))
        return
    selected = [chosen(queries.BY_NAME, name, "query") for name in only.split(",")]
    names = peers.split(",")
    beside = [chosen(servers.BY_NAME, name, "peer") for name in names if name != FLOOR]
    plan = Plan(seconds, warm, rounds, numbers(connections), round_trips)
    if servers.BEFORE in beside and before is None:
        stop("Say by --before where the other checkout is.")
    if not beside:
        stop("Name a gateway among the peers: pgbench alone has nothing to be compared with.")
    with database(size) as found, generator() as load:
        facts = found.facts()
        tools = node()
        tokens = Tokens.fresh(facts.callers)
        measured: list[Series] = []
        for many in numbers(workers):
            setup = Setup(found.gateway_url, tokens, tools, many, pool, before and before.resolve())
            with benched(found, setup, beside, load, plan) as ready:
                if soak_requests:
                    soak_all(ready, facts, selected, soak_requests)
                elif growth:
                    show_growth(ready, facts)
                else:
                    check(ready, facts, selected)
                    if not only_compare:
                        measured += timed(ready, facts, selected, with_floor=FLOOR in names)
        if measured:
            write_report(measured, plan, found, tools, size, write=write)


@contextmanager
def benched(found: Database, setup: Setup, peers: Sequence[Peer], load: Generator, plan: Plan) -> Iterator[Bench]:
    console.print(f"[bold]{setup.workers} worker(s) of each gateway[/]")
    with running(peers, setup) as started:
        yield Bench(found, setup, [PeerClient(each, setup.tokens) for each in started], load, plan)


def check(ready: Bench, facts: Facts, selected: Sequence[Query]) -> None:
    console.print("comparing the answers")
    for query in selected:
        if not ready.clients_of(query):
            stop(f"None of the chosen peers can do {query.name}: {', '.join(query.dialects)} can.")
        compare(query, ready.clients_of(query), ready.database, query.variants(facts))


def timed(ready: Bench, facts: Facts, selected: Sequence[Query], *, with_floor: bool) -> list[Series]:
    console.print("timing")
    return [
        series for query in selected for series in measure(ready, query, query.variants(facts), with_floor=with_floor)
    ]


def soak_all(ready: Bench, facts: Facts, selected: Sequence[Query], many: int) -> None:
    for client in ready.clients:
        soak(client, ready.generator, ready.database, selected, facts, many)


def show_growth(ready: Bench, facts: Facts) -> None:
    lists = [queries.growth(rows) for rows in GROWTH]
    check(ready, facts, lists)
    measured = timed(ready, facts, lists, with_floor=False)
    console.print(growth_table(measured, [client.server.peer.name for client in ready.clients]))


def write_report(measured: list[Series], plan: Plan, found: Database, tools: Node, size: str, *, write: bool) -> None:
    where = asyncio.run(report.machine(found.owner_url, tools))
    report.show(measured)
    report.save(measured, plan, where, size)
    plot.save(measured, write=write)
    if write:
        report.write_page(measured, plan, where, size)


def chosen(known: dict[str, Any], name: str, kind: str) -> Any:
    if name not in known:
        stop(f"There is no {kind} {name!r}. There are: {', '.join(known)}.")
    return known[name]


def numbers(listed: str) -> list[int]:
    if not all(each.isdigit() and int(each) > 0 for each in listed.split(",")):
        stop(f"{listed!r} is not a list of whole numbers, like 1,8,32.")
    return [int(each) for each in listed.split(",")]


def interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    # Whoever ends us also ends what we started.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        typer.run(bench)
    except (BenchmarkError, EmbeddedError) as error:
        console.print(f"[bold red]Error:[/] {escape(str(error))}")
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("stopped")
        sys.exit(130)


if __name__ == "__main__":
    main()
