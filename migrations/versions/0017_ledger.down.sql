-- The ledger: accounts, transactions and entries.

DROP TABLE ledger.ledger_accounts, ledger.ledger_transactions, ledger.ledger_entries;

DROP SCHEMA ledger;
