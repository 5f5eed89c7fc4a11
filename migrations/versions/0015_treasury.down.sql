-- Balances, DAOs, their treasuries, swaps and mobile money.

DROP TABLE treasury.user_balances, treasury.dao_treasuries, treasury.transaction_fees, treasury.currency_swaps, treasury.mpesa_transactions, treasury.gas_price_history, treasury.referral_payouts, treasury.recurring_payments, treasury.financial_reports, treasury.daos, treasury.dao_members, treasury.wallet_transactions, treasury.treasury_transfers, treasury.treasury_approvals, treasury.exchange_rates, treasury.swap_quotes;

DROP SCHEMA treasury;
