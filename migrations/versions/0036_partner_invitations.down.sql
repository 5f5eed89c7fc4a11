DROP TABLE packs.partner_invitations;

DROP FUNCTION lango.my_partner_invitations();
