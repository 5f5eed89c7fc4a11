-- Corporate cards: accounts, limits, transactions.

DROP TABLE cards.accounts, cards.account_members, cards.spending_profiles, cards.card_products, cards.cards, cards.transactions, cards.addresses, cards.webhooks, cards.account_settings, cards.spending_categories, cards.profile_categories;

DROP SCHEMA cards;
