-- The foreign keys between groups that are built one after the other.

ALTER TABLE pots.pots ADD CONSTRAINT fk_pots_created_from_referral_id FOREIGN KEY(created_from_referral_id) REFERENCES referrals.referrals (id);
