"""What came out: a table on the terminal, `results.json`, and the page `benchmarks/README.md`."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import psutil
from rich.table import Table

from benchmarks import queries, servers
from benchmarks.measure import FLOOR, Plan, Series
from benchmarks.node import Node
from benchmarks.places import HERE, WORK, console, stop
from benchmarks.servers import LANGO
from lango.db.postgres import connect

RESULTS = WORK / "results.json"
PAGE = HERE / "README.md"
BEGIN, END = "<!-- results -->", "<!-- /results -->"
PYTHON_PACKAGES = ("asyncpg", "graphql-core", "sqlalchemy", "starlette", "strawberry-graphql", "uvicorn", "uvloop")
NODE_PACKAGES = ("postgraphile", "mercurius", "graphql-jit", "fastify", "pg", "graphql")
TITLES = {peer.name: peer.title for peer in servers.ALL} | {FLOOR: "pgbench (the floor)"}

Row = dict[str, str]


async def machine(owner_url: str, node: Node) -> dict[str, Any]:
    """Where it ran, and on what."""
    connection: asyncpg.Connection[Any] = await connect(owner_url)
    try:
        postgres = await connection.fetchval("SHOW server_version")
    finally:
        await connection.close()
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": processor(),
        "cores": psutil.cpu_count(),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "versions": {
            "PostgreSQL": postgres,
            "Python": platform.python_version(),
            "Node": node.version(),
            **{name: version(name) for name in PYTHON_PACKAGES},
            **{f"{name} (npm)": node.package_version(name) for name in NODE_PACKAGES},
        },
    }


def processor() -> str:
    known = Path("/proc/cpuinfo")
    if known.exists():
        for line in known.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def loads(measured: Sequence[Series]) -> Iterator[tuple[str, int, int, list[Series]]]:
    """The series that belong together: one query under one load, all peers."""
    keys = dict.fromkeys((each.query, each.workers, each.connections) for each in measured)
    for query, workers, connections in keys:
        yield (
            query,
            workers,
            connections,
            [
                each
                for each in measured
                if (each.query, each.workers, each.connections) == (query, workers, connections)
            ],
        )


def ratios(group: Sequence[Series]) -> dict[str, float]:
    """How many times each peer's rate lango's is: above 1 lango is ahead."""
    lango = next((each for each in group if each.peer == LANGO.name), None)
    return {} if lango is None else {each.peer: lango.rate / each.rate for each in group if each is not lango}


def cells(each: Series, group: Sequence[Series]) -> Row:
    low, high = each.spread
    ratio = ratios(group).get(each.peer)
    return {
        "peer": TITLES.get(each.peer, each.peer),
        "requests/s": f"{each.rate:,.0f}",
        "spread": f"{low:,.0f} to {high:,.0f}",
        "p50 ms": f"{each.latency('p50'):.2f}",
        "p99 ms": f"{each.latency('p99'):.2f}",
        "max ms": f"{each.latency('longest'):.1f}",
        "gateway CPU ms": "" if each.peer == FLOOR else f"{each.cpu('server'):.3f}",
        "PostgreSQL CPU ms": f"{each.cpu('postgres'):.3f}",
        "lango is": "" if ratio is None else f"{ratio:.2f} of it" if each.peer == FLOOR else f"{ratio:.2f} times",
    }


def heading(query: str, workers: int, connections: int, group: Sequence[Series]) -> str:
    known = queries.BY_NAME.get(query)
    title = f"{query}: {known.title}, as {known.caller}" if known else query
    size = max(each.size for each in group)
    return f"{title}; {load_title(workers, connections)}; {size / 1000:.1f} kB an answer"


def load_title(workers: int, connections: int) -> str:
    return f"{workers} worker{'s' if workers > 1 else ''}, {connections} connection{'s' if connections > 1 else ''}"


def lone(group: Sequence[Series]) -> bool:
    """Whether lango alone can do it."""
    known = queries.BY_NAME.get(group[0].query)
    return known is not None and known.dialects == (LANGO.dialect,)


def show(measured: Sequence[Series]) -> None:
    for query, workers, connections, group in loads(measured):
        table = Table(title=heading(query, workers, connections, group), title_justify="left", box=None)
        for number, row in enumerate(cells(each, group) for each in group):
            if number == 0:
                for name in row:
                    table.add_column(name, justify="left" if name == "peer" else "right")
            table.add_row(*row.values(), style="bold" if row["peer"] == LANGO.title else None)
        console.print(table)
        console.print()
    summary = Table(title="lango's requests a second beside the others'", title_justify="left", box=None)
    rows = list(summary_rows(measured))
    for name in rows[0] if rows else ():
        summary.add_column(name, justify="left" if name == "query" else "right")
    for row in rows:
        summary.add_row(*row.values())
    console.print(summary)


def summary_rows(measured: Sequence[Series]) -> Iterator[Row]:
    names = list(dict.fromkeys(each.peer for each in measured if each.peer != LANGO.name))
    for query, workers, connections, group in loads(measured):
        lango = next((each for each in group if each.peer == LANGO.name), None)
        if lango is None:
            continue
        found = ratios(group)
        row = {
            "query": query,
            "workers": str(workers),
            "connections": str(connections),
            "requests/s": f"{lango.rate:,.0f}",
            "p99/p50": f"{lango.latency('p99') / lango.latency('p50'):.1f}",
        }
        for name in names:
            title = "of the floor" if name == FLOOR else f"x {TITLES.get(name, name)}"
            missing = "no such rule" if lone(group) and name != FLOOR else ""
            row[title] = f"{found[name]:.2f}" if name in found else missing
        yield row


def save(measured: Sequence[Series], plan: Plan, where: dict[str, Any], size: str) -> None:
    """The medians, and each slice, for whoever wants to look closer."""
    result = {
        "machine": where,
        "data": size,
        "plan": asdict(plan),
        "series": [
            {
                "query": each.query, "peer": each.peer, "workers": each.workers, "connections": each.connections,
                "requests_per_second": each.rate, "spread": each.spread, "p50_ms": each.latency("p50"),
                "p99_ms": each.latency("p99"), "max_ms": each.latency("longest"), "errors": each.errors,
                "gateway_cpu_ms": each.cpu("server"), "postgres_cpu_ms": each.cpu("postgres"),
                "answer_bytes": each.size, "slices": [asdict(part) for part in each.slices],
            }
            for each in measured
        ],
    }  # fmt: skip
    RESULTS.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2))
    console.print(f"[dim]written to {RESULTS}[/]")


def write_page(measured: Sequence[Series], plan: Plan, where: dict[str, Any], size: str) -> None:
    """Put the results between the page's two marks; all else on the page is written by hand."""
    page = PAGE.read_text()
    if BEGIN not in page or END not in page:
        stop(f"{PAGE} has lost its marks {BEGIN} and {END}.")
    head, rest = page.split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    PAGE.write_text(f"{head}{BEGIN}\n{rendered(measured, plan, where, size)}{END}{tail}")
    console.print(f"[dim]written to {PAGE}[/]")


def rendered(measured: Sequence[Series], plan: Plan, where: dict[str, Any], size: str) -> str:
    summary = (
        f"Measured on {where['date']}: {where['processor']}, {where['cores']} cores, {where['memory']}, "
        f"{where['system']}. Demo data `{size}`; {plan.rounds} rounds of {plan.seconds:g} s each after "
        f"{plan.warm:g} s to warm up."
    )
    versions = ", ".join(f"{name} {number}" for name, number in where["versions"].items())
    lines = [
        "",
        summary,
        "",
        f"{versions}.",
        "",
        "### In short",
        "",
        "How many times the rate of each other peer lango has (above 1, lango is ahead), and what part of pgbench's.",
        "",
        "![The same as bars: lango's rate over each peer's, for each query](results.svg)",
        "",
        *markdown(list(summary_rows(measured))),
    ]
    for query, workers, connections, group in loads(measured):
        lines += ["", f"### {heading(query, workers, connections, group)}", ""]
        if lone(group):
            lines += ["No other gateway has this rule, and pgbench cannot know what each call spends.", ""]
        lines += markdown([cells(each, group) for each in group])
    return "\n".join([*lines, ""])


def markdown(rows: Sequence[Row]) -> list[str]:
    if not rows:
        return []
    names = list(rows[0])
    marks = ["---" if place == 0 else "---:" for place in range(len(names))]
    return [f"| {' | '.join(cells_)} |" for cells_ in (names, marks, *(row.values() for row in rows))]
