// Mercurius with JIT and loaders: a schema written by hand, one transaction a request, one statement a relation.
import Fastify from "fastify";
import mercurius from "mercurius";
import pg from "pg";
import { callerOf, confirmed, settingsOf } from "./caller.mjs";
import { redeem } from "./redeem.mjs";
import { pool as poolConfig, serve } from "./workers.mjs";

// A day stays the text that PostgreSQL sends; a Date of it would be a moment in this machine's zone.
pg.types.setTypeParser(pg.types.builtins.DATE, (text) => text);

const schema = `
  scalar Date
  scalar DateTime
  scalar BigInt
  enum PotStatus { SCHEDULED OPEN FUNDED EXPIRED CLOSED CANCELLED }
  enum PotVisibility { PRIVATE PUBLIC FRIENDS_ONLY }
  enum DonationStatus { PENDING PROCESSING SUCCEEDED FAILED REFUNDED }
  enum QrCodeStatus { ISSUED REDEEMED EXPIRED CANCELLED }
  type PageInfo { hasNextPage: Boolean! endCursor: String }
  type Pot {
    rowId: ID!
    title: String!
    status: PotStatus
    visibility: PotVisibility
    targetAmountCfa: Int!
    raisedCfa: Int!
    birthdayDate: Date!
    createdAt: DateTime!
    ownerUser: User
    ownerProfile: PublicProfile
    preferredPack: Pack
    contributions(first: Int!): ContributionConnection!
    donations(first: Int!): DonationConnection!
    qrCodes(first: Int!): QrCodeConnection!
  }
  type PotEdge { node: Pot! cursor: String! }
  type PotConnection { edges: [PotEdge!]! nodes: [Pot!]! pageInfo: PageInfo! }
  type User { rowId: ID! email: String phone: String }
  type PublicProfile { fullName: String! avatarUrl: String bio: String }
  type Pack { rowId: ID! name: String! category: String! basePriceCfa: Int! partner: Partner publicPartner: PublicPartner }
  type Partner { rowId: ID! name: String! type: String! }
  type PublicPartner { rowId: ID! name: String! type: String! }
  type Contribution { rowId: ID! amountCfa: Int donorName: String message: String createdAt: DateTime! }
  type ContributionConnection { nodes: [Contribution!]! }
  type Donation { rowId: ID! amountCfa: Int! status: DonationStatus createdAt: DateTime! donorUser: User }
  type DonationConnection { nodes: [Donation!]! }
  type QrCode {
    rowId: ID!
    status: QrCodeStatus
    priceCfa: Int!
    partnerShareCfa: Int
    expiresAt: DateTime!
    redeemedAt: DateTime
    pack: Pack
  }
  type QrCodeConnection { nodes: [QrCode!]! }
  type DonationSum { amountCfa: String }
  type DonationGroup { createdAt: DateTime }
  type DonationAggregate { group: DonationGroup! count: BigInt! sum: DonationSum! }
  type RedeemQrCodeUserError { code: String! message: String! }
  type RedeemQrCodePayload { qrCode: QrCode userErrors: [RedeemQrCodeUserError!]! }
  input RedeemQrCodeInput { code: String! idempotencyKey: String }
  type Query {
    pot(id: ID!): Pot
    pots(first: Int!, after: String, visibility: PotVisibility): PotConnection!
    donationsByDay(from: DateTime!, to: DateTime!): [DonationAggregate!]!
  }
  type Mutation { redeemQrCode(input: RedeemQrCodeInput!): RedeemQrCodePayload }
`;

const POT = `id AS "rowId", title, upper(status) AS status, upper(visibility) AS visibility,
  target_amount_cfa AS "targetAmountCfa", raised_cfa AS "raisedCfa", birthday_date AS "birthdayDate",
  created_at AS "createdAt", created_at::text AS "createdText", owner_user_id AS "ownerUserId",
  preferred_pack_id AS "preferredPackId"`;
const PACK = 'id AS "rowId", name, category, base_price_cfa AS "basePriceCfa", partner_id AS "partnerId"';
const CONTRIBUTION = 'id AS "rowId", amount_cfa AS "amountCfa", donor_name AS "donorName", message, created_at AS "createdAt"';
const DONATION = `id AS "rowId", amount_cfa AS "amountCfa", upper(status) AS status, created_at AS "createdAt",
  donor_user_id AS "donorUserId"`;
const CODE = `id AS "rowId", upper(status) AS status, price_cfa AS "priceCfa", partner_share_cfa AS "partnerShareCfa",
  expires_at AS "expiresAt", redeemed_at AS "redeemedAt", pack_id AS "packId"`;

/** A loader of the rows behind a foreign key: those that are requested, once each. */
function toOne(name, columns, table, key, foreign) {
  const text = `SELECT ${key} AS key, ${columns} FROM ${table} WHERE ${key} = ANY ($1)`;
  return {
    opts: { cache: false },
    async loader(queries, context) {
      const keys = [...new Set(queries.map(({ obj }) => obj[foreign]).filter((each) => each !== null))];
      const rows = keys.length === 0 ? [] : (await context.query({ name, text, values: [keys] })).rows;
      const found = new Map(rows.map((row) => [row.key, row]));
      return queries.map(({ obj }) => found.get(obj[foreign]) ?? null);
    },
  };
}

/** A loader of the first children of each pot. */
function ofPots(name, columns, table, order) {
  const text = `SELECT pot.id AS key, child.* FROM unnest($1::uuid[]) AS pot (id)
    CROSS JOIN LATERAL (SELECT ${columns} FROM ${table} WHERE pot_id = pot.id ORDER BY ${order} LIMIT $2) child`;
  return {
    opts: { cache: false },
    async loader(queries, context) {
      const values = [queries.map(({ obj }) => obj.rowId), page(queries[0].params.first)];
      const { rows } = await context.query({ name, text, values });
      const found = Map.groupBy(rows, (row) => row.key);
      return queries.map(({ obj }) => ({ nodes: found.get(obj.rowId) ?? [] }));
    },
  };
}

const user = (foreign) => toOne("users", 'id AS "rowId", email, phone', "identity.users", "id", foreign);
const pack = (foreign) => toOne("packs", PACK, "packs.packs", "id", foreign);
const loaders = {
  Pot: {
    ownerUser: user("ownerUserId"),
    ownerProfile: toOne(
      "profiles", 'full_name AS "fullName", avatar_url AS "avatarUrl", bio', "profiles.public_profiles", "user_id",
      "ownerUserId",
    ),
    preferredPack: pack("preferredPackId"),
    contributions: ofPots("contributions", CONTRIBUTION, "donations.contributions", "created_at DESC, id DESC"),
    donations: ofPots("donations", DONATION, "donations.donations", "created_at DESC, id DESC"),
    qrCodes: ofPots("codes", CODE, "redemption.qr_codes", "id"),
  },
  Pack: {
    partner: toOne("partners", 'id AS "rowId", name, type', "packs.partners", "id", "partnerId"),
    publicPartner: toOne("public_partners", 'id AS "rowId", name, type', "packs.public_partners", "id", "partnerId"),
  },
  Donation: { donorUser: user("donorUserId") },
  QrCode: { pack: pack("packId") },
};

const moment = (value) => value?.toISOString() ?? null;
const page = (first) => Math.min(Math.max(first, 0), 100);
const cursorOf = (pot) => Buffer.from(JSON.stringify([pot.createdText, pot.rowId])).toString("base64");

const resolvers = {
  Pot: { createdAt: (pot) => moment(pot.createdAt) },
  PotConnection: { edges: ({ nodes }) => nodes.map((node) => ({ node, cursor: cursorOf(node) })) },
  Contribution: { createdAt: (contribution) => moment(contribution.createdAt) },
  Donation: { createdAt: (donation) => moment(donation.createdAt) },
  QrCode: { expiresAt: (code) => moment(code.expiresAt), redeemedAt: (code) => moment(code.redeemedAt) },
  DonationGroup: { createdAt: (group) => moment(group.createdAt) },
  Query: {
    async pot(_, { id }, context) {
      const text = `SELECT ${POT} FROM pots.pots WHERE id = $1`;
      return (await context.query({ name: "pot", text, values: [id] })).rows[0] ?? null;
    },
    async pots(_, { first, after, visibility }, context) {
      const size = page(first);
      const values = [size + 1];
      const terms = [];
      if (visibility) {
        terms.push(`visibility = $${values.push(visibility.toLowerCase())}`);
      }
      if (after) {
        const [created, id] = JSON.parse(Buffer.from(after, "base64").toString());
        terms.push(`(created_at, id) < ($${values.push(created)}::timestamptz, $${values.push(id)}::uuid)`);
      }
      const where = terms.length > 0 ? `WHERE ${terms.join(" AND ")}` : "";
      const text = `SELECT ${POT} FROM pots.pots ${where} ORDER BY created_at DESC, id DESC LIMIT $1`;
      const name = `pots${visibility ? " of visibility" : ""}${after ? " after" : ""}`;
      const { rows } = await context.query({ name, text, values });
      const nodes = rows.slice(0, size);
      return {
        nodes,
        pageInfo: { hasNextPage: rows.length > size, endCursor: nodes.length > 0 ? cursorOf(nodes.at(-1)) : null },
      };
    },
    async donationsByDay(_, { from, to }, context) {
      const text = `SELECT date_trunc('day', created_at, 'UTC') AS day, count(*) AS count, sum(amount_cfa) AS sum
        FROM donations.donations WHERE created_at >= $1 AND created_at < $2 GROUP BY 1 ORDER BY 1`;
      const { rows } = await context.query({ name: "days", text, values: [from, to] });
      return rows.map((row) => ({ group: { createdAt: row.day }, count: row.count, sum: { amountCfa: row.sum } }));
    },
  },
  Mutation: {
    async redeemQrCode(_, { input }, context) {
      await context.client.query("SET LOCAL ROLE lango_rules");
      const done = await redeem(context.query, context.caller, input.code, input.idempotencyKey);
      await context.client.query(`SET CONSTRAINTS ALL IMMEDIATE; SET LOCAL ROLE ${context.caller.role}`);
      if (!done.qrCodeId) {
        return { qrCode: null, userErrors: done.userErrors };
      }
      const text = `SELECT ${CODE} FROM redemption.qr_codes WHERE id = $1`;
      const { rows } = await context.query({ name: "code again", text, values: [done.qrCodeId] });
      return { qrCode: rows[0] ?? null, userErrors: [] };
    },
  },
};

/** BEGIN, role and context in one round trip; staff's roles are confirmed first, in the same transaction. */
async function begin(client, caller, readOnly) {
  const contextOf = () =>
    Object.entries(settingsOf(caller))
      .map(([name, value]) => `set_config('${name}', ${pg.escapeLiteral(value)}, true)`)
      .join(", ");
  await client.query(`BEGIN${readOnly ? " READ ONLY" : ""}; SET LOCAL ROLE ${caller.role}; SELECT ${contextOf()}`);
  if (caller.claimed.length > 0) {
    await confirmed(caller, (query) => client.query(query));
    await client.query(`SET LOCAL ROLE ${caller.role}; SELECT ${contextOf()}`);
  }
}

serve(async (port) => {
  const pool = new pg.Pool(poolConfig);
  const app = Fastify();
  await app.register(mercurius, {
    schema,
    resolvers,
    loaders,
    jit: 1,
    graphiql: false,
    context: (request) => ({ caller: callerOf(request.raw) }),
  });
  app.graphql.addHook("preExecution", async (_schema, document, context) => {
    const readOnly = document.definitions.every((each) => each.operation !== "mutation");
    context.client = await pool.connect();
    context.query = (query) => context.client.query(query);
    await begin(context.client, context.caller, readOnly);
  });
  app.graphql.addHook("onResolution", async (_execution, context) => {
    if (context.client) {
      await context.client.query("COMMIT");
      context.client.release();
    }
  });
  await app.listen({ port, host: "127.0.0.1" });
});
