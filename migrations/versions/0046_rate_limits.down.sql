DROP TABLE security.rate_limits;

DROP FUNCTION lango.take_rate_limits(keys text[], most integer[], seconds integer[]);
