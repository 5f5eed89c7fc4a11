"""What runs the platform: flags and settings, staff's sessions, audits and checks; developers' plans; consents."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

from models.admin import AdminSession, AuditLog, FeatureFlag, SystemConfig, SystemHealthCheck
from models.privacy import Consent, DataRequest
from models.usage import ApiUsage, SubscriptionLimit, UserReferral, UserSubscription, UserToken
from seeds import names
from seeds.world import Dice, World, digest, named

AN_HOUR = timedelta(hours=1)
FLAGS = (
    ("new_checkout", True, 50), ("kenya_launch", True, 100), ("dark_mode", False, 0), ("ai_summaries", True, 10),
)  # fmt: skip
LARGEST = 2_147_483_647


class Number(NamedTuple):
    """A number of the configuration, and between what it may lie."""

    value: int | float
    says: str
    least: int = 0
    most: int = LARGEST
    whole: bool = True

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of its values."""
        return {"type": "integer" if self.whole else "number", "minimum": self.least, "maximum": self.most}


# All that rules read (resolvers/kernel/system_config.py), as it is without a row, and what is planned.
NUMBERS = {
    "admin.session_minutes": Number(60, "How long a session of an administrator lasts.", least=5, most=720),
    "donations.hold_score": Number(80, "The risk, 0-100, above which a paid donation waits for staff.", most=100),
    "donations.maximum_cfa": Number(2_000_000, "The largest donation, in CFA francs.", least=1),
    "donations.minimum_cfa": Number(100, "The smallest donation, in CFA francs.", least=1),
    "escrow.funding_minutes": Number(30, "How long a seller has to fund an escrow.", least=1, most=525_600),
    "escrow.payment_minutes": Number(60, "How long a buyer has to pay after that.", least=1, most=525_600),
    "events.retention_hours": Number(72, "How long whoever watches may resume from an event.", least=1, most=8_760),
    "partners.daily_invitations": Number(50, "How many a partner may invite in a day to act for it."),
    "partners.invitation_days": Number(
        14,
        "How long such an invitation can be answered; after a refusal nobody is asked again so long.",
        least=1,
        most=365,
    ),
    "partners.revenue_split_percentage": Number(
        80, "The part of each sale that a new partner gets, in percent.", most=100, whole=False
    ),
    "points.cfa_per_point": Number(5, "What a point is worth, in CFA francs.", whole=False),
    "points.first_donation": Number(50, "Points for the first donation to a pot of somebody one has brought."),
    "points.maturation_days": Number(14, "How many days points wait until they may be spent.", most=3_650),
    "points.minimum_conversion": Number(100, "The fewest points that may be turned into money at once.", least=1),
    "points.pot_opened": Number(50, "Points for the first pot of somebody one has brought."),
    "points.referral_accepted": Number(100, "Points for an invitation that is accepted."),
    "pots.daily_invitations": Number(100, "How many may be invited to a pot in a day."),
    "pots.default_target_cfa": Number(50_000, "A pot's target where its owner names none, in CFA francs.", least=1),
    "pots.expiry_days": Number(30, "How many days after the birthday a pot expires.", most=3_650),
    "pots.total_interval_seconds": Number(
        60, "How many seconds strangers who watch a pot wait to hear of gifts that hide their amount.", most=86_400
    ),
    "redemption.reversal_hours": Number(24, "How long staff may take a redemption back.", most=8_760),
    "referrals.daily_limit": Number(50, "How many a sponsor may invite in a day."),
    "referrals.declined_days": Number(
        30, "How many days a sponsor may not invite somebody again who declined.", most=3_650
    ),
    "profiles.guardianship_request_days": Number(
        14, "How many days a guardian may take to answer a request.", least=1, most=365
    ),
    "security.attempt_retention_days": Number(365, "How many days tries to sign in are kept.", least=30, most=3_650),
    "security.challenge_minutes": Number(5, "How long a sign-in may wait for its second factor.", least=1, most=60),
    "security.code_retention_days": Number(7, "How many days one-time codes are kept after their time.", most=365),
    "security.device_trust_days": Number(30, "How many days a device is trusted.", least=1, most=365),
    "security.lockout_minutes": Number(
        15, "How long sign-in or a second factor is locked; sign-in each time twice as long.", least=1, most=525_600
    ),
    "security.lockout_threshold": Number(
        5, "After how many wrong passwords or codes sign-in or a second factor is locked.", least=1
    ),
    "security.password_minimum": Number(
        15, "How many characters a password has at least, where it is the only factor.", least=8, most=64
    ),
    "security.password_minimum_with_second_factor": Number(
        12, "How many characters a password has at least, where there is a second factor.", least=8, most=64
    ),
    "security.password_reset_minutes": Number(
        10, "For how many minutes a link to set a new password is good.", least=1, most=60
    ),
    "security.recent_minutes": Number(5, "For how long a proof of who one is counts as recent.", least=1, most=1_440),
    "security.refresh_leeway_seconds": Number(
        10, "How long a refresh token that was replaced gives its successor once more.", most=300
    ),
    "security.session_days": Number(90, "How many days a session may last.", least=1, most=3_650),
    "security.session_idle_days": Number(30, "After how many days without use a session ends.", least=1, most=3_650),
    "security.sessions_per_user": Number(20, "How many sessions a user may have at once.", least=1, most=1_000),
    "security.token_retention_days": Number(90, "How many days refresh tokens are kept after their time.", most=3_650),
    "trading.daily_backouts": Number(3, "How many trades a taker may call off in a day."),
    "trading.daily_limit": Number(1_000, "What a new trader may trade in a day.", whole=False),
    "trading.daily_withdrawal_limit": Number(
        10_000, "What a user may withdraw of one coin in a day, in US dollars.", whole=False
    ),
    "trading.fee_rate": Number(0.005, "The platform's part of what an escrow releases.", most=1, whole=False),
    "trading.monthly_limit": Number(10_000, "What a new trader may trade in a month.", whole=False),
    "trading.monthly_withdrawal_limit": Number(
        100_000, "What a user may withdraw of one coin in a month, in US dollars.", whole=False
    ),
    "trading.new_wallet_hours": Number(
        24, "How long a wallet that was just connected waits to be paid to.", most=8_760
    ),
    "treasury.daily_daos": Number(5, "How many DAOs a user may found in a day.", least=1),
    "treasury.daily_withdrawal_limit": Number(300_000, "The most a user may withdraw in a day, in shillings.", least=1),
    "treasury.maximum_deposit": Number(250_000, "The largest deposit by M-Pesa, in shillings.", least=1),
    "treasury.maximum_withdrawal": Number(250_000, "The largest withdrawal by M-Pesa, in shillings.", least=1),
    "treasury.minimum_deposit": Number(10, "The smallest deposit by M-Pesa, in shillings.", least=1),
    "treasury.minimum_withdrawal": Number(10, "The smallest withdrawal by M-Pesa, in shillings.", least=1),
    "treasury.monthly_withdrawal_limit": Number(
        2_000_000, "The most a user may withdraw in a month, in shillings.", least=1
    ),
    "treasury.mpesa_deposit_fee": Number(0.025, "The part of a deposit by M-Pesa that is kept.", most=1, whole=False),
    "treasury.mpesa_withdrawal_fee": Number(
        0.01, "The fee of a withdrawal by M-Pesa, as a part of it.", most=1, whole=False
    ),
    "treasury.push_repeat_seconds": Number(
        120, "How long a second request for the same deposit answers as the first.", most=3_600
    ),
    "treasury.quote_seconds": Number(60, "How long a quote for a swap is good.", least=1, most=3_600),
    "treasury.rate_max_age": Number(86_400, "How old an exchange rate may be, in seconds.", least=1),
    "treasury.recurring_catch_up": Number(
        12, "How many missed dates a recurring payment pays at most after an outage.", least=1, most=1_000
    ),
    "treasury.recurring_retry_hours": Number(
        24, "After how many hours a recurring payment that failed is tried again.", least=1, most=720
    ),
    "treasury.referral_payout": Number(50, "What a referral is worth, in MTAA.", whole=False),
    "treasury.step_up_amount": Number(
        10_000, "Above which amount, in shillings, a second factor is wanted.", whole=False
    ),
    "treasury.swap_fee": Number(0.005, "The fee of a swap, as a part of what is given.", most=1, whole=False),
    "treasury.transfer_days": Number(
        7, "How many days the signers have to decide on a transfer or a change.", least=1, most=365
    ),
    "treasury.withdrawal_phone_hours": Number(
        24, "How many hours a phone must have been verified before money is sent there.", most=8_760
    ),
    "usage.referral_bonus": Number(50, "API calls that each of the two gets when a developer brings another."),
}
# Key, text, and whether it is sensitive.
TEXTS = (("support.email", "aide@lango.example", False), ("sms.sender_secret_hint", "kept elsewhere", True))
PLANS = (("free", 1_000, 60), ("pro", 50_000, 600), ("enterprise", -1, 6_000))
CALLS = ("pots", "donations", "redeemQrCode", "packs", "ledgerEntries")


async def load(world: World) -> None:
    """Staff's tables first, then developers, then what people agreed to."""
    dice = world.dice("operations")
    _put_flags(world)
    _put_staff(world, dice)
    await _put_audits(world, dice)
    await _put_developers(world, dice)
    await _put_privacy(world, dice)


def _put_flags(world: World) -> None:
    since = world.today - timedelta(days=120)
    for key, enabled, percentage in FLAGS:
        world.rows.put(
            FeatureFlag, id=named(f"flag {key}"), flag_key=key, name=key.replace("_", " ").capitalize(),
            description="Rolled out step by step.", is_enabled=enabled, flag_value=enabled,
            rollout_percentage=percentage, target_user_groups=["beta"] if percentage == 10 else None,
            target_regions=["KEN"] if key == "kenya_launch" else None, created_by_user_id=world.staff,
            last_modified_by_user_id=world.callers["super_admin"].id, created_at=since,
        )  # fmt: skip
    for key, number in NUMBERS.items():
        _put_config(world, key, number.value, number.says, number.schema)
    for key, text, sensitive in TEXTS:
        says = f"See the rules on {key.partition('.')[0]}."
        _put_config(world, key, text, says, {"type": "string"}, is_sensitive=sensitive)


def _put_config(
    world: World, key: str, value: Any, says: str, schema: dict[str, Any], *, is_sensitive: bool = False
) -> None:
    kind = "string" if schema["type"] == "string" else "number"
    world.rows.put(
        SystemConfig, id=named(f"config {key}"), config_key=key, config_value=value, description=says, data_type=kind,
        is_sensitive=is_sensitive, validation_rules=schema,
        last_modified_by_user_id=world.callers["super_admin"].id, created_at=world.today - timedelta(days=120),
    )  # fmt: skip


def _put_staff(world: World, dice: Dice) -> None:
    for number in range(6):
        begun = dice.ago(30, 1)
        reason = ("logout", "timeout", "revoked")[number % 3]
        caller = world.callers["super_admin" if number % 2 else "admin"]
        world.rows.put(
            AdminSession, id=dice.id(), user_id=caller.id, session_token_hash=digest(f"staff {number}"),
            ip_address=dice.address(), user_agent=names.AGENTS[2], admin_level="super" if number % 2 else "regular",
            permissions_granted=["users:suspend", "donations:refund"], created_at=begun,
            last_activity_at=begun + AN_HOUR,
            expires_at=begun + 8 * AN_HOUR, terminated_at=begun + 2 * AN_HOUR, termination_reason=reason,
            is_suspicious=reason == "revoked", security_flags={"new_country": True} if reason == "revoked" else None,
        )  # fmt: skip
    for number in range(48):
        status = ("degraded", "unhealthy")[number % 2] if number % 16 > 13 else "healthy"
        when = world.today - number * AN_HOUR
        world.rows.put(
            SystemHealthCheck, id=dice.id(), service_name=("wave", "mpesa", "lithic", "postgres")[number % 4],
            check_name="reachable", status=status, response_time_ms=dice.randrange(5, 900),
            check_data={"region": "dakar-1"}, error_message=None if status == "healthy" else "Slow answer",
            checked_at=when, created_at=when,
        )  # fmt: skip


async def _put_audits(world: World, dice: Dice) -> None:
    """Samples of what the triggers write, and of what staff looked at."""
    kinds = ("pot", "donation", "profile", "pack", "card")
    for number in range(world.size.users):
        when, kind = dice.ago(380), kinds[number % len(kinds)]
        by_staff = number % 10 == 0
        actor = world.staff if by_staff else dice.choice(world.adults).id
        world.rows.put(
            AuditLog, id=dice.id(), actor_user_id=actor, actor_type="user", actor_ip=dice.address(),
            action="profile_read" if by_staff else f"{kind}_updated", resource_type="profile" if by_staff else kind,
            resource_id=dice.choice(world.people).id if by_staff else dice.id(),
            old_values=None if by_staff else {"status": "scheduled"},
            new_values=None if by_staff else {"status": "open"},
            reason="Support request" if by_staff else None, timestamp=when, request_id=dice.hexadecimal(32),
            user_agent=names.AGENTS[number % 4], created_at=when,
            account_id=named("card account 0") if kind == "card" and not by_staff else None,
        )  # fmt: skip
        await world.rows.flush_if_many()


async def _put_developers(world: World, dice: Dice) -> None:
    for plan, calls, rate in PLANS:
        world.rows.put(
            SubscriptionLimit, plan=plan, monthly_api_calls=calls, requests_per_minute=rate,
            features={"webhooks": plan != "free"}, created_at=world.today - timedelta(days=399),
        )  # fmt: skip
    developers = [person for number, person in enumerate(world.adults) if number < 10 or number % 100 == 50]
    resets = (world.today.replace(day=1) + timedelta(days=32)).replace(day=1)
    for number, person in enumerate(developers):
        # Of each three, the first referred the second; its pair is still open where the number is even.
        referrer = number % 3 == 0 and number + 1 < len(developers)
        referred = number % 3 == 1
        completed = number // 3 % 2 == 1
        code = dice.code(12)
        calls = dice.randrange(20, 80)
        used = 0
        for _ in range(calls):
            used += _put_call(world, dice, person.id)
        world.rows.put(
            UserSubscription, user_id=person.id, plan=("free", "pro", "enterprise")[min(number % 4, 2)],
            referral_code=code, total_referrals=int(referrer and completed),
            bonus_credits=50 if (referrer or referred) and completed else 0, calls_this_month=used,
            usage_resets_at=resets, created_at=person.joined, resets_on_day=1,
            usage_began_at=world.today.replace(day=1),
            bonus_credits_granted=50 if (referrer or referred) and completed else 0,
        )  # fmt: skip
        if referrer:
            when = dice.ago(60)
            world.rows.put(
                UserReferral, id=dice.id(), referrer_user_id=person.id, referred_user_id=developers[number + 1].id,
                referral_code=code, status="completed" if completed else "pending",
                bonus_credits_awarded=50 if completed else 0, completed_at=when + AN_HOUR if completed else None,
                created_at=when,
            )  # fmt: skip
        world.rows.put(
            UserToken, id=dice.id(), user_id=person.id,
            provider=("github", "openai", "anthropic", "gemini")[number % 4],
            token_encrypted=dice.opaque(), last_four=dice.hexadecimal(4), is_valid=number % 5 != 4,
            last_used_at=dice.ago(9), created_at=person.joined,
        )  # fmt: skip
        await world.rows.flush_if_many()


def _put_call(world: World, dice: Dice, user: Any) -> int:
    """A request; 1 where it counts for this month."""
    when = dice.ago(90)
    status = dice.choices((200, 400, 429), (95, 4, 1))[0]
    world.rows.put(
        ApiUsage, id=dice.id(), user_id=user, operation=dice.choice(CALLS), status_code=status,
        response_time_ms=dice.randrange(2, 90), request_bytes=dice.randrange(80, 900),
        response_bytes=dice.randrange(200, 9_000), cost=1, created_at=when,
    )  # fmt: skip
    return int(when >= world.today.replace(day=1))


async def _put_privacy(world: World, dice: Dice) -> None:
    purposes = ("analytics", "marketing_email", "marketing_sms", "marketing_whatsapp", "data_sharing")
    for number, person in enumerate(world.people):
        for purpose in purposes[: 2 if number < len(world.callers) else 1]:
            world.rows.put(
                Consent, id=dice.id(), user_id=person.id, purpose=purpose, granted=number % 4 != 3, source="sign_up",
                ip_address=dice.address(), created_at=person.joined,
            )  # fmt: skip
        if number % 50 == 0 or number == 12:
            requested = dice.ago(40, 3)
            rejected = number % 100 == 50
            world.rows.put(
                DataRequest, id=dice.id(), user_id=person.id, kind="erasure" if rejected else "export",
                status="rejected" if rejected else "completed",
                result={"reason": "Money is held."} if rejected else {"profile": {}}, requested_at=requested,
                due_at=requested + timedelta(days=1), completed_at=requested + AN_HOUR,
            )  # fmt: skip
        await world.rows.flush_if_many()
