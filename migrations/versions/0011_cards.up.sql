-- Corporate cards: accounts, limits, transactions.

CREATE SCHEMA cards;

COMMENT ON SCHEMA cards IS 'Corporate cards: accounts and their members, cards, what they may be spent on, and what was spent.';
GRANT USAGE ON SCHEMA cards TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE TABLE cards.accounts (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    name VARCHAR(255) NOT NULL,
    balance NUMERIC(10, 2) DEFAULT 0 NOT NULL,
    currency VARCHAR(3) DEFAULT 'USD' NOT NULL,
    status VARCHAR(20) DEFAULT 'active' NOT NULL,
    lithic_account_token VARCHAR(255),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_accounts PRIMARY KEY (id),
    CONSTRAINT ck_accounts_balance_is_not_negative CHECK (balance >= 0),
    CONSTRAINT ck_accounts_status_is_known CHECK (status IN ('active', 'suspended', 'closed')),
    CONSTRAINT ck_accounts_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND deleted_at >= '0001-01-01' AND deleted_at < '9999-01-01'),
    CONSTRAINT ck_accounts_numbers_are_real CHECK (balance <> 'NaN')
);
CREATE UNIQUE INDEX uq_accounts_lithic_account_token ON cards.accounts (lithic_account_token) WHERE deleted_at IS NULL;

COMMENT ON TABLE cards.accounts IS 'An account that cards are paid from, shared by its members.';
COMMENT ON COLUMN cards.accounts.id IS 'The row''s key.';
COMMENT ON COLUMN cards.accounts.name IS 'What its members call it.';
COMMENT ON COLUMN cards.accounts.balance IS 'What its cards can still spend, in `currency`; never below zero.';
COMMENT ON COLUMN cards.accounts.currency IS 'What it is counted in, as an ISO 4217 code such as `USD`.';
COMMENT ON COLUMN cards.accounts.status IS 'Where it stands.';
COMMENT ON COLUMN cards.accounts.lithic_account_token IS 'Lithic''s key of it; null until Lithic knows it.';
COMMENT ON COLUMN cards.accounts.created_at IS 'When the row was written.';
COMMENT ON COLUMN cards.accounts.updated_at IS 'When the row was last changed.';
COMMENT ON COLUMN cards.accounts.deleted_at IS 'When it was deleted; null while it lives. Deleted rows are staff''s.';
ALTER TABLE cards.accounts ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, name, balance, currency, status, lithic_account_token, created_at, updated_at, deleted_at) ON cards.accounts TO lango_anonymous;
GRANT SELECT (id, name, balance, currency, status, lithic_account_token, created_at, updated_at, deleted_at) ON cards.accounts TO lango_member;
GRANT SELECT (id, name, balance, currency, status, lithic_account_token, created_at, updated_at, deleted_at) ON cards.accounts TO lango_staff;
CREATE POLICY lango_member ON cards.accounts FOR SELECT TO lango_member USING (deleted_at IS NULL AND ((id = ANY ((SELECT lango.my_card_accounts())::uuid[]))));
CREATE POLICY lango_staff ON cards.accounts FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON cards.accounts TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON cards.accounts TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cards.accounts TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON cards.accounts FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON cards.accounts FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'active>closed', 'active>suspended', 'suspended>active', 'suspended>closed');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON cards.accounts FOR EACH ROW EXECUTE FUNCTION lango.audit('card_account', 'id', '', '', 'id');

CREATE TABLE cards.account_members (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    account_id UUID NOT NULL,
    user_id UUID NOT NULL,
    role VARCHAR(20) DEFAULT 'user' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_account_members PRIMARY KEY (id),
    CONSTRAINT uq_account_members_account_id_user_id UNIQUE (account_id, user_id),
    CONSTRAINT ck_account_members_role_is_known CHECK (role IN ('owner', 'admin', 'user', 'analyst')),
    CONSTRAINT ck_account_members_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01')
);
CREATE INDEX ix_account_members_user_id ON cards.account_members (user_id);

COMMENT ON TABLE cards.account_members IS 'Somebody who is on a card account; one user may be on several.';
COMMENT ON COLUMN cards.account_members.id IS 'The row''s key.';
COMMENT ON COLUMN cards.account_members.account_id IS 'The card account the user is on.';
COMMENT ON COLUMN cards.account_members.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN cards.account_members.role IS 'What the user may do on it.';
COMMENT ON COLUMN cards.account_members.created_at IS 'When the row was written.';
COMMENT ON COLUMN cards.account_members.updated_at IS 'When the row was last changed.';
ALTER TABLE cards.account_members ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, account_id, user_id, role, created_at, updated_at) ON cards.account_members TO lango_anonymous;
GRANT SELECT (id, account_id, user_id, role, created_at, updated_at) ON cards.account_members TO lango_member;
GRANT SELECT (id, account_id, user_id, role, created_at, updated_at) ON cards.account_members TO lango_staff;
CREATE POLICY lango_member ON cards.account_members FOR SELECT TO lango_member USING (((account_id = ANY ((SELECT lango.my_card_accounts())::uuid[]))));
CREATE POLICY lango_staff ON cards.account_members FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON cards.account_members TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON cards.account_members TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cards.account_members TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON cards.account_members FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON cards.account_members FOR EACH ROW EXECUTE FUNCTION lango.audit('card_account_member', 'id', '', '', 'account_id');

CREATE TABLE cards.account_settings (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    account_id UUID NOT NULL,
    key VARCHAR(255) NOT NULL,
    value JSONB,
    value_type VARCHAR(20) NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_account_settings PRIMARY KEY (id),
    CONSTRAINT uq_account_settings_account_id_key UNIQUE (account_id, key),
    CONSTRAINT ck_account_settings_value_type_is_known CHECK (value_type IN ('string', 'number', 'boolean', 'json')),
    CONSTRAINT ck_account_settings_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01')
);

COMMENT ON TABLE cards.account_settings IS 'A setting of a card account.';
COMMENT ON COLUMN cards.account_settings.id IS 'The row''s key.';
COMMENT ON COLUMN cards.account_settings.account_id IS 'The card account it belongs to.';
COMMENT ON COLUMN cards.account_settings.key IS 'What programs read it by, such as `max_cards_per_user`.';
COMMENT ON COLUMN cards.account_settings.value IS 'The value as JSON; null where it is set to nothing.';
COMMENT ON COLUMN cards.account_settings.value_type IS 'What kind of value it is.';
COMMENT ON COLUMN cards.account_settings.created_at IS 'When the row was written.';
COMMENT ON COLUMN cards.account_settings.updated_at IS 'When the row was last changed.';
ALTER TABLE cards.account_settings ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, account_id, key, value, value_type, created_at, updated_at) ON cards.account_settings TO lango_anonymous;
GRANT SELECT (id, account_id, key, value, value_type, created_at, updated_at) ON cards.account_settings TO lango_member;
GRANT SELECT (id, account_id, key, value, value_type, created_at, updated_at) ON cards.account_settings TO lango_staff;
CREATE POLICY lango_member ON cards.account_settings FOR SELECT TO lango_member USING (((account_id = ANY ((SELECT lango.my_managed_card_accounts())::uuid[]))));
CREATE POLICY lango_staff ON cards.account_settings FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON cards.account_settings TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON cards.account_settings TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cards.account_settings TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON cards.account_settings FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON cards.account_settings FOR EACH ROW EXECUTE FUNCTION lango.audit('account_setting', 'id', '', '', 'account_id');

CREATE TABLE cards.addresses (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    addressable_type VARCHAR(20) NOT NULL,
    addressable_id UUID NOT NULL,
    address_type VARCHAR(20) NOT NULL,
    street_line1 VARCHAR(255) NOT NULL,
    street_line2 VARCHAR(255),
    city VARCHAR(255) NOT NULL,
    state VARCHAR(2) NOT NULL,
    postal_code VARCHAR(10) NOT NULL,
    country VARCHAR(2) DEFAULT 'US' NOT NULL,
    is_primary BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_addresses PRIMARY KEY (id),
    CONSTRAINT ck_addresses_addressable_type_is_known CHECK (addressable_type IN ('account', 'user')),
    CONSTRAINT ck_addresses_address_type_is_known CHECK (address_type IN ('billing', 'shipping', 'business')),
    CONSTRAINT ck_addresses_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND deleted_at >= '0001-01-01' AND deleted_at < '9999-01-01')
);
CREATE INDEX ix_addresses_addressable_type_addressable_id ON cards.addresses (addressable_type, addressable_id);

COMMENT ON TABLE cards.addresses IS 'A postal address of a card account or of a user.';
COMMENT ON COLUMN cards.addresses.id IS 'The row''s key.';
COMMENT ON COLUMN cards.addresses.addressable_type IS 'Whose address it is.';
COMMENT ON COLUMN cards.addresses.addressable_id IS 'The card account''s or user''s key, as `addressable_type` says.';
COMMENT ON COLUMN cards.addresses.address_type IS 'What it is used for.';
COMMENT ON COLUMN cards.addresses.street_line1 IS 'Street and number.';
COMMENT ON COLUMN cards.addresses.street_line2 IS 'What else leads to the door; null where nothing.';
COMMENT ON COLUMN cards.addresses.city IS 'Town or city.';
COMMENT ON COLUMN cards.addresses.state IS 'The state, as its code of two letters, such as `NY`.';
COMMENT ON COLUMN cards.addresses.postal_code IS 'The postal or ZIP code.';
COMMENT ON COLUMN cards.addresses.country IS 'ISO 3166-1 code of two letters, as in `US`.';
COMMENT ON COLUMN cards.addresses.is_primary IS 'Whether it is used where there are several.';
COMMENT ON COLUMN cards.addresses.created_at IS 'When the row was written.';
COMMENT ON COLUMN cards.addresses.updated_at IS 'When the row was last changed.';
COMMENT ON COLUMN cards.addresses.deleted_at IS 'When it was deleted; null while it lives. Deleted rows are staff''s.';
ALTER TABLE cards.addresses ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, addressable_type, addressable_id, address_type, street_line1, street_line2, city, state, postal_code, country, is_primary, created_at, updated_at, deleted_at) ON cards.addresses TO lango_anonymous;
GRANT SELECT (id, addressable_type, addressable_id, address_type, street_line1, street_line2, city, state, postal_code, country, is_primary, created_at, updated_at, deleted_at) ON cards.addresses TO lango_member;
GRANT SELECT (id, addressable_type, addressable_id, address_type, street_line1, street_line2, city, state, postal_code, country, is_primary, created_at, updated_at, deleted_at) ON cards.addresses TO lango_staff;
CREATE POLICY lango_member ON cards.addresses FOR SELECT TO lango_member USING (deleted_at IS NULL AND (((addressable_type = 'user') AND (addressable_id = ANY ((SELECT lango.my_people())::uuid[]))) OR ((addressable_type = 'account') AND (addressable_id = ANY ((SELECT lango.my_card_accounts())::uuid[])))));
CREATE POLICY lango_staff ON cards.addresses FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON cards.addresses TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON cards.addresses TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cards.addresses TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON cards.addresses FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON cards.addresses FOR EACH ROW EXECUTE FUNCTION lango.audit('address', 'id', '', 'street_line1,street_line2,city,state,postal_code,country', '');

CREATE TABLE cards.spending_profiles (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    account_id UUID NOT NULL,
    name VARCHAR(255) NOT NULL,
    description TEXT,
    lithic_auth_rule_token VARCHAR(255),
    is_active BOOLEAN DEFAULT true NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_spending_profiles PRIMARY KEY (id),
    CONSTRAINT ck_spending_profiles_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND deleted_at >= '0001-01-01' AND deleted_at < '9999-01-01')
);
CREATE INDEX ix_spending_profiles_account_id ON cards.spending_profiles (account_id);
CREATE UNIQUE INDEX uq_spending_profiles_account_id_name ON cards.spending_profiles (account_id, name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX uq_spending_profiles_lithic_auth_rule_token ON cards.spending_profiles (lithic_auth_rule_token) WHERE deleted_at IS NULL;

COMMENT ON TABLE cards.spending_profiles IS 'Rules on where cards may pay, for all the cards that follow it.';
COMMENT ON COLUMN cards.spending_profiles.id IS 'The row''s key.';
COMMENT ON COLUMN cards.spending_profiles.account_id IS 'The card account it belongs to.';
COMMENT ON COLUMN cards.spending_profiles.name IS 'What its members call it; no two on an account are called the same.';
COMMENT ON COLUMN cards.spending_profiles.description IS 'What it is for; null without a text.';
COMMENT ON COLUMN cards.spending_profiles.lithic_auth_rule_token IS 'Lithic''s key of the same rule; null where Lithic has none.';
COMMENT ON COLUMN cards.spending_profiles.is_active IS 'Whether it applies.';
COMMENT ON COLUMN cards.spending_profiles.created_at IS 'When the row was written.';
COMMENT ON COLUMN cards.spending_profiles.updated_at IS 'When the row was last changed.';
COMMENT ON COLUMN cards.spending_profiles.deleted_at IS 'When it was deleted; null while it lives. Deleted rows are staff''s.';
ALTER TABLE cards.spending_profiles ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, account_id, name, description, lithic_auth_rule_token, is_active, created_at, updated_at, deleted_at) ON cards.spending_profiles TO lango_anonymous;
GRANT SELECT (id, account_id, name, description, lithic_auth_rule_token, is_active, created_at, updated_at, deleted_at) ON cards.spending_profiles TO lango_member;
GRANT SELECT (id, account_id, name, description, lithic_auth_rule_token, is_active, created_at, updated_at, deleted_at) ON cards.spending_profiles TO lango_staff;
CREATE POLICY lango_member ON cards.spending_profiles FOR SELECT TO lango_member USING (deleted_at IS NULL AND ((account_id = ANY ((SELECT lango.my_card_accounts())::uuid[]))));
CREATE POLICY lango_staff ON cards.spending_profiles FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON cards.spending_profiles TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON cards.spending_profiles TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cards.spending_profiles TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON cards.spending_profiles FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON cards.spending_profiles FOR EACH ROW EXECUTE FUNCTION lango.audit('spending_profile', 'id', '', '', 'account_id');

CREATE TABLE cards.spending_categories (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    mcc_code VARCHAR(4) NOT NULL,
    category_name VARCHAR(255) NOT NULL,
    category_group VARCHAR(255),
    is_high_risk BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_spending_categories PRIMARY KEY (id),
    CONSTRAINT uq_spending_categories_mcc_code UNIQUE (mcc_code),
    CONSTRAINT ck_spending_categories_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01')
);

COMMENT ON TABLE cards.spending_categories IS 'A line of business of merchants, as card networks number them.';
COMMENT ON COLUMN cards.spending_categories.id IS 'The row''s key.';
COMMENT ON COLUMN cards.spending_categories.mcc_code IS 'Its code of four digits (MCC).';
COMMENT ON COLUMN cards.spending_categories.category_name IS 'What it is called, such as `Gas Stations`.';
COMMENT ON COLUMN cards.spending_categories.category_group IS 'The larger group it is in, such as `Transportation`; null where it is in none.';
COMMENT ON COLUMN cards.spending_categories.is_high_risk IS 'Whether payments there are taken for risky, as with gambling.';
COMMENT ON COLUMN cards.spending_categories.created_at IS 'When the row was written.';
COMMENT ON COLUMN cards.spending_categories.updated_at IS 'When the row was last changed.';
ALTER TABLE cards.spending_categories ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, mcc_code, category_name, category_group, is_high_risk, created_at, updated_at) ON cards.spending_categories TO lango_anonymous;
GRANT SELECT (id, mcc_code, category_name, category_group, is_high_risk, created_at, updated_at) ON cards.spending_categories TO lango_member;
GRANT SELECT (id, mcc_code, category_name, category_group, is_high_risk, created_at, updated_at) ON cards.spending_categories TO lango_staff;
CREATE POLICY lango_anonymous ON cards.spending_categories FOR SELECT TO lango_anonymous USING (((true)));
CREATE POLICY lango_member ON cards.spending_categories FOR SELECT TO lango_member USING (((true)));
CREATE POLICY lango_staff ON cards.spending_categories FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON cards.spending_categories TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON cards.spending_categories TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cards.spending_categories TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON cards.spending_categories FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON cards.spending_categories FOR EACH ROW EXECUTE FUNCTION lango.audit('spending_category', 'id', '', '', '');

CREATE TABLE cards.profile_categories (
    spending_profile_id UUID NOT NULL,
    spending_category_id UUID NOT NULL,
    rule_type VARCHAR(20) NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_profile_categories PRIMARY KEY (spending_profile_id, spending_category_id),
    CONSTRAINT ck_profile_categories_rule_type_is_known CHECK (rule_type IN ('allowed', 'blocked')),
    CONSTRAINT ck_profile_categories_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01')
);
CREATE INDEX ix_profile_categories_spending_category_id ON cards.profile_categories (spending_category_id);

COMMENT ON TABLE cards.profile_categories IS 'Whether one spending profile allows or blocks one category of merchants.';
COMMENT ON COLUMN cards.profile_categories.spending_profile_id IS 'The spending profile that says so.';
COMMENT ON COLUMN cards.profile_categories.spending_category_id IS 'The category it says it about.';
COMMENT ON COLUMN cards.profile_categories.rule_type IS 'What it says about the category.';
COMMENT ON COLUMN cards.profile_categories.created_at IS 'When the row was written.';
COMMENT ON COLUMN cards.profile_categories.updated_at IS 'When the row was last changed.';
ALTER TABLE cards.profile_categories ENABLE ROW LEVEL SECURITY;
GRANT SELECT (spending_profile_id, spending_category_id, rule_type, created_at, updated_at) ON cards.profile_categories TO lango_anonymous;
GRANT SELECT (spending_profile_id, spending_category_id, rule_type, created_at, updated_at) ON cards.profile_categories TO lango_member;
GRANT SELECT (spending_profile_id, spending_category_id, rule_type, created_at, updated_at) ON cards.profile_categories TO lango_staff;
CREATE POLICY lango_member ON cards.profile_categories FOR SELECT TO lango_member USING (((spending_profile_id = ANY ((SELECT lango.my_spending_profiles())::uuid[]))));
CREATE POLICY lango_staff ON cards.profile_categories FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON cards.profile_categories TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON cards.profile_categories TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cards.profile_categories TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON cards.profile_categories FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON cards.profile_categories FOR EACH ROW EXECUTE FUNCTION lango.audit('profile_category', 'spending_profile_id,spending_category_id', '', '', '');

CREATE TABLE cards.card_products (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    account_id UUID NOT NULL,
    name VARCHAR(255) NOT NULL,
    card_type VARCHAR(20) NOT NULL,
    default_spend_limit NUMERIC(10, 2),
    default_spend_limit_duration VARCHAR(20),
    default_spending_profile_id UUID,
    card_design VARCHAR(255),
    is_active BOOLEAN DEFAULT true NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_card_products PRIMARY KEY (id),
    CONSTRAINT ck_card_products_limit_is_not_negative CHECK (default_spend_limit >= 0),
    CONSTRAINT ck_card_products_card_type_is_known CHECK (card_type IN ('debit', 'reloadable')),
    CONSTRAINT ck_card_products_default_spend_limit_duration_is_known CHECK (default_spend_limit_duration IN ('TRANSACTION', 'MONTHLY', 'ANNUALLY', 'FOREVER')),
    CONSTRAINT ck_card_products_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND deleted_at >= '0001-01-01' AND deleted_at < '9999-01-01'),
    CONSTRAINT ck_card_products_numbers_are_real CHECK (default_spend_limit <> 'NaN')
);
CREATE INDEX ix_card_products_account_id ON cards.card_products (account_id);
CREATE INDEX ix_card_products_default_spending_profile_id ON cards.card_products (default_spending_profile_id);

COMMENT ON TABLE cards.card_products IS 'What cards are issued from: their kind, and the limit and rules they begin with.';
COMMENT ON COLUMN cards.card_products.id IS 'The row''s key.';
COMMENT ON COLUMN cards.card_products.account_id IS 'The card account it belongs to.';
COMMENT ON COLUMN cards.card_products.name IS 'What its members call it, such as `Travel Card`.';
COMMENT ON COLUMN cards.card_products.card_type IS 'Where the cards'' money comes from.';
COMMENT ON COLUMN cards.card_products.default_spend_limit IS 'The limit a card begins with, in the account''s currency; null for none.';
COMMENT ON COLUMN cards.card_products.default_spend_limit_duration IS 'What that limit is counted over; null without a limit.';
COMMENT ON COLUMN cards.card_products.default_spending_profile_id IS 'The rules a card begins with; null for none.';
COMMENT ON COLUMN cards.card_products.card_design IS 'Which picture is on the card; null for the plain one.';
COMMENT ON COLUMN cards.card_products.is_active IS 'Whether cards may be issued from it.';
COMMENT ON COLUMN cards.card_products.created_at IS 'When the row was written.';
COMMENT ON COLUMN cards.card_products.updated_at IS 'When the row was last changed.';
COMMENT ON COLUMN cards.card_products.deleted_at IS 'When it was deleted; null while it lives. Deleted rows are staff''s.';
ALTER TABLE cards.card_products ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, account_id, name, card_type, default_spend_limit, default_spend_limit_duration, default_spending_profile_id, card_design, is_active, created_at, updated_at, deleted_at) ON cards.card_products TO lango_anonymous;
GRANT SELECT (id, account_id, name, card_type, default_spend_limit, default_spend_limit_duration, default_spending_profile_id, card_design, is_active, created_at, updated_at, deleted_at) ON cards.card_products TO lango_member;
GRANT SELECT (id, account_id, name, card_type, default_spend_limit, default_spend_limit_duration, default_spending_profile_id, card_design, is_active, created_at, updated_at, deleted_at) ON cards.card_products TO lango_staff;
CREATE POLICY lango_member ON cards.card_products FOR SELECT TO lango_member USING (deleted_at IS NULL AND ((account_id = ANY ((SELECT lango.my_card_accounts())::uuid[]))));
CREATE POLICY lango_staff ON cards.card_products FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON cards.card_products TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON cards.card_products TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cards.card_products TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON cards.card_products FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON cards.card_products FOR EACH ROW EXECUTE FUNCTION lango.audit('card_product', 'id', '', '', 'account_id');

CREATE TABLE cards.cards (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    account_id UUID NOT NULL,
    user_id UUID NOT NULL,
    card_product_id UUID,
    spending_profile_id UUID,
    lithic_card_token VARCHAR(255),
    card_type VARCHAR(20) NOT NULL,
    last_four VARCHAR(4),
    memo VARCHAR(255),
    status VARCHAR(20) DEFAULT 'pending' NOT NULL,
    spend_limit NUMERIC(10, 2),
    spend_limit_duration VARCHAR(20),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_cards PRIMARY KEY (id),
    CONSTRAINT ck_cards_limit_is_not_negative CHECK (spend_limit >= 0),
    CONSTRAINT ck_cards_card_type_is_known CHECK (card_type IN ('debit', 'reloadable')),
    CONSTRAINT ck_cards_status_is_known CHECK (status IN ('pending', 'active', 'paused', 'closed')),
    CONSTRAINT ck_cards_spend_limit_duration_is_known CHECK (spend_limit_duration IN ('TRANSACTION', 'MONTHLY', 'ANNUALLY', 'FOREVER')),
    CONSTRAINT ck_cards_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND deleted_at >= '0001-01-01' AND deleted_at < '9999-01-01'),
    CONSTRAINT ck_cards_numbers_are_real CHECK (spend_limit <> 'NaN')
);
CREATE INDEX ix_cards_account_id ON cards.cards (account_id);
CREATE INDEX ix_cards_card_product_id ON cards.cards (card_product_id);
CREATE INDEX ix_cards_spending_profile_id ON cards.cards (spending_profile_id);
CREATE INDEX ix_cards_user_id ON cards.cards (user_id);
CREATE UNIQUE INDEX uq_cards_lithic_card_token ON cards.cards (lithic_card_token) WHERE deleted_at IS NULL;

COMMENT ON TABLE cards.cards IS 'A card with which one member pays from a card account.';
COMMENT ON COLUMN cards.cards.id IS 'The row''s key.';
COMMENT ON COLUMN cards.cards.account_id IS 'The card account it pays from.';
COMMENT ON COLUMN cards.cards.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN cards.cards.card_product_id IS 'What it was issued from; null where from nothing.';
COMMENT ON COLUMN cards.cards.spending_profile_id IS 'The rules on where it may pay; null for none.';
COMMENT ON COLUMN cards.cards.lithic_card_token IS 'Lithic''s key of it; null until Lithic has made it.';
COMMENT ON COLUMN cards.cards.card_type IS 'Where its money comes from.';
COMMENT ON COLUMN cards.cards.last_four IS 'The last four digits of its number; null until Lithic has made it.';
COMMENT ON COLUMN cards.cards.memo IS 'What it is called, to tell it from others; null without a name.';
COMMENT ON COLUMN cards.cards.status IS 'Where it stands.';
COMMENT ON COLUMN cards.cards.spend_limit IS 'The most it may spend over `spend_limit_duration`, in the account''s currency; null for no limit.';
COMMENT ON COLUMN cards.cards.spend_limit_duration IS 'What the limit is counted over; null without a limit.';
COMMENT ON COLUMN cards.cards.created_at IS 'When the row was written.';
COMMENT ON COLUMN cards.cards.updated_at IS 'When the row was last changed.';
COMMENT ON COLUMN cards.cards.deleted_at IS 'When it was deleted; null while it lives. Deleted rows are staff''s.';
ALTER TABLE cards.cards ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, account_id, user_id, card_product_id, spending_profile_id, lithic_card_token, card_type, last_four, memo, status, spend_limit, spend_limit_duration, created_at, updated_at, deleted_at) ON cards.cards TO lango_anonymous;
GRANT SELECT (id, account_id, user_id, card_product_id, spending_profile_id, lithic_card_token, card_type, last_four, memo, status, spend_limit, spend_limit_duration, created_at, updated_at, deleted_at) ON cards.cards TO lango_member;
GRANT SELECT (id, account_id, user_id, card_product_id, spending_profile_id, lithic_card_token, card_type, last_four, memo, status, spend_limit, spend_limit_duration, created_at, updated_at, deleted_at) ON cards.cards TO lango_staff;
CREATE POLICY lango_member ON cards.cards FOR SELECT TO lango_member USING (deleted_at IS NULL AND ((account_id = ANY ((SELECT lango.my_supervised_card_accounts())::uuid[])) OR (user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON cards.cards FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON cards.cards TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON cards.cards TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cards.cards TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON cards.cards FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON cards.cards FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'active>closed', 'active>paused', 'paused>active', 'paused>closed', 'pending>active', 'pending>closed');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON cards.cards FOR EACH ROW EXECUTE FUNCTION lango.audit('card', 'id', '', 'last_four', 'account_id');

CREATE TABLE cards.transactions (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    account_id UUID NOT NULL,
    card_id UUID NOT NULL,
    user_id UUID NOT NULL,
    lithic_transaction_token VARCHAR(255),
    amount NUMERIC(10, 2) NOT NULL,
    currency VARCHAR(3) DEFAULT 'USD' NOT NULL,
    merchant_name VARCHAR(255),
    merchant_category_code VARCHAR(4),
    transaction_type VARCHAR(20) NOT NULL,
    status VARCHAR(20) NOT NULL,
    declined_reason VARCHAR(255),
    transaction_date TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_transactions PRIMARY KEY (id),
    CONSTRAINT uq_transactions_lithic_transaction_token UNIQUE (lithic_transaction_token),
    CONSTRAINT ck_transactions_transaction_type_is_known CHECK (transaction_type IN ('AUTHORIZATION', 'CLEARING', 'REFUND')),
    CONSTRAINT ck_transactions_status_is_known CHECK (status IN ('PENDING', 'APPROVED', 'DECLINED')),
    CONSTRAINT ck_transactions_times_are_finite CHECK (transaction_date >= '0001-01-01' AND transaction_date < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01'),
    CONSTRAINT ck_transactions_numbers_are_real CHECK (amount <> 'NaN')
);
CREATE INDEX ix_transactions_account_id_transaction_date ON cards.transactions (account_id, transaction_date);
CREATE INDEX ix_transactions_card_id_transaction_date ON cards.transactions (card_id, transaction_date);
CREATE INDEX ix_transactions_merchant_category_code ON cards.transactions (merchant_category_code);
CREATE INDEX ix_transactions_transaction_date ON cards.transactions (transaction_date);
CREATE INDEX ix_transactions_user_id ON cards.transactions (user_id);

COMMENT ON TABLE cards.transactions IS 'A payment by card, also one that was declined, or money that came back.';
COMMENT ON COLUMN cards.transactions.id IS 'The row''s key.';
COMMENT ON COLUMN cards.transactions.account_id IS 'The card account it is paid from.';
COMMENT ON COLUMN cards.transactions.card_id IS 'The card it was made with.';
COMMENT ON COLUMN cards.transactions.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN cards.transactions.lithic_transaction_token IS 'Lithic''s key of it; null where Lithic gave none.';
COMMENT ON COLUMN cards.transactions.amount IS 'How much it is, in `currency`; `transaction_type` says which way it goes.';
COMMENT ON COLUMN cards.transactions.currency IS 'What it is counted in, as an ISO 4217 code such as `USD`.';
COMMENT ON COLUMN cards.transactions.merchant_name IS 'The merchant, as the card network names it; null where it does not.';
COMMENT ON COLUMN cards.transactions.merchant_category_code IS 'The merchant''s line of business, as a code of four digits (MCC); null where unknown.';
COMMENT ON COLUMN cards.transactions.transaction_type IS 'What it does.';
COMMENT ON COLUMN cards.transactions.status IS 'What became of it.';
COMMENT ON COLUMN cards.transactions.declined_reason IS 'Why it was declined; null where it was not.';
COMMENT ON COLUMN cards.transactions.transaction_date IS 'When it took place.';
COMMENT ON COLUMN cards.transactions.created_at IS 'When the row was written.';
COMMENT ON COLUMN cards.transactions.updated_at IS 'When the row was last changed.';
ALTER TABLE cards.transactions ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, account_id, card_id, user_id, lithic_transaction_token, amount, currency, merchant_name, merchant_category_code, transaction_type, status, declined_reason, transaction_date, created_at, updated_at) ON cards.transactions TO lango_anonymous;
GRANT SELECT (id, account_id, card_id, user_id, lithic_transaction_token, amount, currency, merchant_name, merchant_category_code, transaction_type, status, declined_reason, transaction_date, created_at, updated_at) ON cards.transactions TO lango_member;
GRANT SELECT (id, account_id, card_id, user_id, lithic_transaction_token, amount, currency, merchant_name, merchant_category_code, transaction_type, status, declined_reason, transaction_date, created_at, updated_at) ON cards.transactions TO lango_staff;
CREATE POLICY lango_member ON cards.transactions FOR SELECT TO lango_member USING (((account_id = ANY ((SELECT lango.my_supervised_card_accounts())::uuid[])) OR (user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON cards.transactions FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON cards.transactions TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON cards.transactions TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cards.transactions TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON cards.transactions FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON cards.transactions FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'PENDING>APPROVED', 'PENDING>DECLINED');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON cards.transactions FOR EACH ROW EXECUTE FUNCTION lango.audit('card_transaction', 'id', '', 'merchant_name', 'account_id');

CREATE TABLE cards.webhooks (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    account_id UUID,
    event_type VARCHAR(100) NOT NULL,
    payload JSONB NOT NULL,
    status VARCHAR(20) DEFAULT 'pending' NOT NULL,
    processed_at TIMESTAMP WITH TIME ZONE,
    error_message TEXT,
    retry_count INTEGER DEFAULT 0 NOT NULL,
    provider_event_id VARCHAR(255),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_webhooks PRIMARY KEY (id),
    CONSTRAINT uq_webhooks_provider_event_id UNIQUE (provider_event_id),
    CONSTRAINT ck_webhooks_status_is_known CHECK (status IN ('pending', 'processed', 'failed')),
    CONSTRAINT ck_webhooks_times_are_finite CHECK (processed_at >= '0001-01-01' AND processed_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01')
);
CREATE INDEX ix_webhooks_account_id ON cards.webhooks (account_id);
CREATE INDEX ix_webhooks_event_type ON cards.webhooks (event_type);
CREATE INDEX ix_webhooks_status_created_at ON cards.webhooks (status, created_at);

COMMENT ON TABLE cards.webhooks IS 'A webhook from Lithic, kept as it came.';
COMMENT ON COLUMN cards.webhooks.id IS 'The row''s key.';
COMMENT ON COLUMN cards.webhooks.account_id IS 'The card account it is about; null where it is about none.';
COMMENT ON COLUMN cards.webhooks.event_type IS 'What it reports, such as `card_transaction.updated`.';
COMMENT ON COLUMN cards.webhooks.payload IS 'What Lithic sent, whole.';
COMMENT ON COLUMN cards.webhooks.status IS 'Where it stands.';
COMMENT ON COLUMN cards.webhooks.processed_at IS 'When it was acted on; null before.';
COMMENT ON COLUMN cards.webhooks.error_message IS 'Why it could not be acted on; null where that did not happen.';
COMMENT ON COLUMN cards.webhooks.retry_count IS 'How often it was tried again.';
COMMENT ON COLUMN cards.webhooks.provider_event_id IS 'Lithic''s key of it, by which a redelivery is seen as one; null where Lithic gave none.';
COMMENT ON COLUMN cards.webhooks.created_at IS 'When the row was written.';
COMMENT ON COLUMN cards.webhooks.updated_at IS 'When the row was last changed.';
ALTER TABLE cards.webhooks ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, account_id, event_type, payload, status, processed_at, error_message, retry_count, provider_event_id, created_at, updated_at) ON cards.webhooks TO lango_anonymous;
GRANT SELECT (id, account_id, event_type, payload, status, processed_at, error_message, retry_count, provider_event_id, created_at, updated_at) ON cards.webhooks TO lango_member;
GRANT SELECT (id, account_id, event_type, payload, status, processed_at, error_message, retry_count, provider_event_id, created_at, updated_at) ON cards.webhooks TO lango_staff;
CREATE POLICY lango_member ON cards.webhooks FOR SELECT TO lango_member USING (((account_id = ANY ((SELECT lango.my_managed_card_accounts())::uuid[]))));
CREATE POLICY lango_staff ON cards.webhooks FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON cards.webhooks TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON cards.webhooks TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cards.webhooks TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON cards.webhooks FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON cards.webhooks FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'failed>pending', 'failed>processed', 'pending>failed', 'pending>processed');

ALTER TABLE cards.account_members ADD CONSTRAINT fk_account_members_account_id FOREIGN KEY(account_id) REFERENCES cards.accounts (id) ON DELETE CASCADE;

ALTER TABLE cards.account_members ADD CONSTRAINT fk_account_members_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE cards.account_settings ADD CONSTRAINT fk_account_settings_account_id FOREIGN KEY(account_id) REFERENCES cards.accounts (id) ON DELETE CASCADE;

ALTER TABLE cards.spending_profiles ADD CONSTRAINT fk_spending_profiles_account_id FOREIGN KEY(account_id) REFERENCES cards.accounts (id) ON DELETE CASCADE;

ALTER TABLE cards.profile_categories ADD CONSTRAINT fk_profile_categories_spending_category_id FOREIGN KEY(spending_category_id) REFERENCES cards.spending_categories (id) ON DELETE CASCADE;

ALTER TABLE cards.profile_categories ADD CONSTRAINT fk_profile_categories_spending_profile_id FOREIGN KEY(spending_profile_id) REFERENCES cards.spending_profiles (id) ON DELETE CASCADE;

ALTER TABLE cards.card_products ADD CONSTRAINT fk_card_products_account_id FOREIGN KEY(account_id) REFERENCES cards.accounts (id) ON DELETE CASCADE;

ALTER TABLE cards.card_products ADD CONSTRAINT fk_card_products_default_spending_profile_id FOREIGN KEY(default_spending_profile_id) REFERENCES cards.spending_profiles (id);

ALTER TABLE cards.cards ADD CONSTRAINT fk_cards_account_id FOREIGN KEY(account_id) REFERENCES cards.accounts (id) ON DELETE CASCADE;

ALTER TABLE cards.cards ADD CONSTRAINT fk_cards_card_product_id FOREIGN KEY(card_product_id) REFERENCES cards.card_products (id);

ALTER TABLE cards.cards ADD CONSTRAINT fk_cards_spending_profile_id FOREIGN KEY(spending_profile_id) REFERENCES cards.spending_profiles (id);

ALTER TABLE cards.cards ADD CONSTRAINT fk_cards_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE cards.transactions ADD CONSTRAINT fk_transactions_account_id FOREIGN KEY(account_id) REFERENCES cards.accounts (id);

ALTER TABLE cards.transactions ADD CONSTRAINT fk_transactions_card_id FOREIGN KEY(card_id) REFERENCES cards.cards (id);

ALTER TABLE cards.transactions ADD CONSTRAINT fk_transactions_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE cards.webhooks ADD CONSTRAINT fk_webhooks_account_id FOREIGN KEY(account_id) REFERENCES cards.accounts (id);
