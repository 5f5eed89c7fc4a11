"""How people sign in, their devices, keys and what was sent to them, as the API shows them."""

from __future__ import annotations

import models.security as m
from gql.kit.mirror import mirrors
from gql.kit.mutation import mutations
from gql.kit.roots import root_fields
from resolvers.identity import contact_changes
from resolvers.security import api_keys, devices, oauth, password_changes, two_factor

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

Mutation = mutations(
    password_changes.change_password,
    password_changes.request_password_reset,
    password_changes.reset_password,
    two_factor.enable_two_factor,
    two_factor.confirm_two_factor,
    two_factor.disable_two_factor,
    two_factor.regenerate_backup_codes,
    devices.trust_device,
    devices.revoke_device,
    contact_changes.request_contact_change,
    contact_changes.verify_contact,
    contact_changes.confirm_contact_change,
    contact_changes.undo_contact_change,
    oauth.start_oauth,
    oauth.sign_in_with_oauth,
    oauth.connect_oauth,
    oauth.disconnect_oauth,
    api_keys.create_api_key,
    api_keys.rotate_api_key,
    api_keys.revoke_api_key,
    in_person=True,
)
