"""How people sign in, their devices, keys and what was sent to them, as the API shows them."""

from __future__ import annotations

import models.security as m
from gql.kit.mirror import mirror
from gql.kit.roots import root_fields


@mirror(m.LoginAttempt)
class LoginAttempt:
    pass


@mirror(m.SecurityEvent)
class SecurityEvent:
    pass


@mirror(m.PasswordHistoryEntry)
class PasswordHistoryEntry:
    pass


@mirror(m.TwoFactorAuth)
class TwoFactorAuth:
    pass


@mirror(m.UserDevice)
class UserDevice:
    pass


@mirror(m.EmailDelivery)
class EmailDelivery:
    pass


@mirror(m.SmsDelivery)
class SmsDelivery:
    pass


@mirror(m.OauthAccount)
class OauthAccount:
    pass


@mirror(m.ApiKey)
class ApiKey:
    pass


@mirror(m.RefreshToken)
class RefreshToken:
    pass


@mirror(m.AccountRecovery)
class AccountRecovery:
    pass


@mirror(m.SessionAudit)
class SessionAudit:
    pass


Query = root_fields(
    m.LoginAttempt,
    m.SecurityEvent,
    m.PasswordHistoryEntry,
    m.TwoFactorAuth,
    m.UserDevice,
    m.EmailDelivery,
    m.SmsDelivery,
    m.OauthAccount,
    m.ApiKey,
    m.RefreshToken,
    m.AccountRecovery,
    m.SessionAudit,
)
