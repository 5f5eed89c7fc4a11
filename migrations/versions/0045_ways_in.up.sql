ALTER TABLE identity.one_time_codes DROP CONSTRAINT ck_one_time_codes_purpose_is_known;

ALTER TABLE identity.one_time_codes ADD CONSTRAINT ck_one_time_codes_purpose_is_known CHECK (purpose IN ('sign_in', 'sign_up', 'verify_contact', 'two_factor_challenge', 'transaction', 'reauthentication', 'undo_contact', 'oauth'));

CREATE INDEX ix_one_time_codes_link ON identity.one_time_codes (code_hash) WHERE purpose = 'undo_contact';
