"""How fast `lango work` goes through what is due: pots to open, in one checkout, or in two by turns."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.table import Table

from benchmarks.places import ROOT, WORK, say, stop
from lango.db import roles
from lango.db.postgres import connect
from lango.embedded import Server, embedded

# Of so many owners one has a sponsor, and of so many one has money left in an ended pot; of five pots two are of the
# same owner.
SPONSORED, LEFT_OVER, SPONSORS = 3, 10, 100
JOB = "openings.open_due_pots"
TIMEOUT = 600
# What a run of the worker begins with; the triggers would write the history of what was put there.
PREPARED = f"""
    SET LOCAL session_replication_role = replica;
    CREATE TEMP TABLE people ON COMMIT DROP AS
        SELECT n, gen_random_uuid() AS id FROM generate_series(1, $pots * 4 / 5) n;
    CREATE TEMP TABLE sponsors ON COMMIT DROP AS
        SELECT n, gen_random_uuid() AS id FROM generate_series(1, {SPONSORS}) n;
    INSERT INTO identity.users (id, email, auth_provider)
        SELECT id, id || '@bench.example', 'phone' FROM people UNION ALL
        SELECT id, id || '@bench.example', 'phone' FROM sponsors;
    INSERT INTO profiles.profiles (user_id, full_name, date_of_birth)
        SELECT id, 'Awa Ndiaye', date '1990-05-01' FROM people UNION ALL
        SELECT id, 'Moussa Diop', date '1985-05-01' FROM sponsors;
    INSERT INTO referrals.referrals (sponsor_user_id, sponsored_user_id, referral_code, invited_email, status,
                                     accepted_at)
        SELECT s.id, p.id, left(replace(p.id::text, '-', ''), 20), p.id || '@bench.example', 'accepted', now()
        FROM people p JOIN sponsors s ON s.n = 1 + p.n % {SPONSORS} WHERE p.n % {SPONSORED} = 0;
    INSERT INTO pots.pots (owner_user_id, title, target_amount_cfa, birthday_date, scheduled_open_at, status)
        SELECT p.id, 'Bench', 100000, current_date + 20, now() - place * interval '1 second', 'scheduled'
        FROM generate_series(1, $pots) place JOIN people p ON p.n = 1 + place % ($pots * 4 / 5);
    INSERT INTO pots.pots (owner_user_id, title, target_amount_cfa, birthday_date, scheduled_open_at, status,
                           balance_cfa, raised_cfa)
        SELECT p.id, 'Bench', 100000, current_date - 300, now() - interval '330 days', 'closed', 500, 500
        FROM people p WHERE p.n % {LEFT_OVER} = 0;
    INSERT INTO notifications.notification_templates (template_key, name, subject, body_text)
        VALUES ('pot_opened', 'Bench', 'Open', 'The pot {{pot_title}} is open, {{user_name}}.')
        ON CONFLICT DO NOTHING;
    INSERT INTO jobs.pgqueuer (priority, status, entrypoint) VALUES (0, 'queued', '{JOB}')
"""
TOUCHED = (
    "identity.users", "profiles.profiles", "referrals.referrals", "referrals.points_ledger", "pots.pots",
    "notifications.notifications", "platform.outbox_events", "ledger.ledger_transactions", "ledger.ledger_entries",
    "admin.audit_logs",
)  # fmt: skip
# How many are open; and seconds between two looks.
OPENED = "SELECT count(*) FROM pots.pots WHERE created_at >= $1 AND status = 'open'"
LOOK = 0.05


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout of lango that `make` has prepared, and the database that it has migrated."""

    name: str
    folder: Path
    database: str

    def run(self, server: Server, *arguments: str) -> str:
        """Run it; gives what it says about why it failed, or nothing."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("LANGO_", "PG"))}
        environment |= {
            "DATABASE_OWNER_URL": server.owner_url(self.database),
            "DATABASE_URL": server.gateway_url(self.database),
            "DATABASE_WORKER_URL": server.worker_url(self.database),
        }
        done = subprocess.run(  # noqa: S603 - our own program
            [str(self.folder / ".venv/bin/python"), "-m", "lango", *arguments],
            cwd=self.folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False,
        )  # fmt: skip
        return f"lango {' '.join(arguments)} of {self.name} failed:\n{done.stderr[-2000:]}" if done.returncode else ""


def measure_due(pots: int, rounds: int, before: Path | None) -> Table:
    """Open so many pots, so many times; `before` is another checkout, which does the same in turn."""
    checkouts = [Checkout("lango", ROOT, "bench_due")]
    if before is not None:
        checkouts.append(Checkout("before", before.resolve(), "bench_due_before"))
    rates: dict[str, list[float]] = {each.name: [] for each in checkouts}
    with embedded(WORK, "dev", 18, say) as server:
        for each in checkouts:
            asyncio.run(roles.create_database(server.owner_url("postgres"), each.database))
            if failed := each.run(server, "migrate", "up"):
                stop(failed)
        for _ in range(rounds):
            for each in checkouts:
                rate = one_run(server, each, pots)
                rates[each.name].append(rate)
                say(f"{each.name}: {rate:,.0f} pots/s")
    return table_of(rates, pots)


def one_run(server: Server, checkout: Checkout, pots: int) -> float:
    """Pots a second, from the first that are seen to be open to the last."""
    return asyncio.run(_one_run(server, checkout, pots))


async def _one_run(server: Server, checkout: Checkout, pots: int) -> float:
    url = server.owner_url(checkout.database)
    begun = await prepare(url, pots)
    working = asyncio.create_task(asyncio.to_thread(checkout.run, server, "work", "--once"))
    # A row's own time is of no use: rows that share a transaction have one, of before they are written.
    seen: list[tuple[int, float]] = []
    connection = await connect(url)
    try:
        while not working.done():
            await asyncio.wait({working}, timeout=LOOK)
            opened = await connection.fetchval(OPENED, begun)
            if opened > (seen[-1][0] if seen else 0):
                seen.append((opened, time.perf_counter()))
    finally:
        await connection.close()
    failed = await working
    if not seen or seen[-1][0] != pots:
        stop(f"{checkout.name} opened {seen[-1][0] if seen else 0} of {pots} pots. {failed}")
    (first, since), (last, until) = seen[0], seen[-1]
    return (last - first) / ((until - since) or LOOK)


async def prepare(url: str, pots: int) -> object:
    connection = await connect(url)
    try:
        begun = await connection.fetchval("SELECT clock_timestamp()")
        async with connection.transaction():
            await connection.execute(PREPARED.replace("$pots", str(pots)))
        for table in TOUCHED:
            await connection.execute(f"VACUUM (ANALYZE) {table}")
        # What was put there is not to be flushed to disk while the worker runs.
        await connection.execute("CHECKPOINT")
        return begun
    finally:
        await connection.close()


def table_of(rates: dict[str, list[float]], pots: int) -> Table:
    table = Table(title=f"{pots:,} pots that are due, opened by lango work", title_justify="left", box=None)
    for name in ("checkout", "pots/s, median", "slowest", "fastest"):
        table.add_column(name, justify="left" if name == "checkout" else "right")
    for name, found in rates.items():
        table.add_row(name, *(f"{rate:,.0f}" for rate in (median(found), min(found), max(found))))
    return table
