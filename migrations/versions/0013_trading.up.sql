-- Peer-to-peer trades with escrow, wallets and prices.

CREATE SCHEMA trading;

COMMENT ON SCHEMA trading IS 'Peer-to-peer trades of coins: orders, escrows, disputes, wallets and prices.';
GRANT USAGE ON SCHEMA trading TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE TABLE trading.crypto_escrows (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    trade_id UUID NOT NULL,
    seller_id UUID NOT NULL,
    buyer_id UUID NOT NULL,
    amount NUMERIC(20, 8) NOT NULL,
    currency TEXT NOT NULL,
    status TEXT DEFAULT 'pending' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    funded_at TIMESTAMP WITH TIME ZONE,
    released_at TIMESTAMP WITH TIME ZONE,
    refunded_at TIMESTAMP WITH TIME ZONE,
    disputed_at TIMESTAMP WITH TIME ZONE,
    expires_at TIMESTAMP WITH TIME ZONE,
    metadata JSONB,
    buyer_amount NUMERIC(20, 8),
    seller_amount NUMERIC(20, 8),
    CONSTRAINT pk_crypto_escrows PRIMARY KEY (id),
    CONSTRAINT ck_crypto_escrows_status_is_known CHECK (status IN ('pending', 'funded', 'released', 'refunded', 'disputed', 'expired', 'split')),
    CONSTRAINT ck_crypto_escrows_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND funded_at >= '0001-01-01' AND funded_at < '9999-01-01' AND released_at >= '0001-01-01' AND released_at < '9999-01-01' AND refunded_at >= '0001-01-01' AND refunded_at < '9999-01-01' AND disputed_at >= '0001-01-01' AND disputed_at < '9999-01-01' AND expires_at >= '0001-01-01' AND expires_at < '9999-01-01'),
    CONSTRAINT ck_crypto_escrows_numbers_are_real CHECK (amount <> 'NaN' AND buyer_amount <> 'NaN' AND seller_amount <> 'NaN')
);
CREATE INDEX ix_crypto_escrows_buyer_id ON trading.crypto_escrows (buyer_id);
CREATE INDEX ix_crypto_escrows_seller_id ON trading.crypto_escrows (seller_id);
CREATE INDEX ix_crypto_escrows_status ON trading.crypto_escrows (status);
CREATE INDEX ix_crypto_escrows_trade_id ON trading.crypto_escrows (trade_id);
CREATE UNIQUE INDEX uq_crypto_escrows_trade_id ON trading.crypto_escrows (trade_id) WHERE status IN ('pending','funded','disputed');

COMMENT ON TABLE trading.crypto_escrows IS 'A seller''s coins, locked for one trade until they are released, refunded or divided.';
COMMENT ON COLUMN trading.crypto_escrows.id IS 'The row''s key.';
COMMENT ON COLUMN trading.crypto_escrows.trade_id IS 'The trade it secures; a trade has one that is not over at most.';
COMMENT ON COLUMN trading.crypto_escrows.seller_id IS 'Whose coins are locked.';
COMMENT ON COLUMN trading.crypto_escrows.buyer_id IS 'Who gets the coins when they are released.';
COMMENT ON COLUMN trading.crypto_escrows.amount IS 'How many coins are to be locked, in `currency`.';
COMMENT ON COLUMN trading.crypto_escrows.currency IS 'Code of the coin: the base of the trade''s pair.';
COMMENT ON COLUMN trading.crypto_escrows.status IS 'Where it stands.';
COMMENT ON COLUMN trading.crypto_escrows.created_at IS 'When the row was written.';
COMMENT ON COLUMN trading.crypto_escrows.funded_at IS 'When the seller''s coins were locked; null before.';
COMMENT ON COLUMN trading.crypto_escrows.released_at IS 'When the coins went to the buyer; null unless they did.';
COMMENT ON COLUMN trading.crypto_escrows.refunded_at IS 'When the coins went back to the seller; null unless they did.';
COMMENT ON COLUMN trading.crypto_escrows.disputed_at IS 'When a dispute stopped it; null unless one did.';
COMMENT ON COLUMN trading.crypto_escrows.expires_at IS 'Until when it must be funded or, once funded, marked paid; null for no limit.';
COMMENT ON COLUMN trading.crypto_escrows.metadata IS 'Further details, as structured data; null without any.';
COMMENT ON COLUMN trading.crypto_escrows.buyer_amount IS 'What the buyer got, in `currency`, less the platform''s fee; null while nothing is decided.';
COMMENT ON COLUMN trading.crypto_escrows.seller_amount IS 'What went back to the seller, in `currency`; null while nothing is decided.';
ALTER TABLE trading.crypto_escrows ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, trade_id, seller_id, buyer_id, amount, currency, status, created_at, funded_at, released_at, refunded_at, disputed_at, expires_at, metadata, buyer_amount, seller_amount) ON trading.crypto_escrows TO lango_anonymous;
GRANT SELECT (id, trade_id, seller_id, buyer_id, amount, currency, status, created_at, funded_at, released_at, refunded_at, disputed_at, expires_at, metadata, buyer_amount, seller_amount) ON trading.crypto_escrows TO lango_member;
GRANT SELECT (id, trade_id, seller_id, buyer_id, amount, currency, status, created_at, funded_at, released_at, refunded_at, disputed_at, expires_at, metadata, buyer_amount, seller_amount) ON trading.crypto_escrows TO lango_staff;
CREATE POLICY lango_member ON trading.crypto_escrows FOR SELECT TO lango_member USING (((buyer_id = ANY ((SELECT lango.my_people())::uuid[]) OR seller_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON trading.crypto_escrows FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON trading.crypto_escrows TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON trading.crypto_escrows TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON trading.crypto_escrows TO lango_rules, lango_worker;
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON trading.crypto_escrows FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'disputed>refunded', 'disputed>released', 'disputed>split', 'funded>disputed', 'funded>refunded', 'funded>released', 'pending>expired', 'pending>funded');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON trading.crypto_escrows FOR EACH ROW EXECUTE FUNCTION lango.audit('crypto_escrow', 'id', '', '', '');

CREATE TABLE trading.crypto_disputes (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    trade_id UUID NOT NULL,
    escrow_id UUID,
    raised_by UUID NOT NULL,
    against_user_id UUID NOT NULL,
    reason TEXT NOT NULL,
    description TEXT,
    evidence JSONB,
    status TEXT DEFAULT 'pending' NOT NULL,
    resolution TEXT,
    resolved_by UUID,
    resolved_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_crypto_disputes PRIMARY KEY (id),
    CONSTRAINT ck_crypto_disputes_status_is_known CHECK (status IN ('pending', 'resolved', 'closed')),
    CONSTRAINT ck_crypto_disputes_times_are_finite CHECK (resolved_at >= '0001-01-01' AND resolved_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01')
);
CREATE INDEX ix_crypto_disputes_against_user_id ON trading.crypto_disputes (against_user_id);
CREATE INDEX ix_crypto_disputes_escrow_id ON trading.crypto_disputes (escrow_id);
CREATE INDEX ix_crypto_disputes_raised_by ON trading.crypto_disputes (raised_by);
CREATE INDEX ix_crypto_disputes_resolved_by ON trading.crypto_disputes (resolved_by);
CREATE INDEX ix_crypto_disputes_status ON trading.crypto_disputes (status);
CREATE INDEX ix_crypto_disputes_trade_id ON trading.crypto_disputes (trade_id);

COMMENT ON TABLE trading.crypto_disputes IS 'A quarrel between buyer and seller over a trade in escrow, which staff decide.';
COMMENT ON COLUMN trading.crypto_disputes.id IS 'The row''s key.';
COMMENT ON COLUMN trading.crypto_disputes.trade_id IS 'The trade it is over.';
COMMENT ON COLUMN trading.crypto_disputes.escrow_id IS 'The escrow it stops; null where there is none.';
COMMENT ON COLUMN trading.crypto_disputes.raised_by IS 'Who opened it: the buyer or the seller.';
COMMENT ON COLUMN trading.crypto_disputes.against_user_id IS 'The other party of the trade.';
COMMENT ON COLUMN trading.crypto_disputes.reason IS 'What it is about, in short.';
COMMENT ON COLUMN trading.crypto_disputes.description IS 'What happened, in the words of who opened it; null without a text.';
COMMENT ON COLUMN trading.crypto_disputes.evidence IS 'What is to prove it, such as links to receipts or pictures, as structured data; null without any.';
COMMENT ON COLUMN trading.crypto_disputes.status IS 'Where it stands.';
COMMENT ON COLUMN trading.crypto_disputes.resolution IS 'What staff decided; null before.';
COMMENT ON COLUMN trading.crypto_disputes.resolved_by IS 'Who decided it; null before.';
COMMENT ON COLUMN trading.crypto_disputes.resolved_at IS 'When it was decided; null before.';
COMMENT ON COLUMN trading.crypto_disputes.created_at IS 'When the row was written.';
COMMENT ON COLUMN trading.crypto_disputes.updated_at IS 'When the row was last changed.';
ALTER TABLE trading.crypto_disputes ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, trade_id, escrow_id, raised_by, against_user_id, reason, description, evidence, status, resolution, resolved_by, resolved_at, created_at, updated_at) ON trading.crypto_disputes TO lango_anonymous;
GRANT SELECT (id, trade_id, escrow_id, raised_by, against_user_id, reason, description, evidence, status, resolution, resolved_by, resolved_at, created_at, updated_at) ON trading.crypto_disputes TO lango_member;
GRANT SELECT (id, trade_id, escrow_id, raised_by, against_user_id, reason, description, evidence, status, resolution, resolved_by, resolved_at, created_at, updated_at) ON trading.crypto_disputes TO lango_staff;
CREATE POLICY lango_member ON trading.crypto_disputes FOR SELECT TO lango_member USING (((raised_by = ANY ((SELECT lango.my_people())::uuid[]) OR against_user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON trading.crypto_disputes FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON trading.crypto_disputes TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON trading.crypto_disputes TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON trading.crypto_disputes TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON trading.crypto_disputes FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON trading.crypto_disputes FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'pending>resolved', 'resolved>closed');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON trading.crypto_disputes FOR EACH ROW EXECUTE FUNCTION lango.audit('crypto_dispute', 'id', '', 'description,evidence', '');

CREATE TABLE trading.crypto_prices (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    symbol TEXT NOT NULL,
    name TEXT NOT NULL,
    price_usd NUMERIC(20, 8) NOT NULL,
    price_change_24h NUMERIC(8, 2),
    volume_24h NUMERIC(20, 8),
    market_cap NUMERIC(24, 2),
    market_cap_rank INTEGER,
    high_24h NUMERIC(20, 8),
    low_24h NUMERIC(20, 8),
    circulating_supply NUMERIC(24, 8),
    total_supply NUMERIC(24, 8),
    max_supply NUMERIC(24, 8),
    last_updated TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    price_btc NUMERIC(20, 8),
    price_eth NUMERIC(20, 8),
    price_change_1h NUMERIC(8, 2),
    price_change_7d NUMERIC(8, 2),
    price_change_30d NUMERIC(8, 2),
    dominance_percentage NUMERIC(5, 2),
    sentiment_score NUMERIC(5, 2),
    rsi_14 NUMERIC(8, 2),
    macd NUMERIC(20, 8),
    macd_signal NUMERIC(20, 8),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_crypto_prices PRIMARY KEY (id),
    CONSTRAINT uq_crypto_prices_symbol UNIQUE (symbol),
    CONSTRAINT ck_crypto_prices_times_are_finite CHECK (last_updated >= '0001-01-01' AND last_updated < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01'),
    CONSTRAINT ck_crypto_prices_numbers_are_real CHECK (price_usd <> 'NaN' AND price_change_24h <> 'NaN' AND volume_24h <> 'NaN' AND market_cap <> 'NaN' AND high_24h <> 'NaN' AND low_24h <> 'NaN' AND circulating_supply <> 'NaN' AND total_supply <> 'NaN' AND max_supply <> 'NaN' AND price_btc <> 'NaN' AND price_eth <> 'NaN' AND price_change_1h <> 'NaN' AND price_change_7d <> 'NaN' AND price_change_30d <> 'NaN' AND dominance_percentage <> 'NaN' AND sentiment_score <> 'NaN' AND rsi_14 <> 'NaN' AND macd <> 'NaN' AND macd_signal <> 'NaN')
);
CREATE INDEX ix_crypto_prices_last_updated ON trading.crypto_prices (last_updated);

COMMENT ON TABLE trading.crypto_prices IS 'What a coin costs on the market, and how it moves.';
COMMENT ON COLUMN trading.crypto_prices.id IS 'The row''s key.';
COMMENT ON COLUMN trading.crypto_prices.symbol IS 'The coin''s code, such as `BTC`.';
COMMENT ON COLUMN trading.crypto_prices.name IS 'What the coin is called, as in `Bitcoin`.';
COMMENT ON COLUMN trading.crypto_prices.price_usd IS 'What one coin costs, in US dollars.';
COMMENT ON COLUMN trading.crypto_prices.price_change_24h IS 'How far the price moved in the last 24 hours, in percent; null where unknown.';
COMMENT ON COLUMN trading.crypto_prices.volume_24h IS 'What was traded of it in the last 24 hours, in US dollars; null where unknown.';
COMMENT ON COLUMN trading.crypto_prices.market_cap IS 'All coins in circulation at the present price, in US dollars; null where unknown.';
COMMENT ON COLUMN trading.crypto_prices.market_cap_rank IS 'Its place among all coins by `market_cap`, from 1; null where unknown.';
COMMENT ON COLUMN trading.crypto_prices.high_24h IS 'The highest price of the last 24 hours, in US dollars; null where unknown.';
COMMENT ON COLUMN trading.crypto_prices.low_24h IS 'The lowest price of the last 24 hours, in US dollars; null where unknown.';
COMMENT ON COLUMN trading.crypto_prices.circulating_supply IS 'How many coins are in the market''s hands; null where unknown.';
COMMENT ON COLUMN trading.crypto_prices.total_supply IS 'How many coins exist, also those not in circulation; null where unknown.';
COMMENT ON COLUMN trading.crypto_prices.max_supply IS 'How many coins there can ever be; null where unknown or without a limit.';
COMMENT ON COLUMN trading.crypto_prices.last_updated IS 'When the market''s data was last taken over.';
COMMENT ON COLUMN trading.crypto_prices.price_btc IS 'What one coin costs, in bitcoin; null where unknown.';
COMMENT ON COLUMN trading.crypto_prices.price_eth IS 'What one coin costs, in ether; null where unknown.';
COMMENT ON COLUMN trading.crypto_prices.price_change_1h IS 'How far the price moved in the last hour, in percent; null where unknown.';
COMMENT ON COLUMN trading.crypto_prices.price_change_7d IS 'How far the price moved in the last 7 days, in percent; null where unknown.';
COMMENT ON COLUMN trading.crypto_prices.price_change_30d IS 'How far the price moved in the last 30 days, in percent; null where unknown.';
COMMENT ON COLUMN trading.crypto_prices.dominance_percentage IS 'Its part of the market value of all coins, in percent; null where unknown.';
COMMENT ON COLUMN trading.crypto_prices.sentiment_score IS 'The market''s mood about it, 0 (all fear) to 100 (all greed); null where unknown.';
COMMENT ON COLUMN trading.crypto_prices.rsi_14 IS 'Relative strength index over 14 periods, 0-100: above 70 overbought, below 30 oversold; null if unknown.';
COMMENT ON COLUMN trading.crypto_prices.macd IS 'How far the short moving average lies above the long one, in US dollars; null where unknown.';
COMMENT ON COLUMN trading.crypto_prices.macd_signal IS 'The moving average of `macd`, in US dollars; crossing it signals a turn; null where unknown.';
COMMENT ON COLUMN trading.crypto_prices.created_at IS 'When the row was written.';
ALTER TABLE trading.crypto_prices ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, symbol, name, price_usd, price_change_24h, volume_24h, market_cap, market_cap_rank, high_24h, low_24h, circulating_supply, total_supply, max_supply, last_updated, price_btc, price_eth, price_change_1h, price_change_7d, price_change_30d, dominance_percentage, sentiment_score, rsi_14, macd, macd_signal, created_at) ON trading.crypto_prices TO lango_anonymous;
GRANT SELECT (id, symbol, name, price_usd, price_change_24h, volume_24h, market_cap, market_cap_rank, high_24h, low_24h, circulating_supply, total_supply, max_supply, last_updated, price_btc, price_eth, price_change_1h, price_change_7d, price_change_30d, dominance_percentage, sentiment_score, rsi_14, macd, macd_signal, created_at) ON trading.crypto_prices TO lango_member;
GRANT SELECT (id, symbol, name, price_usd, price_change_24h, volume_24h, market_cap, market_cap_rank, high_24h, low_24h, circulating_supply, total_supply, max_supply, last_updated, price_btc, price_eth, price_change_1h, price_change_7d, price_change_30d, dominance_percentage, sentiment_score, rsi_14, macd, macd_signal, created_at) ON trading.crypto_prices TO lango_staff;
CREATE POLICY lango_anonymous ON trading.crypto_prices FOR SELECT TO lango_anonymous USING (((true)));
CREATE POLICY lango_member ON trading.crypto_prices FOR SELECT TO lango_member USING (((true)));
CREATE POLICY lango_staff ON trading.crypto_prices FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON trading.crypto_prices TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON trading.crypto_prices TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON trading.crypto_prices TO lango_rules, lango_worker;

CREATE TABLE trading.crypto_profiles (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    wallet_address TEXT,
    wallet_provider TEXT,
    kyc_status TEXT DEFAULT 'pending' NOT NULL,
    kyc_verified_at TIMESTAMP WITH TIME ZONE,
    trading_volume NUMERIC(20, 8) DEFAULT 0 NOT NULL,
    total_trades INTEGER DEFAULT 0 NOT NULL,
    average_rating NUMERIC(3, 2),
    is_verified_trader BOOLEAN DEFAULT false NOT NULL,
    preferred_currencies TEXT[],
    trading_pairs TEXT[],
    risk_tolerance TEXT,
    investment_strategy TEXT,
    notification_preferences JSONB,
    security_settings JSONB,
    preferred_payment_methods TEXT[],
    daily_limit NUMERIC(20, 8),
    monthly_limit NUMERIC(20, 8),
    current_daily_volume NUMERIC(20, 8) DEFAULT 0 NOT NULL,
    current_monthly_volume NUMERIC(20, 8) DEFAULT 0 NOT NULL,
    successful_escrows INTEGER DEFAULT 0,
    disputed_trades INTEGER DEFAULT 0,
    banned_until TIMESTAMP WITH TIME ZONE,
    two_factor_enabled BOOLEAN DEFAULT false NOT NULL,
    two_factor_secret TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_crypto_profiles PRIMARY KEY (id),
    CONSTRAINT uq_crypto_profiles_user_id UNIQUE (user_id),
    CONSTRAINT ck_crypto_profiles_kyc_status_is_known CHECK (kyc_status IN ('pending', 'verified', 'rejected')),
    CONSTRAINT ck_crypto_profiles_risk_tolerance_is_known CHECK (risk_tolerance IN ('low', 'medium', 'high')),
    CONSTRAINT ck_crypto_profiles_times_are_finite CHECK (kyc_verified_at >= '0001-01-01' AND kyc_verified_at < '9999-01-01' AND banned_until >= '0001-01-01' AND banned_until < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01'),
    CONSTRAINT ck_crypto_profiles_numbers_are_real CHECK (trading_volume <> 'NaN' AND average_rating <> 'NaN' AND daily_limit <> 'NaN' AND monthly_limit <> 'NaN' AND current_daily_volume <> 'NaN' AND current_monthly_volume <> 'NaN')
);
CREATE INDEX ix_crypto_profiles_kyc_status ON trading.crypto_profiles (kyc_status);
CREATE INDEX ix_crypto_profiles_trading_volume ON trading.crypto_profiles (trading_volume);

COMMENT ON TABLE trading.crypto_profiles IS 'What a user is as a trader: identity check, limits, volumes and reputation.';
COMMENT ON COLUMN trading.crypto_profiles.id IS 'The row''s key.';
COMMENT ON COLUMN trading.crypto_profiles.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN trading.crypto_profiles.wallet_address IS 'The address on a chain that the user goes by; null where none was given.';
COMMENT ON COLUMN trading.crypto_profiles.wallet_provider IS 'Who keeps that wallet, such as `metamask`; null where unknown.';
COMMENT ON COLUMN trading.crypto_profiles.kyc_status IS 'Whether the user''s identity has been checked.';
COMMENT ON COLUMN trading.crypto_profiles.kyc_verified_at IS 'When the identity was confirmed; null where it is not.';
COMMENT ON COLUMN trading.crypto_profiles.trading_volume IS 'The value of all trades completed, in US dollars.';
COMMENT ON COLUMN trading.crypto_profiles.total_trades IS 'Trades completed.';
COMMENT ON COLUMN trading.crypto_profiles.average_rating IS 'What counterparties gave, 1 to 5; null before the first.';
COMMENT ON COLUMN trading.crypto_profiles.is_verified_trader IS 'Whether staff have verified the trader.';
COMMENT ON COLUMN trading.crypto_profiles.preferred_currencies IS 'Codes of the coins the user likes to trade, such as `BTC`; null where none were named.';
COMMENT ON COLUMN trading.crypto_profiles.trading_pairs IS 'The pairs the user likes to trade, BASE/QUOTE, as in `BTC/USD`; null where none were named.';
COMMENT ON COLUMN trading.crypto_profiles.risk_tolerance IS 'How much loss the user is ready to risk; null where not told.';
COMMENT ON COLUMN trading.crypto_profiles.investment_strategy IS 'How the user means to invest, in their own words; null where not told.';
COMMENT ON COLUMN trading.crypto_profiles.notification_preferences IS 'Notices about trades once wished for; nothing reads it.';
COMMENT ON COLUMN trading.crypto_profiles.security_settings IS 'What else the user set to keep trading safe, as structured data; null where nothing.';
COMMENT ON COLUMN trading.crypto_profiles.preferred_payment_methods IS 'How the user likes to pay or be paid, as in `bank_transfer`; null where not told.';
COMMENT ON COLUMN trading.crypto_profiles.daily_limit IS 'The most the user may trade in a day, in US dollars; null for no limit.';
COMMENT ON COLUMN trading.crypto_profiles.monthly_limit IS 'The most the user may trade in a month, in US dollars; null for no limit.';
COMMENT ON COLUMN trading.crypto_profiles.current_daily_volume IS 'What the user has traded today, in US dollars; counts against `daily_limit`.';
COMMENT ON COLUMN trading.crypto_profiles.current_monthly_volume IS 'What the user has traded this month, in US dollars; counts against `monthly_limit`.';
COMMENT ON COLUMN trading.crypto_profiles.successful_escrows IS 'Escrows released without a dispute lost.';
COMMENT ON COLUMN trading.crypto_profiles.disputed_trades IS 'Trades that came to a dispute, whoever opened it.';
COMMENT ON COLUMN trading.crypto_profiles.banned_until IS 'Until when the user may neither place nor take a trade; null where no ban was set.';
COMMENT ON COLUMN trading.crypto_profiles.two_factor_enabled IS 'Whether the user must give a second factor to release an escrow; `TwoFactorAuth` holds it.';
COMMENT ON COLUMN trading.crypto_profiles.two_factor_secret IS 'The secret of a second factor; nothing reads it, since `two_factor_auth` holds it.';
COMMENT ON COLUMN trading.crypto_profiles.created_at IS 'When the row was written.';
COMMENT ON COLUMN trading.crypto_profiles.updated_at IS 'When the row was last changed.';
ALTER TABLE trading.crypto_profiles ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, wallet_address, wallet_provider, kyc_status, kyc_verified_at, trading_volume, total_trades, average_rating, is_verified_trader, preferred_currencies, trading_pairs, risk_tolerance, investment_strategy, notification_preferences, security_settings, preferred_payment_methods, daily_limit, monthly_limit, current_daily_volume, current_monthly_volume, successful_escrows, disputed_trades, banned_until, two_factor_enabled, created_at, updated_at) ON trading.crypto_profiles TO lango_anonymous;
GRANT SELECT (id, user_id, wallet_address, wallet_provider, kyc_status, kyc_verified_at, trading_volume, total_trades, average_rating, is_verified_trader, preferred_currencies, trading_pairs, risk_tolerance, investment_strategy, notification_preferences, security_settings, preferred_payment_methods, daily_limit, monthly_limit, current_daily_volume, current_monthly_volume, successful_escrows, disputed_trades, banned_until, two_factor_enabled, created_at, updated_at) ON trading.crypto_profiles TO lango_member;
GRANT SELECT (id, user_id, wallet_address, wallet_provider, kyc_status, kyc_verified_at, trading_volume, total_trades, average_rating, is_verified_trader, preferred_currencies, trading_pairs, risk_tolerance, investment_strategy, notification_preferences, security_settings, preferred_payment_methods, daily_limit, monthly_limit, current_daily_volume, current_monthly_volume, successful_escrows, disputed_trades, banned_until, two_factor_enabled, created_at, updated_at) ON trading.crypto_profiles TO lango_staff;
CREATE POLICY lango_member ON trading.crypto_profiles FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON trading.crypto_profiles FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON trading.crypto_profiles TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON trading.crypto_profiles TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON trading.crypto_profiles TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON trading.crypto_profiles FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON trading.crypto_profiles FOR EACH ROW EXECUTE FUNCTION lango.audit('crypto_profile', 'id', 'two_factor_secret', 'wallet_address,risk_tolerance,investment_strategy', '');

CREATE TABLE trading.crypto_payment_methods (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    type TEXT NOT NULL,
    provider TEXT NOT NULL,
    account_details_encrypted TEXT NOT NULL,
    is_verified BOOLEAN DEFAULT false NOT NULL,
    verification_status TEXT,
    verified_at TIMESTAMP WITH TIME ZONE,
    is_primary BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_crypto_payment_methods PRIMARY KEY (id),
    CONSTRAINT ck_crypto_payment_methods_verification_status_is_known CHECK (verification_status IN ('pending', 'verified', 'rejected')),
    CONSTRAINT ck_crypto_payment_methods_times_are_finite CHECK (verified_at >= '0001-01-01' AND verified_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND deleted_at >= '0001-01-01' AND deleted_at < '9999-01-01')
);
CREATE INDEX ix_crypto_payment_methods_is_primary ON trading.crypto_payment_methods (is_primary);
CREATE INDEX ix_crypto_payment_methods_type ON trading.crypto_payment_methods (type);
CREATE INDEX ix_crypto_payment_methods_user_id ON trading.crypto_payment_methods (user_id);

COMMENT ON TABLE trading.crypto_payment_methods IS 'A way in which a user can be paid outside the platform.';
COMMENT ON COLUMN trading.crypto_payment_methods.id IS 'The row''s key.';
COMMENT ON COLUMN trading.crypto_payment_methods.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN trading.crypto_payment_methods.type IS 'What kind it is: `bank_transfer`, `paypal`, `credit_card` or another.';
COMMENT ON COLUMN trading.crypto_payment_methods.provider IS 'Who provides it, as the bank''s name.';
COMMENT ON COLUMN trading.crypto_payment_methods.account_details_encrypted IS 'The account''s number and holder, shown only by `revealPaymentMethod`.';
COMMENT ON COLUMN trading.crypto_payment_methods.is_verified IS 'Whether staff have checked that it is the user''s.';
COMMENT ON COLUMN trading.crypto_payment_methods.verification_status IS 'Where that check stands; null where none was asked for.';
COMMENT ON COLUMN trading.crypto_payment_methods.verified_at IS 'When it was confirmed; null where it is not.';
COMMENT ON COLUMN trading.crypto_payment_methods.is_primary IS 'Whether it is used where no other method is named.';
COMMENT ON COLUMN trading.crypto_payment_methods.created_at IS 'When the row was written.';
COMMENT ON COLUMN trading.crypto_payment_methods.updated_at IS 'When the row was last changed.';
COMMENT ON COLUMN trading.crypto_payment_methods.deleted_at IS 'When it was deleted; null while it lives. Deleted rows are staff''s.';
ALTER TABLE trading.crypto_payment_methods ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, type, provider, is_verified, verification_status, verified_at, is_primary, created_at, updated_at, deleted_at) ON trading.crypto_payment_methods TO lango_anonymous;
GRANT SELECT (id, user_id, type, provider, is_verified, verification_status, verified_at, is_primary, created_at, updated_at, deleted_at) ON trading.crypto_payment_methods TO lango_member;
GRANT SELECT (id, user_id, type, provider, is_verified, verification_status, verified_at, is_primary, created_at, updated_at, deleted_at) ON trading.crypto_payment_methods TO lango_staff;
CREATE POLICY lango_member ON trading.crypto_payment_methods FOR SELECT TO lango_member USING (deleted_at IS NULL AND ((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON trading.crypto_payment_methods FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON trading.crypto_payment_methods TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON trading.crypto_payment_methods TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON trading.crypto_payment_methods TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON trading.crypto_payment_methods FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON trading.crypto_payment_methods FOR EACH ROW EXECUTE FUNCTION lango.audit('crypto_payment_method', 'id', 'account_details_encrypted', '', '');

CREATE TABLE trading.crypto_trades (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    transaction_id UUID,
    pair TEXT NOT NULL,
    side TEXT NOT NULL,
    price NUMERIC(20, 8) NOT NULL,
    amount NUMERIC(20, 8) NOT NULL,
    total_value NUMERIC(20, 8) NOT NULL,
    fee NUMERIC(20, 8) DEFAULT 0 NOT NULL,
    fee_currency TEXT,
    status TEXT DEFAULT 'open' NOT NULL,
    order_type TEXT DEFAULT 'limit' NOT NULL,
    timestamp TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    metadata JSONB,
    buyer_id UUID,
    escrow_id UUID,
    payment_method TEXT,
    payment_details JSONB,
    expires_at TIMESTAMP WITH TIME ZONE,
    completed_at TIMESTAMP WITH TIME ZONE,
    cancelled_at TIMESTAMP WITH TIME ZONE,
    dispute_id UUID,
    dispute_reason TEXT,
    dispute_status TEXT,
    seller_rating NUMERIC(3, 2),
    buyer_rating NUMERIC(3, 2),
    seller_feedback TEXT,
    buyer_feedback TEXT,
    chat_channel_id UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    seller_id UUID,
    paid_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_crypto_trades PRIMARY KEY (id),
    CONSTRAINT ck_crypto_trades_side_is_known CHECK (side IN ('buy', 'sell')),
    CONSTRAINT ck_crypto_trades_status_is_known CHECK (status IN ('open', 'matched', 'in_escrow', 'completed', 'cancelled', 'expired', 'disputed')),
    CONSTRAINT ck_crypto_trades_order_type_is_known CHECK (order_type IN ('market', 'limit', 'p2p')),
    CONSTRAINT ck_crypto_trades_dispute_status_is_known CHECK (dispute_status IN ('pending', 'resolved', 'closed')),
    CONSTRAINT ck_crypto_trades_times_are_finite CHECK (timestamp >= '0001-01-01' AND timestamp < '9999-01-01' AND expires_at >= '0001-01-01' AND expires_at < '9999-01-01' AND completed_at >= '0001-01-01' AND completed_at < '9999-01-01' AND cancelled_at >= '0001-01-01' AND cancelled_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND paid_at >= '0001-01-01' AND paid_at < '9999-01-01'),
    CONSTRAINT ck_crypto_trades_numbers_are_real CHECK (price <> 'NaN' AND amount <> 'NaN' AND total_value <> 'NaN' AND fee <> 'NaN' AND seller_rating <> 'NaN' AND buyer_rating <> 'NaN')
);
CREATE INDEX ix_crypto_trades_buyer_id ON trading.crypto_trades (buyer_id);
CREATE INDEX ix_crypto_trades_dispute_id ON trading.crypto_trades (dispute_id);
CREATE INDEX ix_crypto_trades_escrow_id ON trading.crypto_trades (escrow_id);
CREATE INDEX ix_crypto_trades_pair ON trading.crypto_trades (pair);
CREATE INDEX ix_crypto_trades_seller_id ON trading.crypto_trades (seller_id);
CREATE INDEX ix_crypto_trades_side ON trading.crypto_trades (side);
CREATE INDEX ix_crypto_trades_status ON trading.crypto_trades (status);
CREATE INDEX ix_crypto_trades_timestamp ON trading.crypto_trades (timestamp);
CREATE INDEX ix_crypto_trades_transaction_id ON trading.crypto_trades (transaction_id);
CREATE INDEX ix_crypto_trades_user_id ON trading.crypto_trades (user_id);

COMMENT ON TABLE trading.crypto_trades IS 'An order to buy or sell a coin, and the trade it becomes once somebody takes it.';
COMMENT ON COLUMN trading.crypto_trades.id IS 'The row''s key.';
COMMENT ON COLUMN trading.crypto_trades.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN trading.crypto_trades.transaction_id IS 'The movement that gave the buyer the coins; null before.';
COMMENT ON COLUMN trading.crypto_trades.pair IS 'What is traded for what, BASE/QUOTE, as in `BTC/USD`.';
COMMENT ON COLUMN trading.crypto_trades.side IS 'Whether the one who placed it buys or sells the base coin.';
COMMENT ON COLUMN trading.crypto_trades.price IS 'The price of one base coin, in the quote currency.';
COMMENT ON COLUMN trading.crypto_trades.amount IS 'How much of the base coin.';
COMMENT ON COLUMN trading.crypto_trades.total_value IS 'Price times amount, in the quote currency.';
COMMENT ON COLUMN trading.crypto_trades.fee IS 'What the platform charges for it, in `fee_currency`; 0 before it is charged.';
COMMENT ON COLUMN trading.crypto_trades.fee_currency IS 'Code of the currency the fee is charged in; null before it is charged.';
COMMENT ON COLUMN trading.crypto_trades.status IS 'Where it stands.';
COMMENT ON COLUMN trading.crypto_trades.order_type IS 'How the order is matched.';
COMMENT ON COLUMN trading.crypto_trades.timestamp IS 'When the order was placed.';
COMMENT ON COLUMN trading.crypto_trades.metadata IS 'Further details, as structured data; null without any.';
COMMENT ON COLUMN trading.crypto_trades.buyer_id IS 'Who gets the coins: who placed a buy order, or took a sell order; null until it is taken.';
COMMENT ON COLUMN trading.crypto_trades.escrow_id IS 'The escrow that holds the coins, the latest where there were several; null until it is taken.';
COMMENT ON COLUMN trading.crypto_trades.payment_method IS 'How the quote currency is to be paid, as in `bank_transfer`; null where left open.';
COMMENT ON COLUMN trading.crypto_trades.payment_details IS 'What the buyer needs to know to pay, as structured data; null where nothing was told.';
COMMENT ON COLUMN trading.crypto_trades.expires_at IS 'When the offer lapses; null if it does not.';
COMMENT ON COLUMN trading.crypto_trades.completed_at IS 'When it was completed; null before.';
COMMENT ON COLUMN trading.crypto_trades.cancelled_at IS 'When it was called off; null unless it was.';
COMMENT ON COLUMN trading.crypto_trades.dispute_id IS 'The dispute over it, the latest where there were several; null without one.';
COMMENT ON COLUMN trading.crypto_trades.dispute_reason IS 'What that dispute is about, in short; null without one.';
COMMENT ON COLUMN trading.crypto_trades.dispute_status IS 'Where that dispute stands; null without one.';
COMMENT ON COLUMN trading.crypto_trades.seller_rating IS 'What the buyer gave the seller, 1 to 5; null until then.';
COMMENT ON COLUMN trading.crypto_trades.buyer_rating IS 'What the seller gave the buyer, 1 to 5; null until then.';
COMMENT ON COLUMN trading.crypto_trades.seller_feedback IS 'What the buyer wrote about the seller; null where nothing.';
COMMENT ON COLUMN trading.crypto_trades.buyer_feedback IS 'What the seller wrote about the buyer; null where nothing.';
COMMENT ON COLUMN trading.crypto_trades.chat_channel_id IS 'The key of the chat in which the two talk; null without one.';
COMMENT ON COLUMN trading.crypto_trades.created_at IS 'When the row was written.';
COMMENT ON COLUMN trading.crypto_trades.updated_at IS 'When the row was last changed.';
COMMENT ON COLUMN trading.crypto_trades.seller_id IS 'Who gives the coins: who placed a sell order, or took a buy order; null until it is taken.';
COMMENT ON COLUMN trading.crypto_trades.paid_at IS 'When the buyer marked it paid; null before.';
ALTER TABLE trading.crypto_trades ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, transaction_id, pair, side, price, amount, total_value, fee, fee_currency, status, order_type, timestamp, metadata, buyer_id, escrow_id, payment_method, payment_details, expires_at, completed_at, cancelled_at, dispute_id, dispute_reason, dispute_status, seller_rating, buyer_rating, seller_feedback, buyer_feedback, chat_channel_id, created_at, updated_at, seller_id, paid_at) ON trading.crypto_trades TO lango_anonymous;
GRANT SELECT (id, user_id, transaction_id, pair, side, price, amount, total_value, fee, fee_currency, status, order_type, timestamp, metadata, buyer_id, escrow_id, payment_method, payment_details, expires_at, completed_at, cancelled_at, dispute_id, dispute_reason, dispute_status, seller_rating, buyer_rating, seller_feedback, buyer_feedback, chat_channel_id, created_at, updated_at, seller_id, paid_at) ON trading.crypto_trades TO lango_member;
GRANT SELECT (id, user_id, transaction_id, pair, side, price, amount, total_value, fee, fee_currency, status, order_type, timestamp, metadata, buyer_id, escrow_id, payment_method, payment_details, expires_at, completed_at, cancelled_at, dispute_id, dispute_reason, dispute_status, seller_rating, buyer_rating, seller_feedback, buyer_feedback, chat_channel_id, created_at, updated_at, seller_id, paid_at) ON trading.crypto_trades TO lango_staff;
CREATE POLICY lango_member ON trading.crypto_trades FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]) OR buyer_id = ANY ((SELECT lango.my_people())::uuid[]) OR seller_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON trading.crypto_trades FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON trading.crypto_trades TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON trading.crypto_trades TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON trading.crypto_trades TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON trading.crypto_trades FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON trading.crypto_trades FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'disputed>cancelled', 'disputed>completed', 'in_escrow>cancelled', 'in_escrow>completed', 'in_escrow>disputed', 'in_escrow>open', 'matched>cancelled', 'matched>expired', 'matched>in_escrow', 'matched>open', 'open>cancelled', 'open>expired', 'open>in_escrow', 'open>matched');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON trading.crypto_trades FOR EACH ROW EXECUTE FUNCTION lango.audit('crypto_trade', 'id', '', 'payment_details,seller_feedback,buyer_feedback', '');

CREATE TABLE trading.crypto_wallets (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    wallet_address TEXT NOT NULL,
    wallet_provider TEXT,
    chain_type TEXT NOT NULL,
    balance NUMERIC(20, 8) DEFAULT 0 NOT NULL,
    currency TEXT NOT NULL,
    is_primary BOOLEAN DEFAULT false NOT NULL,
    is_connected BOOLEAN DEFAULT true NOT NULL,
    last_synced_at TIMESTAMP WITH TIME ZONE,
    encrypted_private_key TEXT,
    backup_phrase_encrypted TEXT,
    last_backup TIMESTAMP WITH TIME ZONE,
    supported_currencies TEXT[],
    withdrawal_limit_daily NUMERIC(20, 8),
    withdrawal_limit_monthly NUMERIC(20, 8),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_crypto_wallets PRIMARY KEY (id),
    CONSTRAINT ck_crypto_wallets_times_are_finite CHECK (last_synced_at >= '0001-01-01' AND last_synced_at < '9999-01-01' AND last_backup >= '0001-01-01' AND last_backup < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND deleted_at >= '0001-01-01' AND deleted_at < '9999-01-01'),
    CONSTRAINT ck_crypto_wallets_numbers_are_real CHECK (balance <> 'NaN' AND withdrawal_limit_daily <> 'NaN' AND withdrawal_limit_monthly <> 'NaN')
);
CREATE INDEX ix_crypto_wallets_balance ON trading.crypto_wallets (balance);
CREATE INDEX ix_crypto_wallets_currency ON trading.crypto_wallets (currency);
CREATE INDEX ix_crypto_wallets_user_id ON trading.crypto_wallets (user_id);

COMMENT ON TABLE trading.crypto_wallets IS 'A wallet on a chain that a user has connected.';
COMMENT ON COLUMN trading.crypto_wallets.id IS 'The row''s key.';
COMMENT ON COLUMN trading.crypto_wallets.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN trading.crypto_wallets.wallet_address IS 'Its public address, to which coins can be sent.';
COMMENT ON COLUMN trading.crypto_wallets.wallet_provider IS 'Who keeps it, such as `metamask` or `ledger`; null where unknown.';
COMMENT ON COLUMN trading.crypto_wallets.chain_type IS 'The chain it is on, such as `bitcoin` or `ethereum`.';
COMMENT ON COLUMN trading.crypto_wallets.balance IS 'What it holds as the chain says, in `currency`; coins kept on the platform are in `UserBalance`.';
COMMENT ON COLUMN trading.crypto_wallets.currency IS 'Code of the coin its amounts are counted in, such as `BTC`.';
COMMENT ON COLUMN trading.crypto_wallets.is_primary IS 'Whether it is used where no other wallet is named.';
COMMENT ON COLUMN trading.crypto_wallets.is_connected IS 'Whether it is in use; false once it was disconnected.';
COMMENT ON COLUMN trading.crypto_wallets.last_synced_at IS 'When `balance` was last read from the chain; null before the first time.';
COMMENT ON COLUMN trading.crypto_wallets.encrypted_private_key IS 'The key that spends its coins; null where the platform does not keep it.';
COMMENT ON COLUMN trading.crypto_wallets.backup_phrase_encrypted IS 'The words that restore its key; null where the platform does not keep them.';
COMMENT ON COLUMN trading.crypto_wallets.last_backup IS 'When its key was last backed up; null where it never was.';
COMMENT ON COLUMN trading.crypto_wallets.supported_currencies IS 'Codes of all coins it can hold; null where only `currency` is known.';
COMMENT ON COLUMN trading.crypto_wallets.withdrawal_limit_daily IS 'The most that may be withdrawn through it in a day, in `currency`; null for no limit.';
COMMENT ON COLUMN trading.crypto_wallets.withdrawal_limit_monthly IS 'The most that may be withdrawn through it in a month, in `currency`; null for no limit.';
COMMENT ON COLUMN trading.crypto_wallets.created_at IS 'When the row was written.';
COMMENT ON COLUMN trading.crypto_wallets.updated_at IS 'When the row was last changed.';
COMMENT ON COLUMN trading.crypto_wallets.deleted_at IS 'When it was deleted; null while it lives. Deleted rows are staff''s.';
ALTER TABLE trading.crypto_wallets ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, wallet_address, wallet_provider, chain_type, balance, currency, is_primary, is_connected, last_synced_at, last_backup, supported_currencies, withdrawal_limit_daily, withdrawal_limit_monthly, created_at, updated_at, deleted_at) ON trading.crypto_wallets TO lango_anonymous;
GRANT SELECT (id, user_id, wallet_address, wallet_provider, chain_type, balance, currency, is_primary, is_connected, last_synced_at, last_backup, supported_currencies, withdrawal_limit_daily, withdrawal_limit_monthly, created_at, updated_at, deleted_at) ON trading.crypto_wallets TO lango_member;
GRANT SELECT (id, user_id, wallet_address, wallet_provider, chain_type, balance, currency, is_primary, is_connected, last_synced_at, last_backup, supported_currencies, withdrawal_limit_daily, withdrawal_limit_monthly, created_at, updated_at, deleted_at) ON trading.crypto_wallets TO lango_staff;
CREATE POLICY lango_member ON trading.crypto_wallets FOR SELECT TO lango_member USING (deleted_at IS NULL AND ((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON trading.crypto_wallets FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON trading.crypto_wallets TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON trading.crypto_wallets TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON trading.crypto_wallets TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON trading.crypto_wallets FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON trading.crypto_wallets FOR EACH ROW EXECUTE FUNCTION lango.audit('crypto_wallet', 'id', 'encrypted_private_key,backup_phrase_encrypted', 'wallet_address', '');

CREATE TABLE trading.crypto_transactions (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    wallet_id UUID,
    transaction_hash TEXT,
    from_address TEXT,
    to_address TEXT,
    amount NUMERIC(20, 8) NOT NULL,
    currency TEXT NOT NULL,
    transaction_fee NUMERIC(20, 8),
    status TEXT DEFAULT 'pending' NOT NULL,
    transaction_type TEXT NOT NULL,
    timestamp TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    confirmations INTEGER DEFAULT 0 NOT NULL,
    block_number BIGINT,
    gas_price NUMERIC(20, 8),
    gas_limit NUMERIC(20, 8),
    gas_used NUMERIC(20, 8),
    metadata JSONB,
    trade_id UUID,
    network_fee NUMERIC(20, 8),
    platform_fee NUMERIC(20, 8),
    destination_name TEXT,
    destination_description TEXT,
    category TEXT,
    exchange_rate NUMERIC(20, 8),
    fiat_value NUMERIC(20, 8),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_crypto_transactions PRIMARY KEY (id),
    CONSTRAINT uq_crypto_transactions_transaction_hash UNIQUE (transaction_hash),
    CONSTRAINT ck_crypto_transactions_status_is_known CHECK (status IN ('pending', 'confirmed', 'failed')),
    CONSTRAINT ck_crypto_transactions_transaction_type_is_known CHECK (transaction_type IN ('deposit', 'withdrawal', 'transfer', 'trade', 'escrow_fund', 'escrow_release', 'escrow_refund')),
    CONSTRAINT ck_crypto_transactions_times_are_finite CHECK (timestamp >= '0001-01-01' AND timestamp < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01'),
    CONSTRAINT ck_crypto_transactions_numbers_are_real CHECK (amount <> 'NaN' AND transaction_fee <> 'NaN' AND gas_price <> 'NaN' AND gas_limit <> 'NaN' AND gas_used <> 'NaN' AND network_fee <> 'NaN' AND platform_fee <> 'NaN' AND exchange_rate <> 'NaN' AND fiat_value <> 'NaN')
);
CREATE INDEX ix_crypto_transactions_currency ON trading.crypto_transactions (currency);
CREATE INDEX ix_crypto_transactions_status ON trading.crypto_transactions (status);
CREATE INDEX ix_crypto_transactions_timestamp ON trading.crypto_transactions (timestamp);
CREATE INDEX ix_crypto_transactions_trade_id ON trading.crypto_transactions (trade_id);
CREATE INDEX ix_crypto_transactions_user_id ON trading.crypto_transactions (user_id);
CREATE INDEX ix_crypto_transactions_wallet_id ON trading.crypto_transactions (wallet_id);

COMMENT ON TABLE trading.crypto_transactions IS 'A movement of coins, on a chain or between balances on the platform.';
COMMENT ON COLUMN trading.crypto_transactions.id IS 'The row''s key.';
COMMENT ON COLUMN trading.crypto_transactions.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN trading.crypto_transactions.wallet_id IS 'The user''s wallet the coins came to or left; null for a movement on the platform alone.';
COMMENT ON COLUMN trading.crypto_transactions.transaction_hash IS 'Its hash on the chain; null until it is there, and for movements off the chain.';
COMMENT ON COLUMN trading.crypto_transactions.from_address IS 'The address the coins left; null off the chain or where unknown.';
COMMENT ON COLUMN trading.crypto_transactions.to_address IS 'The address the coins went to; null off the chain or where unknown.';
COMMENT ON COLUMN trading.crypto_transactions.amount IS 'How many coins moved, in `currency`.';
COMMENT ON COLUMN trading.crypto_transactions.currency IS 'Code of the coin that moved, such as `BTC`.';
COMMENT ON COLUMN trading.crypto_transactions.transaction_fee IS 'All fees together, in `currency`; null where none are known.';
COMMENT ON COLUMN trading.crypto_transactions.status IS 'Where it stands.';
COMMENT ON COLUMN trading.crypto_transactions.transaction_type IS 'Why the coins moved.';
COMMENT ON COLUMN trading.crypto_transactions.timestamp IS 'When it was begun; for a deposit, when the chain took it.';
COMMENT ON COLUMN trading.crypto_transactions.confirmations IS 'How many blocks of the chain have confirmed it; 0 off the chain.';
COMMENT ON COLUMN trading.crypto_transactions.block_number IS 'The block that holds it; null until one does, and for movements off the chain.';
COMMENT ON COLUMN trading.crypto_transactions.gas_price IS 'What was paid for a unit of gas, in gwei; null on chains without gas and off the chain.';
COMMENT ON COLUMN trading.crypto_transactions.gas_limit IS 'The most computation it might take, in units of gas; null on chains without gas and off the chain.';
COMMENT ON COLUMN trading.crypto_transactions.gas_used IS 'How much computation it took, in units of gas; null before it is confirmed and without gas.';
COMMENT ON COLUMN trading.crypto_transactions.metadata IS 'Further details, as structured data; null without any.';
COMMENT ON COLUMN trading.crypto_transactions.trade_id IS 'The trade it belongs to; null where it belongs to none.';
COMMENT ON COLUMN trading.crypto_transactions.network_fee IS 'What the chain charged, in `currency`; null off the chain or where unknown.';
COMMENT ON COLUMN trading.crypto_transactions.platform_fee IS 'What the platform charged, in `currency`; null where it charged nothing.';
COMMENT ON COLUMN trading.crypto_transactions.destination_name IS 'Who is behind `to_address`, as the user calls them; null without a name.';
COMMENT ON COLUMN trading.crypto_transactions.destination_description IS 'What the user noted on where the coins go; null without a note.';
COMMENT ON COLUMN trading.crypto_transactions.category IS 'What it counts as in the user''s reports; null where it was not sorted.';
COMMENT ON COLUMN trading.crypto_transactions.exchange_rate IS 'What one coin was worth at that moment, in US dollars; null where unknown.';
COMMENT ON COLUMN trading.crypto_transactions.fiat_value IS 'What `amount` was worth at that moment, in US dollars; null where unknown.';
COMMENT ON COLUMN trading.crypto_transactions.created_at IS 'When the row was written.';
COMMENT ON COLUMN trading.crypto_transactions.updated_at IS 'When the row was last changed.';
ALTER TABLE trading.crypto_transactions ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, wallet_id, transaction_hash, from_address, to_address, amount, currency, transaction_fee, status, transaction_type, timestamp, confirmations, block_number, gas_price, gas_limit, gas_used, metadata, trade_id, network_fee, platform_fee, destination_name, destination_description, category, exchange_rate, fiat_value, created_at, updated_at) ON trading.crypto_transactions TO lango_anonymous;
GRANT SELECT (id, user_id, wallet_id, transaction_hash, from_address, to_address, amount, currency, transaction_fee, status, transaction_type, timestamp, confirmations, block_number, gas_price, gas_limit, gas_used, metadata, trade_id, network_fee, platform_fee, destination_name, destination_description, category, exchange_rate, fiat_value, created_at, updated_at) ON trading.crypto_transactions TO lango_member;
GRANT SELECT (id, user_id, wallet_id, transaction_hash, from_address, to_address, amount, currency, transaction_fee, status, transaction_type, timestamp, confirmations, block_number, gas_price, gas_limit, gas_used, metadata, trade_id, network_fee, platform_fee, destination_name, destination_description, category, exchange_rate, fiat_value, created_at, updated_at) ON trading.crypto_transactions TO lango_staff;
CREATE POLICY lango_member ON trading.crypto_transactions FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON trading.crypto_transactions FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON trading.crypto_transactions TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON trading.crypto_transactions TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON trading.crypto_transactions TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON trading.crypto_transactions FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON trading.crypto_transactions FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'pending>confirmed', 'pending>failed');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON trading.crypto_transactions FOR EACH ROW EXECUTE FUNCTION lango.audit('crypto_transaction', 'id', '', 'from_address,to_address,destination_name,destination_description', '');

ALTER TABLE trading.crypto_escrows ADD CONSTRAINT fk_crypto_escrows_buyer_id FOREIGN KEY(buyer_id) REFERENCES identity.users (id);

ALTER TABLE trading.crypto_escrows ADD CONSTRAINT fk_crypto_escrows_seller_id FOREIGN KEY(seller_id) REFERENCES identity.users (id);

ALTER TABLE trading.crypto_escrows ADD CONSTRAINT fk_crypto_escrows_trade_id FOREIGN KEY(trade_id) REFERENCES trading.crypto_trades (id);

ALTER TABLE trading.crypto_disputes ADD CONSTRAINT fk_crypto_disputes_against_user_id FOREIGN KEY(against_user_id) REFERENCES identity.users (id);

ALTER TABLE trading.crypto_disputes ADD CONSTRAINT fk_crypto_disputes_escrow_id FOREIGN KEY(escrow_id) REFERENCES trading.crypto_escrows (id);

ALTER TABLE trading.crypto_disputes ADD CONSTRAINT fk_crypto_disputes_raised_by FOREIGN KEY(raised_by) REFERENCES identity.users (id);

ALTER TABLE trading.crypto_disputes ADD CONSTRAINT fk_crypto_disputes_resolved_by FOREIGN KEY(resolved_by) REFERENCES identity.users (id);

ALTER TABLE trading.crypto_disputes ADD CONSTRAINT fk_crypto_disputes_trade_id FOREIGN KEY(trade_id) REFERENCES trading.crypto_trades (id);

ALTER TABLE trading.crypto_profiles ADD CONSTRAINT fk_crypto_profiles_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE trading.crypto_payment_methods ADD CONSTRAINT fk_crypto_payment_methods_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE trading.crypto_trades ADD CONSTRAINT fk_crypto_trades_buyer_id FOREIGN KEY(buyer_id) REFERENCES identity.users (id);

ALTER TABLE trading.crypto_trades ADD CONSTRAINT fk_crypto_trades_dispute_id FOREIGN KEY(dispute_id) REFERENCES trading.crypto_disputes (id);

ALTER TABLE trading.crypto_trades ADD CONSTRAINT fk_crypto_trades_escrow_id FOREIGN KEY(escrow_id) REFERENCES trading.crypto_escrows (id);

ALTER TABLE trading.crypto_trades ADD CONSTRAINT fk_crypto_trades_seller_id FOREIGN KEY(seller_id) REFERENCES identity.users (id);

ALTER TABLE trading.crypto_trades ADD CONSTRAINT fk_crypto_trades_transaction_id FOREIGN KEY(transaction_id) REFERENCES trading.crypto_transactions (id);

ALTER TABLE trading.crypto_trades ADD CONSTRAINT fk_crypto_trades_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE trading.crypto_wallets ADD CONSTRAINT fk_crypto_wallets_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE trading.crypto_transactions ADD CONSTRAINT fk_crypto_transactions_trade_id FOREIGN KEY(trade_id) REFERENCES trading.crypto_trades (id);

ALTER TABLE trading.crypto_transactions ADD CONSTRAINT fk_crypto_transactions_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE trading.crypto_transactions ADD CONSTRAINT fk_crypto_transactions_wallet_id FOREIGN KEY(wallet_id) REFERENCES trading.crypto_wallets (id);

CREATE VIEW trading.traders WITH (security_barrier) AS
SELECT p.user_id, p.average_rating, p.total_trades, p.successful_escrows, p.is_verified_trader
FROM trading.crypto_profiles p JOIN identity.users u ON u.id = p.user_id
WHERE (SELECT lango.user_id()) IS NOT NULL AND u.deleted_at IS NULL;

COMMENT ON VIEW trading.traders IS 'What others who trade see of a trader.';
COMMENT ON COLUMN trading.traders.user_id IS 'The trader.';
COMMENT ON COLUMN trading.traders.average_rating IS 'What counterparties gave, 1 to 5; null before the first.';
COMMENT ON COLUMN trading.traders.total_trades IS 'Trades completed.';
COMMENT ON COLUMN trading.traders.successful_escrows IS 'Escrows released without a dispute lost.';
COMMENT ON COLUMN trading.traders.is_verified_trader IS 'Whether staff have verified the trader.';
GRANT SELECT (user_id, average_rating, total_trades, successful_escrows, is_verified_trader) ON trading.traders TO lango_anonymous, lango_member, lango_staff;

CREATE VIEW trading.counterparty_payment_methods WITH (security_barrier) AS
SELECT m.id, m.user_id, m.type, m.provider
FROM trading.crypto_payment_methods m
WHERE m.deleted_at IS NULL AND m.user_id = ANY ((SELECT lango.my_counterparties())::uuid[]);

COMMENT ON VIEW trading.counterparty_payment_methods IS 'A payment method of someone with whom the caller has a trade in escrow; details only by `revealPaymentMethod`.';
COMMENT ON COLUMN trading.counterparty_payment_methods.id IS 'The row''s key.';
COMMENT ON COLUMN trading.counterparty_payment_methods.user_id IS 'Whose it is.';
COMMENT ON COLUMN trading.counterparty_payment_methods.type IS 'What kind it is, such as `bank_transfer`.';
COMMENT ON COLUMN trading.counterparty_payment_methods.provider IS 'Who provides it.';
GRANT SELECT (id, user_id, type, provider) ON trading.counterparty_payment_methods TO lango_anonymous, lango_member, lango_staff;

CREATE VIEW trading.trade_offers WITH (security_barrier) AS
SELECT t.id, t.user_id, t.pair, t.side, t.price, t.amount, t.total_value, t.order_type,
       t.payment_method, t.expires_at, t.created_at
FROM trading.crypto_trades t
WHERE t.status = 'open' AND (SELECT lango.user_id()) IS NOT NULL
  AND (t.expires_at IS NULL OR t.expires_at > now());

COMMENT ON VIEW trading.trade_offers IS 'An open trade, as everyone signed in may see it: without payment details.';
COMMENT ON COLUMN trading.trade_offers.id IS 'The row''s key.';
COMMENT ON COLUMN trading.trade_offers.user_id IS 'Who offers.';
COMMENT ON COLUMN trading.trade_offers.pair IS 'What is traded for what, BASE/QUOTE, as in `BTC/USD`.';
COMMENT ON COLUMN trading.trade_offers.side IS 'Whether the one who offers buys or sells the base coin.';
COMMENT ON COLUMN trading.trade_offers.price IS 'The price of one base coin, in the quote currency.';
COMMENT ON COLUMN trading.trade_offers.amount IS 'How much of the base coin.';
COMMENT ON COLUMN trading.trade_offers.total_value IS 'Price times amount, in the quote currency.';
COMMENT ON COLUMN trading.trade_offers.order_type IS 'How the order is matched.';
COMMENT ON COLUMN trading.trade_offers.payment_method IS 'How the quote currency is to be paid.';
COMMENT ON COLUMN trading.trade_offers.expires_at IS 'When the offer lapses; null if it does not.';
COMMENT ON COLUMN trading.trade_offers.created_at IS 'When it was offered.';
GRANT SELECT (id, user_id, pair, side, price, amount, total_value, order_type, payment_method, expires_at, created_at) ON trading.trade_offers TO lango_anonymous, lango_member, lango_staff;
