-- Users and their sessions.

DROP TABLE identity.users, identity.user_sessions, identity.password_reset_tokens, identity.one_time_codes;

DROP SCHEMA identity;
