"""The double-entry ledger: postings, balances and their proofs."""
