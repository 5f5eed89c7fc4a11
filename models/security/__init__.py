"""How accounts are kept safe: sign-ins, second factors, devices, keys, tokens, recovery and the messages sent."""

from models.security.deliveries import EmailDelivery, EmailDeliveryStatus, SmsDelivery, SmsDeliveryStatus
from models.security.events import SecurityEvent, SecurityEventSeverity
from models.security.limits import RateLimitWindow
from models.security.sessions import (
    ApiKey,
    RefreshToken,
    RefreshTokenRevokedReason,
    SessionAudit,
    SessionAuditAction,
    UserDevice,
    UserDeviceDeviceType,
)
from models.security.sign_in import (
    AccountRecovery,
    AccountRecoveryMethod,
    AccountRecoveryRecoveryType,
    AccountRecoveryStatus,
    LoginAttempt,
    OauthAccount,
    OauthAccountProvider,
    PasswordHistoryEntry,
    TwoFactorAuth,
    TwoFactorAuthMethod,
)

__all__ = [
    "AccountRecovery",
    "AccountRecoveryMethod",
    "AccountRecoveryRecoveryType",
    "AccountRecoveryStatus",
    "ApiKey",
    "EmailDelivery",
    "EmailDeliveryStatus",
    "LoginAttempt",
    "OauthAccount",
    "OauthAccountProvider",
    "PasswordHistoryEntry",
    "RateLimitWindow",
    "RefreshToken",
    "RefreshTokenRevokedReason",
    "SecurityEvent",
    "SecurityEventSeverity",
    "SessionAudit",
    "SessionAuditAction",
    "SmsDelivery",
    "SmsDeliveryStatus",
    "TwoFactorAuth",
    "TwoFactorAuthMethod",
    "UserDevice",
    "UserDeviceDeviceType",
]
