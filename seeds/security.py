"""How accounts were kept safe: attempts, events, devices, keys and tokens. Nothing here opens anything."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from models.identity import UserSession
from models.security import (
    AccountRecovery,
    ApiKey,
    EmailDelivery,
    LoginAttempt,
    OauthAccount,
    PasswordHistoryEntry,
    RefreshToken,
    SecurityEvent,
    SessionAudit,
    SmsDelivery,
    TwoFactorAuth,
    UserDevice,
)
from seeds import names
from seeds.world import Dice, Person, World, digest

AN_HOUR = timedelta(hours=1)
DAKAR = {"country": "SN", "city": "Dakar", "lat": 14.69, "lon": -17.44}


async def load(world: World) -> None:
    """Devices and sign-ins of about one user in three, the rest for fewer; the callers have one of each."""
    dice = world.dice("security")
    for number, person in enumerate(world.people):
        is_caller = person in world.callers.values()
        if not (person.adult and (is_caller or number % 3 == 0)):
            continue
        when = dice.ago(60, 2)
        device = _put_device(world, dice, person, when)
        _put_sign_in(world, dice, person, device, when)
        if is_caller or number % 9 == 0:
            _put_factors(world, dice, person, number, when)
            _put_messages(world, dice, person, when, number)
        if is_caller or number % 30 == 0:
            _put_key(world, dice, person, number, when)
            _put_event(world, dice, person, number, when)
        await world.rows.flush_if_many()


def _put_device(world: World, dice: Dice, person: Person, when: datetime) -> UUID:
    device, trusted = dice.id(), dice.happens(0.7)
    kind = dice.choice(("mobile", "desktop", "tablet"))
    world.rows.put(
        UserDevice, id=device, user_id=person.id, device_name="Chrome on Android" if kind == "mobile" else "Firefox",
        device_fingerprint=dice.hexadecimal(32), device_type=kind, browser="Chrome", os="Android", trusted=trusted,
        last_ip_address=dice.address(), last_location=DAKAR, last_used_at=when, trusted_at=when if trusted else None,
        created_at=person.joined, updated_at=when,
    )  # fmt: skip
    return device


def _put_sign_in(world: World, dice: Dice, person: Person, device: UUID, when: datetime) -> None:
    """A sign-in with its session, its first refresh token used and its second alive; before it, perhaps a failure."""
    ip, agent = dice.address(), dice.choice(names.AGENTS)
    outcomes = ["success"] if dice.happens(0.8) else ["failed_password", "success"]
    for step, outcome in enumerate(outcomes):
        world.rows.put(
            LoginAttempt, id=dice.id(), identifier=person.phone, user_id=person.id, ip_address=ip, user_agent=agent,
            attempt_result=outcome, failure_reason=None if outcome == "success" else "Wrong password", location=DAKAR,
            device_fingerprint=dice.hexadecimal(32), created_at=when + step * AN_HOUR / 60,
        )  # fmt: skip
    session, family, first, second = dice.id(), dice.id(), dice.id(), dice.id()
    world.rows.put(
        UserSession, id=session, user_id=person.id, token_hash=digest(f"session {session}"), ip_address=ip,
        device_info={"os": "Android", "app": "lango"}, created_at=when, expires_at=when + timedelta(days=90),
    )  # fmt: skip
    renewed = when + 5 * AN_HOUR
    for token, made, revoked in ((first, when, renewed), (second, renewed, None)):
        world.rows.put(
            RefreshToken, id=token, user_id=person.id, token_hash=digest(f"refresh {token}"), device_id=device,
            ip_address=ip, user_agent=agent, expires_at=made + timedelta(days=90), revoked_at=revoked,
            revoked_reason="rotated" if revoked else None, replaced_by=second if revoked else None, created_at=made,
            family_id=family, session_id=session,
        )  # fmt: skip
    for action, made in (("session_created", when), ("session_renewed", renewed)):
        world.rows.put(
            SessionAudit, id=dice.id(), session_id=session, user_id=person.id, action=action, ip_address=ip,
            user_agent=agent, location=DAKAR, device_id=device, created_at=made,
        )  # fmt: skip


def _put_factors(world: World, dice: Dice, person: Person, number: int, when: datetime) -> None:
    method = ("totp", "sms", "email")[number % 3]
    enabled = number >= len(world.callers) and number % 2 == 0
    world.rows.put(
        TwoFactorAuth, id=dice.id(), user_id=person.id, method=method, enabled=enabled,
        secret=dice.opaque() if method == "totp" else None,
        backup_codes=[digest(f"backup {number} {code}") for code in range(10)] if enabled else None,
        phone_number=person.phone if method == "sms" else None, email=person.email if method == "email" else None,
        enabled_at=when if enabled else None, disabled_at=None if enabled else when, created_at=person.joined,
    )  # fmt: skip
    world.rows.put(
        PasswordHistoryEntry, id=dice.id(), user_id=person.id, password_hash=dice.password_hash(),
        created_at=person.joined,
    )  # fmt: skip
    world.rows.put(
        OauthAccount, id=dice.id(), user_id=person.id, provider=("google", "telegram", "github")[number % 3],
        provider_user_id=f"{10**9 + number}", provider_email=person.email, access_token=dice.opaque(),
        refresh_token=dice.opaque(), token_expires_at=when + AN_HOUR, scope="openid email",
        profile_data={"verified": True},
        last_synced_at=when, connected_at=person.joined, created_at=person.joined,
        disconnected_at=when if number % 4 == 3 else None,
    )  # fmt: skip


def _put_messages(world: World, dice: Dice, person: Person, when: datetime, number: int) -> None:
    status = ("delivered", "sent", "failed", "bounced")[number % 4]
    arrived = when + AN_HOUR / 60 if status == "delivered" else None
    world.rows.put(
        EmailDelivery, id=dice.id(), user_id=person.id, to_email=person.email, subject="Bienvenue sur lango",
        template="welcome", status=status, provider="ses", provider_message_id=dice.hexadecimal(20),
        error_message=None if status in ("delivered", "sent") else "Mailbox unavailable",
        sent_at=None if status == "failed" else when, delivered_at=arrived, opened_at=arrived, created_at=when,
    )  # fmt: skip
    failed = status == "bounced"
    world.rows.put(
        SmsDelivery, id=dice.id(), user_id=person.id, to_phone=person.phone, message="Votre code lango : ******",
        template="otp", status="failed" if failed else "delivered", provider="orange",
        provider_message_id=dice.hexadecimal(20), cost=Decimal("0.0310"),
        error_message="Absent subscriber" if failed else None, sent_at=when,
        delivered_at=None if failed else when + AN_HOUR / 600, created_at=when,
    )  # fmt: skip


def _put_key(world: World, dice: Dice, person: Person, number: int, when: datetime) -> None:
    revoked = number % 60 == 30
    world.rows.put(
        ApiKey, id=dice.id(), user_id=person.id, name="Tableau de bord", key_hash=digest(f"key {number}"),
        key_prefix=f"lk_dev_{dice.hexadecimal(8)}", permissions=["read:Pot", "read:Donation"], rate_limit=1_000,
        ip_whitelist=[], enabled=not revoked, last_used_at=when, last_used_ip=dice.address(),
        expires_at=world.today + timedelta(days=200), revoked_at=when if revoked else None,
        revoked_reason="No longer needed" if revoked else None, created_at=person.joined,
    )  # fmt: skip
    status = ("used", "expired", "cancelled", "pending")[number % 4]
    requested = world.today - AN_HOUR / 4 if status == "pending" else when
    world.rows.put(
        AccountRecovery, id=dice.id(), user_id=person.id, recovery_type="password_reset",
        token=digest(f"recovery {number}"), method="email", ip_address=dice.address(), user_agent=names.AGENTS[0],
        status=status, expires_at=requested + AN_HOUR, used_at=requested + AN_HOUR / 4 if status == "used" else None,
        cancelled_at=requested + AN_HOUR / 4 if status == "cancelled" else None, created_at=requested,
    )  # fmt: skip


def _put_event(world: World, dice: Dice, person: Person, number: int, when: datetime) -> None:
    resolved = number % 2 == 0
    world.rows.put(
        SecurityEvent, id=dice.id(), user_id=person.id, event_type=dice.choice(("new_device", "password_changed")),
        severity=("low", "medium", "high", "critical")[number % 4], ip_address=dice.address(),
        user_agent=names.AGENTS[1], location=DAKAR, details={"device": "Chrome on Android"}, resolved=resolved,
        resolved_by=world.staff if resolved else None, resolved_at=when + AN_HOUR if resolved else None,
        notes="The user confirmed it." if resolved else None, created_at=when,
    )  # fmt: skip
