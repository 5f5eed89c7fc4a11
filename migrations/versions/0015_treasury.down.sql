-- Balances, DAOs, their treasuries, swaps and mobile money.

DROP TABLE treasury.user_balances, treasury.wallet_transactions, treasury.transaction_fees, treasury.daos, treasury.dao_members, treasury.mpesa_transactions, treasury.recurring_payments, treasury.referral_payouts, treasury.financial_reports, treasury.exchange_rates, treasury.swap_quotes, treasury.currency_swaps, treasury.gas_price_history, treasury.dao_treasuries, treasury.treasury_transfers, treasury.treasury_approvals;

DROP SCHEMA treasury;
