-- How people sign in, their devices, keys and what was sent to them.

DROP TABLE security.email_delivery_log, security.sms_delivery_log, security.security_events, security.user_devices, security.refresh_tokens, security.session_audits, security.api_keys, security.login_attempts, security.password_history, security.two_factor_auth, security.oauth_connections, security.account_recovery;

DROP SCHEMA security;
