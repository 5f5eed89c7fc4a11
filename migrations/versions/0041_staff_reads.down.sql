DROP FUNCTION lango.audit_shown(text);

ALTER TABLE admin.audit_logs ALTER COLUMN metadata SET STORAGE EXTENDED;
