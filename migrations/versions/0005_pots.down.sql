-- Birthday pots, who is invited, and how they fare.

DROP TABLE pots.pots, pots.pot_invitations, pots.pot_analytics;

DROP SCHEMA pots;
