ALTER TABLE packs.packs DROP CONSTRAINT ck_packs_dates_are_in_order;

ALTER TABLE packs.packs DROP CONSTRAINT ck_packs_discount_is_below_price;

ALTER TABLE redemption.partner_settlements DROP CONSTRAINT ck_partner_settlements_period_is_in_order;

ALTER TABLE redemption.partner_settlements DROP COLUMN dispute_reason;

DROP INDEX redemption.ix_qr_codes_due;

ALTER TABLE redemption.qr_codes DROP COLUMN redeemed_at_venue_name;
