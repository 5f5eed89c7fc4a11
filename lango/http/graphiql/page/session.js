// What a sign-in in GraphiQL gave: its access token is the tab's, its refresh token is in memory and nowhere else.
import { expiry, keepToken, readToken } from './token.js';

const SOON = 30_000;
const ENDING = ['signOut', 'signOutEverywhere'];
const RENEW = `mutation ($token: String!) {
  refreshSession(input: { refreshToken: $token }) { accessToken refreshToken }
}`;

let session = null;
let renewing = null;

function keep({ accessToken, refreshToken }) {
  session = refreshToken ? { accessToken, refreshToken } : null;
  keepToken(accessToken);
}

/** The name of the field that a key of the answer is about. */
function fieldOf(key, operation) {
  const node = operation?.selectionSet.selections.find((each) => (each.alias ?? each.name)?.value === key);
  return node?.name?.value ?? key;
}

/** Takes from an answer what signs in, and notices who has signed out. */
export function note(result, operation) {
  if (operation?.operation !== 'mutation') return;
  for (const [key, payload] of Object.entries(result?.data ?? {})) {
    if (typeof payload?.accessToken === 'string') keep(payload);
    else if (payload && ENDING.includes(fieldOf(key, operation)) && !payload.userErrors?.length) {
      session = null;
      keepToken('');
    }
  }
}

/** Exchanges the access token when it is about to end; a token that came from elsewhere is let alone.
 * `post` sends a request without a token. */
export async function renew(post) {
  if (!session || session.accessToken !== readToken()) return;
  const end = expiry(session.accessToken);
  if (end === null || end - Date.now() > SOON) return;
  // One exchange at a time: a refresh token is for one use.
  renewing ??= exchange(post).finally(() => {
    renewing = null;
  });
  await renewing;
}

async function exchange(post) {
  const token = session.refreshToken;
  try {
    const payload = (await post({ query: RENEW, variables: { token } })).data?.refreshSession;
    if (payload?.accessToken) keep(payload);
    else if (payload) session = null;
  } catch {
    // The gateway is away: the operation itself says so.
  }
}
