"""A small world of people and DAOs with money: what may happen in it, and what must hold of it whatever has happened."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg

from lango.jobs.job import Job
from resolvers.treasury import proposals, reports, signer_changes
from tests.client import STAFF, Answer
from tests.factories import now
from tests.invariants.world import World, pick
from tests.treasury.house import House, plain

KES = "KES"
LIMIT, RESERVE = Decimal(1500), Decimal(500)
# Run by the worker when they are due; here at any moment, also twice at once.
JOBS: tuple[Job, ...] = (proposals.expire_due, signer_changes.expire_due)

# What is wrong, by what it would mean.
WRONG = {
    "balances below nothing": """
        SELECT id FROM treasury.user_balances WHERE least(available_balance, pending_balance, locked_balance) < 0
        UNION ALL
        SELECT id FROM treasury.dao_treasuries WHERE least(available_balance, allocated_balance, reserve_balance) < 0
    """,
    "parts that are held for nothing, or less than nothing": """
        SELECT a.code, t.reference_type, t.reference_id, -sum(e.amount) FROM ledger.ledger_entries e
        JOIN ledger.ledger_accounts a ON a.id = e.account_id JOIN ledger.ledger_transactions t ON t.id = e.transaction_id
        WHERE a.code LIKE 'user:%:pending:%' OR a.code LIKE 'user:%:locked:%'
        GROUP BY 1, 2, 3 HAVING sum(e.amount) > 0
    """,
    "DAOs that miscount their members": """
        SELECT d.id, d.member_count, count(*) FILTER (WHERE m.status = 'approved') FROM treasury.daos d
        JOIN treasury.dao_members m ON m.dao_id = d.id GROUP BY d.id
        HAVING d.member_count <> count(*) FILTER (WHERE m.status = 'approved')
    """,
    "active DAOs without an admin": """
        SELECT d.id FROM treasury.daos d WHERE d.status = 'active' AND d.deleted_at IS NULL AND NOT EXISTS (
            SELECT FROM treasury.dao_members m WHERE m.dao_id = d.id AND m.role = 'admin' AND m.status = 'approved')
    """,
    "signers who are no members": """
        SELECT t.id, s.id FROM treasury.dao_treasuries t CROSS JOIN unnest(t.signers) s (id) WHERE NOT EXISTS (
            SELECT FROM treasury.dao_members m WHERE m.dao_id = t.dao_id AND m.user_id = s.id AND m.status = 'approved')
    """,
    "fewer signers than must sign, or one twice": """
        SELECT t.id FROM treasury.dao_treasuries t WHERE cardinality(t.signers) < t.required_signatures
            OR cardinality(t.signers) <> (SELECT count(DISTINCT s.id) FROM unnest(t.signers) s (id))
    """,
    "more than a day's limit": """
        SELECT t.id, (x.executed_at AT TIME ZONE d.time_zone)::date, sum(x.amount) FROM treasury.treasury_transfers x
        JOIN treasury.dao_treasuries t ON t.id = x.treasury_id JOIN treasury.daos d ON d.id = t.dao_id
        WHERE x.status = 'executed' GROUP BY 1, 2 HAVING sum(x.amount) > t.daily_spending_limit
    """,
    "less than the least reserve": """
        SELECT id FROM treasury.dao_treasuries WHERE available_balance + reserve_balance < minimum_reserve
    """,
    "transfers paid that nobody approved, or paid to a stranger": """
        SELECT x.id FROM treasury.treasury_transfers x WHERE x.status = 'executed' AND (
            x.executed_at > x.expires_at
            OR NOT EXISTS (SELECT FROM treasury.treasury_approvals a WHERE a.transfer_id = x.id AND a.decision = 'approve')
        )
    """,
    "decisions of one signer that count twice": """
        SELECT transfer_id, signer_id FROM treasury.treasury_approvals GROUP BY 1, 2 HAVING count(*) > 1
    """,
    "versions of a report that skip": """
        SELECT dao_id, user_id, report_type, period_start, period_end FROM (
            SELECT r.*, row_number() OVER (PARTITION BY dao_id, CASE WHEN dao_id IS NULL THEN user_id END, report_type,
                                           period_start, period_end ORDER BY version) AS counted
            FROM treasury.financial_reports r
        ) r WHERE version <> counted
    """,
}


class TreasuryWorld(World):
    """Made once; what happens in it is checked after every sequence, whatever happened before."""

    async def open(self) -> None:
        await self.connect()
        # Everything here happens within minutes; what is still under way comes into no report by its position.
        self._settled, reports.SETTLED = reports.SETTLED, timedelta()
        self.house = House(self.api, self.make, self.services)
        self.begun = now() - timedelta(seconds=1)
        self.staff = await self.make.staff()
        limits = {"minimum_reserve": RESERVE, "daily_spending_limit": LIMIT}
        self.daos = [
            await self.house.dao(members=5, signers=3, threshold=2, treasury=limits, KES="6000"),
            await self.house.dao(members=2, signers=2, threshold=1, treasury=limits, KES="3000"),
        ]
        for dao in self.daos:
            # Two admins: one may go.
            await self.owner.execute(
                "UPDATE treasury.dao_members SET role = 'admin' WHERE dao_id = $1 AND user_id = $2",
                dao.id, dao.members[1].id,
            )  # fmt: skip
        self.people = [person for dao in self.daos for person in dao.members]
        for person in self.people:
            await self.house.give(person, KES, "3000")
        self.transfers: list[tuple[Any, str]] = []
        self.changes: list[tuple[Any, str]] = []
        self.reports: list[tuple[Any, str]] = []

    async def close(self) -> None:
        reports.SETTLED = self._settled
        await super().close()

    # What may happen. `n` decides who does it, to what, and for how much.

    async def transfer(self, n: int) -> None:
        """From one to another, who is a colleague or not."""
        given = {
            "amount": f"{1 + n % 900}.{n % 100:02d}",
            "currency": KES,
            "recipientId": str(pick(self.people, n // 7).id),
        }
        await self.call("transferFunds", pick(self.people, n), "walletTransaction { rowId }", **given)

    async def contribute(self, n: int) -> None:
        given = {"daoId": str(pick(self.daos, n // 3).id), "amount": f"{1 + n % 700}"}
        await self.call("contributeToDao", pick(self.people, n), "walletTransaction { rowId }", **given)

    async def propose(self, n: int) -> None:
        dao = pick(self.daos, n)
        given = {
            "daoId": str(dao.id), "recipientId": str(pick(dao.members, n // 2).id), "amount": f"{100 + n % 1000}.5",
            "purpose": "seeds", "approve": n % 3 == 0,
        }  # fmt: skip
        payload = await self.call("proposeTreasuryTransfer", pick(dao.members, n // 5), "transfer { rowId }", **given)
        if payload and payload["transfer"]:
            self.transfers.append((dao, payload["transfer"]["rowId"]))

    async def decide(self, n: int) -> None:
        """Approve, reject, execute, change, withdraw, close: by a signer or by somebody else."""
        if not self.transfers:
            return
        names = (
            "approveTreasuryTransfer", "approveTreasuryTransfer", "approveTreasuryTransfer", "rejectTreasuryTransfer",
            "executeTreasuryTransfer", "executeTreasuryTransfer", "changeTreasuryTransfer", "cancelTreasuryTransfer",
            "closeExpiredTreasuryTransfer",
        )  # fmt: skip
        name = pick(names, n)
        more = {"amount": f"{1 + n % 900}"} if name == "changeTreasuryTransfer" else {}
        # The newest ones, which are open still.
        dao, transfer = self.transfers[-1 - (n // 9) % min(4, len(self.transfers))]
        await self.call(name, self.one_of(dao, n // 36), "transfer { status }", transferId=transfer, **more)

    def one_of(self, dao: Any, n: int) -> Any:
        """Mostly a member of the DAO."""
        return pick(self.people if n % 9 == 0 else dao.members, n)

    async def propose_signers(self, n: int) -> None:
        dao = pick(self.daos, n)
        given = (
            {"add": [str(pick(dao.members, n // 6).id)]},
            {"remove": [str(pick(dao.members, n // 6).id)]},
            {"add": [str(pick(dao.members, n // 6).id)], "remove": [str(pick(dao.members, n // 30).id)]},
            {"threshold": 1 + (n // 10) % 3},
        )[n // 2 % 5 % 4]
        who = pick(dao.members, n // 7)
        payload = await self.call("proposeSignerChange", who, "change { rowId }", daoId=str(dao.id), **given)
        if payload and payload["change"]:
            self.changes.append((dao, payload["change"]["rowId"]))

    async def decide_signers(self, n: int) -> None:
        if self.changes:
            name = pick(("approveSignerChange", "approveSignerChange", "rejectSignerChange", "cancelSignerChange"), n)
            dao, change = self.changes[-1 - (n // 4) % min(2, len(self.changes))]
            await self.call(name, self.one_of(dao, n // 8), "change { status }", changeId=change)

    async def belong(self, n: int) -> None:
        """Ban, readmit, leave, change a role: by an admin, or by somebody else."""
        dao = pick(self.daos, n)
        admin, about = pick(dao.members, n // 2), pick(dao.members, n // 10)
        member = await self.house.membership(dao, about)
        given = {"memberId": str(member["id"])}
        calls: tuple[tuple[str, Any, dict[str, Any]], ...] = (
            ("banMember", admin, given | {"reason": "quarrels"}),
            ("readmitMember", admin, given | {"reason": "peace"}), ("readmitMember", admin, given | {"reason": "peace"}),
            ("changeMemberRole", admin, given | {"role": ("MEMBER", "ELDER", "ADMIN", "PROPOSER")[n // 50 % 4]}),
            ("leaveDao", about, {"daoId": str(dao.id)}),
        )  # fmt: skip
        name, who, more = calls[n // 100 % len(calls)]
        await self.call(name, who, "member { status }", **more)
        # Who left asks to come back, and is let in: else all would be gone in the end.
        if name == "leaveDao":
            await self.owner.execute(
                "WITH back AS (UPDATE treasury.dao_members SET status = 'approved', role = 'member'"
                " WHERE dao_id = $1 AND status = 'left' RETURNING id)"
                " UPDATE treasury.daos SET member_count = member_count + (SELECT count(*) FROM back) WHERE id = $1",
                dao.id,
            )  # fmt: skip

    async def report(self, n: int) -> None:
        """Of a DAO or of oneself, over all that has happened until a moment ago, or until half the time before that."""
        dao = pick(self.daos, n)
        who = pick(dao.members, n // 2)
        passed = (now() - self.begun).total_seconds() / (1 + n // 4 % 2)
        # Not to the second: so that there are several of the same period.
        end = self.begun + timedelta(seconds=passed // 5 * 5)
        given = {
            "reportType": ("MONTHLY", "AUDIT")[n % 2], "periodStart": self.begun.isoformat(), "periodEnd": end.isoformat(),
        }  # fmt: skip
        given |= {"daoId": str(dao.id)} if n % 3 else {}
        payload = await self.call("generateFinancialReport", who, "report { rowId }", **given)
        if payload and payload["report"]:
            self.reports.append((who, payload["report"]["rowId"]))

    async def on_a_report(self, n: int) -> None:
        if self.reports:
            who, report = self.reports[-1 - n // 5 % min(4, len(self.reports))]
            steps: tuple[tuple[str, Any, tuple[str, ...], dict[str, Any]], ...] = (
                ("submitFinancialReport", who, (), {}),
                ("reviewFinancialReport", self.staff, STAFF, {"approved": True}),
                ("reviewFinancialReport", self.staff, STAFF, {"approved": False, "notes": "again"}),
                ("publishFinancialReport", who, (), {}),
                ("archiveFinancialReport", who, (), {}),
            )
            name, by, roles, more = steps[n % 5]
            await self.call(name, by, "report { status }", roles, reportId=report, **more)

    async def publish(self) -> None:
        """A report on its whole way, which chance alone seldom comes to."""
        before = len(self.reports)
        await self.report(1)
        if len(self.reports) > before:
            for step in (0, 1, 3):
                await self.on_a_report(step)

    async def time_passes(self, n: int) -> None:
        """What was proposed runs out of its time; now and then a day is over, for all that was paid."""
        if n % 3 == 0:
            await self.owner.execute(
                "UPDATE treasury.treasury_transfers SET executed_at = executed_at - interval '1 day',"
                " expires_at = expires_at - interval '1 day' WHERE status = 'executed'"
            )
        if self.transfers:
            await self.owner.execute(
                "UPDATE treasury.treasury_transfers SET expires_at = now() - interval '1 second'"
                " WHERE id = $1 AND status IN ('proposed', 'approved')",
                UUID(pick(self.transfers, n)[1]),
            )

    async def worker(self, n: int) -> None:
        job = pick(JOBS, n)
        await asyncio.gather(*(job(self.services) for _ in range(1 + n % 2)))

    # How it is called, and what must hold.

    async def call(self, name: str, who: Any, shown: str, roles: tuple[str, ...] = (), **given: Any) -> Any:
        return self.heard(await self.api.mutate(name, who, roles, show=shown, **given)).get(name)

    def heard(self, answer: Answer) -> Any:
        """Every outcome is typed; only who calls too often is told so at the top."""
        if answer.codes and set(answer.codes) == {"RATE_LIMITED"}:
            self.codes.add("RATE_LIMITED")
            return {}
        return super().heard(answer)

    async def wrong(self) -> dict[str, list[Any]]:
        """What does not hold; nothing where all is well."""
        found = {name: [tuple(row) for row in await self.owner.fetch(query)] for name, query in WRONG.items()}
        found["holds that do not add up to their part"] = await self._held()
        found["reports that are not drawn up again"] = await self._reproduced()
        return {name: rows for name, rows in found.items() if rows}

    async def _held(self) -> list[Any]:
        """What people are shown of their holds, beside the columns."""
        query = """{ viewer { balances { nodes { rowId pendingBalance lockedBalance availableBalance currency
            holds { part amount } asOf(at: "%s") { available pending locked } } } } }"""
        # As of later than all that has been posted: then it is what the columns say.
        at = (await self.owner.fetchval("SELECT now()")).isoformat()
        wrong = []
        for person in self.people:
            nodes = (await self.api(query % at, as_=person))["viewer"]["balances"]["nodes"]
            for each in nodes:
                for part in ("pending", "locked"):
                    held = sum(
                        (Decimal(hold["amount"]) for hold in each["holds"] if hold["part"] == part.upper()), Decimal()
                    )
                    if held != Decimal(each[f"{part}Balance"]):
                        wrong.append((each["rowId"], part, plain(held), each[f"{part}Balance"]))
                wrong += [
                    (each["rowId"], part, each["asOf"][part], each[f"{part}Balance"])
                    for part in ("available", "pending", "locked")
                    if each["asOf"][part] != each[f"{part}Balance"]
                ]
        return wrong

    async def _reproduced(self) -> list[Any]:
        """Reports whose lines do not add up, or that come out otherwise when they are drawn up again."""
        query = "query ($id: ID!) { reproduceFinancialReport(reportId: $id) { reportData agrees } }"
        wrong = []
        for _, report in self.reports[-20:]:
            found = (await self.api(query, {"id": report}, as_=self.staff, roles=STAFF))["reproduceFinancialReport"]
            if not found["agrees"] or not adds_up(found["reportData"]):
                wrong.append((report, found))
        return wrong


def adds_up(figures: Any) -> bool:
    """Whether opening and movements make the closing, in every line and in total."""
    lines = [
        Decimal(line["opening"]) + sum(Decimal(each["in"]) - Decimal(each["out"]) for each in line["movements"])
        == Decimal(line["closing"])
        for line in figures["lines"]
    ]
    totals = [
        Decimal(each["opening"]) + Decimal(each["in"]) - Decimal(each["out"]) == Decimal(each["closing"])
        for each in figures["totals"]
    ]
    return all(lines) and all(totals)


async def kinds(owner: asyncpg.Pool[Any]) -> set[str]:
    """The kinds of what was posted."""
    return {row["kind"] for row in await owner.fetch("SELECT DISTINCT kind FROM ledger.ledger_transactions")}


def somebody(user_id: UUID) -> SimpleNamespace:
    return SimpleNamespace(id=user_id)
