CREATE FUNCTION lango.require_admin() RETURNS trigger
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$DECLARE
    dao uuid := (to_jsonb(OLD) ->> TG_ARGV[0])::uuid;
BEGIN
    -- Locked, so that of two admins who go at once the second sees that the first has gone.
    PERFORM FROM treasury.daos d
    WHERE d.id = dao AND d.status = 'active' AND d.deleted_at IS NULL FOR NO KEY UPDATE;
    IF FOUND AND NOT EXISTS (
        SELECT FROM treasury.dao_members m
        WHERE m.dao_id = dao AND m.role = 'admin' AND m.status = 'approved'
    ) THEN
        RAISE EXCEPTION 'DAO % has no admin', dao USING ERRCODE = 'LG004';
    END IF;
    RETURN NULL;
END$$;

COMMENT ON FUNCTION lango.require_admin() IS 'Refuses to leave an active DAO without an approved admin.';

REVOKE ALL ON FUNCTION lango.require_admin() FROM PUBLIC;

ALTER TABLE treasury.daos ADD COLUMN time_zone TEXT DEFAULT 'Africa/Nairobi' NOT NULL, ADD COLUMN status_reason TEXT;

ALTER TABLE treasury.daos ADD CONSTRAINT ck_daos_name_is_not_blank CHECK (btrim(name) <> '');

ALTER TABLE treasury.daos ADD CONSTRAINT ck_daos_quorum_is_a_percentage CHECK (quorum_percentage BETWEEN 0 AND 100);

ALTER TABLE treasury.daos ADD CONSTRAINT ck_daos_voting_takes_time CHECK (voting_period_hours > 0);

COMMENT ON COLUMN treasury.daos.time_zone IS 'The IANA time zone of its days, as of the day within which `daily_spending_limit` holds.';

COMMENT ON COLUMN treasury.daos.status_reason IS 'Why it was suspended, reinstated or archived; null where nobody said so.';

GRANT SELECT (time_zone, status_reason) ON treasury.daos TO lango_anonymous;

GRANT SELECT (time_zone, status_reason) ON treasury.daos TO lango_member;

GRANT SELECT (time_zone, status_reason) ON treasury.daos TO lango_staff;

CREATE CONSTRAINT TRIGGER require_admin AFTER UPDATE OF status, deleted_at ON treasury.daos DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.status = 'active' AND NEW.deleted_at IS NULL) EXECUTE FUNCTION lango.require_admin('id');

ALTER TABLE treasury.dao_members DROP CONSTRAINT ck_dao_members_status_is_known;

ALTER TABLE treasury.dao_members ADD COLUMN status_reason TEXT;

ALTER TABLE treasury.dao_members ADD CONSTRAINT ck_dao_members_status_is_known CHECK (status IN ('approved', 'pending', 'rejected', 'banned', 'left'));

COMMENT ON COLUMN treasury.dao_members.status_reason IS 'Why the member was banned or readmitted, in the words of the admin who did it; null for neither.';

GRANT SELECT (status_reason) ON treasury.dao_members TO lango_anonymous;

GRANT SELECT (status_reason) ON treasury.dao_members TO lango_member;

GRANT SELECT (status_reason) ON treasury.dao_members TO lango_staff;

DROP POLICY lango_member ON treasury.dao_members;

CREATE POLICY lango_member ON treasury.dao_members FOR SELECT TO lango_member USING (((id = ANY ((SELECT lango.opened_rows())::uuid[])) OR (dao_id = ANY ((SELECT lango.my_daos())::uuid[]))));

DROP TRIGGER guard_transition ON treasury.dao_members;

CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON treasury.dao_members FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'approved>banned', 'approved>left', 'banned>approved', 'left>approved', 'left>banned', 'left>pending', 'pending>approved', 'pending>banned', 'pending>left', 'pending>rejected', 'rejected>approved', 'rejected>banned', 'rejected>pending');

CREATE CONSTRAINT TRIGGER require_admin AFTER UPDATE OF role, status OR DELETE ON treasury.dao_members DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.role = 'admin' AND OLD.status = 'approved') EXECUTE FUNCTION lango.require_admin('dao_id');
