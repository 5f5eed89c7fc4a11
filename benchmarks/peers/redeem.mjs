// The rule of resolvers/redemption/codes.py, with the same statements in one transaction, as the role lango_rules.
import { createHash, randomUUID } from "node:crypto";

const CODE = `SELECT id, pot_id, pack_id, status, price_cfa, redeemable_from, expires_at
  FROM redemption.qr_codes WHERE code = $1 FOR UPDATE`;
const PACK = "SELECT id, partner_id, venue_restrictions FROM packs.packs WHERE id = $1";
const PARTNER = "SELECT id, status, deleted_at, revenue_split_percentage, venues FROM packs.partners WHERE id = $1";
const MEMBERSHIPS = "SELECT partner_id FROM packs.partner_members WHERE user_id = $1 ORDER BY created_at";
const NOW = "SELECT clock_timestamp() AS now";
const REDEEM = `UPDATE redemption.qr_codes SET status = 'redeemed', redeemed_at = $2, redeemed_by_partner_id = $3,
  partner_share_cfa = $4 WHERE id = $1`;
const LOG = `INSERT INTO redemption.qr_redemption_logs (id, qr_code_id, partner_user_id, validation_result,
    error_message, ip_address, user_agent, venue_context, presented_code_sha256, partner_id)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`;
const ACCOUNTS = "SELECT code, id FROM ledger.ledger_accounts WHERE code = ANY ($1)";
const MISSING = `INSERT INTO ledger.ledger_accounts (code, kind, owner_type, owner_id, currency)
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::text[])
  ON CONFLICT (code) DO NOTHING`;
const TRANSACTION = `INSERT INTO ledger.ledger_transactions (id, kind, reference_type, reference_id, created_by)
  VALUES ($1, 'qr_redeem', 'qr_code', $2, $3)`;
const ENTRIES = `INSERT INTO ledger.ledger_entries (transaction_id, account_id, amount)
  SELECT $1, * FROM unnest($2::uuid[], $3::numeric[])`;
// A key that has expired is claimed anew; one that lives is waited for, while its transaction runs.
const CLAIM = `INSERT INTO platform.idempotency_keys AS k (scope, operation, key, request_hash, expires_at)
  VALUES ($1, 'redeemQrCode', $2, $3, now() + interval '24 hours')
  ON CONFLICT (scope, operation, key) DO UPDATE SET request_hash = excluded.request_hash, outcome = NULL,
    created_at = now(), expires_at = excluded.expires_at
  WHERE k.expires_at <= now() RETURNING key`;
const KEPT = `SELECT request_hash, outcome FROM platform.idempotency_keys
  WHERE scope = $1 AND operation = 'redeemQrCode' AND key = $2`;
const STORE = `UPDATE platform.idempotency_keys SET outcome = $3
  WHERE scope = $1 AND operation = 'redeemQrCode' AND key = $2`;
const EVENT = "INSERT INTO platform.outbox_events (topic, key, payload) VALUES ('qr_code.redeemed', $1, $2)";

const REUSED = { code: "IDEMPOTENCY_KEY_REUSED", message: "This idempotency key was used with another input." };

/**
 * Redeems a code, with a key once: the same call again gets the same outcome. Gives the code's id, or what refuses it;
 * `query` takes {name, text, values}.
 */
export async function redeem(query, caller, presented, key) {
  const ask = async (name, text, values) => (await query({ name, text, values })).rows;
  if (key === undefined || key === null) {
    return redeemed(ask, caller, presented);
  }
  const scope = `user:${caller.userId}`;
  const hash = createHash("sha256").update(JSON.stringify({ code: presented })).digest("hex");
  if ((await ask("claim", CLAIM, [scope, key, hash])).length === 0) {
    const [kept] = await ask("kept", KEPT, [scope, key]);
    return kept.request_hash === hash ? kept.outcome : { userErrors: [REUSED] };
  }
  const outcome = await redeemed(ask, caller, presented);
  await ask("store", STORE, [scope, key, JSON.stringify(outcome)]);
  return outcome;
}

async function redeemed(ask, caller, presented) {
  const [code] = await ask("code", CODE, [presented]);
  const [pack] = code ? await ask("pack", PACK, [code.pack_id]) : [];
  const [partner] = pack?.partner_id ? await ask("partner", PARTNER, [pack.partner_id]) : [];
  const members = (await ask("memberships", MEMBERSHIPS, [caller.userId])).map((row) => row.partner_id);
  const [{ now }] = await ask("now", NOW, []);
  const refusal = refusalOf(code, pack, partner, members, now);
  const log = (result, message) =>
    ask("log", LOG, [
      randomUUID(), code?.id ?? null, caller.userId, result, message, caller.ip || null, caller.userAgent,
      '{"asked":null,"venue":null}', createHash("sha256").update(presented).digest("hex"),
      members.includes(partner?.id) ? partner.id : (members[0] ?? null),
    ]);
  if (refusal) {
    await log(refusal.code.toLowerCase(), refusal.message);
    return { userErrors: [refusal] };
  }
  const share = halfEven((code.price_cfa * Number(partner.revenue_split_percentage)) / 100);
  await ask("redeem", REDEEM, [code.id, now, partner.id, share]);
  await log("success", null);
  await post(ask, caller, code, partner, share);
  const payload = JSON.stringify({ pot_id: code.pot_id, partner_id: partner.id });
  await ask("event", EVENT, [code.id, payload]);
  return { qrCodeId: code.id, userErrors: [] };
}

function refusalOf(code, pack, partner, members, now) {
  const refuse = (name, message) => ({ code: name, message });
  if (!code || !partner || !members.includes(partner.id)) {
    return refuse("INVALID", "This is not a code of yours to redeem.");
  }
  if (partner.status !== "active" || partner.deleted_at !== null) {
    return refuse("PARTNER_SUSPENDED", "The partner may not redeem codes at present.");
  }
  if (code.status === "cancelled") {
    return refuse("CANCELLED", "This code was cancelled by the pot's owner.");
  }
  if (code.status === "redeemed") {
    return refuse("ALREADY_USED", "This code has already been redeemed.");
  }
  if (now < code.redeemable_from) {
    return refuse("NOT_YET_REDEEMABLE", "This code may be redeemed from the birthday on.");
  }
  if (code.status === "expired" || now >= code.expires_at) {
    return refuse("EXPIRED", "This code has expired.");
  }
  if (pack.venue_restrictions?.length) {
    return refuse("VENUE_NOT_ALLOWED", "Say at which venue: this pack is not redeemed everywhere.");
  }
  return null;
}

async function post(ask, caller, code, partner, share) {
  const accounts = [
    ["platform:commission:XOF", "income", "platform", null, -(code.price_cfa - share)],
    [`partner:${partner.id}:payable`, "liability", "partner", partner.id, -share],
    [`pot:${code.pot_id}:reserved`, "liability", "pot", code.pot_id, code.price_cfa],
  ].filter((account) => account[4] !== 0);
  const codes = accounts.map((account) => account[0]);
  let found = await ask("accounts", ACCOUNTS, [codes]);
  if (found.length < codes.length) {
    const missing = accounts.filter((account) => !found.some((row) => row.code === account[0]));
    const column = (place) => missing.map((account) => account[place]);
    await ask("missing", MISSING, [column(0), column(1), column(2), column(3), missing.map(() => "XOF")]);
    found = await ask("accounts", ACCOUNTS, [codes]);
  }
  const ids = new Map(found.map((row) => [row.code, row.id]));
  const transaction = randomUUID();
  await ask("transaction", TRANSACTION, [transaction, code.id, caller.userId]);
  await ask("entries", ENTRIES, [transaction, codes.map((each) => ids.get(each)), accounts.map((each) => each[4])]);
}

/** Whole francs, rounded half to even. */
function halfEven(amount) {
  const down = Math.floor(amount);
  const rest = amount - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down;
}
