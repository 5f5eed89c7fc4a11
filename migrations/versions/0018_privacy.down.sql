-- Consents and data requests.

DROP TABLE privacy.consents, privacy.data_requests, privacy.user_keys;

DROP SCHEMA privacy;
