-- How people sign in, their devices, keys and what was sent to them.

DROP TABLE security.login_attempts, security.security_events, security.password_history, security.two_factor_auth, security.user_devices, security.email_delivery_log, security.sms_delivery_log, security.oauth_connections, security.api_keys, security.refresh_tokens, security.account_recovery, security.session_audits;

DROP SCHEMA security;
