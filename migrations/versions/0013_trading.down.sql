-- Peer-to-peer trades with escrow, wallets and prices.

DROP VIEW trading.traders, trading.trade_offers, trading.counterparty_payment_methods;

DROP TABLE trading.crypto_profiles, trading.crypto_wallets, trading.crypto_transactions, trading.crypto_trades, trading.crypto_escrows, trading.crypto_disputes, trading.crypto_payment_methods, trading.crypto_prices;

DROP SCHEMA trading;
