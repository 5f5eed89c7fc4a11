-- Peer-to-peer trades with escrow, wallets and prices.

DROP VIEW trading.traders, trading.counterparty_payment_methods, trading.trade_offers;

DROP TABLE trading.crypto_escrows, trading.crypto_disputes, trading.crypto_prices, trading.crypto_profiles, trading.crypto_payment_methods, trading.crypto_trades, trading.crypto_wallets, trading.crypto_transactions;

DROP SCHEMA trading;
