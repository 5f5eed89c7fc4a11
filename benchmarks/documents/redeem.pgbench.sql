-- What resolvers/redemption/codes.py sends for a code at the till, one round trip a statement.
\set i :i + 1
\set code :first + :client_id * :step + :i
\startpipeline
BEGIN;
SELECT set_config('role', 'lango_rules', true), set_config('lango.user_id', :caller, true),
    set_config('lango.roles', '', true), set_config('lango.session_id', '', true),
    set_config('lango.request_id', 'floor', true), set_config('lango.ip', '127.0.0.1', true),
    set_config('lango.user_agent', 'pgbench', true);
\endpipeline
SELECT id, pot_id, pack_id, status, price_cfa, redeemable_from, expires_at
    FROM redemption.qr_codes WHERE code = :code FOR UPDATE \gset c_
SELECT id, partner_id, venue_restrictions IS NULL AS anywhere FROM packs.packs WHERE id = :c_pack_id \gset k_
SELECT id, status, revenue_split_percentage AS split FROM packs.partners WHERE id = :k_partner_id \gset p_
SELECT partner_id FROM packs.partner_members WHERE user_id = :caller ORDER BY created_at LIMIT 1 \gset m_
SELECT clock_timestamp() AS now, gen_random_uuid() AS transaction, :c_price_cfa * 85 / 100 AS share \gset n_
UPDATE redemption.qr_codes SET status = 'redeemed', redeemed_at = :n_now, redeemed_by_partner_id = :p_id,
    partner_share_cfa = :n_share WHERE id = :c_id;
INSERT INTO redemption.qr_redemption_logs (id, qr_code_id, partner_user_id, validation_result, ip_address, user_agent,
        venue_context, presented_code_sha256, partner_id)
    VALUES (gen_random_uuid(), :c_id, :caller, 'success', '127.0.0.1', 'pgbench', '{"asked":null,"venue":null}',
        encode(sha256(:code::text::bytea), 'hex'), :p_id);
SELECT max(id::text) FILTER (WHERE code LIKE 'platform%') AS commission,
    max(id::text) FILTER (WHERE code LIKE 'partner%') AS payable, max(id::text) FILTER (WHERE code LIKE 'pot%') AS reserved
    FROM ledger.ledger_accounts
    WHERE code = ANY (ARRAY['platform:commission:XOF', 'partner:' || :p_id || ':payable', 'pot:' || :c_pot_id || ':reserved'])
    \gset a_
INSERT INTO ledger.ledger_transactions (id, kind, reference_type, reference_id, created_by)
    VALUES (:n_transaction, 'qr_redeem', 'qr_code', :c_id, :caller);
INSERT INTO ledger.ledger_entries (transaction_id, account_id, amount)
    VALUES (:n_transaction, :a_reserved, :c_price_cfa), (:n_transaction, :a_payable, -:n_share::numeric),
        (:n_transaction, :a_commission, :n_share::numeric - :c_price_cfa::numeric);
INSERT INTO platform.outbox_events (topic, key, payload)
    VALUES ('qr_code.redeemed', :c_id, jsonb_build_object('pot_id', :c_pot_id::text, 'partner_id', :p_id::text));
\startpipeline
SET CONSTRAINTS ALL IMMEDIATE;
SET LOCAL ROLE lango_member;
SELECT id, status, price_cfa, partner_share_cfa, redeemed_at FROM redemption.qr_codes WHERE id = :c_id;
COMMIT;
\endpipeline
