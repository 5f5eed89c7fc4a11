-- Packs, the partners that offer them, and the campaigns that boost them.

CREATE SCHEMA packs;

COMMENT ON SCHEMA packs IS 'Packs that pots pay for, the partners that redeem them, and the campaigns of sponsors.';
GRANT USAGE ON SCHEMA packs TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE TABLE packs.packs (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    name VARCHAR(255) NOT NULL,
    description TEXT NOT NULL,
    category VARCHAR(50) NOT NULL,
    base_price_cfa INTEGER NOT NULL,
    discounted_price_cfa INTEGER,
    is_active BOOLEAN DEFAULT true NOT NULL,
    available_from DATE,
    available_until DATE,
    max_redemptions_per_user INTEGER DEFAULT 1,
    total_available_quantity INTEGER,
    image_url VARCHAR(500),
    gallery_images JSONB,
    partner_id UUID,
    venue_restrictions JSONB,
    terms_and_conditions TEXT,
    redemption_instructions TEXT,
    validity_days INTEGER DEFAULT 90,
    seo_title VARCHAR(255),
    seo_description TEXT,
    marketing_tags TEXT[],
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_packs PRIMARY KEY (id),
    CONSTRAINT ck_packs_price_is_positive CHECK (base_price_cfa > 0),
    CONSTRAINT ck_packs_times_are_finite CHECK (available_from >= '0001-01-01' AND available_from < '9999-01-01' AND available_until >= '0001-01-01' AND available_until < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND deleted_at >= '0001-01-01' AND deleted_at < '9999-01-01')
);
CREATE INDEX ix_packs_created_at_id ON packs.packs (created_at, id);
CREATE INDEX ix_packs_partner_id ON packs.packs (partner_id);

COMMENT ON TABLE packs.packs IS 'A treat at a partner, such as a cinema evening, that a pot pays for.';
COMMENT ON COLUMN packs.packs.id IS 'The row''s key.';
COMMENT ON COLUMN packs.packs.name IS 'What it is called where it is offered.';
COMMENT ON COLUMN packs.packs.description IS 'What one gets for it.';
COMMENT ON COLUMN packs.packs.category IS 'What kind of treat it is, such as `cinema`, `restaurant`, `spa` or `experience`.';
COMMENT ON COLUMN packs.packs.base_price_cfa IS 'The full price in CFA francs.';
COMMENT ON COLUMN packs.packs.discounted_price_cfa IS 'The price that is paid instead, in CFA francs, below the full one; null without a discount.';
COMMENT ON COLUMN packs.packs.is_active IS 'Whether it is on offer: everyone sees it, and codes may be issued for it.';
COMMENT ON COLUMN packs.packs.available_from IS 'The first day on which codes are issued for it; null where it is open.';
COMMENT ON COLUMN packs.packs.available_until IS 'The last day on which codes are issued for it; null where it is open.';
COMMENT ON COLUMN packs.packs.max_redemptions_per_user IS 'How many codes one user may have for it; null without a limit.';
COMMENT ON COLUMN packs.packs.total_available_quantity IS 'How many codes there may be in all, issued and redeemed; null without a limit.';
COMMENT ON COLUMN packs.packs.image_url IS 'Where the main picture is; null without one.';
COMMENT ON COLUMN packs.packs.gallery_images IS 'Where further pictures are: a list of URLs; null without any.';
COMMENT ON COLUMN packs.packs.partner_id IS 'The partner that redeems it; null while it has none.';
COMMENT ON COLUMN packs.packs.venue_restrictions IS 'The partner''s venues where it may be redeemed; null for all of them.';
COMMENT ON COLUMN packs.packs.terms_and_conditions IS 'What its holder agrees to; null without terms.';
COMMENT ON COLUMN packs.packs.redemption_instructions IS 'What to do at the till; null where there is nothing to know.';
COMMENT ON COLUMN packs.packs.validity_days IS 'How many days after the birthday its codes may be redeemed.';
COMMENT ON COLUMN packs.packs.seo_title IS 'The title for search engines; null to use `name`.';
COMMENT ON COLUMN packs.packs.seo_description IS 'The summary for search engines; null to use `description`.';
COMMENT ON COLUMN packs.packs.marketing_tags IS 'Words it is advertised by; null without any.';
COMMENT ON COLUMN packs.packs.created_at IS 'When the row was written.';
COMMENT ON COLUMN packs.packs.updated_at IS 'When the row was last changed.';
COMMENT ON COLUMN packs.packs.deleted_at IS 'When it was deleted; null while it lives. Deleted rows are staff''s.';
ALTER TABLE packs.packs ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, name, description, category, base_price_cfa, discounted_price_cfa, is_active, available_from, available_until, max_redemptions_per_user, total_available_quantity, image_url, gallery_images, partner_id, venue_restrictions, terms_and_conditions, redemption_instructions, validity_days, seo_title, seo_description, marketing_tags, created_at, updated_at, deleted_at) ON packs.packs TO lango_anonymous;
GRANT SELECT (id, name, description, category, base_price_cfa, discounted_price_cfa, is_active, available_from, available_until, max_redemptions_per_user, total_available_quantity, image_url, gallery_images, partner_id, venue_restrictions, terms_and_conditions, redemption_instructions, validity_days, seo_title, seo_description, marketing_tags, created_at, updated_at, deleted_at) ON packs.packs TO lango_member;
GRANT SELECT (id, name, description, category, base_price_cfa, discounted_price_cfa, is_active, available_from, available_until, max_redemptions_per_user, total_available_quantity, image_url, gallery_images, partner_id, venue_restrictions, terms_and_conditions, redemption_instructions, validity_days, seo_title, seo_description, marketing_tags, created_at, updated_at, deleted_at) ON packs.packs TO lango_staff;
CREATE POLICY lango_anonymous ON packs.packs FOR SELECT TO lango_anonymous USING (deleted_at IS NULL AND ((is_active)));
CREATE POLICY lango_member ON packs.packs FOR SELECT TO lango_member USING (deleted_at IS NULL AND ((is_active) OR (partner_id = ANY ((SELECT lango.my_partners())::uuid[]))));
CREATE POLICY lango_staff ON packs.packs FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON packs.packs TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON packs.packs TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON packs.packs TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON packs.packs FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON packs.packs FOR EACH ROW EXECUTE FUNCTION lango.audit('pack', 'id', '', '', '');

CREATE TABLE packs.partners (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    name VARCHAR(255) NOT NULL,
    type VARCHAR(50) NOT NULL,
    description TEXT,
    contact_name VARCHAR(255),
    contact_email VARCHAR(255),
    contact_phone VARCHAR(20),
    business_registration VARCHAR(100),
    tax_id VARCHAR(50),
    revenue_split_percentage NUMERIC(5, 2) NOT NULL,
    payment_terms VARCHAR(20) DEFAULT 'monthly',
    minimum_payout_cfa INTEGER DEFAULT 10000 NOT NULL,
    venues JSONB,
    status VARCHAR(20) DEFAULT 'pending',
    verified_at TIMESTAMP WITH TIME ZONE,
    verified_by_user_id UUID,
    auto_approve_redemptions BOOLEAN DEFAULT false NOT NULL,
    notification_preferences JSONB,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_partners PRIMARY KEY (id),
    CONSTRAINT ck_partners_split_is_a_percentage CHECK (revenue_split_percentage BETWEEN 0 AND 100),
    CONSTRAINT ck_partners_payment_terms_is_known CHECK (payment_terms IN ('weekly', 'monthly', 'quarterly')),
    CONSTRAINT ck_partners_status_is_known CHECK (status IN ('pending', 'active', 'suspended', 'terminated')),
    CONSTRAINT ck_partners_times_are_finite CHECK (verified_at >= '0001-01-01' AND verified_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND deleted_at >= '0001-01-01' AND deleted_at < '9999-01-01'),
    CONSTRAINT ck_partners_numbers_are_real CHECK (revenue_split_percentage <> 'NaN')
);
CREATE INDEX ix_partners_verified_by_user_id ON packs.partners (verified_by_user_id);

COMMENT ON TABLE packs.partners IS 'A business that redeems packs, and the terms on which it is paid.';
COMMENT ON COLUMN packs.partners.id IS 'The row''s key.';
COMMENT ON COLUMN packs.partners.name IS 'The name over the door.';
COMMENT ON COLUMN packs.partners.type IS 'What kind of place it is, such as `cinema`, `restaurant`, `spa` or `retail`.';
COMMENT ON COLUMN packs.partners.description IS 'What the partner says of itself; null where nothing.';
COMMENT ON COLUMN packs.partners.contact_name IS 'Whom to ask for; null where not given.';
COMMENT ON COLUMN packs.partners.contact_email IS 'Where to write to; null where not given.';
COMMENT ON COLUMN packs.partners.contact_phone IS 'The number to call; null where not given.';
COMMENT ON COLUMN packs.partners.business_registration IS 'The number in the register of businesses; null where not given.';
COMMENT ON COLUMN packs.partners.tax_id IS 'The number at the tax office; null where not given.';
COMMENT ON COLUMN packs.partners.revenue_split_percentage IS 'The partner''s part of a price in percent, 0-100; the rest is the platform''s commission.';
COMMENT ON COLUMN packs.partners.payment_terms IS 'How often it is paid.';
COMMENT ON COLUMN packs.partners.minimum_payout_cfa IS 'The least that is paid out, in CFA francs; less is carried over to the next period.';
COMMENT ON COLUMN packs.partners.venues IS 'The places where its packs are redeemed: a list of id, name and address; null where none are listed.';
COMMENT ON COLUMN packs.partners.status IS 'Where it stands.';
COMMENT ON COLUMN packs.partners.verified_at IS 'When staff verified it; null before.';
COMMENT ON COLUMN packs.partners.verified_by_user_id IS 'Who on the staff verified it; null before.';
COMMENT ON COLUMN packs.partners.auto_approve_redemptions IS 'Whether its settlements are approved without staff.';
COMMENT ON COLUMN packs.partners.notification_preferences IS 'What it wants to be told, and how; null where it has not chosen.';
COMMENT ON COLUMN packs.partners.created_at IS 'When the row was written.';
COMMENT ON COLUMN packs.partners.updated_at IS 'When the row was last changed.';
COMMENT ON COLUMN packs.partners.deleted_at IS 'When it was deleted; null while it lives. Deleted rows are staff''s.';
ALTER TABLE packs.partners ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, name, type, description, contact_name, contact_email, contact_phone, business_registration, tax_id, revenue_split_percentage, payment_terms, minimum_payout_cfa, venues, status, verified_at, verified_by_user_id, auto_approve_redemptions, notification_preferences, created_at, updated_at, deleted_at) ON packs.partners TO lango_anonymous;
GRANT SELECT (id, name, type, description, contact_name, contact_email, contact_phone, business_registration, tax_id, revenue_split_percentage, payment_terms, minimum_payout_cfa, venues, status, verified_at, verified_by_user_id, auto_approve_redemptions, notification_preferences, created_at, updated_at, deleted_at) ON packs.partners TO lango_member;
GRANT SELECT (id, name, type, description, contact_name, contact_email, contact_phone, business_registration, tax_id, revenue_split_percentage, payment_terms, minimum_payout_cfa, venues, status, verified_at, verified_by_user_id, auto_approve_redemptions, notification_preferences, created_at, updated_at, deleted_at) ON packs.partners TO lango_staff;
CREATE POLICY lango_member ON packs.partners FOR SELECT TO lango_member USING (deleted_at IS NULL AND ((id = ANY ((SELECT lango.my_partners())::uuid[]))));
CREATE POLICY lango_staff ON packs.partners FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON packs.partners TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON packs.partners TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON packs.partners TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON packs.partners FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON packs.partners FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'active>suspended', 'active>terminated', 'pending>active', 'pending>terminated', 'suspended>active', 'suspended>terminated');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON packs.partners FOR EACH ROW EXECUTE FUNCTION lango.audit('partner', 'id', '', 'contact_name,contact_email,contact_phone,tax_id', '');

CREATE TABLE packs.sponsor_campaigns (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    sponsor_company_name VARCHAR(255) NOT NULL,
    campaign_name VARCHAR(255) NOT NULL,
    description TEXT,
    target_demographics JSONB,
    pack_categories TEXT[],
    points_multiplier NUMERIC(3, 2) DEFAULT 1.5,
    budget_cfa INTEGER NOT NULL,
    spent_cfa INTEGER DEFAULT 0 NOT NULL,
    starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    status VARCHAR(20) DEFAULT 'draft',
    impressions INTEGER DEFAULT 0,
    clicks INTEGER DEFAULT 0,
    conversions INTEGER DEFAULT 0,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_sponsor_campaigns PRIMARY KEY (id),
    CONSTRAINT ck_sponsor_campaigns_status_is_known CHECK (status IN ('draft', 'active', 'paused', 'completed')),
    CONSTRAINT ck_sponsor_campaigns_times_are_finite CHECK (starts_at >= '0001-01-01' AND starts_at < '9999-01-01' AND ends_at >= '0001-01-01' AND ends_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01'),
    CONSTRAINT ck_sponsor_campaigns_numbers_are_real CHECK (points_multiplier <> 'NaN')
);

COMMENT ON TABLE packs.sponsor_campaigns IS 'A company''s campaign that multiplies the points referrals earn, until its budget is spent.';
COMMENT ON COLUMN packs.sponsor_campaigns.id IS 'The row''s key.';
COMMENT ON COLUMN packs.sponsor_campaigns.sponsor_company_name IS 'The company that pays for the boost.';
COMMENT ON COLUMN packs.sponsor_campaigns.campaign_name IS 'What the company calls it.';
COMMENT ON COLUMN packs.sponsor_campaigns.description IS 'What it is about; null without a text.';
COMMENT ON COLUMN packs.sponsor_campaigns.target_demographics IS 'Whom it is for, by age, region and interests; null for everyone.';
COMMENT ON COLUMN packs.sponsor_campaigns.pack_categories IS 'The categories of packs it boosts; null for all.';
COMMENT ON COLUMN packs.sponsor_campaigns.points_multiplier IS 'What earned points are multiplied by: 1.50 gives half as many again.';
COMMENT ON COLUMN packs.sponsor_campaigns.budget_cfa IS 'The most its extra points may cost, in CFA francs.';
COMMENT ON COLUMN packs.sponsor_campaigns.spent_cfa IS 'What its extra points have cost so far, in CFA francs; never above the budget.';
COMMENT ON COLUMN packs.sponsor_campaigns.starts_at IS 'When it begins.';
COMMENT ON COLUMN packs.sponsor_campaigns.ends_at IS 'When it ends.';
COMMENT ON COLUMN packs.sponsor_campaigns.status IS 'Where it stands.';
COMMENT ON COLUMN packs.sponsor_campaigns.impressions IS 'How often it was shown.';
COMMENT ON COLUMN packs.sponsor_campaigns.clicks IS 'How often it was clicked on.';
COMMENT ON COLUMN packs.sponsor_campaigns.conversions IS 'How often it did what it is for, and somebody earned boosted points.';
COMMENT ON COLUMN packs.sponsor_campaigns.created_at IS 'When the row was written.';
COMMENT ON COLUMN packs.sponsor_campaigns.updated_at IS 'When the row was last changed.';
ALTER TABLE packs.sponsor_campaigns ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, sponsor_company_name, campaign_name, description, target_demographics, pack_categories, points_multiplier, budget_cfa, spent_cfa, starts_at, ends_at, status, impressions, clicks, conversions, created_at, updated_at) ON packs.sponsor_campaigns TO lango_anonymous;
GRANT SELECT (id, sponsor_company_name, campaign_name, description, target_demographics, pack_categories, points_multiplier, budget_cfa, spent_cfa, starts_at, ends_at, status, impressions, clicks, conversions, created_at, updated_at) ON packs.sponsor_campaigns TO lango_member;
GRANT SELECT (id, sponsor_company_name, campaign_name, description, target_demographics, pack_categories, points_multiplier, budget_cfa, spent_cfa, starts_at, ends_at, status, impressions, clicks, conversions, created_at, updated_at) ON packs.sponsor_campaigns TO lango_staff;
CREATE POLICY lango_member ON packs.sponsor_campaigns FOR SELECT TO lango_member USING ((false));
CREATE POLICY lango_staff ON packs.sponsor_campaigns FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON packs.sponsor_campaigns TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON packs.sponsor_campaigns TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON packs.sponsor_campaigns TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON packs.sponsor_campaigns FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON packs.sponsor_campaigns FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'active>completed', 'active>paused', 'draft>active', 'paused>active', 'paused>completed');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON packs.sponsor_campaigns FOR EACH ROW EXECUTE FUNCTION lango.audit('sponsor_campaign', 'id', '', '', '');

CREATE TABLE packs.partner_members (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    partner_id UUID NOT NULL,
    user_id UUID NOT NULL,
    role TEXT DEFAULT 'cashier' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_partner_members PRIMARY KEY (id),
    CONSTRAINT uq_partner_members_partner_id_user_id UNIQUE (partner_id, user_id),
    CONSTRAINT ck_partner_members_role_is_known CHECK (role IN ('owner', 'manager', 'cashier')),
    CONSTRAINT ck_partner_members_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01')
);
CREATE INDEX ix_partner_members_user_id ON packs.partner_members (user_id);

COMMENT ON TABLE packs.partner_members IS 'Somebody who may act for a partner.';
COMMENT ON COLUMN packs.partner_members.id IS 'The row''s key.';
COMMENT ON COLUMN packs.partner_members.partner_id IS 'The partner the user acts for.';
COMMENT ON COLUMN packs.partner_members.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN packs.partner_members.role IS 'What the user may do for it.';
COMMENT ON COLUMN packs.partner_members.created_at IS 'When the row was written.';
ALTER TABLE packs.partner_members ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, partner_id, user_id, role, created_at) ON packs.partner_members TO lango_anonymous;
GRANT SELECT (id, partner_id, user_id, role, created_at) ON packs.partner_members TO lango_member;
GRANT SELECT (id, partner_id, user_id, role, created_at) ON packs.partner_members TO lango_staff;
CREATE POLICY lango_member ON packs.partner_members FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[])) OR (partner_id = ANY ((SELECT lango.my_managed_partners())::uuid[]))));
CREATE POLICY lango_staff ON packs.partner_members FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON packs.partner_members TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON packs.partner_members TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON packs.partner_members TO lango_rules, lango_worker;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON packs.partner_members FOR EACH ROW EXECUTE FUNCTION lango.audit('partner_member', 'id', '', '', '');

ALTER TABLE packs.packs ADD CONSTRAINT fk_packs_partner_id FOREIGN KEY(partner_id) REFERENCES packs.partners (id);

ALTER TABLE packs.partners ADD CONSTRAINT fk_partners_verified_by_user_id FOREIGN KEY(verified_by_user_id) REFERENCES identity.users (id);

ALTER TABLE packs.partner_members ADD CONSTRAINT fk_partner_members_partner_id FOREIGN KEY(partner_id) REFERENCES packs.partners (id) ON DELETE CASCADE;

ALTER TABLE packs.partner_members ADD CONSTRAINT fk_partner_members_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

CREATE VIEW packs.public_partners WITH (security_barrier) AS
SELECT p.id, p.name, p.type, p.description, p.venues
FROM packs.partners p
WHERE p.status = 'active' AND p.deleted_at IS NULL;

COMMENT ON VIEW packs.public_partners IS 'What anyone may see of an active partner.';
COMMENT ON COLUMN packs.public_partners.id IS 'The row''s key.';
COMMENT ON COLUMN packs.public_partners.name IS 'The name over the door.';
COMMENT ON COLUMN packs.public_partners.type IS 'What kind of place it is, such as cinema or restaurant.';
COMMENT ON COLUMN packs.public_partners.description IS 'What the partner says of itself.';
COMMENT ON COLUMN packs.public_partners.venues IS 'The places where its packs are redeemed: a list of id, name and address.';
GRANT SELECT (id, name, type, description, venues) ON packs.public_partners TO lango_anonymous, lango_member, lango_staff;

CREATE VIEW packs.active_campaigns WITH (security_barrier) AS
SELECT c.id, c.sponsor_company_name, c.campaign_name, c.description, c.pack_categories,
       c.points_multiplier, c.starts_at, c.ends_at
FROM packs.sponsor_campaigns c
WHERE c.status = 'active' AND c.starts_at <= now() AND now() < c.ends_at;

COMMENT ON VIEW packs.active_campaigns IS 'What anyone may see of a sponsor''s campaign while it runs.';
COMMENT ON COLUMN packs.active_campaigns.id IS 'The row''s key.';
COMMENT ON COLUMN packs.active_campaigns.sponsor_company_name IS 'The company that pays for the boost.';
COMMENT ON COLUMN packs.active_campaigns.campaign_name IS 'The campaign''s name.';
COMMENT ON COLUMN packs.active_campaigns.description IS 'What the campaign is about.';
COMMENT ON COLUMN packs.active_campaigns.pack_categories IS 'The categories of packs it boosts.';
COMMENT ON COLUMN packs.active_campaigns.points_multiplier IS 'What earned points are multiplied by.';
COMMENT ON COLUMN packs.active_campaigns.starts_at IS 'When it began.';
COMMENT ON COLUMN packs.active_campaigns.ends_at IS 'When it ends.';
GRANT SELECT (id, sponsor_company_name, campaign_name, description, pack_categories, points_multiplier, starts_at, ends_at) ON packs.active_campaigns TO lango_anonymous, lango_member, lango_staff;
