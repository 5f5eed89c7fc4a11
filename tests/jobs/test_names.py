"""The names under which jobs are queued: what is queued under a name that is gone is never done."""

from __future__ import annotations

from importlib import import_module

from lango.cli.work import modules_with_jobs
from lango.jobs import maintenance
from lango.jobs.job import jobs_of

# Rename one only when no release that enqueues it is in use, and nothing is queued under it.
NAMES = {
    "admin.end_lapsed_sessions",
    "campaigns.complete_ended_campaigns",
    "cancellations.refund_donations",
    "documents.erase_rejected",
    "documents.expire_documents",
    "donations.ask_about_checkouts",
    "donations.open_checkout",
    "escrows.end_due_escrows",
    "escrows.expire_lapsed_offers",
    "events.delete_old_events",
    "guardians.announce_majority",
    "guardians.expire_lapsed_requests",
    "idempotency.delete_expired_keys",
    "impressions.count_impressions",
    "messages.apply_report",
    "messages.fail_abandoned",
    "messages.look_up_cost",
    "messages.send_message",
    "mpesa.process_message",
    "mpesa.query_messages",
    "mpesa.query_pushes",
    "mpesa.send_push",
    "mpesa.query_payouts",
    "mpesa.send_payout",
    "mpesa.send_reversal",
    "openings.expire_due_pots",
    "openings.open_due_pots",
    "partner_invitations.expire_lapsed_invitations",
    "points.mature_points",
    "rate_limits.forget_old_windows",
    "recurring.pay_due",
    "recurring.send_notices",
    "redemption.expire_due_codes",
    "referrals.expire_referrals",
    "refunds.send_pending_refunds",
    "refunds.send_refund",
    "sessions.end_idle_sessions",
    "settlements.settle_partners",
    "sign_in.delete_old_rows",
    "traders.begin_trading_days",
    "upkeep.make_partitions",
    "usage.begin_months",
    "visits.count_visits",
    "wave_events.process_wave_event",
    "worker.forget_old_log",
    "signer_changes.expire_due",
    "treasury_transfers.expire_due",
}


def test_jobs_are_queued_under_these_names_wherever_their_functions_are() -> None:
    for module in modules_with_jobs():
        import_module(module)

    assert maintenance.forget_old_log.name in NAMES
    assert {job.name for job in jobs_of() if not job.name.startswith("trials.")} == NAMES
