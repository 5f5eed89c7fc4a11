"""How people sign in, their devices, keys and what was sent to them, as the API shows them."""

from __future__ import annotations

import models.security as m
from gql.kit.mirror import mirrors
from gql.kit.roots import root_fields

MODELS = (
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
mirrors(*MODELS)

Query = root_fields(*MODELS)
