-- Rewrites the table: a code's place is grouped by on dashboards, and a key inside JSON cannot be.
ALTER TABLE redemption.qr_codes ADD COLUMN redeemed_at_venue_name TEXT GENERATED ALWAYS AS (redeemed_at_venue ->> 'name') STORED;

COMMENT ON COLUMN redemption.qr_codes.redeemed_at_venue_name IS 'The name of that venue as it was then, to group by; null where no venue was named.';

GRANT SELECT (redeemed_at_venue_name) ON redemption.qr_codes TO lango_anonymous, lango_member, lango_staff;

CREATE INDEX ix_qr_codes_due ON redemption.qr_codes (expires_at, pot_id) WHERE status = 'issued';

ALTER TABLE redemption.partner_settlements ADD COLUMN dispute_reason TEXT;

COMMENT ON COLUMN redemption.partner_settlements.dispute_reason IS 'Why it was disputed last, in the words of whoever objected; null where nobody has.';

GRANT SELECT (dispute_reason) ON redemption.partner_settlements TO lango_anonymous, lango_member, lango_staff;

ALTER TABLE redemption.partner_settlements ADD CONSTRAINT ck_partner_settlements_period_is_in_order CHECK (period_start <= period_end);

ALTER TABLE packs.packs ADD CONSTRAINT ck_packs_discount_is_below_price CHECK (discounted_price_cfa > 0 AND discounted_price_cfa < base_price_cfa);

ALTER TABLE packs.packs ADD CONSTRAINT ck_packs_dates_are_in_order CHECK (available_from <= available_until);
