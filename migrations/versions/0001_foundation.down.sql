-- The functions that policies and triggers call, and what the gateway keeps for itself.

DROP TABLE platform.idempotency_keys, platform.outbox_events, platform.schema_migrations;

DROP SCHEMA platform;

DROP FUNCTION lango.user_id(), lango.has_role(text), lango.is_staff(), lango.share_tokens(), lango.confirmed_roles(uuid, text[]), lango.my_people(), lango.my_pots(), lango.shared_pots(text[]), lango.my_friends_pots(), lango.my_donations(), lango.my_partners(), lango.my_managed_partners(), lango.my_daos(), lango.my_administered_daos(), lango.my_dao_treasuries(), lango.my_treasury_transfers(), lango.my_card_accounts(), lango.my_supervised_card_accounts(), lango.my_managed_card_accounts(), lango.my_spending_profiles(), lango.my_counterparties(), lango.my_colleagues(), lango.my_ledger_accounts(), lango.my_ledger_transactions(), lango.touch(), lango.guard_transition(), lango.refuse_change(), lango.balance_transaction(), lango.audit(), lango.make_partitions(date, date);

DROP SCHEMA lango;
