DROP INDEX security.ix_email_delivery_log_pending;

DROP INDEX security.ix_sms_delivery_log_pending;

DROP INDEX security.ix_sms_delivery_log_provider_message_id;

COMMENT ON COLUMN security.email_delivery_log.template IS 'What it was written from, as in `otp`, `password_reset` or `welcome`; null for a text of its own.';

COMMENT ON COLUMN security.email_delivery_log.provider IS 'Who carries it, as in `sendgrid` or `ses`; null until it is handed over.';

COMMENT ON COLUMN security.email_delivery_log.metadata IS 'What else is known of the delivery, as JSON; null without more.';

COMMENT ON COLUMN security.sms_delivery_log.template IS 'What it was written from, as in `otp`, `notification` or `alert`; null for a text of its own.';

COMMENT ON COLUMN security.sms_delivery_log.cost IS 'What the provider charged, in its local currency; null until it is known.';

COMMENT ON COLUMN security.sms_delivery_log.metadata IS 'What else is known of the delivery, as JSON; null without more.';

ALTER TABLE security.email_delivery_log DROP COLUMN tries;

ALTER TABLE security.sms_delivery_log DROP COLUMN tries;
