DROP TRIGGER require_admin ON treasury.daos;

DROP TRIGGER require_admin ON treasury.dao_members;

DROP TRIGGER guard_transition ON treasury.dao_members;

DROP FUNCTION lango.require_admin();

ALTER TABLE treasury.daos DROP CONSTRAINT ck_daos_name_is_not_blank;

ALTER TABLE treasury.daos DROP CONSTRAINT ck_daos_quorum_is_a_percentage;

ALTER TABLE treasury.daos DROP CONSTRAINT ck_daos_voting_takes_time;

ALTER TABLE treasury.dao_members DROP CONSTRAINT ck_dao_members_status_is_known;

-- Who has left may request to join again, as who was declined may.
UPDATE treasury.dao_members SET status = 'rejected' WHERE status = 'left';

ALTER TABLE treasury.dao_members ADD CONSTRAINT ck_dao_members_status_is_known CHECK (status IN ('approved', 'pending', 'rejected', 'banned'));

DROP POLICY lango_member ON treasury.dao_members;

CREATE POLICY lango_member ON treasury.dao_members FOR SELECT TO lango_member USING (((dao_id = ANY ((SELECT lango.my_daos())::uuid[]))));

CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON treasury.dao_members FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'approved>banned', 'banned>approved', 'pending>approved', 'pending>banned', 'pending>rejected', 'rejected>banned', 'rejected>pending');

ALTER TABLE treasury.daos DROP COLUMN time_zone, DROP COLUMN status_reason;

ALTER TABLE treasury.dao_members DROP COLUMN status_reason;
