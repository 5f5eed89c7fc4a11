-- The foreign keys between groups that are built one after the other.

ALTER TABLE pots.pots DROP CONSTRAINT fk_pots_created_from_referral_id;
