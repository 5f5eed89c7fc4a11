-- Packs, the partners that offer them, and the campaigns that boost them.

DROP VIEW packs.public_partners, packs.active_campaigns;

DROP TABLE packs.packs, packs.partners, packs.sponsor_campaigns, packs.partner_members;

DROP SCHEMA packs;
