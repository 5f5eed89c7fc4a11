ALTER TABLE security.email_delivery_log ADD COLUMN tries INTEGER DEFAULT 0 NOT NULL;

CREATE INDEX ix_email_delivery_log_pending ON security.email_delivery_log (created_at) WHERE status = 'pending';

COMMENT ON COLUMN security.email_delivery_log.template IS 'What it was written from, as in `sign_in_code`, `password_reset` or `welcome`; null for a text of its own.';

COMMENT ON COLUMN security.email_delivery_log.provider IS 'Who carries it, as in `smtp`; null until it is handed over.';

COMMENT ON COLUMN security.email_delivery_log.metadata IS 'What else is known, as JSON: `currency`, `segments`, `reports` that changed nothing; null without more.';

COMMENT ON COLUMN security.email_delivery_log.tries IS 'How often it was handed to a provider.';

GRANT SELECT (tries) ON security.email_delivery_log TO lango_anonymous;

GRANT SELECT (tries) ON security.email_delivery_log TO lango_member;

GRANT SELECT (tries) ON security.email_delivery_log TO lango_staff;

ALTER TABLE security.sms_delivery_log ADD COLUMN tries INTEGER DEFAULT 0 NOT NULL;

CREATE INDEX ix_sms_delivery_log_pending ON security.sms_delivery_log (created_at) WHERE status = 'pending';

CREATE INDEX ix_sms_delivery_log_provider_message_id ON security.sms_delivery_log (provider_message_id);

COMMENT ON COLUMN security.sms_delivery_log.template IS 'What it was written from, as in `sign_in_code`, `notification` or `alert`; null for a text of its own.';

COMMENT ON COLUMN security.sms_delivery_log.cost IS 'What the provider charged, in the currency that `metadata` names; null until it is known.';

COMMENT ON COLUMN security.sms_delivery_log.metadata IS 'What else is known, as JSON: `currency`, `segments`, `reports` that changed nothing; null without more.';

COMMENT ON COLUMN security.sms_delivery_log.tries IS 'How often it was handed to a provider.';

GRANT SELECT (tries) ON security.sms_delivery_log TO lango_anonymous;

GRANT SELECT (tries) ON security.sms_delivery_log TO lango_member;

GRANT SELECT (tries) ON security.sms_delivery_log TO lango_staff;
