// PostGraphile 5 over lango's database, in its documented production settings.
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { grafserv } from "postgraphile/grafserv/node";
import { makePgService } from "postgraphile/adaptors/pg";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { access, context, lambda, list, object } from "postgraphile/grafast";
import { sideEffectWithPgClientTransaction } from "postgraphile/@dataplan/pg";
import { extendSchema, gql, jsonPgSmartTags } from "postgraphile/utils";
import { postgraphile } from "postgraphile";
import { PgAggregatesPreset } from "@graphile/pg-aggregates";
import { PostGraphileConnectionFilterPreset } from "postgraphile-plugin-connection-filter";
import pg from "pg";
import { callerOf, confirmed, settingsOf } from "./caller.mjs";
import { redeem } from "./redeem.mjs";
import { pool as poolConfig, serve } from "./workers.mjs";

const SCHEMAS = [
  "identity", "profiles", "packs", "pots", "referrals", "donations", "redemption", "notifications", "analytics",
  "cards", "trading", "security", "treasury", "usage", "privacy",
];

// Columns without an index of their own are not offered to filters unless one says so.
const FILTERED = ["+filterBy"];
// What the views' keys are: PostgreSQL does not know.
const tags = jsonPgSmartTags({
  version: 1,
  config: {
    class: {
      "profiles.public_profiles": { tags: { primaryKey: "user_id" } },
      "packs.public_partners": { tags: { primaryKey: "id" } },
      "donations.contributions": {
        tags: { primaryKey: "id", foreignKey: "(pot_id) references pots.pots (id)|@foreignFieldName contributions" },
      },
      "pots.pots": {
        attribute: { visibility: { tags: { behavior: FILTERED } } },
        tags: { foreignKey: "(owner_user_id) references profiles.public_profiles (user_id)|@fieldName ownerProfile" },
      },
      "donations.donations": { attribute: { created_at: { tags: { behavior: FILTERED } } } },
      "packs.packs": {
        tags: { foreignKey: "(partner_id) references packs.public_partners (id)|@fieldName publicPartner" },
      },
    },
  },
});

// The aggregates plugin has `count(distinct …)` only; rows are counted with a spec of our own, and days in UTC.
const CountPlugin = {
  name: "CountPlugin",
  version: "0.0.0",
  schema: {
    hooks: {
      build(build) {
        const { sql, dataplanPg } = build;
        build.pgAggregateSpecs = [
          ...build.pgAggregateSpecs,
          {
            id: "count",
            humanLabel: "count",
            HumanLabel: "Count",
            isSuitableType: (codec) => codec === dataplanPg.TYPES.uuid,
            sqlAggregateWrap: (fragment) => sql`count(${fragment})`,
            pgTypeCodecModifier: () => dataplanPg.TYPES.bigint,
          },
        ];
        return build;
      },
    },
  },
};

const RedeemPlugin = extendSchema((build) => {
  const { redemption_qr_codes: codes } = build.input.pgRegistry.pgResources;
  return {
    typeDefs: gql`
      input RedeemQrCodeInput { code: String! idempotencyKey: String }
      type RedeemQrCodeUserError { code: String! message: String! }
      type RedeemQrCodePayload { qrCode: RedemptionQrCode userErrors: [RedeemQrCodeUserError!]! }
      extend type Mutation { redeemQrCode(input: RedeemQrCodeInput!): RedeemQrCodePayload }
    `,
    objects: {
      Mutation: {
        plans: {
          redeemQrCode(_, { $input: { $code, $idempotencyKey } }) {
            const $request = object({ code: $code, key: $idempotencyKey, caller: context().get("caller") });
            return sideEffectWithPgClientTransaction(codes.executor, $request, async (client, { code, key, caller }) => {
              await client.query({ text: "SET LOCAL ROLE lango_rules" });
              return redeem((query) => client.query(query), caller, code, key);
            });
          },
        },
      },
      RedeemQrCodePayload: {
        plans: {
          qrCode: ($done) => codes.get({ id: access($done, "qrCodeId") }),
          userErrors: ($done) => access($done, "userErrors"),
        },
      },
    },
  };
});

const confirming = new pg.Pool({ ...poolConfig, max: 2 });

/** Roles that open doors are confirmed by the database, in a transaction as the caller. */
async function withConfirmedRoles(caller) {
  if (caller.claimed.length === 0) {
    return caller;
  }
  const client = await confirming.connect();
  try {
    await client.query("BEGIN READ ONLY; SET LOCAL ROLE lango_member");
    const known = await confirmed(caller, (query) => client.query(query));
    await client.query("COMMIT");
    return known;
  } finally {
    client.release();
  }
}

const preset = {
  extends: [PostGraphileAmberPreset, PgAggregatesPreset, PostGraphileConnectionFilterPreset],
  plugins: [tags, CountPlugin, RedeemPlugin],
  pgServices: [
    makePgService({
      connectionString: poolConfig.connectionString,
      poolConfig,
      schemas: SCHEMAS,
      pubsub: false,
      // What members may read is what there is: columns without a grant are left out.
      pgSettingsForIntrospection: { role: "lango_member" },
    }),
  ],
  grafserv: { graphqlPath: "/graphql", watch: false, graphiql: false, websockets: false },
  grafast: {
    explain: false,
    async context({ node }) {
      const caller = await withConfirmedRoles(callerOf(node.req));
      return { caller, pgSettings: { role: caller.role, ...settingsOf(caller) } };
    },
  },
};

serve(async (port) => {
  const instance = postgraphile(preset);
  if (process.env.BENCH_PRINT) {
    const { printSchema } = await import("graphql");
    writeFileSync(process.env.BENCH_PRINT, printSchema(await instance.getSchema()));
    process.exit(0);
  }
  const server = createServer();
  await instance.createServ(grafserv).addTo(server);
  await instance.getSchema();
  server.listen(port, "127.0.0.1");
});
