-- Corporate cards: accounts, limits, transactions.

DROP TABLE cards.accounts, cards.account_members, cards.account_settings, cards.addresses, cards.spending_profiles, cards.spending_categories, cards.profile_categories, cards.card_products, cards.cards, cards.transactions, cards.webhooks;

DROP SCHEMA cards;
