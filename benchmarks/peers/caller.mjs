// Who is asking: a verified token becomes a role and a context, as lango/security/authentication.py and lango/db/session.py make them.
import { randomUUID } from "node:crypto";
import { createVerifier } from "fast-jwt";

const STAFF = ["admin", "super_admin"];
const REQUEST_ID = /^[A-Za-z0-9-]{1,64}$/;

// Remembers verified tokens, as lango does.
const verify = createVerifier({
  key: Buffer.from(process.env.BENCH_TOKEN_KEY, "base64url"),
  algorithms: ["HS256"],
  allowedIss: process.env.BENCH_TOKEN_ISSUER,
  allowedAud: process.env.BENCH_TOKEN_AUDIENCE,
  requiredClaims: ["exp", "iss", "aud", "sub"],
  clockTolerance: 10_000,
  cache: 1_000,
});

export function callerOf(request) {
  const given = request.headers["x-request-id"];
  const caller = {
    role: "lango_anonymous",
    userId: "",
    roles: [],
    claimed: [],
    sessionId: "",
    requestId: REQUEST_ID.test(given ?? "") ? given : randomUUID(),
    ip: request.socket.remoteAddress ?? "",
    userAgent: request.headers["user-agent"] ?? "",
  };
  const authorization = request.headers.authorization;
  if (authorization === undefined) {
    return caller;
  }
  const claims = verify(authorization.slice("Bearer ".length));
  caller.role = "lango_member";
  caller.userId = claims.sub;
  caller.sessionId = claims.sid;
  caller.claimed = (claims.roles ?? []).filter((role) => STAFF.includes(role));
  return caller;
}

/** The caller with those of the claimed roles that the database confirms; `query` must run as a request role. */
export async function confirmed(caller, query) {
  if (caller.claimed.length === 0) {
    return caller;
  }
  const text = "SELECT lango.confirmed_roles($1::uuid, $2::text[]) AS roles";
  const { rows } = await query({ name: "confirmed_roles", text, values: [caller.userId, caller.claimed] });
  caller.roles = rows[0].roles;
  if (caller.roles.length > 0) {
    caller.role = "lango_staff";
  }
  return caller;
}

/** The settings that policies and triggers read. */
export function settingsOf(caller) {
  return {
    "lango.user_id": caller.userId,
    "lango.roles": [...caller.roles].sort().join(","),
    "lango.session_id": caller.sessionId,
    "lango.request_id": caller.requestId,
    "lango.ip": caller.ip,
    "lango.user_agent": caller.userAgent,
  };
}
